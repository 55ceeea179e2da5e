"""Arguments of `save_model`, and data that a loaded model rejects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.models import Model, ModelError, load_model, save_model
from chainrule.networks import Architecture, NetworkError, train
from chainrule.tables import ClassTarget, Number, NumberTarget, Preprocessing, TableError, target_from_json

X = np.random.default_rng(0).standard_normal((30, 2))
NETWORKS: dict[str, Any] = {
    "regression": cr.MLP([2, 4, 1], seed=0),
    "several": cr.MLP([2, 4, 3], activation="tanh", seed=0, dtype="float32"),
    "classes": cr.MLP([2, 4, 3], loss="cross_entropy", seed=0),
    "binary": cr.MLP([2, 4, 1], loss="binary_cross_entropy", seed=0),
    "two layers": cr.NeuralNetwork(2, 4, 1, seed=0),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_saved_and_predict_the_same(name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]
    save_model(tmp_path / "model", network)
    model = load_model(tmp_path / "model")
    classes = name in ("classes", "binary")
    expected = (network.feedforward if name == "two layers" else network.predict_proba if classes else network.predict)(
        X
    )
    tolerance = 1e-5 if name == "several" else 1e-12
    np.testing.assert_allclose(np.asarray(model.predict(X)), expected.squeeze(), rtol=tolerance)
    again = train(model.network(), model.params, X, [0] * 30 if name == "classes" else expected)
    assert again.status == "finished"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (cr.fit("mean((w - 1)^2)", {"w": 0.0}, {}), r"np\.savez\(path, \*\*result\.params\)"),
        ({"W1": np.eye(2)}, r"np\.savez\(path, \*\*arrays\)"),
        ([np.eye(2)], "of the type list cannot be saved"),
        (None, "of the type NoneType"),
        (train(Architecture(2), None, X, X[:, 0]), "holds no network"),
    ],
)
def test_what_does_not_predict_is_refused_with_what_to_do(given: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=words):
        save_model(tmp_path / "model", given)
    assert not list(tmp_path.iterdir())


def test_the_path_comes_first() -> None:
    with pytest.raises(ModelError, match=r"save_model\(path, model\)"):
        save_model(NETWORKS["regression"], "model")


def framed(target: ClassTarget | NumberTarget | None, outputs: int, scale: float = 1.0) -> Model:
    network = Architecture(2, (), outputs, loss="cross_entropy" if outputs > 1 else "squared")
    parameters = {"W1": np.full((2, outputs), 1e300), "b1": np.zeros(outputs)}
    columns = None if target is None else Preprocessing(tuple(Number(name, 0.0, 0.0, 1.0) for name in "ab"))
    return Model.of(network, parameters, columns, target)


@pytest.mark.parametrize(
    ("target", "outputs"), [(ClassTarget("t", ("x", "y")), 2), (NumberTarget("t"), 1), (NumberTarget("t", 0, 1e300), 1)]
)
def test_a_row_that_is_too_large_is_refused_by_its_place(target: ClassTarget | NumberTarget, outputs: int) -> None:
    model = framed(target, outputs)
    rows = {"a": [0.0, 0.0, 1e200], "b": [0.0, 1e-290, 0.0]}
    for predict in (model.predict, model.predict_frame):
        with pytest.raises(ModelError, match=r"^the table, row \d holds numbers too large for this model$"):
            predict(rows)
        predict({"a": [0.0], "b": [0.0]})


def test_a_row_of_an_array_that_is_too_large_is_refused() -> None:
    model = framed(None, 1)
    for predict in (model.predict, model.predict_encoded):
        with pytest.raises(ModelError, match="row 1 of X holds numbers too large for this model"):
            predict(np.array([[0, 0], [1e200, 0]]))
    network = cr.MLP([2, 1], seed=0)
    network.params = {"W1": np.full((2, 1), 1e300), "b1": np.zeros(1)}
    with pytest.raises(NetworkError, match="row 0 of X holds numbers too large"):
        network.predict(np.array([[1e200, 0]]))
    with pytest.raises(NetworkError, match="row 1 of X is not finite"):
        network.predict(np.array([[0, 0], [np.nan, 0]]))


@pytest.mark.parametrize(
    ("classes", "dtype", "words"),
    [
        (["0", "x"], "int64", "not of the dtype int64"),
        (["0", "300"], "uint8", "not of the dtype uint8"),
        (["0", "1"], "int128", "the dtype of labels"),
        (["0", "1"], "V8", "the dtype of labels"),
        (["yes", "no"], "bool", "not of the dtype bool"),
        (["1.0", "1.00"], "float64", "the same float64"),
        (["2020-01-01", "soon"], "datetime64[D]", r"not of the dtype datetime64\[D\]"),
        (["Ā", "b"], "bytes", "not of the dtype bytes"),
    ],
)
def test_labels_of_a_file_are_checked(classes: list[str], dtype: str, words: str) -> None:
    target = {"task": "classification", "name": "t", "classes": classes, "numeric": False, "dtype": dtype}
    with pytest.raises(TableError, match=words):
        target_from_json(target)
