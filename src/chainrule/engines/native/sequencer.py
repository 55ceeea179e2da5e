"""The code of a program without recurrences: its kernels, and their calls in the order of its schedule."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from chainrule.engines.native.definitions import Definitions
from chainrule.engines.native.kernels import KernelWriter
from chainrule.engines.native.metering import Meter, described
from chainrule.engines.native.schedule import Arena, Home, Item, Schedule
from chainrule.engines.native.sharing import anchored, form_of
from chainrule.engines.native.storage import Storage
from chainrule.engines.native.target import Target
from chainrule.engines.native.team import TeamWriter
from chainrule.engines.native.text import POINTER, Function, Module, Value, integer
from chainrule.ir import Node, Program


class Sequencer:
    """The kernels of one program, written once into a module and called wherever its arrays' addresses are known."""

    def __init__(
        self,
        module: Module,
        prefix: str,
        program: Program,
        given: Mapping[Node, Storage],
        homes: Sequence[Home],
        target: Target,
        arena: Arena,
        private: Arena,
        definitions: Definitions,
    ) -> None:
        self.program, self.homes, self.definitions = program, homes, definitions
        self.schedule = Schedule(program, given, homes, target, arena, private)
        self._names: dict[Item, str] = {}
        self._numbers: dict[Item, int] = {}
        """The places in the table of definitions."""
        self._buffers: dict[Item, list[object]] = {}
        self._starts: dict[Item, dict[object, int]] = {}
        """The first element of a buffer that an item touches, in bytes from its beginning, if it is not the first."""
        written: dict[Hashable, str] = {}
        for number, item in enumerate(self.schedule.items):
            if item.nest.called is not None:
                self._numbers[item] = definitions.enter(item.nest.called)
                touched = item.nest.called.node, *item.nest.called.sources
                self._buffers[item] = [self.schedule.part(each) for each in touched]
                continue
            things = [*(result.target for result in item.nest.results), *item.nest.sources]
            parts = {thing: self.schedule.part(thing) for thing in things}
            buffers = self._buffers[item] = list(dict.fromkeys(parts.values()))
            nest, starts = anchored(item.nest, parts)
            sizes = {thing: size - starts.get(parts[thing], 0) for thing, size in self.schedule.sizes(nest).items()}
            types = {parts[result.target]: result.root.dtype for result in nest.results}
            types |= {parts[use.payload[0]]: use.dtype for use, _ in nest.uses if use.kind == "load"}
            self._starts[item] = {each: start * types[each].numpy.itemsize for each, start in starts.items()}
            form = form_of(nest, item.lane, buffers, parts, sizes)
            if form not in written:
                writer = KernelWriter(module, f"{prefix}_{number}", nest, item.lane, buffers, parts, sizes, target)
                written[form] = writer.write()
            self._names[item] = written[form]

    @property
    def extents(self) -> set[int]:
        """The extents of rows that are divided among threads."""
        return {item.nest.rows.extent for item in self.schedule.items if item.divided and item.nest.rows is not None}

    def call(
        self,
        function: Function,
        arena: Value,
        private: Value,
        known: dict[object, Value],
        team: TeamWriter,
        meter: Meter | None = None,
    ) -> None:
        """Write the calls that compute every output into its home; `known` maps external buffers to pointers.

        `arena` is memory shared by the threads, `private` the memory of this thread.
        """

        def counting(label: str) -> AbstractContextManager[None]:
            return nullcontext() if meter is None else meter.counting(function, label)

        for buffer, place in self.schedule.private.items():
            known[buffer] = function.offset(private, place, "i8")
        for number, phase in enumerate(self.schedule.phases):
            for item in phase:
                if item.divided or item.repeated:
                    with counting(described(item)):
                        self._call(function, item, arena, known, team)
                    continue
                for buffer in self._buffers[item]:  # a pointer defined in one thread's branch is undefined elsewhere
                    self._pointer(function, buffer, arena, known)
                with team.only(team.last), counting(described(item)):
                    self._call(function, item, arena, known, team)
            with counting(f"waiting at the end of phase {number + 1}"):
                team.wait()

    def _pointer(self, function: Function, buffer: object, arena: Value, known: dict[object, Value]) -> Value:
        if buffer not in known:
            known[buffer] = function.offset(arena, self.schedule.places[buffer], "i8")
        return known[buffer]

    def _call(self, function: Function, item: Item, arena: Value, known: dict[object, Value], team: TeamWriter) -> None:
        if item in self._numbers:
            place = function.offset(known[self.definitions], self._numbers[item], POINTER)
            called = ", ".join(str(self._pointer(function, each, arena, known)) for each in self._buffers[item])
            function.do(f"call void {function.load(POINTER, place).text}({called})")
            return
        rows = item.nest.rows
        if item.divided and rows is not None:
            bounds = team.share(rows.extent)
        else:
            bounds = integer(0), integer(1 if rows is None else rows.extent)
        pointers = []
        for buffer in self._buffers[item]:
            pointer, start = self._pointer(function, buffer, arena, known), self._starts[item].get(buffer, 0)
            pointers.append(function.offset(pointer, start, "i8") if start else pointer)
        arguments = ", ".join(map(str, (*pointers, *bounds)))
        function.do(f"call void @{self._names[item]}({arguments})")
