"""Inputs in float32 are trained in float32, and `dtype` overrides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.estimator_parity import both, close, drawn

from chainrule.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("case", [1, 2, 4, 7, 11])
def test_a_drawn_configuration_in_float32(case: int) -> None:
    kind, parameters, X, y, weights = drawn(case)
    ours, theirs = both(kind, {**parameters, "max_iter": 10, "tol": 0.0, "n_iter_no_change": np.inf})
    ours.fit(X.astype(np.float32), y, sample_weight=weights)
    theirs.fit(X.astype(np.float32), y, sample_weight=weights)
    assert all(layer.dtype == np.float32 for layer in ours.coefs_ + ours.intercepts_)
    close([layer.astype(float) for layer in ours.coefs_], [layer.astype(float) for layer in theirs.coefs_], 2e-3)
    assert ours.n_iter_ == theirs.n_iter_


def test_the_dtype_that_is_asked_for() -> None:
    X = np.random.default_rng(0).normal(size=(30, 3))
    settings: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}
    assert MLPClassifier(dtype="float32", **settings).fit(X, X[:, 0] > 0).predict_proba(X).dtype == np.float32
    assert MLPRegressor(dtype="float32", **settings).fit(X, X[:, 0]).predict(X).dtype == np.float32
    assert MLPRegressor(dtype="float64", **settings).fit(X.astype(np.float32), X[:, 0]).coefs_[0].dtype == float
    assert MLPRegressor(**settings).fit((10 * X).astype(int), X[:, 0]).coefs_[0].dtype == float
    assert MLPRegressor(**settings).fit(X.astype(np.float16), X[:, 0]).coefs_[0].dtype == float
