"""The engine that runs generated machine code: one native call for a whole run, without the interpreter's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.divergence import all_finite, first_non_finite
from chainrule.engines.loop import Array, Loop, Outcome, Report, Status
from chainrule.engines.native.compilation import CompiledLoop, CompiledProgram, Mode, compile_loop, workspace
from chainrule.engines.native.driver import Control, Ending
from chainrule.engines.shuffle import permutation
from chainrule.ir import Node, Program

K = TypeVar("K")
V = TypeVar("V")

SECONDS_PER_OPERATION = 1e-9
"""A slow guess, so that a run is rather given to a thread too early than too late."""

LONG_RUN = 0.02
"""Seconds above which a run goes to a worker thread, so that it can be interrupted and reported on."""

REPORT_INTERVAL = 0.1
CACHE_SIZE = 64
UNLIMITED = 2**62


class _Cache(dict[K, V]):
    """Keeps the most recently made entries."""

    def put(self, key: K, value: V) -> V:
        self[key] = value
        while len(self) > CACHE_SIZE:
            del self[next(iter(self))]
        return value


class NativeEngine:
    """LLVM, compiled once per loop or program and kept. `mode` forces how code is written; None chooses."""

    name = "native"

    def __init__(self, mode: Mode | None = None) -> None:
        self.mode = mode
        self._lock = threading.Lock()
        self._programs: _Cache[object, CompiledProgram] = _Cache()
        self._loops: _Cache[object, CompiledLoop] = _Cache()

    def compile(self, program: Program) -> Callable[[Mapping[str, Array]], list[Array]]:
        """A function from the inputs by name to the outputs; every size in `program` must be a number."""
        return self.compiled_program(program)

    def compiled_program(self, program: Program) -> CompiledProgram:
        """The machine code of a program."""
        key = _program_key(program)
        with self._lock:
            found = self._programs.get(key)
            return found or self._programs.put(key, CompiledProgram(program, self.mode))

    def compiled_loop(self, loop: Loop) -> CompiledLoop:
        """The machine code of a run."""
        sizes = tuple(loop.batch_sizes)
        steps = tuple(_program_key(loop.steps[size]) for size in sizes)
        key = (steps, sizes, loop.state, loop.rows, loop.fixed, loop.row_count, loop.shuffles)
        with self._lock:
            found = self._loops.get(key)
            return found or self._loops.put(key, compile_loop(loop, self.mode))

    def run(
        self,
        loop: Loop,
        state: Mapping[str, Array],
        data: Mapping[str, Array],
        epochs: int,
        seed: int,
        report: Report | None = None,
    ) -> Outcome:
        """Train; see `Engine.run`."""
        checked_state, checked_data = loop.prepare(state, data)
        run = _Run(self.compiled_loop(loop), loop, checked_state, checked_data, epochs, seed)
        return run.outcome(report)


def _program_key(program: Program) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """Nodes are interned, so these tell equal programs; held in the key, they stay alive."""
    return program.inputs, program.outputs


class _Run:
    """The memory of one run, and the calls that it takes."""

    def __init__(
        self,
        compiled: CompiledLoop,
        loop: Loop,
        state: dict[str, Array],
        data: dict[str, Array],
        epochs: int,
        seed: int,
    ) -> None:
        self.compiled, self.loop, self.state, self.data = compiled, loop, state, data
        self.epochs, self.seed = epochs, seed
        self.memory = workspace(compiled.layout.size)
        self.control = np.zeros(len(Control), np.int64)
        self.losses = np.empty(epochs)
        self._arrays = [data[name] for name in (*loop.rows, *loop.fixed)]
        self._addresses = np.array([array.ctypes.data for array in self._arrays], np.int64)

    def outcome(self, report: Report | None) -> Outcome:
        """Run to the end, or to where it stops."""
        self._set(0, self.epochs, UNLIMITED)
        self._write(self.state)
        try:
            if self.epochs * self.compiled.work * SECONDS_PER_OPERATION > LONG_RUN:
                self._call_in_thread(report)
            else:
                self._call()
            interrupted = False
        except KeyboardInterrupt:
            interrupted = True
        done, steps = int(self.control[Control.EPOCHS_DONE]), int(self.control[Control.STEPS_DONE])
        ending = Ending(int(self.control[Control.STATUS]))
        losses = self.losses[:done]
        if ending is Ending.NOT_STARTED:
            return Outcome(self.state, losses, 0, 0, "interrupted")
        if ending in (Ending.FINISHED, Ending.STOPPED):
            status: Status = "interrupted" if interrupted or ending is Ending.STOPPED else "finished"
            result = self._read(4)
            if ending is Ending.FINISHED or all_finite(result.values()):
                if report is not None and done:
                    report(done, losses)
                return Outcome(result, losses, done, steps, status)
        return self._diverged(losses, done, steps, ending)

    def _set(self, first: int, last: int, limit: int) -> None:
        words: dict[Control, int] = {
            Control.STATUS: Ending.NOT_STARTED,
            Control.FIRST_EPOCH: first,
            Control.LAST_EPOCH: last,
            Control.STEP_LIMIT: limit,
            Control.SEED: int(np.uint64(self.seed & (2**64 - 1)).astype(np.int64)),
        }
        self.control[:] = 0
        for word, value in words.items():
            self.control[word] = value

    def _write(self, state: Mapping[str, Array]) -> None:
        """Put a state where runs start from."""
        for name, offset in zip(self.loop.state, self.compiled.layout.offsets, strict=True):
            array = state[name]
            self.memory[offset : offset + array.nbytes].view(array.dtype)[:] = array.ravel()

    def _read(self, copy: int) -> dict[str, Array]:
        """A copy of one of the packed states in the workspace."""
        layout, result = self.compiled.layout, {}
        for name, offset in zip(self.loop.state, layout.offsets, strict=True):
            like, start = self.state[name], layout.copy(copy) + offset
            flat = self.memory[start : start + like.nbytes].view(like.dtype)
            result[name] = flat.reshape(like.shape).copy()
        return result

    def _call(self) -> None:
        self.compiled.call(
            self.control.ctypes.data, self.memory.ctypes.data, self.losses.ctypes.data, self._addresses.ctypes.data
        )

    def _call_in_thread(self, report: Report | None) -> None:
        """Call in a worker, while this thread reports. An exception here, such as an interrupt, ends the run first."""
        finished = threading.Event()

        def work() -> None:
            self._call()
            finished.set()

        worker = threading.Thread(target=work, name="chainrule-run", daemon=True)
        try:
            worker.start()
            reported = 0
            while not finished.wait(REPORT_INTERVAL):
                done = int(self.control[Control.EPOCHS_DONE])
                if report is not None and done > reported:
                    report(done, self.losses[:done])
                    reported = done
        finally:
            if not finished.is_set():
                self.control[Control.STOP] = 1
            _join(worker)

    def _diverged(self, losses: NDArray[np.float64], done: int, steps: int, ending: Ending) -> Outcome:
        """Go back to the last state that was finite, by running again from the last snapshot."""
        # A state is looked at when an epoch begins; what is spoilt then was so by the epoch before, whose snapshot is
        # still there.
        epoch = done - (ending is Ending.STATE_NOT_FINITE)
        if epoch < 0:
            return self._named(self.state, losses[:0], 0, 0, 0)
        snapshot = self._read(2 + epoch % 2)
        base = epoch * self.loop.steps_per_epoch
        # A value that is not finite never becomes finite again, so that the last finite state is found by bisection.
        finite, spoilt = 0, steps - base + (ending is Ending.LOSS_NOT_FINITE)
        best = snapshot
        while spoilt - finite > 1:
            middle = (finite + spoilt) // 2
            try:
                state = self._replayed(snapshot, epoch, middle)
            except KeyboardInterrupt:
                return Outcome(best, losses[:epoch], epoch, base + finite, "interrupted")
            if all_finite(state.values()):
                finite, best = middle, state
            else:
                spoilt = middle
        return self._named(best, losses[:epoch], epoch, finite, base + finite)

    def _replayed(self, snapshot: Mapping[str, Array], epoch: int, steps: int) -> dict[str, Array]:
        """The state `steps` after the start of an epoch."""
        self._set(epoch, epoch + 1, steps)
        self._write(snapshot)
        self._call_in_thread(None)  # an epoch may be long, and an interrupt is not to wait for it
        return self._read(4)

    def _named(
        self, state: dict[str, Array], losses: NDArray[np.float64], epoch: int, batch: int, step: int
    ) -> Outcome:
        """The outcome, with the first value named that the step from `state` makes non-finite."""
        loop = self.loop
        start = batch * loop.batch_sizes[0]
        order = permutation(self.seed, epoch, loop.row_count) if loop.shuffles else np.arange(loop.row_count)
        chosen = order[start : start + loop.batch_sizes[0]]
        inputs = {**state, **self.data, **{name: self.data[name][chosen] for name in loop.rows}}
        culprit = first_non_finite(loop.steps[len(chosen)], inputs)
        return Outcome(state, losses, epoch, step, "diverged", culprit, step)


def _join(worker: threading.Thread) -> None:
    """Wait for a thread that has been told to stop; further interrupts change nothing."""
    while worker.is_alive():
        try:
            worker.join()
        except KeyboardInterrupt:
            continue
