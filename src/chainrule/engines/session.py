"""A run that goes on where it stopped, and the engines that begin one."""

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

from chainrule.engines.loop import LATEST, Array, EngineError, Outcome, Position, Report, Run
from chainrule.engines.trail import Mark, Trail
from chainrule.interrupts import Interrupt, deferred, interruptible
from chainrule.ir import Program, ProgramError, ShapeError

PIECE = 1.0
"""Seconds of a run that are made again at most, with the epoch in work, to go back to its best epoch."""

FIRST_REPORT = 0.1
"""Seconds within which a run that is reported on is reported on after 1, 2, 4, … epochs."""


class Session(ABC):
    """A training run that is made piece by piece, from the state where it is.

    However it is cut, by the calls of `advance`, by interrupts or by a new session that begins at the `position` where
    an old one stopped, the whole comes to the same bits. One call at a time is served; another thread's waits.
    """

    def __init__(self, run: Run) -> None:
        self.loop, self.seed, self._data, self._position = run.loop, run.seed, dict(run.data), run.position
        self._lock = threading.RLock()
        self._busy = False
        self._trail = Trail()
        self._interrupt = Interrupt()
        """Ctrl-C in the call that is served."""

    @property
    def position(self) -> Position:
        """How far the run has come; a `Run` from there, with the state, goes on to the same bits."""
        with self._alone():
            return self._position

    @property
    def state(self) -> dict[str, Array]:
        """Copies of the state by name."""
        with self._alone():
            return self._read()

    def advance(self, epochs: int = 1, report: Report | None = None, order: NDArray[np.int64] | None = None) -> Outcome:
        """Run until `epochs` more are finished; one that an interrupt or `begin` left in its middle counts as one.

        `report(epochs_done, losses)` is called with what this call has done, at first after 1, 2, 4, … epochs and then
        about ten times in a second, but at the ends of epochs alone, and once all are done. Where it returns False the
        run stops after the step in work; what it raises ends the run, and is raised here. `order`, int64 of shape
        (epochs, rows), is the order of the rows in each of these epochs, instead of the one drawn; a row may come more
        than once. Where a batch is the whole data, order does not matter, and is not used.

        Raises EngineError for an `order` where rows are not shuffled, or from within a `report`; ShapeError and
        ProgramError for one that does not fit.
        """
        with self._alone() as interrupt:
            last = self._position.epoch + epochs
            if epochs < 0 or last >= LATEST:
                raise ProgramError(f"a run cannot advance by {epochs} epochs")
            used = None if order is None else self._checked_order(order, epochs)
            return self._advance_in_pieces(epochs, report, used, interrupt)

    def _advance_in_pieces(
        self, epochs: int, report: Report | None, order: NDArray[np.int64] | None, interrupt: Interrupt
    ) -> Outcome:
        """Calls of `_advance`, of which each is so short that going back to its middle costs little."""
        start, losses, begun, before = self._position, np.empty(epochs), time.monotonic(), interrupt.presses
        length, going = epochs if report is None else 1, True
        while going:
            done = self._position.epoch - start.epoch
            rest = None if order is None else order[done:]
            listener = _Listener(report, losses, done)
            self._trail.begin(Mark(self._read(), self._position, self._data, rest))
            outcome = self._advance(min(length, epochs - done), listener, rest, losses[done:])
            self._trail.note(outcome.losses)
            going = (outcome.status == "finished" or listener.long) and not listener.stopped
            going = going and self._position.epoch - start.epoch < epochs and interrupt.presses == before
            length = 2 * length if time.monotonic() < begun + FIRST_REPORT else epochs
        if interrupt.answer() and outcome.status in ("finished", "stopped"):
            outcome = replace(outcome, status="interrupted")
        return self._whole(start, losses, outcome)

    def _whole(self, start: Position, losses: NDArray[np.float64], last: Outcome) -> Outcome:
        """The outcome of a run from `start`, whose last call ended as it says."""
        done = self._position.epoch - start.epoch
        steps = done * self.loop.steps_per_epoch + self._position.step - start.step
        if last.status == "finished" and done < len(losses):
            last = replace(last, status="stopped")
        # Threads that an interrupt left may go on writing, and the rest may be large.
        curve = losses if last.status == "finished" else losses[:done].copy()
        culprit_step = None if last.culprit_step is None else steps
        return replace(last, losses=curve, epochs_done=done, steps_done=steps, culprit_step=culprit_step)

    def retreat(self) -> Position:
        """Go back to where the epoch of the least loss began, and give its position.

        A loss is that of the states before updates, so that this is the state to go back to where later ones are of no
        use. What counts are the epochs since the session began or was restored to another state. Before an epoch is
        finished, it is where the session began. An interrupt ends this early, at a state from before that epoch.
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
        """Go back, or on, to another state, and to the `position` that belongs to it; None leaves the position.

        Raises ShapeError or ProgramError for a state or a position that are not of this run.
        """
        with self._alone():
            checked = self.loop.prepare_state(state)
            there = self._position if position is None else self.loop.checked_position(position)
            self._write(checked, there)
            self._trail.restored(checked, there)

    def set(self, name: str, value: Any) -> None:
        """Another value, from the next step on, for something fixed, such as a learning rate; nothing is compiled.

        Raises ProgramError for what is not fixed in this run, ShapeError for another shape.
        """
        with self._alone():
            self._change(name, self.loop.prepare_fixed(name, np.asarray(value)))

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
        """The order as C has it, or None where it has no effect."""
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
        """The position after so many steps from the very beginning."""
        epoch, step = divmod(steps, self.loop.steps_per_epoch)
        return Position(epoch, step, total if step else 0.0)

    @abstractmethod
    def _settle(self) -> None:
        """Take note of what a call has done that was torn off."""

    @abstractmethod
    def _advance(
        self, epochs: int, report: Report | None, order: NDArray[np.int64] | None, losses: NDArray[np.float64]
    ) -> Outcome:
        """One call of `advance`, which writes to the beginning of `losses` and stops where a report returns False."""

    @abstractmethod
    def _read(self) -> dict[str, Array]: ...

    @abstractmethod
    def _write(self, state: dict[str, Array], position: Position) -> None: ...

    @abstractmethod
    def _change(self, name: str, value: Array) -> None:
        """Put `value` into a new `_data`."""

    def _exchange(self, data: dict[str, Array]) -> None:
        """Go on with an earlier `_data`."""
        self._data = data


class _Listener:
    """Reports what a call has done as a part of a longer run, and ends it where it has taken `PIECE` seconds."""

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
    """Runs programs."""

    name: str

    @abstractmethod
    def compile(self, program: Program) -> Callable[[Mapping[str, Array]], list[Array]]:
        """A function from the inputs by name to the outputs; every size in `program` is a number."""

    @abstractmethod
    def begin(self, run: Run, threads: int | None = None) -> Session:
        """A run that has not made a step; its memory is reserved, and its code compiled.

        `threads` is the most that may be used; None leaves the number to the engine. The result does not depend on
        it. The caller's arrays are never modified, and those of `data` should not be while the session is in use.
        """

    def run(self, run: Run, epochs: int, report: Report | None = None, threads: int | None = None) -> Outcome:
        """Repeat the step: `begin`, and one `advance`. An interrupt ends the run early."""
        return self.begin(run, threads).advance(epochs, report)
