"""Accepted inputs: sparse matrices, tables, lists, views; others are rejected in one sentence."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.exceptions import DataConversionWarning

from chainrule.estimators import MLPClassifier, MLPRegressor, inputs
from chainrule.estimators.inputs import Table

Array = NDArray[Any]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
X = np.random.default_rng(0).normal(size=(40, 3))
LABELS = np.where(X[:, 0] > 0, "a", "b")
COLUMNS = {"one": X[:, 0], "two": X[:, 1], "three": X[:, 2]}
PLAIN = MLPClassifier(**SETTINGS)


@pytest.fixture(scope="module", autouse=True)
def _fitted() -> None:
    with pytest.warns(UserWarning, match="before it converged"):
        PLAIN.fit(X, LABELS)


@pytest.mark.parametrize("make", [sp.csr_matrix, sp.csc_array, sp.coo_array])
def test_sparse_rows_are_the_same_rows(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for large in (inputs.LARGE, 0):
        monkeypatch.setattr(inputs, "LARGE", large)
        monkeypatch.setattr(inputs, "_ROWS_TOGETHER", 20)
        model = MLPClassifier(**SETTINGS).fit(make(X), LABELS)
        np.testing.assert_array_equal(model.coefs_[0], PLAIN.coefs_[0])
        np.testing.assert_allclose(model.predict_proba(make(X)), PLAIN.predict_proba(X), rtol=1e-12)
    stopping = {**SETTINGS, "early_stopping": True}
    sparse, dense = (MLPClassifier(**stopping).fit(each, LABELS) for each in (make(X), X))
    assert sparse.validation_scores_ == dense.validation_scores_


def test_a_large_sparse_matrix_lies_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "LARGE", 100)
    written = inputs.dense(sp.csr_array(X), np.float32)
    assert isinstance(written, np.memmap)
    np.testing.assert_array_equal(written, X.astype(np.float32))
    assert inputs.dense(X, np.float64) is X


def test_sparse_labels_come_back_sparse() -> None:
    labels = sp.csr_matrix((X > 0).astype(int))
    found: Any = MLPClassifier(**SETTINGS).fit(X, labels).predict(X)
    dense = MLPClassifier(**SETTINGS).fit(X, labels.toarray())
    np.testing.assert_array_equal(found.toarray(), dense.predict(X))


@pytest.mark.parametrize(
    ("table", "labels"),
    [
        (pd.DataFrame(COLUMNS), pd.Series(LABELS)),
        (pd.DataFrame(COLUMNS).convert_dtypes(dtype_backend="pyarrow"), pd.Series(LABELS, dtype="category")),
        (pl.DataFrame(COLUMNS), pl.Series(LABELS)),
        (pa.table(COLUMNS), pa.chunked_array([LABELS.tolist()])),
    ],
    ids=["pandas", "pandas on Arrow", "polars", "Arrow"],
)
def test_tables_bring_their_names(table: Any, labels: Any) -> None:
    model = MLPClassifier(**SETTINGS).fit(table, labels)
    np.testing.assert_array_equal(model.coefs_[0], PLAIN.coefs_[0])
    assert model.feature_names_in_.tolist() == ["one", "two", "three"]
    np.testing.assert_array_equal(model.predict(table), PLAIN.predict(X))
    assert model.score(table, labels) == PLAIN.score(X, LABELS)
    with pytest.warns(UserWarning, match="valid feature names"):
        model.predict(X)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(pd.DataFrame(COLUMNS)[["two", "one", "three"]])
    one_epoch = MLPClassifier(**SETTINGS).partial_fit(table, labels, classes=["a", "b"])
    assert one_epoch.feature_names_in_.tolist() == ["one", "two", "three"]


def test_names_where_scikit_learn_does_not_see_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "READS_TABLES", False)
    named = inputs.with_names(pl.DataFrame(COLUMNS))
    assert isinstance(named, Table)
    assert (named.shape, len(named)) == ((40, 3), 40)
    assert named.__dataframe__().column_names() == ["one", "two", "three"]
    np.testing.assert_array_equal(np.asarray(named), X)
    assert np.array(named, copy=True) is not named.numbers
    assert inputs.with_names(X) is X
    with pytest.raises(ValueError, match=r"LazyFrame of polars, which has no rows yet; give X.collect\(\)"):
        MLPRegressor(**SETTINGS).fit(pl.LazyFrame(COLUMNS), X[:, 0])


def test_views_and_other_layouts_are_taken_as_they_lie() -> None:
    wide = np.zeros((40, 6), order="F")
    wide[:, ::2] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    for given in (wide[:, ::2], np.asfortranarray(X), frozen, X.astype(object), X.tolist(), X[::-1][::-1]):
        model = MLPClassifier(**SETTINGS).fit(given, LABELS)
        np.testing.assert_array_equal(model.coefs_[0], PLAIN.coefs_[0])
        np.testing.assert_array_equal(model.predict(given), PLAIN.predict(X))


def test_a_column_of_targets_is_taken_with_a_word() -> None:
    with pytest.warns(DataConversionWarning):
        model = MLPClassifier(**SETTINGS).fit(X, LABELS[:, None])
    np.testing.assert_array_equal(model.coefs_[0], PLAIN.coefs_[0])
    with pytest.warns(DataConversionWarning):
        assert MLPRegressor(**SETTINGS).fit(X, X[:, :1]).predict(X).shape == (40,)


def test_predictions_are_checked_as_scikit_learn_checks_them() -> None:
    with pytest.raises(ValueError, match="NaN"):
        PLAIN.predict(np.where(X > 1, np.nan, X))
    with pytest.raises(ValueError, match="X has 2 features, but MLPClassifier is expecting 3"):
        PLAIN.predict(X[:, :2])
    with pytest.raises(ValueError, match="0 sample"):
        PLAIN.predict(X[:0])
    with pytest.raises(ValueError, match="Expected 2D array"):
        PLAIN.predict(X[0])
    assert PLAIN.predict(X[:1]).shape == (1,)
    np.testing.assert_array_equal(PLAIN.predict_proba(X.astype(np.float32)).dtype, np.float64)


@pytest.mark.parametrize(
    ("X_given", "y", "weights", "sentence"),
    [
        (np.where(X > 1, np.inf, X), LABELS, None, "infinity"),
        (X, LABELS[:-1], None, r"\[40, 39\]"),
        (X, X[:, 0], None, "Unknown label type"),
        (X, np.where(X[:, 0] > 0, np.nan, 1.0), None, "NaN"),
        (X, LABELS, np.ones(3), "sample_weight.shape"),
        (X, LABELS, np.zeros(40), "zero"),
        (X, LABELS, np.full(40, np.nan), "NaN"),
        (X, LABELS, -np.ones(40), "finite numbers of at least 0"),
        (X + 1j, LABELS, None, "Complex"),
    ],
)
def test_data_that_do_not_fit_are_refused(X_given: Any, y: Any, weights: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MLPClassifier(**SETTINGS).fit(X_given, y, sample_weight=weights)


def test_validation_data_that_do_not_fit_are_refused() -> None:
    for held, sentence in (
        ((X[:5], LABELS[:4]), r"5 rows in X and y of shape \(4,\)"),
        ((X[:5, :2], LABELS[:5]), "X has 2 features"),
        ((X[:5], np.full(5, "z")), r"y has the classes \['z'\]"),
        ((X[:5],), r"should be None, \(X, y\) or \(X, y, sample_weight\)"),
    ):
        with pytest.raises(ValueError, match=sentence):
            MLPClassifier(validation_data=held, **SETTINGS).fit(X, LABELS)
    with pytest.raises(ValueError, match="y of the validation data has 2 columns, and y has 1"):
        MLPRegressor(validation_data=(X, X[:, :2]), **SETTINGS).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="belong together"):
        MLPClassifier(**SETTINGS).fit(X, LABELS, X_val=X)
    with pytest.raises(ValueError, match="fewer than two"):
        MLPRegressor(early_stopping=True, validation_fraction=0.01, **SETTINGS).fit(X, X[:, 0])


def test_without_scikit_learn_one_line_says_what_to_install() -> None:
    code = "import sys; sys.modules['sklearn'] = None\nimport chainrule.estimators"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    last = found.stderr.strip().splitlines()[-1]
    assert "the estimators need scikit-learn 1.7 or later" in last
    assert "pip install 'chainrule[tables]'" in last
