"""The table of simplifications: named identities, each with examples from which its test is generated.

A rule is applied to a node whose operands are simplified already, and returns an equal expression or None. The
identities hold over the real numbers; `0·x → 0` and `(x/y)·y → x` also where floating point gives NaN. A rule reads as
its identity: a `case` is the left-hand side, the returned value the right-hand side. Predicates on expressions that
rules share, such as whether one is a number, are here as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    Dim,
    Input,
    Node,
    SymbolicDim,
    applies,
    dim_quotient,
    topological_order,
)
from chainrule.primitives import Add, Broadcast, CumulativeSum, Divide, Multiply, Reshape, Sqrt, Subtract

Pattern = Callable[[Apply], Node | None]


@dataclass(frozen=True)
class Rule:
    """A named identity: `rewrite` applies it, `examples` are left-hand sides that it must match.

    `bit` is of this rule alone among those that see nothing but the node: what they do not match once, they never will.
    It is 0 for a rule that knows more, such as the symbols of one program.
    """

    name: str
    primitives: tuple[type, ...]
    rewrite: Pattern
    examples: Callable[[], Sequence[Node]]
    bit: int = 0


RULES: list[Rule] = []


def rule(
    name: str, *primitives: type, examples: Callable[[], Sequence[Node]], sees_node_alone: bool = True
) -> Callable[[Pattern], Pattern]:
    """Add a rewrite of `primitives` to the table."""

    def enter(rewrite: Pattern) -> Pattern:
        RULES.append(Rule(name, primitives, rewrite, examples, 1 << len(RULES) if sees_node_alone else 0))
        return rewrite

    return enter


def is_filled(node: Node, number: float) -> bool:
    """Whether every element of `node` is the literal `number`."""
    return isinstance(node, Const) and node.filled_with(number)


def number_of(node: Node) -> float | None:
    """Return the number that fills `node`, if it is such a literal, otherwise None."""
    match node:
        case Const(float() | int() as number) if not isinstance(number, bool):
            return number
    return None


def is_scale(node: Node) -> bool:
    """Whether `node` is one number repeated: a literal, or products and quotients of literals such as 2/n and 1/√d."""
    match node:
        case Const():
            return node.is_filled
        case Apply(Divide() | Multiply() | Sqrt(), operands):
            # The immediate factors are checked first: a long product often ends in one that is not a number.
            return all(map(_may_be_scale, operands)) and all(map(is_scale, operands))
    return False


def _may_be_scale(node: Node) -> bool:
    match node:
        case Const() | Apply(Divide() | Multiply() | Sqrt()):
            return True
    return False


def is_coefficient(node: Node) -> bool:
    """Whether `node` is a symbolic number, such as λ/n: computed from scalars, of which one is an input."""
    if node.type.ndim or not node.type.dtype.is_float:
        return False
    parts = topological_order([node])
    return all(part.type.ndim == 0 for part in parts) and any(isinstance(part, Input) for part in parts)


def scalar_of(node: Node) -> Node | None:
    """Return the coefficient that `node` repeats, or None."""
    match node:
        case Apply(Broadcast(axes=()), (scalar,)) if node.type.ndim and is_coefficient(scalar):
            return scalar
    return None


def is_scaling(c: Node, x: Node) -> bool:
    """Whether c·x is a product of a literal number c and an x that is not one."""
    return is_scale(c) and not is_scale(x)


def refilled(scale: Node, type_: ArrayType) -> Node:
    """Return the repeated number `scale` in another shape."""
    if isinstance(scale, Const):
        return Const(scale.value, type_)
    assert isinstance(scale, Apply)
    return Apply(scale.primitive, tuple(refilled(operand, type_) for operand in scale.operands))


def with_operand(node: Apply, place: int, operand: Node) -> Apply:
    """Return `node` with its operand at `place` replaced."""
    return Apply(node.primitive, (*node.operands[:place], operand, *node.operands[place + 1 :]))


def beneath_arrangement(node: Node) -> Node:
    """Return the operand beneath reshapes and broadcasts."""
    while applies(node, Broadcast, Reshape):
        (node,) = node.operands
    return node


def both_orders(node: Apply) -> tuple[tuple[Node, Node], tuple[Node, Node]]:
    """Return the two operands of `node`, in both orders."""
    x, y = node.operands
    return (x, y), (y, x)


def along_kept(operand: Node, reduction: Apply) -> Node | None:
    """Return `operand` in the shape of the result of `reduction`, if it is broadcast along all reduced axes."""
    reduced, shape = reduction.primitive.axes, reduction.type.shape
    match operand:
        case Apply(Broadcast(axes=axes), (source,)) if set(axes).isdisjoint(reduced):
            kept = [axis for axis in range(operand.type.ndim) if axis not in reduced]
            places = tuple(kept.index(axis) for axis in axes)
            return source if source.type.shape == shape else Broadcast(shape, places)(source)
    return None


def counts_up(node: Node) -> bool:
    """Whether `node` is 1, 2, …, possibly shifted by a whole number."""
    match node:
        case Apply(CumulativeSum(), (Const(1),)):
            return True
        case Apply(Add() | Subtract(), (counted, Const(float(shift)))):
            return shift % 1 == 0 and counts_up(counted)
    return False


def reduced(divisor: Node, count: Dim) -> Dim | None:
    """Return the remaining denominator after a numerator `count` is cancelled, or None."""
    match divisor:
        case Const(int() | SymbolicDim() as whole):
            return dim_quotient(whole, count)
    return None
