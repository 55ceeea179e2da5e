"""Dates and times as people write them, read alike by the model and by a module that is exported from it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.exports import export_model
from chainrule.models import Model
from chainrule.networks import Architecture
from chainrule.tables import Date, Notes, Preprocessing, TableError, as_frame, feature_values

START = datetime.datetime(2020, 1, 1, 3, 4, 5)
MOMENTS = [START + datetime.timedelta(seconds=1_300_007 * k) for k in range(40)]

STYLES = {
    "%Y-%m-%d %H:%M:%S UTC": "S",
    "%Y.%m.%d": "D",
    "%m-%d-%Y": "D",
    "%b %d, %Y %H:%M": "m",
    "%d %B %Y": "D",
    "%a, %d %b %Y %H:%M:%S GMT": "S",
    "%Y/%m/%d %H:%M:%S.123": "S",
    "%b-%y": "M",
    "%m/%Y": "M",
    "%Y-%m": "M",
    "%b-%d-%Y": "D",
    "%Y %b": "M",
    "%YM%m": "M",
    "%Y%m%d%H%M%S": "S",
    "%d/%b/%Y:%H:%M:%S +0000": "S",
    "%a %b %d %H:%M:%S +0000 %Y": "S",
    "%Y年%m月%d日": "D",
    "%Y-%j": "D",
    "%B %dth, %Y": "D",
}


def seconds_of(moment: datetime.datetime, unit: str) -> int:
    whole = np.datetime64(moment).astype(f"datetime64[{unit.lower() if unit == 'S' else unit}]")
    return int(whole.astype("datetime64[s]").astype(np.int64))


def exported(preprocessing: Preprocessing, folder: Path) -> tuple[Model, dict[str, Any]]:
    architecture = Architecture(preprocessing.width, (2,), 1)
    model = Model.of(architecture, architecture.initial(0), preprocessing)
    (module, *_) = export_model(model, "numpy", str(folder / "net.py"))
    scope: dict[str, Any] = {"__name__": "net", "__file__": module}
    exec(compile(Path(module).read_text(), module, "exec"), scope)
    return model, scope


def check(cells: list[str], wanted: list[int], folder: Path) -> Date:
    table = as_frame({"a": cells})
    preprocessing = Preprocessing.from_json(Preprocessing.fit(table).to_json())
    feature = preprocessing.features[0]
    assert isinstance(feature, Date)
    assert feature_values(feature, table["a"]).tolist() == wanted
    model, scope = exported(preprocessing, folder)
    np.testing.assert_allclose(
        np.ravel(scope["predict"]({"a": cells})), np.ravel(model.predict_frame(table).predictions), rtol=1e-5
    )
    return feature


@pytest.mark.parametrize("style", STYLES)
def test_a_form_is_read(style: str, tmp_path: Path) -> None:
    check(
        [moment.strftime(style) for moment in MOMENTS],
        [seconds_of(moment, STYLES[style]) for moment in MOMENTS],
        tmp_path,
    )


def test_quarters_weeks_and_times_of_day(tmp_path: Path) -> None:
    quarters = [(year, quarter) for year in range(2000, 2012) for quarter in (1, 2, 3, 4)]
    days = [seconds_of(datetime.datetime(year, 3 * quarter - 2, 1), "D") for year, quarter in quarters]
    check([f"{year}Q{quarter}" for year, quarter in quarters], days, tmp_path)
    check([f"q{quarter}-{year}" for year, quarter in quarters], days, tmp_path)
    mondays = [datetime.datetime.fromisocalendar(2021, week, 1) for week in range(1, 40)]
    for between in "- ":
        weeks = [f"2021{between}W{week:02}" for week in range(1, 40)]
        check(weeks, [seconds_of(day, "D") for day in mondays], tmp_path)
    minutes = list(range(0, 1440, 37))
    times = [datetime.time(minute // 60, minute % 60) for minute in minutes]
    check([time.strftime("%H:%M") for time in times], [60 * minute for minute in minutes], tmp_path)
    check([time.strftime("%I:%M %p") for time in times], [60 * minute for minute in minutes], tmp_path)


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("{}. März 2021", "2021-03-{:02}"),
        ("{} août 2021", "2021-08-{:02}"),
        ("{} de enero de 2021", "2021-01-{:02}"),
        ("{} ottobre 2021", "2021-10-{:02}"),
        ("{} de fevereiro de 2021", "2021-02-{:02}"),
        ("2021-03-{:02} 04:05 EST", "2021-03-{:02}T09:05"),
    ],
)
def test_months_of_other_languages_and_named_zones(cell: str, day: str, tmp_path: Path) -> None:
    days = range(1, 29)
    wanted = [int(np.datetime64(day.format(k), "s").astype(np.int64)) for k in days]
    check([cell.format(k) for k in days], wanted, tmp_path)


def test_hours_of_the_day_have_halves(tmp_path: Path) -> None:
    halves = [(hour, half) for hour in range(1, 13) for half in ("AM", "PM")]
    wanted = [3600 * (hour % 12 + (12 if half == "PM" else 0)) for hour, half in halves]
    check([f"{hour}{half}" for hour, half in halves], wanted, tmp_path)


def test_years_below_1000_have_four_digits(tmp_path: Path) -> None:
    days = [datetime.datetime(900 + 5 * k, 3, 1 + k % 20) for k in range(30)]
    check([f"{day.year:04}-{day:%m-%d}" for day in days], [seconds_of(day, "D") for day in days], tmp_path)


def test_one_that_is_no_date_is_missing_and_said(tmp_path: Path) -> None:
    cells = [moment.strftime("%Y-%m-%d") for moment in MOMENTS]
    broken = [*cells[:-1], "2021-02-30"]
    preprocessing = Preprocessing.fit(as_frame({"a": broken}))
    feature = preprocessing.features[0]
    assert isinstance(feature, Date)
    assert feature.flag_missing
    notes = Notes()
    model, scope = exported(preprocessing, tmp_path)
    found = model.predict_frame(as_frame({"a": ["soon", *cells]}), notes).predictions
    assert any("holds 'soon', no date as those of training, in 1 of 41 rows" in each for each in notes.sentences())
    np.testing.assert_allclose(np.ravel(scope["predict"]({"a": ["soon", *cells]})), np.ravel(found), rtol=1e-5)
    with pytest.raises(TableError, match="'31/12/2020', which is not a date as the others are"):
        model.predict_frame(as_frame({"a": ["31/12/2020"]}))
    with pytest.raises(ValueError, match="'31/12/2020', which is not a date as those of training"):
        scope["predict"]({"a": ["31/12/2020"]})


def test_dates_of_which_a_part_is_unknown_are_missing_even_if_they_are_many() -> None:
    cells = [moment.strftime("%m/%d/%Y") for moment in MOMENTS]
    found = Preprocessing.fit(as_frame({"a": [*cells, "1/-9/1953", "00/00/1987", "3/xx/2001"]})).features[0]
    assert isinstance(found, Date)
    assert found.flag_missing
    with pytest.raises(TableError, match=r"'31\.12\.2020', which is not a date as the others are"):
        Preprocessing.fit(as_frame({"a": [*cells, "31.12.2020", "30.11.2020"]}))
