"""Statistics of the training rows of a column: median, mean and deviation, levels, parts of dates that vary."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from chainrule.tables.arithmetic import PARTS, PERIODS, Floats
from chainrule.tables.cells import (
    counted,
    number_in,
    read_booleans,
    read_most_dates,
    read_numbers,
    texts,
    without_words,
)
from chainrule.tables.dates import MISSING, Seconds
from chainrule.tables.features import (
    LEFT_OUT,
    MOST_LEVELS,
    Boolean,
    Category,
    Date,
    Feature,
    LeftOut,
    Number,
    Part,
)
from chainrule.tables.kinds import Finding

if TYPE_CHECKING:
    import polars as pl

HEAVY = 5.0
"""Tails are heavy if the 1st or 99th percentile is more than this many interquartile ranges from the median."""

_ENOUGH = 50


def fit_feature(series: pl.Series, finding: Finding) -> Feature | LeftOut:
    """Fit the encoding of a column to its training rows `series`; return LeftOut if they do not vary."""
    name = finding.name
    if finding.kind in (*LEFT_OUT, "text"):  # texts are fitted to the target
        return LeftOut(name, finding.kind, finding.reason)
    if finding.kind == "number":
        values = read_numbers(without_words(series, finding.words), finding.notation)
        if finding.sentinels:
            values = np.where(np.isin(values, finding.sentinels), np.nan, values)
        found = _number(name, values)
        if not isinstance(found, Number):
            return found
        return replace(found, words=finding.words, sentinels=finding.sentinels, notation=finding.notation)
    if finding.kind == "boolean":
        return _boolean(name, series)
    if finding.kind == "date":
        return _date(name, read_most_dates(series, finding.format)[0], finding.format)
    return _category(name, series)


def _unvarying(name: str) -> LeftOut:
    return LeftOut(name, "constant", "the same in every training row")


def _number(name: str, values: Floats) -> Feature | LeftOut:
    missing = np.isnan(values)
    present = values[~missing]
    if not len(present) or (present.min() == present.max() and not missing.any()):
        return _unvarying(name)
    fill = median(present)
    plain = Number(name, fill, 0.0, 1.0, _unit(present), bool(missing.any()))
    if present.min() == 0 and ((present == 0) | (present == 1)).all():
        return plain  # 0 and 1 need no scaling
    mean, scale = mean_and_scale(plain.arithmetic(values)[:, 0])
    return Number(name, fill, mean, scale, plain.unit, plain.flag_missing)


def median(values: Floats) -> float:
    """Return the median; of two middle values the lower one, which occurs in the column."""
    return float(np.partition(values, (len(values) - 1) // 2)[(len(values) - 1) // 2])


def mean_and_scale(values: Floats) -> tuple[float, float]:
    """Return mean and standard deviation, without overflow; 1 for the deviation of nearly constant values."""
    biggest = float(np.abs(values).max())
    if biggest == 0:
        return 0.0, 1.0
    part = values / biggest
    mean, deviation = float(part.mean()), float(part.std())
    if deviation <= 1e-12 * abs(mean) or deviation * biggest == 0:
        return mean * biggest, 1.0
    return mean * biggest, deviation * biggest


def _unit(present: Floats) -> float | None:
    """Return the unit of the logarithm of a heavy-tailed column, its median nonzero magnitude, or None."""
    if len(present) < _ENOUGH or len(np.unique(present[:10_000])) < _ENOUGH // 2:
        return None
    low, first, middle, third, high = np.quantile(present, (0.01, 0.25, 0.5, 0.75, 0.99))
    with np.errstate(over="ignore"):
        spread, reach = third - first, max(high - middle, middle - low)
    sizes = np.abs(present[present != 0])
    unit = median(sizes)
    if not np.isfinite(reach) or reach <= HEAVY * spread or np.quantile(sizes, 0.99) <= HEAVY * unit:
        return None
    return unit


def _boolean(name: str, series: pl.Series) -> Feature | LeftOut:
    values = read_booleans(series)
    missing = np.isnan(values)
    present = values[~missing]
    if not len(present) or (present.min() == present.max() and not missing.any()):
        return _unvarying(name)
    written = texts(series)
    words = ["no", "yes"]
    for value in (0, 1):
        places = np.flatnonzero(values == value)
        if len(places):
            words[value] = str(written[int(places[0])])
    fill = float(2 * present.sum() > len(present))
    return Boolean(name, (words[0], words[1]), fill, bool(missing.any()))


def _category(name: str, series: pl.Series) -> Feature | LeftOut:
    written = texts(series)
    missing = bool(written.null_count())
    by_count = sorted(counted(written).items(), key=lambda pair: (-pair[1], pair[0]))
    if len(by_count) + missing < 2:
        return _unvarying(name)
    kept = by_count[:MOST_LEVELS]
    single = sum(count == 1 for _, count in kept)
    if single > 1 and single < len(kept):
        kept = [pair for pair in kept if pair[1] > 1]
    levels = sorted((level for level, _ in kept), key=natural)
    return Category(name, tuple(levels), other=len(kept) < len(by_count), missing=missing)


def natural(text: str) -> tuple[int, float, str]:
    """Return a sort key that orders numbers by value and before texts."""
    number = number_in(text)
    return (1, 0.0, text) if number is None else (0, number, text)


def _date(name: str, seconds: Seconds, form: str) -> Feature | LeftOut:
    missing = seconds == MISSING
    present = seconds[~missing]
    if not len(present):
        return _unvarying(name)
    parts = []
    for name_of_part in PARTS:
        part = Part(name_of_part)
        position = part.position(present)
        if position.min() == position.max():
            continue
        parts.append(part if part.name in PERIODS else Part(part.name, *mean_and_scale(position)))
    if not parts and not missing.any():
        return _unvarying(name)
    middle = int(np.partition(present, (len(present) - 1) // 2)[(len(present) - 1) // 2])
    return Date(name, form, tuple(parts), middle, bool(missing.any()))
