"""The engine that compiles programs and runs with XLA."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.engines.indices import check_indices
from chainrule.engines.launching import is_one_of_several
from chainrule.engines.loop import Array, EngineError, Run
from chainrule.engines.parts import check_divided
from chainrule.engines.session import Engine
from chainrule.engines.xla.agreement import Agreement
from chainrule.engines.xla.dependency import jax, wide
from chainrule.engines.xla.ending import end_if_interrupted
from chainrule.engines.xla.joining import connected, join
from chainrule.engines.xla.loop import common_batch, compiled_run
from chainrule.engines.xla.lowerings import evaluated
from chainrule.engines.xla.own_rows import OwnRowsSession, own_batch
from chainrule.engines.xla.placement import Placement, read
from chainrule.engines.xla.sameness import check_same
from chainrule.engines.xla.session import XlaSession
from chainrule.ir import Memo, Program

CACHE_SIZE = 64


def has_accelerators() -> bool:
    """Whether JAX finds devices other than processors, or this is one of several processes."""
    # Those have to be joined before JAX looks for devices.
    return is_one_of_several(os.environ) or jax.default_backend() != "cpu"


class XlaEngine(Engine):
    """XLA, through JAX, on `devices`: by default all that JAX knows, of all processes that were launched together.

    The rows of each batch are divided among the devices if their number is a multiple of that of the devices; the state
    is kept on all of them.
    """

    name = "xla"

    def __init__(self, devices: Any = None) -> None:
        self._process = os.getpid()
        self._placement: Placement
        self.processes: Agreement

        def meet() -> None:
            joined = join()
            self._placement = Placement(devices)
            self.processes = connected(self._placement, joined)

        if is_one_of_several(os.environ):
            # Until all have met, a process can tell nobody that it ends, and would wait for the others in JAX's exit.
            end_if_interrupted(meet)
        else:
            meet()
        self._programs: Memo[object, Callable[..., Any]] = Memo(CACHE_SIZE)
        self._loops: Memo[object, Callable[..., Any]] = Memo(CACHE_SIZE)

    def compile(self, program: Program) -> Callable[[Mapping[str, Array]], list[Array]]:
        def function(values: list[Any]) -> list[Any]:
            return evaluated(program.outputs, dict(zip(program.inputs, values, strict=True)))

        self._check_not_forked()
        compiled = self._programs.made((program.inputs, program.outputs), lambda: jax.jit(function))

        def call(values: Mapping[str, Array]) -> list[Array]:
            check_indices(program, values)
            with wide():
                given = [np.asarray(values[node.name], node.type.dtype.numpy) for node in program.inputs]
                return [read(value) for value in compiled(given)]

        return call

    def begin(self, run: Run, threads: int | None = None) -> XlaSession:
        self._check_not_forked()
        if threads is not None:
            raise EngineError(
                f'threads={threads} is for engine="native"; leave it out, XLA uses all processors unless XLA_FLAGS in '
                "the environment says otherwise"
            )
        checked, loop = run.checked(), run.loop
        steps = tuple((size, loop.steps[size].inputs, loop.steps[size].outputs) for size in loop.batch_sizes)
        key = steps, loop.state, loop.rows, loop.constants, loop.row_count, loop.shuffles
        own = run.parts is not None
        with self.processes.together():
            if own:
                check_divided(loop.batch_size, loop.row_count, self._placement.count)
            check_same(self.processes, checked)
            batch_of = own_batch(loop, self._placement) if own else common_batch
            execute = self._loops.made((key, own), lambda: compiled_run(loop, self._placement, batch_of))
            made = OwnRowsSession if own else XlaSession
            return made(execute, checked, self._placement, self.processes)

    def _check_not_forked(self) -> None:
        if os.getpid() != self._process:
            raise EngineError(
                'this process was forked from one that has used engine="xla", and JAX\'s threads do not survive a '
                "fork; start processes with multiprocessing.get_context('spawn') or 'forkserver', or give "
                'engine="native"'
            )
