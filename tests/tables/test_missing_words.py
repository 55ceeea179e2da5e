"""Words such as NA, None and unknown: missing values or ordinary ones, depending on the other cells."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chainrule.exports import export_model
from chainrule.models import Model
from chainrule.networks import Architecture
from chainrule.tables import ClassTarget, Number, Preprocessing, TableError, open_table, prepare, preparing
from chainrule.tables.averages import fold_of
from chainrule.tables.conventions import read_conventions
from chainrule.tables.sampling import mixed

DRAWN = np.random.default_rng(1).normal(size=400).round(3)


def table(tmp_path: Path, cells: list[str], name: str = "y") -> str:
    path = tmp_path / "data.csv"
    path.write_text(f"x,{name}\n" + "".join(f"{x},{cell}\n" for x, cell in zip(DRAWN, cells, strict=False)))
    return str(path)


@pytest.mark.parametrize("word", ["None", "NA", "nan", "null", "N/A", "-", "?", "none"])
@pytest.mark.parametrize("others", [["yes", "no"], ["Some", "Marked"], ["A"]])
def test_a_word_among_classes_is_a_class_and_said_to_be(tmp_path: Path, word: str, others: list[str]) -> None:
    cells = [word, *others] * 30
    prepared = prepare(open_table(table(tmp_path, cells)), "y")
    assert isinstance(prepared.target, ClassTarget)
    assert set(prepared.target.classes) == {word, *others}
    assert prepared.class_counts == Counter(cells)
    assert len(prepared.y) + len(prepared.y_held) == len(cells)
    assert any(f"{word!r} in 30 of {len(cells)} rows is taken for a class" in note for note in prepared.notes)
    places = prepared.target.encode(next(iter(open_table(table(tmp_path, cells)).batches())).frame["y"])
    assert prepared.target.decode(places) == cells


def test_rows_with_a_rare_word_are_left_out_unless_classes_are_asked_for(tmp_path: Path) -> None:
    path = table(tmp_path, ["yes", "no"] * 150 + ["NA"])
    prepared = prepare(open_table(path), "y")
    assert (prepared.class_counts, prepared.row_count) == ({"yes": 150, "no": 150}, 300)
    assert prepared.notes[:2] == (
        "1 of 301 rows has no value of 'y' and is left out",
        "'NA' in 1 rows is taken for no value of 'y'; --task classification makes it a class",
    )
    prepared = prepare(open_table(path), "y", task="classification")
    assert prepared.class_counts["NA"] == 1
    with pytest.raises(TableError, match=r"row 1 \(line 2\), column 'y' holds 'yes', which is not a number"):
        prepare(open_table(path), "y", task="regression")


def test_words_among_the_numbers_of_a_target_are_left_out_and_said(tmp_path: Path) -> None:
    numbers = [f"{x * x:.4f}" for x in DRAWN[:90]]
    for words in (["unknown"], ["sold", "sold"]):
        prepared = prepare(open_table(table(tmp_path, [*numbers, *words])), "y")
        assert (prepared.target.task, prepared.row_count) == ("regression", 90)
        assert f"{words[0]!r} in {len(words)} rows, among numbers, is taken for no value of 'y'" in prepared.notes
    with pytest.raises(TableError, match=r"row 91 \(line 92\), column 'y' holds 'sold', which is not a number"):
        prepare(open_table(table(tmp_path, [*numbers, "sold"])), "y")


def test_a_few_texts_among_few_whole_numbers_are_classes_too(tmp_path: Path) -> None:
    for groups in (["0", "1", "2", "3+"] * 20, ["3", "4", "6"] * 20 + ["rotary"]):
        prepared = prepare(open_table(table(tmp_path, groups)), "y")
        assert isinstance(prepared.target, ClassTarget)
        assert set(prepared.target.classes) == set(groups)
    for odd in (["3", "4", "6"] * 20 + ["3x"], ["3.5", "4.1", "6.2"] * 20 + ["3x"] * 2):
        with pytest.raises(TableError, match="'3x', which is not a number"):
            prepare(open_table(table(tmp_path, odd)), "y")


def test_repeated_infinities_are_missing_and_a_single_one_is_a_mistake(tmp_path: Path) -> None:
    cells = [f"{x}" for x in DRAWN[:60]]
    found = Preprocessing.fit(open_table(table(tmp_path, [*cells, "Inf", "inf"], "a"))).features[1]
    assert isinstance(found, Number)
    assert (found.words, found.flag_missing) == (("Inf", "inf"), True)
    for odd in (["Inf"], ["1e999", "1e999"]):
        with pytest.raises(TableError, match="which is not finite"):
            Preprocessing.fit(open_table(table(tmp_path, [*cells, *odd], "a")))


def test_codes_that_repeat_among_numbers_are_levels(tmp_path: Path) -> None:
    numbers = [str(k) for k in range(100, 140)] * 5
    found = Preprocessing.fit(open_table(table(tmp_path, [*numbers, *["107a", "107b"] * 4], "a"))).features[1]
    assert found.kind == "category"
    with pytest.raises(TableError, match="'107a', which is not a number, unlike 200 of 202 cells"):
        Preprocessing.fit(open_table(table(tmp_path, [*numbers, "107a", "107b"], "a")))


def test_empty_cells_are_never_a_class(tmp_path: Path) -> None:
    prepared = prepare(open_table(table(tmp_path, ["None", "yes", " "] * 20)), "y")
    assert prepared.class_counts == {"None": 20, "yes": 20}
    assert prepared.notes[0] == "20 of 60 rows have no value of 'y' and are left out"


@pytest.mark.parametrize("task", [None, "regression"])
@pytest.mark.parametrize("numbers", [["1.5", "2.25"], ["0", "1"]])
@pytest.mark.parametrize("word", ["NA", "", "none of it"])
def test_rows_without_a_number_are_left_out(tmp_path: Path, task: Any, numbers: list[str], word: str) -> None:
    path = table(tmp_path, [*numbers, word] * 30)
    conventions = read_conventions(["none of it"])
    prepared = prepare(open_table(path), "y", task=task, held_out=0.0, conventions=conventions)
    features = np.array([each for k, each in enumerate(DRAWN[:90]) if k % 3 < 2])
    np.testing.assert_allclose(prepared.X[:, 0], (features - features.mean()) / features.std(), atol=1e-6)
    could_be_a_class = task is None and numbers == ["0", "1"]
    decoded: Any = prepared.target.decode(prepared.y)
    assert list(map(float, decoded)) == pytest.approx(list(map(float, numbers * 30)))
    assert isinstance(prepared.target, ClassTarget) == could_be_a_class
    assert prepared.notes[0] == "30 of 90 rows have no value of 'y' and are left out"
    assert any("--task classification" in note for note in prepared.notes) == (could_be_a_class and word == "NA")


def test_rows_without_a_target_change_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row numbers are those of the table, which a count of rows and the folds of averages go by, in memory or not."""
    random = np.random.default_rng(2)
    towns = [f"t{k}" for k in random.integers(0, 60, 2_000)]
    target = [None if k % 7 == 3 else f"{len(town)}.5" if k % 2 else "1.25" for k, town in enumerate(towns)]
    frame = pl.DataFrame({"row": range(2_000), "town": towns, "x": random.normal(size=2_000), "y": target})
    frame.write_csv(tmp_path / "data.csv")
    folded: list[Any] = []

    def noted(rows: Any, seed: int) -> Any:
        folded.append(rows)
        return fold_of(rows, seed)

    monkeypatch.setattr(preparing, "fold_of", noted)
    whole = prepare(open_table(str(tmp_path / "data.csv")), "y", held_out=0.0)
    there = np.array([k for k in range(2_000) if k % 7 != 3])
    np.testing.assert_array_equal(folded, [there, there])  # in fitting and in encoding
    assert [left.name for left in whole.preprocessing.left_out] == ["row"]
    monkeypatch.setattr(preparing, "row_limit", lambda columns: 1_900)
    streamed = prepare(open_table(str(tmp_path / "data.csv")), "y", held_out=0.0)
    np.testing.assert_array_equal(folded[-1], there)
    for ready in (whole, streamed):
        assert len(ready.y) == ready.row_count == len(there)
        assert ready.notes[0].startswith("286 of 2,000 rows have no value")
    row = int(there[mixed(there, 0) >> np.uint64(63) == 1][-1])  # in the half that the sample has not
    cells = frame["x"].to_list()
    frame.with_columns(x=pl.Series(map(str, [*cells[:row], "big", *cells[row + 1 :]]))).write_csv(tmp_path / "bad.csv")
    for limit in (1_900, 20_000):
        monkeypatch.setattr(preparing, "row_limit", lambda columns, limit=limit: limit)
        with pytest.raises(TableError, match=rf"row {row + 1:,} \(line {row + 2:,}\), column 'x' holds 'big'"):
            prepare(open_table(str(tmp_path / "bad.csv")), "y", kinds={"x": "number"})


