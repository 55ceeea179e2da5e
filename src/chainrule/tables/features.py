"""Features: the encoding of one column of a table as columns of numbers.

A category with many levels, or with levels in order, has two features, `Category` and `LevelNumbers`; other columns
have one.
A feature has two steps. Parsing, in `cells`, converts cells to plain values. The `program`, given the feature's
`settings`, encodes these values; it is all that another language has to reproduce:

| feature | values | missing | encoded columns |
|---|---|---|---|
| `Number` | float64 x | nan | `(t(x) − mean) / scale`, and 1 or 0 where x is missing if `flag_missing` |
| `Boolean` | float64 0 or 1 | nan | x, and the flag if `flag_missing` |
| `Category` | int64, index in `levels`; −2 if unknown | −1 | a column of 0 and 1 for each level |
| `LevelNumbers` | the same | −1 | `(number − mean) / scale` for each number of the level |
| `Text` | float64 (rows, counts), hashed counts of trigrams | 0 | the same for what they predict of the target |
| `Date` | int64, seconds since 1970 | `dates.MISSING` | `parts` of the date, and the flag if `flag_missing` |
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import Program
from chainrule.schema import FILLED, FINITE, OMITTED, POSITIVE, Rule, different, whole
from chainrule.tables.arithmetic import (
    PERIODS,
    SENTINELS,
    Floats,
    PartName,
    boolean,
    category_program,
    date,
    encoded,
    heavy_number,
    number,
    position,
    program_of,
    scaling_program,
)
from chainrule.tables.dates import FORMAT_NAME, MISSING, Seconds
from chainrule.tables.notation import PLAIN, Notation

Kind: TypeAlias = Literal["number", "category", "boolean", "date", "constant", "identifier", "text"]

KINDS: tuple[str, ...] = get_args(Kind)
LEFT_OUT: tuple[str, ...] = ("constant", "identifier")
"""Kinds of columns that are not used as features."""

NO_LEVEL = -1
UNKNOWN_LEVEL = -2

NO_COLUMN = -1
"""The column of a level that is encoded as 0 in all columns of its category."""

MOST_LEVELS = 50
"""The number of levels with a column each; rarer levels share one."""

SENTINEL_COUNT = Rule((f"at most {len(SENTINELS)} numbers",), lambda found: len(found) <= len(SENTINELS))
TRUTH = Rule(("0 or 1",), lambda value: value in (0, 1))
PARTS_ONCE = Rule(("different parts of a date",), lambda parts: len({part.name for part in parts}) == len(parts))


@dataclass(frozen=True)
class Number:
    """A column of numbers, scaled to mean 0 and standard deviation 1 over the training rows.

    A missing number is replaced by `fill`, the median of the training rows. Values x of shape (rows,) are encoded as
    `(t(x) − mean) / scale`. If the column is heavy-tailed, `unit` is given and `t(x) = sign(x) · log(1 + |x| / unit)`,
    about linear below `unit` and logarithmic above; otherwise `t(x) = x`. `words` are texts that stand for missing
    values in this column, in addition to `MISSING_WORDS`, and `sentinels` are numbers that do. `notation` says how
    texts are read as numbers.

    >>> Number("age", fill=30.0, mean=40.0, scale=10.0).arithmetic(np.array([50.0, np.nan])).ravel().tolist()
    [1.0, -1.0]
    """

    kind: ClassVar[Kind] = "number"

    name: Annotated[str, FILLED]
    fill: Annotated[float, FINITE]
    mean: Annotated[float, FINITE]
    scale: Annotated[float, POSITIVE]
    unit: Annotated[float, POSITIVE] | None = None
    flag_missing: bool = False
    words: Annotated[tuple[str, ...], different("texts"), OMITTED] = ()
    sentinels: Annotated[tuple[Annotated[float, FINITE], ...], SENTINEL_COUNT, OMITTED] = ()
    notation: Annotated[Notation, OMITTED] = PLAIN

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the encoded columns."""
        return (self.name, *_flag(self.name, self.flag_missing))

    @property
    def settings(self) -> Mapping[str, Any]:
        """The inputs of `program` besides the cell `x`."""
        unit = {} if self.unit is None else {"unit": self.unit}
        sentinels = dict(zip(SENTINELS, self.sentinels, strict=False))
        return {"fill": self.fill, "mean": self.mean, "scale": self.scale, **unit, **sentinels}

    @property
    def program(self) -> Program:
        """The program from a cell, nan if missing, to its encoded columns."""
        return program_of(number if self.unit is None else heavy_number, tuple(self.settings), self.flag_missing)

    def arithmetic(self, values: Floats) -> Floats:
        """Encode numbers (rows,), nan if missing, as (rows, 1 or 2)."""
        return encoded(self.program, values, self.settings, len(self.columns))


