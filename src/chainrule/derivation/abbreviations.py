"""Names for repeated sub-expressions of a derivation.

Abbreviations are further symbols with the expressions that they stand for. The record claims each, and substitutes the
symbols in the right sides of all other claims.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from chainrule.calculus import TANGENT, is_scale, reading_cost, simplify
from chainrule.derivation.naming import in_case
from chainrule.ir import Apply, Const, Input, Node, applies, substitute, topological_order
from chainrule.primitives import (
    Add,
    Broadcast,
    Cast,
    DiagonalMatrix,
    Divide,
    Exp,
    Inverse,
    Log,
    Mean,
    Multiply,
    Negate,
    OneHot,
    Permute,
    Reshape,
    Slice,
    Softmax,
    Sqrt,
    Square,
    Subtract,
    Sum,
    Tanh,
)

_LIMIT = 12
"""The maximum number of abbreviations; a reader could not remember more."""
_FREE = (Broadcast, Cast, Permute, Reshape, Slice)
_PLAIN = (Add, Divide, Mean, Multiply, Negate, Square, Subtract, Sum)
_LETTERS: dict[type, str] = {Softmax: "p", Sqrt: "s", Tanh: "t"}
_ANY = "uvwrst"


@dataclass(frozen=True, eq=False)
class Abbreviation:
    """An abbreviation: `symbol` stands for `value`, which may contain earlier abbreviations."""

    symbol: Input
    value: Node


def abbreviations(expressions: Iterable[Node], taken: Collection[str]) -> tuple[Abbreviation, ...]:
    """Return abbreviations of repeated parts of `expressions`, with names not in `taken`, each after those it contains.

    An expression is abbreviated if it has three operations and occurs twice, or two and occurs three times; a function
    of a named value, such as tanh(c), if it occurs three times.
    """
    lines = list(dict.fromkeys(expressions))
    used = set(taken)
    found: list[tuple[Input, Node]] = []
    while len(found) < _LIMIT:
        chosen = _most_repeated(lines)
        if chosen is None:
            break
        symbol = Input(next(_free_names(chosen, used)), chosen.type)
        used.add(symbol.name)
        known = {chosen: symbol}
        lines = list(substitute(lines, known))
        found = [(each, substitute([value], known)[0]) for each, value in found]
        found.append((symbol, chosen))
        lines.append(chosen)
    return tuple(Abbreviation(symbol, value) for symbol, value in _readable(found))


def probabilities(expressions: Iterable[Node], taken: Collection[str]) -> tuple[Abbreviation, ...]:
    """Return names for the softmax of what one of `expressions` has it of several times: p in diag(p) − p pᵀ."""
    used, found = set(taken), list[Abbreviation]()
    for line in expressions:
        for node, count in _occurrences(line).items():
            if count > 1 and applies(node, Softmax) and all(each.value is not node for each in found):
                found.append(Abbreviation(Input(next(_free_names(node, used)), node.type), node))
                used.add(found[-1].symbol.name)
    return tuple(found)


def aligned(expressions: Sequence[Node], others: Iterable[Node]) -> dict[Node, Node]:
    """Return parts of `expressions` that differ from parts of `others` only by axes of size 1, in terms of the latter.

    The root of a mean with `keepdims` is the same on paper as that of a mean without.
    """
    known = set(topological_order(list(others)))
    found: dict[Node, Node] = {}
    for node in topological_order(list(expressions)):
        shape = node.type.shape
        if applies(node, Broadcast, Reshape) and node.operands[0] in found:
            found[node] = simplify(Apply(node.primitive, (found[node.operands[0]],)))
            continue
        if not isinstance(node, Apply) or 1 not in shape or isinstance(node.primitive, _FREE):
            continue
        kept = tuple(axis for axis, size in enumerate(shape) if size != 1)
        bare = simplify(Reshape(tuple(shape[axis] for axis in kept))(node))
        if bare in known and isinstance(bare, Apply) and not isinstance(bare.primitive, _FREE):
            found[node] = Broadcast(shape, kept)(bare)
    return found


def functions_as_written(expressions: Sequence[Node], simplified: Callable[[Node], Node]) -> dict[Node, Node]:
    """Return the functions of arithmetic in `expressions` by their simplified forms, where those are hardly shorter.

    So exp(−u / (2 l²)) is the same in the forward pass and in a gradient, where it would be exp(−½ u / l²).
    """
    found: dict[Node, Node] = {}
    for part in topological_order(expressions):
        match part:
            case Apply(Exp() | Log() | Sqrt(), (Apply(Add() | Divide() | Multiply() | Negate() | Subtract()),)):
                other = simplified(part)
                if other is not part and reading_cost(part) <= reading_cost(other) + 1:  # the 2 of u/2
                    found[other] = part
    return found


def _most_repeated(lines: Sequence[Node]) -> Node | None:
    """Return the sub-expression whose abbreviation saves most, or None."""
    whole = set(lines)
    occurrences: dict[Node, int] = {}
    for line in lines:
        for node, count in _occurrences(line).items():
            if node not in whole:
                occurrences[node] = occurrences.get(node, 0) + count
    weights = _weights([node for node, count in occurrences.items() if count > 1])
    best: tuple[int, Node] | None = None
    for node, count in occurrences.items():
        if not _is_worth_a_name(node, count, weights.get(node, 0)):
            continue
        saved = (count - 1) * weights[node]
        if best is None or saved > best[0]:
            best = saved, node
    return None if best is None else best[1]


def _is_worth_a_name(node: Node, count: int, weight: int) -> bool:
    if not isinstance(node, Apply) or not node.type.dtype.is_float or isinstance(node.primitive, _FREE):
        return False
    if is_scale(node) or any(
        isinstance(part, Input) and part.name.startswith(TANGENT) for part in topological_order([node])
    ):
        return False
    match node:
        case Apply(Inverse() | OneHot(), (Input(),)) | Apply(DiagonalMatrix(), (Const(),)):  # as short as a name
            return False
        case Apply(Multiply(), (c, _)) if is_scale(c):  # 2 u is written with a name for u
            return False
    if count >= 3 and weight == 1:
        return not isinstance(node.primitive, _PLAIN) and node.type.ndim > 0
    return (count >= 2 and weight >= 3) or (count >= 3 and weight >= 2)


def _occurrences(line: Node) -> dict[Node, int]:
    """Count the occurrences of each part of an expression in its written form."""
    order = topological_order([line])
    counts = dict.fromkeys(order, 0)
    counts[line] = 1
    for node in reversed(order):
        if isinstance(node, Apply):
            for operand in node.operands:
                counts[operand] += counts[node]
    return counts


def _weights(nodes: Sequence[Node]) -> dict[Node, int]:
    """Count the operations of each expression, up to a few hundred."""
    weights: dict[Node, int] = {}
    for node in topological_order(nodes):
        if not isinstance(node, Apply) or is_scale(node):
            weights[node] = 0
        else:
            weights[node] = min(999, sum(weights[o] for o in node.operands) + (not isinstance(node.primitive, _FREE)))
    return weights


def _free_names(node: Node, used: Collection[str]) -> Iterator[str]:
    own = _LETTERS.get(type(node.primitive)) if isinstance(node, Apply) else None
    letters = [own] if own else []
    numbered = (letter + str(k) for k in itertools.count(1) for letter in (own or "u",))
    return (name for name in itertools.chain(letters, in_case(node, _ANY), numbered) if name not in used)


def _readable(found: Sequence[tuple[Input, Node]]) -> Iterator[tuple[Input, Node]]:
    """Yield abbreviations in topological order."""
    values = dict(found)
    done: set[Input] = set()

    def visit(symbol: Input) -> Iterator[tuple[Input, Node]]:
        if symbol in done:
            return
        done.add(symbol)
        for part in topological_order([values[symbol]]):
            if isinstance(part, Input) and part in values:
                yield from visit(part)
        yield symbol, values[symbol]

    for symbol, _ in found:
        yield from visit(symbol)
