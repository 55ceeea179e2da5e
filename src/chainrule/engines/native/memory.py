"""Programs as loop nests over arrays in memory, and steps composed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.calculus import written_nodes
from chainrule.engines.loop import Array, Loop
from chainrule.engines.native.definitions import Definitions
from chainrule.engines.native.driver import Layout, StepWriter
from chainrule.engines.native.metering import Meter
from chainrule.engines.native.recurrent import Composition
from chainrule.engines.native.schedule import ALIGNMENT, Arena, Home
from chainrule.engines.native.storage import ORDER, Storage, padded, row_major
from chainrule.engines.native.target import Target
from chainrule.engines.native.team import TeamWriter
from chainrule.engines.native.text import (
    INTEGER,
    POINTER,
    REGISTER_TYPES,
    Function,
    Module,
    Value,
    constant,
    integer,
    vector,
)
from chainrule.ir import Const, Node, Program


class Literals:
    """The literal arrays of some programs, in the order of their pointers in `data`."""

    def __init__(self, programs: Sequence[Program]) -> None:
        nodes = [node for program in programs for node in written_nodes(program.outputs)]
        self.nodes = [n for n in dict.fromkeys(nodes) if isinstance(n, Const) and isinstance(n.value, np.ndarray)]
        self.arrays: list[Array] = [np.ascontiguousarray(node.value) for node in self.nodes]

    @property
    def storages(self) -> dict[Node, Storage]:
        return {node: row_major(node.type) for node in self.nodes}


class MemoryStepWriter(StepWriter):
    """Steps composed of kernels. The state is updated in place.

    `strides` are those of the caller's rows and constants, in elements. If `metered`, cycles are counted.
    """

    def __init__(
        self,
        module: Module,
        loop: Loop,
        programs: Mapping[int, Program],
        strides: Mapping[str, tuple[int, ...]],
        target: Target,
        metered: bool = False,
    ) -> None:
        self.module, self.loop, self.strides, self.target = module, loop, strides, target
        self._literals = Literals(list(programs.values()))
        self.definitions = Definitions()
        arena, private = Arena(), Arena()
        self.loss_place = arena.take(2 * ALIGNMENT)
        types = {node.name: node.type for node in programs[loop.batch_sizes[0]].inputs}
        self.types = tuple(types[name] for name in loop.state)
        self.sequencers = {
            count: self._sequencer(module, program, target, arena, private) for count, program in programs.items()
        }
        self.literals = len(self.arrays)
        labels = sum(
            len(schedule.items) + len(schedule.phases)
            for each in self.sequencers.values()
            for schedule in each.schedules
        )
        self.meter = Meter.reserve(private, labels) if metered else None
        order = loop.row_count if loop.shuffles else 0
        self.layout = Layout(tuple(map(padded, self.types)), order, arena.size, private.size)
        self._write_snapshot()

    def _sequencer(self, module: Module, program: Program, target: Target, arena: Arena, private: Arena) -> Composition:
        given: dict[Node, Storage] = dict(self._literals.storages)
        inputs = {node.name: node for node in program.inputs}
        count = 0
        for name, node in inputs.items():
            type = node.type
            if name in self.loop.state:
                given[node] = padded(type)
            else:
                ordered = self.loop.shuffles and name in self.loop.rows
                given[node] = Storage(type.concrete_shape, self.strides[name], type.dtype, ordered)
            if name in self.loop.rows:
                count = type.concrete_shape[0]
        homes = [Home(row_major(program.outputs[0].type))]
        homes += [
            Home(padded(output.type), inputs[name])
            for name, output in zip(self.loop.state, program.outputs[1:], strict=True)
        ]
        return Composition(module, f"step{count}", program, given, homes, target, arena, private, self.definitions)

    @property
    def arrays(self) -> list[Array]:
        """The literal arrays, and the table of definitions if there is one."""
        return [*self._literals.arrays, *self.definitions.arrays]

    @property
    def work(self) -> float:
        return max(sequencer.work for sequencer in self.sequencers.values())

    @property
    def phases(self) -> int:
        """The maximum number of phases of a step."""
        return max(sequencer.phases for sequencer in self.sequencers.values())

    def begin(self, function: Function, workspace: Value, data: Sequence[Value], team: TeamWriter) -> list[Value]:
        names = (*self.loop.rows, *self.loop.constants)
        self.pointers = dict(zip(names, data, strict=False))
        literals: list[object] = [*self._literals.nodes, *([self.definitions] if self.definitions.names else [])]
        self.constants = dict(zip(literals, data[len(names) :], strict=True))
        self.workspace = workspace
        own = function.integer_operation("mul", team.thread, self.layout.private_size)
        own = function.integer_operation("add", own, self.layout.private)
        self.private = function.offset(workspace, own, "i8")
        if self.meter is not None:
            self.meter.begin(function, self.private)
        team.divide({extent for sequencer in self.sequencers.values() for extent in sequencer.extents})
        return []

    def step(
        self,
        function: Function,
        size: int,
        start: Value,
        order: Value | None,
        parity: Value,
        carried: Sequence[Value],
        team: TeamWriter,
    ) -> tuple[Value, list[Value]]:
        f, sequencer = function, self.sequencers[size]
        arena = f.offset(self.workspace, self.layout.arena, "i8")
        # A thread may read the loss while a faster one has begun the next step.
        loss = f.offset(arena, f.integer_operation("mul", parity, ALIGNMENT), "i8")
        loss = f.offset(loss, self.loss_place, "i8")
        known: dict[object, Value] = {sequencer.homes[0]: loss}
        for literal, pointer in self.constants.items():
            known[literal] = pointer
        if order is not None:
            known[ORDER] = f.offset(order, start, INTEGER)
        offsets = dict(zip(self.loop.state, self.layout.offsets, strict=True))
        for node in sequencer.program.inputs:
            name = node.name
            if name in offsets:
                known[node] = f.offset(self.workspace, offsets[name], "i8")
            elif name in self.loop.rows and order is None:
                row = self.strides[name][0] * node.type.dtype.numpy.itemsize
                known[node] = f.offset(self.pointers[name], f.integer_operation("mul", start, row), "i8")
            else:
                known[node] = self.pointers[name]
        sequencer.call(f, arena, self.private, known, team, self.meter)
        register = REGISTER_TYPES[sequencer.program.outputs[0].type.dtype]
        return f.load(register, loss), []

    def snapshot(self, function: Function, carried: Sequence[Value], target: Value, team: TeamWriter) -> Value:
        arguments = ", ".join(map(str, (self.workspace, target, team.thread, team.threads)))
        return function.let("i1", f"call i1 @snapshot({arguments})")

    def finish(self, function: Function, carried: Sequence[Value]) -> None:
        """Nothing to do: the state is already in copy 0."""

    def _write_snapshot(self) -> None:
        """Write `snapshot(state, target, thread, threads)`: copy, and test that all floats are finite, in one pass."""
        f = Function(
            self.module,
            "snapshot",
            "i1",
            [("state", "ptr noalias readonly"), ("target", "ptr noalias"), ("thread", INTEGER), ("threads", INTEGER)],
            "nounwind noinline",
            "internal",
        )
        finite = Value("true", "i1")
        for storage, offset in zip(self.layout.states, self.layout.offsets, strict=True):
            finite = self._write_copy(f, storage, offset, finite)
        f.do(f"ret {finite}")
        f.finish()

    def _write_copy(self, f: Function, storage: Storage, offset: int, finite: Value) -> Value:
        """Copy this thread's share of one state, whose memory is padded to a whole cache line."""
        element = REGISTER_TYPES[storage.dtype]
        width = self.target.vector_bytes // storage.dtype.numpy.itemsize
        vectors = -(-storage.size // width)
        if not vectors:
            return finite
        bounds = []
        for number in (Value("%thread", INTEGER), f.integer_operation("add", Value("%thread", INTEGER), 1)):
            bounds.append(f.let(INTEGER, f"udiv {f.integer_operation('mul', number, vectors)}, %threads"))
        names = f.fresh_label("some"), f.fresh_label("none")
        before = f.block
        f.branch(f.let("i1", f"icmp ult {bounds[0]}, {bounds[1].text}"), *names)
        f.label(names[0])
        type = vector(element, width) if storage.dtype.is_float else vector("i8", self.target.vector_bytes)
        pointers = [f.offset(Value(name, POINTER), offset, "i8") for name in ("%state", "%target")]
        loop = f.open_loop(bounds[1], [constant(0, type)], start=bounds[0])
        value = f.load(type, f.offset(pointers[0], loop.index, type), ", align 8")
        f.store(value, f.offset(pointers[1], loop.index, type), ", align 8")
        total = loop.carried[0]
        if storage.dtype.is_float:
            # The product with zero is zero, or NaN if the value is not finite.
            zero = f.let(type, f"fmul {value}, {constant(0, type).text}")
            total = f.let(type, f"fadd {total}, {zero.text}")
        f.close_loop(loop, [total])
        here = Value("true", "i1")
        if storage.dtype.is_float:
            ordered = f.let(vector("i1", width), f"fcmp ord {total}, zeroinitializer")
            here = f.call("i1", f"llvm.vector.reduce.and.v{width}i1", ordered)
        inside = f.block
        f.jump(names[1])
        f.label(names[1])
        share = f.phi("i1", [(Value("true", "i1"), before), (here, inside)])
        return f.let("i1", f"and {finite}, {share.text}")


class ProgramWriter:
    """Writes `call(workspace, arrays)`: one program on contiguous arrays, in the order inputs, literals, outputs."""

    def __init__(self, module: Module, program: Program, target: Target) -> None:
        literals = Literals([program])
        self.definitions = Definitions()
        given: dict[Node, Storage] = {**literals.storages, **{node: row_major(node.type) for node in program.inputs}}
        homes = [Home(row_major(output.type)) for output in program.outputs]
        arena = Arena()
        sequencer = Composition(module, "kernel", program, given, homes, target, arena, arena, self.definitions)
        self.arrays = [*literals.arrays, *self.definitions.arrays]
        self.arena_size = arena.size
        f = Function(module, "call", "void", [("workspace", "ptr noalias"), ("arrays", "ptr noalias")])
        table = [self.definitions] if self.definitions.names else []
        buffers: list[object] = [*program.inputs, *literals.nodes, *table, *homes]
        arrays = Value("%arrays", POINTER)
        known: dict[object, Value] = {
            buffer: f.load(POINTER, f.offset(arrays, place, POINTER)) for place, buffer in enumerate(buffers)
        }
        team = TeamWriter(
            f, integer(0), integer(1), Value("null", POINTER), arrivals=0, awaited=0, yields=0, alone=True, pause=""
        )
        team.divide(sequencer.extents)
        own = Value("%workspace", POINTER)
        sequencer.call(f, own, own, known, team)
        f.do("ret void")
        f.finish()
