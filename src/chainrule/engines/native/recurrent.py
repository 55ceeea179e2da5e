"""Programs with recurrences: straight parts and loops, one after another.

The program is cut at its recurrences. A straight part computes the operands of the next one, in a schedule of its own;
a loop calls the code of the step for each place of the sequences. All states of a carry lie in one array, of which a
step reads one entry and writes the next, so nothing is copied, and they are there for the transpose. The elements of
sequences are read where they are, and sums over the steps are accumulated in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from chainrule.calculus import Recurrence, Scan, written_nodes
from chainrule.engines.native.definitions import Definitions
from chainrule.engines.native.metering import Meter
from chainrule.engines.native.schedule import Arena, Home, Item, Schedule
from chainrule.engines.native.sequencer import Sequencer
from chainrule.engines.native.storage import ORDER, Storage, padded
from chainrule.engines.native.target import Target
from chainrule.engines.native.team import TeamWriter
from chainrule.engines.native.text import Function, Module, Value, integer
from chainrule.ir import Apply, ArrayType, Input, Node, Program, applies, concrete, rebuild, topological_order
from chainrule.primitives import Broadcast, Cast, Pad, Permute, Reshape, Slice, zeros

_REARRANGEMENTS = (Broadcast, Cast, Pad, Permute, Reshape, Slice)

Addresses: TypeAlias = dict[object, Value]


@dataclass(frozen=True)
class _View:
    """Where an array is: in the memory of `base`, in the given layout, from an offset in elements."""

    base: object
    storage: Storage
    offset: int = 0

    def entries(self, axis: int) -> tuple[_View, int]:
        """Return where the entries along `axis` are, and the distance between them."""
        shape, strides = self.storage.shape, self.storage.strides
        inner = replace(
            self.storage, shape=(*shape[:axis], *shape[axis + 1 :]), strides=(*strides[:axis], *strides[axis + 1 :])
        )
        return replace(self, storage=inner), strides[axis]


@dataclass(frozen=True)
class _Straight:
    """A part without recurrences; `buffers` are where its inputs and outputs are."""

    code: Sequencer
    buffers: Mapping[object, _View]


@dataclass(frozen=True)
class _Repeated:
    """A step and the number of its repetitions; of `moving` the views advance by a number of elements per place."""

    step: Composition
    count: int
    reverse: bool
    buffers: Mapping[object, _View]
    moving: Mapping[object, tuple[_View, int]]


class Composition:
    """The code of a program: its parts, and the memory that they share. The arguments are those of a `Sequencer`."""

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
        self.program, self.homes, self._definitions = program, homes, definitions
        self._module, self._prefix, self._target = module, prefix, target
        self._arena, self._private = arena, private
        self._views: dict[Node, _View] = {node: _View(node, storage) for node, storage in given.items()}
        self._available: dict[Node, Input] = {}
        """The values that earlier parts have computed, by symbols that stand for them."""
        self._places: dict[object, int] = {}
        """The offsets of shared values in the arena."""
        self.parts: list[_Straight | _Repeated] = []
        groups = _groups(program)
        later = _used_later(program, groups)
        for number, group in enumerate(groups):
            self._add_loop(group, later[number])
        outputs = self._written(program.outputs)
        self._add_straight(outputs, homes, dict.fromkeys(homes))

    @property
    def sequencers(self) -> list[Sequencer]:
        """The code of all straight parts, also of those in loops."""
        found: list[Sequencer] = []
        for part in self.parts:
            found += [part.code] if isinstance(part, _Straight) else part.step.sequencers
        return found

    @property
    def schedules(self) -> list[Schedule]:
        return [sequencer.schedule for sequencer in self.sequencers]

    @property
    def items(self) -> list[Item]:
        return [item for schedule in self.schedules for item in schedule.items]

    @property
    def extents(self) -> set[int]:
        """The extents of rows that are divided among threads."""
        return {extent for sequencer in self.sequencers for extent in sequencer.extents}

    @property
    def work(self) -> int:
        """The approximate number of scalar operations."""
        return sum(
            part.code.schedule.work if isinstance(part, _Straight) else part.count * part.step.work
            for part in self.parts
        )

    @property
    def phases(self) -> int:
        """The number of phases, those of a loop once for each step."""
        return sum(
            len(part.code.schedule.phases) if isinstance(part, _Straight) else part.count * part.step.phases
            for part in self.parts
        )

    def _written(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        return rebuild(nodes, self._available.get)

    def _buffer(self, node: Node | None, type_: ArrayType) -> tuple[Input, _View]:
        """Allocate memory for a value; return its symbol, and where it is. `node` is the value, if there is one."""
        storage = padded(type_)
        symbol = Input(f"{self._prefix} {len(self._places)}", type_)
        self._places[symbol] = self._arena.take(storage.nbytes)
        view = self._views[symbol] = _View(symbol, storage)
        if node is not None:
            self._available[node] = symbol
        return symbol, view

    def _view(self, node: Node) -> _View | None:
        """Return where a value is, if it is in memory as it is."""
        found = self._views.get(node)
        if found is not None or not isinstance(node, Apply) or not isinstance(node.primitive, Slice):
            return found
        whole = self._view(node.operands[0])
        kind = node.primitive
        if whole is None or min(kind.strides, default=1) < 0:
            return None
        starts = [concrete(start) for start in kind.starts]
        storage, strides = whole.storage, whole.storage.strides
        if storage.ordered and (starts[0], kind.sizes[0], kind.strides[0]) != (0, storage.shape[0], 1):
            return None
        return _View(
            whole.base,
            replace(
                storage,
                shape=node.type.concrete_shape,
                strides=tuple(stride * step for stride, step in zip(strides, kind.strides, strict=True)),
            ),
            whole.offset + sum(start * stride for start, stride in zip(starts, strides, strict=True)),
        )

    def _add_straight(
        self, outputs: Sequence[Node], homes: Sequence[Home], places: Mapping[object, _View | None]
    ) -> None:
        """Add a part that computes `outputs` into `homes`; `places` are where these are, if they are in the arena."""
        if not outputs:
            return
        inputs = [node for node in topological_order(outputs) if isinstance(node, Input)]
        overwritten = [home.over for home in homes if home.over is not None]
        every = tuple(dict.fromkeys([*inputs, *overwritten]))
        used = {node for node in topological_order(outputs) if node in self._views} | set(every)
        given = {node: self._views[node].storage for node in used}
        code = Sequencer(
            self._module, f"{self._prefix}_{len(self.parts)}", Program(every, tuple(outputs)), given, homes,
            self._target, self._arena, self._private, self._definitions,
        )  # fmt: skip
        buffers: dict[object, _View] = {node: self._views[node] for node in used}
        buffers.update({home: view for home, view in places.items() if view is not None})
        self.parts.append(_Straight(code, buffers))

    def _add_loop(self, group: Sequence[Apply], later: Sequence[Node]) -> None:
        """Add what computes the operands of a recurrence, and its loop."""
        first = group[0]
        recurrence = Recurrence.of(first.primitive, self._written(first.operands))
        results: dict[int, Apply] = {node.primitive.output: node for node in group}
        outputs: list[Node] = []
        homes: list[Home] = []
        places: dict[object, _View | None] = {}
        moving: dict[object, tuple[_View, int]] = {}
        buffers: dict[object, _View] = {}
        given: dict[Node, Storage] = {}
        step_homes: list[Home] = []
        length = concrete(recurrence.length)

        def compute(node: Node, view: _View) -> None:
            """Compute a value into memory before the loop."""
            home = Home(view.storage)
            outputs.append(node)
            homes.append(home)
            places[home] = view

        for number, carry in enumerate(recurrence.carries):
            states = carry.symbol.type.with_shape((length + 1, *carry.symbol.type.shape))
            _, view = self._buffer(results.get(number), states)
            entry, distance = view.entries(0)
            initial = length * distance if recurrence.reverse else 0
            compute(carry.initial, replace(entry, offset=initial))
            given[carry.symbol] = entry.storage
            home = Home(entry.storage)
            step_homes.append(home)
            back = distance if recurrence.reverse else 0
            moving[carry.symbol] = replace(entry, offset=back), distance
            moving[home] = replace(entry, offset=distance - back), distance
        for number, y in enumerate(recurrence.ys, len(recurrence.carries)):
            _, view = self._buffer(results.get(number), y.type.with_shape((length, *y.type.shape)))
            entry, distance = view.entries(0)
            home = Home(entry.storage)
            step_homes.append(home)
            moving[home] = entry, distance
        totals: list[Node] = []
        for number, term in enumerate(recurrence.terms, len(recurrence.carries) + len(recurrence.ys)):
            symbol, view = self._buffer(results.get(number), term.type)
            compute(zeros(term.type), view)
            given[symbol] = view.storage
            buffers[symbol] = view
            step_homes.append(Home(view.storage, symbol))
            totals.append(symbol + term)
        for one in recurrence.sequences:
            found = self._view(one.array)
            if found is None or (found.storage.ordered and one.axis == 0):
                _, found = self._buffer(None, one.array.type)
                compute(one.array, found)
            entry, distance = found.entries(one.axis)
            given[one.symbol] = entry.storage
            moving[one.symbol] = entry, distance
        for constant in recurrence.constants:
            found = self._view(constant.value)
            if found is None:
                symbol, found = self._buffer(None, constant.value.type)
                compute(constant.value, found)
            given[constant.symbol] = found.storage
            buffers[constant.symbol] = found
        shared = self._written([node for node in later if node not in self._available])
        for node, value in zip([node for node in later if node not in self._available], shared, strict=True):
            if isinstance(value, Apply):
                symbol, view = self._buffer(None, value.type)
                compute(value, view)
                self._available[node] = symbol
        self._add_straight(outputs, homes, places)
        step = Program(
            tuple(node for node in given if isinstance(node, Input)),
            (*(each.following for each in recurrence.carries), *recurrence.ys, *totals),
        )
        for node in written_nodes(step.outputs):
            if node in self._views and node not in given:  # a literal
                given[node], buffers[node] = self._views[node].storage, self._views[node]
        code = Composition(
            self._module, f"{self._prefix}_{len(self.parts)}", step, given, step_homes,
            self._target, self._arena, self._private, self._definitions,
        )  # fmt: skip
        self.parts.append(_Repeated(code, length, recurrence.reverse, buffers, moving))

    def call(
        self,
        function: Function,
        arena: Value,
        private: Value,
        known: Mapping[object, Value],
        team: TeamWriter,
        meter: Meter | None = None,
    ) -> None:
        """Write the calls that compute every output into its home; see `Sequencer.call`."""
        f = function
        bases: Addresses = {node: f.offset(arena, place, "i8") for node, place in self._places.items()}
        bases.update(known)

        def address(view: _View) -> Value:
            return f.offset(bases[view.base], view.offset * view.storage.dtype.numpy.itemsize, "i8")

        for part in self.parts:
            here = {key: address(view) for key, view in part.buffers.items()}
            here.update({key: known[key] for key in (ORDER, self._definitions) if key in known})
            if isinstance(part, _Straight):
                here.update({home: known[home] for home in part.code.homes if home in known})
                part.code.call(f, arena, private, here, team, meter)
                continue
            firsts = {key: address(view) for key, (view, _) in part.moving.items()}
            with f.loop(part.count) as index:
                place = f.integer_operation("sub", integer(part.count - 1), index) if part.reverse else index
                inside = dict(here)
                for key, (view, distance) in part.moving.items():
                    size = distance * view.storage.dtype.numpy.itemsize
                    inside[key] = f.offset(firsts[key], f.integer_operation("mul", place, size), "i8")
                for home in part.step.homes:
                    if home.over is not None:
                        inside[home] = inside[home.over]
                part.step.call(f, arena, private, inside, team, meter)


def _groups(program: Program) -> list[list[Apply]]:
    """Return the results of each recurrence, in the order in which they can be computed."""
    groups: dict[object, list[Apply]] = {}
    for node in program.nodes:
        if isinstance(node, Apply) and isinstance(node.primitive, Scan):
            groups.setdefault((node.primitive.together, node.operands), []).append(node)
    return list(groups.values())


def _used_later(program: Program, groups: Sequence[Sequence[Apply]]) -> list[list[Node]]:
    """Return for each recurrence what is computed before it and read after it as well, except rearrangements."""
    part: dict[Node, int] = {}
    for number, group in enumerate(groups):
        for node in topological_order(group):
            part.setdefault(node, number)
    users: dict[Node, int] = {node: len(groups) for node in program.outputs}
    for node in program.nodes:
        if isinstance(node, Apply):
            for operand in node.operands:
                users[operand] = max(users.get(operand, 0), part.get(node, len(groups)))
    found: list[list[Node]] = [[] for _ in groups]
    for node, number in part.items():
        computed = isinstance(node, Apply) and not applies(node, Scan, *_REARRANGEMENTS)
        if computed and users.get(node, 0) > number:
            found[number].append(node)
    return found
