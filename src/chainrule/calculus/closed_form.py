"""Closed-form gradients through statistics, such as the three terms of a normalization by mean and variance.

A normalization depends on its input also through the mean and the variance, and the chain rule gives one term for each.
With their cotangents substituted and the normalized value replaced by its name, the terms share a divisor:
∂L/∂x = (ĝ − mean(ĝ) − x̂ ⊙ mean(ĝ ⊙ x̂)) / σ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.calculus.rules import beneath_arrangement, is_scale
from chainrule.calculus.simplify import Simplifier
from chainrule.calculus.terms import Term, operation_count, sum_of_terms, terms_of, with_common_factor
from chainrule.ir import (
    Apply,
    Const,
    Input,
    Node,
    Shape,
    SymbolicDim,
    applies,
    dim_product,
    substitute,
    topological_order,
)
from chainrule.primitives import Add, Broadcast, Contract, Divide, Mean, Norm, Reshape, Subtract, Sum

_TERM_LIMIT = 12


@dataclass(frozen=True)
class _Quotient:
    """A quotient of the forward pass, both parts as factors of terms in its shape, and its name if it has one."""

    symbol: Node | None
    numerator: Node
    divisor: Node


def closed_form(
    symbol: Input,
    parts: Sequence[Node],
    chain: Node,
    values: Mapping[Node, Node],
    definitions: Mapping[Node, Node],
    bars: Mapping[Input, Input],
    simplifier: Simplifier,
) -> Node | None:
    """Return the sum `chain` of `parts` with cotangents of statistics of `symbol` eliminated; None if there are none.

    `values` maps cotangents to their values, `definitions` symbols to theirs. The result has no more operations than
    the chain with its cotangents.
    """
    statistics: dict[Node, Node] = {
        bar: definitions[found]
        for found, bar in bars.items()
        if found in definitions and _is_reduced(found.type.shape, symbol.type.shape)
    }
    written = _written_out(chain, statistics, values)
    quotients = _quotients(symbol, definitions, simplifier)
    if not any(_reduces(statistics[bar], bool(quotients)) for bar in written if bar in statistics):
        return None
    terms: list[Term] = []
    for part in parts:
        (inlined,) = substitute([part], written)
        for term in terms_of(simplifier(inlined)):
            expanded = _expand(_turned(_simplified(term, simplifier), quotients), quotients, simplifier)
            if expanded is None or len(terms) + len(expanded) > _TERM_LIMIT:
                return None
            terms += [_with_means(_named(entry, quotients)) for entry in expanded]
    result = _assembled(terms, symbol)
    whole = operation_count(chain) + sum(map(operation_count, written.values()))
    return result if operation_count(result) < whole else None


def _is_reduced(shape: Shape, whole: Shape) -> bool:
    """Whether `shape` is `whole` with axes removed, or kept with size 1."""
    kept = [dim for dim in shape if dim != 1]
    remaining = iter(whole)
    return len(kept) < len([dim for dim in whole if dim != 1]) and all(dim in remaining for dim in kept)


def _reduces(definition: Node, is_normalized: bool) -> bool:
    """Whether a statistic is a mean or a sum; a norm or a product of vectors is one if something is divided by it."""
    parts = topological_order([definition])
    return any(
        applies(part, Mean, Sum) or (is_normalized and (applies(part, Norm) or _is_inner(part))) for part in parts
    )


def _is_inner(node: Node) -> bool:
    """Whether `node` is a product aᵀ b of two vectors."""
    match node:
        case Apply(Contract(output=()), operands):
            return len(operands) == 2 and all(operand.type.ndim == 1 for operand in operands)
    return False


def _written_out(node: Node, statistics: Mapping[Node, Node], values: Mapping[Node, Node]) -> dict[Node, Node]:
    """Return the values of the cotangents in `node` that are constants, or of statistics, in terms of the others."""
    written: dict[Node, Node] = {}

    def visit(part: Node) -> None:
        for bar in topological_order([part]):
            if bar not in values or bar in written or values[bar] is bar:
                continue  # a given gradient is a symbol
            if bar not in statistics and not isinstance(values[bar], Const):
                continue
            if is_cheap(values[bar]):
                visit(values[bar])
                (written[bar],) = substitute([values[bar]], written)

    visit(node)
    return written


def is_cheap(node: Node) -> bool:
    """Whether duplicating `node` is cheap: it has no product of a matrix."""
    return not any(applies(part, Contract) and not _is_inner(part) for part in topological_order([node]))


def _quotients(symbol: Input, definitions: Mapping[Node, Node], simplifier: Simplifier) -> list[_Quotient]:
    """Return the quotients in the shape of `symbol`: those with names, then divided differences in definitions."""
    named, unnamed = list[_Quotient](), list[_Quotient]()
    for name, definition in definitions.items():
        for part in topological_order([definition]):
            match part:
                case Apply(Divide(), (above, below)) if part.type.shape == symbol.type.shape:
                    quotient = _Quotient(name if part is definition else None, simplifier(above), simplifier(below))
                    if part is definition:
                        named.append(quotient)
                    elif applies(quotient.numerator, Subtract):
                        unnamed.append(quotient)
    return named + unnamed


def _simplified(term: Term, simplifier: Simplifier) -> Term:
    result = Term(term.number, ())
    for factor, exponent in term.powers:
        result = result.times(Term(1, ((simplifier(factor), exponent),)))
    return result


def _turned(term: Term, quotients: Sequence[_Quotient]) -> Term:
    """Replace b − a in `term` by −(a − b), if a − b is the numerator of a quotient."""
    for quotient in quotients:
        match quotient.numerator:
            case Apply(Subtract(), (a, b)) as difference:
                exponent = dict(term.powers).get(b - a, 0)
                term = term.times(Term((-1.0) ** exponent, ((b - a, -exponent), (difference, exponent))))
    return term


def _expand(term: Term, quotients: Sequence[_Quotient], simplifier: Simplifier) -> list[Term] | None:
    """Expand `term`, except for the numerators of quotients."""
    kept = {quotient.numerator for quotient in quotients}
    pending, done = [term], list[Term]()
    while pending:
        if len(pending) + len(done) > _TERM_LIMIT:
            return None
        current = pending.pop(0)
        sums = [f for f, exponent in current.powers if exponent > 0 and f not in kept and _summands(f) is not None]
        if not sums:
            done.append(current)
            continue
        rest = current.times(Term(1, ((sums[0], -1),)))
        pending += [rest.times(_simplified(part, simplifier)) for part in _summands(sums[0]) or ()]
    return done


def _summands(node: Node) -> list[Term] | None:
    """Return the terms of a sum, or of a broadcast sum, each broadcast."""
    match node:
        case Apply(Add() | Subtract()):
            return terms_of(node)
        case Apply((Broadcast() | Reshape()) as repeat, (total,)) if inner := _summands(total):
            return [Term(term.number, tuple((repeat(f), e) for f, e in term.powers)) for term in inner]
    return None


def _named(term: Term, quotients: Sequence[_Quotient]) -> Term:
    """Replace numerator / divisor in `term` by the name of the quotient."""
    for quotient in quotients:
        if quotient.symbol is None:
            continue
        while dict(term.powers).get(quotient.numerator, 0) > 0 > dict(term.powers).get(quotient.divisor, 0):
            term = term.times(Term(1, ((quotient.numerator, -1), (quotient.divisor, 1), (quotient.symbol, 1))))
    return term


def _with_means(term: Term) -> Term:
    """Replace a sum over n elements divided by n in `term` by their mean."""
    for factor, exponent in term.powers:
        match factor, beneath_arrangement(factor):
            case Apply(Broadcast()), (Apply(Sum() | Contract()) as total) if exponent == 1 and (mean := _mean(total)):
                averaging, x = mean
                count = dim_product(x.type.shape[axis] for axis in averaging.axes)
                (averaged,) = substitute([factor], {total: averaging(x)})
                swap = Term(1, ((factor, -1), (averaged, 1)))
                if not isinstance(count, SymbolicDim):
                    multiple = _whole(term.number * count)
                    if multiple is None or _whole(term.number) is not None:
                        return term
                    return Term(multiple / term.number, ()).times(term.times(swap))
                size = Const(count, factor.type)
                if dict(term.powers).get(size, 0) < 0:
                    return term.times(swap).times(Term(1, ((size, 1),)))
    return term


def _mean(total: Apply) -> tuple[Mean, Node] | None:
    """Return the mean over the terms of a sum, and the terms; None for a product other than aᵀ b."""
    match total:
        case Apply(Sum(axes), (x,)):
            return Mean(axes), x
        case Apply(Contract(), (a, b)) if _is_inner(total):
            return Mean((0,)), a * b
    return None


def _whole(number: float) -> float | None:
    """Return the whole number that `number` is up to rounding, or None: −1/3 of a sum of 3 terms is −1 times a mean."""
    return float(round(number)) if math.isclose(number, round(number), rel_tol=1e-12) else None


def _assembled(terms: Sequence[Term], symbol: Input) -> Node:
    """Return the sum of the terms; terms with a common divisor are combined, short ones first."""
    divisors: dict[Node, list[Term]] = {}
    for term in terms:
        for factor, exponent in term.powers:
            if exponent < 0 and not is_scale(factor):
                divisors.setdefault(factor, []).append(term)
    shared = max(divisors.values(), key=len, default=[])
    others = [term for term in terms if term not in shared]
    group = sorted(shared, key=lambda term: (len(term.powers), term.number < 0))
    result = with_common_factor(group, symbol.type)
    if not group:
        return sum_of_terms(others, symbol.type)
    return sum_of_terms(others, symbol.type) + result if others else result
