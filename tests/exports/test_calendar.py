"""The calendar in tables and in every target, from the year 1 to 9999, beside that of the standard library."""

from __future__ import annotations

import importlib.util
import math
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from support.exported import load, run_c

from chainrule.exports import export_model
from chainrule.models import Model
from chainrule.networks import Architecture
from chainrule.tables import MISSING_DATE, Date, Part, Preprocessing

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FILL = datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)
TARGETS = ("numpy", "torch") if importlib.util.find_spec("torch") else ("numpy",)
SECOND = timedelta(seconds=1)


@cache
def moments() -> list[datetime]:
    """The seconds around midnight where months, years and leap days begin and end, and any moments between."""
    random = np.random.default_rng(1)
    years = {1, 2, 3, 4, 5, 9998, 9999, *range(96, 9999, 100), *range(99, 9999, 100), *range(100, 9999, 100)}
    years |= {*range(1895, 2106), *random.integers(1, 10_000, 200).tolist()}
    starts = [datetime(year, month, 1, tzinfo=UTC) for year in sorted(years) for month in (1, 2, 3, 12)]
    least, most = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    between = random.integers(int((least - EPOCH) / SECOND), int((most - EPOCH) / SECOND), 3_000).tolist()
    found = [*(EPOCH + timedelta(seconds=each) for each in between), EPOCH - SECOND, EPOCH, least, most, *starts]
    return [*found, *(start - SECOND for start in starts if start > least)]


def seconds_of(moment: datetime) -> int:
    return (moment - EPOCH) // SECOND


def expected(moment: datetime, missing: bool) -> list[float]:
    """The encoded columns of a date, by the standard library."""
    since = seconds_of(moment)
    of_day = moment.hour * 3600 + moment.minute * 60 + moment.second
    turns = [
        (moment.month - 1) * (2 * math.pi / 12),
        moment.weekday() * (2 * math.pi / 7),
        of_day * (math.tau / 86_400),
    ]
    (month, weekday, hour) = ([math.sin(turn), math.cos(turn)] for turn in turns)
    return [since / 86_400, moment.year, *month, moment.day, *weekday, *hour, missing, missing]


@cache
def identity() -> tuple[Model, Preprocessing]:
    """A network that gives its encoded columns back."""
    parts = tuple(Part(name) for name in ("time", "year", "month", "day", "weekday", "hour"))
    when = Date("when", "seconds since 1970", parts, fill=seconds_of(FILL), flag_missing=True)
    preprocessing = Preprocessing((when, Date("whether", "seconds since 1970", (), fill=0, flag_missing=True)))
    network = Architecture(preprocessing.width, (), preprocessing.width)
    parameters = network.initial(0)
    parameters = {name: np.eye(*array.shape) if array.ndim == 2 else 0 * array for name, array in parameters.items()}
    return Model.of(network, parameters, preprocessing), preprocessing


def cells() -> list[int | None]:
    return [*map(seconds_of, moments()), None]


def table(column: Any) -> dict[str, Any]:
    return {"when": column, "whether": column}


def assert_is_the_calendar(found: NDArray[Any]) -> None:
    """Whole numbers and days are exact, sines and cosines as near as libraries have them."""
    wanted = np.array([*(expected(moment, False) for moment in moments()), expected(FILL, True)])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-15)
    exact = [0, 1, 4, 9, 10]
    np.testing.assert_array_equal(found[:, exact], wanted[:, exact])


def test_tables() -> None:
    assert_is_the_calendar(identity()[1].encode(table(cells()), dtype=np.float64))


@pytest.mark.parametrize("target", TARGETS)
def test_modules(target: str, tmp_path: Path) -> None:
    """To the bits of tables, whether dates are numbers or have NumPy's type."""
    model, preprocessing = identity()
    module = load(Path(export_model(model, target, tmp_path / "net.py")[0]))
    assert_is_the_calendar(np.asarray(module.predict(table(cells()))))
    typed = np.array(["NaT" if cell is None else cell for cell in cells()], "datetime64[s]")
    for given in (cells(), typed):
        found = module.encode(table(given))
        np.testing.assert_array_equal(found, preprocessing.encode(table(cells()), dtype=np.float64))


def test_onnx(tmp_path: Path) -> None:
    (path,) = export_model(identity()[0], "onnx", tmp_path / "net.onnx")
    column = np.array([MISSING_DATE if cell is None else cell for cell in cells()])[:, None]
    (found,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, table(column))
    assert_is_the_calendar(found)


def test_c(tmp_path: Path) -> None:
    """And back: the seconds of a year, a month, a day and a time."""
    export_model(identity()[0], "c", tmp_path / "net.h")
    rows = ", ".join("NET_NO_DATE" if cell is None else f"INT64_C({cell})" for cell in cells())
    dates = ", ".join("{" + ", ".join(map(str, moment.timetuple()[:6])) + "}" for moment in moments())
    body = [
        f"static const int64_t seconds[] = {{{rows}}};",
        f"static const int dates[][6] = {{{dates}}};",
        f"for (int k = 0; k < {len(cells())}; ++k) {{",
        "    const net_row row = {.when = seconds[k], .whether = seconds[k]};",
        f"    double values[{identity()[1].width}];",
        "    net_predict(&row, values);",
        f"    for (int j = 0; j < {identity()[1].width}; ++j) put(values[j]);",
        '    printf("\\n");',
        "}",
        f"for (int k = 0; k < {len(moments())}; ++k) {{",
        "    const int *d = dates[k];",
        '    if (net_seconds(d[0], d[1], d[2], d[3], d[4], d[5]) != seconds[k]) printf("%d\\n", k);',
        "}",
    ]
    found = run_c(tmp_path, body, ["net"])
    if found:
        assert_is_the_calendar(np.array(found))
