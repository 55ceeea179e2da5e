"""Levels and classes that differ only in case or blanks: named with their counts, and merged on request, everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chainrule.exports import export_model
from chainrule.exports.cells import level_columns
from chainrule.models import Model
from chainrule.networks import Architecture
from chainrule.tables import (
    Category,
    ClassTarget,
    Conventions,
    FrameSource,
    Preprocessing,
    TableError,
    as_frame,
    feature_values,
    prepare,
)

CITIES = ["New York", "new  york", "NEW YORK", "Oslo", "Rome", "New York"]
WON = ["Yes", "no", "yes", "Yes", "NO", "no"]


def prepared(merge: bool) -> tuple[Any, Any]:
    table = as_frame({"city": CITIES * 8, "won": WON * 8})
    return table, prepare(FrameSource(table), "won", conventions=Conventions(merge=merge))


def test_spellings_are_told_with_their_counts() -> None:
    _, found = prepared(merge=False)
    of_classes = "rows are different classes of 'won'; if they mean the same, --merge-spellings makes one of them"
    assert sorted(found.notes) == [
        "'New York' in 16 and 'NEW YORK' in 8 and 'new  york' in 8 cells of 'city' are different levels; "
        "--merge-spellings makes one of them",
        f"'Yes' in 16 and 'yes' in 8 {of_classes}",
        f"'no' in 16 and 'NO' in 8 {of_classes}",
    ]
    assert isinstance(found.target, ClassTarget)
    assert len(found.target.classes) == 4


def test_merged_spellings_are_one_level_in_predictions_and_exports(tmp_path: Path) -> None:
    table, found = prepared(merge=True)
    assert isinstance(found.target, ClassTarget)
    assert found.target.classes == ("Yes", "no")
    assert found.class_counts == {"Yes": 24, "no": 24}
    assert "'no' in 16 and 'NO' in 8 rows are taken for the class 'no' of 'won'" in found.notes
    assert found.target.encode(pl.Series(["YES", " no", "No"])).tolist() == [0, 1, 1]
    preprocessing = Preprocessing.from_json(found.preprocessing.to_json())
    (city,) = preprocessing.features
    assert isinstance(city, Category)
    assert city.levels == ("New York", "Oslo", "Rome")
    assert feature_values(city, table["city"]).tolist() == [0, 0, 0, 1, 2, 0] * 8
    assert [level_columns(city)[0][text] for text in CITIES] == [0, 0, 0, 1, 2, 0]
    assert (
        "'New York' in 16 and 'NEW YORK' in 8 and 'new  york' in 8 cells of 'city' are taken for 'New York'"
        in found.notes
    )
    architecture = Architecture(preprocessing.width, (2,), 1)
    model = Model.of(architecture, architecture.initial(0), preprocessing)
    (module, *_) = export_model(model, "numpy", str(tmp_path / "net.py"))
    scope: dict[str, Any] = {"__name__": "net", "__file__": module}
    exec(compile(Path(module).read_text(), module, "exec"), scope)
    given = np.ravel(scope["predict"]({"city": CITIES}))
    np.testing.assert_allclose(given, np.ravel(model.predict_frame(as_frame({"city": CITIES})).predictions), rtol=1e-5)


def test_each_level_has_a_sentence_of_its_own() -> None:
    table = as_frame({"city": [*CITIES, "OSLO", "x"] * 6, "won": ["p", "q"] * 24})
    notes = prepare(FrameSource(table), "won").notes
    assert [note.count("--merge-spellings") for note in notes] == [1, 1]


def test_a_spelling_of_no_level_is_refused() -> None:
    description = prepared(merge=True)[1].preprocessing.description()
    description["features"][0]["spellings"][0]["place"] = 3
    with pytest.raises(TableError, match="has a spelling of no level"):
        Preprocessing.from_json(description)
