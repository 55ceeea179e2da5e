"""Columns with any name: names used internally by polars or this package, patterns, quotes, empty names."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import Result

from chainrule.tables import open_table, prepare

Run = Callable[..., Result]

NAMES = (
    "count", "counts", "literal", "len", "index", "row_nr", "row_index", "row_count", "__index_level_0__", "proportion",
    "value", "values", "variable", "by", "group", "prediction", "probability", "weight", "target", "p", "y", "X",
    "text", "rows", "^a$", "^.*$", "^(?!y).*$", "*", "", " ", "a'b", 'a"b', "a\nb", "a,b", "größe", "数", "🙂", "A",
    "Unnamed: 0", "None", "NA", "nan", "\\", "{}", "%s", "x" * 300, "--drop", "=", "a=b", "a: missing", "\u202e",
    "<b>", "$x^2$",
)  # fmt: skip


def rows(name: str, other: str, names_target: bool, count: int = 40) -> list[list[str]]:
    random = np.random.default_rng(0)
    found = [[name, "a", other]]
    for k in range(count):
        kind = "red" if k % 2 else "green"
        cells = [kind, f"{random.normal():.3f}", f"{random.normal() + k % 2:.3f}"]
        found.append(cells if names_target else [cells[2], cells[1], cells[0]])
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_feature_and_a_target_may_have_any_name(tmp_path: Path, name: str, suffix: str) -> None:
    for names_target in (False, True):
        header, *cells = rows(name, "other", names_target)
        path = str(tmp_path / f"data.{suffix}")
        frame = pl.DataFrame(dict(zip(header, zip(*cells, strict=True), strict=True)))
        if suffix == "csv":
            with open(path, "w", newline="", encoding="utf-8") as stream:
                csv.writer(stream).writerows([header, *cells])
        elif suffix == "jsonl":
            lines = [json.dumps(dict(zip(header, each, strict=True))) for each in cells]
            Path(path).write_text("".join(f"{line}\n" for line in lines))
        else:
            frame.write_parquet(path)
        source = open_table(path)
        known, _, other = source.names
        assert known == (name.strip() if suffix == "csv" else name) or known.startswith("Unnamed: 0")
        target = known if names_target else other
        prepared = prepare(source, target)
        used = {feature.name for feature in prepared.preprocessing.features}
        assert used == {known, "a", other} - {target}
        assert prepared.target.name == target
        encoded = np.concatenate([prepared.preprocessing.encode(batch.without([target])) for batch in source.batches()])
        kept = np.concatenate([prepared.X, prepared.X_held])
        np.testing.assert_array_equal(np.sort(encoded[:, 0]), np.sort(kept[:, 0]))
        with_kind = prepare(source, target, kinds={known: "category"} if not names_target else {"a": "number"})
        assert with_kind.X.shape[0] == prepared.X.shape[0]


def test_names_that_differ_by_case_or_blanks_are_different(tmp_path: Path) -> None:
    path = str(tmp_path / "data.parquet")
    values = np.random.default_rng(0).normal(size=(4, 40))
    pl.DataFrame({"a": values[0], "A": values[1], "a ": values[2], "y": values[3]}).write_parquet(path)
    prepared = prepare(open_table(path), "y")
    assert [feature.name for feature in prepared.preprocessing.features] == ["a", "A", "a "]


def test_a_name_is_found_with_other_blanks_if_it_is_the_only_one(tmp_path: Path) -> None:
    header, *cells = rows("rent  a\u00a0month", "b ", False)
    frame = pl.DataFrame(dict(zip(header, zip(*cells, strict=True), strict=True)))
    frame.write_parquet(tmp_path / "data.parquet")
    prepared = prepare(open_table(str(tmp_path / "data.parquet")), " rent a month", kinds={"b": "category"})
    assert prepared.target.name == "rent  a\u00a0month"
    assert prepared.preprocessing.by_column["b "].kind == "category"


def test_nameless_columns_are_named_by_their_place_unless_that_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(",a,,Unnamed: 0,y\n" + "".join(f"{k},{k % 7},{k % 5},{k % 3},{'ab'[k % 2]}\n" for k in range(40)))
    source = open_table(str(path))
    assert source.names == ("Unnamed: 0.", "a", "Unnamed: 2", "Unnamed: 0", "y")
    prepared = prepare(source, "y")
    assert [column.name for column in prepared.preprocessing.left_out] == ["Unnamed: 0."]
    assert prepared.notes == ("'Unnamed: 0.' is left out, an identifier; --kind 'Unnamed: 0.=number' keeps it",)
    path.write_text("a,a,y\n1,2,3\n")
    source = open_table(str(path))
    assert source.names == ("a", "a.1", "y")
    assert source.notes == [f"{path} has another column named 'a'; it is called 'a.1'"]


@pytest.mark.parametrize("name", ["count", "probability", "^a$", "prediction", "a=b", ""])
def test_from_training_to_export(run: Run, name: str) -> None:
    for names_target in (False, True):
        header, *cells = rows(name, "other", names_target)
        with open("t.csv", "w", newline="") as stream:
            csv.writer(stream).writerows([header, *cells])
        known = name or "Unnamed: 0"
        target = known if names_target else "other"
        trained = run("train", "t.csv", "--target", target, "--epochs", "2", "--hidden", "2", "--save", "m")
        assert trained.exit_code == 0, trained.output
        assert run("inspect", "m").exit_code == 0
        for kind in ("csv", "jsonl"):
            predicted = run("predict", "m", "t.csv", "--format", kind)
            assert predicted.exit_code == 0, predicted.output
            if kind == "csv":
                found = list(csv.DictReader(predicted.stdout.splitlines()))
            else:
                found = [json.loads(line) for line in predicted.stdout.splitlines()]
            assert len(found) == 40
            share = "probability of probability" if target == "probability" else "probability"
            assert list(found[0]) == [target, share]
            assert {row[target] for row in found} <= {"red", "green"}
        assert run("export", "m", "--to", "numpy", "--output", "m_out.py").exit_code == 0
