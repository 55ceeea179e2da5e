"""Training settings: the solver, its epochs and batches, and the stopping criteria."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from chainrule.networks.decay import MatrixDecay
from chainrule.networks.errors import NetworkError
from chainrule.schema import COUNT, NOT_BELOW_0, NOT_NEGATIVE, OMITTED, POSITIVE, keep, number, one_of
from chainrule.training import (
    LBFGS,
    Adam,
    BlockOrder,
    Optimizer,
    hyperparameter_values,
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
        `least_learning_rate`.
    learning_rate_power
        After each epoch the learning rate becomes `learning_rate / (rows seen + 1)^learning_rate_power`, as
        scikit-learn's invscaling; None for a constant learning rate.
    weight_decay
        `W ← (1 − learning_rate · weight_decay) W` before each update of a weight matrix.
    restore_best
        Whether to keep the parameters after the epoch with the best validation, as `TrainingState.learnt`.
    engine
        `"native"`, `"xla"` (through JAX, on its devices), or `"reference"`.
    own_rows
        Whether each of several processes gives its own rows, as `OwnRows` for `fit`.

    Raises NetworkError and TrainingError for invalid or inconsistent settings.

    """

    solver: Optimizer | LBFGS = field(default_factory=Adam)
    epochs: Annotated[int, COUNT] = 200
    batch_size: Annotated[int, COUNT] | None = None
    seed: Annotated[int, NOT_BELOW_0] = 0
    shuffle: bool = True
    order: BlockOrder | Order | None = None
    monitor: Annotated[Monitor, one_of(*get_args(Monitor))] = "loss"
    tolerance: Annotated[float, NOT_NEGATIVE] = 0.0
    patience: Annotated[float, number(at_least=0, at_most=math.inf)] | None = None
    plateau: Annotated[Plateau, one_of(*get_args(Plateau))] = "stop"
    plateau_factor: Annotated[float, POSITIVE] = 5.0
    least_learning_rate: float = 1e-6
    learning_rate_power: Annotated[float, NOT_NEGATIVE] | None = None
    weight_decay: float = 0.0
    restore_best: bool = False
    engine: str = "native"
    own_rows: Annotated[bool, OMITTED] = False

    def __post_init__(self) -> None:
        if not isinstance(self.solver, Optimizer | LBFGS):
            raise NetworkError(f"solver is {self.solver!r}; give an optimizer such as Adam(0.001)")
        keep(self, NetworkError)
        if self.restore_best and self.monitor == "loss":
            raise NetworkError(
                "restore_best needs a validation to be best on; give monitor='validation_score' or 'validation_loss'"
            )
        if self.order is not None and self.own_rows:
            raise NetworkError("order is for rows that all processes have; leave it out, or give all rows to all")
        if self.order is not None and not self.shuffle:
            raise NetworkError("order is given together with shuffle=False; leave one out")
        if isinstance(self.solver, LBFGS):
            self._check_whole()
        elif self.plateau == "divide" or self.learning_rate_power is not None:
            if self.plateau == "divide" and self.learning_rate_power is not None:
                raise NetworkError(
                    "plateau='divide' and learning_rate_power both change the learning rate; leave one out"
                )
            if self.learning_rate is None:
                raise NetworkError(
                    f"the learning rate of {type(self.solver).__name__} is a function of the step; give a number, "
                    "which plateau='divide' and learning_rate_power change"
                )

    def _check_whole(self) -> None:
        for name in ("order", "learning_rate_power"):
            if getattr(self, name) is not None:
                raise NetworkError(f"{name} is not for LBFGS, which has no batches and no learning rate; leave it out")
        if self.weight_decay:
            raise NetworkError("weight_decay is not for LBFGS; give the architecture an alpha")
        if self.plateau == "divide":
            raise NetworkError("plateau='divide' is not for LBFGS, which has no learning rate; leave it out")

    @property
    def decaying(self) -> Optimizer | LBFGS:
        """The solver, with weight decay of matrices if there is one."""
        if isinstance(self.solver, LBFGS) or not self.weight_decay:
            return self.solver
        return MatrixDecay(self.solver, self.weight_decay)

    @property
    def learning_rate(self) -> float | None:
        """The initial learning rate, if it is a number."""
        numbers = {} if isinstance(self.solver, LBFGS) else hyperparameter_values(self.solver)
        learning_rate = numbers.get(f"{type(self.solver).__name__} learning_rate")
        return None if learning_rate is None else float(learning_rate)


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
