"""Columns of every Arrow type are read, or rejected in one sentence that names the column and the type."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chainrule.tables import NumberTarget, Preprocessing, TableError, open_table, prepare

N = 60


def extension(kind: Any, storage: Any) -> Any:
    return pa.ExtensionArray.from_storage(kind, storage)


def arrow(values: Any, kind: Any = None) -> Callable[[], Any]:
    return lambda: pa.array(values, kind)


TIME_UNIT = "ms" if pl.__version__.startswith("2.0") else "s"
"""Polars 2.0 takes the seconds that pyarrow writes in Parquet for thousandths."""

READ: dict[str, tuple[Callable[[], Any], str]] = {
    "bool8": (lambda: extension(pa.bool8(), pa.array([1, 0] * 30, pa.int8())), "boolean"),
    "json": (lambda: extension(pa.json_(), pa.array([json.dumps({"k": k % 3}) for k in range(N)])), "category"),
    "duration": (arrow([dt.timedelta(hours=k * k) for k in range(N)]), "number"),
    "time": (arrow([k * k for k in range(N)], pa.time32(TIME_UNIT)), "number"),
    "decimal": (arrow([decimal.Decimal(k * k) / 4 for k in range(N)], pa.decimal128(10, 2)), "number"),
    "float16": (lambda: pa.array(np.arange(N, dtype=np.float16) ** 0.5), "number"),
    "uint64": (arrow([2**64 - 1 - k % 5 for k in range(N)], pa.uint64()), "category"),
    "dictionary": (lambda: pa.array(["u", "v", "w"] * 20).dictionary_encode(), "category"),
    "dictionary of numbers": (lambda: pa.array([5, 6, 7] * 20).dictionary_encode(), "number"),
    "null": (lambda: pa.nulls(N), "constant"),
    "large text": (arrow(["u", "v", "w"] * 20, pa.large_string()), "category"),
    "text view": (arrow(["u", "v", "w"] * 20, pa.string_view()), "category"),
    "zone": (arrow([dt.datetime(2020, 1, 1 + k % 20) for k in range(N)], pa.timestamp("us", "+02:00")), "date"),
    "nanoseconds": (arrow([k * 10**14 for k in range(N)], pa.timestamp("ns")), "date"),
    "date64": (arrow([dt.date(2020, 1, 1 + k % 9) for k in range(N)], pa.date64()), "date"),
}

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "uuid": (
        lambda: extension(pa.uuid(), pa.array([uuid.UUID(int=k).bytes for k in range(N)], pa.binary(16))),
        "row 1, column 'c' holds bytes",
    ),
    "opaque": (
        lambda: extension(pa.opaque(pa.int64(), "a", "b"), pa.array(range(N))),
        "column 'c' holds a value of the type arrow.opaque",
    ),
    "tensor": (
        lambda: extension(pa.fixed_shape_tensor(pa.float32(), [1]), pa.array([[1.0]] * N, pa.list_(pa.float32(), 1))),
        "column 'c' holds a value of the type arrow.fixed_shape_tensor",
    ),
    "list": (arrow([[1, 2]] * N), "column 'c' holds a list or an object"),
    "struct": (arrow([{"u": [{"v": 1}]}] * N), "column 'c' holds a list or an object"),
    "map": (arrow([[("k", 1)]] * N, pa.map_(pa.string(), pa.int64())), "column 'c' holds a list or an object"),
    "binary": (arrow([b"x", b"y"] * 30), "column 'c' holds bytes"),
    "month, day, nano": (arrow([pa.MonthDayNano([1, 2, 3])] * N), "column 'c' is of the type month_day_nano_interval"),
    "run ends": (
        lambda: pa.RunEndEncodedArray.from_arrays([30, N], ["x", "z"]),
        "column 'c' is of the type run_end_encoded",
    ),
    "list view": (arrow([[1, 2]] * N, pa.list_view(pa.int64())), "column 'c' is of the type list_view"),
    "decimal256": (
        arrow([decimal.Decimal(k) for k in range(N)], pa.decimal256(50, 2)),
        "column 'c' is of the type decimal256(50, 2)",
    ),
    "negative scale": (
        arrow([decimal.Decimal(k * 1000) for k in range(N)], pa.decimal128(10, -2)),
        "column 'c' is of the type decimal128(10, -2)",
    ),
    "union": (
        lambda: pa.UnionArray.from_sparse(pa.array([0, 1] * 30, pa.int8()), [pa.array(range(N)), pa.array(["s"] * N)]),
        "column 'c' is of the type sparse_union",
    ),
}


def write(path: Path, make: Callable[[], Any]) -> list[str]:
    """The files, in each format that can hold the column."""
    table = pa.table({"a": [float(k % 7) for k in range(N)], "c": make(), "y": ["a", "b"] * 30})
    written = []
    for suffix in ("arrow", "arrows", "parquet"):
        name = str(path / f"data.{suffix}")
        try:
            if suffix == "parquet":
                pq.write_table(table, name)
            else:
                new = pa.ipc.new_file if suffix == "arrow" else pa.ipc.new_stream
                with pa.OSFile(name, "wb") as sink, new(sink, table.schema) as writer:
                    writer.write_table(table)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid, OSError):
            continue
        written.append(name)
    assert written
    return written


@pytest.mark.parametrize("title", READ)
def test_a_column_is_read(tmp_path: Path, title: str) -> None:
    make, kind = READ[title]
    for path in write(tmp_path, make):
        prepared = prepare(open_table(path), "y")
        assert {found.name: found.kind for found in prepared.findings}["c"] == kind, path
        if kind in ("constant", "date"):
            continue
        target = prepare(open_table(path), "c", task="regression" if kind == "number" else None)
        assert target.y.std() > 0


@pytest.mark.parametrize("title", REFUSED)
def test_a_column_is_refused_without_a_word_of_polars_own(
    tmp_path: Path, title: str, capfd: pytest.CaptureFixture[str]
) -> None:
    make, says = REFUSED[title]
    for path in write(tmp_path, make):
        for target in ("y", "c"):
            with pytest.raises(TableError) as caught:
                prepare(open_table(path), target)
            message = str(caught.value)
            assert says in message
            assert "damaged" not in message
            assert message.isprintable()
    assert capfd.readouterr().err == ""


def test_types_of_pandas(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": np.arange(60.0) % 7, "y": list("ab") * 30})
    columns = {
        "pandas.period": pd.period_range("2020-01", periods=N, freq="M"),
        "pandas.interval": pd.arrays.IntervalArray.from_breaks(range(N + 1)),
    }
    for kind, column in columns.items():
        path = str(tmp_path / "data.parquet")
        table.assign(c=column).to_parquet(path)
        with pytest.raises(TableError, match=f"column 'c' holds .*{kind}.*--drop c"):
            prepare(open_table(path), "y")
        assert prepare(open_table(path), "y", leave_out=("c",)).X.shape[1] == 1
        with pytest.raises(TableError, match="cannot be predicted"):
            prepare(open_table(path), "c")


def test_durations_are_seconds(tmp_path: Path) -> None:
    path = str(tmp_path / "data.parquet")
    hours = [dt.timedelta(hours=k * k % 50) for k in range(N)]
    pl.DataFrame({"a": np.arange(60.0) % 7, "t": hours}).write_parquet(path)
    prepared = prepare(open_table(path), "t", task="regression", held_out=0.0)
    assert isinstance(prepared.target, NumberTarget)
    np.testing.assert_allclose(prepared.target.decode(prepared.y), [hour.total_seconds() for hour in hours])


def test_frames_of_other_libraries(capfd: pytest.CaptureFixture[str]) -> None:
    base = {"a": [float(k % 7) for k in range(N)]}
    for title, (make, _) in REFUSED.items():
        with pytest.raises(TableError) as caught:
            Preprocessing.fit(pa.table({**base, "c": make()}))
        assert str(caught.value).isprintable(), title
    with pytest.raises(TableError, match="c"):
        Preprocessing.fit(pd.DataFrame({**base, "c": pd.period_range("2020-01", periods=N, freq="M")}))
    assert "panicked" not in capfd.readouterr().err


def test_no_cause_is_claimed_for_what_polars_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pl.DataFrame({"a": list(range(N)), "y": ["a", "b"] * 30}).write_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + bytes(40) + whole[80:])
    with pytest.raises(TableError, match="polars cannot read it") as caught:
        prepare(open_table(str(path)), "y")
    assert "damaged" not in str(caught.value)