def test_rows_of_a_validation_table_without_a_target_are_left_out(tmp_path: Path) -> None:
    source = table(tmp_path, ["yes", "no"] * 30)
    (tmp_path / "other").mkdir()
    other = table(tmp_path / "other", ["yes", "NA", ""] * 10)
    prepared = prepare(open_table(source), "y", validation=open_table(other))
    assert prepared.y_validation is not None
    assert prepared.y_validation.tolist() == [1] * 10
    assert prepared.notes[-1] == f"{other}: 20 of 30 rows have no value of 'y' and are left out"


@pytest.mark.parametrize("cells", [["None", "1", "2"], ["NA", "0"], ["null", "1.0", "2.5"], ["-", "01", "1"]])
def test_a_word_among_numbers_is_a_class_if_classes_are_asked_for(tmp_path: Path, cells: list[str]) -> None:
    path = table(tmp_path, cells * 30)
    prepared = prepare(open_table(path), "y", task="classification")
    assert isinstance(prepared.target, ClassTarget)
    assert set(prepared.target.classes) == set(cells)
    assert prepared.class_counts == dict.fromkeys(cells, 30)
    assert any(f"{cells[0]!r} in 30 of" in note for note in prepared.notes)
    places = prepared.target.encode(next(iter(open_table(path).batches())).frame["y"])
    assert prepared.target.decode(places) == cells * 30


