"""What comes in, as arrays that training and prediction take: dense, finite, of a float dtype."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LARGE = 2**31
"""Bytes above which a sparse matrix is written out row by row into a file, which is mapped, and not into memory."""

_ROWS_TOGETHER = 2**22
"""Elements of a sparse matrix that are written out at a time."""


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix or array of SciPy's, whose package is not loaded for this."""
    return hasattr(X, "toarray") and hasattr(X, "nnz")


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of `rows` that have no more than a few million elements each."""
    step = max(1, _ROWS_TOGETHER // max(columns, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def dense(X: Any, dtype: Any) -> Array:
    """`X` as a dense array of `dtype`; itself, where it is one.

    What a sparse `X` takes when written out is held in memory up to 2 GiB; above that it is a temporary file, mapped
    into memory, which is gone as soon as nothing refers to the array.
    """
    if not is_sparse(X):
        return np.asarray(X).astype(dtype, copy=False)
    rows, columns = X.shape
    if rows * columns * np.dtype(dtype).itemsize <= LARGE:
        return np.asarray(X.toarray()).astype(dtype, copy=False)
    with tempfile.TemporaryFile() as file:
        written: Array = np.memmap(file, dtype, "w+", shape=(rows, columns))
    by_rows = X.tocsr()
    for part in row_blocks(rows, columns):
        written[part] = by_rows[part].toarray()
    return written
