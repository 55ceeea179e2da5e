"""The one difference to scikit-learn: of several outputs the loss is that of the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.estimator_parity import both, close

from chainrule.estimators import MLPRegressor

Array = NDArray[Any]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def data() -> tuple[Array, Array]:
    X = np.random.default_rng(0).normal(size=(50, 4))
    return X, np.column_stack([np.sin(X[:, 0]), X[:, 1] ** 2, X[:, 2]])


def test_the_loss_is_as_many_times_that_of_scikit_learn_as_there_are_outputs() -> None:
    X, y = data()
    ours, theirs = both("several", {"alpha": 0.0, "max_iter": 20, "batch_size": 16, "random_state": 0})
    ours.fit(X, y)
    theirs.fit(X, y)
    np.testing.assert_allclose(ours.loss_curve_, 3 * np.array(theirs.loss_curve_), rtol=1e-9)
    np.testing.assert_allclose(ours.best_loss_, 3 * theirs.best_loss_, rtol=1e-9)


def test_training_stops_in_the_same_epoch() -> None:
    X, y = data()
    ours, theirs = both(
        "several", {"alpha": 0.0, "tol": 3e-3, "n_iter_no_change": 3, "max_iter": 300, "random_state": 0}
    )
    ours.fit(X, y)
    theirs.fit(X, y)
    assert 3 < ours.n_iter_ == theirs.n_iter_ < 300
    close(ours.coefs_, theirs.coefs_)


def test_the_gradient_is_that_of_the_reported_loss() -> None:
    X, y = data()

    def loss(model: Any) -> float:
        weights = sum(float(np.sum(layer**2)) for layer in model.coefs_)
        return float(0.5 * np.mean(np.sum((model.predict(X) - y) ** 2, axis=1)) + 0.5 * 0.3 * weights / len(X))

    model = MLPRegressor(hidden_layer_sizes=(3,), activation="tanh", alpha=0.3, max_iter=1, random_state=1)
    model.set_params(solver="sgd", momentum=0.0, nesterovs_momentum=False, learning_rate_init=1e-9).fit(X, y)
    before = model.coefs_[0].copy()
    model.set_params(warm_start=True).fit(X, y)
    gradient = (before - model.coefs_[0]) / 1e-9
    assert model.loss_ == pytest.approx(loss(model), rel=1e-7)
    model.coefs_[0][1, 2] += 1e-5
    above = loss(model)
    model.coefs_[0][1, 2] -= 2e-5
    assert gradient[1, 2] == pytest.approx((above - loss(model)) / 2e-5, rel=1e-4)
