"""Momentum and Adam in the forms of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from chainrule.schema import FRACTION, keep
from chainrule.training.errors import TrainingError
from chainrule.training.optimizers.adam import Adam
from chainrule.training.optimizers.base import Optimizer
from chainrule.training.optimizers.settings import ClipNorm, Rate
from chainrule.training.schedules import Hyperparameter, over_steps


@dataclass(frozen=True)
class MomentumSGD(Optimizer):
    """Gradient descent with the learning rate inside the velocity: `v ← momentum · v − learning_rate · g`, `W ← W + v`.

    With `nesterov`, `W ← W + momentum · v − learning_rate · g` (Sutskever et al. 2013, equations 3 and 4, written for
    the lookahead point). This is scikit-learn's form; it differs from `SGD` if the learning rate changes, since a new
    learning rate does not affect the existing velocity.
    """

    learning_rate: Rate = 0.001
    momentum: Annotated[Hyperparameter, over_steps(FRACTION)] = 0.9
    nesterov: bool = True
    clip_norm: ClipNorm = None

    def __post_init__(self) -> None:
        keep(self, TrainingError)

    def state(self, parameter: Any) -> Mapping[str, Any]:
        return {"velocity": np.zeros_like(parameter)}

    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        momentum, learning_rate = scalars["momentum"], scalars["learning_rate"]
        velocity = momentum * state["velocity"] - learning_rate * gradient
        change = momentum * velocity - learning_rate * gradient if self.nesterov else velocity
        return parameter + change, {"velocity": velocity}


@dataclass(frozen=True)
class UncorrectedAdam(Adam):
    """Adam with eps added to √v rather than √v̂: `W ← W − ηₜ · m / (√v + eps)`.

    `ηₜ = learning_rate · √(1 − β₂ᵗ) / (1 − β₁ᵗ)`: the form at the end of section 2 of Kingma and Ba 2015, used by
    scikit-learn. Parameters as in `Adam`.
    """

    def scalars(self, step: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**super().scalars(step, given), "corrected eps": given["eps"]}
