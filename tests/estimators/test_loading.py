"""Estimators restored from files, including labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import clone

import chainrule as cr
from chainrule.estimators import MLPClassifier, MLPRegressor, ParameterError
from chainrule.models import ModelError, load_model

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((60, 3))
PLACES = X.argmax(axis=1)
LABELS: dict[str, NDArray[Any]] = {
    **{name: PLACES.astype(name) for name in ("int64", "int32", "uint8", "int8", "float64", "float32")},
    "bool": PLACES == 1,
    "negative": PLACES - 1,
    "large": PLACES + 2**60,
    "str": np.array(["a", "bb", ""])[PLACES],
    "object": np.array(["a", "bb", "None"], object)[PLACES],
    "digits": np.array(["1", "01", "2"])[PLACES],
    "datetime": np.array(["2020-01-01", "2020-02-01", "2021-01-01"], "datetime64[D]")[PLACES],
    "truths": np.array(["True", "False"])[PLACES % 2],
}
SMALL: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 30, "random_state": 0, "learning_rate_init": 0.05}


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("framed", [False, True])
def test_a_loaded_model_answers_labels_of_their_own_dtype(name: str, framed: bool, tmp_path: Path) -> None:
    rows = pd.DataFrame(X, columns=["a", "b", "c"]) if framed else X
    estimator = MLPClassifier(**SMALL).fit(rows, LABELS[name])
    estimator.save(tmp_path / "model")
    model = load_model(tmp_path / "model")
    wanted = estimator.predict(rows)
    found = model.predict(rows)
    assert isinstance(found, np.ndarray)
    assert found.dtype == wanted.dtype == estimator.classes_.dtype
    assert [type(label) for label in found.tolist()] == [type(label) for label in wanted.tolist()]
    np.testing.assert_array_equal(found, wanted)
    assert np.mean(found == LABELS[name]) > 0.5
    again = MLPClassifier.load(tmp_path / "model")
    assert again.classes_.dtype == estimator.classes_.dtype
    np.testing.assert_array_equal(again.classes_, estimator.classes_)
    np.testing.assert_array_equal(again.predict(rows), wanted)


@pytest.mark.parametrize(
    ("cls", "settings", "y"),
    [
        (MLPClassifier, {"n_iter_no_change": np.inf, "alpha": 0.5}, PLACES),
        (MLPClassifier, {"normalization": "batch", "dropout": [0.1], "activation": ["tanh"]}, PLACES > 0),
        (MLPClassifier, {}, (X > 0).astype(int)),
        (MLPRegressor, {"loss": "quantile", "quantile": [0.1, 0.9]}, X[:, 0]),
        (MLPRegressor, {"dtype": "float32", "hidden_layer_sizes": ()}, X[:, :2]),
        (MLPRegressor, {"loss": "(p - y)^2"}, X[:, 0]),
    ],
)
def test_a_loaded_estimator_predicts_and_goes_on(cls: Any, settings: Any, y: Any, tmp_path: Path) -> None:
    estimator = cls(**{**SMALL, **settings}).fit(X, y)
    estimator.save(tmp_path / "model")
    loaded = cls.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))
    assert loaded.score(X, y) == estimator.score(X, y)
    for parameter, value in estimator.get_params().items():
        found = loaded.get_params()[parameter]
        assert (list(found) if np.ndim(found) else found) == (list(value) if np.ndim(value) else value)
    assert loaded.n_features_in_ == 3
    assert len(loaded.partial_fit(X, y).loss_curve_) == 1
    assert loaded.set_params(warm_start=True).fit(X, y).loss_curve_[-1] <= loaded.loss_curve_[0]
    assert not hasattr(clone(loaded), "coefs_")


def test_what_is_no_such_estimator_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model"
    cr.save_model(path, cr.MLP([3, 1], seed=0))
    with pytest.raises(ParameterError, match=r"not of an estimator, .*load_model\(path\) reads any"):
        MLPRegressor.load(path)
    cr.save_model(path, MLPRegressor(**SMALL).fit(X, X[:, 0]))
    with pytest.raises(ParameterError, match="of MLPRegressor, and MLPClassifier"):
        MLPClassifier.load(path)
    MLPRegressor(activation=lambda z: np.sin(z), **SMALL).fit(X, X[:, 0]).save(path)
    with pytest.raises(ModelError, match="give the function itself"):
        MLPRegressor.load(path)


def test_rows_too_large_are_refused_and_not_the_first_class() -> None:
    classifier = MLPClassifier(activation="identity", **SMALL).fit(X, PLACES)
    regressor = MLPRegressor(activation="identity", **SMALL).fit(X, X[:, 0])
    large = X.copy()
    large[7] = [1e308, -1e308, 0]
    classifier.coefs_ = [10 * weight for weight in classifier.coefs_]
    regressor.coefs_ = [100 * weight for weight in regressor.coefs_]
    for predict in (classifier.predict, classifier.predict_proba, regressor.predict):
        with pytest.raises(ValueError, match="row 7 of X holds numbers too large for this model"):
            predict(large)
    regressor.coefs_[0][0, 0] = np.nan
    with pytest.raises(ValueError, match="coefs_ holds numbers that are not finite"):
        regressor.predict(X)


@pytest.mark.parametrize(
    "weights", [{0: 1.0, 1: 8.0, 2: 0.5}, {"a": 2, "b": 3, "cc": 1}, {True: 4.0, False: 1.0}, "balanced", None]
)
def test_class_weights_come_back(weights: Any, tmp_path: Path) -> None:
    labels = np.array(list(weights) if isinstance(weights, dict) else [0, 1, 2])
    y = labels[PLACES % len(labels)]
    path = tmp_path / "model.safetensors"
    MLPClassifier(**SMALL, class_weight=weights).fit(X, y).save(path)
    loaded = MLPClassifier.load(path)
    assert loaded.get_params()["class_weight"] == weights
    if isinstance(weights, dict):
        assert list(map(type, loaded.class_weight)) == list(map(type, weights))
