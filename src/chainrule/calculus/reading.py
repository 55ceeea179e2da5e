"""What a reader reads: the length of an expression as it is printed, by which forms of equal expressions are chosen.

Symbols, operators, pairs of brackets and transposes count one each. A shared part counts as often as it is printed.
"""

from __future__ import annotations

from chainrule.calculus.rules import is_scale
from chainrule.ir import Apply, Node, applies
from chainrule.primitives import (
    Add,
    Adjugate,
    Broadcast,
    Contract,
    Divide,
    DivideNoNan,
    Inverse,
    Multiply,
    Negate,
    Permute,
    Power,
    Reshape,
    Square,
    Subtract,
)


def reading_cost(node: Node) -> int:
    """Count the symbols, operators, brackets and transposes of `node`."""
    return _cost(node, False, {})


def _cost(node: Node, turned: bool, known: dict[tuple[Node, bool], int]) -> int:
    """Count for `node`, or for its transpose if `turned`."""
    key = node, turned
    if key not in known:
        known[key] = _count(node, turned, known)
    return known[key]


def _count(node: Node, turned: bool, known: dict[tuple[Node, bool], int]) -> int:
    if is_scale(node):
        return 1
    match node:
        case Apply(Permute(order), (x,)) if _exchanges_last(order):
            return _cost(x, not turned, known)
        case Apply(Broadcast(axes=()), (x,)):
            return _cost(x, False, known)
        case Apply(Multiply(), (c, x)) if is_scale(c) or (applies(c, Broadcast) and not c.primitive.axes):
            return _cost(c, False, known) + _as_factor(x, turned, known)
        case Apply(Contract() as contract, (_, _)) if (product := contract.product) is not None:
            left = product.left.transposed ^ turned ^ (product.kind == "inner")
            right = product.right.transposed ^ turned ^ (product.kind == "outer")
            factors = ((product.left.operand, left), (product.right.operand, right))
            around = 1 if product.kind in ("trace", "rows") else 0
            return around + sum(_as_factor(node.operands[place], each, known) for place, each in factors)
        case Apply(Inverse(), (x,)):
            return _as_factor(x, False, known) + 1
        case Apply(Reshape(), (x,)):
            return _cost(x, turned, known)
    transpose = 1 if turned else 0
    match node:
        case Apply(Add() | Subtract(), (x, y)):
            inner = _cost(x, False, known) + _cost(y, False, known) + 1
            return inner + (2 if turned else 0)
        case Apply(Negate(), (x,)):
            return 1 + _as_factor(x, turned, known)
        case Apply(Multiply() | Divide() | DivideNoNan(), (x, y)):
            inner = _as_factor(x, False, known) + _as_factor(y, False, known) + 1
            return inner + (2 if turned else 0)
        case Apply(Square(), (x,)):
            return _as_factor(x, False, known) + 1 + transpose
        case Apply(Power(), (x, y)):
            return _as_factor(x, False, known) + _cost(y, False, known) + transpose
        case Apply(Broadcast(), (x,)):
            return _cost(x, False, known) + 1 + transpose
        case Apply(Adjugate(), (x, _)):
            return 2 + _cost(x, False, known) + transpose
        case Apply(_, operands):
            return 2 + sum(_cost(x, False, known) for x in operands) + transpose
    return 1 + transpose


def _as_factor(node: Node, turned: bool, known: dict[tuple[Node, bool], int]) -> int:
    """Count for a factor, in brackets if it is a sum."""
    brackets = 1 if applies(node, Add, Subtract) and not turned else 0
    return _cost(node, turned, known) + brackets


def _exchanges_last(order: tuple[int, ...]) -> bool:
    return order == (*range(len(order) - 2), len(order) - 1, len(order) - 2)
