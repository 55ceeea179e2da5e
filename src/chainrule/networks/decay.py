"""Decoupled weight decay, for any optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.networks.errors import NetworkError
from chainrule.schema import NOT_NEGATIVE, checked
from chainrule.training import Optimizer

Hyperparameter = Any


class MatrixDecay(Optimizer):
    """Another optimizer with decoupled weight decay of matrices.

    `W ← (1 − learning_rate · weight_decay) W` before the update (Loshchilov and Hutter 2019), for matrices only: biases
    and the gains of normalizations do not decay. Raises NetworkError if the optimizer has a `weight_decay` itself, or
    no learning rate to decay by.
    """

    def __init__(self, optimizer: Optimizer, weight_decay: float) -> None:
        title = type(optimizer).__name__
        if getattr(optimizer, "weight_decay", 0.0):
            raise NetworkError(f"weight_decay is given in addition to that of {title}; leave one out")
        if "learning_rate" not in optimizer.hyperparameters:
            raise NetworkError(f"{title} has no learning rate for weights to decay by; leave weight_decay out")
        self.optimizer = optimizer
        self.clip_norm = optimizer.clip_norm
        self.weight_decay = checked("weight_decay", weight_decay, NOT_NEGATIVE, NetworkError)

    @property
    def hyperparameters(self) -> Mapping[str, Hyperparameter]:
        return {**self.optimizer.hyperparameters, "decoupled decay": self.weight_decay}

    @property
    def running(self) -> Mapping[str, float]:
        return self.optimizer.running

    def scalars(self, step: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        kept = 1 - given["learning_rate"] * given["decoupled decay"]
        return {**self.optimizer.scalars(step, given), "decoupled kept": kept}

    def state(self, parameter: Any) -> Mapping[str, Any]:
        return self.optimizer.state(parameter)

    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        if np.ndim(parameter) == 2:
            parameter = scalars["decoupled kept"] * parameter
        return self.optimizer.update(parameter, gradient, state, scalars)
