from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import Result

from chainrule.tables import open_table

Run = Callable[..., Result]


def write_table(name: str, rows: int, seed: int = 0) -> str:
    random = np.random.default_rng(seed)
    lines = [
        f"{random.normal():.4f},{('Oslo', 'Rome', 'Bonn')[k % 3]},{'up' if k % 3 == 1 else 'down'}" for k in range(rows)
    ]
    Path(name).write_text("\n".join(["size,city,t", *lines]) + "\n")
    return name


@pytest.fixture
def model(run: Run) -> str:
    write_table("data.csv", 120)
    assert run("train", "data.csv", "--target", "t", "--epochs", "60", "--hidden", "8", "--save", "m").exit_code == 0
    return "m"


def test_formats_follow_the_suffix_and_hold_the_same(run: Run, model: str) -> None:
    found = {}
    for suffix in ("csv", "tsv", "jsonl", "parquet"):
        result = run("predict", model, "data.csv", "--output", f"out.{suffix}")
        assert result.exit_code == 0, result.output
        assert result.stdout == f"120 predictions of 't' written to out.{suffix}.\n"
    found["csv"] = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
    found["tsv"] = list(csv.DictReader(Path("out.tsv").read_text().splitlines(), delimiter="\t"))
    found["jsonl"] = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    found["parquet"] = pl.read_parquet("out.parquet").to_dicts()
    plain = [[(row["t"], float(row["probability"])) for row in rows] for rows in found.values()]
    assert all(rows == plain[0] for rows in plain)
    assert Path("out.csv").read_text() == run("predict", model, "data.csv").stdout
    assert Path("out.jsonl").read_text() == run("predict", model, "data.csv", "--format", "jsonl").stdout


def test_all_probabilities(run: Run, model: str) -> None:
    rows = list(csv.DictReader(run("predict", model, "data.csv", "--probabilities").stdout.splitlines()))
    assert list(rows[0]) == ["t", "t=down", "t=up"]
    for row in rows:
        shares = {name.removeprefix("t="): float(row[name]) for name in list(row)[1:]}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-6)
        assert row["t"] == max(shares, key=lambda name: shares[name])
    record = json.loads(run("predict", model, "data.csv", "--probabilities", "--json").stdout)
    assert record["target"] == "t"
    assert record["predictions"]["t"] == [row["t"] for row in rows]


def test_what_is_new_or_missing_is_said_on_standard_error(run: Run, model: str) -> None:
    Path("new.csv").write_text("city,colour,size\nParis,red,1\nRome,blue,\nOslo,red,0\n")
    result = run("predict", model, "new.csv")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 4
    assert "'Paris'" in result.stderr
    assert "'colour'" in result.stderr
    assert "'size', full in training, is empty in 1 of 3 rows" in result.stderr
    Path("lacks.csv").write_text("town,size\nRome,1\n")
    refused = run("predict", model, "lacks.csv", "--output", "out.csv")
    assert refused.exit_code == 2
    assert "lacks the column 'city', which the model was trained on" in refused.stderr
    assert not Path("out.csv").exists()


def test_any_kind_of_table_is_predicted_alike(run: Run, model: str) -> None:
    expected = run("predict", model, "data.csv").stdout
    frame = pl.read_csv("data.csv")
    frame.write_parquet("data.parquet")
    frame.write_ipc("data.arrow")
    frame.write_ndjson("data.jsonl")
    frame.write_csv("data.txt", separator=";")
    Path("data.csv.gz").write_bytes(gzip.compress(Path("data.csv").read_bytes()))
    for name in ("data.parquet", "data.arrow", "data.jsonl", "data.txt", "data.csv.gz"):
        assert run("predict", model, name).stdout == expected, name


def test_tables_of_many_batches_are_predicted_row_by_row(run: Run, model: str) -> None:
    """The predictions for a long table equal those of its rows alone, and a late error leaves no file."""
    frame = pl.read_csv("data.csv", infer_schema=False)
    pl.concat([frame] * 600).write_parquet("long.parquet")
    assert sum(1 for _ in open_table("long.parquet").batches()) > 1
    short = run("predict", model, "data.csv").stdout.splitlines()[1:]
    assert run("predict", model, "long.parquet").stdout.splitlines()[1:] == short * 600
    pl.concat([*[frame] * 600, frame.head(1).with_columns(size=pl.lit("many"))]).write_parquet("long.parquet")
    for suffix in ("csv", "parquet"):
        refused = run("predict", model, "long.parquet", "--output", f"out.{suffix}")
        assert refused.exit_code == 2
        assert "row 72,001" in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == ["data.csv", "long.parquet", "m"]


@pytest.mark.parametrize("options", [(), ("--probabilities",)])
def test_a_table_without_rows_has_no_predictions(run: Run, model: str, options: tuple[str, ...]) -> None:
    Path("none.csv").write_text("size,city\n")
    full = run("predict", model, "data.csv", *options).stdout.splitlines()
    result = run("predict", model, "none.csv", *options)
    assert (result.exit_code, result.stdout) == (0, full[0] + "\n")
    assert json.loads(run("predict", model, "none.csv", "--json", *options).stdout)["predictions"]["t"] == []
    assert run("predict", model, "data.csv", "--output", "full.parquet", *options).exit_code == 0
    assert run("predict", model, "none.csv", "--output", "none.parquet", *options).exit_code == 0
    assert pl.read_parquet("none.parquet").schema == pl.read_parquet("full.parquet").schema
    assert pl.read_parquet("none.parquet").is_empty()
    assert run("predict", model, "none.csv", "--output", "none.jsonl", *options).exit_code == 0
    assert Path("none.jsonl").read_text() == ""
    pl.DataFrame({"size": [1.0], "city": ["Oslo"]}).clear().write_parquet("in.parquet")
    assert run("predict", model, "in.parquet", *options).stdout == result.stdout


def test_a_table_without_rows_and_columns_is_refused(run: Run, model: str) -> None:
    Path("none.csv").write_text("size\n")
    assert run("predict", model, "none.csv").exit_code == 2
    Path("none.csv").write_text("size,city,t\n")
    assert "has a header but no rows" in run("train", "none.csv", "--target", "t").stderr
