"""The engine that runs generated machine code: one native call for a whole run, without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from chainrule.engines.loop import Array, EngineError, Loop, Outcome, Position, Report, packed
from chainrule.engines.native.compilation import (
    CompiledLoop,
    CompiledProgram,
    Mode,
    compile_loop,
    strides_of,
)
from chainrule.engines.native.machine import compilation_lock
from chainrule.engines.native.session import NativeSession
from chainrule.engines.native.target import Target, current_target
from chainrule.engines.native.team import available, threads_for
from chainrule.ir import Memo, Node, Program

SMALL = 2**20
"""Bytes up to which an array that lies in another order is copied; what is larger is used where it lies."""

CACHE_SIZE = 64


class NativeEngine:
    """LLVM, compiled once per loop or program and kept.

    `mode` forces how code is written; None chooses. `target` is the processor to write for; None takes the one that
    CHAINRULE_TARGET names, or this machine's. `team` is the exact number of threads of a run, whatever its work and
    the number of processors; None chooses.
    """

    name = "native"

    def __init__(self, mode: Mode | None = None, target: Target | None = None, team: int | None = None) -> None:
        self.mode, self.target, self.team = mode, target, team
        self._programs: Memo[object, CompiledProgram] = Memo(CACHE_SIZE, compilation_lock)
        self._loops: Memo[object, CompiledLoop] = Memo(CACHE_SIZE, compilation_lock)

    def compile(self, program: Program) -> Callable[[Mapping[str, Array]], list[Array]]:
        """A function from the inputs by name to the outputs; every size in `program` must be a number."""
        return self.compiled_program(program)

    def compiled_program(self, program: Program) -> CompiledProgram:
        """The machine code of a program."""
        target = self.target or current_target()
        key = (_program_key(program), target)
        with compilation_lock:
            found = self._programs.get(key)
            return found or self._programs.keep(key, CompiledProgram(program, self.mode, target))

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
            return found or self._loops.keep(key, compile_loop(loop, self.mode, target, strides))

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
    ) -> NativeSession:
        """See `Engine.begin`."""
        checked_state, checked_data = _prepared(loop, state, data)
        compiled = self.compiled_loop(loop, checked_data)
        team = self._threads(compiled, threads)
        position = Position(first_epoch, first_step, first_loss)
        return NativeSession(compiled, loop, checked_state, checked_data, seed, team, position)

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
        """See `Engine.run`."""
        return self.begin(loop, state, data, seed, threads).advance(epochs, report)

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
        checked_state, checked_data = _prepared(loop, state, data)
        compiled = compile_loop(loop, "loops", target, strides_of(loop, checked_data), metered=True)
        session = NativeSession(compiled, loop, checked_state, checked_data, 0, threads, Position())
        outcome = session.advance(epochs)
        meter, layout = compiled.written.meter, compiled.written.layout
        assert meter is not None
        starts = [layout.private + thread * layout.private_size + meter.place for thread in range(outcome.threads)]
        counts = [session.memory.workspace[start : start + 8 * len(meter.labels)].view(np.int64) for start in starts]
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


def _prepared(
    loop: Loop, state: Mapping[str, Array], data: Mapping[str, Array]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Checked copies of `state`, and `data` as generated code can read them."""
    own, others = loop.prepare(state, data)
    return own, {name: _laid_out(array) for name, array in others.items()}


def _laid_out(array: Array) -> Array:
    """The array itself, or a copy in row-major order of one so small that this is no matter."""
    return packed(array, array.dtype) if array.nbytes <= SMALL else array
