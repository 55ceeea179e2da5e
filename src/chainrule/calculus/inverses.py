"""Inverses meet what they are the inverses of: (A⁻¹)⁻¹ is A, A⁻¹ A is I, and (A B)⁻¹ A is B⁻¹ for square factors."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.calculus.chains import Chain, Link, chain_of, product_of_chain, transposed_chain
from chainrule.calculus.examples import some_x, some_y
from chainrule.calculus.rules import is_scale, refilled, rule
from chainrule.calculus.symmetry import is_symmetric
from chainrule.ir import Apply, Node
from chainrule.primitives import Contract, Inverse, Multiply, Permute, identity


def _t(x: Node) -> Node:
    return Permute((1, 0))(x)


@rule("(A⁻¹)⁻¹ → A", Inverse, examples=lambda: [Inverse()(Inverse()(some_x("n n")))])
def _inverse_of_inverse(node: Apply) -> Node | None:
    match node:
        case Apply(Inverse(), (Apply(Inverse(), (x,)),)):
            return x
    return None


@rule("(c A)⁻¹ → (1/c) A⁻¹", Inverse, examples=lambda: [Inverse()(2 * some_x("n n"))])
def _inverse_of_multiple(node: Apply) -> Node | None:
    match node:
        case Apply(Inverse(), (Apply(Multiply(), (c, x)),)) if is_scale(c) and not is_scale(x):
            return (1 / refilled(c, node.type)) * Inverse()(x)
    return None


@rule("(A B)⁻¹ A → B⁻¹", Contract, examples=lambda: [
    Inverse()(some_x("n n")) @ some_x("n n"),
    some_x("n n") @ (Inverse()(some_x("n n")) @ some_y("n m")),
    (some_y("m n") @ Inverse()(some_x("n n"))) @ some_x("n n"),
    Inverse()(some_x("n n") @ some_y("n n")) @ some_x("n n"),
    some_y("n n") @ Inverse()(some_x("n n") @ some_y("n n")),
    Inverse()(Contract(((0, 1), (2, 1)), (0, 2))(some_x("n n"), some_x("n n"))) @ some_x("n n"),
    _t(some_x("n n")) @ _t(Inverse()(some_x("n n") @ some_y("n n"))),
    Inverse()(some_x("n n")) @ (some_x("n n") @ some_y("n")),
    (some_y("n") @ some_x("n n")) @ Inverse()(some_x("n n")),
])  # fmt: skip
def _inverse_meets_factor(node: Apply) -> Node | None:
    links = chain_of(node)
    for place, (factor, turned) in enumerate(links):
        match factor:
            case Apply(Inverse(), (x,)):
                inside = chain_of(x, turned)
            case _:
                continue
        for cancelled in (_cancelled(links, place, inside), _cancelled_before(links, place, inside)):
            if cancelled is not None:
                result = product_of_chain(cancelled) if cancelled else identity(node.type.shape[0], node.type.dtype)
                return result if result.type == node.type else None
    return None


def _cancelled(links: Chain, place: int, inside: Chain) -> Chain | None:
    """Cancel the first factors inside the inverse at `place` with those that follow it."""
    found = 0
    while found < len(inside) and place + 1 + found < len(links):
        if not is_square(inside[found]) or not same_factor(inside[found], links[place + 1 + found]):
            break
        found += 1
    if not found:
        return None
    return (*links[:place], *_inverse_of(inside[found:]), *links[place + 1 + found :])


def _cancelled_before(links: Chain, place: int, inside: Chain) -> Chain | None:
    """Cancel the last factors inside the inverse at `place` with those that precede it."""
    mirrored = _cancelled(transposed_chain(links), len(links) - 1 - place, transposed_chain(inside))
    return None if mirrored is None else transposed_chain(mirrored)


def _inverse_of(links: Sequence[Link]) -> Chain:
    return ((Inverse()(product_of_chain(links)), False),) if links else ()


def is_square(link: Link) -> bool:
    """Whether a factor is a square matrix."""
    shape = link[0].type.shape
    return len(shape) == 2 and shape[0] == shape[1]


def same_factor(one: Link, other: Link) -> bool:
    """Whether two factors are equal; a symmetric matrix equals its transpose."""
    return one[0] is other[0] and (one[1] == other[1] or is_symmetric(one[0]))
