"""Diverging fits: errors and warnings as in scikit-learn, and the remaining weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GridSearchCV

from chainrule.estimators import DivergenceError, MLPClassifier, MLPRegressor

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((120, 3))
Y = X[:, 0] * X[:, 1]
ESTIMATORS: dict[str, Any] = {"numbers": (MLPRegressor, Y), "classes": (MLPClassifier, Y > 0)}
Kinds = pytest.mark.parametrize("kind", ESTIMATORS)


def exploding(kind: str, rate: float = 1e6, **settings: Any) -> tuple[Any, NDArray[Any]]:
    cls, y = ESTIMATORS[kind]
    given = {"solver": "sgd", "learning_rate_init": rate, "max_iter": 30, "random_state": 0, **settings}
    return cls((8,), **given) if kind == "classes" else cls(hidden_layer_sizes=(8,), **given), y


def test_without_early_stopping_it_raises() -> None:
    model, y = exploding("numbers")
    with pytest.raises(DivergenceError, match="its epoch of the least loss began with"):
        model.fit(X, y)
    start = MLPRegressor(hidden_layer_sizes=(8,), random_state=0, max_iter=1, solver="sgd", learning_rate_init=1e-300)
    with pytest.warns(ConvergenceWarning):
        start.fit(X, y)
    assert int(np.argmin(model.loss_curve_)) == 0
    for ours, drawn in zip(model.coefs_, start.coefs_, strict=True):
        np.testing.assert_array_equal(ours, drawn)


@Kinds
def test_with_early_stopping_it_warns(kind: str) -> None:
    model, y = exploding(kind, early_stopping=True, activation="identity", alpha=1e3)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    assert all(np.isfinite(weight).all() for weight in model.coefs_)
    assert np.isfinite(model.score(X, y))


def test_a_loss_that_only_grew_warns() -> None:
    model, y = exploding("numbers", 1e3, activation="identity", max_iter=3, momentum=0.0)
    with pytest.warns(ConvergenceWarning, match="diverged: the loss grew to") as caught:
        model.fit(X, y)
    assert len(caught) == 1
    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert np.abs(model.predict(X)).max() < 100


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_a_search_goes_on_past_candidates_that_diverge() -> None:
    model, y = exploding("numbers")
    search = GridSearchCV(model, {"learning_rate_init": [1e6, 1e-2]}, cv=3)
    with pytest.warns(FitFailedWarning, match="diverged"):
        search.fit(X, y)
    assert search.best_params_ == {"learning_rate_init": 1e-2}
    assert np.isnan(search.cv_results_["mean_test_score"][0])


def test_what_diverged_can_be_fitted_again() -> None:
    model, y = exploding("numbers", warm_start=True)
    for _ in range(2):
        with pytest.raises(DivergenceError):
            model.fit(X, y)
    with pytest.warns(ConvergenceWarning, match="before it converged"):
        model.set_params(learning_rate_init=1e-3, max_iter=30).fit(X, y)
    assert model.loss_curve_[-1] < 1
