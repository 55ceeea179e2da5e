"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.training.errors import TrainingError
from chainrule.training.lbfgs import LBFGS
from chainrule.training.optimizers import SGD, Adam, AdamW, NAdam, Optimizer, RMSprop
from chainrule.words import suggestion

OPTIMIZERS: dict[str, Callable[[], Optimizer | LBFGS]] = {
    "sgd": lambda: SGD(0.1),
    "adam": Adam,
    "adamw": AdamW,
    "nadam": NAdam,
    "rmsprop": RMSprop,
    "lbfgs": LBFGS,
}
"""Each optimizer by its name, with its default settings."""


def optimizer_of(given: Optimizer | LBFGS | str | None) -> Optimizer | LBFGS:
    """Return the optimizer that `given` is or names; `SGD(0.1)` for None.

    Raises TrainingError for an unknown name, a class, or another object.

    >>> optimizer_of("adam")
    Adam(learning_rate=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, amsgrad=False, clip_norm=None)
    """
    if given is None:
        return SGD(0.1)
    if isinstance(given, str):
        if given.lower() not in OPTIMIZERS:
            known = f"; there are {', '.join(map(repr, OPTIMIZERS))}, and instances such as Adam(0.001)"
            raise TrainingError(f"optimizer is {given!r}{suggestion(given.lower(), OPTIMIZERS, known)}")
        return OPTIMIZERS[given.lower()]()
    if isinstance(given, type) and issubclass(given, Optimizer | LBFGS):
        raise TrainingError(f"optimizer is the class {given.__name__}; give an instance, as in SGD(0.1)")
    if not isinstance(given, Optimizer | LBFGS):
        raise TrainingError(f"optimizer is a {type(given).__name__}; give one such as SGD(0.1), or its name")
    return given
