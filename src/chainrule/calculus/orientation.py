"""Differences in one orientation: −(x − μ) (x − μ)ᵀ, not (μ − x) (x − μ)ᵀ.

Where an expression has both a − b and b − a, one is written as the negative of the other: the orientation that the
forward pass has, where it is known, else the one that comes first.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from chainrule.calculus.chains import chain_of
from chainrule.calculus.examples import some, some_x, some_y
from chainrule.calculus.gathering import signed_terms, sum_of_signed
from chainrule.calculus.rules import Rule, rule
from chainrule.calculus.terms import Term, factors, product_of
from chainrule.ir import Apply, Const, Node, applies, substitute, topological_order
from chainrule.primitives import Add, Broadcast, Contract, Divide, Multiply, Negate, Permute, Square, Subtract

_NAME = "(a − b) (b − a) → −(a − b) (a − b)"
_TERM_LIMIT = 24
_PART_LIMIT = 256


def oriented(definitions: Mapping[Node, Node]) -> Rule:
    """Return the rule with the orientations that the definitions of names have."""
    parts = topological_order(list(definitions.values()))
    preferred = {part for part in parts if applies(part, Subtract)}

    def turned(node: Apply) -> Node | None:
        return _turned(node, preferred)

    return Rule(_NAME, (Contract, Multiply, Add, Subtract), turned, list)


def _difference(shape: str) -> Node:
    return some_x(shape) - some_y(shape)


def _opposite(shape: str) -> Node:
    return some_y(shape) - some_x(shape)


@rule(_NAME, Contract, Multiply, Add, Subtract, examples=lambda: [
    _difference("n") @ _opposite("n"),
    Contract(((0,), (1,)), (0, 1))(_difference("n"), _opposite("n")),
    _difference("n m") * (some("z", "n m") * _opposite("n m")),
    some("z", "n n") @ _difference("n") + some("w", "n n") @ _opposite("n"),
    some("z", "n n") @ _difference("n") - 2 * (_opposite("n") @ some("w", "n n")),
    some("z", "n") * _difference("n") - some("w", "n") * _opposite("n"),
])  # fmt: skip
def _one_orientation(node: Apply) -> Node | None:
    return _turned(node, ())


def _turned(node: Apply, preferred: Container[Node]) -> Node | None:
    terms = list(signed_terms(node)) if applies(node, Add, Subtract) else [(1, node)]
    if len(terms) > _TERM_LIMIT or not _may_differ([term for _, term in terms]):
        return None
    found = [_differences(term) for _, term in terms]
    every = [difference for differences in found for difference in differences]
    for place, first in enumerate(every):
        second = _negative(first)
        if second not in every[place + 1 :]:
            continue
        kept, other = (second, first) if second in preferred and first not in preferred else (first, second)
        turned = _with_one(terms, found, kept, other)
        if turned is None:
            return None
        # A sign before a product of elements goes back into its difference.
        if len(terms) > 1 and all(sign < 0 and kept in dict(factors(term).powers) for sign, term in turned):
            turned = _with_one(terms, found, other, kept) or turned
        return sum_of_signed(turned)
    return None


def _may_differ(terms: Sequence[Node]) -> bool:
    """Whether there are several differences among the factors of products, which is found sooner than which."""
    pending, count = list(terms), 0
    for _ in range(_PART_LIMIT):
        if count > 1 or not pending:
            break
        part = pending.pop()
        if applies(part, Subtract):
            count += 1
        elif applies(part, Multiply, Contract, Divide, Negate, Broadcast, Permute, Square):
            pending += part.operands
    return count > 1 or bool(pending)


def _negative(difference: Apply) -> Node:
    x, y = difference.operands
    return Subtract()(y, x)


def _differences(term: Node) -> list[Apply]:
    """Return the factors of a product that are differences of two values, not 1 − y and the like."""
    found: list[Apply] = []
    for factor, exponent in factors(term).powers:
        parts = [node for node, _ in chain_of(factor)] if exponent == 1 else [factor] * abs(exponent)
        for part in parts:
            match part:
                case Apply(Subtract(), (x, y)) if not isinstance(x, Const) and not isinstance(y, Const):
                    found.append(part)
    return found


def _with_one(
    terms: Sequence[tuple[int, Node]], found: Sequence[Sequence[Node]], kept: Node, other: Node
) -> list[tuple[int, Node]] | None:
    """Return the terms with the difference `kept` for its negative; None if that is also within another factor."""
    result: list[tuple[int, Node]] = []
    for (sign, term), differences in zip(terms, found, strict=True):
        if other not in differences:
            result.append((sign, term))
            continue
        turned = Term(1, ())
        for factor, exponent in factors(term).powers:
            links = [node for node, _ in chain_of(factor)]
            if any(other in topological_order([node]) for node in links if node is not other):
                return None
            (changed,) = substitute([factor], {other: kept})
            turned = turned.times(Term(1, ((changed, exponent),)))
        number = factors(term).number
        result.append((sign * (-1) ** differences.count(other), product_of(turned.times(Term(number, ())), term.type)))
    return result
