"""Products of matrices and vectors as chains of factors, whatever their brackets; a vector is a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from chainrule.ir import Apply, Node
from chainrule.primitives import Contract, Permute

Link: TypeAlias = tuple[Node, bool]
"""A factor, and whether it is transposed."""
Chain: TypeAlias = tuple[Link, ...]

_LINK_LIMIT = 12


def chain_of(node: Node, turned: bool = False) -> Chain:
    """Return the factors of a product of matrices and vectors, transposed if `turned`; of another node, itself."""
    links = _links(node)
    return transposed_chain(links) if turned else links


def transposed_chain(links: Sequence[Link]) -> Chain:
    """Return the transpose of a chain: its factors in reverse order, each transposed."""
    return tuple((node, not turned) for node, turned in reversed(links))


def _links(node: Node) -> Chain:
    match node:
        case Apply(Permute((1, 0)), (x,)):
            return chain_of(x, turned=True)
        case Apply(Contract(product=product), operands) if product is not None and not product.batch:
            if product.kind in ("matrix", "vector", "outer", "inner") and not product.added:
                left = chain_of(operands[product.left.operand], product.left.transposed ^ (product.kind == "inner"))
                right = chain_of(operands[product.right.operand], product.right.transposed ^ (product.kind == "outer"))
                if len(left) + len(right) <= _LINK_LIMIT and node.type.ndim <= 2:
                    return (*left, *right)
    return ((node, False),)


def is_row(link: Link) -> bool:
    """Whether a link is a transposed vector."""
    return link[0].type.ndim == 1 and link[1]


def is_column(link: Link) -> bool:
    """Whether a link is a vector that is not transposed."""
    return link[0].type.ndim == 1 and not link[1]


def product_of_chain(links: Sequence[Link]) -> Node:
    """Return the product of a chain that is not empty; products with vectors are computed first.

    A chain that is a row is returned as the vector. A chain may be a number, but not have one among its factors.
    """
    if len(links) == 1:
        ((node, turned),) = links
        return Permute((1, 0))(node) if turned and node.type.ndim == 2 else node
    for place in range(1, len(links)):
        if is_column(links[place - 1]) and is_row(links[place]):
            return Contract(((0,), (1,)), (0, 1))(product_of_chain(links[:place]), product_of_chain(links[place:]))
    if is_row(links[0]) and not is_column(links[-1]):
        return product_of_chain(transposed_chain(links))
    first = 1 if is_column(links[-1]) else len(links) - 1
    return _multiplied(links[:first], links[first:])


def number_within(links: Sequence[Link]) -> tuple[int, int] | None:
    """Return the range of the factors of a chain that are a number, such as bᵀ c in a bᵀ c dᵀ; None if there is none.

    A chain that is a number has none within.
    """
    first = None
    for place, link in enumerate(links):
        if is_row(link):
            first = place
        elif is_column(link) and first is not None:
            return None if (first, place + 1) == (0, len(links)) else (first, place + 1)
    return None


def _multiplied(left: Sequence[Link], right: Sequence[Link]) -> Node:
    """Return the product of two parts, of which one may be transposed."""
    (x, x_turned), (y, y_turned) = _part(left), _part(right)
    rows = (0,) if x.type.ndim == 1 else (1, 0) if x_turned else (0, 1)
    shared = rows[0] if x.type.ndim == 1 else 1
    columns = (shared,) if y.type.ndim == 1 else (2, shared) if y_turned else (shared, 2)
    output = tuple(label for label in (*sorted(rows), *columns) if label != shared)
    return Contract((rows, columns), output)(x, y)


def _part(links: Sequence[Link]) -> Link:
    return links[0] if len(links) == 1 else (product_of_chain(links), False)
