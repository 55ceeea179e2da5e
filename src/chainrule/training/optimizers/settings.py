"""Validation of an optimizer's settings, which are converted to floats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.training.errors import TrainingError, decay_factor, non_negative_number, positive_number
from chainrule.training.schedules import positive_hyperparameter

_OTHERS: dict[str, Callable[[str, object], float]] = {
    "weight_decay": non_negative_number,
    "eps": non_negative_number,
    "momentum_decay": non_negative_number,
    "clip_norm": positive_number,
}


def check_settings(optimizer: Any, factors: Sequence[str] = ()) -> None:
    """Check `rate`, `weight_decay`, `eps`, `clip_norm`, `betas`, and the `factors`, which must be in [0, 1).

    Raises TrainingError, naming the setting. Functions of the step are not checked.
    """
    checks = {**_OTHERS, **dict.fromkeys(factors, decay_factor)}
    _keep(optimizer, "rate", positive_hyperparameter("the learning rate", optimizer.rate))
    for name, check in checks.items():
        value = getattr(optimizer, name, None)
        if isinstance(value, type):
            raise TrainingError(f"{name} is the class {value.__name__}; give an instance")
        if not callable(value) and (name != "clip_norm" or value is not None) and hasattr(optimizer, name):
            _keep(optimizer, name, check(name, value))
    if hasattr(optimizer, "betas"):
        _keep(optimizer, "betas", _betas(optimizer.betas))


def _betas(value: object) -> tuple[float, float]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TrainingError(f"betas is {value!r}; it should be two numbers, such as (0.9, 0.999)")
    return decay_factor("betas[0]", value[0]), decay_factor("betas[1]", value[1])


def _keep(optimizer: Any, name: str, value: object) -> None:
    object.__setattr__(optimizer, name, value)
