"""From a loop or a program to machine code, in registers where it fits and over memory where not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from chainrule.engines.indices import check_indices
from chainrule.engines.loop import Array, Loop, packed
from chainrule.engines.native.driver import ALIGNMENT, Layout, RunWriter
from chainrule.engines.native.machine import MachineCode, build, vector_bytes
from chainrule.engines.native.memory import Arena, MemoryStepWriter, Sequencer
from chainrule.engines.native.prepare import prepare
from chainrule.engines.native.registers import RegisterStepWriter
from chainrule.engines.native.text import POINTER, Function, Module, Value
from chainrule.engines.native.unrolled import NotUnrollableError, Unroller, fits
from chainrule.ir import Node, Program, ShapeError

Mode = Literal["unrolled", "loops"]


def workspace(size: int) -> Array:
    """Uninitialised bytes, aligned to a cache line."""
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


@dataclass(frozen=True, eq=False)
class CompiledLoop:
    """A run in machine code: `call(control, workspace, losses, data)`, all addresses."""

    loop: Loop
    mode: Mode
    layout: Layout
    code: MachineCode
    call: Any
    work: float
    """Scalar operations in one epoch, roughly."""
    keep: list[Array]
    """Literal arrays whose memory the code reads."""


def compile_loop(loop: Loop, mode: Mode | None = None) -> CompiledLoop:
    """Machine code for `loop`; without a `mode`, unrolled where it fits.

    Raises NotUnrollableError where "unrolled" is asked for and it does not fit.
    """
    programs = {size: prepare(loop.steps[size]) for size in loop.batch_sizes}
    types = {node.name: node.type for node in programs[loop.batch_sizes[0]].inputs}
    states = tuple(types[name] for name in loop.state)
    if mode != "loops":
        try:
            module, layout = Module(), Layout(states, loop.row_count if loop.shuffles else 0, 0)
            registers = RegisterStepWriter(loop, programs, layout)
            RunWriter(module, loop, layout, registers).write()
            return _finished(loop, "unrolled", layout, module, registers.work, [])
        except NotUnrollableError:
            if mode == "unrolled":
                raise
    module = Module()
    memory = MemoryStepWriter(module, loop, programs, states, vector_bytes())
    RunWriter(module, loop, memory.layout, memory).write()
    return _finished(loop, "loops", memory.layout, module, memory.work, memory.keep)


def _finished(loop: Loop, mode: Mode, layout: Layout, module: Module, work: float, keep: list[Array]) -> CompiledLoop:
    code = build(str(module))
    return CompiledLoop(loop, mode, layout, code, code.function("run", 4), work * loop.steps_per_epoch, keep)


class CompiledProgram:
    """A program of fixed sizes in machine code; callable from any thread."""

    def __init__(self, program: Program, mode: Mode | None = None) -> None:
        self.program = program
        self._keep: list[Array] = []
        self._arena_size = 0
        prepared = prepare(program)
        self.mode: Mode = "loops" if mode == "loops" else "unrolled"
        module = Module()
        try:
            if self.mode == "unrolled":
                _write_unrolled(module, prepared)
        except NotUnrollableError:
            if mode == "unrolled":
                raise
            self.mode, module = "loops", Module()
        if self.mode == "loops":
            arena = Arena()
            _write_loops(module, prepared, arena, self._keep)
            self._arena_size = arena.size
        self.code = build(str(module))
        self._function = self.code.function("call", 2)

    def __call__(self, inputs: Mapping[str, Array]) -> list[Array]:
        """The outputs; raises ShapeError where an input has another shape than the program's."""
        arrays = []
        for node in self.program.inputs:
            array = packed(inputs[node.name], node.type.dtype.numpy)
            if array.shape != node.type.concrete_shape:
                raise ShapeError(f"{node.name} has the shape {array.shape}; it should be {node.type.concrete_shape}")
            arrays.append(array)
        check_indices(self.program, {node.name: array for node, array in zip(self.program.inputs, arrays, strict=True)})
        results = [np.empty(output.type.concrete_shape, output.type.dtype.numpy) for output in self.program.outputs]
        addresses = np.array([array.ctypes.data for array in (*arrays, *results)], np.int64)
        memory = workspace(self._arena_size)
        self._function(memory.ctypes.data, addresses.ctypes.data)
        return results


def _call_function(module: Module, program: Program) -> tuple[Function, list[Value]]:
    """`call(workspace, arrays)`, begun: `arrays` holds the addresses of the inputs and then of the outputs."""
    function = Function(module, "call", "void", [("workspace", "ptr noalias"), ("arrays", "ptr noalias")])
    arrays = Value("%arrays", POINTER)
    count = len(program.inputs) + len(program.outputs)
    return function, [function.load(POINTER, function.offset(arrays, k, POINTER)) for k in range(count)]


def _write_unrolled(module: Module, program: Program) -> None:
    if not fits([*program.inputs, *program.nodes]):
        raise NotUnrollableError
    function, pointers = _call_function(module, program)
    unroller = Unroller(function)
    inputs: dict[Node, Value] = {
        node: unroller.load(pointer, node.type) for node, pointer in zip(program.inputs, pointers, strict=False)
    }
    outputs = unroller.run(program.nodes, program.outputs, inputs)
    for node, value, pointer in zip(program.outputs, outputs, pointers[len(inputs) :], strict=True):
        unroller.store(value, pointer, node.type)
    function.do("ret void")
    function.finish()


def _write_loops(module: Module, program: Program, arena: Arena, keep: list[Array]) -> None:
    sequencer = Sequencer(module, "kernel", program, arena, vector_bytes(), keep)
    function, pointers = _call_function(module, program)
    inputs: dict[Node, Value] = dict(zip(program.inputs, pointers, strict=False))
    sequencer.call(function, Value("%workspace", POINTER), inputs, pointers[len(inputs) :])
    function.do("ret void")
    function.finish()
