"""Steps that keep the state in vector registers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chainrule.engines.loop import Loop
from chainrule.engines.native.driver import Layout, StepWriter
from chainrule.engines.native.team import TeamWriter
from chainrule.engines.native.text import INTEGER, POINTER, Function, Value, element_type
from chainrule.engines.native.unrolled import NotUnrollableError, Unroller, fits
from chainrule.ir import ArrayType, Node, Program

MOST_GATHERED = 64
"""Maximum number of rows that are gathered one by one into registers per step."""


class RegisterStepWriter(StepWriter):
    """Unrolled steps. Raises NotUnrollableError if a program does not fit."""

    alone = True

    def __init__(self, loop: Loop, programs: dict[int, Program], layout: Layout) -> None:
        self.loop, self.programs, self.layout = loop, programs, layout
        self.types = {node.name: node.type for node in programs[loop.batch_sizes[0]].inputs}
        self.states = [self.types[name] for name in loop.state]
        self.workspace = Value("null", POINTER)
        for program in programs.values():
            if not fits([*program.inputs, *program.nodes]):
                raise NotUnrollableError
        self.whole = loop.batch_sizes == [loop.row_count]
        if loop.shuffles and loop.batch_sizes[0] * len(loop.rows) > MOST_GATHERED:
            raise NotUnrollableError
        self.pointers: dict[str, Value] = {}
        self.loaded: dict[str, Value] = {}
        self.work = 0

    def begin(self, function: Function, workspace: Value, data: Sequence[Value], team: TeamWriter) -> list[Value]:
        self.workspace = workspace
        unroller = Unroller(function)
        self.pointers = dict(zip((*self.loop.rows, *self.loop.constants), data, strict=True))
        once = (*self.loop.rows, *self.loop.constants) if self.whole else self.loop.constants
        self.loaded = {name: unroller.load(self.pointers[name], self.types[name]) for name in once}
        return [
            unroller.load(function.offset(workspace, offset, "i8"), type)
            for offset, type in zip(self.layout.offsets, self.states, strict=True)
        ]

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
        program, unroller = self.programs[size], Unroller(function)
        named = {**self.loaded, **dict(zip(self.loop.state, carried, strict=True))}
        inputs: dict[Node, Value] = {}
        for node in program.inputs:
            if node.name not in named:
                named[node.name] = self._rows(unroller, self.pointers[node.name], node.type, start, order)
            inputs[node] = named[node.name]
        loss, *following = unroller.run(program.nodes, program.outputs, inputs)
        self.work = max(self.work, unroller.work)
        return function.let(element_type(loss.type), f"extractelement {loss}, i64 0"), following

    def _rows(self, unroller: Unroller, pointer: Value, type: ArrayType, start: Value, order: Value | None) -> Value:
        """Load the rows of a batch as one vector."""
        function = unroller.function
        count, row = type.concrete_shape[0], type.with_shape(type.shape[1:])
        stride = math.prod(row.concrete_shape) * type.dtype.numpy.itemsize

        def address(place: Value) -> Value:
            return function.let(
                POINTER,
                f"getelementptr inbounds i8, {pointer}, {function.integer_operation('mul', place, stride)}",
            )

        if order is None:
            return unroller.load(address(start), type)
        rows = []
        for k in range(count):
            place = function.load(INTEGER, function.offset(order, function.integer_operation("add", start, k), INTEGER))
            rows.append(unroller.load(address(place), row))
        return unroller.join(rows)

    def snapshot(self, function: Function, carried: Sequence[Value], target: Value, team: TeamWriter) -> Value:
        unroller = Unroller(function)
        finite = Value("true", "i1")
        for value, offset, type in zip(carried, self.layout.offsets, self.states, strict=True):
            unroller.store(value, function.offset(target, offset, "i8"), type)
            if type.dtype.is_float:
                finite = function.let("i1", f"and {finite}, {unroller.finite(value).text}")
        return finite

    def finish(self, function: Function, carried: Sequence[Value]) -> None:
        unroller, target = Unroller(function), self.workspace
        for value, offset, type in zip(carried, self.layout.offsets, self.states, strict=True):
            unroller.store(value, function.offset(target, offset, "i8"), type)
