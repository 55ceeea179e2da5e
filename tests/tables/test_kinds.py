"""The inferred kind of a column, and its reason in words."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from chainrule.tables import Boolean, Category, Date, LeftOut, Number, Preprocessing, TableError
from chainrule.tables.dates import FORMATS, guess_formats, parse
from chainrule.tables.kinds import find_kind
from chainrule.words.catalogue import catalogue

N = 60
DRAWN = np.random.default_rng(3).normal(size=N).round(3)
DAY = datetime(2020, 1, 1)
SHUFFLED = (np.random.default_rng(5).permutation(N) + 1).tolist()
UUIDS = [str(uuid.UUID(int=k << 64 | 7 * k)) for k in range(N)]


def texts(values: Iterable[Any]) -> list[str]:
    return [str(value) for value in values]


def moments(form: str, step: timedelta = timedelta(days=5, hours=7)) -> list[str]:
    return [(DAY + k * step).strftime(form) for k in range(N)]


NAMES_OF_ROWS = (
    "id", "ID", "Id", "CUSTOMER ID", "customer_id", "customerid", "PassengerId", "PatientID", "rownames",
    "row.names", "row_names", "row", "Row Number", "rownum", "index", "row_index", "Unnamed: 0", "Unnamed: 0.1",
    "__index_level_0__", "level_0", "...1", "uuid", "GUID", "key", "no", "No.", "S.No", "Sr No", "Invoice_No",
    "nr", "Nr.", "#", "obs", "uid", "id_number", "Case", "serial", "序号",
)  # fmt: skip

CASES: list[tuple[str, Sequence[Any], str, str]] = [
    ("x", texts(DRAWN), "number", "numbers from"),
    ("x", list(DRAWN), "number", "numbers from"),
    ("x", ["", *texts(DRAWN[1:])], "number", "1.7% missing"),
    ("x", ["?", "NA", *texts(DRAWN[2:])], "number", "3.3% missing"),
    ("x", ["nan", *texts(DRAWN[1:])], "number", "missing"),
    ("x", [f" {value} " for value in DRAWN], "number", "numbers"),
    ("x", [f"{value:e}" for value in DRAWN], "number", "numbers"),
    ("grade", texts(np.arange(N) % 7), "number", "whole numbers from 0 to 6"),
    ("price", texts(np.arange(N) * 37 + 5), "number", "whole numbers"),
    ("x", ["1.5", *[""] * (N - 1)], "number", "1.5 or nothing"),
    ("t", [time(k % 24, k) for k in range(N)], "number", "numbers"),
    ("t", [timedelta(seconds=k * k) for k in range(N)], "number", "numbers"),
    ("x", texts(np.arange(N) % 2), "number", "0 and 1"),
    ("x", ["1.000", "0.000"] * (N // 2), "number", "0 and 1"),
    ("x", ["1", "0.0", "", "+1", "0e0"] * (N // 5), "number", "0 and 1"),
    ("x", ["yes", "no"] * (N // 2), "boolean", "no and yes"),
    ("x", ["Y", "n", ""] * (N // 3), "boolean", "33.3% missing"),
    ("x", ["True", "FALSE", "true"] * (N // 3), "boolean", "false and true"),
    ("x", ["on", "off"] * (N // 2), "boolean", "off and on"),
    ("x", [True, False, None] * (N // 3), "boolean", "true and false"),
    ("x", ["a", "b"] * (N // 2), "category", "2 different values"),
    ("x", ["a", "b", ""] * (N // 3), "category", "33.3% missing"),
    ("x", ["a", *[""] * (N - 1)], "category", "'a' or nothing"),
    ("x", ["1", "2", "3+"] * (N // 3), "category", "3 different values"),
    ("zip", texts([f"0{k % 9}211" for k in range(N)]), "category", "codes with leading zeros"),
    ("verse", [f"1:{k % 2}:{k % 3}:4" for k in range(N)], "category", "6 different values"),
    ("flags", [f"0x{k % 7 * 5:02X}" for k in range(N)], "category", "codes of hexadecimal digits, 7 different values"),
    ("address", [hex(7919 * k) for k in range(N)], "identifier", "a different code in every row"),
    ("x", texts([f"n{k % 25}" for k in range(N)]), "category", "25 different values"),
    ("x", pl.Series(["a", "b"] * (N // 2), dtype=pl.Categorical).to_list(), "category", "2 different"),
    ("x", [""] * N, "constant", "empty in every row"),
    ("x", [None] * N, "constant", "empty in every row"),
    ("x", [None, True] * 0 + [None] * N, "constant", "empty"),
    ("x", ["7"] * N, "constant", "7 in every row"),
    ("x", ["same"] * N, "constant", "'same' in every row"),
    ("x", [True] * N, "constant", "true in every row"),
    ("x", ["2024-01-01"] * N, "constant", "'2024-01-01' in every row"),
    ("n", texts(range(1, N + 1)), "identifier", "counts the rows, from 1 to 60"),
    ("n", texts(range(N, 0, -1)), "identifier", "counts the rows, from 60 down to 1"),
    ("n", list(range(N)), "identifier", "counts the rows, from 0 to 59"),
    ("n", SHUFFLED, "number", "whole numbers from 1 to 60"),
    ("wealth_rank", texts(SHUFFLED), "number", "whole numbers"),
    ("n", list(range(2, 2 * N + 2, 2)), "number", "whole numbers"),
    ("age", list(range(1, N + 1)), "number", "whole numbers"),
    ("time step", list(range(N)), "number", "whole numbers"),
    ("Step", list(range(N)), "number", "whole numbers"),
    *((name, SHUFFLED, "identifier", "a different whole number in every row") for name in NAMES_OF_ROWS),
    *(
        (name, SHUFFLED, "number", "whole numbers from 1 to 60")
        for name in ("price index", "bmi_index", "acid", "paid", "names", "number", "hybrid", "nose", "monkey", "x")
    ),
    ("__index_level_0__", [*SHUFFLED[:40], *SHUFFLED[:20]], "identifier", "the number of a row"),
    ("id", [*SHUFFLED[:40], *SHUFFLED[:20]], "number", "whole numbers"),
    ("Id", [*SHUFFLED[:-1], None], "identifier", "a different whole number"),
    ("year", texts(range(1960, 1960 + N)), "number", "whole numbers from 1960"),
    ("x", texts(range(7, 7 + N)), "number", "whole numbers from 7"),
    ("day", texts(range(N)), "number", "whole numbers from 0"),
    ("id", texts(range(700, 700 + N)), "identifier", "a different whole number"),
    ("customer_id", texts(np.arange(N) * 37 + 5), "identifier", "a different whole number"),
    ("userId", texts(np.arange(N) * 37 + 5), "identifier", "a different whole number"),
    ("x", UUIDS, "identifier", "UUID"),
    ("x", [f"A-{k:05}" for k in range(N)], "identifier", "a different code in every row"),
    ("id", [f"{'abc'[k % 3]} {'x' * k}" for k in range(N)], "identifier", "different code"),
    ("tweet", texts([2**60 + 7 * k for k in range(N)]), "identifier", "a different code in every row"),
    ("tweet", [2**60 + 7 * k for k in range(N)], "identifier", "a different code in every row"),
    ("user", texts([2**60 + k % 9 for k in range(N)]), "category", "long codes, 9 different values"),
    ("x", texts([f"{k}e300" for k in range(N)]), "number", "numbers"),
    ("name", [f"Mrs {'x' * k}" for k in range(N)], "text", "a different text in every row"),
    ("ticket", [f"PC {k}" if k % 4 == 0 else str(k + 100) for k in range(N)], "text", "different text"),
    ("x", [f"some {k % 40}" for k in range(N)], "text", "40 different texts in 60 rows"),
    ("x", [f"{'a long story ' * 6}{k % 25}" for k in range(N)], "text", "long texts"),
    ("d", moments("%Y-%m-%d"), "date", "year-month-day from 2020-01-01 to 2020-11-"),
    ("d", moments("%Y-%m-%dT%H:%M:%S"), "date", "year-month-day"),
    ("d", moments("%Y-%m-%d %H:%M"), "date", "year-month-day"),
    ("d", moments("%Y-%m-%dT%H:%M:%S.%f"), "date", "year-month-day"),
    ("d", moments("%Y-%m-%dT%H:%M:%SZ"), "date", "year-month-day"),
    ("d", moments("%Y-%m-%d %H:%M:%S+02:00"), "date", "year-month-day"),
    ("d", ["", *moments("%d.%m.%Y")[1:]], "date", "1.7% missing"),
    ("d", moments("%Y/%m/%d"), "date", "year/month/day"),
    ("d", moments("%m/%d/%Y"), "date", "month/day/year from"),
    ("d", moments("%d/%m/%Y"), "date", "day/month/year from"),
    (
        "d",
        [f"0{1 + k % 9}/0{1 + k // 9}/2020" for k in range(N)],
        "date",
        "no day is above 12",
    ),
    ("d", moments("%m/%d/%y"), "date", "month/day/yy from 2020-01-01"),
    ("d", moments("%m/%d/%Y %I:%M %p"), "date", "month/day/year"),
    ("d", moments("%d-%b-%Y"), "date", "day name year"),
    ("d", moments("%B %d, %Y"), "date", "name day, year"),
    ("d", moments("%Y%m%d"), "date", "yearmonthday from 2020-01-01"),
    ("d", [DAY + timedelta(days=k) for k in range(N)], "date", "from 2020-01-01 to 2020-02-29"),
    ("d", [date(2020, 1, 1 + k % 30) for k in range(N)], "date", "from 2020-01-01 to 2020-01-30"),
    ("created_at", texts(1_700_000_000 + np.arange(N) * 9999), "date", "seconds since 1970 from 2023-11-14"),
    ("timestamp", texts((1_700_000_000 + np.arange(N) * 9999) * 1000), "date", "milliseconds since 1970"),
    ("population", texts(1_700_000_000 + np.arange(N) * 9999), "number", "whole numbers"),
    ("x", texts((1_700_000_000 + np.arange(N) * 9999) * 1000), "date", "milliseconds since 1970"),
    ("x", texts(1_700_000_000_000 + np.arange(N) % 2), "number", "whole numbers"),
    ("x", moments("%Y%m%d%H%M%S"), "date", "yearmonthday from 2020-01-01"),
]


@pytest.mark.parametrize(("name", "values", "kind", "reason"), CASES)
def test_kinds_are_found(name: str, values: Sequence[Any], kind: str, reason: str) -> None:
    found = find_kind(name, pl.Series(values), np.arange(len(values)))
    assert (found.kind, reason in found.reason) == (kind, True), found
    fitted = Preprocessing.fit(pl.DataFrame({name: values}))
    assert len(fitted.features) + len(fitted.left_out) == 1


COMPLETED = (
    "name year", "month/year", "year-month", "quarter", "ISO week", "hour:minute", "year-day of year",
    "year-month-day in a named zone",
)  # fmt: skip
"""Formats whose patterns are of the completed text; `test_dates` has what people write in them."""


@pytest.mark.parametrize("form", [form for form, patterns in FORMATS.items() if patterns and form not in COMPLETED])
def test_every_format_reads_what_it_is_named_for(form: str) -> None:
    for pattern in FORMATS[form]:
        moment = datetime(2031, 12, 25, 17, 45, 0)
        written = moment.strftime(pattern.replace("%.f", ".25").replace("%#z", "+0130"))
        offset = 5400 if "z" in pattern else 0
        has_time = "%H" in pattern or "%I" in pattern
        clock = 17 * 3600 + 45 * 60 if has_time else 0
        days = (date(2031, 12, 25) - date(1970, 1, 1)).days
        assert parse(pl.Series([written, None, "nonsense"]), form)[0] == days * 86_400 + clock - offset, written
        assert form in guess_formats([written])


def test_years_of_two_digits_are_not_years_of_four() -> None:
    assert guess_formats(["1/31/24", "2/13/24"]) == ["month/day/yy"]
    assert guess_formats(["24-01-31", "24-02-13"]) == []


def fit(**columns: Any) -> Any:
    fitted = Preprocessing.fit(pl.DataFrame(columns, strict=False))
    return (*fitted.features, *fitted.left_out)[0]


def test_what_is_learnt_of_numbers() -> None:
    feature = fit(x=["1", "2", "3", "6", ""])
    assert (feature.fill, feature.unit, feature.flag_missing) == (2.0, None, True)
    np.testing.assert_allclose([feature.mean, feature.scale], [2.8, float(np.std([1, 2, 3, 6, 2]))])


def test_heavy_tails_are_taken_to_logarithms() -> None:
    random = np.random.default_rng(0)
    heavy = fit(x=np.exp(random.normal(8, 1.5, 1000)))
    assert heavy.unit == pytest.approx(np.exp(8), rel=0.2)
    encoded = Preprocessing((heavy,)).encode({"x": np.exp(random.normal(8, 1.5, 1000))})
    assert np.abs(encoded).max() < 6
    for light in (
        random.normal(size=1000),
        random.random(1000),
        random.exponential(size=1000),
        random.normal(1e6, 1, 1000),
    ):
        assert fit(x=light).unit is None
    mostly_zero = np.where(random.random(1000) < 0.9, 0.0, np.exp(random.normal(8, 1.5, 1000)))
    assert fit(x=mostly_zero).unit is not None


@pytest.mark.parametrize("size", [1e-300, 1e-9, 1.0, 1e200, 1e307])
def test_numbers_of_any_size_are_scaled(size: float) -> None:
    values = np.linspace(-1, 1, 40) * size
    encoded = Preprocessing.fit(pl.DataFrame({"x": values})).encode({"x": values}, dtype=np.float64)
    np.testing.assert_allclose([encoded.mean(), encoded.std()], [0, 1], atol=1e-12)


def test_levels_are_in_order_and_rare_ones_share_a_column() -> None:
    assert fit(c=["10", "9", "b", "a"] * 5).levels == ("9", "10", "a", "b")
    assert fit(c=["a", "b", "c", "a", "b", "a"] * 2 + ["x", "y"]) == Category("c", ("a", "b", "c"), other=True)
    assert fit(c=["a", "b"] * 9 + ["x"]) == Category("c", ("a", "b", "x"))
    many = fit(c=[f"n{k}" for k in range(120) for _ in range(1 + (k < 40) * 3 + 1)])
    assert (len(many.levels), many.other) == (50, True)
    assert {f"n{k}" for k in range(40)} < set(many.levels)


def test_booleans_keep_their_words_and_the_commoner_one() -> None:
    assert fit(b=["ja", "nein", "ja", "ja", ""]) == Boolean("b", ("nein", "ja"), 1.0, True)


def test_long_codes_are_told_apart_to_the_last_digit() -> None:
    codes = [str(2**60 + k % 9) for k in range(N)]
    encoded = Preprocessing((fit(x=codes),)).encode({"x": [*codes[:9], str(2**60 + 9)]})
    np.testing.assert_array_equal(encoded, np.eye(10, 9))


def test_only_parts_of_dates_that_vary_are_kept() -> None:
    def names(dates: list[str]) -> tuple[str, ...]:
        feature = fit(d=dates)
        assert isinstance(feature, Date)
        return tuple(part.name for part in feature.parts)

    assert names([f"2024-01-{k:02}" for k in range(1, 31)]) == ("time", "day", "weekday")
    assert names([f"20{k}-01-01" for k in range(10, 20)]) == ("time", "year", "weekday")
    assert names(moments("%Y-%m-%d %H:%M")) == ("time", "month", "day", "weekday", "hour")
    assert names([f"2024-01-01 {k:02}:00" for k in range(24)]) == ("time", "hour")


def test_what_does_not_vary_in_training_rows_is_left_out() -> None:
    assert isinstance(fit(x=["1.5"] * 9), LeftOut)


@pytest.mark.parametrize(
    ("kind", "values", "feature"),
    [
        ("category", ["1", "2", "3"] * 9, Category),
        ("category", [1, 2, 3] * 9, Category),
        ("category", [1.0, 2.5] * 9, Category),
        ("category", [f"{k}%" for k in range(9)] * 3, Category),
        ("number", ["0", "1"] * 9, Number),
        ("number", [True, False] * 9, Number),
        ("number", list(range(100)), Number),
        ("boolean", ["1", "0"] * 9, Boolean),
        ("date", [1_700_000_000 + 10**5 * k for k in range(9)], Date),
        ("date", [10**3 * (1_700_000_000 + 10**5 * k) for k in range(9)], Date),
        ("date", [f"2024-01-0{k + 1}" for k in range(9)], Date),
        ("date", [DAY + timedelta(days=k) for k in range(9)], Date),
        ("category", [f"name {k}" for k in range(9)], Category),
        ("text", ["1", "2"] * 9, LeftOut),
        ("identifier", list(DRAWN), LeftOut),
    ],
)
def test_kinds_can_be_asked_for(kind: Any, values: list[Any], feature: type) -> None:
    fitted = Preprocessing.fit(pl.DataFrame({"x": values}), kinds={"x": kind})
    (found,) = fitted.features or fitted.left_out
    assert type(found) is feature
    if fitted.features:
        assert np.isfinite(fitted.encode({"x": values})).all()


def test_errors_of_frames_name_row_and_column() -> None:
    with pytest.raises(TableError, match="the table, row 3, column 'x' holds 'b', which is not a number, unlike 29"):
        Preprocessing.fit(pl.DataFrame({"x": ["b" if k == 2 else f"{k}.5" for k in range(30)]}))


def test_every_reason_has_a_translation() -> None:
    columns: dict[str, list[str]] = {
        "long codes": [str(10**18 + 7 * (k % 20)) for k in range(60)],
        "codes with leading zeros": [f"00{k % 20}" for k in range(60)],
        "codes of hexadecimal digits": [f"0x{k % 20:04x}" for k in range(60)],
        "numbers of versions": [f"3.{k % 12}" for k in range(60)],
        "durations": [f"{k} days 01:02:03" for k in range(60)],
        "decimal commas": [f"{k},5" for k in range(60)],
        "different values": ["abc"[k % 3] for k in range(60)],
        "different UUID": [f"{k:08d}-0000-4000-8000-000000000000" for k in range(60)],
        "different code": [f"x-{k}" for k in range(60)],
        "different text": [f"some words {k}, and others" for k in range(60)],
    }
    for words, cells in columns.items():
        found = find_kind("version" if "versions" in words else "a", pl.Series(cells))
        assert words in found.reason
        assert catalogue("zh").complete(found.reason), found.reason


def test_codes_with_leading_zeros_are_codes_also_beside_decimal_commas() -> None:
    codes = pl.Series([f"0{k % 20 + 1000}" for k in range(60)])
    assert find_kind("zip", codes, usual=",").reason.startswith("codes with leading zeros")
    assert find_kind("long", pl.Series([str(10**18 + k % 20) for k in range(60)]), usual=",").kind == "category"
    assert find_kind("size", pl.Series([f"0,{k:02}" for k in range(60)]), usual=",").kind == "number"
    assert find_kind("size", pl.Series([str(k * k % 57) for k in range(60)]), usual=",").kind == "number"


def test_clocks_within_an_hour_are_durations_and_those_of_a_day_are_times() -> None:
    assert "durations" in find_kind("a", pl.Series([f"00:{k:02}:{k * 7 % 60:02}" for k in range(60)])).reason
    assert find_kind("a", pl.Series([f"{k % 24:02}:{k:02}:{k * 7 % 60:02}" for k in range(60)])).kind == "date"
    assert find_kind("a", pl.Series([f"00:{k:02}" for k in range(60)])).kind == "date"


def test_numbers_that_may_have_three_decimals_are_told() -> None:
    said = find_kind("kWh", pl.Series([f"{k + 1},{k * 37 % 1000:03}" for k in range(60)])).notes
    assert "'1,000' in 'kWh' is taken for 1000, and all of its numbers have three digits behind ','" in said[0]
    assert catalogue("zh").complete(said[0])
    assert find_kind("n", pl.Series([f"{k * 37 % 2500:,}" for k in range(60)])).notes == ()
    assert find_kind("n", pl.Series([f"{k * 370_001:,}" for k in range(60)])).notes == ()


def test_powers_of_ten_that_are_not_read_are_not_left_out() -> None:
    for cells in (
        [f"{k + 1}.5×10{'²³'[k % 2]}" for k in range(60)],
        [f"{k + 1}.5×10²" for k in range(40)] + ["3.5"] * 20,
    ):
        assert find_kind("a", pl.Series(cells)).kind == "text"
