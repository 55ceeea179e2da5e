"""The solver "lbfgs": scikit-learn's search on the same loss, and on several outputs a loss that agrees with it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from support.estimator_parity import both, drawn

from chainrule.estimators import MLPClassifier, MLPRegressor

DROPPED = ("learning_rate", "batch_size", "early_stopping", "validation_fraction", "shuffle", "tol", "n_iter_no_change")


@pytest.mark.parametrize("case", [0, 1, 2, 3, 5, 6, 8, 11])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_drawn_configuration(case: int) -> None:
    kind, parameters, X, y, weights = drawn(case)
    kept = {name: value for name, value in parameters.items() if name not in DROPPED}
    ours, theirs = both(kind, {**kept, "solver": "lbfgs"})
    ours.fit(X, y, sample_weight=weights)
    theirs.fit(X, y, sample_weight=weights)
    assert ours.loss_ <= theirs.loss_ * (1 + 1e-6) + 1e-9
    assert ours.n_iter_ == pytest.approx(theirs.n_iter_, abs=2)
    assert ours.t_ == theirs.t_ == 0
    if kind in ("binary", "multiclass", "multilabel"):
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-3)
    else:
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-3, atol=1e-3)


def test_several_outputs_are_searched_on_the_loss_that_the_gradient_belongs_to() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(80, 4)) * [1, 3, 0.5, 2]
    y = np.column_stack([np.sin(X[:, 0]), X[:, 1] ** 2, X[:, 2]])
    model = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0.0, tol=1e-9, random_state=0).fit(X, y)
    padded = np.column_stack([X, np.ones(80)])
    least, squares, *_ = np.linalg.lstsq(padded, y, rcond=None)
    np.testing.assert_allclose(model.coefs_[0], least[:-1], atol=2e-5)
    np.testing.assert_allclose(model.intercepts_[0], least[-1], atol=2e-5)
    assert model.loss_ == pytest.approx(0.5 * squares.sum() / 80)


def test_limits_are_kept_and_said() -> None:
    random = np.random.default_rng(1)
    X, y = random.normal(size=(60, 3)), random.integers(0, 3, 60)
    with pytest.warns(ConvergenceWarning, match=r"ended in epoch 3 before it converged .*raise max_iter and max_fun"):
        assert MLPClassifier((5,), solver="lbfgs", max_iter=3, random_state=0).fit(X, y).n_iter_ == 3
    with pytest.warns(ConvergenceWarning):
        assert MLPClassifier((5,), solver="lbfgs", max_fun=4, random_state=0).fit(X, y).n_iter_ <= 4
    model = MLPClassifier((5,), solver="lbfgs", tol=0.1, random_state=0).fit(X, y)
    assert len(model.loss_curve_) == model.n_iter_
    assert model.loss_ == model.loss_curve_[-1]
    assert model.validation_scores_ is None
