"""The engine that runs generated machine code: one native call for a whole run, without the interpreter's lock."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.divergence import all_finite, first_non_finite
from chainrule.engines.loop import Array, EngineError, Loop, Outcome, Report, Status, packed
from chainrule.engines.native.compilation import (
    CompiledLoop,
    CompiledProgram,
    Mode,
    compile_loop,
    strides_of,
    workspace,
)
from chainrule.engines.native.driver import Control, Ending, control_words
from chainrule.engines.native.machine import compilation_lock
from chainrule.engines.native.target import Target, current_target
from chainrule.engines.native.team import available, threads_for, yielding
from chainrule.engines.shuffle import permutation
from chainrule.ir import Node, Program

K = TypeVar("K")
V = TypeVar("V")

SECONDS_PER_OPERATION = 1e-9
"""A slow guess, so that a run is rather given to a thread too early than too late."""

LONG_RUN = 0.02
"""Seconds above which a run goes to worker threads, so that it can be interrupted and reported on."""

REPORT_INTERVAL = 0.1

PATIENCE = 0.1
"""Seconds that an interrupted run is given to end its step before its last snapshot is taken instead."""

INSTANT = 0.001
"""Seconds between two looks at something that is about to happen."""

SMALL = 2**20
"""Bytes up to which an array that lies in another order is copied; what is larger is used where it lies."""

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
    """LLVM, compiled once per loop or program and kept.

    `mode` forces how code is written; None chooses. `target` is the processor to write for; None takes the one that
    CHAINRULE_TARGET names, or this machine's. `team` is the exact number of threads of a run, whatever its work and
    the number of processors; None chooses.
    """

    name = "native"

    def __init__(self, mode: Mode | None = None, target: Target | None = None, team: int | None = None) -> None:
        self.mode, self.target, self.team = mode, target, team
        self._programs: _Cache[object, CompiledProgram] = _Cache()
        self._loops: _Cache[object, CompiledLoop] = _Cache()

    def compile(self, program: Program) -> Callable[[Mapping[str, Array]], list[Array]]:
        """A function from the inputs by name to the outputs; every size in `program` must be a number."""
        return self.compiled_program(program)

    def compiled_program(self, program: Program) -> CompiledProgram:
        """The machine code of a program."""
        target = self.target or current_target()
        key = (_program_key(program), target)
        with compilation_lock:
            found = self._programs.get(key)
            return found or self._programs.put(key, CompiledProgram(program, self.mode, target))

    def compiled_loop(self, loop: Loop, data: Mapping[str, Array]) -> CompiledLoop:
        """The machine code of a run on arrays that lie in memory as those of `data` do."""
        target = self.target or current_target()
        strides = strides_of(loop, data)
        sizes = tuple(loop.batch_sizes)
        steps = tuple(_program_key(loop.steps[size]) for size in sizes)
        layout = tuple(strides.items())
        key = (steps, sizes, loop.state, loop.rows, loop.fixed, loop.row_count, loop.shuffles, layout, target)
        with compilation_lock:
            found = self._loops.get(key)
            return found or self._loops.put(key, compile_loop(loop, self.mode, target, strides))

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
        """Train; see `Engine.run`."""
        checked_state, checked_data = loop.prepare(state, data)
        checked_data = {name: _laid_out(array) for name, array in checked_data.items()}
        compiled = self.compiled_loop(loop, checked_data)
        run = _Run(compiled, loop, checked_state, checked_data, epochs, seed, self._threads(compiled, threads))
        outcome = run.outcome(report)
        return replace(outcome, threads=run.threads, workspace_bytes=run.memory.nbytes)

    def metered(
        self, loop: Loop, state: Mapping[str, Array], data: Mapping[str, Array], epochs: int, threads: int
    ) -> list[tuple[str, list[float]]]:
        """Where the time of a step goes: for each loop nest and each wait, the cycles of every thread in a step.

        The run is made of loops, by exactly so many threads, and its result is thrown away. Raises EngineError on
        processors without a cycle counter that programs may read.
        """
        target = self.target or current_target()
        if not target.is_x86:
            raise EngineError("cycles are counted on x86 processors only")
        checked_state, checked_data = loop.prepare(state, data)
        checked_data = {name: _laid_out(array) for name, array in checked_data.items()}
        compiled = compile_loop(loop, "loops", target, strides_of(loop, checked_data), metered=True)
        run = _Run(compiled, loop, checked_state, checked_data, epochs, 0, threads)
        outcome = run.outcome(None)
        meter, layout = compiled.written.meter, compiled.written.layout
        assert meter is not None
        starts = [layout.private + thread * layout.private_size + meter.place for thread in range(run.threads)]
        counts = [run.memory[start : start + 8 * len(meter.labels)].view(np.int64) for start in starts]
        steps = max(outcome.steps_done, 1)
        return [(label, [int(count[k]) / steps for count in counts]) for k, label in enumerate(meter.labels)]

    def _threads(self, compiled: CompiledLoop, most: int | None) -> int:
        """How many threads a run has."""
        written = compiled.written
        if written.mode == "unrolled":
            return 1
        if self.team is not None:
            return self.team
        limit = available()
        return threads_for(written.work, written.phases, limit if most is None else min(limit, most))


def _program_key(program: Program) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """Nodes are interned, so these tell equal programs; held in the key, they stay alive."""
    return program.inputs, program.outputs


def _laid_out(array: Array) -> Array:
    """The array itself, or a copy in row-major order of one so small that this is no matter."""
    return packed(array, array.dtype) if array.nbytes <= SMALL else array


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
        threads: int,
    ) -> None:
        self.compiled, self.loop, self.state, self.data = compiled, loop, state, data
        self.epochs, self.seed, self.threads = epochs, seed, threads
        self.layout = compiled.written.layout
        self.memory = workspace(self.layout.size(threads))
        self.control = workspace(8 * control_words(threads)).view(np.int64)
        self.losses = np.empty(epochs)
        self._arrays = [*(data[name] for name in (*loop.rows, *loop.fixed)), *compiled.written.literals]
        self._addresses = np.array([array.ctypes.data for array in self._arrays], np.int64)

    def outcome(self, report: Report | None) -> Outcome:
        """Run to the end, or to where it stops."""
        self._set(0, self.epochs, UNLIMITED)
        self._write(self.state)
        work = self.epochs * self.loop.steps_per_epoch * self.compiled.written.work
        interrupted = False
        try:
            if self.threads == 1 and work * SECONDS_PER_OPERATION <= LONG_RUN:
                self._call()
            else:
                self._call_in_threads(report)
        except KeyboardInterrupt:
            interrupted = True
        ending = Ending(int(self.control[Control.STATUS]))
        if ending is Ending.NOT_STARTED:
            return self._abandoned()
        done, steps = int(self.control[Control.EPOCHS_DONE]), int(self.control[Control.STEPS_DONE])
        losses = self.losses[:done]
        if ending in (Ending.FINISHED, Ending.STOPPED):
            status: Status = "interrupted" if interrupted or ending is Ending.STOPPED else "finished"
            result = self._read(0)
            if ending is Ending.FINISHED or all_finite(result.values()):
                if report is not None and done:
                    report(done, losses)
                return Outcome(result, losses, done, steps, status)
        return self._diverged(losses, done, steps, ending)

    def _abandoned(self) -> Outcome:
        """What there was before the step that goes on in other threads; it is the last one, as they will find."""
        while True:
            count = int(self.control[Control.SNAPSHOTS])
            if not count:
                return Outcome(self.state, self.losses[:0], 0, 0, "interrupted")
            steps = (count - 1) * self.compiled.written.snapshot_steps
            epochs = steps // self.loop.steps_per_epoch
            state = self._read(2 - count % 2)
            # The snapshot after the next is written over this one.
            if count == self.control[Control.SNAPSHOTS] and epochs <= self.control[Control.EPOCHS_DONE]:
                return Outcome(state, self.losses[:epochs].copy(), epochs, steps, "interrupted")
            time.sleep(INSTANT)

    def _set(self, first: int, last: int, limit: int) -> None:
        words: dict[Control, int] = {
            Control.STATUS: Ending.NOT_STARTED,
            Control.FIRST_EPOCH: first,
            Control.LAST_EPOCH: last,
            Control.STEP_LIMIT: limit,
            Control.SEED: int(np.uint64(self.seed & (2**64 - 1)).astype(np.int64)),
            Control.THREADS: self.threads,
            Control.YIELD: yielding(),
        }
        self.control[:] = 0
        for word, value in words.items():
            self.control[word] = value

    def _views(self, copy: int) -> dict[str, Array]:
        """The arrays of one of the copies of the state in the workspace."""
        views = {}
        for name, storage, offset in zip(self.loop.state, self.layout.states, self.layout.offsets, strict=True):
            itemsize = storage.dtype.numpy.itemsize
            views[name] = np.ndarray(
                storage.shape,
                storage.dtype.numpy,
                self.memory,
                self.layout.copy(copy) + offset,
                tuple(stride * itemsize for stride in storage.strides),
            )
        return views

    def _write(self, state: Mapping[str, Array]) -> None:
        """Put a state where runs start from."""
        for name, view in self._views(0).items():
            view[...] = state[name]

    def _read(self, copy: int) -> dict[str, Array]:
        return {name: view.copy() for name, view in self._views(copy).items()}

    def _call(self, thread: int = 0) -> None:
        addresses = (array.ctypes.data for array in (self.control, self.memory, self.losses, self._addresses))
        self.compiled.call(*addresses, thread)

    def _call_as_team(self) -> None:
        """Call in this thread and the others of the team, which is as large as the system lets it be made.

        An exception raised here from outside would leave the others waiting for this one.
        """
        ready = threading.Event()

        def work(number: int) -> None:
            ready.wait()
            self._call(number)

        members: list[threading.Thread] = []
        for number in range(1, self.threads):
            member = threading.Thread(target=work, args=(number,), name=f"chainrule-run-{number}", daemon=True)
            try:
                member.start()
            except RuntimeError:
                break
            members.append(member)
        self.threads = 1 + len(members)
        self.control[Control.THREADS] = self.threads
        ready.set()
        self._call()
        for member in members:
            member.join()

    def _call_in_threads(self, report: Report | None) -> None:
        """Call in workers, while this thread reports. An exception here, such as an interrupt, ends the run first."""
        # Not join: a thread whose join was interrupted counts as dead in some versions of Python.
        over = threading.Event()

        def lead() -> None:
            try:
                self._call_as_team()
            finally:
                over.set()

        begun = False
        try:
            try:
                threading.Thread(target=lead, name="chainrule-run-0", daemon=True).start()
            except RuntimeError:
                self.threads = self.control[Control.THREADS] = 1
                self._call()
                return
            begun = True
            reported = 0
            while not over.wait(REPORT_INTERVAL):
                done = int(self.control[Control.EPOCHS_DONE])
                if report is not None and done > reported:
                    report(done, self.losses[:done])
                    reported = done
        finally:
            # Interrupted while it was made, the leader may be there or not; if it is, it will find this.
            self.control[Control.STOP] = 1
            if begun:
                self._stop(over)

    def _stop(self, over: threading.Event) -> None:
        """Tell a run to end, and wait until it does; further interrupts change nothing.

        Where there is a snapshot of each step, one that takes longer is left to end by itself: what it uses stays
        alive with it.
        """
        limit = time.monotonic() + PATIENCE if self.compiled.written.snapshot_steps == 1 else math.inf
        while True:
            try:
                self.control[Control.STOP] = 1
                while not over.wait(PATIENCE) and time.monotonic() < limit:
                    pass
                return
            except KeyboardInterrupt:
                continue

    def _diverged(self, losses: NDArray[np.float64], done: int, steps: int, ending: Ending) -> Outcome:
        """Go back to the last state that was finite, by running again from the last snapshot."""
        # A state is looked at when a snapshot is taken; what is spoilt then was not so in the one before.
        count = int(self.control[Control.SNAPSHOTS])
        if not count:
            return self._named(self.state, losses[:0], 0, 0, 0)
        snapshot = self._read(2 - count % 2)
        base = (count - 1) * self.compiled.written.snapshot_steps
        epoch, batch = divmod(base, self.loop.steps_per_epoch)
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
        return self._named(best, losses[:epoch], epoch, batch + finite, base + finite)

    def _replayed(self, snapshot: Mapping[str, Array], epoch: int, steps: int) -> dict[str, Array]:
        """The state `steps` after the start of an epoch."""
        self._set(epoch, epoch + 1, steps)
        self._write(snapshot)
        self._call_in_threads(None)  # an epoch may be long, and an interrupt is not to wait for it
        return self._read(0)

    def _named(
        self, state: dict[str, Array], losses: NDArray[np.float64], epoch: int, batch: int, step: int
    ) -> Outcome:
        """The outcome, with the first value named that the step from `state` makes non-finite."""
        loop = self.loop
        start = batch * loop.batch_sizes[0]
        stop = min(start + loop.batch_sizes[0], loop.row_count)
        chosen = permutation(self.seed, epoch, loop.row_count)[start:stop] if loop.shuffles else slice(start, stop)
        inputs = {**state, **self.data, **{name: self.data[name][chosen] for name in loop.rows}}
        culprit = first_non_finite(loop.steps[stop - start], inputs)
        return Outcome(state, losses, epoch, step, "diverged", culprit, step)
