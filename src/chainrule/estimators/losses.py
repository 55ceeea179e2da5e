"""Losses and output activations of the estimators, by scikit-learn's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from chainrule.networks import (
    BinaryCrossEntropy,
    BinaryFocal,
    CrossEntropy,
    Focal,
    Huber,
    Loss,
    Quantile,
    Tweedie,
    read_loss,
)

_REGRESSION_NAMES: Final[Mapping[str, str]] = {"squared_error": "squared", "absolute_error": "absolute"}
_ACTIVATION_NAMES: Final[Mapping[str, str]] = {"linear": "identity", "sigmoid": "logistic"}


def classification_loss(given: Any, kind: str, label_smoothing: float, gamma: float) -> Loss:
    """Return the classification loss for labels of this kind; raise NetworkError for an unknown name."""
    several = kind == "multiclass"
    if given == "log_loss":
        return CrossEntropy(label_smoothing) if several else BinaryCrossEntropy(label_smoothing)
    if given == "focal":
        return Focal(gamma) if several else BinaryFocal(gamma)
    return read_loss(given)


def regression_loss(given: Any, quantile: Any, delta: float, power: float) -> Loss:
    """Return the regression loss; raise NetworkError for an unknown name."""
    if given == "huber":
        return Huber(delta)
    if given == "quantile":
        return Quantile(quantile)
    if given == "tweedie":
        return Tweedie(power)
    return read_loss(_REGRESSION_NAMES.get(given, given) if isinstance(given, str) else given)


def activation_title(name: str) -> str:
    """Return scikit-learn's name of an activation."""
    return _ACTIVATION_NAMES.get(name, name)
