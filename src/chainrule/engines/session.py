"""Training sessions, which run a loop in pieces, and the interface of engines."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.loop import LATEST, Array, EngineError, Outcome, Position, Report, Run, Status
from chainrule.engines.processes import ALONE, Processes
from chainrule.engines.trail import Mark, Trail
from chainrule.interrupts import Interrupt, deferred, interruptible
from chainrule.ir import Program, ProgramError, ShapeError

PIECE = 1.0
"""The maximum time in seconds, besides one epoch, that is repeated to return to the best epoch."""

FIRST_REPORT = 0.1
"""For this many seconds, a run with a report advances by 1, 2, 4, … epochs at a time."""


class Session(ABC):
    """A training run that is executed in pieces.

    The result is bitwise independent of how the run is divided: by calls of `advance`, by interrupts, or by a new
    session that begins at the `position` of an old one. Calls are serialized between threads.

    Several `processes` may execute it together, by the same calls in the same order; the outcomes are then the same.
    """

    def __init__(self, run: Run, processes: Processes = ALONE) -> None:
        self.processes = processes
        self.loop, self.seed, self._data, self._position = run.loop, run.seed, dict(run.data), run.position
        self._lock = threading.RLock()
        self._busy = False
        self._trail = Trail()
        self._interrupt = Interrupt()
        """Ctrl-C during the current call."""

    @property
    def position(self) -> Position:
        """The progress of the run, from which a `Run` with the current state continues with bitwise equal results."""
        with self._alone():
            return self._position

    @property
    def state(self) -> dict[str, Array]:
        """Copies of the state by name."""
        with self._alone():
            return self._read()

    def advance(self, epochs: int = 1, report: Report | None = None, order: NDArray[np.int64] | None = None) -> Outcome:
        """Run until `epochs` more epochs are finished; an unfinished epoch at the start counts as one.

        `report(epochs_done, losses)` is called with the results of this call: after epochs 1, 2, 4, …, then about ten
        times per second, always at the end of an epoch, and at the end of the call. If it returns False, the run stops
        after the current step. An exception that it raises ends the run and is propagated. `order`, int64 of shape
        (epochs, rows), replaces the random order of the rows in each epoch; a row may occur more than once. It is
        ignored if a batch contains all rows.

        Raises EngineError for an `order` if the rows are not shuffled, or when called from a `report`; ShapeError and
        ProgramError for an `order` that does not fit.
        """
        with self.processes.together(), self._alone() as interrupt:
            last = self._position.epoch + epochs
            if epochs < 0 or last >= LATEST:
                raise ProgramError(f"a run cannot advance by {epochs} epochs")
            used = None if order is None else self._checked_order(order, epochs)
            return self._advance_in_pieces(epochs, report, used, interrupt)

    def _advance_in_pieces(
        self, epochs: int, report: Report | None, order: NDArray[np.int64] | None, interrupt: Interrupt
    ) -> Outcome:
        """Divide the run into calls of `_advance` short enough that repeating a part of one is cheap."""
        start, losses, begun, before = self._position, np.empty(epochs), time.monotonic(), interrupt.presses
        length, going = int(self.processes.agreed("the first piece", epochs if report is None else 1)[0]), True
        while going:
            done = self._position.epoch - start.epoch
            rest = None if order is None else order[done:]
            listener = _Listener(report, losses, done)
            self._trail.begin(Mark(self._read(), self._position, self._data, rest))
            outcome = self._advance(min(length, epochs - done), listener, rest, losses[done:])
            self._trail.note(outcome.losses)
            going = outcome.status == "finished" or self.processes.anywhere("a long piece", listener.long)
            going = going and self._position.epoch - start.epoch < epochs
            ended = listener.stopped or interrupt.presses > before
            going = not self.processes.anywhere("the end of a piece", ended) and going
            wanted = 2 * length if time.monotonic() < begun + FIRST_REPORT else epochs
            length = int(self.processes.agreed("the length of a piece", wanted)[0])
        if self.processes.anywhere("an interrupt", interrupt.answer()) and outcome.status in ("finished", "stopped"):
            outcome = replace(outcome, status="interrupted")
        return self._whole(start, losses, outcome)

    def _whole(self, start: Position, losses: NDArray[np.float64], last: Outcome) -> Outcome:
        """Return the outcome of a run from `start` whose last call had the outcome `last`."""
        done = self._position.epoch - start.epoch
        steps = done * self.loop.steps_per_epoch + self._position.step - start.step
        if last.status == "finished" and done < len(losses):
            last = replace(last, status="stopped")
        # An abandoned thread may still write to `losses`, and the unused rest may be large.
        curve = losses if last.status == "finished" else losses[:done].copy()
        culprit_step = None if last.culprit_step is None else steps
        return replace(last, losses=curve, epochs_done=done, steps_done=steps, culprit_step=culprit_step)

    def retreat(self) -> Position:
        """Return to the beginning of the epoch with the lowest loss, and return its position.

        The loss of an epoch is that of the states before its updates, so this is the state to use if later ones have
        diverged. Only epochs since the session began, or was restored to another state, are considered. Before the
        first epoch is finished, it is the initial state. An interrupt ends the repetition early, at a state before that
        epoch.
        """
        with self._alone():
            best = self._trail.best
            if best is None:
                return self._position
            mark = best.mark
            self._write(mark.state, mark.position)
            count = best.epoch - mark.position.epoch
            if count:
                data = self._data
                try:
                    self._exchange(mark.data)
                    outcome = self._advance(count, None, mark.order, np.empty(count))
                finally:
                    self._exchange(data)
                if outcome.status != "finished":
                    self._write(mark.state, mark.position)
            return self._position

    def restore(self, state: Mapping[str, Array], position: Position | None = None) -> None:
        """Set the state and, unless None, the `position` that belongs to it.

        Raises ShapeError or ProgramError for a state or a position that does not fit this run.
        """
        with self._alone():
            checked = self.loop.prepare_state(state)
            there = self._position if position is None else self.loop.checked_position(position)
            self._write(checked, there)
            self._trail.restored(checked, there)

    def set(self, name: str, value: Any) -> None:
        """Set a constant, such as the learning rate, from the next step on. Nothing is recompiled.

        Raises ProgramError for a name that is not a constant of this run, ShapeError for a wrong shape.
        """
        with self._alone():
            self._change(name, self.loop.prepare_constant(name, np.asarray(value)))

    @contextmanager
    def _alone(self) -> Iterator[Interrupt]:
        with self._lock, deferred() as interrupt:
            if self._busy:
                raise EngineError("the session is running, and can be used again when `advance` has returned")
            try:
                self._busy = True
                self._settle()
                self._interrupt = interrupt
                yield interrupt
            finally:
                self._busy = False

    def _checked_order(self, order: NDArray[np.int64], epochs: int) -> NDArray[np.int64] | None:
        """Return the order as a C-contiguous array, or None if it has no effect."""
        rows = self.loop.row_count
        if np.shape(order) != (epochs, rows):
            raise ShapeError(f"the order has the shape {np.shape(order)}; it should be ({epochs}, {rows})")
        array = np.asarray(order)
        if array.dtype.kind not in "iu":
            raise ProgramError(f"the order holds {array.dtype}; it should hold the numbers of rows, as int64")
        if array.size and (array.min() < 0 or array.max() >= rows):
            raise ProgramError(f"the order holds {array.min()} to {array.max()}; rows are numbered 0 to {rows - 1}")
        if self.loop.batch_size >= rows:
            return None
        if not self.loop.shuffle:
            raise EngineError("an order was given to a run that does not shuffle; make its loop with shuffle=True")
        return np.require(array, np.int64, ["C_CONTIGUOUS", "ALIGNED"])

    def _at(self, steps: int, total: float) -> Position:
        """Return the position after `steps` steps since epoch 0."""
        epoch, step = divmod(steps, self.loop.steps_per_epoch)
        return Position(epoch, step, total if step else 0.0)

    def _outcome(
        self, status: Status, start: Position, losses: NDArray[np.float64], culprit: str | None = None
    ) -> Outcome:
        """Return the outcome of a call of `_advance` that began at `start`, for a session that counts each step."""
        done = self._position.epoch - start.epoch
        steps = done * self.loop.steps_per_epoch + self._position.step - start.step
        step = steps if status == "diverged" else None
        return Outcome(self._read(), losses[:done], done, steps, status, culprit, step, position=self._position)

    @abstractmethod
    def _settle(self) -> None:
        """Update the position after an interrupted call."""

    @abstractmethod
    def _advance(
        self, epochs: int, report: Report | None, order: NDArray[np.int64] | None, losses: NDArray[np.float64]
    ) -> Outcome:
        """Implement `advance`: write to the beginning of `losses`, stop if a report returns False."""

    @abstractmethod
    def _read(self) -> dict[str, Array]: ...

    @abstractmethod
    def _write(self, state: dict[str, Array], position: Position) -> None: ...

    @abstractmethod
    def _change(self, name: str, value: Array) -> None:
        """Replace `_data` by a copy that contains `value`."""

    def _exchange(self, data: dict[str, Array]) -> None:
        """Use an earlier `_data`."""
        self._data = data


class _Listener:
    """Reports progress as part of a longer run, and ends the call after `PIECE` seconds."""

    def __init__(self, report: Report | None, losses: NDArray[np.float64], done: int) -> None:
        self.report, self.losses, self.done = report, losses, done
        self.limit = time.monotonic() + PIECE
        self.stopped = self.long = False

    def __call__(self, epochs_done: int, losses: NDArray[np.float64]) -> bool:
        done = self.done + epochs_done
        if self.report is not None:
            report = partial(self.report, done, self.losses[:done])
            self.stopped = interruptible(report) is False
        self.long = time.monotonic() >= self.limit
        return not (self.stopped or self.long)


class Engine(ABC):
    """The interface of engines."""

    name: str
    processes: Processes = ALONE

    @abstractmethod
    def compile(self, program: Program) -> Callable[[Mapping[str, Array]], list[Array]]:
        """Compile a function from the inputs by name to the outputs. All sizes in `program` must be numbers."""

    @abstractmethod
    def begin(self, run: Run, threads: int | None = None) -> Session:
        """Compile a run and allocate its memory without executing a step.

        `threads` is the maximum number of threads; None lets the engine choose. The result does not depend on it. The
        caller's arrays are never modified; those in `data` must not be modified while the session is in use.
        """

    def run(self, run: Run, epochs: int, report: Report | None = None, threads: int | None = None) -> Outcome:
        """Run `epochs` epochs: `begin`, then one `advance`. An interrupt ends the run early."""
        return self.begin(run, threads).advance(epochs, report)
