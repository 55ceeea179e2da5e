"""The same `random_state` gives scikit-learn's network: both train drawn configurations and agree in all they leave."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.estimator_parity import both, drawn, same

Array = NDArray[Any]

CASES = range(42)


def fitted(estimator: Any, X: Array, y: Array, weights: Array | None) -> tuple[Any, list[type[Warning]]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X, y, sample_weight=weights)
    return estimator, [each.category for each in caught]


@pytest.mark.parametrize("case", CASES)
def test_a_drawn_configuration(case: int) -> None:
    kind, parameters, X, y, weights = drawn(case)
    (ours, warned), (theirs, expected) = (fitted(each, X, y, weights) for each in both(kind, parameters))
    same(ours, theirs)
    assert warned == expected
    if kind in ("binary", "multiclass", "multilabel"):
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), rtol=1e-5, atol=1e-5)
    else:
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.score(X, y, weights), theirs.score(X, y, weights), rtol=1e-5)
