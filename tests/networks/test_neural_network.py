from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.ir import ShapeError
from chainrule.networks import NeuralNetwork, two_layer_loss
from chainrule.training import TrainingError

Array = NDArray[np.float64]
X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([[0.0], [1.0], [1.0], [0.0]])
REFERENCE = json.loads((Path(__file__).parents[1] / "data" / "xor.json").read_text())
NAMES = {
    "W1": "weights_input_hidden",
    "b1": "bias_hidden",
    "W2": "weights_hidden_output",
    "b2": "bias_output",
}


def sigma(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def trained_by_hand(seed: int, epochs: int, rate: float) -> dict[str, Array]:
    random = np.random.RandomState(seed)
    W1, W2 = random.randn(2, 4), random.randn(4, 1)
    b1, b2 = np.zeros((1, 4)), np.zeros((1, 1))
    for _ in range(epochs):
        a1 = sigma(X @ W1 + b1)
        a2 = sigma(a1 @ W2 + b2)
        delta2 = (a2 - Y) * a2 * (1 - a2)
        delta1 = (delta2 @ W2.T) * a1 * (1 - a1)
        W2 = W2 - rate * a1.T @ delta2
        b2 = b2 - rate * delta2.sum(axis=0, keepdims=True)
        W1 = W1 - rate * X.T @ delta1
        b1 = b1 - rate * delta1.sum(axis=0, keepdims=True)
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}


@pytest.mark.parametrize("record", REFERENCE, ids=lambda record: f"seed {record['seed']}")
def test_training_reproduces_the_reference_trajectories(record: dict[str, Any]) -> None:
    network = NeuralNetwork(2, 4, 1, seed=record["seed"])
    for name, attribute in NAMES.items():
        np.testing.assert_allclose(getattr(network, attribute), record["initial"][name], rtol=1e-15)
    network.train(X, Y, 10_000, 0.1, report_every=None)
    for name, attribute in NAMES.items():
        np.testing.assert_allclose(getattr(network, attribute), record["final"][name], rtol=1e-9)
    for epoch, loss in record["loss"].items():
        assert network.loss_history[int(epoch)] == pytest.approx(loss, rel=1e-9)
    output = network.feedforward(X)
    np.testing.assert_allclose(output[:, 0], record["predictions"], rtol=1e-9)
    assert np.mean((output - Y) ** 2) == pytest.approx(record["final_loss"], rel=1e-9)


@pytest.mark.parametrize("seed", [3, 4, 17, 2024])
def test_training_equals_the_loop_written_by_hand(seed: int) -> None:
    network = NeuralNetwork(2, 4, 1, seed=seed)
    network.train(X, Y, 10_000, 0.1, report_every=0)
    for name, expected in trained_by_hand(seed, 10_000, 0.1).items():
        np.testing.assert_allclose(getattr(network, NAMES[name]), expected, rtol=1e-9)


def test_backward_is_one_update() -> None:
    stepped, trained = NeuralNetwork(2, 4, 1, seed=5), NeuralNetwork(2, 4, 1, seed=5)
    for _ in range(3):
        stepped.backward(X, Y, 0.5)
    trained.train(X, Y, 3, 0.5, report_every=None)
    for attribute in NAMES.values():
        np.testing.assert_allclose(getattr(stepped, attribute), getattr(trained, attribute), rtol=1e-13)
    assert len(stepped.loss_history) == 0
    assert len(trained.loss_history) == 3


def test_every_so_many_epochs_the_error_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    network = NeuralNetwork(2, 4, 1, seed=0)
    network.train(X, Y, 10_000, 0.1)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"Epoch {epoch}, loss {REFERENCE[0]['loss'][str(epoch)]:.6f}" for epoch in (0, 4000, 8000)]
    network.train(X, Y, 10, 0.1, report_every=None)
    assert capsys.readouterr().out == ""
    assert len(network.loss_history) == 10_010


def test_training_again_with_other_rows_of_the_same_shape_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    NeuralNetwork(2, 3, 1, seed=0).train(X, Y, 1, 0.1, report_every=None)

    def refuse(*args: Any) -> Any:
        raise AssertionError("compiled again")

    monkeypatch.setattr("chainrule.engines.native.engine.compile_loop", refuse)
    NeuralNetwork(2, 3, 1, seed=1).train(X[::-1] + 0.5, Y, 5, 0.7, report_every=None)


def test_attributes_and_helpers() -> None:
    network = NeuralNetwork(3, 5, 2, seed=1)
    assert [getattr(network, NAMES[name]).shape for name in ("W1", "b1", "W2", "b2")] == [
        (3, 5),
        (1, 5),
        (5, 2),
        (1, 2),
    ]
    assert all(getattr(network, attribute).dtype == np.float64 for attribute in NAMES.values())
    a = network.sigmoid(0.3)
    assert a == pytest.approx(1 / (1 + np.exp(-0.3)))
    step = 1e-6
    slope = (network.sigmoid(0.3 + step) - network.sigmoid(0.3 - step)) / (2 * step)
    assert network.sigmoid_derivative(a) == pytest.approx(slope, rel=1e-8)
    assert network.feedforward(np.ones((7, 3))).shape == (7, 2)


def test_the_callers_arrays_stay_as_they_are() -> None:
    network = NeuralNetwork(2, 4, 1, seed=0)
    held = network.weights_input_hidden
    before = held.copy()
    rows = X.copy()
    network.train(rows, Y.tolist(), 5, 0.1, report_every=None)
    np.testing.assert_array_equal(rows, X)
    np.testing.assert_array_equal(held, before)


def test_the_loss_names_its_parameters_as_the_derivation_shows_them() -> None:
    assert list(inspect.signature(two_layer_loss).parameters) == ["X", "y", "W1", "b1", "W2", "b2"]


@pytest.mark.parametrize(
    ("rows", "targets"), [(X[:, :1], Y), (X[0], Y[0]), (X, Y[:, 0]), (X, Y[:2]), (X, np.zeros((4, 2))), (3.0, Y)]
)
def test_wrong_shapes_are_refused_in_one_sentence(rows: Any, targets: Any) -> None:
    network = NeuralNetwork(2, 4, 1, seed=0)
    with pytest.raises(ShapeError, match=r"this network takes \(rows, 2\) and \(rows, 1\)"):
        network.train(rows, targets, 10, 0.1)
    with pytest.raises(ShapeError):
        network.backward(rows, targets, 0.1)


def test_other_mistakes_are_refused() -> None:
    with pytest.raises(TrainingError, match="hidden_size is 0"):
        NeuralNetwork(2, 0, 1)
    network = NeuralNetwork(2, 4, 1, seed=0)
    with pytest.raises(ShapeError, match=r"takes \(rows, 2\)"):
        network.feedforward(np.zeros(2))
    with pytest.raises(TrainingError, match="learning rate"):
        network.train(X, Y, 10, -0.1)
    with pytest.raises(TrainingError, match="epochs is 0"):
        network.train(X, Y, 0, 0.1)
