"""Tables as batches of rows, independent of the file format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.tables.cells import CellError
from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import TableError, listed
from chainrule.tables.frames import as_frame, cells_of, named, not_plain, without
from chainrule.tables.limits import Limits
from chainrule.words import suggestion

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")

BATCH_ROWS = 65_536
"""The number of rows of a batch, except for batches cut from text."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of a table: `frame`, whose first row has the number `first_row` (from 0) in the table.

    Cells of text files are text, possibly with surrounding blanks; an empty cell is null or empty.
    """

    frame: pl.DataFrame
    first_row: int
    place: Callable[[int, str], str]
    """A function that describes the place of the cell in row k (from 0) of the batch and a column."""
    path: str = "the table"
    file: int = 0
    """The number of the file, from 0, among those of the table."""

    def without(self, names: Sequence[str]) -> Batch:
        """Return the batch without some of its columns."""
        return replace(self, frame=without(self.frame, names)) if names else self

    def keeping(self, mask: NDArray[np.bool_]) -> Batch:
        """Return the rows of the mask; their places are those in the table."""
        rows = np.flatnonzero(mask).tolist()
        return replace(self, frame=self.frame.filter(mask), place=lambda row, name: self.place(rows[row], name))

    def check_plain(self, target: str | None = None) -> None:
        """Raise TableError, with the place, for a cell that is not a plain value."""
        for name in self.frame.columns:
            series = cells_of(self.frame, name)
            words = not_plain(series, name)
            if words:
                if name == target:
                    words = f"{words.split('; ')[0]}, which cannot be predicted; choose another target"
                row = int(series.is_not_null().arg_max() or 0)
                raise TableError(f"{self.place(row, name)} {words}")

    def check_lengths(self, limits: Limits) -> None:
        """Raise TableError, with the place, for a text that exceeds the limit of a cell."""
        if limits.cell is None:
            return
        for name in self.frame.columns:
            cells = cells_of(self.frame, name)
            long = cells.str.len_bytes() > limits.cell if cells.dtype == load_polars().String else None
            if long is not None and long.any():
                raise limits.too_long(self.place(int(long.arg_max() or 0), name))

    def read(self, name: str, reading: Callable[[pl.Series], T]) -> T:
        """Apply `reading` to a column; convert CellError to TableError with the place."""
        series = cells_of(self.frame, name)
        if not_plain(series, name):
            replace(self, frame=self.frame.get_column(name).to_frame()).check_plain()
        try:
            return reading(series)
        except CellError as error:
            raise TableError(f"{self.place(error.row, name)} {error.words}") from None


class Source(ABC):
    """A table that can be read repeatedly, in batches that fit in memory."""

    nested = False
    """Whether values may be nested, and are spread over columns, named as in `place.city` and `sizes.0`."""

    def __init__(self, path: str, names: Sequence[str]) -> None:
        """Create a table with these columns; the second of two with one name gets a new one, as in `named`."""
        check_names(path, names)
        self.path = path
        self.names = tuple(named(names))
        self.doubled = tuple((name, new) for name, new in zip(names, self.names, strict=True) if name and name != new)
        """Names that another column has before, with the new names."""
        self.digest: str | None = None
        """SHA-256 of names and contents, in hexadecimal; set when `batches` is exhausted."""

    def parts_of(self, name: str) -> list[str]:
        """Return the columns that `name` stands for: itself, or of a nested value, as in JSON, what is spread from it.

        >>> from chainrule.tables import FrameSource, as_frame
        >>> FrameSource(as_frame({"a": [1], "a.b": [2]})).parts_of("a")
        ['a']
        """
        parts = [each for each in self.names if each.startswith(f"{name}.")]
        return parts if self.nested and parts and name not in self.names else [name]

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the files that hold the table."""
        return (self.path,)

    @property
    def digests(self) -> list[str]:
        """The digests of these files."""
        return [self.digest or ""]

    @property
    def notes(self) -> list[str]:
        """What of the file was passed over or understood, a sentence each; complete once `batches` is exhausted."""
        return [f"{self.path} has another column named {name!r}; it is called {new!r}" for name, new in self.doubled]

    @abstractmethod
    def batches(self) -> Iterator[Batch]:
        """Yield all rows in order; raise TableError for invalid input."""

    @property
    @abstractmethod
    def format(self) -> str:
        """The format of the file, in words."""

    def place(self, row: int, name: str) -> str:
        """Describe the place of the cell in row `row` (from 0) and a column; reads the table up to there."""
        for batch in self.batches():
            if row < batch.first_row + batch.frame.height:
                return batch.place(row - batch.first_row, name)
        return row_places(self.path, 0)(row, name)

    def refuse(self, name: str, reading: Callable[[pl.Series], object], words: str, *, here: bool = True) -> TableError:
        """Return the error for the first cell of a column that `reading` rejects.

        If there is none, it has `words` alone, with the path if the mistake is `here`.
        """
        for batch in self.batches():
            try:
                reading(cells_of(batch.frame, name))
            except CellError as error:
                return TableError(f"{batch.place(error.row, name)} {error.words}")
        return TableError(f"{self.path}, column {name!r} {words}" if here else f"column {name!r} {words}")

    def name_of(self, wanted: str) -> str:
        """Return the one column whose name differs from `wanted` in its blanks at most, or `wanted` itself."""
        alike = [] if wanted in self.names else [name for name in self.names if name.split() == wanted.split()]
        return alike[0] if len(alike) == 1 else wanted

    def check_column(self, name: str, what: str = "") -> None:
        """Raise TableError, naming the most similar column, if there is no column `name`."""
        if name not in self.names:
            said = f"{what} is {name!r}, but " if what else ""
            raise TableError(
                f"{said}{self.path} has no column {name!r}; it has {listed(self.names)}{suggestion(name, self.names)}"
            )