def test_a_word_of_the_validation_table_that_is_no_class(tmp_path: Path) -> None:
    training = open_table(table(tmp_path, ["yes", "no"] * 30))
    target = prepare(training, "y").target
    (tmp_path / "other").mkdir()
    other = open_table(table(tmp_path / "other", ["yes", "NA"] * 30))
    with pytest.raises(TableError, match="holds 'NA', which means no value; fill in a class"):
        next(iter(other.batches())).read("y", target.encode)


def test_classes_that_differ_by_capitals_are_named(tmp_path: Path) -> None:
    prepared = prepare(open_table(table(tmp_path, ["Yes", "yes", "no", "YES"] * 20)), "y")
    assert prepared.notes == (
        "'YES' in 20 and 'Yes' in 20 and 'yes' in 20 rows are different classes of 'y'; if they mean the same, "
        "--merge-spellings makes one of them",
    )


@pytest.mark.parametrize("share", [0.02, 0.05, 0.17, 0.49, 0.8])
@pytest.mark.parametrize("words", [["unknown"], ["refused", "don't know"]])
def test_words_among_many_numbers_are_no_value(tmp_path: Path, share: float, words: list[str]) -> None:
    random = np.random.default_rng(0)
    cells = [str(random.choice(words)) if random.random() < share else f"{random.normal():.3f}" for _ in range(400)]
    path = table(tmp_path, cells, "a")
    fitted = Preprocessing.fit(open_table(path))
    number = fitted.features[1]
    assert isinstance(number, Number)
    assert (set(number.words), number.flag_missing) == (set(words), True)
    assert Preprocessing.from_json(fitted.to_json()) == fitted
    encoded = fitted.encode({"x": ["0", "0", "0"], "a": [words[0], "", "1.5"]})
    np.testing.assert_array_equal(encoded[0], encoded[1])
    assert encoded[2, 2] == 0
    with pytest.raises(TableError, match="'lost', which is not a number"):
        fitted.encode({"x": ["0"], "a": ["lost"]})
    asked = Preprocessing.fit(open_table(path), kinds={"a": "category"}).features[1]
    assert asked.kind == "category"


def test_what_is_taken_for_no_value_is_said(tmp_path: Path) -> None:
    cells = ["unknown" if k % 10 == 0 else f"{DRAWN[k]}" for k in range(400)]
    path = tmp_path / "data.csv"
    path.write_text("a,y\n" + "".join(f"{cell},{'ab'[k % 2]}\n" for k, cell in enumerate(cells)))
    assert prepare(open_table(str(path)), "y").notes == (
        "'unknown' in 40 of 400 cells of 'a', which holds numbers, is taken for no value; --kind a=category makes "
        "levels of all of them",
    )


def test_what_else_stands_among_numbers_is_no_word_for_nothing(tmp_path: Path) -> None:
    once = [*map(str, DRAWN[:99]), "about"]
    with pytest.raises(TableError, match="'about', which is not a number, unlike 99 of 100 cells"):
        Preprocessing.fit(open_table(table(tmp_path, once, "a")))
    levels = Preprocessing.fit(open_table(table(tmp_path, ["1", "2", "3+", "more"] * 30, "a"))).features[1]
    assert levels.kind == "category"
    codes = Preprocessing.fit(open_table(table(tmp_path, [f"{k}" for k in range(60)] + ["A7"] * 60, "a")))
    assert all(getattr(feature, "words", ()) == () for feature in codes.features)


def test_an_exported_module_reads_the_words_too(tmp_path: Path) -> None:
    preprocessing = Preprocessing((Number("a", 0.5, 0.0, 2.0, flag_missing=True, words=("unknown",)),))
    architecture = Architecture(2, (2,), 1)
    model = Model.of(architecture, architecture.initial(0), preprocessing)
    (module, *_) = export_model(model, "numpy", str(tmp_path / "net.py"))
    scope: dict[str, Any] = {"__name__": "net", "__file__": module}
    exec(compile(Path(module).read_text(), module, "exec"), scope)
    answers = np.asarray(scope["predict"]({"a": ["unknown", "", "0.5"]}))
    np.testing.assert_array_equal(answers[0], answers[1])
    assert (answers[0] != answers[2]).all()
