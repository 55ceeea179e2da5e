"""The instructions that evaluate expressions at one point of a loop nest: one element, or a tile of vectors.

A `Frame` holds the position of a tile: the registers of the loop variables, the rows of the tile, its lanes, and the
values computed so far. A `Body` is one vector of the tile. Values that do not vary between rows, or between the vectors
of a row, are computed once and shared.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from chainrule.engines.native.arithmetic import Arithmetic
from chainrule.engines.native.costs import harmless, neighbours
from chainrule.engines.native.symbolic import Affine, Dependence, Expression, Index, Variable, affines
from chainrule.engines.native.text import (
    INTEGER,
    MEMORY_TYPES,
    REGISTER_TYPES,
    Function,
    Value,
    constant,
    constant_vector,
    integer,
    vector,
    width_of,
)
from chainrule.ir import DType

Key = tuple[object, int, int]

UNROLL = 2
"""Unroll factor of the innermost loop of a sum."""


@dataclass(frozen=True)
class Copied:
    """A part of an array that was copied to `pointer`, with its terms `distance` elements apart.

    A term consists of the columns of a strip or, with an `origin`, of the rows starting there.
    """

    pointer: Value
    distance: int
    origin: Value | None = None


class Frame(ABC):
    """The position of a tile. Subclasses define how a reduction inside an expression is computed.

    `places` holds the registers of the loop variables. Vectors of adjacent elements run along `lane`; several rows
    along `row` are evaluated together. `sizes` counts the elements of each source. Without a lane, sums over contiguous
    memory use vectors of `sum_width`. `unconditional` are reductions computed beforehand. `unroll` is the unroll factor
    of the innermost loop of a sum. `beside` is the difference between adjacent bodies of a row; without it, they are
    adjacent vectors of the lane.
    """

    def __init__(
        self,
        function: Function,
        pointers: Mapping[object, Value],
        sizes: Mapping[object, int],
        places: Mapping[Variable, Value],
        lane: Variable | None = None,
        row: Variable | None = None,
        sum_width: int = 0,
        unconditional: Collection[Expression] = (),
        unroll: int = UNROLL,
        beside: Dependence | None = None,
    ) -> None:
        self.unconditional, self.unroll = unconditional, unroll
        self.function, self.pointers, self.sizes = function, pointers, sizes
        self.places = dict(places)
        self.lane, self.row, self.sum_width = lane, row, sum_width
        self.arithmetic = Arithmetic(function)
        self.by_lane, self.by_row = Dependence(lane), Dependence(row)
        self.by_column = self.by_lane if beside is None else beside
        self.columns = 1
        self.copies: Mapping[Expression, Copied] = {}
        """Loads that are replaced by loads from copies."""
        self.term = integer(0)
        """The current term of the sum, counted from the first of its block."""
        self._scopes: list[dict[Key, Value]] = [{}]
        self._inner: list[Dependence] = []
        """Whether an atom depends on the variables of the sums being computed."""

    @abstractmethod
    def reduced(self, body: Body, expression: Expression) -> Value:
        """Compute a reduction at the place of `body`, which belongs to this frame."""

    def beside(self, rows: int, top: Value | None, start: Value | None, columns: int, width: int) -> list[Body]:
        """Return the bodies of `rows` by `columns` places of the result, each of `width` lanes."""
        f = self.function
        bodies = []
        for r in range(rows):
            for c in range(columns):
                body = Body(
                    self, r, c, None if top is None else f.integer_operation("add nuw nsw", top, r), None, width
                )
                if self.by_column.variable is not None and start is not None:
                    body.put(self.by_column.variable, f.integer_operation("add nuw nsw", start, c))
                bodies.append(body)
        return bodies

    def along(self, lane: Variable) -> Frame:
        """Return a frame at the same places with vectors along another variable, that of a sum."""
        return type(self)(self.function, self.pointers, self.sizes, self.places, lane)

    def body(self, first: Value, width: int) -> Body:
        """Return a single body of `width` lanes that starts at `first`."""
        return Body(self, first=first, width=width)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Discard values computed inside: a branch or a loop body is not always executed."""
        self._scopes.append({})
        yield
        self._scopes.pop()

    @contextmanager
    def summing(self, variables: Sequence[Variable]) -> Iterator[None]:
        """Inside, treat offsets along other variables as loop-invariant in the loops over these."""
        self._inner.extend(map(Dependence, variables))
        yield
        del self._inner[len(self._inner) - len(variables) :]

    def find(self, key: Key) -> Value | None:
        for scope in self._scopes:
            if key in scope:
                return scope[key]
        return None

    def remember(self, key: Key, value: Value) -> Value:
        self._scopes[-1][key] = value
        return value

    def is_inner(self, atom: Variable | Expression) -> bool:
        """Whether an index atom varies within the sums being computed."""
        if isinstance(atom, Variable):
            return any(inner.variable is atom for inner in self._inner)
        return any(inner(atom) for inner in self._inner)

    def bodies(self, rows: int, start: Value, widths: Sequence[int]) -> list[Body]:
        """Return the bodies of a tile of `rows` by one vector for each entry of `widths`, at the current places."""
        f = self.function
        firsts = [start]
        for width in widths[:-1]:
            firsts.append(f.integer_operation("add nuw nsw", firsts[-1], width))
        base = self.places[self.row] if self.row is not None else integer(0)
        tops = [base, *(f.integer_operation("add nuw nsw", base, k) for k in range(1, rows))]
        self.columns = len(widths)
        return [
            Body(self, r, c, tops[r] if self.row is not None else None, firsts[c], width)
            for r in range(rows)
            for c, width in enumerate(widths)
        ]


