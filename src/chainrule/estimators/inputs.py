"""Conversion of inputs to arrays for training and prediction: dense, finite, of a float dtype."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.errors import ParameterError
from chainrule.estimators.scikit import READS_TABLES
from chainrule.ir import refuse_subclass
from chainrule.words import MissingDependencyError

Array = NDArray[Any]

LARGE = 2**31
"""Size in bytes above which a sparse matrix is expanded into a memory-mapped file instead of memory."""

_ROWS_TOGETHER = 2**22
"""Number of elements of a sparse matrix that are expanded at a time."""


@dataclass(frozen=True)
class Table:
    """A numeric array (rows, columns) with column names, as a table that scikit-learn before 1.9 supports."""

    numbers: Array
    names: list[str]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of rows and columns."""
        return self.numbers.shape

    def __len__(self) -> int:
        return len(self.numbers)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numbers, dtype) if copy else np.asarray(self.numbers, dtype)

    def __dataframe__(self, **_: Any) -> Table:
        return self

    def column_names(self) -> list[str]:
        """The column names, for the dataframe protocol."""
        return self.names


def with_names(X: Any) -> Any:
    """Return `X`, or a `Table` if it is a polars table whose names scikit-learn would ignore.

    Raises ParameterError for a polars LazyFrame, DTypeError for a masked array or another NumPy subclass,
    MissingDependencyError if narwhals is needed and not installed.
    """
    refuse_subclass(X)
    polars = sys.modules.get("polars")
    if polars is None or not isinstance(X, polars.DataFrame | polars.LazyFrame):
        return X
    if isinstance(X, polars.LazyFrame):
        raise ParameterError("X is a LazyFrame of polars, which has no rows yet; give X.collect()")
    if READS_TABLES:
        return X
    try:
        import narwhals
    except ImportError:
        raise MissingDependencyError(
            "tables of polars need narwhals; install it with pip install 'chainrule[tables]'"
        ) from None
    frame = narwhals.from_native(X, eager_only=True)
    return Table(frame.to_numpy(), frame.columns)


def is_sparse(X: Any) -> bool:
    """Whether X is a SciPy sparse matrix or array; does not import SciPy."""
    return hasattr(X, "toarray") and hasattr(X, "nnz")


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Yield slices of `rows` with at most a few million elements each."""
    step = max(1, _ROWS_TOGETHER // max(columns, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def dense(X: Any, dtype: Any) -> Array:
    """Return `X` as a dense array of `dtype`, without a copy if it is one.

    A sparse `X` is expanded in memory up to 2 GiB, otherwise in a memory-mapped temporary file that is deleted when the
    array is no longer referenced.
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
