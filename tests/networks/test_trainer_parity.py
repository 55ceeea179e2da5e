"""Trajectories of scikit-learn's multi-layer perceptrons, reproduced weight by weight."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.networks import Architecture, MomentumSGD, ShuffledOrder, TrainingSettings, UncorrectedAdam, train

neural_network = pytest.importorskip("sklearn.neural_network")

ROWS = 130
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((ROWS, 5))
VALUES = np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:3]
LABELS = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 0.5)
WEIGHTS = RANDOM.uniform(0.2, 3, ROWS)
TARGETS: dict[str, tuple[NDArray[Any], str, int]] = {
    "squared_error": (VALUES, "squared", 1),
    "poisson": (np.abs(3 * VALUES).round(), "poisson", 1),
    "binary": ((LABELS > 0).astype(int), "binary_cross_entropy", 1),
    "classes": (LABELS, "cross_entropy", 3),
}


@pytest.mark.parametrize(
    ("task", "solver", "schedule", "activation", "alpha", "nesterov", "weighted", "tolerance"),
    [
        ("squared_error", "sgd", "constant", "tanh", 1e-4, True, False, 1e-4),
        ("squared_error", "sgd", "invscaling", "relu", 1e-2, True, True, 1e-4),
        ("squared_error", "sgd", "adaptive", "logistic", 1e-2, False, True, 1e-2),
        ("classes", "sgd", "adaptive", "relu", 1e-2, False, False, 1e-2),
        ("classes", "adam", "constant", "relu", 1e-2, False, True, 1e-4),
        ("binary", "adam", "constant", "tanh", 0.0, False, False, 1e-4),
        ("binary", "sgd", "invscaling", "identity", 1.0, True, False, 1e-4),
        ("poisson", "adam", "constant", "tanh", 1e-3, True, True, 1e-4),
    ],
)
def test_the_trainer_follows_scikit_learn(
    task: str,
    solver: str,
    schedule: str,
    activation: str,
    alpha: float,
    nesterov: bool,
    weighted: bool,
    tolerance: float,
) -> None:
    y, loss, outputs = TARGETS[task]
    weights = WEIGHTS if weighted else None
    regression = task in ("squared_error", "poisson")
    kind = neural_network.MLPRegressor if regression else neural_network.MLPClassifier
    theirs = kind(
        **({"loss": task} if regression else {}),
        hidden_layer_sizes=(7, 6),
        activation=activation,
        solver=solver,
        learning_rate=schedule,
        learning_rate_init=0.02,
        alpha=alpha,
        nesterovs_momentum=nesterov,
        random_state=3,
        max_iter=50,
        batch_size=32,
        tol=tolerance,
        n_iter_no_change=4,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(X, y.ravel(), sample_weight=weights)

    random = np.random.RandomState(3)
    ours = Architecture(5, (7, 6), outputs, activations=activation, loss=loss, alpha=alpha)
    settings = TrainingSettings(
        MomentumSGD(0.02, 0.9, nesterov) if solver == "sgd" else UncorrectedAdam(0.02),
        epochs=50,
        batch_size=32,
        order=ShuffledOrder(random, ROWS),
        tolerance=tolerance,
        patience=4,
        plateau="divide" if schedule == "adaptive" else "stop",
        learning_rate_power=0.5 if schedule == "invscaling" else None,
    )
    state = train(ours, ours.initial(random, "scikit-learn"), X, y, weights, settings)
    assert state.epoch == theirs.n_iter_
    np.testing.assert_allclose(state.loss_curve, theirs.loss_curve_, rtol=1e-9)
    for k, (coefficients, intercepts) in enumerate(zip(theirs.coefs_, theirs.intercepts_, strict=True), start=1):
        np.testing.assert_allclose(state.params[f"W{k}"], coefficients, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(state.params[f"b{k}"], intercepts, rtol=1e-8, atol=1e-10)
