"""How NumPy, JAX and PyTorch write the functions of matrices, and sums along an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.emit.arrays import ArrayWriter, Writing, primitive_of
from chainrule.emit.code import Code, Level, atom, call, method, product
from chainrule.emit.expressions import Expr
from chainrule.primitives import (
    CumulativeSum,
    Determinant,
    Diagonal,
    DiagonalMatrix,
    Inverse,
    LogDeterminant,
    SignDeterminant,
    Trace,
)


def _diagonal(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    if x.operands[0].ndim == 2:
        return call(f"{writer.module}.diagonal", operands[0])
    return call(f"{writer.module}.diagonal", operands[0], axis1="-2", axis2="-1")


def _torch_diagonal(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    if x.operands[0].ndim == 2:
        return call("torch.diagonal", operands[0])
    return call("torch.diagonal", operands[0], dim1="-2", dim2="-1")


def _diagonal_matrix(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    if x.ndim == 2:
        return call(f"{writer.module}.diag", operands[0])
    identity = call(f"{writer.module}.eye", writer.dim(x.shape[-1]), dtype=writer.dtype())
    return product(atom(f"{operands[0].at(Level.ATOM)}[..., None]"), identity)


def _torch_diagonal_matrix(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    return call("torch.diag_embed", operands[0])


def _trace(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    if x.ndim == 0:
        return call(f"{writer.module}.trace", operands[0])
    return call(f"{writer.module}.trace", operands[0], axis1="-2", axis2="-1")


def _torch_trace(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    if x.ndim == 0:
        return call("torch.trace", operands[0])
    return method(call("torch.diagonal", operands[0], dim1="-2", dim2="-1"), "sum", dim="-1")


def _linalg(name: str) -> Writing:
    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        return call(f"{writer.module}.linalg.{name}", *operands)

    return write


def _log_determinant(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    # The determinant itself would overflow long before its logarithm does.
    return atom(f"{call(f'{writer.module}.linalg.slogdet', *operands)}[1]")


def _sign_of_determinant(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    # The determinant itself underflows long before its sign is lost.
    return atom(f"{call(f'{writer.module}.linalg.slogdet', *operands)}[0]")


def _cumulative_sum(option: str) -> Writing:
    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        primitive = primitive_of(x)
        assert isinstance(primitive, CumulativeSum)
        axis = str(primitive.axis)
        around = f"({axis},)"
        if not primitive.reverse:
            return call(f"{writer.module}.cumsum", operands[0], **{option: axis})
        turned = call(f"{writer.module}.flip", operands[0], around)
        return call(f"{writer.module}.flip", call(f"{writer.module}.cumsum", turned, **{option: axis}), around)

    return write


MATRICES: Mapping[type, Writing] = {
    CumulativeSum: _cumulative_sum("axis"),
    Determinant: _linalg("det"),
    Diagonal: _diagonal,
    DiagonalMatrix: _diagonal_matrix,
    Inverse: _linalg("inv"),
    LogDeterminant: _log_determinant,
    SignDeterminant: _sign_of_determinant,
    Trace: _trace,
}
"""For NumPy and JAX."""

TORCH_MATRICES: Mapping[type, Writing] = {
    **MATRICES,
    CumulativeSum: _cumulative_sum("dim"),
    Diagonal: _torch_diagonal,
    DiagonalMatrix: _torch_diagonal_matrix,
    Trace: _torch_trace,
}
"""For PyTorch."""
