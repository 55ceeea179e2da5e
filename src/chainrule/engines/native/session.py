"""A run in machine code: its memory, reserved once, the calls that it takes, and what is made of how they ended."""

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
"""A slow guess, so that a first call is rather given to a thread too early than too late."""

MARGIN = 4
"""How much longer than the last ones steps may take: with numbers near to zero they do."""

LONG_CALL = 0.02
"""Seconds above which a call goes to worker threads, so that it can be interrupted and reported on."""

REPORT_INTERVAL = 0.1

PATIENCE = 0.1
"""Seconds that an interrupted run is given to end its step before its last snapshot is taken instead."""

INSTANT = 0.001
"""Seconds between two looks at something that is about to happen."""

UNLIMITED = 2**62


class _Memory:
    """The workspace of a run, the words that it shares with its caller, and where both are."""

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
        """The arrays of one of the copies of the state."""
        layout, views = self._compiled.written.layout, {}
        for name, storage, offset in zip(self._loop.state, layout.states, layout.offsets, strict=True):
            dtype = storage.dtype.numpy
            strides = tuple(stride * dtype.itemsize for stride in storage.strides)
            views[name] = np.ndarray(storage.shape, dtype, self.workspace, layout.copy(number) + offset, strides)
        return views

    def reset(self, call: _Call) -> None:
        """The control words as a call is to find them."""
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
        """A state, of one of the copies of it."""
        return {name: view.copy() for name, view in (self._views(copy) if copy else self._state).items()}

    def write(self, state: Mapping[str, Array]) -> None:
        """Put a state where calls start from."""
        for name, view in self._state.items():
            view[...] = state[name]


@dataclass(frozen=True, eq=False)
class _Call:
    """One call of the generated code, and all that it uses, which stays alive with it."""

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
        """The steps from the very beginning up to where the call starts."""
        return self.start.epoch * self.loop.steps_per_epoch + self.start.step

    @property
    def ending(self) -> Ending:
        return Ending(int(self.memory.control[Control.STATUS]))

    @property
    def steps(self) -> int:
        """How many steps it has made, if it has ended."""
        return int(self.memory.control[Control.STEPS_DONE])

    @property
    def epochs(self) -> int:
        """How many epochs it has finished."""
        return int(self.memory.control[Control.EPOCHS_DONE]) - self.start.epoch

    @property
    def snapshots(self) -> int:
        """0 before there is one; a number that tells the last one."""
        return int(self.memory.control[Control.SNAPSHOTS])

    def snapshot(self, count: int) -> tuple[int, dict[str, Array], float]:
        """The last snapshot where `snapshots` is `count`: after which step from the very beginning, state and loss."""
        place = (count - 1) % 2
        if self.compiled.written.every_step:
            step = self.first_step + count - 1
        else:
            step = max((count - 1) * self.loop.steps_per_epoch, self.first_step)
        return step, self.memory.read(1 + place), float(self.memory.doubles[Control.KEPT + place])

    def begin(self, threads: int) -> None:
        """Told before the first thread calls."""
        self.memory.control[Control.THREADS] = threads

    def work(self, thread: int) -> None:
        """The part of one thread."""
        self.compiled.call(*self.memory.addresses, self.losses.ctypes.data, self.arrays.address, thread)


class _Arrays:
    """Arrays in the order in which generated code is given their addresses."""

    def __init__(self, arrays: list[Array]) -> None:
        self.arrays = arrays
        self._addresses = np.array([array.ctypes.data for array in arrays], np.int64)
        self.address = self._addresses.ctypes.data


class NativeSession(Session):
    """Calls of generated code on memory that stays where it is."""

    def __init__(self, compiled: CompiledLoop, run: Run, threads: int) -> None:
        super().__init__(run)
        self.compiled, self.threads = compiled, threads
        self._most = threads
        self._arrays = self._listed()
        self._workers = Workers(threads)
        self.memory = self._new_memory(run.state)
        self._open: _Call | None = None
        """A call whose result is not taken note of."""
        self._pace = compiled.written.work * SECONDS_PER_OPERATION
        """Seconds that a step takes at the most, expected or measured."""

    def _listed(self) -> _Arrays:
        named = [self._data[name] for name in (*self.loop.rows, *self.loop.fixed)]
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
        if call.steps:
            self._pace = MARGIN * (time.perf_counter() - begun) / call.steps

    def _do_in_workers(self, call: _Call, report: Report | None) -> None:
        """Call in workers, while this thread reports. An exception here, such as an interrupt, ends the run first."""
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
        """Tell a call to end, and wait until it does.

        Where there is a snapshot of each step, one that takes longer is left to end by itself: what it uses stays
        alive with it.
        """
        limit = time.monotonic() + PATIENCE if self.compiled.written.snapshot_steps == 1 else math.inf
        call.memory.control[Control.STOP] = 1
        while not over.wait(PATIENCE) and time.monotonic() < limit:
            pass

    def _ended(self, call: _Call, interrupted: bool) -> Outcome:
        """Take note of how a call ended. Torn off in its middle, this can be done again."""
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
        """The outcome of a call that has come to `step`, counted from the very beginning."""
        position = self._at(step, total)
        self._position, self._open = position, None
        done, steps = position.epoch - call.start.epoch, step - call.first_step
        culprit_step = steps if status == "diverged" else None
        return Outcome(
            state, call.losses[:done], done, steps, status, culprit, culprit_step, self.threads,
            self.memory.workspace.nbytes, position,
        )  # fmt: skip

    def _abandoned(self, call: _Call) -> Outcome:
        """What there was before the step that goes on in other threads; it is the last one, as they will find.

        The memory that they use is left to them.
        """
        while True:
            count = call.snapshots
            # Without a snapshot, no step has begun.
            first = call.first_step, call.memory.read(0), call.start.loss
            step, state, total = call.snapshot(count) if count else first
            # The snapshot after the next is written over this one.
            if count == call.snapshots and step // self.loop.steps_per_epoch <= call.start.epoch + call.epochs:
                break
            time.sleep(INSTANT)
        self._leave(state)
        return self._noted(call, "interrupted", state, step, total)

    def _leave(self, state: Mapping[str, Array]) -> None:
        """Go on from `state` in memory that no thread knows, with threads that have nothing else to do."""
        self._workers = Workers(self._most)
        self.memory = self._new_memory(state)

    def _diverged(self, call: _Call, ending: Ending) -> Outcome:
        """Go back to the last state that was finite, by running again from the last snapshot."""
        count, spoilt = call.snapshots, call.first_step + call.steps + (ending is Ending.LOSS_NOT_FINITE)
        if not count:
            return self._named(call, call.memory.read(0), call.first_step, call.start.loss)
        # A state is looked at when a snapshot is taken; what is spoilt then was not so in the one before.
        base, snapshot, base_total = call.snapshot(count)
        finite, best, total, presses = base, snapshot, base_total, self._interrupt.presses
        # A value that is not finite never becomes finite again, so that the last finite state is found by bisection.
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
        """The state, and the loss of the unfinished epoch, `steps` after `start`."""
        self.memory.write(snapshot)
        order = None if call.order is None else call.order[start.epoch - call.start.epoch :]
        again = self._prepared(start, start.epoch + 1, steps, np.empty(1), order)
        self._do_in_workers(again, None)  # an epoch may be long, and an interrupt is not to wait for it
        return self.memory.read(0), float(self.memory.doubles[Control.TOTAL])

    def _named(self, call: _Call, state: dict[str, Array], step: int, total: float) -> Outcome:
        """The outcome, with the first value named that the step from `state` makes non-finite."""
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
