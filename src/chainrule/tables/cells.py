"""Parsing of cells into plain values: texts, numbers, truth values, indices of levels, seconds since 1970."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.tables.arithmetic import Floats
from chainrule.tables.dates import EPOCHS, MISSING, Seconds, from_typed, parse
from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import short
from chainrule.tables.features import NO_LEVEL, UNKNOWN_LEVEL
from chainrule.tables.notation import PLAIN, Notation, numbers_in

if TYPE_CHECKING:
    import polars as pl

_MISSING = (
    "na",
    "n/a",
    "n.a.",
    "nan",
    "-nan",
    "null",
    "none",
    "nat",
    "?",
    "-",
    "--",
    ".",
    "#n/a",
    "#na",
    "<na>",
    "\\n",
)
EXCEL_ERRORS = (
    "#DIV/0!",
    "#NAME?",
    "#NULL!",
    "#NUM!",
    "#REF!",
    "#VALUE!",
    "#SPILL!",
    "#CALC!",
    "#FIELD!",
    "#BLOCKED!",
    "#GETTING_DATA",
    "#ERROR!",
    "#WERT!",
    "#BEZUG!",
    "#ZAHL!",
    "#NV",
    "#VALEUR!",
    "#NOMBRE!",
    "#¡VALOR!",
    "#¡DIV/0!",
    "#######",
)
"""What spreadsheets write where a formula has no value, or a column is too narrow."""

MISSING_WORDS = (
    "",
    *sorted({form for word in _MISSING for form in (word, word.upper(), word.capitalize())}),
    "NaN",
    "NaT",
    *EXCEL_ERRORS,
)
"""Texts of missing values."""

TRUE_WORDS = frozenset({"true", "t", "yes", "y", "on", "1", "1.0", "ja", "oui", "si", "sí", "是", "wahr", "vrai"})
FALSE_WORDS = frozenset({"false", "f", "no", "n", "off", "0", "0.0", "nein", "non", "否", "falsch", "faux"})
"""The words for true and false, in lower case."""

_WHOLE = 1e15

LARGEST_LEVEL = 1e15
"""Numbers from here on are levels by their text alone."""

EXACT = 2.0**53
"""The bound below which float64 represents every whole number."""

_SEEN = (
    (re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?"), "a number with commas"),
    (re.compile(r"[+-]?\d+,\d+"), "a number with a decimal comma"),
    (re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?"), "a number with points for thousands"),
    (re.compile(r"[+-]?\d{1,3}([ '’_\u00a0\u202f]\d{3})+([.,]\d+)?"), "a number with marks for thousands"),
    (re.compile(r"[+-]?[\d.,]*\d\s?[%‰]"), "a number with a percent sign"),
    (
        re.compile(r"[+-]?\s?[$€£¥₹]\s?-?\d[\d.,]*|-?\d[\d.,]*\s?([$€£¥₹]|EUR|USD|GBP|CHF|CNY|JPY)"),
        "a number with a currency",
    ),
    (re.compile(r"0[xX][0-9a-fA-F]+"), "a hexadecimal number"),
)


class CellError(Exception):
    """The cell in row `row` of a series is invalid; `words` complete a sentence that begins with its place."""

    def __init__(self, row: int, words: str) -> None:
        super().__init__(words)
        self.row, self.words = row, words


def what_is_seen(cell: str) -> str | None:
    """Describe a number in the notation that a cell has; return None for other texts.

    >>> what_is_seen("12%")
    'a number with a percent sign'
    """
    return next((words for pattern, words in _SEEN if pattern.fullmatch(cell)), None)


def texts(series: pl.Series) -> pl.Series:
    """Return cells as texts without surrounding blanks, null for missing values. Whole numbers have no point."""
    pl = load_polars()
    if series.dtype == pl.String:
        bare = series.str.strip_chars()
        absent = bare.is_in(MISSING_WORDS)
        return bare.set(absent, None) if absent.any() else bare
    if series.dtype.is_float():
        numbers = series.cast(pl.Float64)
        whole = numbers.is_finite() & (numbers.abs() < _WHOLE) & (numbers == numbers.floor())
        decimal = numbers.fill_nan(None).cast(pl.String)
        whole = whole.fill_null(False)
        if not whole.any():
            return decimal
        return decimal.zip_with(~whole, numbers.set(~whole, 0.0).cast(pl.Int64).cast(pl.String))
    if series.dtype == pl.Duration:
        return texts(as_numbers(series))
    written = series.cast(pl.String)
    return texts(written) if series.dtype == pl.Categorical or series.dtype == pl.Enum else written


def labels(series: pl.Series) -> pl.Series:
    """Return texts as `texts` does, but keep words such as NA and None, which may be classes; null for empty cells."""
    pl = load_polars()
    if series.dtype == pl.Categorical or series.dtype == pl.Enum:
        series = series.cast(pl.String)
    if series.dtype != pl.String:
        return texts(series)
    bare = series.str.strip_chars()
    return bare.set(bare == "", None)


def without_words(series: pl.Series, words: Sequence[str]) -> pl.Series:
    """Replace cells that equal one of `words` with null, in a series of texts."""
    if not words or series.dtype != load_polars().String:
        return series
    return series.set(series.str.strip_chars().is_in(words), None)


def without_missing(series: pl.Series, words: Sequence[str], numbers: Sequence[float]) -> pl.Series:
    """Replace cells that equal one of `words`, or one of `numbers` in a column of numbers, with null."""
    if words and series.dtype.is_numeric():
        return series.set(series.cast(load_polars().Float64).is_in(numbers).fill_null(False), None)
    return without_words(series, words)


def counted(written: pl.Series) -> dict[str, int]:
    """Count the occurrences of each text, without nulls, in no particular order.

    >>> import polars as pl
    >>> counted(pl.Series("count", ["a", None, "a"]))
    {'a': 2}
    """
    # polars raises an error if the column has the name of the column of counts.
    found = written.drop_nulls().alias("text").value_counts(name="rows")
    return dict(zip(found["text"].to_list(), found["rows"].to_list(), strict=True))


def as_numbers(series: pl.Series, notation: Notation = PLAIN) -> pl.Series:
    """Return cells as float64: nan for missing values, null for cells that are not numbers in this notation."""
    pl = load_polars()
    if series.dtype == pl.String:
        as_they_are = notation.decimal == "." and notation.bare == 1
        numbers = series.cast(pl.Float64, strict=False) if as_they_are else None
        if numbers is not None and not numbers.null_count():
            return numbers
        bare = texts(series)
        if numbers is None:
            return numbers_in(bare, notation).set(bare.is_null(), math.nan)
        numbers = bare.cast(pl.Float64, strict=False).set(bare.is_null(), math.nan)
        wrong = numbers.is_null()
        return numbers.set(wrong, math.nan).scatter(wrong.arg_true(), numbers_in(bare.filter(wrong), notation))
    if series.dtype.is_numeric() or series.dtype == pl.Boolean or series.dtype == pl.Null:
        return series.cast(pl.Float64).fill_null(math.nan)
    if series.dtype.is_temporal() and series.dtype not in (pl.Date, pl.Datetime):
        nanoseconds = series.cast(pl.Int64) if series.dtype == pl.Time else series.dt.total_nanoseconds()
        return (nanoseconds.cast(pl.Float64) / 1e9).fill_null(math.nan)
    return as_numbers(texts(series))


def read_numbers(series: pl.Series, notation: Notation = PLAIN) -> Floats:
    """Return cells as float64, nan for missing values; raise CellError for a cell that is not a finite number."""
    numbers = as_numbers(series, notation)
    if numbers.null_count():
        raise not_a_number(series, int(numbers.is_null().arg_max() or 0))
    values: Floats = numbers.to_numpy()
    if np.isinf(values).any():
        row = int(np.isinf(values).argmax())
        raise CellError(
            row, f"holds {_shown(series, row)}, which is not finite; write a finite number or leave it empty"
        )
    return values


def not_a_number(series: pl.Series, row: int) -> CellError:
    """Return the error for the cell in `row`, which is not a number."""
    cell = str(series[row]).strip()
    seen = what_is_seen(cell)
    if seen:
        return CellError(row, f"holds {short(cell)}, {seen}; write all numbers of the column alike")
    return CellError(row, f"holds {short(cell)}, which is not a number; write a number or leave it empty")


def read_booleans(series: pl.Series) -> Floats:
    """Return cells as 1 and 0, nan for missing values; raise CellError for a cell that is neither true nor false."""
    values, wrong = read_truth(series)
    if wrong.any():
        row = int(wrong.argmax())
        raise CellError(row, f"holds {_shown(series, row)}, which means neither yes nor no; write true or false")
    return values


def read_truth(series: pl.Series) -> tuple[Floats, NDArray[np.bool_]]:
    """Return cells as 1 and 0, nan for others, and a mask of cells with a value that is neither true nor false."""
    pl = load_polars()
    if series.dtype == pl.Boolean:
        return np.asarray(series.cast(pl.Float64).fill_null(math.nan).to_numpy()), np.zeros(len(series), dtype=bool)
    written = texts(series)
    meanings = dict.fromkeys(TRUE_WORDS, 1.0) | dict.fromkeys(FALSE_WORDS, 0.0)
    values = written.str.to_lowercase().replace_strict(meanings, default=None, return_dtype=pl.Float64)
    wrong = values.is_null() & written.is_not_null()
    if wrong.any():
        numbers = as_numbers(series)  # such as 1.000
        values = values.zip_with(~(wrong & numbers.is_in([0.0, 1.0])), numbers)
        wrong = values.is_null() & written.is_not_null()
    return np.asarray(values.fill_null(math.nan).to_numpy()), np.asarray(wrong.to_numpy())


def read_levels(
    series: pl.Series, levels: tuple[str, ...], spellings: Mapping[str, str] | None = None
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Return the index of each cell in `levels`, and the number of cells of each unknown level.

    `spellings` maps further texts to levels.
    """
    pl = load_polars()
    written = texts(series)
    if spellings:
        written = written.replace(spellings)
    known: Mapping[str, int] = {level: place for place, level in enumerate(levels)}
    places = written.replace_strict(known, default=UNKNOWN_LEVEL, return_dtype=pl.Int64)
    places = places.set(written.is_null(), NO_LEVEL)
    result: NDArray[np.int64] = places.to_numpy().copy()
    unknown = result == UNKNOWN_LEVEL
    if not unknown.any():
        return result, {}
    found = counted(written.filter(pl.Series(unknown)))
    counts = dict(sorted(found.items(), key=lambda pair: -pair[1]))
    # The number 1.0 stands for the level 1.
    by_value = numbers_of_levels(levels)
    if by_value:
        for text in list(counts):
            value = number_in(text)
            if value is not None and value in by_value:
                result[(written == text).fill_null(False).to_numpy()] = by_value[value]
                del counts[text]
    return result, counts


