"""Estimators that take tables: what they do is what the command does."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from support.exported import load

from chainrule.estimators import ParameterError, TabularClassifier, TabularRegressor
from chainrule.models import load_model

RANDOM = np.random.default_rng(0)
ROWS = 150
TABLE = pd.DataFrame(
    {
        "a": np.where(np.arange(ROWS) % 9 == 4, np.nan, RANDOM.standard_normal(ROWS)),
        "kind": pd.Categorical(RANDOM.choice(["x", "y", "z"], ROWS)),
        "on": RANDOM.random(ROWS) < 0.5,
        "text": RANDOM.choice(["u", "v"], ROWS),
        "day": pd.date_range("2020-01-01", periods=ROWS),
        "same": 1,
    }
)
SIZE = TABLE["a"].fillna(0.0) + 2.0 * (TABLE["kind"] == "x")
FEW: dict[str, Any] = {"hidden_layer_sizes": (8,), "ensemble": 2, "max_epochs": 40, "learning_rate": 0.02}


def test_a_classifier_of_a_data_frame(tmp_path: Path) -> None:
    labels = np.where(SIZE > 1, 7, -3)
    model = TabularClassifier(**FEW, random_state=1).fit(TABLE, labels)
    assert model.columns_["kind"] == "category"
    assert model.columns_["day"] == "date"
    assert model.columns_["same"].startswith("left out")
    assert model.classes_.tolist() == [-3, 7]
    assert model.score(TABLE, labels) > 0.9
    shares = model.predict_proba(TABLE)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert model.predict(TABLE).dtype == labels.dtype
    assert model.to_model().architecture["penalty_rows"] == ROWS

    for same in (pickle.loads(pickle.dumps(model)), TabularClassifier(**FEW, random_state=1).fit(TABLE, labels)):
        assert same.predict_proba(TABLE).tobytes() == shares.tobytes()
    assert model.predict_proba(pl.from_pandas(TABLE)).tobytes() == shares.tobytes()
    model.save(tmp_path / "model")
    assert list(load_model(tmp_path / "model").predict(TABLE)) == list(model.predict(TABLE))
    path, _ = model.export("numpy", tmp_path / "net.py")
    cells = {name: pl.from_pandas(TABLE)[name].cast(pl.String).to_list() for name in TABLE.columns}
    np.testing.assert_allclose(load(Path(path)).probabilities(cells), shares, atol=1e-5)


def test_a_regressor_of_a_data_frame_predicts_in_the_units_of_the_target() -> None:
    price = 1000 + 50 * SIZE
    model = TabularRegressor(**FEW, random_state=0, loss="huber", kinds={"on": "category"}).fit(TABLE, price)
    assert model.score(TABLE, price) > 0.9
    assert model.columns_["on"] == "category"
    without = TabularRegressor(**FEW, random_state=0, refit=False, drop=["text"]).fit(TABLE, price)
    preprocessing = without.to_model().preprocessing
    assert preprocessing is not None
    assert "text" not in preprocessing.groups
    assert without.to_model().architecture["penalty_rows"] < ROWS


def test_spellings_of_a_level_are_merged_where_asked() -> None:
    table = pd.DataFrame({"kind": ["big", "BIG ", "small", "big"] * 40})
    merged, apart = (
        TabularRegressor((2,), ensemble=1, max_epochs=2, random_state=0, merge_spellings=merge).fit(table, range(160))
        for merge in (True, False)
    )
    fitted = [model.to_model().preprocessing for model in (merged, apart)]
    assert [None if each is None else each.width for each in fitted] == [2, 3]
    first, second, _, _ = merged.predict(table.head(4))
    assert first == second


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ensemble": 0}, "ensemble is 0"),
        ({"alpha": -1.0}, "alpha is -1"),
        ({"solver": "magic"}, "solver is 'magic'"),
        ({"normalization": "group"}, "normalization is 'group'"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes is 0"),
        ({"merge_spellings": "yes"}, "merge_spellings is 'yes'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        TabularRegressor(**settings).fit(TABLE, SIZE)


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="one class"):
        TabularClassifier(**FEW).fit(TABLE, ["a"] * ROWS)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        TabularClassifier(**FEW).fit(TABLE, ["a", "b"])
    with pytest.raises(ValueError, match="give numbers"):
        TabularRegressor(**FEW).fit(TABLE, ["a", "b"] * (ROWS // 2))
    with pytest.raises(ValueError, match="is a dict"):
        TabularRegressor(**FEW).fit({"x": [1.0, 2.0]}, [1.0, 2.0])
