"""The arithmetic of features: from the number in a cell to its encoded columns.

It is written once, in NumPy, and traced: `tables` evaluates the programs, `exports` writes them in other languages. The
input of a program is one cell, `x`, nan if it has no value; the other inputs are the settings of a feature. Programs
are elementwise, so arrays broadcast: cells (n, 1) and settings (k,) give (n, k). Numbers are float64, in which whole
numbers, such as seconds since 1970, are exact up to 2⁵³.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import Program
from chainrule.primitives import evaluate_nodes
from chainrule.trace import trace

Floats: TypeAlias = NDArray[np.float64]
Columns: TypeAlias = Callable[[Any, Mapping[str, Any]], list[Any]]
"""A function from a cell and the settings by name to the encoded columns."""

PartName: TypeAlias = Literal["time", "year", "month", "day", "weekday", "hour"]

PARTS: tuple[PartName, ...] = get_args(PartName)
DAY = 86_400
PERIODS: dict[str, int] = {"month": 12, "weekday": 7, "hour": DAY}
"""Periods of the cyclic parts, which are encoded as sine and cosine of 2π position / period."""

SENTINELS = ("sentinel", "sentinel_2", "sentinel_3", "sentinel_4")
"""The names of settings that are numbers which stand for a missing value, such as -999."""

_AT_ONCE = 32_768
"""Cells encoded at a time. For dates a million at a time take twice as long, and memory for every step."""


def encoded(program: Program, cells: NDArray[Any], settings: Mapping[str, Any], width: int) -> Floats:
    """Evaluate `program` for cells (n,); return its outputs side by side, as (n, width)."""
    known = {program.input(name): np.asarray(value) for name, value in settings.items()}
    result = np.empty((len(cells), width))
    for start in range(0, len(cells), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        found = evaluate_nodes(program.outputs, {**known, program.input("x"): cells[rows, None]})
        column = 0
        for output in program.outputs:
            values = found[output]
            result[rows, column : column + values.shape[1]] = values
            column += values.shape[1]
    return result


@cache
def program_of(columns: Columns, settings: tuple[str, ...], flagged: bool) -> Program:
    """Trace `columns` for a cell, nan replaced by `fill`; if `flagged`, add a last column that is 1 for nan.

    A cell that equals a setting named as one of `SENTINELS` is missing as nan is.
    """

    def of_cell(x: Any, settings: Mapping[str, Any]) -> Any:
        missing = x != x
        for name in SENTINELS:
            if name in settings:
                missing = missing | (x == settings[name])
        filled = np.where(missing, settings["fill"], x)
        return [*columns(filled, settings), missing]

    program = trace(of_cell, x="", settings=dict.fromkeys(settings, ""))
    return program if flagged else dataclasses.replace(program, outputs=program.outputs[:-1])


# Numbers and words --------------------------------------------------------------------------------------------------


def number(x: Any, settings: Mapping[str, Any]) -> list[Any]:
    """Scale a number."""
    scaled = (x - settings["mean"]) / settings["scale"]
    return [scaled]


def heavy_number(x: Any, settings: Mapping[str, Any]) -> list[Any]:
    """Scale sign(x) · log(1 + |x| / unit), which is about linear below `unit`."""
    logarithm = np.sign(x) * np.log1p(np.abs(x) / settings["unit"])
    return number(logarithm, settings)


def boolean(x: Any, settings: Mapping[str, Any]) -> list[Any]:
    """Return 0 or 1 unchanged."""
    return [x]


@cache
def category_program() -> Program:
    """Return the program that compares `x`, the encoded column of a level, with the index `column`."""

    def of_cell(x: Any, column: Any) -> Any:
        found = x == column
        return [found]

    return trace(of_cell, x=":int", column=":int")


@cache
def scaling_program() -> Program:
    """Return the program that scales `x`, a number of a level."""

    def of_cell(x: Any, mean: Any, scale: Any) -> Any:
        return number(x, {"mean": mean, "scale": scale})

    return trace(of_cell, x="", mean="", scale="")


# Dates --------------------------------------------------------------------------------------------------------------


class Civil(NamedTuple):
    """Year, month (1 to 12) and day of the month (1 to 31), each an array of whole numbers."""

    year: Any
    month: Any
    day: Any


def civil(days: Any) -> Civil:
    """Return the date `days` after 1970-01-01 in the proleptic Gregorian calendar.

    Years are counted from March, so that the leap day is the last of a year, in eras of 400 years with 146,097 days.

    >>> [part.tolist() for part in civil(np.array([0, 19_782, -1]))]
    [[1970.0, 2024.0, 1969.0], [1.0, 2.0, 12.0], [1.0, 29.0, 31.0]]
    """
    shifted = days + 719_468  # from 0000-03-01
    era = np.floor(shifted / 146_097)
    of_era = shifted - 146_097 * era
    leap_days = np.floor(of_era / 1_460) - np.floor(of_era / 36_524) + np.floor(of_era / 146_096)
    years = np.floor((of_era - leap_days) / 365)
    of_year = of_era - (365 * years + np.floor(years / 4) - np.floor(years / 100))
    from_march = np.floor((5 * of_year + 2) / 153)
    day = of_year - np.floor((153 * from_march + 2) / 5) + 1
    month = np.where(from_march < 10, from_march + 3, from_march - 9)
    began = years + 400 * era
    year = np.where(month > 2, began, began + 1)
    return Civil(year, month, day)


def seconds_since_1970(year: Any, month: Any, day: Any, hour: Any, minute: Any, second: Any) -> Any:
    """Return the seconds since 1970 of a date and time; the inverse of `civil`.

    >>> float(seconds_since_1970(2024, 2, 29, 12, 0, 1))
    1709208001.0
    """
    from_march = np.where(month > 2, month - 3, month + 9)
    began = np.where(month > 2, year, year - 1)
    era = np.floor(began / 400)
    years = began - 400 * era
    of_year = np.floor((153 * from_march + 2) / 5) + day - 1
    of_era = 365 * years + np.floor(years / 4) - np.floor(years / 100) + of_year
    days = 146_097 * era + of_era - 719_468
    return days * DAY + hour * 3_600 + minute * 60 + second


def weekday(days: Any) -> Any:
    """Return the day of the week, 0 for Monday to 6 for Sunday: (days + 3) mod 7, since 1970 began on a Thursday."""
    shifted = days + 3
    return shifted - 7 * np.floor(shifted / 7)


def position(part: PartName, seconds: Any) -> Any:
    """Return the position of `seconds` since 1970 within a part of the date; see `Part`."""
    days = np.floor(seconds / DAY)
    if part == "time":
        return seconds / DAY
    if part == "hour":
        return seconds - DAY * days
    if part == "weekday":
        return weekday(days)
    found = civil(days)
    return found.month - 1 if part == "month" else getattr(found, part)


@cache
def date(parts: tuple[PartName, ...]) -> Columns:
    """Encode parts of seconds since 1970 as sine and cosine, or scaled by settings such as `year_mean`."""

    def columns(x: Any, settings: Mapping[str, Any]) -> list[Any]:
        found = []
        for part in parts:
            if part in PERIODS:
                angle = position(part, x) * (2 * np.pi / PERIODS[part])
                sine, cosine = np.sin(angle), np.cos(angle)
                found += [sine, cosine]
            else:
                scaled = (position(part, x) - settings[f"{part}_mean"]) / settings[f"{part}_scale"]
                found.append(scaled)
        return found

    return columns
