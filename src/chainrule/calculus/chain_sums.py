"""Sums of numbers times products of matrices, in which products that begin or end alike are one product with a sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from chainrule.calculus.chains import Chain, Link, chain_of, product_of_chain
from chainrule.calculus.rules import is_scale, refilled
from chainrule.calculus.simplify import simplify
from chainrule.calculus.symmetry import is_symmetric
from chainrule.ir import Apply, Const, Node
from chainrule.primitives import (
    Add,
    Broadcast,
    Contract,
    Divide,
    Kronecker,
    Multiply,
    Negate,
    Permute,
    Subtract,
    identity,
)

Weighted: TypeAlias = tuple[Node, Node]
"""A number and a matrix."""


def number_apart(node: Node) -> Weighted:
    """Return the number in front of an array, and the array without it."""
    one = Const(1, node.type.with_shape(()))
    match node:
        case Apply(Negate(), (x,)):
            number, rest = number_apart(x)
            return simplify(Negate()(number)), rest
        case Apply(Multiply(), (c, x)) if node.type.ndim and (scale := _repeated_number(c)) is not None:
            more, rest = number_apart(x)
            return simplify(scale * more), rest
        case Apply(Divide(), (c, x)) if node.type.ndim and (scale := _repeated_number(c)) is not None:
            return scale, Divide()(Const(1, x.type), x)
    return one, node


def _repeated_number(node: Node) -> Node | None:
    match node:
        case Apply(Broadcast(axes=()), (number,)):
            return number
        case _ if is_scale(node):
            return refilled(node, node.type.with_shape(()))
    return None


def as_chain(matrix: Node) -> Chain:
    """Return the factors of a matrix; no symmetric one is transposed."""
    return tuple(map(_upright, chain_of(matrix)))


def _upright(link: Link) -> Link:
    node, turned = link
    return node, turned and not (node.type.ndim == 2 and is_symmetric(node))


def with_common_factors(terms: Sequence[Weighted], total: Callable[[Sequence[Weighted]], Node]) -> list[Weighted]:
    """Return terms in which products that begin or end alike are one product with a sum; `total` adds what is left.

    The products are not simplified, which would multiply them out again.
    """
    chains = [(number, as_chain(matrix)) for number, matrix in terms]
    for left, right in ((1, 1), (0, 1), (1, 0)):
        found = _groups(chains, left, right)
        if found is not None:
            (first, last), members = found
            inner = [(number, _inside(chain, left, right)) for k, (number, chain) in enumerate(chains) if k in members]
            number, middle = number_apart(total(inner))
            others = [terms[k] for k in range(len(terms)) if k not in members]
            product = product_of_chain((*first, (middle, False), *last))
            return with_common_factors([*others, (number, product)], total)
    return list(terms)


def _groups(
    chains: Sequence[tuple[Node, Chain]], left: int, right: int
) -> tuple[tuple[Chain, Chain], list[int]] | None:
    """Return the ends that two or more chains share, and the places of those chains."""
    ends: dict[tuple[Chain, Chain], list[int]] = {}
    for k, (_, chain) in enumerate(chains):
        if len(chain) >= left + right + (left + right < 2):
            key = chain[:left], chain[len(chain) - right :]
            if all(node.type.ndim == 2 for node, _ in (*key[0], *key[1])):
                ends.setdefault(key, []).append(k)
    return next(((key, members) for key, members in ends.items() if len(members) > 1), None)


def _inside(chain: Chain, left: int, right: int) -> Node:
    """Return a chain without its ends; the identity if nothing is left."""
    inner = chain[left : len(chain) - right]
    if inner:
        return product_of_chain(inner)
    node, turned = chain[0]
    return identity(node.type.shape[0 if turned else 1], node.type.dtype)


_PRODUCTS_AND_SUMS = (Add, Contract, Kronecker, Multiply, Negate, Permute, Subtract)


def with_rows_as_products(matrix: Node) -> Node:
    """Return a matrix in which 1 bᵀ stands where a vector b is repeated as rows: beside a matrix, b is no matrix."""
    match matrix:
        case Apply(Broadcast(axes=(1,)), (vector,)) if matrix.type.ndim == 2:
            return Contract(((0,), (1,)), (0, 1))(Const(1, matrix.type.with_shape(matrix.type.shape[:1])), vector)
        case Apply(primitive, parts) if isinstance(primitive, _PRODUCTS_AND_SUMS):
            return primitive(*map(with_rows_as_products, parts))
    return matrix
