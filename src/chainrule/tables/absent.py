"""Values that stand for no value in a column of numbers: a repeated word, a number such as -999, errors of Excel."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING

import numpy as np

from chainrule.tables.arithmetic import SENTINELS, Floats
from chainrule.tables.cells import EXCEL_ERRORS, counted, labels, texts
from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import short

if TYPE_CHECKING:
    import polars as pl

FEW = 20
"""A column of texts with at most this many distinct values is a category, whatever else it resembles."""

_MOST_WORDS = 3
_FEWEST_NUMBERS = 10

_FAR, _FAR_BY_NAME = 3, 10
_SIGNED_NAME = re.compile(
    r"profit|loss|gain|balance|margin|change|delta|diff|surplus|deficit|return|cash.?flow|(^|[^a-z])(net|pnl|p&l)([^a-z]|$)"
    r"|earning|利润|盈亏|余额|变化",
    re.IGNORECASE,
)
_NINES = re.compile(r"-?(9{2,8}(\.0)?|9{1,5}\.9{1,4})(?<!^9\.9)(?<!-9\.9)")
_DIGIT = re.compile(r"\d")

NOTHING = frozenset((
    "unknown", "unk", "missing", "miss", "not available", "not applicable", "not known", "not reported",
    "not recorded", "no data", "nodata", "no value", "no response", "n.d.", "n.d", "nd", "n.r.", "tbd", "tba",
    "pending", "undefined", "unspecified", "unavailable", "refused", "don't know", "empty", "blank", "*", "**", "..",
    "...", "…", "—", "–", "---", "----", "??", "???", "/", "//", "未知", "不详", "不明", "无", "缺失",
    "空", "暂无", "k.a.", "k. a.", "keine angabe", "unbekannt", "inconnu", "s/d", "s.d.", "sin datos", "desconocido",
    "sconosciuto", "onbekend", "ukjent", "saknas", "brak", "нет данных",
))  # fmt: skip
"""Words, in lower case, that stand for no value among numbers even if they occur once."""


def words_for_nothing(series: pl.Series, numbers: pl.Series) -> tuple[str, ...]:
    """Return words in a column of numbers that can only mean a missing value: known or repeated ones, `Inf` included.

    `numbers` are the cells as numbers, null for those that are none.
    """
    if series.dtype != load_polars().String:
        return ()
    if not numbers.null_count():
        return _infinite(series, numbers)
    wrong = numbers.is_null()
    written = texts(series)
    counts = counted(written.filter(wrong))
    good = written.filter(~wrong).drop_nulls()
    if not stand_for_nothing(counts):
        return ()
    if len(good) < _FEWEST_NUMBERS or 10 * len(good) < len(series) or good.n_unique() + len(counts) <= FEW:
        return ()
    return tuple(sorted(counts))


def stand_for_nothing(counts: Mapping[str, int], repeated: bool = True) -> bool:
    """Whether a few words among numbers mean no value: known ones do, and, if `repeated`, those that occur again.

    >>> stand_for_nothing({"unknown": 1}), stand_for_nothing({"about": 1}), stand_for_nothing({"about": 2})
    (True, False, True)
    """
    if len(counts) > _MOST_WORDS or any(map(_DIGIT.search, counts)):
        return False
    return all((repeated and count > 1) or word.lower() in NOTHING for word, count in counts.items())


def _infinite(series: pl.Series, numbers: pl.Series) -> tuple[str, ...]:
    """Return the spellings of infinity, such as the open end of an interval, if they are repeated and not the rule."""
    beyond = numbers.is_infinite().fill_null(False)
    found = counted(texts(series.filter(beyond))) if beyond.any() else {}
    # 1e999 is a number that is too large, and no word.
    if sum(found.values()) < 2 or any(map(_DIGIT.search, found)) or len(found) > _MOST_WORDS:
        return ()
    return tuple(sorted(found)) if int(numbers.is_finite().sum()) >= _FEWEST_NUMBERS else ()


def note_on_words(name: str, series: pl.Series, words: Sequence[str]) -> str:
    """Return the note on words that are read as missing values."""
    counts = counted(texts(series))
    said = " and ".join(f"{short(word)} in {counts[word]:,}" for word in words)
    return (
        f"{said} of {len(series):,} cells of {name!r}, which holds numbers, is taken for no value; "
        f"--kind {quote(f'{name}=category')} makes levels of all of them"
    )


def sentinels_in(values: Floats, name: str = "") -> tuple[float, ...]:
    """Return numbers of nines alone, such as -999, that are repeated and stand apart from all others.

    They stand apart if they are the only negative numbers, or further from the others than these are from each other.
    Quantities with a sign, such as profits, have them in earnest: where others are negative too, or the name says so,
    they must be several times as far from the others.

    >>> sentinels_in(np.array([*range(20), -999.0, -999.0, np.nan])), sentinels_in(np.array([*range(100), 99.0]))
    ((-999.0,), ())
    >>> sentinels_in(np.array([*range(-200, 300), -999.0, -999.0]))
    ()
    >>> sentinels_in(np.array([*np.arange(20) / 5, 9.9, 9.9]))
    ()
    >>> sentinels_in(np.array([*range(20), 999.9, 999.9]))
    (999.9,)
    """
    present = values[np.isfinite(values)]
    found, counts = np.unique(present, return_counts=True)
    ends = [*range(min(4, len(found))), *range(max(0, len(found) - 4), len(found))]
    nines = [k for k in dict.fromkeys(ends) if counts[k] > 1 and _NINES.fullmatch(repr(float(found[k])))]
    if not nines:
        return ()
    others = np.delete(found, nines)
    if len(present) - int(counts[nines].sum()) < _FEWEST_NUMBERS or len(others) < 2:
        return ()
    low, high = float(others[0]), float(others[-1])
    named = _SIGNED_NAME.search(name) is not None
    signed = named or low < 0
    least = (high - low) * (_FAR_BY_NAME if named else _FAR if signed else 1)
    apart = [
        float(found[k])
        for k in nines
        if (found[k] < 0 <= low and not signed) or max(low - found[k], found[k] - high) > least
    ]
    return tuple(apart[: len(SENTINELS)])


def note_on_sentinels(name: str, values: Floats, sentinels: Sequence[float]) -> str:
    """Return the note on numbers that are read as missing values."""
    said = " and ".join(f"{sentinel:g} in {int((values == sentinel).sum()):,}" for sentinel in sentinels)
    return (
        f"{said} of {len(values):,} cells of {name!r}, far from the other numbers, is taken for no value; "
        f"--kind {quote(f'{name}=number')} keeps it"
    )


def note_on_errors(name: str, series: pl.Series) -> str:
    """Return the note on errors of spreadsheets, such as #DIV/0!, which are missing values; "" if there are none."""
    if series.dtype != load_polars().String:
        return ""
    written = labels(series)
    wrong = written.is_in(EXCEL_ERRORS)
    if not wrong.any():
        return ""
    counts = counted(written.filter(wrong))
    said = " and ".join(f"{short(word)} in {counts[word]:,}" for word in sorted(counts))
    return f"{said} of {len(series):,} cells of {name!r}, an error of a spreadsheet, is taken for no value"
