"""Preparation of a table: the task, stratified held-out rows, and the same arrays in memory and on disk."""

from __future__ import annotations

import gc
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.tables import (
    ClassTarget,
    FrameSource,
    NumberTarget,
    Prepared,
    Preprocessing,
    TableError,
    columns,
    open_table,
    prepare,
    preparing,
    sampling,
    spooling,
    streams,
)
from chainrule.tables.sampling import RowSample, StreamSplit, mixed, split_rows
from chainrule.tables.spooling import SpooledArray

N = 3000


def table(count: int = N) -> pl.DataFrame:
    random = np.random.default_rng(7)
    x = random.normal(size=count)
    return pl.DataFrame(
        {
            "x": x.round(4),
            "gaps": pl.Series(np.where(random.random(count) < 0.1, np.nan, x * 2 + 1)).fill_nan(None),
            "city": np.array(["Oslo", "Rome", "Bonn"])[random.integers(0, 3, count)],
            "rare": [f"n{k}" for k in random.zipf(1.4, count).clip(1, 400)],
            "row": np.arange(count),
            "day": [f"20{10 + k % 13}-0{1 + k % 9}-1{k % 9}" for k in range(count)],
            "label": np.where(x > 1, "high", np.where(x < -1.5, "low", "middle")),
            "y": 3 * x + random.normal(size=count),
        }
    )


@pytest.fixture
def path(tmp_path: Path) -> str:
    table().write_csv(tmp_path / "t.csv")
    return str(tmp_path / "t.csv")


