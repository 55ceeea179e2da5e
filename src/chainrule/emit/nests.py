"""Loops: one nest for each stored value, with all other values fused into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chainrule.emit.code import Code, Level, atom, product, total
from chainrule.emit.errors import EmitError
from chainrule.emit.names import Names
from chainrule.emit.scalars import Index, ScalarWriter, Value, loop_index, plus, times
from chainrule.ir import Apply, ArrayType, Const, Dim, Input, Node, Shape, SymbolicDim, bind_dim
from chainrule.primitives import (
    Add,
    Broadcast,
    Contract,
    Divide,
    Elementwise,
    Exp,
    Floor,
    Linear,
    Log,
    Multilinear,
    Nonlinear,
    Permute,
    Primitive,
    Reshape,
    ScatterAdd,
    Sigmoid,
    Sqrt,
    Sum,
    Tanh,
)

_READ_ONCE = (Divide, Exp, Floor, Log, Sigmoid, Sqrt, Tanh)
"""Primitives that use each operand once, so that a long operand needs no variable."""


@dataclass(frozen=True)
class Place:
    """The location of a stored value: a scalar, an array with a subscript for each axis, or flat, in row-major order.

    `within` refers to the structure that contains it, if any, and `local` is the variable for it in a function that
    takes structures apart; a new scalar is declared where it is stored.
    """

    name: str
    type: ArrayType
    is_flat: bool = False
    within: str = ""
    is_new: bool = False
    local: str = field(default="", compare=False)
    at: tuple[Index, ...] = ()
    """The place within an array of more axes, whose sizes are `ahead`: the first ones of the array."""
    ahead: Shape = ()

    @property
    def key(self) -> tuple[str, str]:
        """What it has in common with the other places of the same memory."""
        return self.within, self.name

    @property
    def parameter(self) -> str:
        """The variable through which it is accessed."""
        return self.local or self.within or self.name

    def entry(self, i: Index, type_: ArrayType) -> Place:
        """Return the place of an entry along the first axis."""
        return replace(self, type=type_, at=(*self.at, i), ahead=(*self.ahead, self.type.shape[0]))


class Nests:
    """Writes the loops of a function; `places` are the locations of inputs and stored values."""

    def __init__(
        self,
        writer: ScalarWriter,
        places: dict[Node, Place],
        names: Mapping[Node, str],
        uses: Mapping[Node, int],
        tables: Callable[[Const], str],
    ) -> None:
        self.writer = writer
        self.places = places
        self.names = names
        self.uses = uses
        self.tables = tables
        self.replaced: dict[Node, Value] = {}
        self.entries: dict[Node, tuple[Node, int, Index] | Node] = {}
        """In the step of a recurrence, what each of its symbols is: an entry of an array along an axis, or a value."""
        self.loads: list[tuple[Place, Sequence[Index]]] = []

    # One element ----------------------------------------------------------------------------------------------------

    def element(self, node: Node, index: Sequence[Index], root: bool = False) -> Value:
        """Write the element of `node` at `index`."""
        if node in self.replaced and not root:
            return self.replaced[node]
        if isinstance(node, Const):
            return self._literal(node, index)
        if not root and node in self.places:
            return self.load(self.places[node], index)
        if node in self.entries:
            match self.entries[node]:
                case (array, axis, i):
                    return self.element(array, [*index[:axis], i, *index[axis:]])
                case Const() | Input() | Apply() as same:
                    return self.element(same, index)
        if isinstance(node, Input):
            raise EmitError(f"{node.name} is used before it is known")
        assert isinstance(node, Apply)
        key = node, tuple(index)
        for block in self.writer.blocks:
            if key in block.known:
                return block.known[key]
        primitive = node.primitive
        if isinstance(primitive, Reshape) and node.operands[0] in self.places:
            source = self.places[node.operands[0]]
            if source.is_flat:  # row-major order is independent of the shape
                return self.load(replace(source, type=node.type), index)
        if isinstance(primitive, Elementwise):
            operands = [self._simple(self.element(operand, index), primitive) for operand in node.operands]
            value = self.writer.elementwise(primitive, operands)
        else:
            value = self._lowered(primitive, node, index)
        if not root and self.uses.get(node, 0) > 1 and value.code.level is not Level.ATOM:
            value = self._local(value, self.names.get(node, "t"))
            self.writer.block.known[key] = value
        return value

    def _lowered(self, primitive: Primitive, node: Apply, index: Sequence[Index]) -> Value:
        types = [operand.type for operand in node.operands]

        def accessor(operand: Node) -> Callable[[Sequence[Index]], Value]:
            return lambda place: self.element(operand, place)

        assert isinstance(primitive, Linear | Multilinear | Nonlinear)
        value: Value = primitive.lower(self.writer, [accessor(o) for o in node.operands], types, index)
        return value

    def _simple(self, value: Value, primitive: Primitive) -> Value:
        """Assign an operand to a variable if its primitive may write it several times."""
        if len(value.code.text) <= 24 or isinstance(primitive, (*_READ_ONCE, *self.writer.functions)):
            return value
        return self._local(value, "t")

    def _local(self, value: Value, name: str) -> Value:
        local = self.writer.fresh(name)
        self.writer.block.say(self.writer.fixed(local, value))
        return Value(atom(local), value.dtype)

    def _literal(self, node: Const, index: Sequence[Index]) -> Value:
        if isinstance(node.value, SymbolicDim):
            return self.writer.size_as(node.value, node.type.dtype)
        if node.is_filled:
            assert isinstance(node.value, int | float)
            return self.writer.constant(node.value, node.type.dtype)
        return self.load(Place(self.tables(node), node.type, is_flat=True), index)

    def load(self, place: Place, index: Sequence[Index]) -> Value:
        """Write the element at `index` of a stored value."""
        self.loads.append((place, index))
        is_variable = not index and not place.within and not place.is_flat and not place.at
        return Value(Code(self.address(place, index), is_word=is_variable), place.type.dtype)

    def address(self, place: Place, index: Sequence[Index]) -> str:
        """Write the address of the element at `index`."""
        self.writer.used[place.parameter] = None
        text = place.local or (self.writer.member(place.within, place.name) if place.within else place.name)
        index = [*place.at, *index]
        if not index:
            return f"{text}[0]" if place.is_flat else text
        if not place.is_flat:
            return text + "".join(f"[{self.writer.written(i)}]" for i in index)
        position: Code | None = None
        for i, size in zip(index, (*place.ahead, *place.type.shape), strict=True):
            ahead = None if position is None else product(position, self.writer.size(size))
            if i == Index():
                position = ahead
            else:
                position = self.writer.written(i) if ahead is None else total(ahead, self.writer.written(i))
        return f"{text}[{0 if position is None else position}]"

    # A whole value --------------------------------------------------------------------------------------------------

    def write(self, node: Apply, place: Place) -> None:
        """Write the nest that stores `node` at `place`."""
        if isinstance(node.primitive, ScatterAdd):
            self._scatter(node, place)
            return
        rows = self._row_sums(node, place)
        if rows is None:
            self.writer.loops(node.type.shape, lambda index: self._store(place, index, self.element(node, index, True)))
        else:
            self._in_rows(node, place, *rows)

    def copy(self, source: Node, place: Place) -> None:
        """Store a computed or given value again."""
        self.writer.loops(place.type.shape, lambda index: self._store(place, index, self.element(source, index)))

    def _store(self, place: Place, index: Sequence[Index], value: Value) -> None:
        address = self.address(place, index)
        if place.is_new:
            self.writer.block.say(self.writer.fixed(address, Value(value.code, place.type.dtype)))
            return
        match value.code:
            case Code(level=Level.SUM, parts=((_, first), ("-", second))) if str(first) == address:
                self.writer.block.say(f"{address} -= {second};")
            case Code(level=Level.SUM, parts=((_, first), ("+", second))) if str(first) == address:
                self.writer.block.say(f"{address} += {second};")
            case code:
                self.writer.block.say(f"{address} = {code};")

    def _scatter(self, node: Apply, place: Place) -> None:
        """Write zeros, then add each element at its index."""
        x, *indices = node.operands
        axis, count = node.primitive.axis, indices[0].type.ndim
        writer = self.writer
        zero = writer.constant(0, node.type.dtype)
        writer.loops(node.type.shape, lambda index: self._store(place, index, zero))

        def add(index: list[Index]) -> None:
            places: list[Index] = []
            for k, each in enumerate(indices, axis):
                label = self.element(each, index[axis : axis + count])
                if not label.code.is_word:
                    label = self._local(label, "row" if k == axis else "column")
                size = writer.size(node.type.shape[k]).at(Level.SUM)
                places.append(Index(((f"({label.code} < 0 ? {label.code} + {size} : {label.code})", 1),)))
            target = [*index[:axis], *places, *index[axis + count :]]
            writer.block.say(f"{self.address(place, target)} += {self.element(x, index).code};")

        writer.loops(x.type.shape, add)

    def _row_sums(self, node: Apply, place: Place) -> tuple[Node, list[Apply], list[Node]] | None:
        """Return a total in `node`, its sums of products to accumulate row by row, and its other terms.

        None if sequential summation also reads memory in order.
        """
        if node.type.ndim == 0 or node.type.shape[-1] == 1 or not node.type.dtype.is_float:
            return None
        for top in self._additive(node):
            terms = self._terms(top, node)
            sums = [
                t
                for t in terms
                if isinstance(t, Apply) and (t is node or t not in self.places) and self._prefers_rows(t)
            ]
            if sums and top.type.shape == node.type.shape:
                return top, sums, [t for t in terms if t not in sums]
        return None

    def _additive(self, root: Apply) -> list[Node]:
        """Return the sums in `root`, at the same index, that may be accumulated."""
        found: list[Node] = []
        pending: list[Node] = [root]
        while pending:
            node = pending.pop(0)
            if node is not root and node in self.places:
                continue
            match node:
                case Apply(Add() | Contract() | Sum()):
                    found.append(node)
                case Apply(Primitive(is_pointwise=True), operands):
                    pending += operands
        return found

    def _terms(self, node: Node, root: Node) -> list[Node]:
        """Return the terms of a sum, as far as they are not stored."""
        match node:
            case Apply(Add(), operands) if node is root or node not in self.places:
                return [term for operand in operands for term in self._terms(operand, root)]
        return [node]

    def _prefers_rows(self, node: Apply) -> bool:
        """Whether the last axis of the result is contiguous in the operands, and the summed one is not."""
        if not isinstance(node.primitive, Contract | Sum) or node.type.ndim == 0 or not self._sum_extents(node):
            return False
        writer = self.writer
        if all(self._is_small(operand) for operand in node.operands):
            return False
        index = [loop_index(f"@{axis}") for axis in range(node.type.ndim)]
        inner, factors = self._summed(node, index, [f"#{k}" for k in range(len(self._sum_extents(node)))])
        before, self.loads, used = self.loads, [], dict(writer.used)
        lines = len(writer.block.lines)
        known, fresh = dict(writer.block.known), writer.fresh
        writer.fresh = Names().local
        for operand, place in factors:
            self.element(operand, place)
        del writer.block.lines[lines:]
        writer.block.known, writer.fresh = known, fresh
        loads, self.loads, writer.used = self.loads, before, used
        last, summed = f"@{node.type.ndim - 1}", inner[-1]
        return sum(_jumps(i, last) for _, i in loads) < sum(_jumps(i, summed) for _, i in loads)

    def _is_small(self, operand: Node) -> bool:
        size = bind_dim(operand.type.size, self.writer.sizes)
        return isinstance(size, int) and size < self.writer.rows_from

    def _sum_extents(self, node: Apply) -> list[Dim]:
        match node:
            case Apply(Sum(axes), (x,)):
                return [x.type.shape[axis] for axis in axes]
        return [dim for label, dim in _label_sizes(node).items() if label not in node.primitive.output]

    def _summed(
        self, node: Apply, index: Sequence[Index], names: Sequence[str]
    ) -> tuple[list[str], list[tuple[Node, list[Index]]]]:
        """Return the factors of a sum's term at loop variables `names`, each with its index."""
        match node:
            case Apply(Sum(axes), (x,)):
                inner, kept = iter([loop_index(name) for name in names]), iter(index)
                place = [next(inner) if axis in axes else next(kept) for axis in range(x.type.ndim)]
                return list(names), [(x, place)]
        labels = [label for label in _label_sizes(node) if label not in node.primitive.output]
        at = {
            **dict(zip(node.primitive.output, index, strict=True)),
            **dict(zip(labels, map(loop_index, names), strict=True)),
        }
        factors = [
            (operand, [at[label] for label in mine])
            for operand, mine in zip(node.operands, node.primitive.inputs, strict=True)
        ]
        return list(names), factors

    def _in_rows(self, node: Apply, place: Place, top: Node, sums: list[Apply], others: list[Node]) -> None:
        writer = self.writer

        def row(outer: list[Index]) -> None:
            zero = writer.constant(0, node.type.dtype)
            first = [*outer]

            # An addend in memory, such as a bias, initializes the accumulator.
            begin = next((t for t in others if self._lies_in_memory(t)), None)
            left = [t for t in others if t is not begin]

            def start(last: list[Index]) -> None:
                index = [*first, *last]
                self._store(place, index, zero if begin is None else self.element(begin, index))

            if begin is None or self.places.get(begin) != place:  # what is added to is there
                writer.loops(node.type.shape[-1:], start)
            for part in sums:
                self._accumulate(part, place, outer)
            if top is node and not left:
                return

            def finish(last: list[Index]) -> None:
                index = [*first, *last]
                value = self.load(place, index)
                for other in left:
                    value = writer.add(value, self.element(other, index))
                if top is not node:
                    value = value if value.code.level is Level.ATOM else self._local(value, self.names.get(top, "t"))
                    self.replaced[top] = value
                    value = self.element(node, index, True)
                    del self.replaced[top]
                self._store(place, index, value)

            writer.loops(node.type.shape[-1:], finish)

        writer.loops(node.type.shape[:-1], row)

    def _lies_in_memory(self, node: Node) -> bool:
        while isinstance(node, Apply) and node not in self.places and isinstance(node.primitive, Broadcast | Permute):
            (node,) = node.operands
        return node in self.places

    def _accumulate(self, part: Apply, place: Place, outer: Sequence[Index]) -> None:
        writer = self.writer
        extents = self._sum_extents(part)

        def along(inner: list[Index]) -> None:
            def add(last: list[Index]) -> None:
                index = [*outer, *last]
                names = [str(k) for k in range(len(extents))]
                _, factors = self._summed(part, index, names)
                bound = dict(zip(names, inner, strict=True))
                value: Value | None = None
                for operand, where in factors:
                    at = [_bound(i, bound) for i in where]
                    factor = self.element(operand, at)
                    value = factor if value is None else writer.multiply(value, factor)
                assert value is not None
                writer.block.say(f"{self.address(place, index)} += {value.code};")

            writer.loops(part.type.shape[-1:], add)

        writer.loops(extents, along)


def _bound(i: Index, names: Mapping[str, Index]) -> Index:
    """Replace the placeholders of summed indices in `i`."""
    result = Index((), i.constant)
    for name, coefficient in i.terms:
        result = plus(result, times(names.get(name, loop_index(name)), coefficient))
    return result


def _jumps(index: Sequence[Index], loop: str) -> bool:
    """Whether one loop iteration advances by more than one element."""
    steps = [i.coefficient(loop) for i in index]
    return any(step != 0 for step in steps[:-1]) or (bool(steps) and steps[-1] not in (0, 1))


def _label_sizes(node: Apply) -> dict[int, Dim]:
    sizes: dict[int, Dim] = node.primitive.sizes([operand.type for operand in node.operands])
    return sizes
