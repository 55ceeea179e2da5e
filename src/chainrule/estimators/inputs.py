"""What comes in, as arrays that training and prediction take: dense, finite, of a float dtype."""

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
"""Bytes above which a sparse matrix is written out row by row into a file, which is mapped, and not into memory."""

_ROWS_TOGETHER = 2**22
"""Elements of a sparse matrix that are written out at a time."""


@dataclass(frozen=True)
class Table:
    """Numbers (rows, columns) with the names of the columns, as a table that scikit-learn before 1.9 understands."""

    numbers: Array
    names: list[str]

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.numbers.shape

    def __len__(self) -> int:
        return len(self.numbers)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numbers, dtype) if copy else np.asarray(self.numbers, dtype)

    def __dataframe__(self, **_: Any) -> Table:
        return self

    def column_names(self) -> list[str]:
        """The names, as the protocol for tables asks for them."""
        return self.names


def with_names(X: Any) -> Any:
    """`X`, or a `Table` of it where it is one of polars and scikit-learn would not see its names.

    Raises ParameterError for a polars LazyFrame, DTypeError for a masked array or another subclass of NumPy's,
    MissingDependencyError where narwhals is needed and not installed.
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
