"""A preprocessing encodes new data, reports new and missing values, and survives a round trip through JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.subprocesses import script

from chainrule.tables import (
    Boolean,
    Category,
    ClassTarget,
    Date,
    LeftOut,
    Notes,
    Number,
    NumberTarget,
    Part,
    Preprocessing,
    TableError,
    describe_target,
    open_table,
    target_from_json,
)
from chainrule.words import ChainruleError

PREPROCESSING = Preprocessing(
    (
        Number("age", fill=30.0, mean=40.0, scale=10.0, flag_missing=True),
        Number("pay", fill=1000.0, mean=0.5, scale=2.0, unit=900.0),
        Boolean("member", ("no", "yes"), 1.0),
        Category("city", ("Oslo", "Rome"), other=True, missing=True),
        Category("size", ("1", "2.5")),
        Date("day", "day.month.year", (Part("time", 19_000.0, 100.0), Part("hour")), 0, flag_missing=True),
    ),
    (LeftOut("id", "identifier", "counts the rows"),),
)

TABLE: dict[str, list[Any]] = {
    "age": ["50", "", " 30 "],
    "pay": ["0", "1e3", "-5"],
    "member": ["Yes", "n", "1"],
    "city": ["Rome", "Bonn", ""],
    "size": ["2.5", "1.0", "1"],
    "day": ["31.12.2024", "01.01.2025 12:30", ""],
    "id": ["1", "2", "3"],
}


def test_names_groups_and_width_agree() -> None:
    assert PREPROCESSING.width == len(PREPROCESSING.names) == 14
    assert len(set(PREPROCESSING.names)) == 14
    assert list(PREPROCESSING.groups) == [feature.name for feature in PREPROCESSING.features]
    for feature in PREPROCESSING.features:
        assert PREPROCESSING.names[PREPROCESSING.groups[feature.name]] == feature.columns


def test_columns_are_found_by_name_in_any_order() -> None:
    encoded = PREPROCESSING.encode(TABLE)
    assert encoded.dtype == np.float32
    assert encoded.shape == (3, 14)
    np.testing.assert_array_equal(encoded[:, PREPROCESSING.groups["age"]], [[1, 0], [-1, 1], [-1, 0]])
    np.testing.assert_array_equal(encoded[:, PREPROCESSING.groups["member"]], [[1], [0], [1]])
    np.testing.assert_array_equal(encoded[:, PREPROCESSING.groups["city"]], [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    np.testing.assert_array_equal(encoded[:, PREPROCESSING.groups["size"]], [[0, 1], [1, 0], [1, 0]])
    backwards = {name: TABLE[name] for name in reversed(TABLE)} | {"more": [1, 2, 3]}
    np.testing.assert_array_equal(PREPROCESSING.encode(backwards), encoded)
    np.testing.assert_array_equal(PREPROCESSING.encode(TABLE, dtype=np.float64).astype(np.float32), encoded)


@pytest.mark.parametrize("make", [pl.DataFrame, lambda data: pl.DataFrame(data).lazy(), pd.DataFrame, pa.table, dict])
def test_frames_of_others(make: Callable[[Any], Any]) -> None:
    np.testing.assert_array_equal(PREPROCESSING.encode(make(TABLE)), PREPROCESSING.encode(TABLE))
    np.testing.assert_array_equal(
        PREPROCESSING.encode(narwhals.from_native(pl.DataFrame(TABLE), eager_only=True)), PREPROCESSING.encode(TABLE)
    )


def test_typed_columns_are_encoded_as_written_ones() -> None:
    typed = {
        "age": [50, None, 30],
        "pay": [0.0, 1000.0, -5.0],
        "member": [True, False, True],
        "city": pl.Series(["Rome", "Bonn", None], dtype=pl.Categorical),
        "size": [2.5, 1.0, 1.0],
        "day": [datetime(2024, 12, 31), datetime(2025, 1, 1, 12, 30), None],
    }
    expected = PREPROCESSING.encode(TABLE)
    np.testing.assert_array_equal(PREPROCESSING.encode(typed), expected)
    assert np.isfinite(expected).all()


@pytest.mark.parametrize("data", [None, 3, "text", [1, 2], {"a": [1, 2], "b": [1]}])
def test_what_is_no_frame_is_refused(data: Any) -> None:
    with pytest.raises(TableError, match="cannot be read as a table"):
        PREPROCESSING.encode(data)


def test_missing_columns_are_named_with_what_is_near() -> None:
    without = {name: cells for name, cells in TABLE.items() if name != "city"}
    with pytest.raises(TableError, match=r"the table lacks the column 'city', .* trained on; did you mean 'City'\?"):
        PREPROCESSING.encode(without | {"City": ["a", "b", "c"]})
    with pytest.raises(TableError, match="the table lacks 5 columns: 'pay', 'member', 'city', 'size', 'day'"):
        PREPROCESSING.encode({"age": [1]})


def test_new_columns_are_listed() -> None:
    assert PREPROCESSING.check_columns([*TABLE, "more", "y"], target="y") == ("more",)


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("age", "old", "row 2, column 'age' holds 'old', which is not a number"),
        ("age", "1,5", "row 2, column 'age' holds '1,5', a number with a decimal comma"),
        ("age", "inf", "row 2, column 'age' holds 'inf', which is not finite"),
        ("age", "1e300", "row 2, column 'age' holds 1e300, too far from the 40 ± 10 of training"),
        (
            "day",
            "2024-12-31",
            "row 2, column 'day' holds '2024-12-31', which is not a date as the others",
        ),
    ],
)
def test_cells_that_cannot_be_read(tmp_path: Path, column: str, cell: str, words: str) -> None:
    table = {name: list(cells) for name, cells in TABLE.items()}
    table[column][1] = cell
    with pytest.raises(TableError, match=f"the table, {words}"):
        PREPROCESSING.encode(table)
    pl.DataFrame(table).write_csv(tmp_path / "t.csv")
    (batch,) = open_table(str(tmp_path / "t.csv")).batches()
    with pytest.raises(TableError, match=words.replace("row 2", r"t\.csv, row 2 \(line 3\)")):
        PREPROCESSING.encode(batch)


def test_a_word_that_is_neither_yes_nor_no_is_missing_and_noted() -> None:
    table = {name: list(cells) for name, cells in TABLE.items()}
    table["member"][1] = "perhaps"
    notes = Notes()
    found = PREPROCESSING.encode(table, notes)
    table["member"][1] = ""
    np.testing.assert_array_equal(found, PREPROCESSING.encode(table))
    assert "column 'member' holds 'perhaps', which no training row has, in 1 of 3 rows" in notes.sentences()
    assert not any("'member', full in training" in sentence for sentence in notes.sentences())


def test_a_column_of_0_and_1_takes_other_numbers() -> None:
    preprocessing = Preprocessing.fit({"x": ["0", "1", "1", "0"], "y": ["a", "b", "a", "b"]})
    assert preprocessing.features[0] == Number("x", 0.0, 0.0, 1.0)
    assert preprocessing.encode({"x": ["2", "0.5", "0", ""], "y": ["a"] * 4})[:, 0].tolist() == [2.0, 0.5, 0.0, 0.0]


def test_notes_say_what_no_training_row_had() -> None:
    notes = Notes()
    for _ in range(2):
        PREPROCESSING.encode({**TABLE, "member": ["", "yes", "no"], "size": ["3", "4", "3"]}, notes)
    notes.new = ("a", "b")
    assert notes.rows == 6
    assert notes.sentences() == [
        "column 'city' holds 'Bonn', rare in training or new to it, in 2 of 6 rows",
        "column 'size' holds '3', '4', which no training row has, in 6 of 6 rows",
        "column 'member', full in training, is empty in 2 of 6 rows",
        "columns 'a', 'b' not used: not in the training table",
    ]


def test_a_description_makes_the_same_preprocessing() -> None:
    for text in (PREPROCESSING.to_json(), PREPROCESSING.to_json().encode(), PREPROCESSING.description()):
        again = Preprocessing.from_json(text)
        assert again == PREPROCESSING
        assert again.to_json() == PREPROCESSING.to_json()
    assert Preprocessing.from_json(Preprocessing(()).to_json()).width == 0


@pytest.mark.parametrize(
    "target", [ClassTarget("y", ("a", "b")), ClassTarget("y", ("0", "1"), True), NumberTarget("y", 1.0, 2.0)]
)
def test_a_description_makes_the_same_target(target: ClassTarget | NumberTarget) -> None:
    assert target_from_json(json.dumps(describe_target(target))) == target


def replaced(path: str, value: Any) -> Any:
    description = json.loads(PREPROCESSING.to_json())
    *keys, last = [int(key) if key.isdigit() else key for key in path.split("/")]
    place = description
    for key in keys:
        place = place[key]
    if value is Ellipsis:
        del place[last]
    else:
        place[last] = value
    return description


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("version", 2, "version 2; this release reads version 1"),
        ("version", "1", "'version' is '1'; it should be a whole number"),
        ("version", ..., "the preprocessing lacks 'version'"),
        ("more", 1, "the preprocessing has the unknown entry 'more'"),
        ("features", {}, "'features' is an object; it should be a list"),
        ("features/0", None, "feature 1 is None; it should be an object"),
        (
            "features/0/kind",
            "identifier",
            "of the unknown kind 'identifier'; it should be one of number, boolean, category, levels, text, date",
        ),
        ("features/0/name", 7, "feature 1: 'name' is 7; it should be text"),
        ("features/0/name", "", "feature 1: 'name' is ''; it should be text that is not empty"),
        ("features/0/name", "\ud800", "it should be text in Unicode"),
        ("features/0/name", "pay", "the column 'pay' twice"),
        ("features/0/fill", "3", "feature 'age': 'fill' is '3'; it should be a finite number"),
        ("features/0/fill", float("nan"), "'fill' is nan; it should be a finite number"),
        ("features/0/fill", True, "'fill' is True; it should be a finite number"),
        ("features/0/fill", 10**400, "'fill' is a huge number; it should be a finite number"),
        ("features/0/scale", 0, "'scale' is 0; it should be a positive, finite number"),
        ("features/0/scale", -1.0, "'scale' is -1.0; it should be a positive"),
        ("features/0/scale", ..., "feature 'age' lacks 'scale'"),
        ("features/0/flag_missing", 1, "'flag_missing' is 1; it should be true or false"),
        ("features/0/extra", 1, "feature 'age' has the unknown entry 'extra'"),
        ("features/1/unit", 0, "'unit' is 0; it should be a positive"),
        ("features/2/words", ["a"], "feature 'member': 'words' has 1 entries; it should have 2"),
        ("features/2/words", ["a", "a"], "'words' is ('a', 'a'); it should be different texts"),
        ("features/2/fill", 0.5, "feature 'member': 'fill' is 0.5; it should be 0 or 1"),
        ("features/3/levels", [], "feature 'city': 'levels' is (); it should be different texts, at least 1"),
        ("features/3/levels", ["a", ""], "feature 'city': 'levels'[1] is ''; it should be text that is not empty"),
        ("features/3/levels", ["a", "a"], "'levels' is ('a', 'a'); it should be different texts"),
        ("features/3/levels", "ab", "'levels' is 'ab'; it should be a list"),
        ("features/3/levels/0", 1, "'levels'[0] is 1; it should be text"),
        ("features/5/format", "stardate", "'format' is 'stardate'; it should be one of"),
        ("features/5/parts/0/name", "eon", "'name' is 'eon'; it should be one of time, year"),
        ("features/5/parts/1/name", "time", "it should be different parts of a date"),
        ("features/5/fill", 1.5, "'fill' is 1.5; it should be a whole number"),
        ("features/5/fill", 10**30, "it should be a whole number"),
        ("left_out/0/kind", "secret", "'kind' is 'secret'; it should be one of number"),
        ("left_out/0/name", "age", "the column 'age' twice"),
    ],
)
def test_a_false_description_is_refused(path: str, value: Any, words: str) -> None:
    with pytest.raises(TableError) as caught:
        Preprocessing.from_json(replaced(path, value))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", "null", '"x"', "[" * 100_000, '{"a":' * 100_000, b"\xff\xfe", "9" * 9999]
)
def test_what_is_no_description_is_refused(text: str | bytes) -> None:
    for read in (Preprocessing.from_json, target_from_json):
        with pytest.raises(TableError):
            read(text)


@pytest.mark.parametrize(
    "value",
    [
        {"task": "ranking", "name": "y"},
        {"task": "classification", "name": "y", "classes": ["a"], "numeric": False},
        {"task": "classification", "name": "y", "classes": ["a", "b"], "numeric": True},
        {"task": "classification", "name": "y", "classes": ["1", "1.0"], "numeric": True},
        {"task": "classification", "name": "y", "classes": ["1", "inf"], "numeric": True},
        {"task": "regression", "name": "y", "mean": 0.0, "scale": 0.0},
        {"task": "regression", "name": "y", "mean": 0.0, "scale": 1.0, "classes": []},
    ],
)
def test_a_false_target_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(TableError):
        target_from_json(value)


words = st.text(max_size=4) | st.sampled_from(["number", "date", "time", "kind", "name"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, start: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [start, *(path for key, part in inner for path in paths(part, (*start, key)))]


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_no_description_raises_anything_else(data: st.DataObject) -> None:
    for original, read in (
        (PREPROCESSING.description(), Preprocessing.from_json),
        (describe_target(ClassTarget("y", ("0", "1"), True)), target_from_json),
        (describe_target(NumberTarget("y", 1.0, 2.0)), target_from_json),
    ):
        description: Any = {"it": json.loads(json.dumps(original))}
        for _ in range(data.draw(st.integers(1, 3))):
            path = data.draw(st.sampled_from(paths(description["it"], ("it",))))
            place = description
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = data.draw(values)
        try:
            found = read(description["it"])
        except ChainruleError as error:
            message = str(error)
        else:
            message = "read"
            if isinstance(found, Preprocessing):
                assert Preprocessing.from_json(found.to_json()) == found
        assert len(message.splitlines()) == 1


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60))
def test_no_text_raises_anything_else(text: str | bytes) -> None:
    with pytest.raises(TableError):
        Preprocessing.from_json(text)


def test_without_polars_the_command_that_installs_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    code = (
        "import sys; sys.modules['polars'] = None\n"
        "from chainrule.tables import open_table, Preprocessing\n"
        "from chainrule.words import MissingDependencyError\n"
        f"try: open_table({str(tmp_path / 't.csv')!r})\n"
        "except MissingDependencyError as error: print(error)"
    )
    assert script(code).strip() == "reading tables needs polars; install it with pip install 'chainrule[tables]'"