def numbers_of_levels(levels: Sequence[str]) -> dict[float, int]:
    """Return the index of each level that is a number, by its value; of equal ones the first.

    >>> numbers_of_levels(["1", "red", "1.0", "2.5"])
    {1.0: 0, 2.5: 3}
    """
    found: dict[float, int] = {}
    for place, level in enumerate(levels):
        value = number_in(level)
        if value is not None and abs(value) < LARGEST_LEVEL:
            found.setdefault(value, place)
    return found


def find_dates(series: pl.Series, form: str) -> tuple[Seconds, NDArray[np.bool_]]:
    """Return seconds since 1970, `MISSING` for missing values and cells in another format, and a mask of the latter."""
    pl = load_polars()
    if series.dtype in (pl.Date, pl.Datetime) or form in EPOCHS:
        return read_dates(series, form), np.zeros(len(series), dtype=bool)
    written = texts(series)
    seconds = parse(written, form)
    return seconds, (seconds == MISSING) & written.is_not_null().to_numpy()


def read_most_dates(series: pl.Series, form: str) -> tuple[Seconds, NDArray[np.bool_]]:
    """Return what `find_dates` does; raise CellError if half of the cells or more are in another format."""
    seconds, wrong = find_dates(series, form)
    if wrong.any() and int(wrong.sum()) >= int((seconds != MISSING).sum()):
        read_dates(series, form)
    return seconds, wrong


def read_dates(series: pl.Series, form: str) -> Seconds:
    """Return seconds since 1970, `MISSING` for missing values; raise CellError for a cell in another format."""
    pl = load_polars()
    if series.dtype in (pl.Date, pl.Datetime):
        return from_typed(series)
    if form in EPOCHS:
        numbers = read_numbers(series)
        return np.where(np.isnan(numbers), MISSING, np.floor(np.nan_to_num(numbers) / EPOCHS[form]).astype(np.int64))
    seconds, wrong = find_dates(series, form)
    if wrong.any():
        row = int(wrong.argmax())
        raise CellError(row, f"holds {_shown(series, row)}, which is not a date as the others are ({form})")
    return seconds


def number_in(text: str) -> float | None:
    """Parse a text as a number; return None if it is not one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return None if "_" in text or not text.isascii() or math.isnan(value) else value


def _shown(series: pl.Series, row: int) -> str:
    cell: Any = series[row]
    return short(cell.strip()) if isinstance(cell, str) else str(cell)
