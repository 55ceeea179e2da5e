"""JSON in the forms in which programs write tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chainrule.tables import TableError, open_table, prepare
from chainrule.tables.jsonlines import without_lists

ROWS = [{"a": k / 4, "c": "rg"[k % 2], "y": None if k == 3 else k} for k in range(12)]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}
NUMBERED = {name: {str(k): cell for k, cell in enumerate(cells)} for name, cells in COLUMNS.items()}
NAMED = {name: {f"row {k}": cell for k, cell in enumerate(cells)} for name, cells in COLUMNS.items()}
SPLIT = {"columns": list(COLUMNS), "index": list(range(12)), "data": [list(row.values()) for row in ROWS]}

FORMS = {
    "a list": json.dumps(ROWS),
    "a list on several lines": json.dumps(ROWS, indent=2),
    "a list after a mark": "\ufeff" + json.dumps(ROWS),
    "lines": "\n".join(map(json.dumps, ROWS)),
    "objects on several lines each": "\n".join(json.dumps(row, indent=1) for row in ROWS),
    "a list in an object": json.dumps({"count": 12, "data": ROWS}),
    "a list further in": json.dumps({"answer": {"ok": True, "found": ROWS}}, indent=1),
    "columns by row": json.dumps(NUMBERED),
    "columns by row on several lines": json.dumps(NUMBERED, indent=1),
    "columns by named row": json.dumps(NAMED),
    "columns as lists": json.dumps(COLUMNS),
    "rows by number": json.dumps({str(k): row for k, row in enumerate(ROWS)}),
    "names beside lists of cells": json.dumps(SPLIT),
    "a table schema": json.dumps({"schema": {"fields": [{"name": "a"}]}, "data": ROWS}),
}


def read(path: Path) -> pl.DataFrame:
    return pl.concat([batch.frame for batch in open_table(str(path)).batches()])


@pytest.mark.parametrize("suffix", ["json", "txt"])
@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_read(form: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"data.{suffix}"
    path.write_text(FORMS[form], encoding="utf-8")
    assert read(path).to_dicts() == ROWS


def test_a_long_object_on_one_line_is_no_line_of_a_table(tmp_path: Path) -> None:
    many = {name: dict(enumerate(np.arange(9_000).tolist())) for name in ("a", "b")}
    (tmp_path / "data.json").write_text(json.dumps(many))
    assert read(tmp_path / "data.json").shape == (9_000, 2)
    (tmp_path / "data.txt").write_text(f'{{"a": 1, "b": "{"x" * 70_000}"}}\n' * 2)
    assert read(tmp_path / "data.txt").shape == (2, 2)


def test_one_object_is_a_row_unless_it_has_rows_or_columns(tmp_path: Path) -> None:
    for indent in (None, 1):
        row = {"size": 3, "place": {"x": 1, "y": {"z": 2}}}
        (tmp_path / "data.json").write_text(json.dumps(row, indent=indent))
        assert read(tmp_path / "data.json").to_dicts() == [{"size": 3, "place.x": 1, "place.y.z": 2}]


def test_the_list_that_is_chosen_is_said_and_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps({"answer": {"found": ROWS}}))
    assert open_table(str(path)).notes == [f"the rows of {path} are the list 'answer.found' in it"]
    for value, words in (
        ({"a": ROWS, "b": ROWS}, "several lists of objects, 'a', 'b'"),
        ({"a": [1, 2], "b": [3]}, "columns of different lengths"),
        ([[1, 2], [3, 4]], "row 1 is a list"),
    ):
        path.write_text(json.dumps(value))
        with pytest.raises(TableError, match=words):
            open_table(str(path))
    path.write_text(json.dumps(ROWS, indent=1)[:-9])
    with pytest.raises(TableError, match=r"line \d+, character \d+: not JSON: .*is the file whole"):
        open_table(str(path))


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_lists_of_numbers_are_columns_and_others_are_texts(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"data.{suffix}"
    rows: list[dict[str, Any]] = [
        {"at": [1.5, 2], "tags": ["a", "b"], "odd": [1], "parts": [{"n": 1}]},
        {"at": None, "tags": [], "odd": [1, 2], "parts": []},
    ]
    lines = [json.dumps(row) for row in rows]
    path.write_text("\n".join([*lines, ""]) if suffix == "jsonl" else f"[{','.join(lines)}]")
    assert read(path).to_dicts() == [
        {"at.0": 1.5, "at.1": 2.0, "tags": "a, b", "odd": "1", "parts": '[{"n": 1}]'},
        {"at.0": None, "at.1": None, "tags": None, "odd": "1, 2", "parts": None},
    ]


def test_a_later_list_of_another_length_is_refused() -> None:
    with pytest.raises(TableError, match=r"line 9, column 'x' holds a list, where the first rows have lists of 2"):
        without_lists({"x": [1, 2, 3]}, {"x": 2}, "data.jsonl, line 9")


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize(
    ("dropped", "kept"),
    [
        ("v", ["place.size", "place.sides.0", "place.sides.1", "w"]),
        ("v.1", ["v.0", "place.size", "place.sides.0", "place.sides.1", "w"]),
        ("place", ["v.0", "v.1", "w"]),
        ("place.sides", ["v.0", "v.1", "place.size", "w"]),
    ],
)
def test_a_list_or_an_object_is_left_out_whole_or_in_part(
    tmp_path: Path, suffix: str, dropped: str, kept: list[str]
) -> None:
    draw = np.random.default_rng(0).random((40, 7)).tolist()
    rows = [{"v": r[:2], "place": {"size": r[2], "sides": r[3:5]}, "w": r[5], "y": r[6]} for r in draw]
    path = tmp_path / f"rows.{suffix}"
    path.write_text(json.dumps(rows) if suffix == "json" else "\n".join(map(json.dumps, rows)))
    prepared = prepare(open_table(str(path)), "y", leave_out=[dropped])
    assert list(prepared.preprocessing.groups) == kept


def test_a_prefix_is_no_column_of_a_flat_table(tmp_path: Path) -> None:
    path = tmp_path / "iris.csv"
    path.write_text("Sepal.Length,Sepal.Width,y\n" + "".join(f"{k * k % 7},{k % 5},{k}.5\n" for k in range(40)))
    with pytest.raises(TableError, match="has no column 'Sepal' to leave out"):
        prepare(open_table(str(path)), "y", leave_out=["Sepal"])
