from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule import functions
from chainrule.calculus import backward
from chainrule.deriving import derive
from chainrule.ir import ShapeError
from chainrule.networks import ACTIVATIONS, MLP, NetworkError
from chainrule.trace import trace
from chainrule.training import LBFGS, Adam, TrainingError
from chainrule.words import ChainruleError

Array = NDArray[Any]
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((60, 4))


def test_regression_learns_and_predicts() -> None:
    y = np.sin(X[:, 0]) + X[:, 1]
    network = MLP([4, 16, 1], activation="tanh", seed=0)
    result = network.fit(X, y, epochs=300, learning_rate=0.1, batch_size=10)
    assert result.history["loss"][-1] < 0.05 * result.history["loss"][0]
    assert network.predict(X).shape == (60,)
    assert np.mean((network.predict(X) - y) ** 2) < 0.05
    assert network.params is result.params


def test_classification_learns_and_gives_probabilities() -> None:
    labels = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
    network = MLP([4, 16, 3], activation="relu", output="softmax", seed=0)
    network.fit(X, labels, epochs=200, learning_rate=0.1, batch_size=20)
    probabilities = network.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(network.predict(X), probabilities.argmax(axis=1))
    assert np.mean(network.predict(X) == labels) > 0.9


def test_two_classes_with_one_sigmoid() -> None:
    y = (X[:, 0] * X[:, 1] > 0).astype(float)
    network = MLP([4, 16, 1], activation="tanh", output="sigmoid", seed=0)
    assert network.loss == "binary_cross_entropy"
    network.fit(X, y, epochs=400, learning_rate=0.3, batch_size=10)
    assert np.mean(network.predict(X) == y) > 0.9
    np.testing.assert_array_equal(network.predict(X), network.predict_proba(X)[:, 0] > 0.5)
    network.fit(X, y[:, None], epochs=1)
    assert network.predict(X).shape == (60, 1)


@pytest.mark.parametrize("output", ["linear", "sigmoid", "softmax"])
@pytest.mark.parametrize("hidden", sorted(ACTIVATIONS))
def test_the_loss_function_agrees_with_predictions_and_can_be_differentiated(hidden: str, output: str) -> None:
    network = MLP([4, 5, 3], activation=hidden, output=output, loss="squared", seed=1)
    y = RANDOM.standard_normal((60, 3))
    value = network.loss_function(X, y, **network.params)
    assert value == pytest.approx(np.mean((network.predict(X) - y) ** 2))
    program = trace(network.loss_function, X=X, y=y, **network.params)
    assert [node.name for node in program.inputs] == ["X", "y", "W1", "b1", "W2", "b2"]
    assert len(backward(program, program.inputs[2:]).gradients) == 4


def test_the_cross_entropies_are_computed_from_the_logits() -> None:
    network = MLP([1, 1], output="sigmoid", seed=0)
    network.params = {"W1": np.array([[1000.0]]), "b1": np.zeros(1)}
    ones = np.ones((1, 1))
    assert network.loss_function(ones, 0 * ones, **network.params) == 1000
    classifier = MLP([1, 2], output="softmax", seed=0)
    classifier.params = {"W1": np.array([[1000.0, 0.0]]), "b1": np.zeros(2)}
    assert classifier.loss_function(ones, np.array([1]), **classifier.params) == 1000


def test_the_loss_function_can_be_derived() -> None:
    loss = MLP([2, 3, 1], activation="tanh", seed=0).loss_function
    derivation = derive(loss, wrt=["W1", "W2"], X="n d", y="n o", W1="d h", b1="h", W2="h o", b2="o")
    assert derivation.verify().ok
    assert {"z1", "a1", "z2"} <= set(derivation.program.names.values())


