"""Compilation of a loop or a program: in registers if it fits, otherwise over memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from chainrule.engines.indices import check_indices
from chainrule.engines.loop import Array, Loop, packed
from chainrule.engines.native.definitions import Definitions
from chainrule.engines.native.driver import Layout, RunWriter
from chainrule.engines.native.machine import MachineCode, build
from chainrule.engines.native.memory import MemoryStepWriter, ProgramWriter
from chainrule.engines.native.metering import Meter
from chainrule.engines.native.prepare import prepare, without_recurrences
from chainrule.engines.native.registers import RegisterStepWriter
from chainrule.engines.native.schedule import ALIGNMENT
from chainrule.engines.native.storage import row_major
from chainrule.engines.native.target import Target, current_target
from chainrule.engines.native.team import pause, seconds_for
from chainrule.engines.native.text import POINTER, Function, Module, Value
from chainrule.engines.native.unrolled import NotUnrollableError, Unroller, fits
from chainrule.ir import Node, Program, ShapeError

Mode = Literal["unrolled", "loops"]
Strides = Mapping[str, tuple[int, ...]]

LONG_STEP = 0.05
"""Step duration in seconds above which a snapshot is taken at every step, since an interrupt may abandon the step.

The cost of the copy is then small.
"""


def workspace(size: int) -> Array:
    """Zeroed bytes, aligned to a cache line."""
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


@dataclass(frozen=True, eq=False)
class WrittenLoop:
    """A run as LLVM assembly, with its properties."""

    loop: Loop
    mode: Mode
    layout: Layout
    text: str
    work: float
    """Approximate number of scalar operations in a step."""
    phases: int
    """The number of barriers in a step."""
    every_step: bool
    """Whether a snapshot of the state is taken after every step instead of every epoch."""
    literals: list[Array]
    meter: Meter | None = None
    definitions: Definitions = field(default_factory=Definitions)

    @property
    def snapshot_steps(self) -> int:
        """The number of steps between two snapshots."""
        return 1 if self.every_step else self.loop.steps_per_epoch


@dataclass(frozen=True, eq=False)
class CompiledLoop:
    """A run in machine code: `call(control, workspace, losses, data, thread)`, all addresses except the last."""

    written: WrittenLoop
    code: MachineCode
    call: Any


def default_strides(loop: Loop) -> dict[str, tuple[int, ...]]:
    """The strides of contiguous arrays in row-major order."""
    types = {node.name: node.type for node in loop.step.inputs}
    return {name: row_major(types[name]).strides for name in (*loop.rows, *loop.constants)}


def write_loop(
    loop: Loop,
    mode: Mode | None = None,
    target: Target | None = None,
    strides: Strides | None = None,
    metered: bool = False,
) -> WrittenLoop:
    """Write the code for `loop`; without a `mode`, unrolled if it fits. If `metered`, loops count their cycles.

    Raises NotUnrollableError if the mode is "unrolled" and the program does not fit.
    """
    target = target or current_target()
    packed_strides = default_strides(loop)
    strides = strides or packed_strides
    programs = {size: prepare(loop.steps[size], target.calls) for size in loop.batch_sizes}
    types = {node.name: node.type for node in programs[loop.batch_sizes[0]].inputs}
    shapes = {name: type.concrete_shape for name, type in types.items()}
    shapes.update({name: (loop.row_count, *shapes[name][1:]) for name in loop.rows})
    if mode != "loops":
        try:
            if any(not _dense(strides[name], packed_strides[name], shapes[name]) for name in strides):
                raise NotUnrollableError
            module = Module()
            states = tuple(row_major(types[name]) for name in loop.state)
            layout = Layout(states, loop.row_count if loop.shuffles else 0, 0)
            written_out = {size: without_recurrences(program, target.calls) for size, program in programs.items()}
            registers = RegisterStepWriter(loop, written_out, layout)
            RunWriter(module, loop, layout, registers, pause(target)).write()
            return WrittenLoop(loop, "unrolled", layout, str(module), registers.work, 0, False, [])
        except NotUnrollableError:
            if mode == "unrolled":
                raise
    module = Module()
    memory = MemoryStepWriter(module, loop, programs, strides, target, metered)
    every_step = seconds_for(memory.work, target) > LONG_STEP
    RunWriter(module, loop, memory.layout, memory, pause(target), every_step).write()
    layout, text = memory.layout, str(module)
    return WrittenLoop(
        loop, "loops", layout, text, memory.work, memory.phases, every_step, memory.arrays, memory.meter,
        memory.definitions,
    )  # fmt: skip


def _dense(strides: tuple[int, ...], expected: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether an array is contiguous in row-major order; the stride of an axis of length 1 is irrelevant."""
    return all(s == e or extent == 1 for s, e, extent in zip(strides, expected, shape, strict=True))


