"""scikit-learn's own checks of estimators: all of them, without exceptions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from chainrule.estimators import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor

Check = Callable[[Any], None]
FEW: dict[str, Any] = {"hidden_layer_sizes": (8,), "ensemble": 1, "max_epochs": 40, "learning_rate": 0.02}
"""Settings with which the checks are fast."""

ESTIMATORS = (MLPClassifier(), MLPRegressor(), TabularClassifier(**FEW), TabularRegressor(**FEW))
CHECKS: list[tuple[Any, Check]] = [pair for each in ESTIMATORS for pair in estimator_checks_generator(each)]


def title(part: Any) -> str:
    """The name of an estimator, or of a check with what it is given."""
    if not isinstance(part, partial):
        return type(part).__name__
    given = "-".join(f"{name}={value}" for name, value in part.keywords.items())
    name = part.func.__name__ if not isinstance(part.func, partial) else title(part.func)
    return f"{name}({given})" if given else name


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=title)
def test_a_check_of_scikit_learn(estimator: Any, check: Check) -> None:
    check(estimator)
