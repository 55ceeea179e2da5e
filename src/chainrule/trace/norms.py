"""`np.linalg.norm` of every order, and condition numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.ir import Node, ShapeError
from chainrule.primitives import (
    NuclearNorm,
    SpectralNorm,
    abs_,
    as_floats,
    cast,
    expand_dims,
    inverse,
    max_,
    min_,
    norm,
    normalize_axes,
    not_equal,
    permute,
    power,
    squeeze,
    sum_,
    svd,
)
from chainrule.trace.literals import as_node
from chainrule.trace.source import refusal

Axis: TypeAlias = "int | Sequence[int] | None"

_SPECTRAL: Final = (2, -2, "nuc")


def _norm(x: object, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Node:
    node = as_floats(as_node(x))
    if axis is None and ord is None:
        return norm(node, None, keepdims)
    axes = tuple(range(node.type.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    if len(axes) == 1:
        return _of_vectors(node, ord, axes, keepdims)
    if len(axes) == 2:
        return _of_matrices(node, ord, axes, keepdims)
    raise ShapeError(f"np.linalg.norm is of vectors or matrices, not of {len(axes)} axes; give axis= one or two")


def _of_vectors(x: Node, ord: Any, axis: Axis, keepdims: bool) -> Node:
    if ord is None or ord == 2:
        return norm(x, axis, keepdims)
    if not isinstance(ord, int | float | np.number):
        raise refusal(f"np.linalg.norm of a vector of order {ord!r} is not in NumPy either; write a number")
    if ord == np.inf:
        return max_(abs_(x), axis, keepdims)
    if ord == -np.inf:
        return min_(abs_(x), axis, keepdims)
    if ord == 0:
        return sum_(cast(not_equal(x, 0), x.type.dtype), axis, keepdims)
    if ord == 1:
        return sum_(abs_(x), axis, keepdims)
    return power(sum_(power(abs_(x), float(ord)), axis, keepdims), 1 / float(ord))


def _of_matrices(x: Node, ord: Any, axes: Sequence[int], keepdims: bool) -> Node:
    if ord is None or ord == "fro":
        return norm(x, axes, keepdims)
    rows, columns = (normalize_axes(axis, x.type.ndim)[0] for axis in axes)
    if rows == columns:
        raise ShapeError(f"np.linalg.norm of a matrix needs two different axes, not {tuple(axes)}")
    if ord in _SPECTRAL:
        moved = permute(x, [*(axis for axis in range(x.type.ndim) if axis not in (rows, columns)), rows, columns])
        found = _spectral(moved, ord)
        return expand_dims(found, sorted((rows, columns))) if keepdims else found
    if ord not in (1, -1, np.inf, -np.inf):
        raise refusal(f"np.linalg.norm of a matrix of order {ord!r} is not in NumPy either; write 'fro', 1 or np.inf")
    summed, other = (rows, columns) if abs(ord) == 1 else (columns, rows)
    extreme = max_ if ord > 0 else min_
    found = extreme(sum_(abs_(x), summed, True), other, True)
    return found if keepdims else squeeze(found, sorted((rows, columns)))


def _spectral(x: Node, ord: Any) -> Node:
    if ord == "nuc":
        return NuclearNorm()(x)
    return SpectralNorm()(x) if ord == 2 else min_(svd(x)[1], -1)


def _cond(x: object, p: Any = None) -> Node:
    node = as_floats(as_node(x))
    if p is None or p in _SPECTRAL[:2]:
        sizes = svd(node)[1]
        largest, smallest = max_(sizes, -1), min_(sizes, -1)
        return smallest / largest if p == -2 else largest / smallest
    return _of_matrices(node, p, (-2, -1), False) * _of_matrices(inverse(node), p, (-2, -1), False)


def _vector_norm(x: object, /, *, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Node:
    node = as_floats(as_node(x))
    return _of_vectors(node, ord, normalize_axes(axis, node.type.ndim), keepdims)


def _matrix_norm(x: object, /, *, keepdims: bool = False, ord: Any = "fro") -> Node:
    return _of_matrices(as_floats(as_node(x)), ord, (-2, -1), keepdims)


NORMS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.linalg.cond: _cond,
    np.linalg.norm: _norm,
    **{
        getattr(np.linalg, name): handler
        for name, handler in (("matrix_norm", _matrix_norm), ("vector_norm", _vector_norm))
        if hasattr(np.linalg, name)
    },
}
