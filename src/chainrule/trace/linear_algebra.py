"""NumPy's linear algebra and cumulative sum: `np.linalg.inv`, `np.linalg.slogdet`, `np.trace`, `np.cumsum`, …"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.ir import Node, ShapeError, dim_product
from chainrule.primitives import (
    as_floats,
    broadcast_to,
    cholesky,
    cumsum,
    det,
    diag,
    diagonal,
    identity,
    inverse,
    logdet,
    matmul,
    normalize_axes,
    permute,
    pseudoinverse,
    reshape,
    sign_of_det,
    solve,
    trace,
    tril,
    triu,
)
from chainrule.trace.arrangement import matrix_transpose
from chainrule.trace.literals import as_node
from chainrule.trace.options import in_dtype, refuse_options
from chainrule.trace.source import refusal


def _cholesky(a: object, /, *, upper: bool = False) -> Node:
    return cholesky(as_node(a), upper)


def _matrix_power(a: object, n: int) -> Node:
    x = as_floats(as_node(a))
    if not isinstance(n, int | np.integer) or isinstance(n, bool):
        raise TypeError("the exponent of np.linalg.matrix_power must be an integer")
    if x.type.ndim < 2 or x.type.shape[-1] != x.type.shape[-2]:
        raise ShapeError(f"np.linalg.matrix_power takes square matrices, not {x.type}")
    if n == 0:
        return broadcast_to(identity(x.type.shape[-1], x.type.dtype), x.type.shape)
    base, power, result = inverse(x) if n < 0 else x, abs(int(n)), None
    while power:  # by squaring
        if power % 2:
            result = base if result is None else matmul(result, base)
        power //= 2
        base = matmul(base, base) if power else base
    assert result is not None
    return result


def _pinv(a: object, rcond: None = None, hermitian: bool = False, *, rtol: None = None) -> Node:
    refuse_options("np.linalg.pinv", rcond=rcond, rtol=rtol)
    if hermitian:
        raise refusal("np.linalg.pinv(…, hermitian=True) reads one triangle, and is not recorded; leave hermitian= out")
    return pseudoinverse(as_node(a))


def _inv(a: object) -> Node:
    return inverse(as_node(a))


def _det(a: object) -> Node:
    return det(as_node(a))


class SlogdetResult(NamedTuple):
    """The result of `np.linalg.slogdet`, with NumPy's field names."""

    sign: Node
    logabsdet: Node


def _slogdet(a: object) -> SlogdetResult:
    x = as_node(a)
    return SlogdetResult(sign_of_det(x), logdet(x))


def _solve(a: object, b: object) -> Node:
    return solve(as_node(a), as_node(b))


def _tensorsolve(a: object, b: object, axes: Sequence[int] | None = None) -> Node:
    x, y = as_node(a), as_node(b)
    if axes is not None:
        moved = [normalize_axes(axis, x.type.ndim)[0] for axis in axes]
        x = permute(x, [*(k for k in range(x.type.ndim) if k not in moved), *moved])
    shape = x.type.shape[y.type.ndim :]
    matrix = reshape(x, (y.type.size, dim_product(shape)))
    return reshape(solve(matrix, reshape(y, (y.type.size,))), shape)


def _tensorinv(a: object, ind: int = 2) -> Node:
    x = as_node(a)
    if ind <= 0:
        raise ValueError("the number of axes ind of np.linalg.tensorinv must be positive")
    rows, columns = x.type.shape[:ind], x.type.shape[ind:]
    return reshape(inverse(reshape(x, (dim_product(rows), dim_product(columns)))), (*columns, *rows))


def _trace(a: object, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Node:
    refuse_options("np.trace", out=out)
    return trace(in_dtype("np.trace", as_node(a), dtype), offset, axis1, axis2)


def _diagonal(a: object, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Node:
    return diagonal(as_node(a), offset, axis1, axis2)


def _trace_of_matrices(x: object, /, *, offset: int = 0, dtype: Any = None) -> Node:
    return _trace(x, offset, -2, -1, dtype)


def _diagonal_of_matrices(x: object, /, *, offset: int = 0) -> Node:
    return diagonal(as_node(x), offset, -2, -1)


def _tril(m: object, k: int = 0) -> Node:
    return tril(_as_matrix(m), k)


def _triu(m: object, k: int = 0) -> Node:
    return triu(_as_matrix(m), k)


def _as_matrix(m: object) -> Node:
    """Return an array of one dimension as the rows of a square matrix, as NumPy does."""
    x = as_node(m)
    return broadcast_to(x, (*x.type.shape, *x.type.shape)) if x.type.ndim == 1 else x


def _diagflat(v: object, k: int = 0) -> Node:
    return diag(reshape(as_node(v), (-1,)), k)


def _diag(v: object, k: int = 0) -> Node:
    return diag(as_node(v), k)


def _cumsum(a: object, axis: int | None = None, dtype: Any = None, out: None = None) -> Node:
    refuse_options("np.cumsum", out=out)
    return cumsum(in_dtype("np.cumsum", as_node(a), dtype), axis)


LINEAR_ALGEBRA: dict[Callable[..., Any], Callable[..., Any]] = {
    np.linalg.cholesky: _cholesky,
    np.linalg.inv: _inv,
    np.linalg.matrix_power: _matrix_power,
    np.linalg.pinv: _pinv,
    np.linalg.tensorinv: _tensorinv,
    np.linalg.tensorsolve: _tensorsolve,
    np.linalg.det: _det,
    np.linalg.slogdet: _slogdet,
    np.linalg.solve: _solve,
    np.trace: _trace,
    np.diagonal: _diagonal,
    np.diag: _diag,
    np.diagflat: _diagflat,
    np.tril: _tril,
    np.triu: _triu,
    **{
        getattr(np.linalg, name): handler
        for name, handler in (
            ("diagonal", _diagonal_of_matrices),
            ("matrix_transpose", matrix_transpose),
            ("trace", _trace_of_matrices),
        )
        if hasattr(np.linalg, name)
    },
    np.cumsum: _cumsum,
}
