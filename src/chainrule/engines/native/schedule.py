"""Scheduling of nests: their order, the barriers, and the memory they use.

A step is a sequence of *phases*, separated by barriers. Within a phase a thread executes its own rows of one nest after
another and reads only what it has written itself. A nest too small to divide is repeated by every thread in private
memory if that is faster than waiting; otherwise the last thread executes it. The next value of a parameter overwrites
the current one once everything that reads the current one is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from chainrule.engines.native.choices import Packed, divisible, lane_of, pack_operands
from chainrule.engines.native.costs import operations
from chainrule.engines.native.definitions import Called
from chainrule.engines.native.nests import Nest, calling, copying, merged, nests
from chainrule.engines.native.plan import Storages, size, stored_values
from chainrule.engines.native.storage import ORDER, Storage, row_major
from chainrule.engines.native.symbolic import Affine, Expression, Index, Variable
from chainrule.engines.native.target import Target
from chainrule.ir import Apply, Const, Input, Node, Program, topological_order

ALIGNMENT = 64

REPEATED = 4000
"""Number of operations that a thread repeats rather than wait for another: about the cost of a barrier."""


def aligned(size: int) -> int:
    """Round `size` up to whole cache lines."""
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True, eq=False)
class Home:
    """The destination of an output; with `over`, the memory of that input."""

    storage: Storage
    over: Input | None = None

    @property
    def buffer(self) -> object:
        return self if self.over is None else self.over


@dataclass(eq=False)
class Item:
    """A nest in the schedule: divided by rows, repeated by every thread, or executed by the last thread alone."""

    nest: Nest
    lane: Variable | None
    divided: bool
    repeated: bool
    needs: dict[Item, bool] = field(default_factory=dict)
    """The items that must precede it, and whether it is enough that the same thread has executed its own part."""
    phase: int = 0

    def need(self, other: Item, local: bool) -> None:
        """Run after `other`: only this thread's part of it, if that is enough for everything they share."""
        self.needs[other] = self.needs.get(other, True) and local


class Arena:
    """A planned memory block with allocation and release of offsets."""

    def __init__(self) -> None:
        self.size = 0
        self._free: list[tuple[int, int]] = []

    def take(self, count: int) -> int:
        """Allocate `count` bytes; return the offset."""
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
        """Release a range and merge it with adjacent free ranges."""
        length = aligned(max(count, 1))
        for hole in list(self._free):
            if hole[0] + hole[1] == start:
                self._free.remove(hole)
                start, length = hole[0], length + hole[1]
            elif start + length == hole[0]:
                self._free.remove(hole)
                length += hole[1]
        self._free.append((start, length))


