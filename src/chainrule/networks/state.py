"""The state of a training run: plain arrays, numbers and strings, from which it resumes bitwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.schema import NOT_BELOW_0, OMITTED

Array: TypeAlias = NDArray[Any]
Status: TypeAlias = Literal["running", "finished", "converged", "stopped", "interrupted", "diverged"]


def _none() -> NDArray[np.float64]:
    return np.empty(0)


@dataclass(eq=False)
class TrainingState:
    """The result of `train`, also passed to `on_epoch`; given as `resume`, it continues the run.

    Attributes
    ----------
    params
        The parameters after the last step; with batch normalization also `mean1`, `variance1`, … of the training rows.
    optimizer_state
        The optimizer's state, and the step count if something depends on it.
    epoch, step, loss
        Number of finished epochs; steps of the next one, whose weighted losses sum to `loss`.
    loss_curve
        For each finished epoch the mean of the batch losses, including the penalty, weighted by rows.
    validation_losses, validation_scores
        For each finished epoch, if there is a validation; the losses exclude the penalty.
    learning_rate
        The learning rate of the next step, if it is a number.
    best_params, best_epoch
        The parameters after the epoch with the best validation, if these are restored; epochs are counted from 1.
    best
        The best monitored value so far.
    waiting
        Number of consecutive epochs without improvement.
    rows_seen
        Number of rows trained on, including repetitions.
    status
        `"running"`, `"finished"` (all epochs), `"converged"` (no further improvement), `"stopped"` (by `on_epoch`),
        `"interrupted"` (Ctrl-C), or `"diverged"`: a value became non-finite, or the final loss is more than a million
        times the initial loss, or than 1 if that is larger. Then `params` are those at the beginning of the epoch with
        the lowest loss since the run began or was resumed.
    reason
        A sentence on why the run ended.
    culprit
        After a divergence, the first non-finite value; None if only the loss grew.
    seed
        Seed of row orders and dropout.
    order_state
        `get_state()` of the order after the last finished epoch, if it has one.
    seconds
        Total time of training, over all its parts.
    threads
        Number of threads used.
    devices
        Number of devices that have rows of their own, on which the order of the rows depends; 0 if all have all rows.

    """

    params: dict[str, Array]
    optimizer_state: dict[str, Array] = field(default_factory=dict)
    epoch: Annotated[int, NOT_BELOW_0] = 0
    step: Annotated[int, NOT_BELOW_0] = 0
    loss: float = 0.0
    loss_curve: NDArray[np.float64] = field(default_factory=_none)
    validation_losses: NDArray[np.float64] = field(default_factory=_none)
    validation_scores: NDArray[np.float64] = field(default_factory=_none)
    learning_rate: float | None = None
    best_params: dict[str, Array] | None = None
    best_epoch: Annotated[int, NOT_BELOW_0] = 0
    best: float | None = None
    waiting: Annotated[int, NOT_BELOW_0] = 0
    rows_seen: Annotated[int, NOT_BELOW_0] = 0
    status: Status = "running"
    reason: str = ""
    culprit: str | None = None
    seed: Annotated[int, NOT_BELOW_0] = 0
    order_state: Any = None
    seconds: float = 0.0
    threads: int = 1
    devices: Annotated[int, NOT_BELOW_0, OMITTED] = 0

    @property
    def learnt(self) -> dict[str, Array]:
        """The parameters for prediction: the best ones if these are kept, else the last."""
        return self.params if self.best_params is None else self.best_params