class Body:
    """One vector of a tile, or one element: row `row` and vector `column`, with `width` lanes (0: an element)."""

    def __init__(
        self, frame: Frame, row: int = 0, column: int = 0, top: Value | None = None, first: Value | None = None,
        width: int = 0,
    ) -> None:  # fmt: skip
        self.frame, self.function = frame, frame.function
        self.row, self.column, self.width = row, column, width if frame.lane is not None else 0
        self._own: dict[Variable, Value] = {}
        if frame.row is not None and top is not None:
            self._own[frame.row] = top
        if frame.lane is not None and first is not None:
            self._own[frame.lane] = first

    @property
    def lanes(self) -> int:
        """The number of lanes of a vector; 0 for a scalar."""
        return self.width if self.width > 1 else 0

    def put(self, variable: Variable, place: Value) -> None:
        """Set the place of this body along a variable."""
        self._own[variable] = place

    def place(self, variable: Variable) -> Value:
        return self._own[variable] if variable in self._own else self.frame.places[variable]

    def _key(self, what: object, by_row: bool, by_lane: bool) -> Key:
        return what, self.row if by_row else -1, self.column if by_lane else -1

    def varies(self, expression: Expression) -> bool:
        """Whether the value differs between lanes."""
        return self.lanes > 0 and self.frame.by_lane(expression)

    def value(self, expression: Expression) -> Value:
        """Return the value, computed once per scope."""
        key = self._key(expression, self.frame.by_row(expression), self.frame.by_column(expression))
        found = self.frame.find(key)
        return found if found is not None else self.frame.remember(key, self._evaluate(expression))

    def keep(self, expression: Expression, value: Value) -> None:
        """Register a value that was computed elsewhere."""
        key = self._key(expression, self.frame.by_row(expression), self.frame.by_column(expression))
        self.frame.remember(key, value)

    def broadcast_value(self, expression: Expression) -> Value:
        """Return the value, broadcast to every lane."""
        value = self.value(expression)
        if not self.lanes or width_of(value.type):
            return value
        by_row, by_column = self.frame.by_row(expression), self.frame.by_column(expression)
        key = self._key(("broadcast", expression, self.lanes), by_row, by_column)
        found = self.frame.find(key)
        return found if found is not None else self.frame.remember(key, self.broadcast(value))

    def broadcast(self, value: Value) -> Value:
        """Broadcast a scalar to every lane; return a vector, or the value of a body without lanes, unchanged."""
        if not self.lanes or width_of(value.type):
            return value
        type = vector(value.type, self.lanes)
        single = self.function.let(type, f"insertelement {type} poison, {value}, i64 0")
        mask = f"<{self.lanes} x i32> zeroinitializer"
        return self.function.let(type, f"shufflevector {single}, {type} poison, {mask}")

    def _evaluate(self, expression: Expression) -> Value:
        kind, payload = expression.kind, expression.payload
        if kind == "constant":
            return constant(payload, REGISTER_TYPES[expression.dtype])
        if kind == "load":
            return self._load(expression)
        if kind == "index":
            return self._index_lanes(payload) if self.varies(expression) else self.index(payload)
        if kind in ("quotient", "remainder"):
            return self._divided(expression)
        if kind == "reduce":
            return self.frame.reduced(self, expression)
        if kind == "select" and any(payload) and not self._plain(expression):
            return self._branches(expression)
        varies = self.varies(expression)
        operands = [self.broadcast_value(each) if varies else self.value(each) for each in expression.arguments]
        return self.frame.arithmetic.apply(kind, payload, expression.dtype, operands)

    def _plain(self, choice: Expression) -> bool:
        """Whether both sides may be evaluated, and a select is cheaper than a branch."""
        return self.lanes > 0 and harmless(choice.arguments[1:], self.frame.sizes, self.frame.unconditional)

    def _divided(self, expression: Expression) -> Value:
        index, divisor = expression.payload
        operation = "udiv" if expression.kind == "quotient" else "urem"
        if not self.varies(expression):
            return self.function.integer_operation(operation, self.index(index), divisor)
        whole = self._index_lanes(index)
        return self.function.let(whole.type, f"{operation} {whole}, {constant(divisor, whole.type).text}")

    def index(self, index: Index) -> Value:
        """Return a register that holds an index, or the index of the first lane."""
        if isinstance(index, int):
            return integer(index)
        total: Value | None = None
        for atom, c in index.terms:
            term = self._scaled(atom, c)
            total = term if total is None else self.function.integer_operation("add nsw", total, term)
        assert total is not None
        return total if not index.constant else self.function.integer_operation("add nsw", total, index.constant)

    def _scaled(self, atom: Variable | Expression, c: int) -> Value:
        frame = self.frame
        by_row = atom is frame.row if isinstance(atom, Variable) else frame.by_row(atom)
        by_column = atom is frame.by_column.variable if isinstance(atom, Variable) else frame.by_column(atom)
        key = self._key((atom, c), by_row, by_column)
        found = frame.find(key)
        if found is not None:
            return found
        value = self.place(atom) if isinstance(atom, Variable) else self.value(atom)
        result = value if c == 1 else self.function.integer_operation("mul nsw", value, c)
        return frame.remember(key, result)

    def _index_lanes(self, index: Affine) -> Value:
        """Return the index of every lane."""
        steps = [0] * self.lanes
        total: Value | None = None
        uniform: list[tuple[Variable | Expression, int]] = []
        for atom, c in index.terms:
            if isinstance(atom, Expression) and self.frame.by_lane(atom):
                value = self.value(atom)
                factor = constant(c, value.type)
                term = value if c == 1 else self.function.let(value.type, f"mul {value}, {factor.text}")
                total = term if total is None else self.function.let(term.type, f"add {total}, {term.text}")
                continue
            uniform.append((atom, c))
            if atom is self.frame.lane:
                steps = [lane * c for lane in range(self.lanes)]
        rest = self.broadcast(self.index(Affine(tuple(uniform), index.constant) if uniform else index.constant))
        rest = self.frame.arithmetic.add(rest, constant_vector(steps, INTEGER)) if any(steps) else rest
        return rest if total is None else self.frame.arithmetic.add(total, rest)

    def prepare(self, expression: Expression) -> None:
        """Compute loop invariants of the sums being computed: base addresses of loads, and loaded indices."""
        pending, seen = [expression], set()
        while pending:
            node = pending.pop()
            if node in seen:
                continue
            seen.add(node)
            if not self.frame.is_inner(node):
                self.value(node)
                continue
            pending.extend(node.arguments[:1] if node.kind == "select" and any(node.payload) else node.arguments)
            for affine in affines(node):
                pending.extend(atom for atom, _ in affine.terms if isinstance(atom, Expression))
            together = not self.varies(node) or node.kind != "load" or neighbours(node, self.frame.by_lane)
            if node.kind == "load" and together and node not in self.frame.copies:
                self._base(node)

    def _base(self, load: Expression) -> tuple[Value, Index]:
        """Return the loop-invariant part of a load's address, and the rest of the index."""
        source, offset = load.payload
        terms = offset.terms if isinstance(offset, Affine) else ()
        outer = tuple(term for term in terms if not self.frame.is_inner(term[0]))
        inner = tuple(term for term in terms if term not in outer)
        number = offset.constant if isinstance(offset, Affine) else offset
        known: Index = Affine(outer, number) if outer else number
        by_row, by_column = self.frame.by_row.index(known), self.frame.by_column.index(known)
        key = self._key(("base", source, known, load.dtype), by_row, by_column)
        found = self.frame.find(key)
        if found is None:
            pointer = self.frame.pointers[source]
            found = self.function.offset(pointer, self.index(known), MEMORY_TYPES[load.dtype])
            self.frame.remember(key, found)
        return found, Affine(inner, 0) if inner else 0

    def _load(self, expression: Expression) -> Value:
        if expression in self.frame.copies:
            return self._from_copy(expression)
        if self.varies(expression) and not neighbours(expression, self.frame.by_lane):
            return self._gathered(expression)
        base, rest = self._base(expression)
        pointer = self.function.offset(base, self.index(rest), MEMORY_TYPES[expression.dtype])
        return self._loaded(pointer, expression.dtype, self.lanes if self.varies(expression) else 0)

    def _from_copy(self, load: Expression) -> Value:
        f, copy = self.function, self.frame.copies[load]
        place = f.integer_operation("mul nsw", self.frame.term, copy.distance)
        if copy.origin is None:
            inside: Value | int = self.column * (copy.distance // self.frame.columns)
        else:
            assert self.frame.row is not None
            inside = f.integer_operation("sub", self.place(self.frame.row), copy.origin)
        place = f.integer_operation("add nsw", place, inside)
        pointer = f.offset(copy.pointer, place, MEMORY_TYPES[load.dtype])
        return self._loaded(pointer, load.dtype, self.lanes if self.varies(load) else 0)

    def _loaded(self, pointer: Value, dtype: DType, width: int) -> Value:
        suffix = f", align {dtype.numpy.itemsize}"
        value = self.function.load(vector(MEMORY_TYPES[dtype], width), pointer, suffix)
        if dtype is DType.BOOL:
            return self.function.let(vector("i1", width), f"icmp ne {value}, {constant(0, value.type).text}")
        return value

    def _gathered(self, load: Expression) -> Value:
        """Load the lanes one by one."""
        f, (source, offset) = self.function, load.payload
        memory, stride = MEMORY_TYPES[load.dtype], offset.coefficient(self.frame.lane)
        scattered = any(isinstance(atom, Expression) and self.frame.by_lane(atom) for atom, _ in offset.terms)
        if scattered:
            places = self._index_lanes(offset)
            starts = [f.let(INTEGER, f"extractelement {places}, i64 {lane}") for lane in range(self.lanes)]
            pointers = [f.offset(self.frame.pointers[source], start, memory) for start in starts]
        else:
            first = f.offset(self.frame.pointers[source], self.index(offset), memory)
            pointers = [f.offset(first, lane * stride, memory) for lane in range(self.lanes)]
        type = vector(REGISTER_TYPES[load.dtype], self.lanes)
        result = Value("poison", type)
        for lane, pointer in enumerate(pointers):
            element = self._loaded(pointer, load.dtype, 0)
            result = f.let(type, f"insertelement {result}, {element}, i64 {lane}")
        return result

    def _branches(self, expression: Expression) -> Value:
        """Evaluate a choice with branches, because the side not taken may read out of bounds."""
        f = self.function
        condition, *sides = expression.arguments
        test = self.value(condition)
        varies = self.varies(expression)
        names = [f.fresh_label("then"), f.fresh_label("else")]
        after = f.fresh_label("chosen")
        f.branch(test, *names)
        incoming = []
        for name, side in zip(names, sides, strict=True):
            f.label(name)
            with self.frame.scope():
                value = self.broadcast_value(side) if varies else self.value(side)
            incoming.append((value, f.block))
            f.jump(after)
        f.label(after)
        return f.phi(incoming[0][0].type, incoming)

    def store(self, root: Expression, pointer: Value, place: Index) -> None:
        """Store a result, all lanes of it, at the offset `place` of the array at `pointer`."""
        f, dtype = self.function, root.dtype
        value = self.broadcast_value(root)
        if dtype is DType.BOOL:
            wide = vector("i8", width_of(value.type))
            value = f.let(wide, f"zext {value} to {wide}")
        target = f.offset(pointer, self.index(place), MEMORY_TYPES[dtype])
        stride = place.coefficient(self.frame.lane) if isinstance(place, Affine) and self.frame.lane else 0
        align = f", align {dtype.numpy.itemsize}"
        if not self.lanes or stride == 1:
            f.store(value, target, align)
            return
        for lane in range(self.lanes):
            element = f.let(MEMORY_TYPES[dtype], f"extractelement {value}, i64 {lane}")
            f.store(element, f.offset(target, lane * stride, MEMORY_TYPES[dtype]), align)
