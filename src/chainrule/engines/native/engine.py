"""The engine that runs generated machine code: one native call per run, without the GIL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from chainrule.engines.loop import Array, EngineError, Loop, Run, packed
from chainrule.engines.native.compilation import CompiledLoop, CompiledProgram, Mode, compile_loop
from chainrule.engines.native.machine import compilation_lock
from chainrule.engines.native.session import NativeSession
from chainrule.engines.native.target import Target, current_target
from chainrule.engines.native.team import available, threads_for
from chainrule.engines.session import Engine
from chainrule.ir import Memo, Program

SMALL = 2**20
"""Arrays of up to this many bytes are copied to row-major order; larger ones are used in place."""

CACHE_SIZE = 64


class NativeEngine(Engine):
    """The LLVM engine. Code is compiled once per loop or program and cached.

    `mode` forces how code is written; None chooses. `target` is the processor to generate code for; None means that
    named by CHAINRULE_TARGET, or the host. `team` is the exact number of threads of a run; None chooses from the work
    and the number of processors.
    """

    name = "native"

    def __init__(self, mode: Mode | None = None, target: Target | None = None, team: int | None = None) -> None:
        self.mode, self.target, self.team = mode, target, team
        self._programs: Memo[object, CompiledProgram] = Memo(CACHE_SIZE, compilation_lock)
        self._loops: Memo[object, CompiledLoop] = Memo(CACHE_SIZE, compilation_lock)

    def compile(self, program: Program) -> Callable[[Mapping[str, Array]], list[Array]]:
        return self.compiled_program(program)

    def compiled_program(self, program: Program) -> CompiledProgram:
        """Return the machine code of a program."""
        target = self.target or current_target()
        # Nodes are interned, so identity means equality; the key keeps them alive.
        key = (program.inputs, program.outputs, target)
        with compilation_lock:
            return self._programs.made(key, lambda: CompiledProgram(program, self.mode, target))

    def compiled_loop(self, loop: Loop, data: Mapping[str, Array]) -> CompiledLoop:
        """Return the machine code of a run on arrays with the strides of those in `data`."""
        target = self.target or current_target()
        strides = _strides_of(loop, data)
        sizes = tuple(loop.batch_sizes)
        steps = tuple((loop.steps[size].inputs, loop.steps[size].outputs) for size in sizes)
        layout = tuple(strides.items())
        key = (steps, sizes, loop.state, loop.rows, loop.constants, loop.row_count, loop.shuffles, layout, target)
        with compilation_lock:
            return self._loops.made(key, lambda: compile_loop(loop, self.mode, target, strides))

    def begin(self, run: Run, threads: int | None = None) -> NativeSession:
        checked = _laid_out(run.checked())
        compiled = self.compiled_loop(run.loop, checked.data)
        return NativeSession(compiled, checked, self._threads(compiled, threads))

    def metered(self, run: Run, epochs: int, threads: int) -> list[tuple[str, list[float]]]:
        """Measure the cycles of each loop nest and each barrier, for every thread, per step.

        The loop is run by exactly that number of threads, and its result is discarded. Raises EngineError on processors
        without an accessible cycle counter.
        """
        target = self.target or current_target()
        if not target.is_x86:
            raise EngineError("cycles are counted on x86 processors only")
        checked = _laid_out(run.checked())
        compiled = compile_loop(run.loop, "loops", target, _strides_of(run.loop, checked.data), metered=True)
        session = NativeSession(compiled, checked, threads)
        outcome = session.advance(epochs)
        meter, layout = compiled.written.meter, compiled.written.layout
        assert meter is not None
        starts = [layout.private + thread * layout.private_size + meter.place for thread in range(outcome.threads)]
        counts = [session.memory.workspace[start : start + 8 * len(meter.labels)].view(np.int64) for start in starts]
        steps = max(outcome.steps_done, 1)
        return [(label, [int(count[k]) / steps for count in counts]) for k, label in enumerate(meter.labels)]

    def _threads(self, compiled: CompiledLoop, most: int | None) -> int:
        """Return the number of threads of a run."""
        written = compiled.written
        if written.mode == "unrolled":
            return 1
        if self.team is not None:
            return self.team
        limit = available()
        return threads_for(written.work, written.phases, limit if most is None else min(limit, most))


def _strides_of(loop: Loop, data: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    """The strides of the rows and the constants, in elements."""
    return {
        name: tuple(stride // data[name].itemsize for stride in data[name].strides)
        for name in (*loop.rows, *loop.constants)
    }


def _laid_out(run: Run) -> Run:
    """Return the run with small arrays copied to row-major order."""
    data = {name: packed(each, each.dtype) if each.nbytes <= SMALL else each for name, each in run.data.items()}
    return replace(run, data=data)
