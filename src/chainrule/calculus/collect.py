"""Expansion of products over sums, cancellation of factors, and collection of like terms.

This simplifies expressions such as (−y/a + (1−y)/(1−a))·a·(1−a), as one does on paper.

An elementwise expression is treated as a sum of terms, each a number times powers of factors; a factor is a node that
is not itself arithmetic. A sum in a denominator is one factor, so that it can cancel before anything is expanded.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.calculus.examples import some_x, some_y
from chainrule.calculus.reading import reading_cost
from chainrule.calculus.rules import is_scale, rule
from chainrule.calculus.terms import (
    POWER_LIMIT,
    Term,
    common_factor,
    divides_anew,
    factors,
    has_common_factor,
    like_terms,
    operation_count,
    power_as_quotient,
    sum_of_terms,
    sum_with_powers,
    terms_of,
    whole_exponent,
    with_common_factor,
    with_powers,
)
from chainrule.ir import Apply, Const, Node, applies
from chainrule.primitives import (
    Add,
    Broadcast,
    Divide,
    Exp,
    Multiply,
    Negate,
    Power,
    Reshape,
    Square,
    Subtract,
)

_TERM_LIMIT = 12
_LEAF_LIMIT = 24
_OCCURRENCE_LIMIT = 256
_ARITHMETIC = (Add, Subtract, Multiply, Divide, Negate, Broadcast, Reshape)


def _is_sum(node: Node) -> bool:
    return applies(node, Add, Subtract)


def _has_quotient(terms: Sequence[Term]) -> bool:
    return any(exponent < 0 for term in terms for _, exponent in term.powers)


def _expand(term: Term, every: bool, known: dict[Node, list[Term]]) -> list[Term] | None:
    """Expand `term`: sums that contain quotients first, and with `every` the other sums too.

    Returns None for too many terms. `known` caches the terms of sums.
    """

    def terms(factor: Node) -> list[Term]:
        if factor not in known:
            known[factor] = terms_of(factor)
        return known[factor]

    pending = [term]
    done: list[Term] = []
    while pending:
        if len(pending) + len(done) > _TERM_LIMIT:
            return None
        current = pending.pop(0)
        sums = [factor for factor, exponent in current.powers if exponent > 0 and _is_sum(factor)]
        chosen = next((factor for factor in sums if _has_quotient(terms(factor))), sums[0] if sums and every else None)
        if chosen is None:
            done.append(current)
            continue
        rest = current.times(Term(1, ((chosen, -1),)))
        pending += [rest.times(part) for part in terms(chosen)]
    return done


@rule("expand, cancel, collect", Add, Subtract, Multiply, Divide, examples=lambda: [
    (some_y() / Exp()(some_x())) * Exp()(some_x()),
    (some_y() * Exp()(some_x())) / Exp()(some_x()),
    Exp()(some_x()) ** 3 / Exp()(some_x()),
    some_y() + 2 * some_y(),
    some_y() - some_y(),
    (-(some_y() / (e := Exp()(some_x()))) + (1 - some_y()) / (1 - e)) * e * (1 - e),
])  # fmt: skip
def _expand_and_collect(node: Apply) -> Node | None:
    leaves = arithmetic_leaves(node)
    if all(count == 1 for count in leaves.values()):
        return None
    terms = terms_of(node)
    candidates: list[Node] = []
    known: dict[Node, list[Term]] = {}
    tried: list[list[Term]] = []
    for every in (True, False):
        collected = _collected(terms, every, known)
        if collected is not None and collected not in tried:
            tried.append(collected)
            candidates.append(with_common_factor(collected, node.type))
            if has_common_factor(collected):
                candidates.append(sum_of_terms(collected, node.type))
    if not candidates:
        return None
    fewest, _, result = min((operation_count(found, leaves), k, found) for k, found in enumerate(candidates))
    return result if fewest < operation_count(node, leaves) and not divides_anew(node, result) else None


@rule("(x + y)·z/(x + z) − y → x·(z − y)/(x + z)", Add, Subtract, examples=lambda: [
    (some_x() + some_y()) * Exp()(some_x()) / (some_x() + Exp()(some_x())) - some_y(),
    some_y() - (some_x() + some_y()) / (some_x() + Exp()(some_x())) * Exp()(some_x()),
])  # fmt: skip
def _common_denominator(node: Apply) -> Node | None:
    """Write a sum over the one sum by which some of its terms are divided, if that is shorter."""
    terms = terms_of(node)
    below = {factor for term in terms for factor, exponent in term.powers if exponent == -1 and _is_sum(factor)}
    if len(below) != 1 or len(terms) > _TERM_LIMIT:
        return None
    (divisor,) = below
    above = _collected([term.times(Term(1, ((divisor, 1),))) for term in terms], True, {})
    if not above or _has_quotient(above):
        return None
    result = Divide()(with_common_factor(above, node.type), divisor)
    leaves = arithmetic_leaves(node)
    fewer = operation_count(result, leaves) < operation_count(node, leaves)
    return result if fewer and reading_cost(result) < reading_cost(node) and not divides_anew(node, result) else None


@rule("x·y·x → x²·y", Multiply, Divide, examples=lambda: [
    (some_x() * some_y()) * some_x(),
    some_y() / ((Exp()(some_x()) * some_y()) * Exp()(some_x())),
    some_x("") ** 2 * some_x(""),
])  # fmt: skip
def _equal_factors(node: Apply) -> Node | None:
    """Write equal factors as a power; of an array only as a square, since other powers are slow."""
    if any(_is_repeated_number(operand) for operand in node.operands):  # its factors are equal no more
        return None
    powers = factors(node).powers
    largest = max((abs(exponent) for _, exponent in powers), default=1)
    if largest not in range(2, 3 if node.type.ndim else POWER_LIMIT) or _written_factors(node) <= len(powers):
        return None
    result = with_powers(node)
    shorter = reading_cost(result) < reading_cost(node) and not divides_anew(node, result)
    return result if shorter else None


def _written_factors(node: Node) -> int:
    """Count the factors of a product as it is written, a power as one, without numbers."""
    match node:
        case Apply(Multiply() | Divide(), (x, y)):
            return _written_factors(x) + _written_factors(y)
        case Apply(Negate() | Broadcast() | Reshape(), (x,)):
            return _written_factors(x)
    return 0 if isinstance(node, Const) else 1


def _is_repeated_number(node: Node) -> bool:
    match node:
        case Apply(Broadcast(axes=())):
            return node.type.ndim > 0
    return False


def expanded(node: Node) -> Node:
    """Return a sum with products over sums multiplied out and like terms added, if that is no longer; with powers."""
    candidates = [with_powers(node)]
    for every in (False, True):
        terms = _collected(terms_of(node), every, {})
        if terms:
            candidates.insert(0, sum_with_powers(terms, node.type))
    return min(candidates, key=operation_count)


def collected_terms(node: Node) -> list[Term] | None:
    """Return a sum as terms with products over sums multiplied out and like ones added; None for too many."""
    return _collected(terms_of(node), True, {})


def arithmetic_leaves(node: Node) -> dict[Node, int]:
    """Count the occurrences of each leaf of the arithmetic of `node`, without numbers; empty for too many.

    Shared parts are visited once, since an expression may be exponentially long when written out.
    """
    parts: dict[Node, tuple[Node, ...]] = {}
    found: dict[Node, int] = {}
    occurrences = {node: 1}
    for part in reversed(_arithmetic_order(node, parts)):
        count = occurrences[part]
        if part in parts:
            for operand in parts[part]:
                occurrences[operand] = occurrences.get(operand, 0) + count
        elif not is_scale(part):
            found[part] = count
    return {} if len(found) > _LEAF_LIMIT or sum(found.values()) > _OCCURRENCE_LIMIT else found


def _arithmetic_order(node: Node, parts: dict[Node, tuple[Node, ...]]) -> list[Node]:
    """Return the arithmetic of `node` and its leaves in topological order; `parts` receives the operands."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(node, False)]
    while stack:
        part, ready = stack.pop()
        if ready:
            order.append(part)
        elif part not in seen:
            seen.add(part)
            stack.append((part, True))
            operands = _arithmetic_operands(part)
            if operands is not None:
                parts[part] = operands
                stack += [(operand, False) for operand in operands]
    return order


