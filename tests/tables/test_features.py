"""The arithmetic of features: the values of encoded columns, with which exports must agree."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.tables import (
    MISSING_DATE,
    NO_LEVEL,
    UNKNOWN_LEVEL,
    Boolean,
    Category,
    Date,
    Number,
    Part,
    civil,
    weekday,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))
def test_the_calendar_is_that_of_the_standard_library(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    seconds = np.array([int((moment - EPOCH).total_seconds())])
    found = civil(seconds // 86_400)
    assert (found.year[0], found.month[0], found.day[0]) == (moment.year, moment.month, moment.day)
    assert weekday(seconds // 86_400)[0] == moment.weekday()
    positions = {name: Part(name).position(seconds)[0] for name in ("time", "year", "month", "day", "weekday", "hour")}
    assert positions == {
        "time": seconds[0] / 86_400,
        "year": moment.year,
        "month": moment.month - 1,
        "day": moment.day,
        "weekday": moment.weekday(),
        "hour": moment.hour * 3600 + moment.minute * 60 + moment.second,
    }


def test_every_day_of_four_centuries() -> None:
    days = np.arange(146_097) - 200_000
    found = civil(days)
    day = EPOCH + timedelta(days=int(days[0]))
    expected = [((day := day + timedelta(days=1)) - timedelta(days=1)).timetuple()[:3] for _ in days]
    np.testing.assert_array_equal(np.column_stack([found.year, found.month, found.day]), expected)


def test_numbers_are_filled_transformed_and_scaled() -> None:
    values = np.array([1.0, np.nan, -5.0, 0.0])
    number = Number("x", fill=2.0, mean=0.5, scale=4.0, unit=3.0, flag_missing=True)
    t = [math.log1p(1 / 3), math.log1p(2 / 3), -math.log1p(5 / 3), 0.0]
    np.testing.assert_allclose(
        number.arithmetic(values), [[(a - 0.5) / 4, b] for a, b in zip(t, [0, 1, 0, 0], strict=True)]
    )
    assert number.columns == ("x", "x: missing")
    plain = Number("x", fill=2.0, mean=0.5, scale=4.0)
    np.testing.assert_array_equal(plain.arithmetic(values).ravel(), [0.125, 0.375, -1.375, -0.125])
    assert plain.columns == ("x",)


def test_booleans() -> None:
    values = np.array([0.0, 1.0, np.nan])
    np.testing.assert_array_equal(Boolean("b", ("no", "yes"), 1.0, True).arithmetic(values), [[0, 0], [1, 0], [1, 1]])
    np.testing.assert_array_equal(Boolean("b", ("no", "yes"), 0.0).arithmetic(values), [[0], [1], [0]])
    assert Boolean("b", ("no", "yes"), 1.0, True).columns == ("b=yes", "b: missing")


@pytest.mark.parametrize(
    ("other", "missing", "expected"),
    [
        (False, False, [[1, 0], [0, 1], [0, 0], [0, 0]]),
        (True, False, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]),
        (False, True, [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]]),
        (True, True, [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
    ],
)
def test_categories(other: bool, missing: bool, expected: list[list[int]]) -> None:
    category = Category("c", ("u", "v"), other, missing)
    places = np.array([0, 1, UNKNOWN_LEVEL, NO_LEVEL])
    np.testing.assert_array_equal(category.arithmetic(places), expected)
    assert len(category.columns) == len(expected[0])
    np.testing.assert_array_equal(places, [0, 1, UNKNOWN_LEVEL, NO_LEVEL])


def test_dates() -> None:
    moment = int((datetime(2024, 2, 29, 6, tzinfo=UTC) - EPOCH).total_seconds())
    date = Date(
        "d",
        "year-month-day",
        (
            Part("time", 10.0, 2.0),
            Part("year", 2000.0, 8.0),
            Part("month"),
            Part("day", 9.0, 10.0),
            Part("weekday"),
            Part("hour"),
        ),
        fill=moment,
        flag_missing=True,
    )
    month, day = 2 * math.pi / 12, 2 * math.pi * 3 / 7
    expected = [
        (moment / 86_400 - 10) / 2,
        3.0,
        math.sin(month),
        math.cos(month),
        2.0,
        math.sin(day),
        math.cos(day),
        1.0,
        0.0,
    ]
    found = date.arithmetic(np.array([moment, MISSING_DATE]))
    np.testing.assert_allclose(found, [[*expected, 0.0], [*expected, 1.0]], atol=1e-12)
    assert len(date.columns) == found.shape[1]
    assert date.columns[2:4] == ("d: month sin", "d: month cos")
    assert Date("d", "year-month-day", (), 0).arithmetic(np.array([1])).shape == (1, 0)
