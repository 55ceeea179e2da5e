"""Layer and batch normalization against code of their own, in training and in prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.networks import (
    Architecture,
    Evaluator,
    TrainingSettings,
    TrainingState,
    Validation,
    loss_function,
    predict_rows,
    train,
)
from chainrule.networks.population import population
from chainrule.training import Adam

Array = NDArray[Any]
RANDOM = np.random.default_rng(4)
X = 3 * RANDOM.standard_normal((50, 4)) + 1
Y = X[:, :1] * X[:, 1:2]
EPS = 1e-5


def drawn(network: Architecture) -> dict[str, Array]:
    """Parameters whose gains and shifts are not those they begin with."""
    return {name: array + 0.3 * RANDOM.standard_normal(array.shape) for name, array in network.initial(1).items()}


def standardized(z: Array, axis: int) -> Array:
    centred = z - z.mean(axis=axis, keepdims=True)
    result: Array = centred / np.sqrt(centred.var(axis=axis, keepdims=True) + EPS)
    return result


@pytest.mark.parametrize(("normalization", "axis"), [("layer", 1), ("batch", 0)])
def test_the_loss_normalizes_as_the_papers_say(normalization: Any, axis: int) -> None:
    network = Architecture(4, (6, 5), 1, activations="tanh", normalization=normalization)
    p = drawn(network)
    a1 = np.tanh(standardized(X @ p["W1"] + p["b1"], axis) * p["gain1"] + p["shift1"])
    a2 = np.tanh(standardized(a1 @ p["W2"] + p["b2"], axis) * p["gain2"] + p["shift2"])
    residual = a2 @ p["W3"] + p["b3"] - Y
    assert loss_function(network)(X, Y, **p) == pytest.approx(0.5 * np.mean(residual**2), rel=1e-10)


@pytest.mark.parametrize("normalization", ["layer", "batch"])
def test_its_gradient_is_that_of_finite_differences(normalization: Any) -> None:
    network = Architecture(4, (3,), 1, activations="tanh", normalization=normalization)
    p = drawn(network)
    gradients = cr.grad(loss_function(network), argnums=tuple(range(2, 2 + len(p))))(X, Y, *p.values())
    for (name, array), gradient in zip(p.items(), gradients, strict=True):
        for place in np.ndindex(array.shape):
            values = []
            for step in (1e-6, -1e-6):
                moved = array.copy()
                moved[place] += step
                values.append(float(loss_function(network)(X, Y, **{**p, name: moved})))
            assert gradient[place] == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-6, abs=1e-7)


def expected_population(p: dict[str, Array], rows: Array) -> dict[str, Array]:
    z1 = rows @ p["W1"] + p["b1"]
    mean1, variance1 = z1.mean(axis=0), z1.var(axis=0, ddof=1)
    a1 = np.tanh((z1 - mean1) / np.sqrt(variance1 + EPS) * p["gain1"] + p["shift1"])
    z2 = a1 @ p["W2"] + p["b2"]
    return {"mean1": mean1, "variance1": variance1, "mean2": z2.mean(axis=0), "variance2": z2.var(axis=0, ddof=1)}


@pytest.mark.parametrize("rows", [1, 50, 9001])
def test_population_statistics_are_those_of_all_training_rows(rows: int) -> None:
    network = Architecture(4, (6, 5), 1, activations="tanh", normalization="batch")
    p = drawn(network)
    many = 1e3 + 0.1 * RANDOM.standard_normal((rows, 4))
    found = population(network, p, many)
    if rows == 1:
        assert not found["variance1"].any()
        return
    for name, array in expected_population(p, many).items():
        np.testing.assert_allclose(found[name], array, rtol=1e-6)


def test_population_statistics_of_another_mean_are_noticed() -> None:
    network = Architecture(4, (6, 5), 1, activations="tanh", normalization="batch")
    p = drawn(network)
    found = population(network, p, X)
    wrong = population(network, p, X + 0.01)
    assert not np.allclose(found["mean1"], wrong["mean1"], rtol=1e-6)


def test_predictions_and_validation_use_the_population() -> None:
    network = Architecture(4, (6, 5), 1, activations="tanh", normalization="batch", dropout=0.2)
    seen: list[TrainingState] = []
    held = RANDOM.standard_normal((9, 4)), RANDOM.standard_normal((9, 1))
    settings = TrainingSettings(Adam(0.01), 4, 20)
    state = train(network, network.initial(0), X, Y, None, settings, Validation(*held), on_epoch=seen.append)
    p = state.params
    statistics = expected_population(p, X)
    for name in network.statistics:
        np.testing.assert_allclose(p[name], statistics[name], rtol=1e-9)
    a = held[0]
    for k in (1, 2):
        z = a @ p[f"W{k}"] + p[f"b{k}"]
        normal = (z - statistics[f"mean{k}"]) / np.sqrt(statistics[f"variance{k}"] + EPS)
        a = np.tanh(normal * p[f"gain{k}"] + p[f"shift{k}"])
    expected = a @ p["W3"] + p["b3"]
    np.testing.assert_allclose(predict_rows(network, p, held[0]), expected, rtol=1e-9)
    np.testing.assert_allclose(predict_rows(network, p, held[0][:1]), expected[:1], rtol=1e-9)
    assert state.validation_losses[-1] == pytest.approx(0.5 * np.mean((expected - held[1]) ** 2))
    assert [set(network.statistics) <= set(each.params) for each in seen] == [True] * 4
    loss, _ = Evaluator(network, *held).loss_and_predictions(seen[1].params)
    assert loss == pytest.approx(state.validation_losses[1])


def test_the_last_row_alone_in_a_batch_does_no_harm() -> None:
    network = Architecture(4, (6,), 1, normalization="batch")
    state = train(network, network.initial(0), X, Y, settings=TrainingSettings(Adam(0.01), 3, 7))
    assert state.status == "finished"
    assert np.isfinite(state.loss_curve).all()
