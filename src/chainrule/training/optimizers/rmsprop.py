"""RMSprop: steps scaled by the root of the gradient's mean square."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from chainrule.schema import NOT_NEGATIVE, keep
from chainrule.training.errors import TrainingError
from chainrule.training.optimizers.base import Optimizer
from chainrule.training.optimizers.settings import ClipNorm, Decay, Factor, Rate
from chainrule.training.optimizers.sgd import decayed
from chainrule.training.rule import Array, is_zero
from chainrule.training.schedules import Hyperparameter


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton 2012, lecture 6.5): steps scaled by the root of the mean square.

    `W ← W − learning_rate · g / (√v + eps)`, `v ← α v + (1 − α) g²`. If centered (Graves 2013, equation 40), the mean ḡ
    of the gradient is also tracked, and √(v − ḡ²) replaces √v. With momentum μ, `u ← μ u + g / (√v + eps)` and
    `W ← W − learning_rate · u`. All as in PyTorch's `RMSprop`.

    Parameters
    ----------
    learning_rate
        The learning rate, a positive number or a function of the step, such as one of `cr.schedules`.
    alpha, momentum
        From 0 to below 1, or functions of the step.
    eps
        A number of at least 0.
    weight_decay
        λ in the gradient `g = ∂L/∂W + λ W`; a number of at least 0, or a function of the step.
    centered
        Whether the variance of the gradient scales the step, rather than its mean square.
    clip_norm
        The largest global norm of the gradients, see `Optimizer`; None for none.

    Raises
    ------
    TrainingError
        For settings out of range.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> data = {"x": np.arange(4.0), "y": 3 * np.arange(4.0)}
    >>> result = cr.fit("mean((slope * x - y)^2)", {"slope": 0.0}, data, cr.RMSprop(0.01), epochs=1000)
    >>> print(result.params["slope"].round(2))
    3.0

    """

    learning_rate: Rate = 1e-2
    alpha: Factor = 0.99
    eps: Annotated[float, NOT_NEGATIVE] = 1e-8
    weight_decay: Decay = 0.0
    momentum: Factor = 0.0
    centered: bool = False
    clip_norm: ClipNorm = None

    def __post_init__(self) -> None:
        keep(self, TrainingError)

    @property
    def hyperparameters(self) -> Mapping[str, Hyperparameter]:
        optional = {"weight_decay": self.weight_decay, "momentum": self.momentum}
        used = {name: value for name, value in optional.items() if not is_zero(value)}
        return {"learning_rate": self.learning_rate, "alpha": self.alpha, "eps": self.eps, **used}

    def scalars(self, step: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"share": 1 - given["alpha"]}

    def state(self, parameter: Array) -> Mapping[str, Array]:
        names = ["mean square"]
        if self.centered:
            names.append("mean")
        if not is_zero(self.momentum):
            names.append("velocity")
        return {name: np.zeros_like(parameter) for name in names}

    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        gradient = decayed(gradient, parameter, scalars)
        square = scalars["alpha"] * state["mean square"] + scalars["share"] * gradient**2
        following = {"mean square": square}
        if self.centered:
            mean = following["mean"] = state["mean"] + scalars["share"] * (gradient - state["mean"])
            square = np.maximum(square - mean**2, 0)  # rounding may make it negative if the gradient is constant
        direction = gradient / (np.sqrt(square) + scalars["eps"])
        if "momentum" in scalars:
            direction = following["velocity"] = scalars["momentum"] * state["velocity"] + direction
        return parameter - scalars["learning_rate"] * direction, following
