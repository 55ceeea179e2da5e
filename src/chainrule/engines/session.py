"""A run that goes on where it stopped, and the engines that begin one."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.loop import Array, EngineError, Loop, Outcome, Position, Report
from chainrule.ir import Program, ProgramError, ShapeError

LATEST = 2**62
"""The first epoch that a run never comes to."""


class Session(ABC):
    """A training run that is made piece by piece, from the state where it is.

    However it is cut, by the calls of `advance`, by interrupts or by a new session that begins at the `position` where
    an old one stopped, the whole comes to the same bits. One call at a time is served; another thread's waits.
    """

    def __init__(self, loop: Loop, seed: int, position: Position) -> None:
        self.loop, self.seed = loop, seed
        self._position = self._checked_position(position)
        self._lock = threading.RLock()
        self._busy = False

    @property
    def position(self) -> Position:
        """How far the run has come; `begin(…, *position)` goes on from there."""
        with self._alone():
            return self._position

    @property
    def state(self) -> dict[str, Array]:
        """Copies of the state by name."""
        with self._alone():
            return self._read()

    def advance(self, epochs: int = 1, report: Report | None = None, order: NDArray[np.int64] | None = None) -> Outcome:
        """Run until `epochs` more are finished; one that an interrupt or `begin` left in its middle counts as one.

        `report(epochs_done, losses)` is called now and then with what this call has done; what it raises ends the run,
        and is raised here. `order`, int64 of shape (epochs, rows), is the order of the rows in each of these epochs,
        instead of the one drawn; a row may come more than once. Where a batch is the whole data, order does not
        matter, and is not used.

        Raises EngineError for an `order` where rows are not shuffled, or from within a `report`; ShapeError and
        ProgramError for one that does not fit.
        """
        with self._alone():
            last = self._position.epoch + epochs
            if epochs < 0 or last >= LATEST:
                raise ProgramError(f"a run cannot advance by {epochs} epochs")
            used = None if order is None else self._checked_order(order, epochs)
            return self._advance(epochs, report, used)

    def restore(self, state: Mapping[str, Array], position: Position | None = None) -> None:
        """Go back, or on, to another state, and to the `position` that belongs to it; None leaves the position.

        Raises ShapeError or ProgramError for a state or a position that are not of this run.
        """
        with self._alone():
            checked = self.loop.prepare_state(state)
            there = self._position if position is None else self._checked_position(position)
            self._write(checked, there)

    def set(self, name: str, value: Any) -> None:
        """Another value, from the next step on, for something fixed, such as a learning rate; nothing is compiled.

        Raises ProgramError for what is not fixed in this run, ShapeError for another shape.
        """
        with self._alone():
            self._change(name, self.loop.prepare_fixed(name, np.asarray(value)))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock:
            if self._busy:
                raise EngineError("the session is running, and can be used again when `advance` has returned")
            try:
                self._busy = True
                self._settle()
                yield
            finally:
                self._busy = False

    def _checked_position(self, position: Position) -> Position:
        epoch, step, loss = position
        if not 0 <= epoch < LATEST:
            raise ProgramError(f"the first epoch is {epoch}; it should be a whole number, 0 or more")
        if not 0 <= step < self.loop.steps_per_epoch:
            raise ProgramError(
                f"the first step is {step}; it counts the steps within an epoch, which has {self.loop.steps_per_epoch}"
            )
        return Position(int(epoch), int(step), float(loss) if step else 0.0)

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
    def _advance(self, epochs: int, report: Report | None, order: NDArray[np.int64] | None) -> Outcome: ...

    @abstractmethod
    def _read(self) -> dict[str, Array]: ...

    @abstractmethod
    def _write(self, state: dict[str, Array], position: Position) -> None: ...

    @abstractmethod
    def _change(self, name: str, value: Array) -> None: ...


class Engine(Protocol):
    """Runs programs."""

    name: str

    def compile(self, program: Program) -> Callable[[Mapping[str, Array]], list[Array]]:
        """A function from the inputs by name to the outputs; every size in `program` is a number."""
        ...

    def begin(
        self,
        loop: Loop,
        state: Mapping[str, Array],
        data: Mapping[str, Array],
        seed: int,
        threads: int | None = None,
        first_epoch: int = 0,
        first_step: int = 0,
        first_loss: float = 0.0,
    ) -> Session:
        """A run that has not made a step; its memory is reserved, and its code compiled.

        `threads` is the most that may be used; None leaves the number to the engine. The result does not depend on
        it. The caller's arrays are never modified, and those of `data` should not be while the session is in use.

        `first_epoch`, `first_step` and `first_loss` are the `position` where an earlier session stopped, whose `state`
        is given, to go on to the same bits as if that one had.
        """
        ...

    def run(
        self,
        loop: Loop,
        state: Mapping[str, Array],
        data: Mapping[str, Array],
        epochs: int,
        seed: int,
        report: Report | None = None,
        threads: int | None = None,
    ) -> Outcome:
        """Repeat the step: `begin`, and one `advance`. An interrupt ends the run early."""
        ...
