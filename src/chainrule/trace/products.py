"""NumPy's products as contractions: `np.dot`, `np.outer`, `np.tensordot`, `np.einsum`, …"""

from __future__ import annotations

import functools
import string
from collections.abc import Callable, Sequence

import numpy as np

from chainrule.ir import DType, DTypeError, Node, ShapeError
from chainrule.primitives import (
    Kronecker,
    as_floats,
    broadcast_together,
    cast,
    common_dtype,
    dot,
    einsum,
    expand_dims,
    inner,
    matmul,
    multiply,
    normalize_axes,
    outer,
    permute,
    reshape,
    squeeze,
    stack,
    sum_,
    take_slices,
    tensordot,
)
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


def _kron(a: object, b: object) -> Node:
    x, y = as_floats(as_node(a)), as_floats(as_node(b))
    dtype = common_dtype([x, y])
    x, y = cast(x, dtype), cast(y, dtype)
    if x.type.ndim == y.type.ndim == 2:
        return Kronecker()(x, y)
    ndim = max(x.type.ndim, y.type.ndim)
    shapes = [(*(1,) * (ndim - each.type.ndim), *each.type.shape) for each in (x, y)]
    spread = [reshape(each, shape) for each, shape in zip((x, y), shapes, strict=True)]
    products = expand_dims(spread[0], range(1, 2 * ndim, 2)) * expand_dims(spread[1], range(0, 2 * ndim, 2))
    return reshape(products, tuple(m * n for m, n in zip(*shapes, strict=True)))


def _cross(a: object, b: object, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Node:
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = _last(as_floats(as_node(a)), axisa), _last(as_floats(as_node(b)), axisb)
    sizes = x.type.shape[-1], y.type.shape[-1]
    if any(size not in (2, 3) for size in sizes):
        raise ShapeError(f"np.cross takes vectors of 2 or 3 elements, not {sizes[0]} and {sizes[1]}")
    u, v = (_entries(each) for each in (x, y))
    if sizes == (2, 2):
        return u[0] * v[1] - u[1] * v[0]
    parts = [_minor(u, v, j, k) for j, k in ((1, 2), (2, 0), (0, 1))]
    found = stack(broadcast_together(*parts), -1)
    return permute(found, _moved(found.type.ndim, -1, axisc))


def _minor(u: Sequence[Node], v: Sequence[Node], j: int, k: int) -> Node:
    """u[j] v[k] − u[k] v[j], where an entry with number 2 that is missing is zero."""
    first = u[j] * v[k] if j < len(u) and k < len(v) else None
    second = u[k] * v[j] if k < len(u) and j < len(v) else None
    if second is None:
        assert first is not None  # one of two vectors has three entries
        return first
    return -second if first is None else first - second


def _entries(x: Node) -> list[Node]:
    size = x.type.shape[-1]
    assert isinstance(size, int)
    return [take_slices(x, (..., k)) for k in range(size)]


def _last(x: Node, axis: int) -> Node:
    """Move an axis to the end."""
    return permute(x, _moved(x.type.ndim, axis, -1))


def _moved(ndim: int, source: int, target: int) -> list[int]:
    """Return the order of axes that moves one of them."""
    (place,), (goal,) = normalize_axes(source, ndim), normalize_axes(target, ndim)
    order = [k for k in range(ndim) if k != place]
    order.insert(goal, place)
    return order


def vecdot(x1: object, x2: object, /, *, axis: int = -1) -> Node:
    """`np.vecdot(x1, x2)`: the inner products of vectors along an axis."""
    x, y = _last(as_node(x1), axis), _last(as_node(x2), axis)
    if x.type.shape[-1] != y.type.shape[-1]:
        raise ShapeError(f"np.vecdot of vectors of {x.type.shape[-1]} and of {y.type.shape[-1]} elements")
    return matmul(x, y) if x.type.ndim == y.type.ndim == 1 else sum_(multiply(x, y), -1)


def matvec(x1: object, x2: object, /) -> Node:
    """`np.matvec(x1, x2)`: matrices times vectors."""
    x, y = as_node(x1), as_node(x2)
    if y.type.ndim == 1:
        return matmul(x, y)
    product = matmul(x, expand_dims(y, -1))
    return squeeze(product, (product.type.ndim - 1,))


def vecmat(x1: object, x2: object, /) -> Node:
    """`np.vecmat(x1, x2)`: vectors times matrices."""
    x, y = as_node(x1), as_node(x2)
    if x.type.ndim == 1:
        return matmul(x, y)
    product = matmul(expand_dims(x, -2), y)
    return squeeze(product, (product.type.ndim - 2,))


def _multi_dot(arrays: Sequence[object], *, out: None = None) -> Node:
    nodes = [as_node(array) for array in arrays]
    if len(nodes) < 2:
        raise ShapeError("np.linalg.multi_dot takes two arrays or more")
    if any(node.type.ndim != 2 for node in nodes[1:-1]) or any(node.type.ndim not in (1, 2) for node in nodes):
        raise ShapeError("np.linalg.multi_dot takes matrices, and vectors at its ends")
    return functools.reduce(matmul, nodes)


def _outer_of_vectors(x1: object, x2: object, /) -> Node:
    x, y = as_node(x1), as_node(x2)
    if x.type.ndim != 1 or y.type.ndim != 1:
        raise ShapeError("np.linalg.outer takes two vectors")
    return outer(x, y)


def _matmul(x1: object, x2: object, /) -> Node:
    return matmul(as_node(x1), as_node(x2))


def _cross_of_three(x1: object, x2: object, /, *, axis: int = -1) -> Node:
    if any(as_node(x).type.shape[axis] != 3 for x in (x1, x2)):
        raise ShapeError("np.linalg.cross takes vectors of 3 elements")
    return _cross(x1, x2, axis=axis)


def _with_letters(operands: tuple[object, ...]) -> tuple[str, tuple[object, ...]]:
    """Return the index string, and the arrays, of `A, [0, 1], B, [1, 2], [0, 2]`."""
    count = len(operands) // 2
    labels = [list(each) for each in operands[1 : 2 * count : 2]]  # type: ignore[call-overload]
    output = list(operands[-1]) if len(operands) % 2 else None  # type: ignore[call-overload]
    named = sorted({label for each in (*labels, output or ()) for label in each if label is not Ellipsis})
    if len(named) > len(string.ascii_letters):
        raise refusal(f"np.einsum with {len(named)} different indices is not recorded; multiply in steps")
    letter = {**dict(zip(named, string.ascii_letters, strict=False)), Ellipsis: "..."}
    terms = ",".join("".join(letter[label] for label in each) for each in labels)
    arrow = "" if output is None else "->" + "".join(letter[label] for label in output)
    return terms + arrow, operands[: 2 * count : 2]


def _einsum(subscripts: object, *operands: object, optimize: object = True) -> Node:
    if not isinstance(subscripts, str):
        subscripts, operands = _with_letters((subscripts, *operands))
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
    np.kron: _kron,
    np.cross: _cross,
    np.linalg.multi_dot: _multi_dot,
    **{
        getattr(np.linalg, name): handler
        for name, handler in (
            ("cross", _cross_of_three),
            ("matmul", _matmul),
            ("outer", _outer_of_vectors),
            ("tensordot", _tensordot),
            ("vecdot", vecdot),
        )
        if hasattr(np.linalg, name)
    },
}
