"""Validation and early stopping of `fit`: a session in pieces, with the losses of other rows in between."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import Engine, Outcome, get_engine
from chainrule.functions import without_dropout
from chainrule.interrupts import deferred, interruptible
from chainrule.training.arguments import Arguments, read_arguments
from chainrule.training.curve import Curve
from chainrule.training.implicit import IMPLICIT
from chainrule.training.lbfgs import LBFGSSession
from chainrule.training.runs import prepared_loss
from chainrule.training.session import TrainingSession
from chainrule.training.stopping import Watch
from chainrule.training.structure import Loss

Array: TypeAlias = NDArray[Any]
Report: TypeAlias = Callable[[int, NDArray[np.float64]], object]

REPORT_INTERVAL = 0.1
"""Seconds between reports."""


def validation_loss(
    loss: Loss, params: Any, rows: Any, constants: Mapping[str, Any] | None, batch_size: int | None, engine: str
) -> ValidationLoss:
    """Return the loss on the held-out `rows` of a run; the arguments are those of `fit`.

    Raises TrainingError for rows that do not fit the loss.
    """
    arguments = read_arguments(loss, params, rows, constants or {}, "validation")
    return ValidationLoss(arguments, batch_size, get_engine(engine))


class ValidationLoss:
    """The loss on held-out rows: the mean over their batches, weighted by rows, without dropout."""

    def __init__(self, arguments: Arguments, batch_size: int | None, engine: Engine) -> None:
        count = arguments.row_count
        size = min(batch_size or count, count)
        self._bounds = [(start, min(start + size, count)) for start in range(0, count, size)]
        with without_dropout():
            sizes = {stop - start for start, stop in self._bounds}
            self._compiled = {each: engine.compile(prepared_loss(arguments, each)) for each in sizes}
        self._processes = engine.processes
        self._rows = {name: np.require(array, requirements="C") for name, array in arguments.rows.items()}
        self._fixed = {**arguments.constants, **{name: np.asarray(0) for name in IMPLICIT}}
        self._count = count

    def __call__(self, params: Mapping[str, Array]) -> float:
        """Return the loss at `params`, given by name; of several processes, the leader computes it."""
        loss = self._mean(params) if self._processes.leads else 0.0
        return self._processes.agreed("the validation loss", loss)[0]

    def _mean(self, params: Mapping[str, Array]) -> float:
        total = 0.0
        for start, stop in self._bounds:
            batch = {name: array[start:stop] for name, array in self._rows.items()}
            (loss,) = self._compiled[stop - start]({**params, **self._fixed, **batch})
            total += float(loss) * (stop - start)
        return total / self._count


class Monitor:
    """Records the validation loss after each epoch, and ends a run that no longer improves."""

    def __init__(self, validation: ValidationLoss | None, patience: float | None) -> None:
        self.validation = validation
        self.losses: list[float] = []
        self.best_epoch: int | None = None
        self._watch = Watch(math.inf if patience is None else patience)
        self._restores = validation is not None and patience is not None
        self._best: dict[str, Array] | None = None
        self._seen = 0

    @property
    def length(self) -> float:
        """The number of epochs that can run until the next check."""
        return 1 if self.validation is not None else self._watch.least

    def see(self, losses: NDArray[np.float64], params: Callable[[], Mapping[str, Array]]) -> bool:
        """Record finished epochs with their training losses; return whether patience is exhausted."""
        exhausted = False
        for loss in losses.tolist():
            self._seen += 1
            if self.validation is not None:
                now = params()
                loss = self.validation(now)
                self.losses.append(loss)
            better, exhausted = self._watch.see(loss)
            if better and self.validation is not None:
                self.best_epoch = self._seen
                self._best = dict(now) if self._restores else None
        return exhausted

    def kept(self, state: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return the state with the parameters of the best epoch, if these are restored."""
        return state if self._best is None else {**state, **self._best}


def monitored(
    session: TrainingSession | LBFGSSession, epochs: int, monitor: Monitor, report: Report | None
) -> tuple[Outcome, bool]:
    """Train for at most `epochs` epochs under a monitor; return the outcome, and whether patience was exhausted."""
    if isinstance(session, LBFGSSession):
        return _minimized(session, epochs, monitor, report)
    return _trained(session, epochs, monitor, report)


def _minimized(session: LBFGSSession, epochs: int, monitor: Monitor, report: Report | None) -> tuple[Outcome, bool]:
    exhausted = False

    def after_iteration(params: Mapping[str, Array], loss: float) -> bool:
        nonlocal exhausted
        exhausted = monitor.see(np.array([loss]), lambda: params)
        return not exhausted

    return session.advance(epochs, report, after_iteration), exhausted


def _trained(session: TrainingSession, epochs: int, monitor: Monitor, report: Report | None) -> tuple[Outcome, bool]:
    curve, told = Curve(np.empty(0)), _Reports(report)
    anywhere = session.processes.anywhere
    steps = 0
    exhausted = False
    with deferred() as interrupt:
        while True:
            piece = int(min(epochs - curve.count, monitor.length))
            # A validation follows each epoch, and reports follow the validation.
            within = partial(told.within, curve.values) if report is not None and monitor.validation is None else None
            outcome = session.advance(piece, within)
            for loss in outcome.losses.tolist():
                curve.append(loss)
            exhausted = monitor.see(outcome.losses, session.named_params)
            steps += outcome.steps_done
            going = outcome.status == "finished" and not exhausted and curve.count < epochs
            told.after(curve.values, last=not going)
            stopped = anywhere("the end of a report", told.stopped)
            if not going or stopped or anywhere("Ctrl-C in training", interrupt.pressed):
                break
        if anywhere("Ctrl-C at the end of training", interrupt.answer()) and outcome.status in ("finished", "stopped"):
            outcome = replace(outcome, status="interrupted")
    if stopped and outcome.status == "finished" and curve.count < epochs and not exhausted:
        outcome = replace(outcome, status="stopped")
    whole = replace(outcome, losses=curve.values, epochs_done=curve.count, steps_done=steps)
    return whole, exhausted and outcome.status == "finished"


class _Reports:
    """Calls a report after ever more epochs, then at most ten times per second, and at the end."""

    def __init__(self, report: Report | None) -> None:
        self.stopped = False
        self._report = report
        self._last, self._told = 0, -math.inf

    def within(self, before: NDArray[np.float64], done: int, losses: NDArray[np.float64]) -> bool:
        """Report from within a piece; return whether to continue."""
        self.after(np.concatenate([before, losses[:done]]))
        return not self.stopped

    def after(self, losses: NDArray[np.float64], last: bool = False) -> None:
        """Report, if it is time."""
        done = len(losses)
        due = done >= 2 * self._last or time.monotonic() - self._told >= REPORT_INTERVAL
        if self._report is None or done == self._last or not (last or due):
            return
        self._last, self._told = done, time.monotonic()
        self.stopped = interruptible(partial(self._report, done, losses)) is False
