"""NumPy's products as contractions: `np.dot`, `np.outer`, `np.tensordot`, `np.einsum`, …"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from chainrule.ir import DType, DTypeError, Node
from chainrule.primitives import as_floats, dot, einsum, inner, matmul, outer, reshape, tensordot
from chainrule.trace.literals import as_node
from chainrule.trace.source import refusal


def _dot(a: object, b: object) -> Node:
    x, y = as_node(a), as_node(b)
    # Use the matrix product where possible, so that np.dot(x, y) and x @ y are the same expression.
    return matmul(x, y) if x.type.ndim and y.type.ndim in (1, 2) else dot(x, y)


def _inner(a: object, b: object) -> Node:
    return inner(as_node(a), as_node(b))


def _vdot(a: object, b: object) -> Node:
    return matmul(reshape(as_node(a), (-1,)), reshape(as_node(b), (-1,)))


def _outer(a: object, b: object) -> Node:
    return outer(as_node(a), as_node(b))


def _tensordot(a: object, b: object, axes: int | Sequence[int | Sequence[int]] = 2) -> Node:
    return tensordot(as_node(a), as_node(b), axes)


def _einsum(subscripts: object, *operands: object, optimize: object = True) -> Node:
    if not isinstance(subscripts, str):
        raise refusal('np.einsum is recorded with an index string only, as in np.einsum("ij,jk->ik", A, B)')
    given = [as_node(operand) for operand in operands]
    if all(node.type.dtype is DType.BOOL for node in given):
        raise DTypeError("np.einsum of truth values gives truth values in NumPy, and no counts; write b.astype(float)")
    nodes = [as_floats(node) for node in given]
    return einsum(subscripts, *nodes)


PRODUCTS: dict[Callable[..., object], Callable[..., object]] = {
    np.dot: _dot,
    np.inner: _inner,
    np.vdot: _vdot,
    np.outer: _outer,
    np.tensordot: _tensordot,
    np.einsum: _einsum,
}
