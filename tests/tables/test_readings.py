"""Cells that mean another number than the one that stands in them, and those that only resemble one."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chainrule.exports import export_model
from chainrule.models import Model
from chainrule.networks import Architecture
from chainrule.tables import (
    Category,
    ClassTarget,
    Date,
    FrameSource,
    Notation,
    Number,
    NumberTarget,
    Preprocessing,
    TableError,
    as_frame,
    feature_values,
    prepare,
)

ROWS = 48


def pandas_text(seconds: int) -> str:
    """Return a duration as pandas writes it: whole days, and what is above them."""
    days, rest = divmod(seconds, 86_400)
    return f"{days} days {'+' if days < 0 else ''}{datetime.timedelta(seconds=rest)!s:0>8}"


COUNT = range(1, ROWS + 1)

NUMBERS: Mapping[str, tuple[list[str], list[float], str]] = {
    "share": (
        [f"{k * 13 % 53}%" if k % 3 else f"{k * 13 % 53 / 100}" for k in COUNT],
        [k * 13.0 % 53 for k in COUNT],
        "'0.39' is taken for 39 %: 16 of 48 cells of 'share' have no percent sign",
    ),
    "percent": ([f"{k * 5 % 53}%" if k % 3 else f"{k * 5 % 53}" for k in COUNT], [k * 5.0 % 53 for k in COUNT], ""),
    "song": (
        [f"{k % 10}:{k:02}" for k in COUNT],
        [k % 10 * 60.0 + k for k in COUNT],
        "'1:01' in 'song' is taken for a duration, the number 61",
    ),
    "flight": (
        [f"{k % 5}h{k:02}m" if k % 4 else f"{k}m" for k in COUNT],
        [k % 5 * 3600.0 + k * 60 if k % 4 else k * 60.0 for k in COUNT],
        "'1h01m' in 'flight' is taken for a duration of 3660 seconds; --kind flight=category keeps the texts",
    ),
    "drive": (
        [f"{k % 3 + 1} hours and {k} minutes" for k in COUNT],
        [(k % 3 + 1) * 3600.0 + k * 60 for k in COUNT],
        "taken for a duration of 7260 seconds",
    ),
    "stay": (
        [f"{k} days, {k % 24}:{k:02}:05.5" for k in COUNT],
        [k * 86400.0 + k % 24 * 3600 + k * 60 + 5.5 for k in COUNT],
        "taken for a duration of 90065.5 seconds",
    ),
    "video": (
        [f"PT{k % 3}H{k}M{k % 7}S" if k % 5 else f"-P{k}DT{k % 7}S" for k in COUNT],
        [k % 3 * 3600.0 + k * 60 + k % 7 if k % 5 else -(k * 86400.0 + k % 7) for k in COUNT],
        "'PT1H1M1S' in 'video' is taken for a duration of 3661 seconds",
    ),
    "delay": (
        [str(datetime.timedelta(seconds=7919 * (k - 24))) for k in COUNT],
        [7919.0 * (k - 24) for k in COUNT],
        "is taken for a duration of",
    ),
    "offset": (
        [pandas_text(7919 * (k - 24)) for k in COUNT],
        [7919.0 * (k - 24) for k in COUNT],
        "is taken for a duration of",
    ),
    "race": (
        [f"{k * k}:{k:02}:00" for k in COUNT],
        [k * k * 3600.0 + k * 60 for k in COUNT],
        "taken for a duration, the number 3660",
    ),
    "age": (
        ["under 18" if k % 5 == 0 else "65+" if k % 7 == 0 else f"{k + 17}" for k in COUNT],
        [18.0 if k % 5 == 0 else 65.0 if k % 7 == 0 else k + 17.0 for k in COUNT],
        "'under 18' and '65+' in 14 of 48 cells of 'age', which holds numbers, is taken for the number in it",
    ),
    "starred": (
        [f"'{k * 7 % 53}***" if k % 4 == 0 else f"{k * 7 % 53}" for k in COUNT],
        [k * 7.0 % 53 for k in COUNT],
        "'***' beside 12 of 48 numbers of 'starred' is left out",
    ),
    "scientific": (
        [f"{k}.5{' × ' if k % 2 else 'x'}10^{k % 3 - 1}" for k in COUNT],
        [float(f"{k}.5e{k % 3 - 1}") for k in COUNT],
        "",
    ),
    "uncertain": (
        [f"{k}.5 ± 0.{k % 7}" for k in COUNT],
        [k + 0.5 for k in COUNT],
        "'± 0.0' and 6 others beside 48 of 48 numbers of 'uncertain' are left out",
    ),
    "mass": (
        [f"{k * 100} g" if k % 3 == 0 else f"{k} kg" for k in COUNT],
        [k / 10 if k % 3 == 0 else float(k) for k in COUNT],
        "numbers of 'mass' in g are converted to kg",
    ),
    "views": (
        [f"{k}.5K" if k % 2 else f"{k}M" for k in COUNT],
        [1e3 * k + 500 if k % 2 else 1e6 * k for k in COUNT],
        "",
    ),
    "height": ([f"{k * 11 % 53} m" if k % 2 else f"{k * 11 % 53}" for k in COUNT], [k * 11.0 % 53 for k in COUNT], ""),
    "profit": (
        ["-999" if k % 9 == 0 else f"{20 * k}" for k in COUNT],
        [-999.0 if k % 9 == 0 else 20.0 * k for k in COUNT],
        "",
    ),
    "signed": (
        ["-999" if k % 9 == 0 else f"{20 * k - 600}" for k in COUNT],
        [-999.0 if k % 9 == 0 else 20.0 * k - 600 for k in COUNT],
        "",
    ),
}
"""For each column its cells, the numbers that they mean, and what is said of them."""


def exported(preprocessing: Preprocessing, folder: Path) -> tuple[Model, dict[str, Any]]:
    architecture = Architecture(preprocessing.width, (2,), 1)
    model = Model.of(architecture, architecture.initial(0), preprocessing)
    (module, *_) = export_model(model, "numpy", str(folder / "net.py"))
    scope: dict[str, Any] = {"__name__": "net", "__file__": module}
    exec(compile(Path(module).read_text(), module, "exec"), scope)
    return model, scope


def test_cells_mean_the_number_that_a_reader_takes_them_for_and_what_is_not_evident_is_said(tmp_path: Path) -> None:
    table = as_frame({**{name: cells for name, (cells, _, _) in NUMBERS.items()}, "y": ["p", "q"] * (ROWS // 2)})
    prepared = prepare(FrameSource(table), "y")
    preprocessing = Preprocessing.from_json(prepared.preprocessing.to_json())
    assert {feature.name for feature in preprocessing.features} == set(NUMBERS)
    for feature in preprocessing.features:
        _, wanted, note = NUMBERS[feature.name]
        assert isinstance(feature, Number), feature.name
        np.testing.assert_allclose(feature_values(feature, table[feature.name]), wanted, 1e-15, err_msg=feature.name)
        said = [each for each in prepared.notes if f"{feature.name!r}" in each]
        assert [note in each for each in said] == [True] * bool(note), (feature.name, said)
    model, scope = exported(preprocessing, tmp_path)
    found = np.ravel(scope["predict"]({name: cells for name, (cells, _, _) in NUMBERS.items()}))
    np.testing.assert_allclose(found, np.ravel(model.predict_frame(table).predictions), rtol=1e-5)


@pytest.mark.parametrize("name", ["share", "song", "drive", "age", "starred", "mass", "height"])
def test_what_the_numbers_of_a_target_mean_is_said_too(name: str) -> None:
    cells, wanted, note = NUMBERS[name]
    prepared = prepare(FrameSource(as_frame({"x": [f"{k}" for k in COUNT], name: cells})), name)
    target = prepared.target
    assert isinstance(target, NumberTarget)
    said = [each for each in prepared.notes if f"{name!r}" in each]
    assert [note in each for each in said] == [True] * bool(note), said
    assert not any("--kind" in each for each in said)
    found = target.decode(np.concatenate([prepared.y, prepared.y_held]))
    np.testing.assert_allclose(np.sort(found), np.sort(wanted), 1e-6)


def test_what_only_resembles_numbers_is_none() -> None:
    versions = [f"3.{k}" for k in range(6, 14)]
    cells = {
        "python": versions * 6,
        "release": ["1.2", "1.3", "1.4", "2.0"] * 12,
        "opened": [f"{8 + k % 12:02}:{k:02}" for k in COUNT],
        "price": ["3.5", "3.10", "3.05", "12.99"] * 12,
        "children": ["0", "1", "2", "3+"] * 12,
    }
    kinds = {each.name: type(each) for each in Preprocessing.fit(as_frame(cells)).features}
    assert kinds == {"python": Category, "release": Category, "opened": Date, "price": Number, "children": Category}
    python = Preprocessing.fit(as_frame(cells)).features[0]
    assert isinstance(python, Category)
    assert {"3.1", "3.10"} & set(python.levels) == {"3.10"}


def test_currencies_are_not_converted() -> None:
    with pytest.raises(TableError, match="a number with a currency; write all numbers of the column alike"):
        Preprocessing.fit(as_frame({"a": [f"${k}" if k % 9 else f"€{k}" for k in COUNT]}))


def test_years_of_two_digits_are_not_in_the_future(tmp_path: Path) -> None:
    year = datetime.datetime.now(datetime.UTC).year
    ages = [8, 21, 30, 45, 60, 72, 80, 88]
    born = [datetime.date(year - age, 1 + age % 12, 13 + age % 15) for age in ages * 6]
    table = as_frame({"born": [each.strftime("%d/%m/%y") for each in born], "y": ["p", "q"] * (ROWS // 2)})
    prepared = prepare(FrameSource(table), "y")
    preprocessing = Preprocessing.from_json(prepared.preprocessing.to_json())
    (feature,) = preprocessing.features
    assert isinstance(feature, Date)
    assert feature.format == f"day/month/yy up to {year}"
    days = feature_values(feature, table["born"]) // 86_400
    assert days.tolist() == [(each - datetime.date(1970, 1, 1)).days for each in born]
    assert any(f"is taken for a date of {year - 60}, not {year + 40}" in note for note in prepared.notes)
    model, scope = exported(preprocessing, tmp_path)
    found = np.ravel(scope["predict"]({"born": table["born"].to_list()}))
    np.testing.assert_allclose(found, np.ravel(model.predict_frame(table).predictions), rtol=1e-5)
    due = as_frame({"due": [f"13/05/{(year + k) % 100:02}" for k in range(12)]})
    (ahead,) = Preprocessing.fit(due).features
    assert isinstance(ahead, Date)
    assert (
        feature_values(ahead, due["due"])[-1] // 86_400
        == (datetime.date(year + 11, 5, 13) - datetime.date(1970, 1, 1)).days
    )


def test_profits_of_a_target_are_numbers_and_have_a_notation() -> None:
    table = as_frame({"a": [f"{k}.5" for k in COUNT], "y": ["-999", "350", "20", "1200"] * 12})
    assert isinstance(prepare(FrameSource(table), "y").target, NumberTarget)
    classes = as_frame({"a": [f"{k}.5" for k in COUNT], "y": ["-1", "0", "1", "2"] * 12})
    assert isinstance(prepare(FrameSource(classes), "y").target, ClassTarget)
    times = as_frame({"a": [f"{k}.5" for k in COUNT], "y": [f"{k}:07" for k in COUNT]})
    target = prepare(FrameSource(times), "y").target
    assert isinstance(target, NumberTarget)
    assert target.notation == Notation(duration=True)
    assert target.decode(target.encode(pl.Series(["2:07"]))) == pytest.approx(127)


@pytest.mark.parametrize("written", [int, str])
def test_dates_and_times_of_day_are_no_targets(written: type) -> None:
    """Dates as whole numbers neither, unless a regression is asked for; numbers of that size are no dates by it."""
    days = [written(20_190_000 + 100 * (k % 12 + 1) + k % 28 + 1) for k in COUNT]
    sizes = [written(20_190_000 + 1_000 * k + 95) for k in COUNT]
    table = as_frame(
        {"a": [k * 0.5 for k in COUNT], "day": days, "size": sizes, "at": [f"{k % 24:02}:{k:02}" for k in COUNT]}
    )
    with pytest.raises(TableError, match=r"'day' holds dates such as '20190109', .*--task regression"):
        prepare(FrameSource(table), "day")
    assert isinstance(prepare(FrameSource(table), "day", task="regression").target, NumberTarget)
    assert isinstance(prepare(FrameSource(table), "size").target, NumberTarget)
    with pytest.raises(TableError, match="'at' holds times of day, which cannot be predicted"):
        prepare(FrameSource(table), "at")
