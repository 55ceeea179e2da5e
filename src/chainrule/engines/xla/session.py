"""A run on the devices of JAX: calls of its executable, each short enough to be interrupted, and their outcomes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.divergence import all_finite, first_non_finite
from chainrule.engines.loop import Array, Outcome, Position, Report, Run, Status
from chainrule.engines.native import permutations
from chainrule.engines.session import Session
from chainrule.engines.xla.agreement import Agreement
from chainrule.engines.xla.dependency import wide
from chainrule.engines.xla.loop import MOST_STEPS, Arrays, Progress
from chainrule.engines.xla.placement import Placement, read
from chainrule.engines.xla.sameness import changed, check_same_call
from chainrule.interrupts import Interrupt

CALL = 0.25
"""The duration of a call in seconds: how long Ctrl-C or a report may have to wait.

Each call copies the state and looks for what is not finite in it: up to a third of the time of a wide step.
"""

GROWTH = 16
"""The maximum ratio of the number of steps in a call to that in the call before."""

ORDERED = 2**22
"""The number of rows whose order is sent to the devices at a time, in whole epochs."""


@dataclass(frozen=True, eq=False)
class Ahead:
    """The steps that the next calls may take: whole epochs, with the order of their rows."""

    first_epoch: int
    epochs: int
    arrays: Arrays


class XlaSession(Session):
    """A session that calls the executable of a loop on arrays that stay on the devices."""

    def __init__(
        self,
        execute: Callable[[tuple[Any, ...], Arrays, Any, Any], Progress],
        run: Run,
        placement: Placement,
        processes: Agreement,
    ) -> None:
        super().__init__(run, processes)
        self._agreement = processes
        self._execute, self._placement, self._parts = execute, placement, run.parts
        with wide():
            self._state = tuple(placement.copied(run.state[name]) for name in run.loop.state)
            self._rows = self._placed_rows()
        self._constants = self._placed_constants()
        self._length = 1
        """The number of steps in the next call."""
        self._changes = 0
        """A checksum of what was set or restored since the run began."""
        self._checked = False
        """Whether the state is known to be finite: one that was given may not be, one that a call leaves is."""

    def _placed_rows(self) -> tuple[Any, ...]:
        return tuple(self._placement.copied(self._data[name]) for name in self.loop.rows)

    def _placed_constants(self) -> tuple[Any, ...]:
        with wide():
            return tuple(self._placement.copied(self._data[name]) for name in self.loop.constants)

    def _advance_in_pieces(
        self, epochs: int, report: Report | None, order: NDArray[np.int64] | None, interrupt: Interrupt
    ) -> Outcome:
        check_same_call(self._agreement, epochs, order, self._changes)
        return super()._advance_in_pieces(epochs, report, order, interrupt)

    def _advance(
        self, epochs: int, report: Report | None, order: NDArray[np.int64] | None, losses: NDArray[np.float64]
    ) -> Outcome:
        start, presses = self._position, self._interrupt.presses
        self._checked = self._checked or all_finite(self._read().values())
        if not self._checked:
            return self._diverged(start, losses, order)
        end = start.epoch + epochs
        self._ending(False, False)  # a process that is elsewhere is told here, where a step would wait for it forever
        while self._position.epoch < end:
            ahead = self._ahead(end, start.epoch, order)
            while self._position.epoch < ahead.first_epoch + ahead.epochs:
                before = self._position.epoch
                if not self._call(ahead, losses, start.epoch):
                    return self._diverged(start, losses, order)
                done = self._position.epoch - start.epoch
                reports = report is not None and self._position.epoch > before
                stopped = reports and report is not None and report(done, losses[:done]) is False and done < epochs
                why = self._ending(self._interrupt.presses > presses, stopped)
                if why is not None:
                    return self._outcome(why, start, losses)
        return self._outcome("finished", start, losses)

    def _ending(self, interrupted: bool, stopped: bool) -> Status | None:
        """Return why all processes end the run now, and agree on the length of the next call."""
        wanted = float(self._length)
        if self._agreement.count > 1:
            rows = self._agreement.rows("the next call", [self._length, interrupted, stopped])
            wanted, interrupted, stopped = rows[0][0], any(row[1] for row in rows), any(row[2] for row in rows)
        self._length = int(wanted)
        return "interrupted" if interrupted else "stopped" if stopped else None

    def _ahead(self, end: int, begun: int, order: NDArray[np.int64] | None) -> Ahead:
        """Return the epochs from the current one on for which an order is sent at a time."""
        loop, epoch = self.loop, self._position.epoch
        if not loop.shuffles:
            return Ahead(epoch, end - epoch, Arrays(self._rows, self._constants, None))
        span = max(1, min(ORDERED // loop.row_count, MOST_STEPS // loop.steps_per_epoch))
        count = min(span, end - epoch, 2 + self._length // loop.steps_per_epoch)
        # Always the same number of epochs, since another shape would be compiled anew.
        orders = np.zeros((span, loop.row_count), np.int32 if loop.row_count < 2**31 else np.int64)
        if order is None:
            orders[:count] = permutations(self.seed, range(epoch, epoch + count), loop.row_count)
        else:
            orders[:count] = order[epoch - begun :][:count]
        with wide():
            placed = self._placement.copied(orders)
        return Ahead(epoch, count, Arrays(self._rows, self._constants, placed))

    def _call(self, ahead: Ahead, losses: NDArray[np.float64], begun: int) -> bool:
        """Execute some steps and note their losses; return False, at the last finite state, if they diverged."""
        steps = self.loop.steps_per_epoch
        first = (self._position.epoch - ahead.first_epoch) * steps + self._position.step
        last = min(first + self._length, ahead.epochs * steps)
        started = time.perf_counter()
        progress = self._executed(ahead.arrays, first, last)
        finite, number = bool(read(progress.finite)), int(read(progress.number))
        if finite:
            fitting = int(CALL * (number - first) / max(time.perf_counter() - started, 1e-9))
            self._length = max(1, min(fitting, GROWTH * self._length, MOST_STEPS))
        else:
            progress, number = self._last_finite(ahead.arrays, first, number)
        for loss in read(progress.losses)[: number - first].tolist():
            self._count(loss, losses, begun)
        self._state = progress.state
        return finite

    def _executed(self, arrays: Arrays, first: int, last: int) -> Progress:
        with wide(), self._placement.calling():
            progress = self._execute(self._state, arrays, np.int64(first), np.int64(last))
            progress.finite.block_until_ready()
        return progress

    def _last_finite(self, arrays: Arrays, first: int, spoilt: int) -> tuple[Progress, int]:
        """Return the last finite state, found by repeating steps, which gives the same bits; a call of no steps is."""
        finite = first
        while spoilt - finite > 1:
            middle = (finite + spoilt) // 2
            if bool(read(self._executed(arrays, first, middle).finite)):
                finite = middle
            else:
                spoilt = middle
        return self._executed(arrays, first, finite), finite

    def _count(self, loss: float, losses: NDArray[np.float64], begun: int) -> None:
        """Note the loss of one step, and advance the position by it."""
        epoch, step, total = self._position
        last = step == self.loop.steps_per_epoch - 1
        total += loss * (self.loop.batch_sizes[-1 if last else 0] / self.loop.row_count)
        losses[epoch - begun] = total
        self._position = Position(epoch + 1) if last else Position(epoch, step + 1, total)

    def _diverged(self, start: Position, losses: NDArray[np.float64], order: NDArray[np.int64] | None) -> Outcome:
        epoch, step, _ = self._position
        place = step * self.loop.batch_sizes[0]
        chosen: Any = slice(place, min(place + self.loop.batch_sizes[0], self.loop.row_count))
        size = chosen.stop - chosen.start
        if order is not None:
            chosen = order[epoch - start.epoch][chosen]
        elif self.loop.shuffles:
            chosen = permutations(self.seed, range(epoch, epoch + 1), self.loop.row_count)[0][chosen]
        inputs = {**self._read(), **self._data, **{name: self._data[name][chosen] for name in self.loop.rows}}
        return self._outcome("diverged", start, losses, first_non_finite(self.loop.steps[size], inputs))

    def _settle(self) -> None:
        """Nothing to do: the state and the position change together, after a call."""

    def _read(self) -> dict[str, Array]:
        return {name: read(value) for name, value in zip(self.loop.state, self._state, strict=True)}

    def _write(self, state: dict[str, Array], position: Position) -> None:
        with wide():
            self._state = tuple(self._placement.copied(state[name]) for name in self.loop.state)
        self._position, self._checked = position, False
        # Without the state, whose rounding may differ between processors of different kinds.
        self._changes = changed(self._changes, position)

    def _change(self, name: str, value: Array) -> None:
        self._exchange({**self._data, name: value})
        self._changes = changed(self._changes, name, value)

    def _exchange(self, data: dict[str, Array]) -> None:
        super()._exchange(data)
        self._constants = self._placed_constants()
