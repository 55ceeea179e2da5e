"""Fitted estimators as models: saved, read by another process's code, exported; columns by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from support.exported import load

from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.exports import ExportError
from chainrule.models import load_model

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (5,), "max_iter": 20, "random_state": 0, "learning_rate_init": 0.02}


def table() -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(random.normal(size=(60, 3)), columns=["age", "income", "height"])


def test_a_classifier_of_a_table_is_saved_and_read(tmp_path: Path) -> None:
    X = table()
    y = pd.Series(np.where(X["age"] > 0, "old", "young"), name="group")
    estimator = MLPClassifier(**SETTINGS).fit(X, y)
    estimator.save(tmp_path / "model")
    model = load_model(str(tmp_path / "model"))
    shuffled = X[["height", "age", "income"]]
    found = model.predict_frame(shuffled)
    assert found.predictions == estimator.predict(X).tolist()
    np.testing.assert_array_equal(found.probabilities, estimator.predict_proba(X))
    assert model.target is not None
    assert (model.target.name, model.classes) == ("group", ("old", "young"))
    assert model.settings["hidden_layer_sizes"] == [5]
    assert model.metrics["loss"] == estimator.loss_
    X.loc[0, "income"] = np.nan
    filled = X.fillna({"income": table()["income"].mean()})
    assert model.predict_frame(X).predictions == estimator.predict(filled).tolist()


def test_a_regressor_of_arrays_takes_arrays(tmp_path: Path) -> None:
    X = table().to_numpy()
    for y in (X[:, 0], X[:, :2]):
        estimator = MLPRegressor(activation=lambda z: np.sin(z), **SETTINGS).fit(X, y)
        estimator.save(tmp_path / "model")
        model = load_model(str(tmp_path / "model"))
        assert model.preprocessing is None
        np.testing.assert_array_equal(model.predict_encoded(X).squeeze(), estimator.predict(X))


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_labels_of_all_kinds(kind: str) -> None:
    X = table()
    y = {
        "binary": X["age"] > 0,
        "multiclass": X.to_numpy().argmax(axis=1) * 5,
        "multilabel": (X > 0).astype(int).to_numpy(),
    }[kind]
    estimator = MLPClassifier(normalization="batch", **SETTINGS).fit(X, y)
    model = estimator.to_model()
    outputs = model.predict_encoded(X.to_numpy())
    if kind == "multilabel":
        assert model.target is None
        np.testing.assert_array_equal(outputs, estimator.predict_proba(X))
    else:
        assert model.decoded(outputs).predictions == [str(label) for label in estimator.predict(X)]
        assert model.classes == tuple(str(label) for label in estimator.classes_)


@pytest.mark.parametrize("kind", ["bool", "int64", "int32", "float64", "str"])
def test_exports_give_labels_of_the_type_that_they_had(kind: str, tmp_path: Path) -> None:
    X = table().to_numpy()
    y = (X.argmax(axis=1) - 1 if kind != "bool" else X[:, 0] > 0).astype(kind)
    estimator = MLPClassifier(**SETTINGS).fit(X, y)
    wanted = estimator.predict(X)
    session = onnxruntime.InferenceSession(estimator.export("onnx", tmp_path / "net.onnx")[0])
    label, _ = session.run(None, {"X": X})
    assert label.dtype == {"str": object, "int32": np.int64}.get(kind, wanted.dtype)
    assert (label == wanted).all()
    found = load(Path(estimator.export("numpy", tmp_path / "net.py")[0])).predict(X)
    assert found == wanted.tolist()
    assert {type(label) for label in found} == {type(label) for label in wanted.tolist()}


def test_a_classifier_leaves_as_onnx(tmp_path: Path) -> None:
    X = table()
    estimator = MLPClassifier(**SETTINGS).fit(X, X["age"] > 0)
    (path,) = estimator.export("onnx", tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(path)
    _, probabilities = session.run(None, {name: X[[name]].to_numpy() for name in X})
    np.testing.assert_allclose(probabilities, estimator.predict_proba(X), rtol=1e-6)
    with pytest.raises(ExportError, match="there is no target 'pmml'"):
        estimator.export("pmml", tmp_path / "net.pmml")


def test_what_is_not_fitted_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not fitted"):
        MLPRegressor().to_model()
    with pytest.raises(ValueError, match="not fitted"):
        MLPRegressor().save(tmp_path / "model")
    with pytest.raises(ValueError, match="not fitted"):
        MLPRegressor().export("onnx", tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
