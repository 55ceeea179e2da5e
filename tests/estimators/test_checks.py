"""scikit-learn's own checks of estimators: all of them, without exceptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from chainrule.estimators import MLPClassifier, MLPRegressor

ESTIMATORS = [
    MLPClassifier(),
    MLPRegressor(),
]


Check = Callable[[Any], None]
with_all_checks: Callable[[Callable[[Any, Check], None]], Callable[[Any, Check], None]] = parametrize_with_checks(
    ESTIMATORS
)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@with_all_checks
def test_a_check_of_scikit_learn(estimator: Any, check: Check) -> None:
    check(estimator)
