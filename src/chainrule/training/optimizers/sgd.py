"""Gradient descent, with and without momentum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.schema import keep
from chainrule.training.errors import TrainingError
from chainrule.training.optimizers.base import Optimizer
from chainrule.training.optimizers.settings import ClipNorm, Decay, Factor, Rate
from chainrule.training.rule import Array, is_zero
from chainrule.training.schedules import Hyperparameter


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent, `W ← W − learning_rate · ∂L/∂W`; on batches, stochastic gradient descent.

    With momentum μ and dampening τ, the velocity `v ← μ v + (1 − τ) g` replaces the gradient, or with `nesterov` `g + μ
    v` (Sutskever et al. 2013, in the form of PyTorch's `SGD`, whose first velocity is g itself). With weight decay λ,
    the gradient is `g = ∂L/∂W + λ W`.

    Parameters
    ----------
    learning_rate
        The learning rate, a positive number or a function of the step, such as one of `cr.schedules`.
    momentum, dampening
        From 0 to below 1, or functions of the step.
    weight_decay
        A number of at least 0, or a function of the step.
    nesterov
        Requires a momentum, and no dampening.
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
    >>> result = cr.fit("mean((slope * x - y)^2)", {"slope": 0.0}, data, cr.SGD(0.1, momentum=0.5), epochs=100)
    >>> print(result.params["slope"].round(2))
    3.0

    """

    learning_rate: Rate
    momentum: Factor = 0.0
    weight_decay: Decay = 0.0
    nesterov: bool = False
    dampening: Factor = 0.0
    clip_norm: ClipNorm = None

    def __post_init__(self) -> None:
        keep(self, TrainingError)
        if self.nesterov and (is_zero(self.momentum) or not is_zero(self.dampening)):
            raise TrainingError(
                "nesterov needs a momentum above 0 and a dampening of 0, as in SGD(0.1, 0.9, nesterov=True)"
            )

    @property
    def hyperparameters(self) -> Mapping[str, Hyperparameter]:
        return {
            "learning_rate": self.learning_rate,
            **{name: value for name, value in super().hyperparameters.items() if not is_zero(value)},
        }

    def scalars(self, step: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        if is_zero(self.momentum) or is_zero(self.dampening):
            return {}
        return {"share": np.where(step == 0, 1.0, 1 - given["dampening"])}

    def state(self, parameter: Array) -> Mapping[str, Array]:
        return {} if is_zero(self.momentum) else {"velocity": np.zeros_like(parameter)}

    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        gradient = decayed(gradient, parameter, scalars)
        if not state:
            return parameter - scalars["learning_rate"] * gradient, {}
        momentum = scalars["momentum"]
        fresh = scalars["share"] * gradient if "share" in scalars else gradient
        velocity = momentum * state["velocity"] + fresh
        direction = gradient + momentum * velocity if self.nesterov else velocity
        return parameter - scalars["learning_rate"] * direction, {"velocity": velocity}


def decayed(gradient: Any, parameter: Any, scalars: Mapping[str, Any]) -> Any:
    """The gradient of the loss plus `½ weight_decay ‖W‖²`."""
    return gradient + scalars["weight_decay"] * parameter if "weight_decay" in scalars else gradient