class Schedule:
    """The nests of one program in phases; `homes` has a destination for each output, `given` the storage of the inputs.

    `arena` is memory shared by the threads; `private` stands for the memory of each thread.
    """

    def __init__(
        self,
        program: Program,
        given: Mapping[Node, Storage],
        homes: Sequence[Home],
        target: Target,
        arena: Arena,
        private: Arena,
    ) -> None:
        self.program, self.homes, self.target = program, homes, target
        self._first: dict[Node, int] = {}
        for k, node in enumerate(program.outputs):
            if isinstance(node, Apply):
                self._first.setdefault(node, k)
        storages = {**given, **{node: homes[k].storage for node, k in self._first.items()}}
        self.storages = Storages(storages)
        self.parts: dict[object, object] = {}
        """The buffer that contains a source or target, if it is not a buffer itself."""
        self.items = self._made()
        self._settle_homes()
        self.items = _sorted(self.items)
        for item in self.items:
            item.phase = max((other.phase + (not local) for other, local in item.needs.items()), default=0)
        self.places: dict[object, int] = {}
        self.private: dict[object, int] = {}
        """The offsets of private buffers in each thread's memory."""
        self._allocate(arena, private)

    @property
    def phases(self) -> list[list[Item]]:
        """The items of each phase, in the order in which a thread executes them."""
        count = max((item.phase for item in self.items), default=-1) + 1
        return [[item for item in self.items if item.phase == phase] for phase in range(count)]

    @property
    def work(self) -> int:
        """The approximate number of scalar operations."""
        return sum(operations(item.nest) for item in self.items)

    def part(self, thing: object) -> object:
        """The buffer that contains a source or a target."""
        return self.parts.get(thing, thing)

    def size(self, source: object) -> int:
        """The number of elements that a source spans."""
        if isinstance(source, Packed):
            return source.size
        return self.storages[source].size if isinstance(source, Node) else 0

    def sizes(self, nest: Nest) -> dict[object, int]:
        """The sizes of all sources of a nest."""
        return {source: self.size(source) for source in nest.sources}

    def _made(self) -> list[Item]:
        """Create the items for all nests, packing copies and copies of outputs, with their dependences."""
        outputs = [node for k, node in enumerate(self.program.outputs) if not self._stays(k)]
        nodes = topological_order(outputs)
        stored = stored_values(nodes, outputs, self.storages)
        made: list[Nest] = []
        for nest in nests(nodes, outputs, stored, self.storages):
            made += [merged(nest)] if nest.called is None else self._calling(nest.called)
        for k, node in enumerate(self.program.outputs):
            if self._first.get(node) != k and not self._stays(k):
                made += self._copies(node, self.homes[k])
        items: list[Item] = []
        writers: dict[object, Item] = {}
        for nest in made:
            if not nest.elements:
                continue
            lane = None if nest.called is not None else lane_of(nest, self.sizes(nest), self.target)
            copies, nest = pack_operands(nest, lane, self.target)
            new = [self._item(copy, lane_of(copy, self.sizes(copy), self.target)) for _, copy in copies]
            for item in [*new, self._item(nest, lane)]:
                for source in item.nest.sources:
                    if source in writers:
                        item.need(writers[source], _local(writers[source], item, source, source))
                for result in item.nest.results:
                    writers[result.target] = item
                items.append(item)
        return items

    def _calling(self, called: Called) -> list[Nest]:
        """Return the nest of a value computed by its definition, after copies of what lies in no memory of its own."""
        made: list[Nest] = []
        sources, storages = list(called.sources), list(called.storages)
        for k, (node, storage) in enumerate(zip(called.node.operands, called.storages, strict=True)):
            if storage.ordered or (isinstance(node, Const) and node.is_filled):
                sources[k], storages[k] = Packed(size(node.type), node.type.dtype), row_major(node.type)
                made.append(merged(copying(sources[k], storages[k], node, storage)))
        return [*made, calling(replace(called, sources=tuple(sources), storages=tuple(storages)))]

    def _item(self, nest: Nest, lane: Variable | None) -> Item:
        if nest.called is not None:
            return Item(nest, None, divided=False, repeated=False)
        targets = [result.target for result in nest.results]
        inside = not any(isinstance(target, Home) or target in self._first for target in targets)
        small = inside and operations(nest) <= REPEATED
        # The rows that use a packed copy are rarely those that made it.
        copied = all(isinstance(target, Packed) for target in targets)
        divided = divisible(nest, lane, self.target) and not (small and copied)
        return Item(nest, lane, divided, small and not divided)

    def _copies(self, node: Node, home: Home) -> list[Nest]:
        """Return the nests that copy a value to its home, via a temporary if it replaces another value.

        Two values that swap places would otherwise wait for each other.
        """
        origin = self.storages[node]
        if home.over is None:
            return [merged(copying(home, home.storage, node, origin))]
        between = Packed(size(node.type), node.type.dtype)
        dense = row_major(node.type)
        return [merged(copying(between, dense, node, origin)), merged(copying(home, home.storage, between, dense))]

    def _stays(self, k: int) -> bool:
        """Whether an output is the input that it would replace."""
        return self.program.outputs[k] is self.homes[k].over

    def _settle_homes(self) -> None:
        """Decide which outputs are written directly to their destination, and copy the others."""
        for node, k in self._first.items():
            home = self.homes[k]
            if home.over is None:
                self.parts[node] = home
            elif not self._in_place(node, home.over):
                copy = merged(copying(home, home.storage, node, self.storages[node]))
                if copy.elements:
                    item = self._item(copy, lane_of(copy, self.sizes(copy), self.target))
                    writer = next(other for other in self.items if _writes(other, node))
                    item.need(writer, _local(writer, item, node, node))
                    self.items.append(item)
        for home in self.homes:
            if home.over is not None:
                self.parts[home] = home.over
        for item in self.items:
            for result in item.nest.results:
                if isinstance(result.target, Home) and result.target.over is not None:
                    self._wait_for_readers(item, result.target, result.target.over)

    def _in_place(self, node: Node, over: Input) -> bool:
        """Write `node` over an input, if the nest that makes it reads the input only at the place it writes."""
        writer = next((item for item in self.items if _writes(item, node)), None)
        if writer is None:
            return True
        (place,) = (result.place for result in writer.nest.results if result.target is node)
        if any(_offset(use) != place for use, _ in writer.nest.uses if _reads(use, over)):
            return False
        readers = [item for item in self.items if item is not writer and over in item.nest.sources]
        if any(_reaches(reader, writer) for reader in readers):
            return False
        self.parts[node] = over
        self._wait_for_readers(writer, node, over)
        return True

    def _wait_for_readers(self, writer: Item, target: object, over: Input) -> None:
        for reader in self.items:
            if reader is not writer and over in reader.nest.sources:
                writer.need(reader, not reader.repeated and _local(reader, writer, over, target))

    def _allocate(self, arena: Arena, private: Arena) -> None:
        """Allocate arena memory for the other buffers, from their first to their last phase."""
        first: dict[object, int] = {}
        last: dict[object, int] = {}
        for target in (result.target for item in self.items if item.repeated for result in item.nest.results):
            self.private[target] = private.take(self.nbytes(target))
        for item in self.items:
            for thing in (*item.nest.sources, *(result.target for result in item.nest.results)):
                buffer = self.part(thing)
                if not isinstance(buffer, Home | Input | Const) and buffer is not ORDER and buffer not in self.private:
                    first.setdefault(buffer, item.phase)
                    last[buffer] = max(item.phase, last.get(buffer, 0))
        for phase in range(len(self.phases)):
            for buffer in (buffer for buffer, begin in first.items() if begin == phase):
                self.places[buffer] = arena.take(self.nbytes(buffer))
            for buffer in (buffer for buffer, end in last.items() if end == phase):
                arena.give_back(self.places[buffer], self.nbytes(buffer))

    def nbytes(self, buffer: object) -> int:
        """The size in bytes of a buffer of the arena."""
        if isinstance(buffer, Packed):
            return buffer.size * buffer.dtype.numpy.itemsize
        assert isinstance(buffer, Node)
        return self.storages[buffer].nbytes


