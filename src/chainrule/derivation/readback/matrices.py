"""Functions of matrices: traces, determinants, inverses, Kronecker products; sizes may be unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from chainrule.derivation.readback.arrangements import lifted
from chainrule.derivation.readback.values import (
    Meaning,
    Open,
    ReadingError,
    UnknownNotationError,
    Value,
    as_matrix,
    elementwise,
    known,
)

_LARGEST = 1_000_000
"""The number of elements up to which a Kronecker product is formed, where its size is not determined."""


def diagonal(x: Meaning) -> Meaning:
    """Return the diagonal of a matrix, or a diagonal matrix of a vector."""
    if isinstance(x, Open):
        raise UnknownNotationError("diag of an open size")
    if x.ndim == 0:
        raise ReadingError("diag of a number")
    if x.ndim >= 2 and {x.ndim - 1, x.ndim - 2} <= x.free:
        return Value(x.data[..., 0], x.letters, x.free - {x.ndim - 1})
    if x.ndim >= 2 and x.shape[-1] == x.shape[-2]:
        return Value(np.diagonal(x.data, axis1=-2, axis2=-1), x.letters)
    if x.free:
        return Open(lambda size: Value(x.data[..., None] * np.eye(size), x.letters), 1, x.ndim + 1)
    return Value(x.data[..., None] * np.eye(x.shape[-1]), x.letters)


def trace(x: Meaning) -> Meaning:
    """Return the sum of the diagonal."""
    if isinstance(x, Open):
        return lifted(lambda values: trace(values[0]), [x], x.ndim - 2)
    value = x
    if value.ndim < 2 or value.shape[-1] != value.shape[-2]:
        raise ReadingError("the trace of an array that is not square")
    return Value(np.trace(value.data, axis1=-2, axis2=-1), value.letters)


def triangle(x: Meaning, offset: Sequence[int], below: bool) -> Meaning:
    """Return the entries on one side of a diagonal, by default the main one, and zeros on the other."""
    if isinstance(x, Open):
        return lifted(lambda values: triangle(values[0], offset, below), [x], x.ndim)
    if x.ndim < 2 or x.free:
        raise ReadingError("a triangle of what is not a matrix")
    rows, columns = np.indices(x.shape[-2:])
    distance = columns - rows - (offset[0] if offset else 0)
    return Value(np.where(distance <= 0 if below else distance >= 0, x.data, 0.0), x.letters)


def vec(x: Meaning) -> Meaning:
    """Return the columns of a matrix, one below the other."""
    if isinstance(x, Open):
        return lifted(lambda values: vec(values[0]), [x], 1)
    if x.ndim != 2 or x.free:
        raise ReadingError("vec of what is not a matrix")
    columns = np.swapaxes(x.data, -1, -2)
    return Value(columns.reshape((*x.data.shape[: x.letters], -1)), x.letters)


def kronecker(x: Meaning, y: Meaning) -> Meaning:
    """Return the blocks x[i, j] y; a vector is a column, or a row if it is transposed."""
    x, y = (_of_any_length(each) for each in (x, y))
    if isinstance(x, Open) or isinstance(y, Open):
        return lifted(lambda values: kronecker(*values), [x, y], 2)
    first, second = (as_matrix(replace(each, is_row=each.is_row or each.side == "row")) for each in (x, y))
    if first.ndim != 2 or second.ndim != 2 or first.free or second.free:
        raise ReadingError(f"⊗ of shapes {x.shape} and {y.shape}")
    if first.data.size * second.data.size > _LARGEST:
        raise ReadingError("a Kronecker product of arrays that are too large")
    blocks = first.data[..., :, None, :, None] * second.data[..., None, :, None, :]
    shape = tuple(m * n for m, n in zip(first.shape, second.shape, strict=True))
    return Value(blocks.reshape((*blocks.shape[: first.letters], *shape)), first.letters)


def _of_any_length(x: Meaning) -> Meaning:
    """Return a vector of any length, such as 1, as a value whose size the context determines."""
    if isinstance(x, Open) or not x.free or x.ndim != 1:
        return x
    row = x.is_row
    return Open(lambda size: Value(np.repeat(x.data, size, axis=x.letters), x.letters, is_row=row), 1, 1)


def determinant(x: Meaning) -> Meaning:
    """Return the determinant of a square matrix."""
    value = known(x)
    if value.ndim < 2 or value.shape[-1] != value.shape[-2]:
        raise ReadingError("the determinant of an array that is not square")
    return Value(np.linalg.det(value.data), value.letters)


def cholesky(x: Meaning) -> Meaning:
    """Return the lower factor of a positive definite matrix, of which the lower triangle is read."""
    value = known(x)
    if value.ndim < 2 or value.shape[-1] != value.shape[-2]:
        raise ReadingError("the Cholesky factor of an array that is not square")
    try:
        return Value(np.linalg.cholesky(value.data), value.letters)
    except np.linalg.LinAlgError:
        raise ReadingError("the Cholesky factor of a matrix that is not positive definite") from None


def pseudoinverse(x: Meaning) -> Meaning:
    """Return the Moore–Penrose inverse."""
    value = known(x)
    if value.ndim < 2:
        raise ReadingError("the pseudoinverse of an array that is not a matrix")
    return Value(np.linalg.pinv(value.data), value.letters)


def adjugate(x: Meaning) -> Meaning:
    """Return the transposed cofactors of a square matrix, by its inverse, which exists at random points."""
    value = known(x)
    if value.ndim < 2 or value.shape[-1] != value.shape[-2]:
        raise ReadingError("the adjugate of an array that is not square")
    return Value(np.linalg.det(value.data)[..., None, None] * np.linalg.inv(value.data), value.letters)


def inverse(x: Meaning) -> Meaning:
    """Return the inverse of a square matrix, or the reciprocal of a number."""
    value = known(x)
    if value.ndim == 0:
        return elementwise(np.reciprocal, Value(value.data.astype(float), value.letters))
    if value.ndim == 1 or value.shape[-1] != value.shape[-2] or value.free:
        raise ReadingError(f"the inverse of shape {value.shape}")
    return Value(np.linalg.inv(value.data), value.letters)
