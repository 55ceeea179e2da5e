"""Where a training run stands: plain arrays, numbers and texts, from which it goes on to the same bits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Status: TypeAlias = Literal["running", "finished", "converged", "stopped", "interrupted", "diverged"]


def _none() -> NDArray[np.float64]:
    return np.empty(0)


@dataclass(eq=False)
class TrainingState:
    """What `train` gives, and hands to `on_epoch`; given to it as `resume`, the run goes on from there.

    Attributes
    ----------
    params
        The parameters after the last step; with batch normalization also `mean1`, `variance1`, … of the training rows.
    optimizer_state
        What the optimizer remembers, and the number of steps made where something depends on it.
    epoch, step, loss
        Epochs finished; steps made in the next one, whose weighted losses add up to `loss`.
    loss_curve
        For each finished epoch the mean of the batch losses, penalty included, weighted by rows.
    validation_losses, validation_scores
        For each finished epoch, where there is a validation; the losses have no penalty in them.
    rate
        The learning rate of the next step, where it is a number.
    best_params, best_epoch
        The parameters after the epoch that was best on the validation, where the best are restored; counted from 1.
    best
        The best value of what is monitored so far.
    waiting
        Epochs without an improvement, in a row.
    rows_seen
        Rows that were trained on, counting repeats.
    status
        `"running"`, `"finished"` (all epochs), `"converged"` (no further improvement), `"stopped"` (by `on_epoch`),
        `"interrupted"` (Ctrl-C), or `"diverged"`, where a value was no longer finite or the loss ended at more than a
        million times what it began with, or than 1: then `params` are those with which the epoch of the least loss
        began, of the epochs since the run began or was resumed.
    reason
        A sentence on why the run ended.
    culprit
        After a divergence, the first value that was not finite; None where only the loss grew.
    seed
        Of the order of rows and of dropout.
    order_state
        `get_state()` of the order after the last finished epoch, where it has one.
    seconds
        The time that training took, over all its parts.
    threads
        How many ran the steps.

    """

    params: dict[str, Array]
    optimizer_state: dict[str, Array] = field(default_factory=dict)
    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    loss_curve: NDArray[np.float64] = field(default_factory=_none)
    validation_losses: NDArray[np.float64] = field(default_factory=_none)
    validation_scores: NDArray[np.float64] = field(default_factory=_none)
    rate: float | None = None
    best_params: dict[str, Array] | None = None
    best_epoch: int = 0
    best: float | None = None
    waiting: int = 0
    rows_seen: int = 0
    status: Status = "running"
    reason: str = ""
    culprit: str | None = None
    seed: int = 0
    order_state: Any = None
    seconds: float = 0.0
    threads: int = 1

    @property
    def learnt(self) -> dict[str, Array]:
        """The parameters to predict with: the best ones, where these are kept, else the last."""
        return self.params if self.best_params is None else self.best_params