def _writes(item: Item, target: object) -> bool:
    return any(result.target is target for result in item.nest.results)


def _reads(use: Expression, source: object) -> bool:
    return use.kind == "load" and use.payload[0] is source


def _offset(load: Expression) -> Index:
    index: Index = load.payload[1]
    return index


def _reaches(start: Item, end: Item) -> bool:
    """Whether `start` depends on `end`, directly or indirectly."""
    pending, seen = [start], {start}
    while pending:
        item = pending.pop()
        if item is end:
            return True
        new = set(item.needs) - seen
        pending.extend(new)
        seen |= new
    return False


def _sorted(items: Sequence[Item]) -> list[Item]:
    """Sort items topologically."""
    done: dict[Item, None] = {}
    for first in items:
        stack = [first]
        while stack:
            item = stack[-1]
            missing = [other for other in item.needs if other not in done]
            if missing:
                stack.extend(missing)
            else:
                done.setdefault(stack.pop())
    return list(done)


def _local(before: Item, after: Item, read: object, written: object) -> bool:
    """Whether a thread that executes its own rows of both items touches no other thread's data.

    `read` and `written` are what the two have in common: one of them loads it, the other stores it.
    """
    if before.repeated:
        return True
    if not before.divided or not after.divided:
        return not before.divided and not after.divided and not after.repeated
    sizes = {_row_size(item, thing) for item in (before, after) for thing in {read, written}}
    sizes.discard(0)
    rows = before.nest.rows, after.nest.rows
    assert rows[0] is not None
    assert rows[1] is not None
    return len(sizes) == 1 and None not in sizes and rows[0].extent == rows[1].extent


def _row_size(item: Item, thing: object) -> int | None:
    """The elements of `thing` that belong to one row of the nest; None if rows overlap, 0 if it does not occur."""
    rows = item.nest.rows
    assert rows is not None
    indices = [_offset(use) for use, _ in item.nest.uses if _reads(use, thing)]
    indices += [result.place for result in item.nest.results if result.target is thing]
    sizes: set[int | None] = {0} if not indices else set()
    for index in indices:
        step = index.coefficient(rows.variable) if isinstance(index, Affine) else 0
        if not isinstance(index, Affine) or step <= 0:
            return None
        rest = Affine(tuple(term for term in index.terms if term[0] is not rows.variable), index.constant)
        low, high = rest.bounds()
        sizes.add(step * rows.factor if low >= 0 and high < step else None)
    return sizes.pop() if len(sizes) == 1 else None
