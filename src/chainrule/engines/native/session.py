"""A run in machine code: its memory, allocated once, its calls and their outcomes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.divergence import all_finite, first_non_finite
from chainrule.engines.loop import Array, Loop, Outcome, Position, Report, Run, Status
from chainrule.engines.native.compilation import CompiledLoop, workspace
from chainrule.engines.native.driver import Control, Ending, control_words
from chainrule.engines.native.team import yielding
from chainrule.engines.native.workers import Workers
from chainrule.engines.session import Session
from chainrule.engines.shuffle import permutation

SECONDS_PER_OPERATION = 1e-9
"""A pessimistic estimate, so that a first call is moved to a worker thread too early rather than too late."""

MARGIN = 4
"""Safety factor for the duration of steps; steps on subnormal numbers are slower."""

LONG_CALL = 0.02
"""Duration in seconds above which a call runs in worker threads, so that it can be interrupted and reported on."""

REPORT_INTERVAL = 0.1

PATIENCE = 0.1
"""Seconds that an interrupted run may take to finish its step before its last snapshot is used instead."""

INSTANT = 0.001
"""Polling interval in seconds."""

UNLIMITED = 2**62


class _Memory:
    """The workspace of a run, the control words, and the addresses of both."""

    def __init__(self, compiled: CompiledLoop, loop: Loop, threads: int, seed: int) -> None:
        layout = compiled.written.layout
        self.workspace = workspace(layout.size(threads))
        self.control = workspace(8 * control_words(threads)).view(np.int64)
        self.doubles = self.control.view(np.float64)
        self.addresses = self.control.ctypes.data, self.workspace.ctypes.data
        self._compiled, self._loop = compiled, loop
        self._state = self._views(0)
        self._start = np.zeros_like(self.control)
        self._start[Control.STATUS] = Ending.NOT_STARTED
        self._start[Control.SEED] = np.uint64(seed & (2**64 - 1)).astype(np.int64)
        self._start[Control.THREADS] = threads
        self._start[Control.YIELD] = yielding()

    def _views(self, number: int) -> dict[str, Array]:
        """The arrays of one copy of the state."""
        layout, views = self._compiled.written.layout, {}
        for name, storage, offset in zip(self._loop.state, layout.states, layout.offsets, strict=True):
            dtype = storage.dtype.numpy
            strides = tuple(stride * dtype.itemsize for stride in storage.strides)
            views[name] = np.ndarray(storage.shape, dtype, self.workspace, layout.copy(number) + offset, strides)
        return views

    def reset(self, call: _Call) -> None:
        """Initialize the control words for a call."""
        control = self.control
        control[:] = self._start
        start = call.start
        control[Control.FIRST_EPOCH] = control[Control.EPOCHS_DONE] = start.epoch
        control[Control.FIRST_ROW] = start.step * call.loop.batch_size
        control[Control.LAST_EPOCH] = call.last
        control[Control.STEP_LIMIT] = call.limit
        control[Control.ORDER] = 0 if call.order is None else call.order.ctypes.data
        self.doubles[Control.TOTAL] = start.loss

    def read(self, copy: int) -> dict[str, Array]:
        """Return one copy of the state."""
        return {name: view.copy() for name, view in (self._views(copy) if copy else self._state).items()}

    def write(self, state: Mapping[str, Array]) -> None:
        """Write the state from which calls start."""
        for name, view in self._state.items():
            view[...] = state[name]


@dataclass(frozen=True, eq=False)
class _Call:
    """One call of the generated code. It keeps the memory that the code uses alive."""

    compiled: CompiledLoop
    loop: Loop
    memory: _Memory
    arrays: _Arrays
    start: Position
    last: int
    limit: int
    losses: NDArray[np.float64]
    order: NDArray[np.int64] | None

    @property
    def first_step(self) -> int:
        """The number of steps before the call, since epoch 0."""
        return self.start.epoch * self.loop.steps_per_epoch + self.start.step

    @property
    def ending(self) -> Ending:
        return Ending(int(self.memory.control[Control.STATUS]))

    @property
    def steps(self) -> int:
        """The number of steps executed, once the call has ended."""
        return int(self.memory.control[Control.STEPS_DONE])

    @property
    def epochs(self) -> int:
        """The number of finished epochs."""
        return int(self.memory.control[Control.EPOCHS_DONE]) - self.start.epoch

    @property
    def snapshots(self) -> int:
        """A number that identifies the last snapshot; 0 if there is none."""
        return int(self.memory.control[Control.SNAPSHOTS])

    def snapshot(self, count: int) -> tuple[int, dict[str, Array], float]:
        """Return the last snapshot if it is number `count`: the steps since epoch 0, the state and the loss."""
        place = (count - 1) % 2
        if self.compiled.written.every_step:
            step = self.first_step + count - 1
        else:
            step = max((count - 1) * self.loop.steps_per_epoch, self.first_step)
        return step, self.memory.read(1 + place), float(self.memory.doubles[Control.KEPT + place])

    def begin(self, threads: int) -> None:
        """Set the number of threads, before the first one calls."""
        self.memory.control[Control.THREADS] = threads

    def work(self, thread: int) -> None:
        """Run the share of one thread."""
        self.compiled.call(*self.memory.addresses, self.losses.ctypes.data, self.arrays.address, thread)


class _Arrays:
    """Arrays in the order in which generated code receives their addresses."""

    def __init__(self, arrays: list[Array]) -> None:
        self.arrays = arrays
        self._addresses = np.array([array.ctypes.data for array in arrays], np.int64)
        self.address = self._addresses.ctypes.data


class NativeSession(Session):
    """A session that calls generated code on fixed memory."""

    def __init__(self, compiled: CompiledLoop, run: Run, threads: int) -> None:
        super().__init__(run)
        self.compiled, self.threads = compiled, threads
        self._most = threads
        self._arrays = self._listed()
        self._workers = Workers(threads)
        self.memory = self._new_memory(run.state)
        self._open: _Call | None = None
        """A call whose result has not been processed."""
        self._pace = compiled.written.work * SECONDS_PER_OPERATION
        """Upper estimate of the seconds per step, expected or measured."""

    def _listed(self) -> _Arrays:
        named = [self._data[name] for name in (*self.loop.rows, *self.loop.constants)]
        return _Arrays([*named, *self.compiled.written.literals])

    def _new_memory(self, state: Mapping[str, Array]) -> _Memory:
        memory = _Memory(self.compiled, self.loop, self._most, self.seed)
        memory.write(state)
        return memory

    def _read(self) -> dict[str, Array]:
        return self.memory.read(0)

    def _write(self, state: dict[str, Array], position: Position) -> None:
        self.memory.write(state)
        self._position = position

    def _change(self, name: str, value: Array) -> None:
        strides, old = self._data[name].strides, self._data[name]
        if value.strides != strides:
            extent = sum((count - 1) * stride for count, stride in zip(old.shape, strides, strict=True)) + old.itemsize
            laid_out = np.ndarray(old.shape, old.dtype, np.empty(extent, np.uint8), strides=strides)
            laid_out[...] = value
            value = laid_out
        self._exchange({**self._data, name: value})

    def _exchange(self, data: dict[str, Array]) -> None:
        super()._exchange(data)
        self._arrays = self._listed()

    def _settle(self) -> None:
        if self._open is not None:
            self._ended(self._open, True)

    def _advance(
        self, epochs: int, report: Report | None, order: NDArray[np.int64] | None, losses: NDArray[np.float64]
    ) -> Outcome:
        last = self._position.epoch + epochs
        call = self._prepared(self._position, last, UNLIMITED, losses, order)
        try:
            self._do(call, epochs * self.loop.steps_per_epoch, report)
        except BaseException:
            self._ended(call, True)
            raise
        outcome = self._ended(call, self._interrupt.pressed)
        if report is not None and outcome.epochs_done and outcome.status == "finished":
            report(outcome.epochs_done, outcome.losses)
        return outcome

    def _prepared(
        self, start: Position, last: int, limit: int, losses: NDArray[np.float64], order: NDArray[np.int64] | None
    ) -> _Call:
        call = _Call(self.compiled, self.loop, self.memory, self._arrays, start, last, limit, losses, order)
        call.memory.reset(call)
        self._open = call
        return call

    def _do(self, call: _Call, steps: int, report: Report | None) -> None:
        begun = time.perf_counter()
        if self._most == 1 and steps * self._pace <= LONG_CALL:
            call.work(0)
        else:
            self._do_in_workers(call, report)
        self.compiled.written.definitions.check()
        if call.steps:
            self._pace = MARGIN * (time.perf_counter() - begun) / call.steps

    def _do_in_workers(self, call: _Call, report: Report | None) -> None:
        """Run the call in worker threads while this thread reports. An exception here ends the run."""
        over = threading.Event()
        begun, presses = False, self._interrupt.presses
        try:
            if not self._workers.ready():
                call.begin(1)
                call.work(0)
                return
            self._workers.call(call.begin, call.work, over)
            begun = True
            reported = 0
            while not over.wait(REPORT_INTERVAL) and self._interrupt.presses == presses:
                done = call.epochs
                if report is not None and done > reported:
                    reported = done
                    if report(done, call.losses[:done]) is False:
                        call.memory.control[Control.STOP] = 1
                        report = None
        finally:
            call.memory.control[Control.STOP] = 1
            if begun:
                self._stop(call, over)

    def _stop(self, call: _Call, over: threading.Event) -> None:
        """Stop a call and wait until it has ended.

        If there is a snapshot of each step, a step that takes longer is left to finish on its own; the memory that it
        uses stays alive with it.
        """
        limit = time.monotonic() + PATIENCE if self.compiled.written.snapshot_steps == 1 else math.inf
        call.memory.control[Control.STOP] = 1
        while not over.wait(PATIENCE) and time.monotonic() < limit:
            pass

    def _ended(self, call: _Call, interrupted: bool) -> Outcome:
        """Process the end of a call. This may be repeated if interrupted."""
        ending = call.ending
        if ending is Ending.NOT_STARTED:
            return self._abandoned(call)
        self.threads = int(call.memory.control[Control.THREADS])
        if ending in (Ending.FINISHED, Ending.STOPPED):
            status: Status = "interrupted" if interrupted else "stopped" if ending is Ending.STOPPED else "finished"
            state = call.memory.read(0)
            if ending is Ending.FINISHED or all_finite(state.values()):
                total = float(call.memory.doubles[Control.TOTAL])
                return self._noted(call, status, state, call.first_step + call.steps, total)
        return self._diverged(call, ending)

    def _noted(
        self, call: _Call, status: Status, state: dict[str, Array], step: int, total: float, culprit: str | None = None
    ) -> Outcome:
        """Return the outcome of a call that has reached `step`, counted since epoch 0."""
        position = self._at(step, total)
        self._position, self._open = position, None
        done, steps = position.epoch - call.start.epoch, step - call.first_step
        culprit_step = steps if status == "diverged" else None
        return Outcome(
            state, call.losses[:done], done, steps, status, culprit, culprit_step, self.threads,
            self.memory.workspace.nbytes, position,
        )  # fmt: skip

    def _abandoned(self, call: _Call) -> Outcome:
        """Return the state before the step that still runs in other threads, which will be their last.

        The memory that they use is left to them.
        """
        while True:
            count = call.snapshots
            # Without a snapshot, no step has begun.
            first = call.first_step, call.memory.read(0), call.start.loss
            step, state, total = call.snapshot(count) if count else first
            # The snapshot after the next overwrites this one.
            if count == call.snapshots and step // self.loop.steps_per_epoch <= call.start.epoch + call.epochs:
                break
            time.sleep(INSTANT)
        self._leave(state)
        return self._noted(call, "interrupted", state, step, total)

    def _leave(self, state: Mapping[str, Array]) -> None:
        """Continue from `state` with new memory and new threads."""
        self._workers = Workers(self._most)
        self.memory = self._new_memory(state)

    def _diverged(self, call: _Call, ending: Ending) -> Outcome:
        """Return to the last finite state by repeating the run from the last snapshot."""
        count, spoilt = call.snapshots, call.first_step + call.steps + (ending is Ending.LOSS_NOT_FINITE)
        if not count:
            return self._named(call, call.memory.read(0), call.first_step, call.start.loss)
        # States are checked only when a snapshot is taken, so the previous snapshot was finite.
        base, snapshot, base_total = call.snapshot(count)
        finite, best, total, presses = base, snapshot, base_total, self._interrupt.presses
        # A non-finite value never becomes finite again, so bisection finds the last finite state.
        while spoilt - finite > 1:
            middle = (finite + spoilt) // 2
            state, reached = self._replayed(call, snapshot, self._at(base, base_total), middle - base)
            if self._interrupt.presses > presses:
                self._leave(best)
                return self._noted(call, "interrupted", best, finite, total)
            if all_finite(state.values()):
                finite, best, total = middle, state, reached
            else:
                spoilt = middle
        return self._named(call, best, finite, total)

    def _replayed(
        self, call: _Call, snapshot: Mapping[str, Array], start: Position, steps: int
    ) -> tuple[dict[str, Array], float]:
        """Return the state, and the loss of the unfinished epoch, `steps` after `start`."""
        self.memory.write(snapshot)
        order = None if call.order is None else call.order[start.epoch - call.start.epoch :]
        again = self._prepared(start, start.epoch + 1, steps, np.empty(1), order)
        self._do_in_workers(again, None)  # an epoch may be long, and an interrupt must not wait for it
        return self.memory.read(0), float(self.memory.doubles[Control.TOTAL])

    def _named(self, call: _Call, state: dict[str, Array], step: int, total: float) -> Outcome:
        """Return the outcome, naming the first value that the step from `state` makes non-finite."""
        loop = self.loop
        self.memory.write(state)
        epoch, batch = divmod(step, loop.steps_per_epoch)
        start = batch * loop.batch_sizes[0]
        stop = min(start + loop.batch_sizes[0], loop.row_count)
        chosen: NDArray[np.int64] | slice = slice(start, stop)
        if call.order is not None:
            chosen = call.order[epoch - call.start.epoch, start:stop]
        elif loop.shuffles:
            chosen = permutation(self.seed, epoch, loop.row_count)[start:stop]
        inputs = {**state, **self._data, **{name: self._data[name][chosen] for name in loop.rows}}
        culprit = first_non_finite(loop.steps[stop - start], inputs)
        return self._noted(call, "diverged", state, step, total, culprit)
