"""Ctrl-C ends a fit with a message, and keeps the trained parameters."""

from __future__ import annotations

import numpy as np
import pytest
from support.interrupting import interrupted_after

from chainrule.estimators import MLPClassifier


@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_interrupt_keeps_what_was_learnt(early_stopping: bool) -> None:
    X = np.random.default_rng(0).normal(size=(200, 4))
    y = np.where(X[:, 0] > 0, 1, 0)
    model = MLPClassifier((8,), max_iter=10**7, tol=0, n_iter_no_change=np.inf, early_stopping=early_stopping)
    model.set_params(random_state=0, batch_size=20, max_iter=2, tol=1.0, n_iter_no_change=1, warm_start=False)
    with pytest.warns(UserWarning, match="before it converged"):
        model.fit(X, y)  # compiled, so that the interrupt comes while it trains
    model.set_params(max_iter=10**7, tol=0.0, n_iter_no_change=np.inf)
    with pytest.warns(UserWarning, match="interrupted; what was learnt is kept"), interrupted_after(epochs=300):
        model.fit(X, y)
    assert 0 < model.n_iter_ == len(model.loss_curve_) < 10**7
    assert model.score(X, y) > 0.8