def test_one_activation_for_each_hidden_layer() -> None:
    network = MLP([4, 6, 5, 2], activation=["relu", "tanh"], seed=0)
    p = network.params
    inner = np.tanh(functions.relu(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"])
    np.testing.assert_allclose(network.predict(X), inner @ p["W3"] + p["b3"], rtol=1e-12)


def test_initial_weights_have_the_published_variances() -> None:
    rectified = MLP([300, 500, 2], activation="relu", seed=0).params["W1"]
    bounded = MLP([300, 500, 2], activation="tanh", seed=0).params["W1"]
    assert rectified.var() == pytest.approx(2 / 300, rel=0.02)
    assert bounded.var() == pytest.approx(2 / 800, rel=0.02)
    assert not MLP([3, 2], seed=0).params["b1"].any()


def test_a_seed_draws_the_same_network_again() -> None:
    first, again, other = (MLP([3, 4, 1], seed=seed).params["W1"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_float32_stays_float32() -> None:
    network = MLP([4, 8, 1], seed=0, dtype="float32")
    result = network.fit(X, X[:, 0], epochs=5)
    assert {array.dtype for array in result.params.values()} == {np.dtype(np.float32)}
    assert network.predict(X).dtype == np.float32


def test_a_network_can_be_pickled() -> None:
    network = MLP([4, 3, 1], seed=0)
    again = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(again.predict(X), network.predict(X))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": [3]}, "at least two widths"),
        ({"sizes": [3, 0, 1]}, r"sizes\[1\] is 0"),
        ({"sizes": [3, 2.5]}, r"sizes\[1\] is 2.5"),
        ({"sizes": [3, 4, 1], "activation": "rleu"}, "did you mean 'relu'"),
        ({"sizes": [3, 4, 1], "activation": ["relu", "tanh"]}, "2 entries for 1 hidden"),
        ({"sizes": [3, 1], "output": "tanh"}, "output is 'tanh'"),
        ({"sizes": [3, 1], "loss": "hinge"}, "loss is 'hinge'"),
        ({"sizes": [3, 2], "output": "linear", "loss": "cross_entropy"}, "belongs to the output 'softmax'"),
        ({"sizes": [3, 1], "dtype": "int64"}, "dtype is 'int64'"),
    ],
)
def test_networks_that_cannot_be_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((NetworkError, TrainingError), match=message):
        MLP(**arguments)


def test_data_that_do_not_fit_are_refused() -> None:
    network, classifier = MLP([4, 2], seed=0), MLP([4, 2], output="softmax", seed=0)
    with pytest.raises(ShapeError, match=r"takes \(rows, 4\)"):
        network.predict(X[:, :2])
    with pytest.raises(ShapeError, match=r"should be \(60, 2\)"):
        network.fit(X, X[:, 0])
    with pytest.raises(ShapeError, match="integer labels"):
        classifier.fit(X, X[:, 0])
    with pytest.raises(NetworkError, match="takes 0 to 1"):
        classifier.fit(X, np.full(60, 2))
    with pytest.raises(ChainruleError, match="give numbers"):
        network.predict(np.full((1, 4), "a"))


def test_labels_may_be_a_share_of_each_class() -> None:
    labels = (X[:, 0] > 0).astype(int)
    losses = [
        MLP([4, 2], output="softmax", seed=0).fit(X, y, epochs=5).history["loss"] for y in (labels, np.eye(2)[labels])
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)


def test_the_output_follows_from_the_loss() -> None:
    assert MLP([2, 3], loss="cross_entropy").output == "softmax"
    assert MLP([2, 1], loss="binary_cross_entropy").output == "sigmoid"
    assert MLP([2, 1]).output == "linear"


@pytest.mark.parametrize("optimizer", [Adam(0.01), LBFGS()])
def test_another_optimizer(optimizer: Any) -> None:
    X = np.random.default_rng(0).standard_normal((60, 2))
    network = MLP([2, 8, 1], activation="tanh", seed=0)
    losses = network.fit(X, X[:, 0] * X[:, 1], epochs=200, optimizer=optimizer).history["loss"]
    assert losses[-1] < 0.3 * losses[0]


def test_a_rate_beside_an_optimizer_is_refused() -> None:
    with pytest.raises(NetworkError, match=r"learning_rate is 0\.1 and an optimizer is given too"):
        MLP([2, 1]).fit(np.ones((4, 2)), np.ones(4), learning_rate=0.1, optimizer=Adam())


def problems() -> dict[str, tuple[dict[str, Any], Array, Array]]:
    """Standardized data of several kinds."""
    random = np.random.default_rng(0)
    corners = np.array([[-1.0, -1], [-1, 1], [1, -1], [1, 1]])
    rows = random.standard_normal((120, 6))
    wide = random.standard_normal((60, 40))
    labels = np.digitize(rows[:, 0] * rows[:, 1], [-0.3, 0.3])
    return {
        "xor": ({"sizes": [2, 8, 1]}, corners, corners.prod(axis=1)),
        "classes": ({"sizes": [6, 32, 3], "loss": "cross_entropy"}, rows, labels),
        "regression": ({"sizes": [6, 16, 1]}, rows, np.sin(rows[:, 0]) + rows[:, 1] * rows[:, 2]),
        "wide": ({"sizes": [40, 128, 128, 1]}, wide, wide[:, 0]),
        "deep": ({"sizes": [6, *[16] * 6, 1], "activation": "tanh"}, rows, rows[:, 0]),
    }


@pytest.mark.parametrize("name", problems())
def test_the_default_trains_whatever_the_seed(name: str) -> None:
    settings, rows, targets = problems()[name]
    for seed in range(2 if name == "wide" else 20):
        network = MLP(**settings, seed=seed)
        result = network.fit(rows, targets, epochs=150)
        assert result.status == "finished"
        assert result.history["loss"][-1] < 0.6 * result.history["loss"][0]


def test_a_cell_run_twice_works_the_second_time() -> None:
    """What diverges leaves a network that can be trained, and what converged goes on."""
    network = MLP([4, 8, 1], seed=0)
    before = network.params
    with pytest.warns(cr.DivergenceWarning):
        assert network.fit(X, X[:, 0], learning_rate=1e3).status == "diverged"
    for name, value in before.items():
        np.testing.assert_array_equal(network.params[name], value)
    first, second = network.fit(X, X[:, 0]), network.fit(X, X[:, 0])
    assert second.history["loss"][-1] < first.history["loss"][-1] < first.history["loss"][0]
