"""Terms: a number times powers of factors; a factor is a node that is not itself arithmetic."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from chainrule.calculus.rules import beneath_arrangement, is_scale, number_of, refilled, scalar_of
from chainrule.ir import Apply, ArrayType, Const, Input, Node, applies, substitute, topological_order
from chainrule.primitives import (
    Add,
    Broadcast,
    Cast,
    Divide,
    LessOne,
    Multiply,
    Negate,
    Permute,
    Power,
    Reshape,
    Sqrt,
    Square,
    Subtract,
)

POWER_LIMIT = 17


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

    def to_the(self, exponent: int) -> Term:
        return Term(self.number**exponent, tuple((factor, e * exponent) for factor, e in self.powers))

    def inverse(self) -> Term:
        return Term(1 / self.number, tuple((factor, -exponent) for factor, exponent in self.powers))


_terms: WeakKeyDictionary[Node, Term] = WeakKeyDictionary()
"""The terms of products: a product within products is asked for once by each of them."""


def factors(node: Node) -> Term:
    """Return `node` as one term; a sum is a factor."""
    if not applies(node, *_PRODUCTS):
        return _factors(node)
    found = _terms.get(node)
    if found is None:
        found = _factors(node)
        if found.powers != ((node, 1),):  # a term that holds its node would keep it for ever
            _terms[node] = found
    return found


_PRODUCTS = (Multiply, Divide, Negate, Square, Power, Broadcast, Reshape)


def _factors(node: Node) -> Term:
    match node:
        case Const(float() | int()) if (number := number_of(node)) is not None:
            return Term(number, ())
        case Apply(Multiply(), (x, y)):
            return factors(x).times(factors(y))
        case Apply(Divide(), (x, y)) if (divisor := factors(y)).number:
            return factors(x).times(divisor.inverse())
        case Apply(Negate(), (x,)):
            return Term(-1, ()).times(factors(x))
        case Apply(Square(), (x,)):
            return factors(x).to_the(2)
        case Apply((Broadcast() | Reshape()) as repeat, (x,)) if (term := factors(x)).powers != ((x, 1),):
            powers = [(refilled(f, node.type) if is_scale(f) else repeat(f), e) for f, e in term.powers]
            return Term(term.number, tuple(powers))
        case Apply(Power(), (x, _)) if exponent := whole_exponent(node):
            return factors(x).to_the(exponent)
        case Apply(Power()) if quotient := power_as_quotient(node):
            return quotient
    return Term(1, ((node, 1),))


def whole_exponent(node: Node) -> int | None:
    """Return the exponent n of xⁿ if it is a small whole number, otherwise None."""
    match node:
        case Apply(Power(), (_, Const(float(n)))) if n in range(2, POWER_LIMIT):
            return int(n)
    return None


def power_as_quotient(node: Node) -> Term | None:
    """Return x^(y − 1) as x^y / x, and (a/b)^(y − 1) as (a/b)^y b / a; None for other expressions."""
    match node:
        case Apply(Power(), (Apply(Divide(), (Input() as a, Input() as b)) as x, Apply(LessOne(), (y,)))):
            return Term(1, ((Power()(x, y), 1), (b, 1), (a, -1)))
        case Apply(Power(), (x, Apply(LessOne(), (y,)))):
            return Term(1, ((Power()(x, y), 1), (x, -1)))
        case Apply(Power(), (x, Apply(Broadcast() as repeat, (Apply(LessOne(), (y,)),)))):
            return Term(1, ((Power()(x, repeat(y)), 1), (x, -1)))
    return None


def terms_of(node: Node) -> list[Term]:
    """Return a sum as its terms, not expanded."""
    match node:
        case Apply(Add(), (x, y)):
            return [*terms_of(x), *terms_of(y)]
        case Apply(Subtract(), (x, y)):
            return [*terms_of(x), *(Term(-1, ()).times(term) for term in terms_of(y))]
    return [factors(node)]


def with_lessened(powers: tuple[tuple[Node, int], ...]) -> tuple[tuple[Node, int], ...]:
    """Write x^y / x as x^(y − 1), which is also defined at x = 0, and (a/b)^y / a as (a/b)^(y − 1) / b."""
    found = dict(powers)
    for factor, exponent in powers:
        repeat, power = (factor.primitive, factor.operands[0]) if applies(factor, Broadcast) else (_as_it_is, factor)
        match power:
            case Apply(Power(), (Apply(Divide(), (Input() as a, Input() as b)) as x, y)) if (
                exponent == 1 and power is factor and found.get(a) == -1
            ):
                found = {Power()(x, LessOne()(y)) if f is factor else f: e for f, e in found.items() if f is not a}
                found[b] = found.get(b, 0) - 1
                found = {f: e for f, e in found.items() if e}
            case Apply(Power(), (x, y)) if exponent == 1 and found.get(repeat(x)) == -1:
                less = y.primitive(LessOne()(*y.operands)) if applies(y, Broadcast) else LessOne()(y)
                lessened = repeat(Power()(x, less))
                found = {lessened if f is factor else f: e for f, e in found.items() if f is not repeat(x)}
    return tuple(found.items())


def _as_it_is(node: Node) -> Node:
    return node


def _product(number: float, powers: tuple[tuple[Node, int], ...], like: ArrayType) -> Node:
    powers = with_lessened(powers)
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


def product_of(term: Term, like: ArrayType) -> Node:
    """Return a term as an expression."""
    product = _product(abs(term.number), term.powers, like)
    return product if term.number > 0 else Negate()(product)


def with_powers(node: Node) -> Node:
    """Write products and quotients with their number in front and equal factors as powers, also in terms of a sum."""
    match node:
        case Apply((Add() | Subtract()) as plus, (x, y)):
            return plus(with_powers(x), with_powers(y))
        case Apply(Negate(), (x,)):
            return -with_powers(x)
        case Apply(Multiply() | Divide()):
            term = _with_powers_of_roots(factors(node))
        case _:
            return node
    above = _power_product([(f, e) for f, e in term.powers if e > 0])
    below = _power_product([(f, -e) for f, e in term.powers if e < 0])
    if below is None:
        return node if above is None else _times(Const(term.number, node.type), above)
    if above is None:
        return Divide()(Const(term.number, node.type), below)
    return _times(Const(term.number, node.type), Divide()(above, below))


def _with_powers_of_roots(term: Term) -> Term:
    """Return a term in which √v beside v, above or below both, is √v to the third power."""
    exponents = dict(term.powers)
    for root, exponent in term.powers:
        match beneath_arrangement(root):
            case Apply(Sqrt(), (v,)) as bare:
                (square,) = substitute([root], {bare: v})
                if root in exponents and exponents.get(square, 0) * exponent > 0:  # √x may be gone into ⁴√x³
                    exponents[root] += 2 * exponents.pop(square)
    return Term(term.number, tuple(exponents.items()))


def sum_with_powers(terms: Sequence[Term], like: ArrayType) -> Node:
    """Return the sum of terms as powers, positive ones first and a bare number last."""
    ordered = sorted(terms, key=lambda term: (not term.powers, term.number < 0))
    total: Node | None = None
    for term in ordered:
        part = with_powers(product_of(Term(abs(term.number), term.powers), like))
        if total is None:
            total = part if term.number > 0 else with_powers(product_of(term, like))
        else:
            total = (Add() if term.number > 0 else Subtract())(total, part)
    return Const(0, like) if total is None else total


def _power_product(powers: Sequence[tuple[Node, int]]) -> Node | None:
    product: Node | None = None
    for factor, exponent in _names_first(powers):
        power = factor if exponent == 1 else factor**exponent
        product = power if product is None else Multiply()(product, power)
    return product


def _names_first(powers: Sequence[tuple[Node, int]]) -> list[tuple[Node, int]]:
    """Return factors with the names of numbers before functions beside them: 2 x · cos(u) for 2 cos(u) · x."""
    found: list[tuple[Node, int]] = []
    for factor, exponent in powers:
        place = len(found)
        while isinstance(factor, Input) and not factor.type.shape and place and _is_function(found[place - 1][0]):
            place -= 1
        found.insert(place, (factor, exponent))
    return found


def _is_function(factor: Node) -> bool:
    return isinstance(factor, Apply) and not applies(factor, Add, Subtract)


def without_factor(node: Node, factor: Node) -> Node | None:
    """Return the elementwise cofactor of `factor` in the product `node`; None if it is not such a product."""
    term = factors(node)
    powers = dict(term.powers)
    if powers.pop(factor, 0) != 1:
        return None
    rest = product_of(Term(term.number, tuple(powers.items())), node.type)
    return None if factor in topological_order([rest]) else rest


def _times(scale: Node, x: Node) -> Node:
    return x if number_of(scale) == 1 else Multiply()(scale, x)


def _powers(powers: list[tuple[Node, int]]) -> tuple[Node | None, Node | None]:
    """Return the products of the factors with positive and with negative exponents."""
    products: list[Node | None] = [None, None]
    for factor, exponent in powers:
        side = 0 if exponent > 0 else 1
        product, power = products[side], power_of(factor, abs(exponent))
        products[side] = power if product is None else Multiply()(product, power)
    return products[0], products[1]


def power_of(factor: Node, exponent: int) -> Node:
    """Return factorⁿ: as a power of a number, for an array by squares and products, which are computed sooner."""
    if exponent == 1:
        return factor
    if exponent == 2 or factor.type.ndim == 0:
        return factor**exponent
    half = power_of(factor, exponent // 2) ** 2
    return Multiply()(half, factor) if exponent % 2 else half


def like_terms(terms: Sequence[Term]) -> list[Term]:
    """Return the terms with like ones added."""
    found: dict[frozenset[tuple[Node, int]], Term] = {}
    for term in terms:
        key = frozenset(term.powers)
        like = found.get(key)
        found[key] = term if like is None else Term(like.number + term.number, like.powers)
    return [term for term in found.values() if term.number != 0]


def sum_of_terms(terms: Sequence[Term], like: ArrayType) -> Node:
    """Return the sum of the terms, those with a positive number first."""
    result: Node = Const(0, like)
    for place, term in enumerate(sorted(terms, key=lambda term: term.number < 0)):
        product = _product(abs(term.number), term.powers, like)
        if place == 0:
            result = product if term.number > 0 else Negate()(product)
        else:
            result = (Add() if term.number > 0 else Subtract())(result, product)
    return result


def with_common_factor(terms: Sequence[Term], like: ArrayType) -> Node:
    """Return the sum of the terms with their common factor in front."""
    if not has_common_factor(terms):
        return sum_of_terms(terms, like)
    common = common_factor(terms)
    rest = sum_of_terms([term.times(common.inverse()) for term in terms], like)
    above = Term(common.number, tuple((factor, exponent) for factor, exponent in common.powers if exponent > 0))
    below = Term(1, tuple((factor, exponent) for factor, exponent in common.powers if exponent < 0))
    whole = above.times(Term(1, ((rest, 1),))).times(below)  # the sum may be one of the common factors itself
    return _product(whole.number, whole.powers, like)


def has_common_factor(terms: Sequence[Term]) -> bool:
    """Whether there are several terms that share a factor or a number other than 1."""
    common = common_factor(terms)
    return len(terms) > 1 and (bool(common.powers) or common.number != 1)


def common_factor(terms: Sequence[Term]) -> Term:
    """Return the number, up to sign, and the powers that all terms share.

    Whole numbers share their greatest common divisor, if the terms share a factor as well: 6 x y + 4 x has 2 x.
    """
    if not terms:
        return Term(1, ())
    first, *others = terms
    number = abs(first.number) if all(abs(term.number) == abs(first.number) for term in others) else 1.0
    shared: list[tuple[Node, int]] = []
    for factor, exponent in first.powers:
        exponents = [exponent, *(dict(term.powers).get(factor, 0) for term in others)]
        if min(exponents) > 0:
            shared.append((factor, min(exponents)))
        elif max(exponents) < 0:
            shared.append((factor, max(exponents)))
    if number == 1 and any(exponent > 0 for _, exponent in shared):
        number = float(math.gcd(*(_whole(term.number) for term in terms)))
    return Term(number, tuple(shared))


def _whole(number: float) -> int:
    """Return a whole number as an integer, and 1 for another, which shares no factor with others."""
    return int(number) if float(number).is_integer() else 1


_FREE = (Broadcast, Permute, Reshape, Cast)  # rearrangements and conversions, which do not count as operations


def operation_count(node: Node, leaves: Container[Node] = ()) -> int:
    """Count the operations of an expression, shared parts once; a repeated number such as 2/n has none.

    Expressions beneath `leaves` are not counted.
    """
    order = topological_order([node], stop=leaves)
    repeated = {part for part in order if scalar_of(part) is not None}
    if repeated:
        order = topological_order([node], stop=repeated.union(part for part in order if part in leaves))
    return sum(
        1 for part in order if isinstance(part, Apply) and not isinstance(part.primitive, _FREE) and not is_scale(part)
    )


def divides_anew(before: Node, after: Node) -> bool:
    """Whether `after` divides by a base of x^(y − 1) by which `before` does not divide.

    x^(y − 1) is zero at x = 0 for y > 1, where x^y / x is undefined.
    """
    bases = {
        part.operands[0]
        for part in topological_order([before])
        if isinstance(part, Apply) and power_as_quotient(part) is not None
    }
    bases |= {base.operands[0] for base in bases if applies(base, Divide)}
    return bool(bases) and not bases.isdisjoint(_divisors(after) - _divisors(before))


def _divisors(node: Node) -> set[Node]:
    """Return the divisors in `node`, with the bases of those that are powers, which are as little zero."""
    quotients = [part for part in topological_order([node]) if isinstance(part, Apply)]
    divisors = [factors(part.operands[1]) for part in quotients if isinstance(part.primitive, Divide)]
    found = {factor for divisor in divisors for factor, _ in divisor.powers}
    return found | {factor.operands[0] for factor in found if applies(factor, Power)}
