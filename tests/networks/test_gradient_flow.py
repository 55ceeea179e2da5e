"""Vanishing and exploding gradients, compared with independently computed norms."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.networks import gradient_report

Array = NDArray[np.float64]


def deep(activation: Callable[[Any], Any]) -> Callable[..., Any]:
    def loss(X: Any, y: Any, W1: Any, W2: Any, W3: Any, W4: Any, W5: Any, W6: Any) -> Any:
        z1 = X @ W1
        a1 = activation(z1)
        z2 = a1 @ W2
        a2 = activation(z2)
        z3 = a2 @ W3
        a3 = activation(z3)
        z4 = a3 @ W4
        a4 = activation(z4)
        z5 = a4 @ W5
        a5 = activation(z5)
        z6 = a5 @ W6
        return np.mean((z6 - y) ** 2)

    return loss


def drawn(scale: float, seed: int = 0) -> tuple[dict[str, Array], dict[str, Array]]:
    random = np.random.default_rng(seed)
    sizes = [5, 16, 16, 16, 16, 16, 1]
    weights = {
        f"W{k}": random.normal(size=(a, b)) * scale / a**0.5
        for k, (a, b) in enumerate(itertools.pairwise(sizes), start=1)
    }
    return weights, {"X": random.normal(size=(200, 5)), "y": random.normal(size=(200, 1))}


def test_gains_are_those_of_a_backward_pass_by_hand() -> None:
    random = np.random.default_rng(3)
    X, y = random.normal(size=(20, 3)), random.normal(size=(20, 2))
    W1, W2 = random.normal(size=(3, 4)), random.normal(size=(4, 2))

    def loss(X: Any, y: Any, W1: Any, W2: Any) -> Any:
        z1 = X @ W1
        a1 = np.tanh(z1)
        z2 = a1 @ W2
        return 0.5 * np.sum((z2 - y) ** 2)

    report = gradient_report(loss, {"W1": W1, "W2": W2}, {"X": X, "y": y})
    a1 = np.tanh(X @ W1)
    d2 = a1 @ W2 - y
    da1 = d2 @ W2.T
    slope = 1 - a1**2
    d1 = da1 * slope
    norm = np.linalg.norm
    assert report.norms["z2"] == pytest.approx(norm(d2), rel=1e-12)
    assert report.norms["z1"] == pytest.approx(norm(d1), rel=1e-12)
    gains = [factor.gain for factor in report.path]
    expected = [norm(d2), norm(da1) / norm(d2), norm(d1) / norm(da1), norm(X.T @ d1) / norm(d1)]
    assert gains == pytest.approx(expected, rel=1e-12)
    assert [factor.kind for factor in report.path] == ["equation", "weights", "activation", "weights"]
    assert report.path[2].slope == pytest.approx(slope.mean(), rel=1e-12)
    assert report.path[2].largest == pytest.approx(slope.max(), rel=1e-12)
    assert report.total == pytest.approx(norm(d1) / norm(d2), rel=1e-12)
    by_name = {each.name: each for each in report.params}
    assert by_name["W2"].gradient == pytest.approx(norm(a1.T @ d2), rel=1e-12)
    assert by_name["W1"].value == pytest.approx(norm(W1), rel=1e-12)


def test_logistic_layers_lose_the_gradient_through_their_derivative() -> None:
    report = gradient_report(deep(cr.sigmoid), *drawn(1.0))
    assert report.status == "vanishing"
    assert report.part("activation") < 0.25**5
    assert report.part("activation") * report.part("weights") == pytest.approx(report.total, rel=1e-9)
    said = report.sentences()
    assert said[0].startswith("The gradient vanishes: between z6 and z1 it becomes")
    assert "activations account for" in said[1]
    assert "0.25 at most" in said[1]
    assert "relu" in said[-1]
    assert report.sentences("zh")[0].startswith("梯度消失")


def test_large_weights_blow_the_gradient_up() -> None:
    report = gradient_report(deep(cr.relu), *drawn(6.0))
    assert report.status == "exploding"
    assert "products with the weights account for" in report.sentences()[1]


def test_well_scaled_layers_are_healthy() -> None:
    report = gradient_report(deep(cr.relu), *drawn(2**0.5))
    assert report.status == "healthy"
    assert len(report.sentences()) == 1, "relu is off where z < 0, and that is not saturation"


def test_small_weights_are_to_blame_where_they_are() -> None:
    report = gradient_report(deep(np.tanh), *drawn(0.2))
    assert report.status == "vanishing"
    assert "products with the weights account for" in report.sentences()[1]


def test_dead_units_are_named() -> None:
    weights, data = drawn(2**0.5)
    data["X"] = np.abs(data["X"])
    weights["W1"] = -np.abs(weights["W1"])
    weights["W1"][:, :4] *= -1
    report = gradient_report(deep(cr.relu), weights, data)
    assert report.status == "dead"
    assert any("75% of the units of a1" in sentence for sentence in report.sentences())


def test_saturated_units_are_named() -> None:
    report = gradient_report(deep(np.tanh), *drawn(8.0))
    assert any("Saturated: more than half of a5" in sentence for sentence in report.sentences())


def test_no_gradient_at_all() -> None:
    weights, data = drawn(1.0)
    report = gradient_report(deep(lambda z: cr.relu(z - 1e6)), weights, data)
    assert report.status == "zero"
    assert "exactly 0" in report.sentences()[0]


def test_what_is_not_finite_is_named() -> None:
    weights, data = drawn(1.0)
    report = gradient_report(deep(lambda z: np.exp(1e4 * z)), weights, data)
    assert report.status == "not finite"
    assert "is not finite" in report.sentences()[0]


def test_one_layer_has_nothing_between() -> None:
    def loss(X: Any, y: Any, w: Any) -> Any:
        return np.mean((X @ w - y) ** 2)

    data = {"X": np.eye(3), "y": np.ones(3)}
    report = gradient_report(loss, {"w": np.zeros(3)}, data)
    assert report.status == "healthy"
    assert "one layer" in report.sentences()[0]
    assert "∂" in str(report)


def test_dropout_is_a_mask_and_the_table_fits_a_terminal() -> None:
    def loss(X: Any, y: Any, W1: Any, W2: Any) -> Any:
        z1 = X @ W1
        a1 = cr.relu(z1)
        h1 = cr.dropout(a1, 0.5)
        z2 = h1 @ W2
        return np.mean((z2 - y) ** 2)

    random = np.random.default_rng(0)
    weights = {"W1": random.normal(size=(3, 8)), "W2": random.normal(size=(8, 1))}
    report = gradient_report(loss, weights, {"X": random.normal(size=(40, 3)), "y": np.ones((40, 1))})
    assert "mask" in [factor.kind for factor in report.path]
    assert max(map(len, str(report).splitlines())) <= 80


def test_a_residual_path_is_followed_where_most_arrives() -> None:
    def loss(X: Any, y: Any, W1: Any, W2: Any, W3: Any) -> Any:
        z1 = X @ W1
        a1 = cr.sigmoid(z1)
        z2 = a1 @ W2
        h2 = z1 + cr.sigmoid(z2)
        z3 = h2 @ W3
        return np.mean((z3 - y) ** 2)

    random = np.random.default_rng(0)
    weights = {"W1": random.normal(size=(3, 8)), "W2": random.normal(size=(8, 8)) / 8, "W3": random.normal(size=(8, 1))}
    report = gradient_report(loss, weights, {"X": random.normal(size=(40, 3)), "y": np.ones((40, 1))})
    assert "∂h2/∂z1" in [factor.name for factor in report.path]


def test_only_the_first_rows_are_looked_at() -> None:
    def loss(X: Any, y: Any, w: Any) -> Any:
        return np.mean((X @ w - y) ** 2)

    X = np.ones((5_000, 2))
    assert gradient_report(loss, {"w": np.zeros(2)}, {"X": X, "y": np.ones(5_000)}).rows == 1_000


def test_layers_without_names_are_found() -> None:
    def named(X: Any, y: Any, W1: Any, W2: Any) -> Any:
        z1 = X @ W1
        a1 = cr.sigmoid(z1)
        z2 = a1 @ W2
        return np.mean((z2 - y) ** 2)

    def partly(X: Any, y: Any, W1: Any, W2: Any) -> Any:
        a1 = cr.sigmoid(X @ W1)
        z2 = a1 @ W2
        return np.mean((z2 - y) ** 2)

    def unnamed(X: Any, y: Any, W1: Any, W2: Any) -> Any:
        return np.mean((cr.sigmoid(X @ W1) @ W2 - y) ** 2)

    random = np.random.default_rng(0)
    weights = {"W1": 1000 * random.normal(size=(3, 4)), "W2": random.normal(size=(4, 1))}
    data = {"X": random.normal(size=(20, 3)), "y": random.normal(size=(20, 1))}
    whole, *others = (gradient_report(loss, weights, data) for loss in (named, partly, unnamed))
    assert whole.status == "vanishing"
    for report in others:
        assert report.status == "vanishing"
        assert [factor.kind for factor in report.path][-3:] == ["weights", "activation", "weights"]
    assert others[0].total == pytest.approx(whole.total, rel=1e-9)
    assert [factor.name for factor in others[0].path] == ["∂L/∂z2", "∂z2/∂a1", "∂a1/∂z(1)", "∂z(1)/∂W1"]