def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the table of these tests a large one."""
    monkeypatch.setattr(sampling, "MOST_ROWS", 500)
    monkeypatch.setattr(sampling, "FEWEST_ROWS", 500)
    monkeypatch.setattr(preparing, "IN_MEMORY", 1000)
    monkeypatch.setattr(streams.TextFile.pieces, "__defaults__", (5000,))


def test_a_table_in_memory(path: str) -> None:
    ready = prepare(open_table(path), "label", leave_out=["y"])
    assert ready.target == ClassTarget("label", ("high", "low", "middle"))
    assert ready.reason == "label holds texts"
    assert ready.X.shape == (2400, ready.preprocessing.width)
    assert ready.X.dtype == np.float32
    assert ready.y.dtype == ready.y_held.dtype == np.dtype(np.int64)
    assert [column.name for column in ready.preprocessing.left_out] == ["row", "y"]
    assert [finding.name for finding in ready.findings] == ["x", "gaps", "city", "rare", "row", "day", "y"]
    assert not ready.spooled
    assert ready.row_count == N
    numbers = ready.preprocessing.groups["x"].start
    np.testing.assert_allclose([ready.X[:, numbers].mean(), ready.X[:, numbers].std()], [0, 1], atol=1e-5)
    counts = table()["label"].value_counts()
    assert ready.class_counts == dict(zip(counts["label"].to_list(), counts["count"].to_list(), strict=True))


def test_each_class_is_held_out_in_proportion(path: str) -> None:
    ready = prepare(open_table(path), "label")
    for place, label in enumerate(("high", "low", "middle")):
        assert (ready.y_held == place).sum() == round(0.2 * ready.class_counts[label])
    assert ready.row_count == len(ready.y) + len(ready.y_held)


def test_the_seed_draws_the_rows(path: str) -> None:
    first, again, other = (prepare(open_table(path), "label", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.X, again.X)
    np.testing.assert_array_equal(first.X_held, again.X_held)
    assert not np.array_equal(first.X_held, other.X_held)
    assert first.fingerprint == other.fingerprint


def test_numbers_to_predict_are_scaled_by_the_training_rows(path: str) -> None:
    ready = prepare(open_table(path), "y", leave_out=["label"])
    assert isinstance(ready.target, NumberTarget)
    np.testing.assert_allclose([ready.y.mean(), ready.y.std()], [0, 1], atol=1e-12)
    both = np.sort(np.concatenate([ready.target.decode(ready.y), ready.target.decode(ready.y_held)]))
    np.testing.assert_allclose(both, np.sort(table()["y"].to_numpy()), atol=1e-12)


@pytest.mark.parametrize("target", ["label", "y"])
def test_a_large_table_is_streamed_to_disk(path: str, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    small_memory(monkeypatch)
    told: list[tuple[str, int]] = []
    ready = prepare(open_table(path), target, report=lambda what, rows: told.append((what, rows)))
    assert ready.spooled
    assert isinstance(ready.X, np.memmap)
    assert told[-1] == ("encoding", N)
    assert ("reading", N) in told
    assert len(told) > 20
    assert ready.X.shape == (len(ready.y), ready.preprocessing.width)
    assert abs(len(ready.y_held) - 600) < 10
    again = prepare(open_table(path), target)
    np.testing.assert_array_equal(ready.X, again.X)
    np.testing.assert_array_equal(ready.y_held, again.y_held)
    whole = ready.preprocessing.encode(table())
    rows = Counter(map(bytes, np.concatenate([ready.X, ready.X_held])))
    assert rows == Counter(map(bytes, whole))
    if target == "label":
        for place, label in enumerate(("high", "low", "middle")):
            assert abs((ready.y_held == place).sum() - 0.2 * ready.class_counts[label]) <= 2


def test_the_sample_does_not_depend_on_batches(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small_memory(monkeypatch)
    found = []
    for size in (3000, 50_000):
        monkeypatch.setattr(streams.TextFile.pieces, "__defaults__", (size,))
        found.append(prepare(open_table(path), "y").preprocessing)
    assert found[0] == found[1]


def test_a_bad_cell_beyond_the_sample_is_found(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small_memory(monkeypatch)
    lines = Path(path).read_text().splitlines()
    sample = RowSample(500, 0)
    for _ in range(0, N, 100):
        sample.add(pl.DataFrame({"x": np.zeros(100)}), np.zeros(100, dtype=bool))
    row = next(k for k in range(2000, N) if k not in sample.rows())
    cells = lines[row + 1].split(",")
    lines[row + 1] = ",".join(["oops", *cells[1:]])
    Path(path).write_text("\n".join(lines))
    with pytest.raises(TableError, match=rf"t\.csv, row {row + 1:,} \(line {row + 2:,}\), column 'x' holds 'oops'"):
        prepare(open_table(path), "y")


def test_nothing_is_left_on_disk(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_memory(monkeypatch)
    folder = tmp_path / "spool"
    folder.mkdir()
    ready: Prepared | None = prepare(open_table(path), "y", folder=str(folder))
    assert ready is not None
    assert ready.spooled
    assert os.listdir(folder) == []
    first = np.array(ready.X[:3])
    np.testing.assert_array_equal(first, ready.X[:3])
    del ready
    gc.collect()
    monkeypatch.setattr(Preprocessing, "encode", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepare(open_table(path), "y", folder=str(folder))
    assert os.listdir(folder) == []


def test_a_full_disk_and_a_folder_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TableError, match=r"the encoded rows cannot be written in .*nowhere"):
        SpooledArray(2, np.float32, str(tmp_path / "nowhere"))
    spooled = SpooledArray(2, np.float32)

    class Full:
        def write(self, _: bytes) -> int:
            raise OSError(28, "No space left on device")

    stream = spooled._stream
    monkeypatch.setattr(spooled, "_stream", Full())
    with pytest.raises(TableError, match=r"the encoded rows do not fit in .* MiB are free.*TMPDIR"):
        spooled.append(np.ones((3, 2)))
    stream.close()
    assert spooling.SpooledArray(None, np.int64).finish().shape == (0,)


def test_validation_tables(path: str, tmp_path: Path) -> None:
    frame = table(400)
    other = frame.with_columns(more=pl.lit(1), city=pl.Series(["Bergen"] * 100 + frame["city"].to_list()[100:]))
    other.select(reversed(other.columns)).write_parquet(tmp_path / "v.parquet")
    ready = prepare(open_table(path), "label", validation=open_table(str(tmp_path / "v.parquet")))
    assert len(ready.y) == N
    assert not len(ready.y_held)
    assert ready.y_validation is not None
    assert len(ready.y_validation) == 400
    apart = prepare(open_table(path), "label", validation=open_table(str(tmp_path / "v.parquet")), held_out=0.1)
    assert len(apart.y) + len(apart.y_held) == N
    assert apart.X_validation is not None
    assert len(apart.X_validation) == 400
    assert ready.notes == (
        "'row' is left out, an identifier; --kind row=number keeps it",
        f"{tmp_path}/v.parquet: column 'city' holds 'Bergen', which no training row has, in 100 of 400 rows",
        ready.notes[2],
        f"{tmp_path}/v.parquet: column 'more' not used: not in the training table",
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame.drop("label"), "the target is 'label', but .*v.csv has no column 'label'"),
        (lambda frame: frame.rename({"city": "City"}), r"v.csv lacks the column 'city', .*; did you mean 'City'\?"),
        (lambda frame: frame.drop("city", "x"), "v.csv lacks 2 columns: 'x', 'city'"),
        (lambda frame: frame.with_columns(x=pl.lit("big")), r"v.csv, row 1 \(line 2\), column 'x' holds 'big'"),
        (lambda frame: frame.with_columns(day=pl.lit("1.2.2020")), r"v.csv, row 1 \(line 2\), column 'day' holds"),
        (
            lambda frame: frame.with_columns(label=pl.lit("vast")),
            "column 'label' holds 'vast', a class that no",
        ),
        (lambda frame: frame.with_columns(label=pl.lit(None)), "column 'label' has no value in any of 9 rows"),
        (lambda frame: frame.clear(), "v.csv has a header but no rows"),
    ],
)
def test_validation_tables_of_another_kind(path: str, tmp_path: Path, change: Any, words: str) -> None:
    change(table(9)).write_csv(tmp_path / "v.csv")
    with pytest.raises(TableError, match=words):
        prepare(open_table(path), "label", validation=open_table(str(tmp_path / "v.csv")))


@pytest.mark.parametrize(
    ("values", "target", "reason"),
    [
        (["a", "b"] * 20, ClassTarget("t", ("a", "b")), "t holds texts"),
        ([1, 2, 3, 4] * 10, ClassTarget("t", ("1", "2", "3", "4"), True), "few different whole numbers"),
        (["1", "1.0", "2", "02"] * 10, ClassTarget("t", ("1", "2"), True), "few different whole numbers"),
        ([True, False] * 20, ClassTarget("t", ("false", "true")), "t holds texts"),
        (["10", "9"] * 20, ClassTarget("t", ("9", "10"), True), "few different"),
        ([1.5, 2.5] * 20, NumberTarget("t", 2.0, 0.5), "t holds numbers"),
        (list(range(40)), NumberTarget("t", 19.5, float(np.std(np.arange(40)))), "t holds whole numbers"),
        (["1", "a"] * 20, ClassTarget("t", ("1", "a")), "t holds texts"),
    ],
)
def test_tasks_are_told_apart(values: list[Any], target: ClassTarget | NumberTarget, reason: str) -> None:
    frame = pl.DataFrame({"x": np.random.default_rng(0).normal(size=40), "t": values})
    ready = prepare(FrameSource(frame), "t", held_out=0.0)
    assert type(ready.target) is type(target)
    if isinstance(target, ClassTarget):
        assert ready.target == target
    else:
        assert isinstance(ready.target, NumberTarget)
        np.testing.assert_allclose(ready.target.mean, target.mean)
        np.testing.assert_allclose(ready.target.scale, target.scale)
    assert reason in ready.reason


@pytest.mark.parametrize("share", [-0.1, 1.0, 20, float("nan")])
def test_a_share_that_is_none(path: str, share: float) -> None:
    with pytest.raises(TableError, match="the share of rows to hold out is"):
        prepare(open_table(path), "y", held_out=share)


def test_the_task_can_be_asked_for() -> None:
    frame = pl.DataFrame({"x": np.random.default_rng(0).normal(size=40), "t": [1, 2, 3, 4] * 10})
    assert prepare(FrameSource(frame), "t", task="regression").target.task == "regression"
    assert prepare(FrameSource(frame), "t", task="classification").reason == "as asked"


def test_classes_in_other_spellings() -> None:
    numbers = ClassTarget("t", ("1", "2"), True)
    np.testing.assert_array_equal(numbers.encode(pl.Series(["01", "2.0", "1", "2e0"])), [0, 1, 0, 1])
    np.testing.assert_array_equal(numbers.encode(pl.Series([1.0, 2.0])), [0, 1])
    words = ClassTarget("t", ("False", "True"))
    np.testing.assert_array_equal(words.encode(pl.Series([True, False, True])), [1, 0, 1])


def test_rare_classes_are_named() -> None:
    labels = ["a"] * 60 + ["b"] * 38 + ["c", "d"]
    frame = pl.DataFrame({"x": np.random.default_rng(0).normal(size=100), "t": labels})
    ready = prepare(FrameSource(frame), "t")
    assert ready.notes == ("classes 'c', 'd' of 't': a single row, which is trained on and never scored",)
    assert {2, 3} <= set(ready.y.tolist())
    common = prepare(FrameSource(frame.with_columns(t=pl.Series(["a"] * 95 + ["b"] * 5))), "t")
    assert common.notes == ("95.0% of the rows are of the class 'a'",)


def test_copies_of_columns_and_of_the_target_are_left_out() -> None:
    x = np.random.default_rng(0).normal(size=50)
    frame = pl.DataFrame({"x": x, "again": x, "answer": x * 2, "t": x * 2, "z": x * x})
    ready = prepare(FrameSource(frame), "t")
    assert [(column.name, column.reason) for column in ready.preprocessing.left_out] == [
        ("again", "the same as column 'x' in every row"),
        ("answer", "the same as the target in every row"),
    ]


def test_a_column_that_counts_is_learnt_from_where_there_is_no_other() -> None:
    frame = pl.DataFrame({"x": range(40), "same": [1] * 40, "y": np.arange(40) * 0.5})
    ready = prepare(FrameSource(frame), "y")
    assert [feature.name for feature in ready.preprocessing.features] == ["x"]
    assert [column.name for column in ready.preprocessing.left_out] == ["same"]
    assert ready.findings[0].kind == "number"
    other = prepare(FrameSource(frame.with_columns(z=pl.Series([1.5, 2.5] * 20))), "y")
    assert [feature.name for feature in other.preprocessing.features] == ["z"]


def test_long_codes_are_not_compared_as_numbers() -> None:
    codes = [2**60 + k % 2 for k in range(40)]
    frame = pl.DataFrame({"one": codes, "two": [2**60] * 20 + codes[20:], "x": np.arange(40) * 1.5, "t": codes})
    ready = prepare(FrameSource(frame), "t", task="classification")
    assert ready.target == ClassTarget("t", (str(2**60), str(2**60 + 1)))
    assert [(column.name, column.reason) for column in ready.preprocessing.left_out] == [
        ("one", "the same as the target in every row")
    ]


def test_lists_can_be_left_out(tmp_path: Path) -> None:
    frame = table(50).with_columns(pair=pl.concat_list("x", "y"))
    frame.write_ipc(tmp_path / "t.arrow")
    frame.write_parquet(tmp_path / "t.parquet")
    for name in ("t.arrow", "t.parquet"):
        source = open_table(str(tmp_path / name))
        with pytest.raises(TableError, match=r"row 1.*, column 'pair' holds a list or an object"):
            prepare(source, "y")
        ready = prepare(source, "y", leave_out=["pair", "label"])
        assert {column.name for column in ready.preprocessing.left_out} >= {"pair", "label"}
        assert Preprocessing.fit(source, leave_out=["pair"]).width > 0
        with pytest.raises(TableError, match=r"row 1.*, column 'pair' holds a list"):
            prepare(source, "pair")
        with pytest.raises(TableError, match=r"row 1.*, column 'x' holds a list"):
            ready.preprocessing.encode(frame.with_columns(x=pl.col("pair")))


def test_what_is_done_about_values_is_said() -> None:
    random = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "pay": np.exp(random.normal(8, 2, 300)),
            "town": [f"n{k}" for k in random.zipf(1.5, 300).clip(1, 90)],
            "y": random.normal(size=300),
        }
    )
    pay, town = prepare(FrameSource(frame), "y").findings
    assert pay.reason.endswith("; heavy-tailed, so on a logarithmic scale")
    assert "different values; the rare ones share a column, " in town.reason


def test_a_table_that_changes_is_noticed(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small_memory(monkeypatch)
    source = open_table(path)
    find = columns.fit_columns

    def and_change(*arguments: Any) -> Any:
        with open(path, "a") as stream:
            stream.write(table(1).write_csv(include_header=False))
        return find(*arguments)

    monkeypatch.setattr(preparing, "fit_columns", and_change)
    with pytest.raises(TableError, match=r"t\.csv changed while it was read"):
        prepare(source, "y")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=200), st.sampled_from([0.1, 0.25, 0.5, 0.9]), st.integers(0, 9))
def test_rows_are_split_by_class(codes: list[int], fraction: float, seed: int) -> None:
    places = np.array(codes)
    held = split_rows(places, len(codes), fraction, seed)
    for code in set(codes):
        count, out = int((places == code).sum()), int(held[places == code].sum())
        assert out < count
        assert out == 0 if count == 1 else abs(out - fraction * count) < 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=300),
    st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.9]),
    st.integers(0, 9),
    st.integers(1, 50),
)
def test_rows_that_pass_by_are_split_by_class(labels: list[str], fraction: float, seed: int, size: int) -> None:
    split = StreamSplit(fraction, seed)
    parts = [labels[start : start + size] for start in range(0, len(labels), size)]
    held = np.concatenate([split.add(pl.Series("t", part, dtype=pl.String), len(part)) for part in parts])
    for label in set(labels):
        mask = np.array([other == label for other in labels])
        assert not held[mask][0]
        assert abs(held[mask].sum() - fraction * mask.sum()) < 2
    whole = StreamSplit(fraction, seed).add(pl.Series("t", labels, dtype=pl.String), len(labels))
    np.testing.assert_array_equal(held, whole)


def test_mixed_numbers_are_spread_evenly() -> None:
    numbers = mixed(np.arange(100_000), 3)
    assert len(np.unique(numbers)) == 100_000
    counts = np.bincount((numbers >> np.uint64(60)).astype(np.int64), minlength=16)
    assert np.abs(counts / 6250 - 1).max() < 0.05
    assert not np.array_equal(numbers, mixed(np.arange(100_000), 4))


def test_what_is_learnt_of_columns_is_of_training_rows_alone(tmp_path: Path) -> None:
    """Scales, levels, averages of the target and texts stay the same whatever the rows held out hold."""
    random = np.random.default_rng(0)
    rows = 240
    words = ["red", "house", "good", "old", "new", "car"]
    whole = pl.DataFrame(
        {
            "a": random.normal(5, 2, rows).round(3),
            "b": random.integers(0, 1000, rows).astype(float),
            "city": random.choice([f"c{k}" for k in range(60)], rows),
            "text": [" ".join(random.choice(words, 6)) for _ in range(rows)],
            "t": random.permutation(rows) + 0.5,
        }
    )
    whole.write_csv(tmp_path / "a.csv")
    first = prepare(open_table(str(tmp_path / "a.csv")), "t", held_out=0.25, seed=3)
    assert isinstance(first.target, NumberTarget)
    held = pl.Series(np.isin(whole["t"].to_numpy(), np.round(first.target.decode(first.y_held), 1)))
    assert held.sum() == len(first.y_held) == 60
    changed = {"a": pl.col("a") * 3 + 7, "b": pl.lit(None), "city": pl.lit("new"), "text": pl.col("text") + " unseen"}
    other = whole.with_columns(
        pl.when(held).then(value).otherwise(pl.col(name)).alias(name) for name, value in changed.items()
    )
    other.write_csv(tmp_path / "b.csv")
    second = prepare(open_table(str(tmp_path / "b.csv")), "t", held_out=0.25, seed=3)
    assert second.preprocessing.features == first.preprocessing.features
    assert second.target == first.target
    assert np.array_equal(second.X, first.X)
    assert not np.array_equal(second.X_held, first.X_held)
