"""Programs as a sequence of kernels over arrays in memory, and the steps made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.engines.loop import Array, Loop
from chainrule.engines.native.driver import Layout, StepWriter, aligned
from chainrule.engines.native.kernels import KernelWriter, Packed, pack_operands
from chainrule.engines.native.plan import Kernel, copy_kernel, plan, size
from chainrule.engines.native.text import (
    INTEGER,
    POINTER,
    REGISTER_TYPES,
    Function,
    Module,
    Value,
    constant,
    integer,
)
from chainrule.ir import Apply, ArrayType, Const, Node, Program


def nbytes(type: ArrayType) -> int:
    """The size of an array in memory."""
    return size(type) * type.dtype.numpy.itemsize


class Arena:
    """Places in a block of memory, given out and taken back at the time of planning."""

    def __init__(self) -> None:
        self.size = 0
        self._free: list[tuple[int, int]] = []

    def take(self, count: int) -> int:
        """The offset of `count` free bytes."""
        wanted = aligned(max(count, 1))
        fitting = [hole for hole in self._free if hole[1] >= wanted]
        if fitting:
            start, length = min(fitting, key=lambda hole: hole[1])
            self._free.remove((start, length))
            if length > wanted:
                self._free.append((start + wanted, length - wanted))
            return start
        self.size += wanted
        return self.size - wanted

    def give_back(self, start: int, count: int) -> None:
        """Make a place free again, joined with its free neighbours."""
        length = aligned(max(count, 1))
        for hole in list(self._free):
            if hole[0] + hole[1] == start:
                self._free.remove(hole)
                start, length = hole[0], length + hole[1]
            elif start + length == hole[0]:
                self._free.remove(hole)
                length += hole[1]
        self._free.append((start, length))


@dataclass
class _Job:
    target: object
    name: str
    sources: list[object]


class Sequencer:
    """The kernels of one program, written into a module once, and called wherever its arrays are known."""

    def __init__(
        self, module: Module, prefix: str, program: Program, arena: Arena, vector_bytes: int, keep: list[Array]
    ) -> None:
        self.program, self.arena, self.keep = program, arena, keep
        self.jobs: list[_Job] = []
        self.work = 0
        self._places: dict[object, int] = {}
        self._write(module, prefix, vector_bytes)

    def _write(self, module: Module, prefix: str, vector_bytes: int) -> None:
        """Kernels, and the places of what they leave for each other.

        Each output is a target of its own, numbered; a value that is asked for twice, or is an input, is copied.
        """
        outputs = self.program.outputs
        slots: dict[Node, int] = {}
        for k, node in enumerate(outputs):
            if isinstance(node, Apply):
                slots.setdefault(node, k)
        kernels: list[tuple[object, Kernel]] = []
        for kernel in plan(outputs):
            copies, kernel = pack_operands(kernel)
            kernels += [(packed, copy) for packed, copy in copies]
            kernels.append((kernel.node, kernel))
        for k, node in enumerate(outputs):
            if slots.get(node) != k:
                kernels.append((k, copy_kernel(node)))
        last_use: dict[object, int] = {}
        for place, (_, kernel) in enumerate(kernels):
            last_use.update((source, place) for source in kernel.sources)
        self.slots = slots
        for place, (target, kernel) in enumerate(kernels):
            sources: list[object] = list(kernel.sources)
            if self._in_arena(target):
                self._places[target] = self.arena.take(self._bytes(target))
            if math.prod(variable.extent for variable in kernel.variables):
                name = f"{prefix}_{place}"
                KernelWriter(module, name, kernel, sources, vector_bytes).write()
                self.jobs.append(_Job(target, name, sources))
                self.work += kernel.work
            for source in sources:
                if last_use[source] == place and source in self._places:
                    self.arena.give_back(self._places[source], self._bytes(source))

    def _in_arena(self, target: object) -> bool:
        return isinstance(target, Packed) or (isinstance(target, Apply) and target not in self.slots)

    def _bytes(self, target: object) -> int:
        if isinstance(target, Packed):
            return target.size * target.dtype.numpy.itemsize
        assert isinstance(target, Node)
        return nbytes(target.type)

    def call(self, function: Function, arena: Value, inputs: Mapping[Node, Value], outputs: Sequence[Value]) -> None:
        """Instructions that compute every output into the memory given for it."""
        known: dict[object, Value] = {node: outputs[k] for node, k in self.slots.items()}
        for node, place in inputs.items():
            known[node] = place
        known.update(enumerate(outputs))

        def pointer(target: object) -> Value:
            if target not in known:
                if isinstance(target, Const):
                    known[target] = self._literal(function, target)
                else:
                    known[target] = function.offset(arena, self._places[target], "i8")
            return known[target]

        for job in self.jobs:
            arguments = ", ".join(str(pointer(each)) for each in (job.target, *job.sources))
            function.do(f"call void @{job.name}({arguments})")

    def _literal(self, function: Function, node: Const) -> Value:
        array = np.ascontiguousarray(node.value)
        self.keep.append(array)
        return function.let(POINTER, f"inttoptr i64 {array.ctypes.data} to ptr")


class MemoryStepWriter(StepWriter):
    """Steps made of kernels. What is carried is where the state is, and where its next value goes: they take turns."""

    def __init__(
        self, module: Module, loop: Loop, programs: Mapping[int, Program], states: tuple[ArrayType, ...], bytes: int
    ) -> None:
        self.module, self.loop = module, loop
        self.keep: list[Array] = []
        arena = Arena()
        self.row_types = {
            node.name: node.type for node in programs[loop.batch_sizes[0]].inputs if node.name in loop.rows
        }
        self.gathered = (
            {name: arena.take(nbytes(type)) for name, type in self.row_types.items()} if loop.shuffles else {}
        )
        self.loss_place = arena.take(8)
        self.sequencers = {
            count: Sequencer(module, f"step{count}", program, arena, bytes, self.keep)
            for count, program in programs.items()
        }
        self.layout = Layout(states, loop.row_count if loop.shuffles else 0, arena.size)
        self.pointers: dict[str, Value] = {}
        self.workspace = Value("poison", POINTER)
        self._write_snapshot(bytes)

    @property
    def work(self) -> float:
        return max(sequencer.work for sequencer in self.sequencers.values())

    def begin(self, function: Function, workspace: Value, data: Sequence[Value]) -> list[Value]:
        self.pointers = dict(zip((*self.loop.rows, *self.loop.fixed), data, strict=True))
        self.workspace = workspace
        return [workspace, function.offset(workspace, self.layout.copy(1), "i8")]

    def step(
        self, function: Function, size: int, start: Value, order: Value | None, carried: Sequence[Value]
    ) -> tuple[Value, list[Value]]:
        current, following = carried
        arena = function.offset(self.workspace, self.layout.arena, "i8")
        sequencer = self.sequencers[size]
        named = dict(self.pointers)
        for name, type in self.row_types.items():
            named[name] = self._rows(function, name, type, size, start, order, arena)
        for name, offset in zip(self.loop.state, self.layout.offsets, strict=True):
            named[name] = function.offset(current, offset, "i8")
        inputs: dict[Node, Value] = {node: named[node.name] for node in sequencer.program.inputs}
        loss = function.offset(arena, self.loss_place, "i8")
        targets = [loss, *(function.offset(following, offset, "i8") for offset in self.layout.offsets)]
        sequencer.call(function, arena, inputs, targets)
        register = REGISTER_TYPES[sequencer.program.outputs[0].type.dtype]
        return function.load(register, loss), [following, current]

    def _rows(
        self, f: Function, name: str, type: ArrayType, count: int, start: Value, order: Value | None, arena: Value
    ) -> Value:
        """Where the rows of a batch are: in place, or copied together in the order of this epoch."""
        row = nbytes(type) // type.concrete_shape[0]
        data = self.pointers[name]
        if order is None:
            return f.offset(data, f.integer_operation("mul", start, row), "i8")
        batch = f.offset(arena, self.gathered[name], "i8")
        if row:
            with f.loop(count) as k:
                place = f.load(INTEGER, f.offset(order, f.integer_operation("add", start, k), INTEGER))
                source = f.offset(data, f.integer_operation("mul", place, row), "i8")
                copy_bytes(f, f.offset(batch, f.integer_operation("mul", k, row), "i8"), source, row)
        return batch

    def snapshot(self, function: Function, carried: Sequence[Value], target: Value) -> Value:
        return function.call("i1", "snapshot", carried[0], target)

    def finish(self, function: Function, carried: Sequence[Value], target: Value) -> None:
        copy_bytes(function, target, carried[0], self.layout.copy_size)

    def _write_snapshot(self, vector_bytes: int) -> None:
        """`snapshot(state, target)`: a copy, and whether all floats in it are finite, in one pass."""
        f = Function(
            self.module,
            "snapshot",
            "i1",
            [("state", "ptr noalias readonly"), ("target", "ptr noalias")],
            "nounwind noinline",
            "internal",
        )
        finite = Value("true", "i1")
        for type, offset in zip(self.layout.types, self.layout.offsets, strict=True):
            source, target = (f.offset(Value(name, POINTER), offset, "i8") for name in ("%state", "%target"))
            if not type.dtype.is_float or not size(type):
                copy_bytes(f, target, source, nbytes(type))
                continue
            element = REGISTER_TYPES[type.dtype]
            loop = f.open_loop(size(type), [constant(0, element)])
            value = f.load(element, f.offset(source, loop.index, element))
            f.store(value, f.offset(target, loop.index, element))
            # A product with zero is zero, or NaN if the value is not finite.
            zero = f.let(element, f"fmul {value}, {constant(0, element).text}")
            total = f.let(element, f"fadd reassoc {loop.carried[0]}, {zero.text}")
            f.close_loop(loop, [total])
            ordered = f.let("i1", f"fcmp ord {total}, {total.text}")
            finite = f.let("i1", f"and {finite}, {ordered.text}")
        f.do(f"ret {finite}")
        f.finish()


def copy_bytes(f: Function, target: Value, source: Value, count: int) -> None:
    """Copy a constant number of bytes."""
    if count:
        f.module.declare("llvm.memcpy.p0.p0.i64", "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
        f.do(f"call void @llvm.memcpy.p0.p0.i64({target}, {source}, {integer(count)}, i1 false)")