def _arithmetic_operands(part: Node) -> tuple[Node, ...] | None:
    """Return the operands of arithmetic, each as often as it is a factor; None for a leaf."""
    if is_scale(part):
        return None
    match part:
        case Apply(Square(), (x,)):
            return (x, x)
        case Apply(primitive, operands) if isinstance(primitive, _ARITHMETIC):
            return operands
        case Apply(Power(), (x, _)) if exponent := whole_exponent(part):
            return (x,) * exponent
        case Apply(Power(), (x, _)) if power_as_quotient(part):
            return (x,)
    return None


def _collected(terms: Sequence[Term], every: bool, known: dict[Node, list[Term]]) -> list[Term] | None:
    """Expand the terms and add like ones."""
    found: list[Term] = []
    for term in terms:
        expanded = _expand(term, every, known)
        if expanded is None:
            return None
        found += expanded
    return like_terms(found)


@rule("common factor", Add, Subtract, examples=lambda: [
    Exp()(some_x()) * some_y() - Exp()(some_x()) * Exp()(some_y()),
    some_y() * Exp()(some_x()) + Exp()(some_y()) * Exp()(some_x()),
    Exp()(some_x()) - Exp()(some_x()) * some_y(),
    Exp()(some_x()) + Exp()(some_x()) * some_y(),
    Exp()(some_y()) / Exp()(some_x()) - some_y() / Exp()(some_x()),
])  # fmt: skip
def _collect_common_factor(node: Apply) -> Node | None:
    sign = Term(-1 if isinstance(node.primitive, Subtract) else 1, ())
    terms = [factors(node.operands[0]), sign.times(factors(node.operands[1]))]
    if any(abs(exponent) > _OCCURRENCE_LIMIT for term in terms for _, exponent in term.powers):
        return None
    common = common_factor(terms)
    if not common.powers and common.number == 1:
        return None
    leaves = arithmetic_leaves(node)
    result = with_common_factor(terms, node.type)
    saved = operation_count(node, leaves) - operation_count(result, leaves)
    # σ + z σ (1 − σ) is shorter as y + σ (1 − y) for y = z σ
    complement = any(_is_complement(factor, common) for term in terms for factor, _ in term.powers)
    worthwhile = result is not node and saved >= (1 if complement else 0)
    return result if worthwhile and not divides_anew(node, result) else None


def _is_complement(factor: Node, common: Term) -> bool:
    """Whether a factor is 1 less one of the common ones."""
    match factor:
        case Apply(Subtract(), (Const(1), x)):
            return any(x is each for each, _ in common.powers)
    return False


@rule("x·(y + 1) − c → x·y + (x − c)", Add, Subtract, examples=lambda: [
    Exp()(some_x()) * (some_y() + 1.0) - 1.0,
    (1.0 + some_y()) * Exp()(some_x()) + 2.0,
])  # fmt: skip
def _number_beside_common_factor(node: Apply) -> Node | None:
    """Leave a factor within the terms of a sum that goes on with a number, which does not have it."""
    match node:
        case Apply(Add() | Subtract() as primitive, (Apply(Multiply(), (first, second)), Const() as number)):
            pass
        case _:
            return None
    for x, inner in ((first, second), (second, first)):
        match inner:
            case Apply(Add(), (y, Const(1)) | (Const(1), y)):
                return Add()(Multiply()(x, y), primitive(x, number))
    return None
