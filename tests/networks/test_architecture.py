"""Networks: layers, activations by name, formula and function, initial weights, predictions."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.ir import ShapeError
from chainrule.networks import (
    ACTIVATIONS,
    Architecture,
    Huber,
    NetworkError,
    Quantile,
    loss_function,
    predict_rows,
    row_weights,
)
from chainrule.trace import named

special = pytest.importorskip("scipy.special")

Array = NDArray[Any]
RANDOM = np.random.default_rng(8)
X = RANDOM.standard_normal((30, 4))
Z = np.linspace(-4, 4, 81)
REFERENCES: dict[str, Callable[[Array], Array]] = {
    "relu": lambda z: np.clip(z, 0, None),
    "tanh": lambda z: 2 * special.expit(2 * z) - 1,
    "sigmoid": special.expit,
    "gelu": lambda z: z * special.ndtr(z),
    "silu": lambda z: z * special.expit(z),
    "elu": lambda z: np.where(z > 0, z, special.expm1(z)),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * special.expm1(z)),
    "mish": lambda z: z * np.tanh(-special.log_expit(-z)),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "softplus": lambda z: -special.log_expit(-z),
    "softsign": lambda z: z / (1 + np.abs(z)),
    "linear": lambda z: z,
}


def hidden_values(activation: Any) -> Array:
    """What one hidden unit gives for Z."""
    network = Architecture(1, (1,), 1, activations=activation)
    ones = {"W1": np.ones((1, 1)), "b1": np.zeros(1), "W2": np.ones((1, 1)), "b2": np.zeros(1)}
    return predict_rows(network, ones, Z[:, None])[:, 0]


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_an_activation_is_what_its_name_says(name: str) -> None:
    np.testing.assert_allclose(hidden_values(name), REFERENCES[name](Z), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("given", "reference"),
    [
        ("identity", REFERENCES["linear"]),
        ("logistic", special.expit),
        ("swish", REFERENCES["silu"]),
        ("z * sigmoid(1.7 * z)", lambda z: z * special.expit(1.7 * z)),
        ("tanh(x)^2", lambda z: np.tanh(z) ** 2),
        ("maximum(z, 0) + 0.1 * minimum(z, 0)", lambda z: np.where(z > 0, z, 0.1 * z)),
        (lambda z: np.sin(z) + z, lambda z: np.sin(z) + z),
        (np.sin, np.sin),
        (cr.softplus, REFERENCES["softplus"]),
    ],
)
def test_activations_by_formula_and_function(given: Any, reference: Callable[[Array], Array]) -> None:
    np.testing.assert_allclose(hidden_values(given), reference(Z), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("rleu", "did you mean 'relu'"),
        ("w * z", "uses 'w'; a formula here is in z or x"),
        ("z + x", "z and x, which are the same"),
        ("3 + 4", "in which there is no z"),
        ("sum(z)", "one number for each that it takes"),
        (lambda z: z[:, :1], "one number for each that it takes"),
        (7, "give a name such as 'relu'"),
        ("", "activation is ''"),
    ],
)
def test_what_is_no_activation_is_refused(given: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        Architecture(1, (2,), 1, activations=given)


def test_a_formula_that_cannot_be_read_shows_the_place() -> None:
    with pytest.raises(cr.FormulaError, match="operator is missing") as caught:
        Architecture(1, (2,), 1, activations="z 3")
    assert "^" in caught.value.excerpt


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": 0}, "inputs is 0"),
        ({"hidden": (3, 0)}, r"hidden\[1\] is 0"),
        ({"hidden": (3,), "activations": ["relu", "tanh"]}, "2 entries for 1 hidden layers"),
        ({"hidden": (3,), "dropout": 1.0}, "dropout is 1.0"),
        ({"hidden": (3,), "normalization": "group"}, "normalization is 'group'"),
        ({"alpha": -1}, "alpha is -1"),
        ({"dtype": "float16"}, "dtype is 'float16'"),
        ({"loss": "cross_entropy", "output_activation": "linear", "outputs": 2}, "belongs to the output 'softmax'"),
        ({"loss": "cross_entropy", "outputs": 1}, "an output for each class"),
        ({"loss": Quantile((0.1, 0.9)), "outputs": 3}, "2 levels and the network 3 outputs"),
        ({"output_activation": "softmaxx"}, "did you mean 'softmax'"),
    ],
)
def test_networks_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Architecture(**{"inputs": 4, **settings})


def test_layers_are_named_as_in_the_textbook() -> None:
    network = Architecture(4, (5, 3), 2, activations=["tanh", "z * sigmoid(z)"], alpha=0.1, dropout=[0.1, 0])
    program = cr.trace(loss_function(network), X="n 4", y="n 2", alpha="", **network.initial(0))
    assert {"z1", "a1", "d1", "z2", "a2", "z3", "penalty"} <= set(program.names.values())
    derivation = cr.derive(
        loss_function(Architecture(2, (3,), 1, activations="tanh")),
        wrt=["W1", "b2"],
        X="n d",
        y="n o",
        W1="d h",
        b1="h",
        W2="h o",
        b2="o",
    )
    assert derivation.verify().ok


def test_a_name_that_is_given_wins_over_that_of_a_variable() -> None:
    def function(x: Any) -> Any:
        inner = named("z7", x * 2)
        return np.exp(inner) + 1

    assert set(cr.trace(function, x="n").names.values()) == {"z7"}
    assert named("z7", 3) == 3


@pytest.mark.parametrize("rows", [0, 1, 127, 128, 300])
def test_predictions_are_those_of_numpy_whatever_the_number_of_rows(rows: int) -> None:
    network = Architecture(4, (6, 5), 3, activations=["relu", "tanh"], loss="cross_entropy", dropout=0.5)
    p = network.initial(0)
    given = RANDOM.standard_normal((rows, 4))
    inner = np.tanh(np.maximum(given @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"])
    expected = special.softmax(inner @ p["W3"] + p["b3"], axis=1) if rows else np.empty((0, 3))
    predicted = predict_rows(network, p, given)
    np.testing.assert_allclose(predicted, expected, rtol=1e-11)
    if rows > 2:
        np.testing.assert_array_equal(predict_rows(network, p, given[2:3]), predicted[2:3])


def test_float32_is_computed_in_float32() -> None:
    network = Architecture(4, (6,), 1, dtype="float32")
    assert {array.dtype for array in network.initial(0).values()} == {np.dtype(np.float32)}
    assert predict_rows(network, network.initial(0), X).dtype == np.float32


@pytest.mark.parametrize(
    ("X", "message"), [(np.ones((3, 2)), "takes \\(rows, 4\\)"), (np.full((3, 4), "a"), "give numbers")]
)
def test_inputs_that_do_not_fit_are_refused(X: Any, message: str) -> None:
    network = Architecture(4)
    with pytest.raises(ValueError, match=message):
        predict_rows(network, network.initial(0), X)


@pytest.mark.parametrize(
    ("loss", "outputs", "y", "message"),
    [
        ("squared", 2, np.ones(3), r"should be \(3, 2\)"),
        ("squared", 1, np.array(["a"] * 3), "give numbers"),
        ("cross_entropy", 2, np.ones(3), "integer labels"),
        ("focal", 2, np.ones((3, 2)), "integer labels"),
        (Quantile((0.1, 0.9)), 2, np.ones((3, 2)), r"should be \(3, 1\)"),
    ],
)
def test_targets_that_do_not_fit_are_refused(loss: Any, outputs: int, y: Array, message: str) -> None:
    with pytest.raises((ShapeError, NetworkError), match=message):
        Architecture(4, (), outputs, loss=loss).checked_target(y, 3)


@pytest.mark.parametrize(
    ("scheme", "variance"),
    [
        ("he_normal", 2 / 300),
        ("he_uniform", 2 / 300),
        ("glorot_normal", 2 / 800),
        ("glorot_uniform", 2 / 800),
        ("lecun_normal", 1 / 300),
        ("scikit-learn", 2 / 800),
    ],
)
def test_initial_weights_have_their_variance(scheme: str, variance: float) -> None:
    weights = Architecture(300, (500,), 2, activations="tanh").initial(0, scheme)["W1"]
    assert weights.var() == pytest.approx(variance, rel=0.02)
    assert weights.mean() == pytest.approx(0, abs=0.01)


def test_initial_weights_follow_the_activation_and_may_be_orthogonal() -> None:
    for activation, variance in (("relu", 2 / 300), ("tanh", 2 / 800), ("selu", 1 / 300), ("z^3", 2 / 800)):
        weights = Architecture(300, (500,), 2, activations=activation).initial(0)["W1"]
        assert weights.var() == pytest.approx(variance, rel=0.02)
    tall = Architecture(20, (8,), 20).initial(0, "orthogonal")
    np.testing.assert_allclose(tall["W1"].T @ tall["W1"], np.eye(8), atol=1e-12)
    np.testing.assert_allclose(tall["W2"] @ tall["W2"].T, np.eye(8), atol=1e-12)
    with pytest.raises(NetworkError, match="did you mean 'he_normal'"):
        Architecture(2).initial(0, "he_norml")


def test_a_description_is_json_and_read_again() -> None:
    network = Architecture(
        4, (6, 5), 1, ["tanh", "z^2"], None, Huber(0.5), (0.1, 0.0), "batch", alpha=0.1, dtype="float32"
    )
    described = json.loads(json.dumps(network.describe()))
    assert Architecture.from_description(described) == network
    own = Architecture(4, (6,), 1, activations=np.sin, loss=lambda p, y: (p - y) ** 2)
    words = json.loads(json.dumps(own.describe()))
    assert words["activations"] == ["function sin"]
    assert words["loss"] == {"name": "function <lambda>"}
    assert Architecture(4, (6,), 1, activations=ACTIVATIONS["mish"]).describe()["activations"] == ["mish"]
    with pytest.raises(NetworkError, match="give the function itself"):
        Architecture.from_description(words)
    with pytest.raises(NetworkError, match="setting of an architecture"):
        Architecture.from_description({**described, "depth": 3})


def test_a_network_can_be_pickled_compared_and_hashed() -> None:
    network = Architecture(4, (6,), 1, activations="z^2", loss="abs(p - y)")
    again = pickle.loads(pickle.dumps(network))
    assert again == network
    assert hash(again) == hash(network)
    np.testing.assert_array_equal(
        predict_rows(again, network.initial(0), X), predict_rows(network, network.initial(0), X)
    )


def test_scores_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    weights = RANDOM.uniform(0, 1, 30)
    y, p = RANDOM.standard_normal((2, 30, 2))
    values = Architecture(4, (), 2)
    assert values.score(y, p, weights) == pytest.approx(metrics.r2_score(y, p, sample_weight=weights))
    constant = np.ones((30, 2))
    assert values.score(constant, p) == pytest.approx(metrics.r2_score(constant, p))
    assert values.score(constant, constant) == metrics.r2_score(constant, constant)
    labels, shares = RANDOM.integers(0, 3, 30), special.softmax(RANDOM.standard_normal((30, 3)), axis=1)
    classes = Architecture(4, (), 3, loss="focal")
    expected = metrics.accuracy_score(labels, shares.argmax(axis=1), sample_weight=weights)
    assert classes.score(labels, shares, weights) == pytest.approx(expected)
    yes = RANDOM.integers(0, 2, (30, 3))
    several = Architecture(4, (), 3, loss="binary_cross_entropy")
    assert several.score(yes, shares) == pytest.approx(metrics.accuracy_score(yes, shares > 0.5))


def test_class_weights_are_those_of_scikit_learn() -> None:
    weighting = pytest.importorskip("sklearn.utils.class_weight")
    labels = RANDOM.integers(0, 3, 40)
    for given in ("balanced", {0: 2.0, 2: 0.5}):
        expected = weighting.compute_sample_weight(given, labels)
        np.testing.assert_allclose(row_weights(labels, given, 3), expected)
    own = RANDOM.uniform(0, 1, 40)
    np.testing.assert_allclose(row_weights(labels, [1, 2, 3], 3, own), (labels + 1) * own)


@pytest.mark.parametrize(
    ("labels", "given", "message"),
    [
        ([0, 3], "balanced", "whole numbers from 0 to 2"),
        ([0.5, 1.0], "balanced", "whole numbers"),
        ([0, 1], "even", "it can be 'balanced'"),
        ([0, 1], [1.0, 2.0], "2 weights for 3 classes"),
        ([0, 1], {5: 1.0}, "names the class 5"),
        ([0, 1], [1.0, -2.0, 1.0], "at least 0"),
    ],
)
def test_class_weights_that_do_not_fit_are_refused(labels: Any, given: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        row_weights(labels, given, 3)
