"""Targets: how classes or numbers are encoded for training, and decoded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.schema import FINITE, OMITTED, POSITIVE, Rule, different
from chainrule.tables.cells import (
    MISSING_WORDS,
    CellError,
    labels,
    number_in,
    read_numbers,
)
from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import short
from chainrule.tables.notation import PLAIN, Notation
from chainrule.tables.spellings import folded

if TYPE_CHECKING:
    import polars as pl

Task: TypeAlias = Literal["classification", "regression"]

_DTYPE = re.compile(r"bool|str|bytes|object|u?int(8|16|32|64)|float(16|32|64)|datetime64\[(Y|M|W|D|h|m|s|ms|us|ns)\]")
LABELS = Rule(("the dtype of labels, such as int64",), lambda text: _DTYPE.fullmatch(text) is not None)


@dataclass(frozen=True)
class ClassTarget:
    """A column of classes, numbered by their index in `classes`.

    `numeric` says that all classes are numbers, so that `1`, `1.0` and `01` are spellings of one class. `dtype` is the
    dtype of the array that they come from, such as "int64", "bool", "str" or "datetime64[D]"; otherwise "".
    """

    task: ClassVar[Task] = "classification"

    name: str
    classes: Annotated[tuple[str, ...], different("texts", at_least=2)]
    numeric: bool = False
    dtype: Annotated[str, LABELS, OMITTED] = ""

    @property
    def labels(self) -> NDArray[Any]:
        """The classes (classes,) as an array of their dtype; texts if they have none.

        >>> ClassTarget("won", ("False", "True"), dtype="bool").labels
        array([False,  True])

        Raises ValueError if a class is not a value of that dtype.
        """
        if self.dtype == "bool":
            if not set(self.classes) <= {"False", "True"}:
                raise ValueError("a class is neither False nor True")
            return np.array([label == "True" for label in self.classes])
        if self.dtype == "bytes":
            return np.array([label.encode("latin-1") for label in self.classes])
        if self.dtype in ("", "str", "object"):
            return np.array(self.classes, object if self.dtype == "object" else None)
        dtype = np.dtype(self.dtype)
        if dtype.kind in "iu":
            numbers, limits = [int(label) for label in self.classes], np.iinfo(dtype)
            if not all(limits.min <= number <= limits.max for number in numbers):
                raise ValueError(f"a class is not of the dtype {dtype.name}")
            return np.array(numbers, dtype)
        return np.array(self.classes, object if dtype.kind == "f" else None).astype(dtype)

    def encode(self, series: pl.Series) -> NDArray[np.int64]:
        """Return the indices (rows,) of cells in `classes`; raise CellError for an empty cell or an unknown class."""
        pl = load_polars()
        written = labels(series)
        _check_filled(written, "a class")
        known = dict(zip(self.classes, range(len(self.classes)), strict=True))
        places: NDArray[np.int64] = written.replace_strict(known, default=-1, return_dtype=pl.Int64).to_numpy().copy()
        for row in np.flatnonzero(places < 0).tolist():
            if places[row] >= 0:
                continue
            place = self._place(written[row])
            if place is None and written[row] in MISSING_WORDS:
                raise _no_value(row, written[row], "a class")
            if place is None:
                raise CellError(row, f"holds {short(written[row])}, a class that no training row has")
            places[(written == written[row]).to_numpy()] = place
        return places

    def _place(self, text: str) -> int | None:
        """Return the index of a class in another spelling: a number, or another case."""
        value = number_in(text) if self.numeric else None
        if value is not None:
            return next((k for k, label in enumerate(self.classes) if number_in(label) == value), None)
        alike = [k for k, label in enumerate(self.classes) if folded(label) == folded(text)]
        return alike[0] if len(alike) == 1 else None

    def decode(self, places: NDArray[np.int64]) -> list[str]:
        """Return the classes with indices `places`, of shape (rows,).

        >>> ClassTarget("kind", ("cat", "dog")).decode(np.array([1, 0]))
        ['dog', 'cat']
        """
        return [self.classes[place] for place in places.tolist()]


@dataclass(frozen=True)
class NumberTarget:
    """A column of numbers, scaled to `(value − mean) / scale`; `notation` says how texts are read as numbers."""

    task: ClassVar[Task] = "regression"

    name: str
    mean: Annotated[float, FINITE] = 0.0
    scale: Annotated[float, POSITIVE] = 1.0
    notation: Annotated[Notation, OMITTED] = PLAIN

    def encode(self, series: pl.Series) -> NDArray[np.float64]:
        """Return the scaled numbers (rows,); raise CellError for an empty cell or one that is not a number."""
        return (_numbers(series, self.notation) - self.mean) / self.scale

    def decode(self, scaled: NDArray[np.floating]) -> NDArray[np.float64]:
        """Invert the scaling; `scaled` may have any shape.

        >>> NumberTarget("price", mean=100.0, scale=10.0).decode(np.array([-1.0, 2.0])).tolist()
        [90.0, 120.0]
        """
        return np.asarray(scaled, dtype=float) * self.scale + self.mean


Target: TypeAlias = ClassTarget | NumberTarget


def _no_value(row: int, word: str, wanted: str) -> CellError:
    return CellError(row, f"holds {short(word)}, which means no value; fill in {wanted} or remove the row")


def _check_words(series: pl.Series, wanted: str) -> None:
    """Raise CellError for the first cell with a word for a missing value."""
    written = labels(series)
    absent = written.is_in(MISSING_WORDS)
    if absent.any():
        row = int(absent.arg_max() or 0)
        raise _no_value(row, written[row], wanted)


def _check_filled(written: pl.Series, wanted: str) -> None:
    if written.null_count():
        raise _empty(int(written.is_null().arg_max() or 0), wanted)


def _empty(row: int, wanted: str) -> CellError:
    return CellError(row, f"is empty; fill in {wanted} or remove the row")


def _numbers(series: pl.Series, notation: Notation) -> NDArray[np.float64]:
    """Parse numbers; none may be missing."""
    if series.dtype == load_polars().String:
        _check_words(series, "a number")
    values = read_target(series, notation)
    missing = np.isnan(values)
    if missing.any():
        raise _empty(int(missing.argmax()), "a number")
    return values


def read_target(series: pl.Series, notation: Notation) -> NDArray[np.float64]:
    """Parse numbers, nan for missing ones."""
    try:
        return read_numbers(series, notation)
    except CellError as error:
        raise CellError(error.row, error.words.replace("leave it empty", "remove the row")) from None
