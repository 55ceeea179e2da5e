"""Training with an optimizer: the engine runs pieces of several epochs between checks.

If a piece runs past the epoch at which training stops or the learning rate changes, it is repeated up to that epoch,
with bitwise equal results. A piece is at most as long as the remaining patience, so that this is not needed, or so
short that it is cheap.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import START, Outcome, Position
from chainrule.interrupts import deferred
from chainrule.networks.errors import NetworkError
from chainrule.networks.progress import Progress
from chainrule.training import TrainingSession

Array: TypeAlias = NDArray[Any]

LONGEST_PIECE = 0.1
"""Maximum duration of a piece in seconds."""

SHORTEST_PIECE = 0.001

REPEATED = 0.05
"""The fraction of the elapsed time that may be spent on epochs that are then repeated."""

MOST_ORDERED = 2**22
"""Maximum number of row indices passed to the engine at once."""


class Descent:
    """One training run."""

    def __init__(self, progress: Progress, session: TrainingSession) -> None:
        self.progress, self.session, self.loop = progress, session, session.run.loop
        settings, state = progress.settings, progress.state
        if state.learning_rate is None:
            state.learning_rate = settings.learning_rate
        elif settings.learning_rate is not None:
            session.set_hyperparameter("learning_rate", state.learning_rate)
        self._divide_anew()
        place = Position(state.epoch, state.step, state.loss)
        if place != START:
            session.restore(session.state, {}, place)
        self.orders = _Orders(progress, self.loop.shuffles)
        self.epoch_seconds = 0.0

    def _divide_anew(self) -> None:
        """Begin an unfinished epoch again if the rows are divided among another number of devices than before.

        The steps taken in it are kept, but the rows that are left are others.
        """
        state, processes = self.progress.state, self.session.processes
        devices = 0
        if self.progress.settings.own_rows:
            devices = processes.devices if processes.count > 1 else 1
        if state.step and devices != state.devices:
            state.step, state.loss = 0, 0.0
        state.devices = devices

    def run(self) -> None:
        """Train to the end, or until stopped."""
        progress, state = self.progress, self.progress.state
        anywhere = progress.processes.anywhere
        with deferred() as interrupt:
            while progress.running and state.epoch < progress.settings.epochs:
                if anywhere("Ctrl-C between pieces", interrupt.pressed):
                    break
                self._piece()
                progress.clock()
                if not progress.running or state.epoch >= progress.settings.epochs:
                    self._judge()
                if progress.due():
                    self._take()
                    progress.tell()
            if anywhere("Ctrl-C after the last piece", interrupt.answer()):
                progress.interrupted()
            progress.end("finished", f"all {state.epoch} epochs are done")
            if state.status == "stopped":
                self._judge()
            self._take()
            self.orders.settle()
            interrupt.answer()  # the run is over, and its result must be kept

    def _judge(self) -> None:
        """Set the status of a finished run to diverged if its loss grew out of proportion."""
        state = self.progress.state
        if state.status not in ("interrupted", "diverged") and self.session.exploded(state.loss_curve):
            self.session.retreat()
            state.status = "diverged"
            state.reason = f"the loss grew to {state.loss_curve[-1]:.4g} in epoch {state.epoch}"

    def _piece(self) -> None:
        """Run some epochs, up to the next one after which a check is due."""
        state = self.progress.state
        begun, place = self.session.state, self.session.position
        count = int(self.progress.processes.agreed("the number of epochs", self._length())[0])
        orders = self.orders.next(count)
        first = state.epoch
        clock = time.perf_counter()
        outcome = self.session.advance(count, order=orders)
        if outcome.losses.size:
            self.epoch_seconds = (time.perf_counter() - clock) / outcome.losses.size
        learning_rate = None
        for loss in outcome.losses.tolist():
            at_end = self._note(loss)
            learning_rate = self._next_learning_rate(at_end)
            if learning_rate is not None or not self.progress.running:
                break
        done = state.epoch - first
        if (learning_rate is not None or not self.progress.running) and self.session.position != (state.epoch, 0, 0.0):
            outcome = self._again(begun, place, orders, outcome)
        if learning_rate is not None:
            state.learning_rate = learning_rate
            self.session.set_hyperparameter("learning_rate", learning_rate)
        self.orders.made(done)
        self._settle(outcome)

    def _again(
        self, begun: Mapping[str, Array], place: Position, orders: NDArray[np.int64] | None, outcome: Outcome
    ) -> Outcome:
        """Return to the beginning of the piece, and repeat it up to the last recorded epoch.

        An interrupt takes effect afterwards, since the repetition is short.
        """
        self.session.restore(begun, {}, place)
        interrupted = outcome.status == "interrupted"
        while self.session.position.epoch < self.progress.state.epoch:
            past = self.session.position.epoch - place.epoch
            left = self.progress.state.epoch - self.session.position.epoch
            outcome = self.session.advance(left, order=None if orders is None else orders[past : past + left])
            interrupted = interrupted or outcome.status == "interrupted"
        if interrupted:
            self.progress.interrupted()
        return outcome

    def _settle(self, outcome: Outcome) -> None:
        state = self.progress.state
        state.threads = outcome.threads
        if outcome.status == "diverged":
            state.culprit = outcome.culprit or "a value"
            self.progress.end("diverged", f"{state.culprit} is no longer finite in epoch {state.epoch + 1}")
        elif outcome.status == "interrupted":
            self.progress.interrupted()

    def _length(self) -> int:
        """Return the number of epochs to run at once."""
        progress = self.progress
        settings, state = progress.settings, progress.state
        if progress.validator is not None or settings.learning_rate_power is not None:
            return 1
        if not self.epoch_seconds:
            longest = repeated = 1.0
        else:
            longest = LONGEST_PIECE / self.epoch_seconds
            repeated = min(longest, max(SHORTEST_PIECE, REPEATED * progress.elapsed) / self.epoch_seconds)
        length = min(progress.watch.least, longest)
        # With a given order, random numbers must not be drawn from its source needlessly.
        given = settings.order is not None
        length = min(length, MOST_ORDERED // self.loop.row_count) if given else max(length, repeated)
        if progress.on_epoch is not None and progress.seconds is None:
            length = min(length, progress.every - state.epoch % progress.every)
        return max(1, min(settings.epochs - state.epoch, int(length)))

    def _next_learning_rate(self, at_end: bool) -> float | None:
        """Return the new learning rate if it changes; end training if patience is exhausted and it does not."""
        settings, state = self.progress.settings, self.progress.state
        learning_rate = None
        if settings.learning_rate_power is not None and settings.learning_rate is not None:
            learning_rate = settings.learning_rate / (state.rows_seen + 1) ** settings.learning_rate_power
        if not at_end:
            return learning_rate
        if (
            settings.plateau == "stop"
            or state.learning_rate is None
            or state.learning_rate <= settings.least_learning_rate
        ):
            self.progress.end_of_patience()
            return learning_rate
        self.progress.watch.waiting = state.waiting = 0
        return state.learning_rate / settings.plateau_factor

    def _note(self, loss: float) -> bool:
        """Record a finished epoch; return whether patience is exhausted."""
        progress = self.progress
        if progress.validator is None:
            return progress.epoch(loss, self.loop.row_count, None)
        return progress.epoch(loss, self.loop.row_count, self.session.params)

    def _take(self) -> None:
        """Copy the parameters and the position from the engine."""
        state = self.progress.state
        if state.status == "diverged":
            state.step, state.loss = 0, 0.0
        else:
            state.epoch, state.step, state.loss = self.session.position
        state.optimizer_state = self.session.optimizer_state
        self.progress.take(self.session.params)


class _Orders:
    """The row orders passed to the engine, and the state needed to resume them."""

    def __init__(self, progress: Progress, used: bool) -> None:
        self.progress = progress
        self.order = progress.settings.order if used else None
        self.get_state = getattr(self.order, "get_state", None)
        self.drawn: list[NDArray[np.int64]] = []
        self.states: list[Any] = []
        state = progress.state
        if self.get_state is not None:
            if state.order_state is None:
                state.order_state = self.get_state()
            else:
                self._set_state(state.order_state)

    def next(self, count: int) -> NDArray[np.int64] | None:
        """Return the orders of the next epochs."""
        if self.order is None:
            return None
        while len(self.drawn) < count:
            epoch = self.progress.state.epoch + len(self.drawn)
            order = np.asarray(self.order(epoch))
            rows = self.progress.X.shape[0]
            if order.shape != (rows,) or order.dtype.kind not in "iu":
                raise NetworkError(
                    f"order({epoch}) gives an array of shape {order.shape} that holds {order.dtype}; it should give "
                    f"the numbers of the rows, 0 to {rows - 1}, in an order"
                )
            self.drawn.append(order.astype(np.int64))
            self.states.append(None if self.get_state is None else self.get_state())
        return np.stack(self.drawn[:count])

    def made(self, epochs: int) -> None:
        """Record that this many epochs are finished."""
        if self.order is not None and epochs:
            self.progress.state.order_state = self.states[epochs - 1]
            del self.drawn[:epochs], self.states[:epochs]

    def settle(self) -> None:
        """Restore the source of the orders to its state after the last finished epoch."""
        if self.drawn and self.get_state is not None:
            self._set_state(self.progress.state.order_state)

    def _set_state(self, state: Any) -> None:
        """Restore the source of the orders to a state."""
        set_state = getattr(self.order, "set_state", None)
        if set_state is not None:
            set_state(state)
