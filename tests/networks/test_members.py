"""Several networks side by side: each is as if it were trained alone, and the prediction is their mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chainrule.networks import (
    Architecture,
    Evaluator,
    NetworkError,
    TrainingSettings,
    Validation,
    one_member,
    predict_rows,
    train,
)
from chainrule.training import SGD, Adam

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((90, 3))
NUMBERS = np.sin(X[:, :1]) + X[:, 1:2]
CLASSES = (NUMBERS[:, 0] > 0).astype(int)


@pytest.mark.parametrize(
    ("given", "y", "solver"),
    [
        ({"outputs": 2, "loss": "cross_entropy", "alpha": 0.1, "penalty_rows": 90}, CLASSES, SGD(0.05)),
        ({"normalization": "batch", "loss": "huber"}, NUMBERS, SGD(0.02)),
        ({"activations": "z * sigmoid(z)", "loss": "sum((p - y)^2, axis=1)"}, NUMBERS, Adam(0.01)),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_each_is_as_if_it_were_alone(given: dict[str, Any], y: Any, solver: Any, weighted: bool) -> None:
    several = Architecture(3, (5,), members=3, **given)
    initial = several.initial(1)
    settings = TrainingSettings(solver, epochs=3, batch_size=16, seed=4)
    weights = RANDOM.random(90) + 0.1 if weighted else None
    state = train(several, initial, X, y, weights, settings)
    alone, losses = [], []
    for member in range(3):
        one, params = one_member(several, initial, member)
        trained = train(one, params, X, y, weights, settings)
        alone.append(predict_rows(one, trained.params, X))
        losses.append(trained.loss_curve)
        for name, array in one_member(several, state.params, member)[1].items():
            np.testing.assert_allclose(array, trained.params[name], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(state.loss_curve, np.mean(losses, axis=0), rtol=1e-12)
    np.testing.assert_allclose(predict_rows(several, state.params, X), np.mean(alone, axis=0), rtol=1e-9, atol=1e-12)


def test_the_loss_of_a_validation_is_that_of_the_mean() -> None:
    several = Architecture(3, (5,), 2, loss="cross_entropy", members=4)
    params = several.initial(0)
    loss, p = Evaluator(several, X, CLASSES).loss_and_predictions(params)
    assert loss == pytest.approx(-np.log(p[np.arange(90), CLASSES]).mean())
    sure = {name: 1000 * array for name, array in params.items()}
    assert np.isfinite(Evaluator(several, X, CLASSES).loss_and_predictions(sure)[0])


def test_a_penalty_over_all_rows_does_not_grow_with_the_number_of_batches() -> None:
    """With a learning rate of nearly 0 the sum over an epoch is that of the data and once the penalty."""
    architecture = Architecture(3, (5,), alpha=2.0, penalty_rows=90)
    params = architecture.initial(0)
    squares = sum(np.sum(params[name] ** 2) for name in ("W1", "W2"))
    plain = replace(architecture, alpha=0.0)
    for size in (9, 30, 90):
        settings = TrainingSettings(SGD(1e-12), epochs=1, batch_size=size)
        with_penalty = train(architecture, params, X, NUMBERS, settings=settings).loss_curve[0]
        without = train(plain, params, X, NUMBERS, settings=settings).loss_curve[0]
        assert with_penalty - without == pytest.approx(0.5 * 2.0 * squares / 90)


def test_decoupled_decay_is_refused() -> None:
    several = Architecture(3, (5,), members=2)
    settings = TrainingSettings(SGD(0.1), epochs=1, weight_decay=0.1)
    with pytest.raises(NetworkError, match="members=1"):
        train(several, None, X, NUMBERS, settings=settings, validation=Validation(X, NUMBERS))