@dataclass(frozen=True)
class Boolean:
    """A column of truth values, as 1 and 0; a missing one is replaced by `fill`, the more frequent training value.

    `words` are the two spellings of false and true that were found. Other spellings of them are accepted; all other
    texts are missing values.
    """

    kind: ClassVar[Kind] = "boolean"

    name: Annotated[str, FILLED]
    words: Annotated[tuple[str, str], different("texts")]
    fill: Annotated[float, TRUTH]
    flag_missing: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the encoded columns."""
        return (f"{self.name}={self.words[1]}", *_flag(self.name, self.flag_missing))

    @property
    def settings(self) -> Mapping[str, Any]:
        """The inputs of `program` besides the cell `x`."""
        return {"fill": self.fill}

    @property
    def program(self) -> Program:
        """The program from a cell, nan if missing, to its encoded columns."""
        return program_of(boolean, tuple(self.settings), self.flag_missing)

    def arithmetic(self, values: Floats) -> Floats:
        """Encode 0 and 1 (rows,), nan if missing, as (rows, 1 or 2)."""
        return encoded(self.program, values, self.settings, len(self.columns))


@dataclass(frozen=True)
class Spelling:
    """Another text that stands for a level of a category, that with the index `place`."""

    kind: ClassVar[str] = "spelling"

    text: Annotated[str, FILLED]
    place: Annotated[int, whole(at_least=0)]


@dataclass(frozen=True)
class Category:
    """A column with few distinct values, `levels`, in one-hot encoding.

    With `other`, a further column stands for levels that are rare in the training rows or absent from them; without it
    an unknown level is 0 in all columns. With `missing`, the last column is 1 for a missing value; without it such a
    row is 0 in all columns. `words` are texts that stand for missing values in this column, in addition to
    `MISSING_WORDS`, and `spellings` texts that stand for a level.

    >>> Category("city", ("Oslo", "Rome"), other=True).arithmetic(np.array([1, UNKNOWN_LEVEL, NO_LEVEL])).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """

    kind: ClassVar[Kind] = "category"

    name: Annotated[str, FILLED]
    levels: Annotated[tuple[Annotated[str, FILLED], ...], different("texts", at_least=1)]
    other: bool = False
    missing: bool = False
    words: Annotated[tuple[str, ...], different("texts"), OMITTED] = ()
    spellings: Annotated[tuple[Spelling, ...], different("spellings"), OMITTED] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the encoded columns."""
        other = (f"{self.name}: other",) if self.other else ()
        return (*(f"{self.name}={level}" for level in self.levels), *other, *_flag(self.name, self.missing))

    @property
    def main_spellings(self) -> dict[str, str]:
        """The level of each of `spellings`."""
        return {each.text: self.levels[each.place] for each in self.spellings}

    @property
    def other_column(self) -> int:
        """The encoded column that is 1 for an unknown level; `NO_COLUMN` if there is none."""
        return len(self.levels) if self.other else NO_COLUMN

    @property
    def missing_column(self) -> int:
        """The encoded column that is 1 for a missing value; `NO_COLUMN` if there is none."""
        return len(self.columns) - 1 if self.missing else NO_COLUMN

    @property
    def settings(self) -> Mapping[str, Any]:
        """The inputs of `program` besides the cell `x`."""
        return {"column": np.arange(len(self.columns))}

    @property
    def program(self) -> Program:
        """The program that compares the encoded column of a level with the index of a column."""
        return category_program()

    def arithmetic(self, values: NDArray[np.int64]) -> Floats:
        """Encode indices in `levels` (rows,), `NO_LEVEL` or `UNKNOWN_LEVEL`, as (rows, columns)."""
        known = np.where(values == UNKNOWN_LEVEL, self.other_column, values)
        cells = np.where(values == NO_LEVEL, self.missing_column, known)
        return encoded(self.program, cells, self.settings, len(self.columns))


