"""Training settings: the solver, its epochs and batches, and the stopping criteria."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from chainrule.networks.controlled import Controlled
from chainrule.networks.errors import NetworkError, choice, number_between
from chainrule.training import (
    LBFGS,
    Adam,
    BlockOrder,
    Optimizer,
    hyperparameter_values,
    positive_integer,
    positive_number,
)

Array: TypeAlias = NDArray[Any]
Monitor: TypeAlias = Literal["loss", "validation_loss", "validation_score"]
Plateau: TypeAlias = Literal["stop", "divide"]
Order: TypeAlias = Callable[[int], NDArray[np.int64]]
Score: TypeAlias = Callable[[Array, Array, "Array | None"], float]


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of `train`.

    Parameters
    ----------
    solver
        An `Optimizer`, such as `Adam(0.001)`, or `LBFGS()`.
    epochs
        Maximum number of epochs; with `LBFGS`, iterations.
    batch_size
        Rows in a batch; None for all, as for any number larger than that.
    seed
        Seed of row orders and dropout; a resumed run keeps that of its state.
    shuffle
        Whether the order of rows changes from epoch to epoch.
    order
        A function from the epoch number to an order of the rows (an array of their numbers), called once per epoch, in
        sequence, and only for epochs that are begun; None lets the engine draw it. A stateful order has `get_state()`,
        which returns plain data, and `set_state`, which is called to rewind it if a run ends within an epoch, and to
        resume it.
    monitor
        The quantity that patience refers to: the training loss, the validation loss or the validation score.
    tolerance, patience
        An epoch is an improvement if it is better than the best one before by `tolerance`. After more than `patience`
        consecutive epochs without improvement the plateau rule applies; None never stops.
    plateau
        `"stop"`, or `"divide"`: divide the learning rate by `plateau_factor` and continue, until it is at most
        `least_rate`.
    rate_power
        After each epoch the rate becomes `rate / (rows seen + 1)^rate_power`, as scikit-learn's invscaling; None for a
        constant rate.
    clip_norm
        Maximum global norm of the gradients; None for no limit.
    weight_decay
        `W ← (1 − rate · weight_decay) W` before each update of a weight matrix.
    restore_best
        Whether to keep the parameters after the epoch with the best validation, as `TrainingState.learnt`.
    engine
        `"native"`, or `"reference"`.

    Raises NetworkError and TrainingError for invalid or inconsistent settings.

    """

    solver: Optimizer | LBFGS = field(default_factory=Adam)
    epochs: int = 200
    batch_size: int | None = None
    seed: int = 0
    shuffle: bool = True
    order: BlockOrder | Order | None = None
    monitor: Monitor = "loss"
    tolerance: float = 0.0
    patience: float | None = None
    plateau: Plateau = "stop"
    plateau_factor: float = 5.0
    least_rate: float = 1e-6
    rate_power: float | None = None
    clip_norm: float | None = None
    weight_decay: float = 0.0
    restore_best: bool = False
    engine: str = "native"

    def __post_init__(self) -> None:
        if not isinstance(self.solver, Optimizer | LBFGS):
            raise NetworkError(f"solver is {self.solver!r}; give an optimizer such as Adam(0.001)")
        self._keep("epochs", positive_integer("epochs", self.epochs))
        if self.batch_size is not None:
            self._keep("batch_size", positive_integer("batch_size", self.batch_size))
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | np.integer) or self.seed < 0:
            raise NetworkError(f"seed is {self.seed!r}; it should be a whole number, 0 or more")
        choice("monitor", self.monitor, get_args(Monitor))
        choice("plateau", self.plateau, get_args(Plateau))
        self._keep("tolerance", number_between("tolerance", self.tolerance, 0))
        if self.patience is not None and self.patience != math.inf:
            self._keep("patience", number_between("patience", self.patience, 0))
        positive_number("plateau_factor", self.plateau_factor)
        if self.rate_power is not None:
            number_between("rate_power", self.rate_power, 0)
        if self.restore_best and self.monitor == "loss":
            raise NetworkError(
                "restore_best needs a validation to be best on; give monitor='validation_score' or 'validation_loss'"
            )
        if self.order is not None and not self.shuffle:
            raise NetworkError("order is given beside shuffle=False; leave one out")
        if isinstance(self.solver, LBFGS):
            self._check_whole()
        elif self.plateau == "divide" or self.rate_power is not None:
            if self.plateau == "divide" and self.rate_power is not None:
                raise NetworkError("plateau='divide' and rate_power both change the rate; leave one out")
            if self.rate is None:
                raise NetworkError(
                    f"the rate of {type(self.solver).__name__} is a function of the step; give a number, which "
                    "plateau='divide' and rate_power change"
                )

    def _keep(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_whole(self) -> None:
        for name in ("order", "clip_norm", "rate_power"):
            if getattr(self, name) is not None:
                raise NetworkError(f"{name} is not for LBFGS, which has no batches and no rate; leave it out")
        if self.weight_decay:
            raise NetworkError("weight_decay is not for LBFGS; give the architecture an alpha")
        if self.plateau == "divide":
            raise NetworkError("plateau='divide' is not for LBFGS, which has no rate; leave it out")

    @property
    def controlled(self) -> Optimizer | LBFGS:
        """The solver with clipping and weight decay."""
        if isinstance(self.solver, LBFGS) or (self.clip_norm is None and not self.weight_decay):
            return self.solver
        return Controlled(self.solver, self.clip_norm, self.weight_decay)

    @property
    def rate(self) -> float | None:
        """The initial learning rate, if it is a number."""
        numbers = {} if isinstance(self.solver, LBFGS) else hyperparameter_values(self.solver)
        rate = numbers.get(f"{type(self.solver).__name__} rate")
        return None if rate is None else float(rate)


@dataclass(frozen=True)
class Validation:
    """Held-out rows.

    `score(y, p, weights)` is larger for better predictions `p` (rows, outputs), with y in the form the loss takes; None
    selects the loss's own, accuracy or R².
    """

    X: Any
    y: Any
    weights: Any = None
    score: Score | None = None
