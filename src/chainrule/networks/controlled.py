"""Extensions of any optimizer: decoupled weight decay and gradient clipping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.networks.errors import NetworkError
from chainrule.schema import NONE, NOT_NEGATIVE, POSITIVE, checked
from chainrule.training import Optimizer, TrainingError

Hyperparameter = Any


class Controlled(Optimizer):
    """Another optimizer with clipping of the global gradient norm and decoupled weight decay.

    `W ← (1 − rate · weight_decay) W` before the update (Loshchilov and Hutter 2019), for matrices only: biases and the
    gains of normalizations do not decay. Raises NetworkError if the optimizer also has its own `clip_norm` or
    `weight_decay`, or if it has no rate to decay by.
    """

    def __init__(self, optimizer: Optimizer, clip_norm: float | None = None, weight_decay: float = 0.0) -> None:
        title = type(optimizer).__name__
        if clip_norm is not None and optimizer.clip_norm is not None:
            raise NetworkError(f"clip_norm is given in addition to that of {title}; leave one out")
        if weight_decay and getattr(optimizer, "weight_decay", 0.0):
            raise NetworkError(f"weight_decay is given in addition to that of {title}; leave one out")
        if weight_decay and "rate" not in optimizer.hyperparameters:
            raise NetworkError(f"{title} has no rate for weights to decay by; leave weight_decay out")
        self.optimizer = optimizer
        self.clip_norm = checked("clip_norm", clip_norm, NONE | POSITIVE, TrainingError) or optimizer.clip_norm
        self.weight_decay = checked("weight_decay", weight_decay, NOT_NEGATIVE, NetworkError)

    @property
    def hyperparameters(self) -> Mapping[str, Hyperparameter]:
        decay = {"decoupled decay": self.weight_decay} if self.weight_decay else {}
        return {**self.optimizer.hyperparameters, **decay}

    @property
    def running(self) -> Mapping[str, float]:
        return self.optimizer.running

    def scalars(self, step: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        kept = {"decoupled kept": 1 - given["rate"] * given["decoupled decay"]} if self.weight_decay else {}
        return {**self.optimizer.scalars(step, given), **kept}

    def state(self, parameter: Any) -> Mapping[str, Any]:
        return self.optimizer.state(parameter)

    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        if self.weight_decay and np.ndim(parameter) == 2:
            parameter = scalars["decoupled kept"] * parameter
        return self.optimizer.update(parameter, gradient, state, scalars)
