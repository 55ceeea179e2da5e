"""Quotients: of a sum by a sum, by a norm and another number, and powers of one quotient."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.calculus.examples import some, some_x, some_y
from chainrule.calculus.reading import reading_cost
from chainrule.calculus.rules import is_coefficient, rule
from chainrule.calculus.terms import (
    Term,
    divides_anew,
    factors,
    like_terms,
    product_of,
    sum_of_terms,
    terms_of,
)
from chainrule.ir import Apply, Const, Node, applies, parse_shape
from chainrule.primitives import Add, Broadcast, Contract, Divide, DivideNoNan, Exp, Multiply, Norm, Subtract

_TERM_LIMIT = 12


@rule("(1 + x/s) / (s + x) → 1/s", Divide, Multiply, examples=lambda: [
    (1 + some_x() / Exp()(some_y())) / (some_x() + Exp()(some_y())),
    some("z", "n m") * ((some_x() / Exp()(some_y()) - 1) / (Exp()(some_y()) - some_x())),
    (2 * some_x() / Exp()(some_y()) + 2) / (Exp()(some_y()) + some_x()),
])  # fmt: skip
def _sum_over_sum(node: Apply) -> Node | None:
    """Cancel sums that are multiples of each other, once the quotients in one are multiplied out."""
    term = factors(node)
    sums = [(factor, exponent) for factor, exponent in term.powers if applies(factor, Add, Subtract)]
    for above, exponent in sums:
        for below, other in sums:
            if exponent > 0 > other and (ratio := _ratio(above, below)) is not None:
                found = term.times(Term(1, ((above, -1), (below, 1)))).times(ratio)
                result = product_of(found, node.type)
                return None if divides_anew(node, result) else result
    return None


def _ratio(above: Node, below: Node) -> Term | None:
    """Return the one term that a sum is, divided by another sum; None if it is not one."""
    numerators, denominators = terms_of(above), terms_of(below)
    if len(numerators) != len(denominators) or len(numerators) > _TERM_LIMIT:
        return None
    divisor = _common_divisor(numerators)
    whole = _by_powers(like_terms([each.times(divisor.inverse()) for each in numerators]))
    wanted = _by_powers(like_terms(denominators))
    if not divisor.powers or not whole or whole.keys() != wanted.keys():
        return None
    ratios = {whole[key] / wanted[key] for key in whole}
    return Term(ratios.pop(), divisor.powers) if len(ratios) == 1 else None


@rule("x / (s (1 + y/s)) → x / (s + y)", Divide, Multiply, examples=lambda: [
    some_x() / (Exp()(some_y()) * (1 + some("z", "n m") / Exp()(some_y()))),
    (some_x() / Exp()(some_y()) ** 2) / (1 + (some("z", "n m") / Exp()(some_y())) ** 2),
    _over_square() * (some_x() / (1 + (_over_square() * some("z", "n m")) / 3)),
    _one_and_reciprocal() * (some_x() / (1 + some("z", "n m") / _positive())),
])  # fmt: skip
def _one_fraction_bar(node: Apply) -> Node | None:
    """Multiply out quotients in the sums of a fraction by what it divides by already, so that one bar is left."""
    term = factors(node)
    if not any(exponent == -1 and applies(factor, Add, Subtract) for factor, exponent in term.powers):
        return None
    result = term
    for factor, exponent in term.powers:
        if abs(exponent) == 1 and (parts := _terms_of_sum(factor)):
            divisor = _common_divisor(parts)
            if divisor.powers:
                total = sum_of_terms([part.times(divisor.inverse()) for part in parts], factor.type)
                result = result.times(Term(1, ((factor, -exponent), (total, exponent)))).times(divisor.to_the(exponent))
    if result is term or len(result.powers) > max(len(term.powers), 2):
        return None
    found = product_of(result, node.type)
    return found if reading_cost(found) < reading_cost(node) and not divides_anew(node, found) else None


def _over_square() -> Node:
    return Broadcast(parse_shape("n m"), ())(1 / Exp()(some("s", "")) ** 2)


def _positive() -> Node:
    return Broadcast(parse_shape("n m"), ())(Exp()(some("s", "")))


def _one_and_reciprocal() -> Node:
    return Broadcast(parse_shape("n m"), ())(1 + 1 / Exp()(some("s", "")))


def _terms_of_sum(factor: Node) -> list[Term]:
    """Return the terms of a sum, or of a repeated one; none for another expression."""
    match factor:
        case Apply(Add() | Subtract()):
            return terms_of(factor)
        case Apply(Broadcast(axes=()) as repeat, (Apply(Add() | Subtract()) as total,)):
            return [Term(t.number, tuple((repeat(f), e) for f, e in t.powers)) for t in terms_of(total)]
    return []


def _common_divisor(parts: Sequence[Term]) -> Term:
    """Return the powers with negative exponents by which some of the terms divide."""
    least: dict[Node, int] = {}
    for part in parts:
        for factor, exponent in part.powers:
            least[factor] = min(least.get(factor, 0), exponent)
    return Term(1, tuple((factor, exponent) for factor, exponent in least.items() if exponent < 0))


@rule("1 − x/(x + y) → y/(x + y)", Subtract, examples=lambda: [
    1 - some_x() / (some_x() + Exp()(some_y())),
    1 - some_x() ** 2 / (Exp()(some_y()) + some_x() ** 2),
])  # fmt: skip
def _rest_of_whole(node: Apply) -> Node | None:
    """Return what is left of one: the other terms of the denominator."""
    match node:
        case Apply(Subtract(), (Const(1), Apply(Divide(), (x, whole)))) if applies(whole, Add, Subtract):
            part, terms = factors(x), terms_of(whole)
            rest = [term for term in terms if _by_powers([term]) != _by_powers([part])]
            if len(rest) == len(terms) - 1 and len(terms) <= _TERM_LIMIT:
                return sum_of_terms(rest, node.type) / whole
    return None


def _by_powers(terms: Sequence[Term]) -> dict[frozenset[tuple[Node, int]], float]:
    return {frozenset(term.powers): term.number for term in terms}


def _gram(name: str) -> Node:
    return some(name, "n m") @ some("w", "m n")


def _norm() -> Node:
    return Norm((0, 1))(some("z", "k m"))


def _repeated(number: Node, shape: str = "n m") -> Node:
    return Broadcast(parse_shape(shape), ())(number)


def _distance(shape: str = "n m") -> Node:
    return _repeated(_norm(), shape)


@rule("x/‖z‖ + y/‖z‖ → (x + y)/‖z‖", Add, Subtract, examples=lambda: [
    DivideNoNan()(_gram("x"), _distance("n n")) + DivideNoNan()(_gram("y"), _distance("n n")),
    DivideNoNan()(_gram("x"), _distance("n n")) - DivideNoNan()(_gram("y"), _distance("n n")),
])  # fmt: skip
def _one_norm_below(node: Apply) -> Node | None:
    """Divide a sum of products by a norm once, so that its common factors can be collected."""
    match node:
        case Apply(plus, (Apply(DivideNoNan() as quotient, (x, below)), Apply(DivideNoNan(), (y, divisor)))):
            if below is divisor and applies(below, Broadcast) and applies(x, Contract) and applies(y, Contract):
                return quotient(plus(x, y), below)
    return None


@rule("x/‖z‖ − (a/‖z‖)·y → (x − a·y)/‖z‖", Add, Subtract, examples=lambda: [
    DivideNoNan()(some_x(), _distance()) - _repeated(some("a", "") / _norm()) * some_y(),
    DivideNoNan()(some_x(), _distance()) + _repeated(DivideNoNan()(some("a", ""), _norm())) * some_y(),
])  # fmt: skip
def _number_over_norm(node: Apply) -> Node | None:
    """Divide by a norm once, by which a number in front of the other term is divided."""
    match node:
        case Apply(
            plus,
            (
                Apply(DivideNoNan() as quotient, (x, Apply(Broadcast(axes=()) as repeat, (norm,)) as below)),
                Apply(Multiply(), (Apply(Broadcast(axes=()), (Apply(Divide() | DivideNoNan(), (a, divisor)),)), y)),
            ),
        ) if norm is divisor:
            return quotient(plus(x, repeat(a) * y), below)
    return None


@rule("(1/‖x‖)·y → y/‖x‖", Multiply, examples=lambda: [
    DivideNoNan()(Const(1, some_x().type), _distance()) * some_x(),
    some_y() * DivideNoNan()(Const(1, some_x().type), _distance()),
])  # fmt: skip
def _quotient_by_norm(node: Apply) -> Node | None:
    match node:
        case Apply(Multiply(), (Apply(DivideNoNan(), (Const(1), y)), x) | (x, Apply(DivideNoNan(), (Const(1), y)))):
            return DivideNoNan()(x, y)
    return None


@rule("(x/‖x‖)/y → x/(‖x‖·y)", Divide, examples=lambda: [
    DivideNoNan()(some_x(), _distance()) / Broadcast(parse_shape("n m"), ())(Norm((0,))(some_y("n"))),
])  # fmt: skip
def _divided_by_norm_and_number(node: Apply) -> Node | None:
    match node:
        case Apply(
            Divide(),
            (
                Apply(DivideNoNan(), (x, Apply(Broadcast(axes=()) as repeat, (norm,)))),
                Apply(Broadcast(axes=()), (number,)),
            ),
        ) if norm is not number and not is_coefficient(number):
            return DivideNoNan()(x, repeat(norm * number))
    return None