class FrameSource(Source):
    """A table in memory.

    >>> import polars as pl
    >>> source = FrameSource(pl.DataFrame({"x": [1, 2, 3]}))
    >>> source.names, next(source.batches()).place(1, "x")
    (('x',), "the table, row 2, column 'x'")
    """

    def __init__(self, frame: pl.DataFrame, path: str = "the table") -> None:
        super().__init__(path, frame.columns)
        if not frame.height:
            raise TableError(f"{path} has no rows; give one row for each sample")
        self.frame = as_frame(frame)

    @property
    def format(self) -> str:
        return "a table in memory"

    def batches(self) -> Iterator[Batch]:
        hashing = Fingerprint(self.names)
        for start in range(0, self.frame.height, BATCH_ROWS):
            part = self.frame.slice(start, BATCH_ROWS)
            hashing.add_frame(part)
            yield Batch(part, start, row_places(self.path, start), self.path)
        self.digest = hashing.digest()


def row_places(path: str, first_row: int) -> Callable[[int, str], str]:
    """Return a function that describes places by row, for tables without lines."""
    return lambda row, name: f"{path}, row {first_row + row + 1:,}, column {name!r}"


def check_names(path: str, names: Sequence[str]) -> None:
    """Raise TableError for a table without columns, or without any name."""
    if not names:
        raise TableError(f"{path} has no columns; give a table with a column for each feature and one for the target")
    if not any(names):
        raise TableError(f"{path} has no column with a name in its header; give it a header with the columns' names")


class Fingerprint:
    """SHA-256 of column names and contents, independent of compression."""

    def __init__(self, names: Sequence[str]) -> None:
        self._hash = sha256()
        for name in names:
            self._hash.update(name.encode("utf-8", "surrogatepass") + b"\0")

    def add(self, content: bytes) -> None:
        self._hash.update(content)

    def add_frame(self, frame: pl.DataFrame) -> None:
        for series in frame.iter_columns():
            self._hash.update(str(series.dtype).encode())
            for cell in series.to_list():
                self._hash.update(repr(cell).encode("utf-8", "surrogatepass") + b"\0")

    def digest(self) -> str:
        return self._hash.hexdigest()
