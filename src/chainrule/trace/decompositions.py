"""NumPy's decompositions of matrices: `np.linalg.eigh`, `svd` and `qr`, and what is computed with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.ir import DType, Node, ShapeError, SymbolicDim, shape_text
from chainrule.primitives import (
    as_floats,
    cast,
    eigh,
    expand_dims,
    greater,
    matmul,
    max_,
    pseudoinverse,
    qr,
    smaller,
    square,
    sum_,
    svd,
)
from chainrule.trace.literals import as_node, as_operand
from chainrule.trace.options import refuse_options
from chainrule.trace.source import refusal


class EighResult(NamedTuple):
    """The result of `np.linalg.eigh`, with NumPy's field names."""

    eigenvalues: Node
    eigenvectors: Node


class QRResult(NamedTuple):
    """The result of `np.linalg.qr`, with NumPy's field names."""

    Q: Node
    R: Node


class SVDResult(NamedTuple):
    """The result of `np.linalg.svd`, with NumPy's field names."""

    U: Node
    S: Node
    Vh: Node


def _eigh(a: object, UPLO: str = "L") -> EighResult:
    triangle = str(UPLO).upper()
    if triangle not in ("L", "U"):
        raise ValueError(f"UPLO of np.linalg.eigh must be 'L' or 'U', not {UPLO!r}")
    return EighResult(*eigh(as_node(a), triangle == "U"))


def _eigvalsh(a: object, UPLO: str = "L") -> Node:
    return _eigh(a, UPLO).eigenvalues


def _svd(a: object, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> SVDResult | Node:
    if hermitian:
        raise refusal("np.linalg.svd(…, hermitian=True) reads one triangle, and is not recorded; leave hermitian= out")
    x = as_node(a)
    left, sizes, right = svd(x)
    if not compute_uv:
        return sizes
    rows, columns = x.type.shape[-2:]
    if full_matrices and rows != columns:
        raise refusal(
            f"np.linalg.svd of shape {shape_text(x.type.shape)} also gives vectors that do not depend on the matrix "
            "alone, which have no derivative; write np.linalg.svd(x, full_matrices=False)"
        )
    return SVDResult(left, sizes, right)


def _svdvals(x: object, /) -> Node:
    return svd(as_node(x))[1]


def _qr(a: object, mode: str = "reduced") -> QRResult | Node:
    x = as_node(a)
    left, right = qr(x)
    if mode == "r":
        return right
    if mode == "complete" and left.type.shape[-1] == left.type.shape[-2]:
        mode = "reduced"
    if mode != "reduced":
        raise refusal(
            f"np.linalg.qr in the mode {mode!r} is not recorded, since its further columns have no derivative; there "
            "are the modes 'reduced' and 'r'"
        )
    return QRResult(left, right)


class Unknown:
    """A result of `np.linalg.lstsq` that depends on the smaller of two named sizes; using it is refused."""

    __array_ufunc__ = None

    def __getattr__(self, name: str) -> Any:
        raise self._refused() if not name.startswith("_") else AttributeError(name)

    def __array__(self, *options: Any, **others: Any) -> Any:
        raise self._refused()

    def _operated(self, *others: Any) -> Any:
        raise self._refused()

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _operated
    __pow__ = __getitem__ = __lt__ = __le__ = __gt__ = __ge__ = __float__ = __int__ = __index__ = _operated

    def _refused(self) -> Exception:
        return refusal(
            "the rank and the singular values of np.linalg.lstsq depend on which of the sizes is smaller; give numbers"
        )


class LstsqResult(NamedTuple):
    """The result of `np.linalg.lstsq`, in NumPy's order."""

    x: Node
    residuals: Node
    rank: Node | Unknown
    s: Node | Unknown


def _lstsq(a: object, b: object, rcond: Any = None) -> LstsqResult:
    refuse_options("np.linalg.lstsq", rcond=None if rcond == -1 else rcond)
    x, y = as_floats(as_node(a)), as_floats(as_node(b))
    if x.type.ndim != 2:
        raise ShapeError(f"np.linalg.lstsq takes a matrix, not an array of shape {shape_text(x.type.shape)}")
    solution = matmul(pseudoinverse(x), y)
    residuals = sum_(square(y - matmul(x, solution)), 0, y.type.ndim == 1)
    if smaller(*x.type.shape) is None:
        return LstsqResult(solution, residuals, Unknown(), Unknown())
    return LstsqResult(solution, residuals, _matrix_rank(a), _svdvals(a))


def _matrix_rank(A: object, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Node:
    if hermitian:
        raise refusal("np.linalg.matrix_rank(…, hermitian=True) reads one triangle, and is not recorded; leave it out")
    x = as_floats(as_node(A))
    sizes = svd(x)[1]
    if tol is None:
        rows, columns = x.type.shape[-2:]
        if isinstance(rows, SymbolicDim) or isinstance(columns, SymbolicDim):
            raise refusal("np.linalg.matrix_rank of a matrix of named sizes needs tol=, since NumPy's depends on them")
        relative = max(rows, columns) * np.finfo(x.type.dtype.numpy).eps if rtol is None else rtol
        bound = max_(sizes, -1) * as_operand(relative)
    else:
        bound = as_node(tol)
    return sum_(cast(greater(sizes, expand_dims(bound, -1)), DType.INT64), -1)


DECOMPOSITIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.linalg.eigh: _eigh,
    np.linalg.eigvalsh: _eigvalsh,
    np.linalg.lstsq: _lstsq,
    np.linalg.matrix_rank: _matrix_rank,
    np.linalg.qr: _qr,
    np.linalg.svd: _svd,
    **({np.linalg.svdvals: _svdvals} if hasattr(np.linalg, "svdvals") else {}),
}
