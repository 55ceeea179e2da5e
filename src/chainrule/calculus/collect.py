"""Expand products over sums, cancel equal factors, collect like terms.

It is what one does on paper to (−y/a + (1−y)/(1−a))·a·(1−a).

An elementwise expression is read as a sum of terms, each a number times powers of factors; a factor is any node that
is not itself arithmetic. A sum in a denominator is one factor, so that it can cancel before anything is multiplied out.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.calculus.rules import applied, is_scale, number_of, rule
from chainrule.ir import Apply, ArrayType, Const, Input, Node, parse_shape, topological_order
from chainrule.primitives import (
    Add,
    Broadcast,
    Cast,
    Divide,
    Exp,
    Multiply,
    Negate,
    Permute,
    Reshape,
    Square,
    Subtract,
)

_TERM_LIMIT = 12
_FREE = (Broadcast, Permute, Reshape, Cast)  # arrangements; a reader does not count them as work


@dataclass(frozen=True)
class Term:
    """`number` times the product of factor ** exponent."""

    number: float
    powers: tuple[tuple[Node, int], ...]

    def times(self, other: Term) -> Term:
        powers = dict(self.powers)
        for factor, exponent in other.powers:
            powers[factor] = powers.get(factor, 0) + exponent
        return Term(self.number * other.number, tuple((f, e) for f, e in powers.items() if e))

    def inverse(self) -> Term:
        return Term(1 / self.number, tuple((factor, -exponent) for factor, exponent in self.powers))


def operation_count(node: Node) -> int:
    """How many operations an expression shows to a reader, shared parts once; a repeated number such as 2/n is none."""
    return sum(
        1
        for part in topological_order([node])
        if isinstance(part, Apply) and not isinstance(part.primitive, _FREE) and not is_scale(part)
    )


def _factors(node: Node) -> Term:
    """`node` as one term; a sum is a factor."""
    number = number_of(node)
    if number is not None:
        return Term(number, ())
    if isinstance(node, Apply):
        if isinstance(node.primitive, Multiply):
            return _factors(node.operands[0]).times(_factors(node.operands[1]))
        if isinstance(node.primitive, Divide) and number_of(node.operands[1]) != 0:
            divisor = _factors(node.operands[1])
            return _factors(node.operands[0]).times(divisor.inverse()) if divisor.number else Term(1, ((node, 1),))
        if isinstance(node.primitive, Negate):
            return Term(-1, ()).times(_factors(node.operands[0]))
        if isinstance(node.primitive, Square):
            term = _factors(node.operands[0])
            return term.times(term)
    return Term(1, ((node, 1),))


def _terms(node: Node) -> list[Term]:
    """A sum as its terms, not yet multiplied out."""
    if isinstance(node, Apply) and isinstance(node.primitive, Add | Subtract):
        sign = Term(-1 if isinstance(node.primitive, Subtract) else 1, ())
        return [*_terms(node.operands[0]), *(sign.times(term) for term in _terms(node.operands[1]))]
    return [_factors(node)]


def _is_sum(node: Node) -> bool:
    return applied(node, Add, Subtract) is not None


def _has_quotient(node: Node) -> bool:
    return any(exponent < 0 for term in _terms(node) for _, exponent in term.powers)


def _expand(term: Term) -> list[Term] | None:
    """`term` multiplied out, sums that hold quotients first; None where that gives too many terms."""
    pending = [term]
    done: list[Term] = []
    while pending:
        if len(pending) + len(done) > _TERM_LIMIT:
            return None
        current = pending.pop(0)
        sums = [factor for factor, exponent in current.powers if exponent > 0 and _is_sum(factor)]
        if not sums:
            done.append(current)
            continue
        chosen = next((factor for factor in sums if _has_quotient(factor)), sums[0])
        rest = current.times(Term(1, ((chosen, -1),)))
        pending += [rest.times(part) for part in _terms(chosen)]
    return done


def _product(number: float, powers: tuple[tuple[Node, int], ...], like: ArrayType) -> Node:
    above, below = _powers([(f, e) for f, e in powers if not isinstance(f, Const)])
    size_above, size_below = _powers([(f, e) for f, e in powers if isinstance(f, Const)])
    scale: Node = Const(number, like)
    if size_above is not None:
        scale = Multiply()(scale, size_above)
    if size_below is not None:
        scale = Divide()(scale, size_below)
    if below is not None:
        return _times(scale, Divide()(Const(1, like) if above is None else above, below))
    return scale if above is None else _times(scale, above)


def _times(scale: Node, x: Node) -> Node:
    return x if number_of(scale) == 1 else Multiply()(scale, x)


def _powers(powers: list[tuple[Node, int]]) -> tuple[Node | None, Node | None]:
    """The product of the factors with positive exponents, and of those with negative ones."""
    products: list[Node | None] = [None, None]
    for factor, exponent in powers:
        side = 0 if exponent > 0 else 1
        for _ in range(abs(exponent)):
            product = products[side]
            products[side] = factor if product is None else Multiply()(product, factor)
    return products[0], products[1]


def _x() -> Node:
    return Exp()(Input("x", ArrayType(parse_shape("n m"))))


def _y() -> Node:
    return Input("y", ArrayType(parse_shape("n m")))


def _one() -> Node:
    return Const(1, _y().type)


@rule("expand, cancel, collect", Add, Subtract, Multiply, Divide, examples=lambda: [
    Multiply()(Divide()(_y(), _x()), _x()),
    Divide()(Multiply()(_y(), _x()), _x()),
    Add()(_y(), Multiply()(Const(2, _y().type), _y())),
    Subtract()(_y(), _y()),
    Multiply()(
        Multiply()(
            Add()(
                Negate()(Divide()(_y(), _x())),
                Divide()(Subtract()(_one(), _y()), Subtract()(_one(), _x())),
            ),
            _x(),
        ),
        Subtract()(_one(), _x()),
    ),
])  # fmt: skip
def _expand_and_collect(node: Apply) -> Node | None:
    collected: dict[frozenset[tuple[Node, int]], tuple[float, tuple[tuple[Node, int], ...]]] = {}
    for term in _terms(node):
        expanded = _expand(term)
        if expanded is None:
            return None
        for part in expanded:
            key = frozenset(part.powers)
            number, powers = collected.get(key, (0.0, part.powers))
            collected[key] = (number + part.number, powers)
    terms = sorted((entry for entry in collected.values() if entry[0] != 0), key=lambda entry: entry[0] < 0)
    result: Node = Const(0, node.type)
    for place, (number, powers) in enumerate(terms):
        product = _product(abs(number), powers, node.type)
        if place == 0:
            result = product if number > 0 else Negate()(product)
        else:
            result = (Add() if number > 0 else Subtract())(result, product)
    return result if operation_count(result) < operation_count(node) else None


@rule("common factor", Add, Subtract, examples=lambda: [
    Subtract()(Multiply()(_x(), _y()), Multiply()(_x(), Exp()(_y()))),
    Add()(Multiply()(_y(), _x()), Multiply()(Exp()(_y()), _x())),
    Subtract()(_x(), Multiply()(_x(), _y())),
])  # fmt: skip
def _common_factor(node: Apply) -> Node | None:
    x, y = node.operands
    for factor, rest_x in _splits(x):
        for other, rest_y in _splits(y):
            if factor is other and not (rest_x is None and rest_y is None) and not isinstance(factor, Const):
                one = Const(1, node.type)
                inner = Apply(node.primitive, (one if rest_x is None else rest_x, one if rest_y is None else rest_y))
                return Multiply()(factor, inner)
    return None


def _splits(node: Node) -> list[tuple[Node, Node | None]]:
    """The ways to see `node` as a factor times the rest."""
    product = applied(node, Multiply)
    whole: list[tuple[Node, Node | None]] = [(node, None)]
    if product is None:
        return whole
    a, b = product.operands
    return [*whole, (a, b), (b, a)]