def compile_loop(
    loop: Loop,
    mode: Mode | None = None,
    target: Target | None = None,
    strides: Strides | None = None,
    metered: bool = False,
) -> CompiledLoop:
    """Compile `loop` to machine code; see `write_loop`."""
    target = target or current_target()
    written = write_loop(loop, mode, target, strides, metered)
    code = build(written.text, target)
    return CompiledLoop(written, code, code.function("run", 5))


class CompiledProgram:
    """A program with numeric sizes in machine code; may be called from any thread."""

    def __init__(self, program: Program, mode: Mode | None = None, target: Target | None = None) -> None:
        target = target or current_target()
        self.program = program
        self._literals: list[Array] = []
        self._definitions = Definitions()
        self._arena_size = 0
        prepared = prepare(program, target.calls)
        self.mode: Mode = "loops" if mode == "loops" else "unrolled"
        module = Module()
        try:
            if self.mode == "unrolled":
                _write_unrolled(module, without_recurrences(prepared, target.calls))
        except NotUnrollableError:
            if mode == "unrolled":
                raise
            self.mode, module = "loops", Module()
        if self.mode == "loops":
            writer = ProgramWriter(module, prepared, target)
            self._arena_size, self._literals = writer.arena_size, writer.arrays
            self._definitions = writer.definitions
        self.code = build(str(module), target)
        self._function = self.code.function("call", 2)

    def __call__(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Return the outputs; raise ShapeError if the shape of an input differs from the program's."""
        arrays = []
        for node in self.program.inputs:
            array = packed(inputs[node.name], node.type.dtype.numpy)
            if array.shape != node.type.concrete_shape:
                raise ShapeError(f"{node.name} has the shape {array.shape}; it should be {node.type.concrete_shape}")
            arrays.append(array)
        check_indices(self.program, {node.name: array for node, array in zip(self.program.inputs, arrays, strict=True)})
        results = [np.empty(output.type.concrete_shape, output.type.dtype.numpy) for output in self.program.outputs]
        addresses = np.array([array.ctypes.data for array in (*arrays, *self._literals, *results)], np.int64)
        memory = workspace(self._arena_size)
        self._function(memory.ctypes.data, addresses.ctypes.data)
        self._definitions.check()
        return results


def _write_unrolled(module: Module, program: Program) -> None:
    if not fits([*program.inputs, *program.nodes]):
        raise NotUnrollableError
    function = Function(module, "call", "void", [("workspace", "ptr noalias"), ("arrays", "ptr noalias")])
    arrays = Value("%arrays", POINTER)
    count = len(program.inputs) + len(program.outputs)
    pointers = [function.load(POINTER, function.offset(arrays, k, POINTER)) for k in range(count)]
    unroller = Unroller(function)
    inputs: dict[Node, Value] = {
        node: unroller.load(pointer, node.type) for node, pointer in zip(program.inputs, pointers, strict=False)
    }
    outputs = unroller.run(program.nodes, program.outputs, inputs)
    for node, value, pointer in zip(program.outputs, outputs, pointers[len(inputs) :], strict=True):
        unroller.store(value, pointer, node.type)
    function.do("ret void")
    function.finish()