@dataclass(frozen=True)
class Scaling:
    """A number that encodes levels: its name, and its mean and deviation over the training rows."""

    kind: ClassVar[str] = "scaling"

    name: Annotated[str, FILLED]
    mean: Annotated[float, FINITE] = 0.0
    scale: Annotated[float, POSITIVE] = 1.0


def scaled(numbers: Floats, scalings: Sequence[Scaling]) -> Floats:
    """Encode numbers (rows, scalings)."""
    result = np.empty_like(numbers)
    for k, each in enumerate(scalings):
        settings = {"mean": each.mean, "scale": each.scale}
        result[:, k : k + 1] = encoded(scaling_program(), numbers[:, k], settings, 1)
    return result


class _OfScaledNumbers:
    """What features that are encoded by scaled numbers share."""

    name: str
    scalings: tuple[Scaling, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the encoded columns."""
        return tuple(f"{self.name}: {each.name}" for each in self.scalings)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The inputs of `program` besides the number `x`, for each of `scalings`."""
        scalings = self.scalings
        return {
            "mean": np.array([each.mean for each in scalings]),
            "scale": np.array([each.scale for each in scalings]),
        }

    @property
    def program(self) -> Program:
        """The program that scales a number."""
        return scaling_program()


@dataclass(frozen=True)
class LevelNumbers(_OfScaledNumbers):
    """A category whose levels are encoded by numbers: averages of the target over their training rows, or their order.

    `numbers[k]` are the numbers of `levels[k]`, one for each of `scalings`. `other` are those of an unknown level,
    `absent` those of a missing value. `words` and `spellings` are as those of a `Category`.

    >>> price = Scaling("average", 3.0, 0.5)
    >>> numbers = LevelNumbers("city", ("Oslo", "Rome"), ((2.0,), (4.0,)), (3.0,), (3.0,), (price,))
    >>> numbers.arithmetic(np.array([0, 1, UNKNOWN_LEVEL])).tolist()
    [[-2.0], [2.0], [0.0]]
    """

    kind: ClassVar[str] = "levels"

    name: Annotated[str, FILLED]
    levels: Annotated[tuple[Annotated[str, FILLED], ...], different("texts", at_least=1)]
    numbers: tuple[tuple[Annotated[float, FINITE], ...], ...]
    other: tuple[Annotated[float, FINITE], ...]
    absent: tuple[Annotated[float, FINITE], ...]
    scalings: Annotated[tuple[Scaling, ...], different("scalings", at_least=1)]
    words: Annotated[tuple[str, ...], different("texts"), OMITTED] = ()
    spellings: Annotated[tuple[Spelling, ...], different("spellings"), OMITTED] = ()

    @property
    def main_spellings(self) -> dict[str, str]:
        """The level of each of `spellings`."""
        return {each.text: self.levels[each.place] for each in self.spellings}

    @property
    def table(self) -> Floats:
        """The numbers (levels + 2, scalings): those of each level, of an unknown one, and of a missing value."""
        return np.array([*self.numbers, self.other, self.absent])

    @property
    def other_column(self) -> int:
        """The row of `table` for an unknown level."""
        return len(self.levels)

    @property
    def missing_column(self) -> int:
        """The row of `table` for a missing value."""
        return len(self.levels) + 1

    def arithmetic(self, values: NDArray[np.int64]) -> Floats:
        """Encode indices in `levels` (rows,), `NO_LEVEL` or `UNKNOWN_LEVEL`, as (rows, scalings)."""
        return scaled(self.table[self.rows_of(values)], self.scalings)

    def rows_of(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of `table` of indices in `levels`, `NO_LEVEL` or `UNKNOWN_LEVEL`."""
        known = np.where(values == UNKNOWN_LEVEL, self.other_column, values)
        return np.where(known == NO_LEVEL, self.missing_column, known)


@dataclass(frozen=True)
class Text(_OfScaledNumbers):
    """A column of texts, encoded by what a linear model of hashed trigrams predicts of the target from them.

    A text has as many counts as `weights` has rows (see `trigrams`); their products with a column of `weights`, and
    `bias`, are the numbers that `scalings` scale. `words` are texts that stand for missing values in this column; a
    missing text has no trigrams.
    """

    kind: ClassVar[Kind] = "text"

    name: Annotated[str, FILLED]
    weights: tuple[tuple[Annotated[float, FINITE], ...], ...]
    bias: tuple[Annotated[float, FINITE], ...]
    scalings: Annotated[tuple[Scaling, ...], different("scalings", at_least=1)]
    words: Annotated[tuple[str, ...], different("texts"), OMITTED] = ()

    def arithmetic(self, values: Floats) -> Floats:
        """Encode hashed counts (rows, counts), as (rows, scalings)."""
        return scaled(values @ np.array(self.weights) + self.bias, self.scalings)


@dataclass(frozen=True)
class Part:
    """A part of a date.

    | name | position | encoded as |
    |---|---|---|
    | `time` | days since 1970 with their fraction, seconds / 86400 | `(position − mean) / scale` |
    | `year`, `day` | the year, the day of the month | `(position − mean) / scale` |
    | `month` | 0 for January to 11 | sine and cosine of 2π position / 12 |
    | `weekday` | 0 for Monday to 6 | sine and cosine of 2π position / 7 |
    | `hour` | seconds since midnight | sine and cosine of 2π position / 86400 |
    """

    name: PartName
    mean: Annotated[float, FINITE] = 0.0
    scale: Annotated[float, POSITIVE] = 1.0

    @property
    def suffixes(self) -> tuple[str, ...]:
        return (f"{self.name} sin", f"{self.name} cos") if self.name in PERIODS else (self.name,)

    def position(self, seconds: Seconds) -> Floats:
        """Return the position of each of `seconds` since 1970 within this part."""
        return np.asarray(position(self.name, seconds), np.float64)


@dataclass(frozen=True)
class Date:
    """A column of dates or times, encoded as those of their `parts` that vary in the training rows.

    A missing date is replaced by `fill`, the median of the training rows in seconds since 1970. `format` is a key of
    `chainrule.tables.dates.FORMATS`, for two-digit years with a limit if needed, as in `day/month/yy up to 2030`.
    `words` are texts that stand for missing values in this column.
    """

    kind: ClassVar[Kind] = "date"

    name: Annotated[str, FILLED]
    format: Annotated[str, FORMAT_NAME]
    parts: Annotated[tuple[Part, ...], PARTS_ONCE]
    fill: Annotated[int, whole(at_least=-(2**53), at_most=2**53)]
    flag_missing: bool = False
    words: Annotated[tuple[str, ...], different("texts"), OMITTED] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the encoded columns."""
        parts = (f"{self.name}: {suffix}" for part in self.parts for suffix in part.suffixes)
        return (*parts, *_flag(self.name, self.flag_missing))

    @property
    def settings(self) -> Mapping[str, Any]:
        """The inputs of `program` besides the cell `x`."""
        scaled = [part for part in self.parts if part.name not in PERIODS]
        numbers = {f"{part.name}_{which}": getattr(part, which) for part in scaled for which in ("mean", "scale")}
        return {"fill": self.fill, **numbers}

    @property
    def program(self) -> Program:
        """The program from seconds since 1970, nan if missing, to the encoded columns."""
        return program_of(date(tuple(part.name for part in self.parts)), tuple(self.settings), self.flag_missing)

    def arithmetic(self, values: Seconds) -> Floats:
        """Encode seconds since 1970 (rows,), `MISSING` if there is no date, as (rows, columns)."""
        cells = np.where(values == MISSING, math.nan, values)
        return encoded(self.program, cells, self.settings, len(self.columns))


Feature: TypeAlias = Number | Boolean | Category | LevelNumbers | Text | Date


@dataclass(frozen=True)
class LeftOut:
    """A column that is not used as a feature, and the reason in a short phrase."""

    name: str
    kind: Kind
    reason: str


def _flag(name: str, wanted: bool) -> tuple[str, ...]:
    return (f"{name}: missing",) if wanted else ()
