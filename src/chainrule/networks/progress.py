"""The part of training that all solvers share between two epochs: curves, validation, patience, callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import ALONE, Processes
from chainrule.interrupts import interruptible
from chainrule.networks.architecture import Architecture
from chainrule.networks.errors import NetworkError
from chainrule.networks.evaluation import Validator
from chainrule.networks.population import population
from chainrule.networks.settings import TrainingSettings, Validation
from chainrule.networks.state import Status, TrainingState
from chainrule.networks.stopping import watch_of
from chainrule.training import Curve, carrying, is_false

Array: TypeAlias = NDArray[Any]
OnEpoch: TypeAlias = Callable[[TrainingState], object]


class Progress:
    """A training state that advances epoch by epoch."""

    def __init__(
        self,
        architecture: Architecture,
        X: Array,
        settings: TrainingSettings,
        validation: Validation | None,
        state: TrainingState,
        on_epoch: OnEpoch | None,
        every: int,
        seconds: float | None,
        processes: Processes,
    ) -> None:
        if validation is None and settings.monitor != "loss":
            raise NetworkError(f"monitor is {settings.monitor!r}, and there is no validation; give one")
        self.architecture, self.X, self.settings, self.state = architecture, X, settings, state
        self.on_epoch, self.every, self.seconds = on_epoch, every, seconds
        self.processes = processes
        self._sharing = processes if settings.own_rows else ALONE
        self.validator = None if validation is None else Validator(architecture, validation)
        self.watch = watch_of(settings, state)
        self._losses = Curve(state.loss_curve)
        self._validation_losses = Curve(state.validation_losses)
        self._scores = Curve(state.validation_scores)
        self._started = self._reported = time.perf_counter()
        self._before = state.seconds
        converged = state.status == "converged" and self.watch.waiting > self.watch.patience
        state.status, state.reason, state.culprit = "running", "", None
        if converged:  # resuming it gives the same result again
            self.end_of_patience()

    @property
    def running(self) -> bool:
        """Whether training continues."""
        return self.state.status == "running"

    @property
    def elapsed(self) -> float:
        """Seconds since training began or was resumed."""
        return time.perf_counter() - self._started

    def epoch(self, loss: float, rows: int, params: Mapping[str, Array] | None) -> bool:
        """Record a finished epoch; return whether patience is exhausted.

        `loss` is the sum over the members of the network, and `params` are the parameters after it, needed for a
        validation.
        """
        settings, state = self.settings, self.state
        value = loss = loss / self.architecture.members
        if self.validator is not None:
            assert params is not None
            self.take(params)
            found, score = self.validator(state.params) if self.processes.leads else (0.0, 0.0)
            found, score = self.processes.agreed("the validation", found, score)
            self._validation_losses.append(found)
            self._scores.append(score)
            state.validation_losses, state.validation_scores = self._validation_losses.values, self._scores.values
            value = {"loss": loss, "validation_loss": found, "validation_score": score}[settings.monitor]
        state.epoch += 1
        state.rows_seen += rows
        self._losses.append(loss)
        state.loss_curve = self._losses.values
        better, at_end = self.watch.see(value)
        if better:
            state.best, state.best_epoch = value, state.epoch
            if settings.restore_best:
                state.best_params = {name: array.copy() for name, array in state.params.items()}
        state.waiting = self.watch.waiting
        return at_end

    def take(self, params: Mapping[str, Array]) -> None:
        """Store parameters, with the population statistics of batch normalization."""
        self.state.params = {**params, **population(self.architecture, params, self.X, self._sharing)}

    def end(self, status: Status, reason: str) -> None:
        """Record why training ends, unless it has ended before."""
        if self.running:
            self.state.status, self.state.reason = status, reason

    def interrupted(self, unit: str = "epochs") -> None:
        """Record that Ctrl-C ends training."""
        self.end("interrupted", f"interrupted after {self.state.epoch} {unit}")

    def end_of_patience(self) -> None:
        """Record that training has converged."""
        settings = self.settings
        what = "training loss" if settings.monitor == "loss" else settings.monitor.replace("_", " ")
        by = f" by more than {settings.tolerance:g}" if settings.tolerance else ""
        self.end("converged", f"the {what} did not improve{by} in {self.watch.waiting} epochs in a row")

    def clock(self) -> None:
        """Record the elapsed time."""
        self.state.seconds = self._before + self.elapsed

    def due(self) -> bool:
        """Whether `on_epoch` is to be called now, in any process."""
        return self.processes.anywhere("whether to report", self._due())

    def _due(self) -> bool:
        if self.on_epoch is None:
            return False
        state = self.state
        if not self.running or state.epoch >= self.settings.epochs:
            return True
        if self.seconds is None:
            return state.epoch % self.every == 0
        return time.perf_counter() - self._reported >= self.seconds

    def tell(self) -> None:
        """Call `on_epoch` with a copy of the state."""
        stop = False
        self._reported = time.perf_counter()
        if self.on_epoch is not None:
            try:
                stop = is_false(interruptible(partial(self.on_epoch, copied(self.state))))
            except StopIteration:
                stop = True
            except Exception as error:
                carrying(error, copied(self.state))
                raise
        if self.processes.anywhere("a report", stop):
            self.end("stopped", f"stopped from outside after {self.state.epoch} epochs")


def initial_state(
    architecture: Architecture, params: Mapping[str, Array] | None, settings: TrainingSettings
) -> TrainingState:
    """Return the state before the first step; raise NetworkError for parameters that do not fit."""
    given = architecture.initial(settings.seed) if params is None else params
    for name, shape in architecture.params.items():
        if name not in given:
            raise NetworkError(f"the parameters lack {name!r}, of shape {shape}")
        if np.shape(given[name]) != shape:
            raise NetworkError(f"{name} has the shape {np.shape(given[name])}; this network takes {shape}")
    kept = {name: np.array(given[name], architecture.dtype) for name in architecture.params}
    return TrainingState(kept, seed=settings.seed)


def copied(state: TrainingState) -> TrainingState:
    """Return a state that shares no dict with this one; its arrays are never modified in place."""
    return replace(
        state,
        params=dict(state.params),
        optimizer_state=dict(state.optimizer_state),
        best_params=None if state.best_params is None else dict(state.best_params),
    )
