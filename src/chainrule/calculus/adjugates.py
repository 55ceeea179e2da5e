"""Adjugates meet the factors of what they are of: adj(A B) A is det(A) adj(B), also for singular matrices."""

from __future__ import annotations

from chainrule.calculus.chains import Chain, chain_of, product_of_chain, transposed_chain
from chainrule.calculus.examples import some, some_x, some_y
from chainrule.calculus.inverses import is_square, same_factor
from chainrule.calculus.reading import reading_cost
from chainrule.calculus.rules import rule
from chainrule.calculus.scalars import repeated
from chainrule.ir import Apply, Node
from chainrule.primitives import Adjugate, Contract, Determinant, Permute, identity

_DETERMINANT_APART = 1
"""What a product may be longer to read where a factor is left as a number in front and in no other place."""


def _adjugate(x: Node) -> Node:
    return Adjugate()(x, Determinant()(x))


def _t(x: Node) -> Node:
    return Permute((1, 0))(x)


@rule("adj(A B) A → det(A)·adj(B)", Contract, examples=lambda: [
    _adjugate(some_x("n n") @ some_y("n n")) @ some_x("n n"),
    some_y("n n") @ _adjugate(some_x("n n") @ some_y("n n")),
    (some_x("n n") @ some_x("n n")) @ _adjugate(some_x("n n") @ (some_x("n n") @ some_x("n n"))),
    _t(some_x("n n")) @ _t(_adjugate(some_x("n n") @ some_y("n n"))),
    _adjugate(some_x("n n")) @ (some_x("n n") @ some_y("n m")),
    _adjugate(some_x("n n") @ some_y("n n")) @ (some_x("n n") @ some("z", "n")),
])  # fmt: skip
def _adjugate_meets_factor(node: Apply) -> Node | None:
    """Cancel adjacent factors of square matrices, of which adj(A B) is adj(B) adj(A)."""
    links = chain_of(node)
    for place, (factor, turned) in enumerate(links):
        match factor:
            case Apply(Adjugate(), (x, determinant)) if x.type.ndim == 2:
                inside = chain_of(x, turned)
            case _:
                continue
        if not all(map(is_square, inside)):
            continue
        result = _cancelled(links, place, inside)
        if result is None:
            mirrored = _cancelled(transposed_chain(links), len(links) - 1 - place, transposed_chain(inside))
            result = None if mirrored is None else (mirrored[0], transposed_chain(mirrored[1]))
        if result is not None:
            number, chain = result
            number = determinant if len(inside) == 1 else number
            product = product_of_chain(chain) if chain else identity(node.type.shape[0], node.type.dtype)
            found = repeated(number, product.type) * product
            longer = reading_cost(found) > reading_cost(node) + _DETERMINANT_APART
            return None if longer or found.type != node.type else found
    return None


def _cancelled(links: Chain, place: int, inside: Chain) -> tuple[Node, Chain] | None:
    """Cancel the adjugate at `place` with the factor after it, as a number and a chain."""
    if place + 1 == len(links) or not same_factor(inside[0], links[place + 1]):
        return None
    return Determinant()(inside[0][0]), (*links[:place], *_adjugate_of(inside[1:]), *links[place + 2 :])


def _adjugate_of(links: Chain) -> Chain:
    """Return the adjugate of a product, transposed if all factors are."""
    turned = all(each for _, each in links)
    upright = transposed_chain(links) if turned else links
    return ((_adjugate(product_of_chain(upright)), turned),) if links else ()
