"""Tiny programs without loops: every value is held in one vector register for the whole run.

Elementwise operations are one instruction on the whole vector. Otherwise, each primitive's lowering is run once per
lane with numbers as indices; lanes of the same form are combined into one vector operation, and the places that they
read become a shuffle with a constant mask. This one rule covers a sum over an axis, a transpose, padding and a matrix
product.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.calculus import Scan
from chainrule.engines.native.arithmetic import Arithmetic, Elementwise
from chainrule.engines.native.definitions import is_called
from chainrule.engines.native.symbolic import Expression, Index, SymbolicEmitter, walk
from chainrule.engines.native.text import (
    MEMORY_TYPES,
    REGISTER_TYPES,
    Function,
    Value,
    constant,
    constant_vector,
    element_type,
    vector,
    width_of,
)
from chainrule.ir import Apply, ArrayType, Const, DType, Node, ProgramError, applies
from chainrule.primitives import Elementwise as ElementwisePrimitive

WIDEST = 64
"""Maximum number of elements of a value: sixteen AVX registers of float64, the whole register file."""

MOST_WORK = 4000
"""Maximum number of scalar operations in a step.

Above, loops over memory are as fast and compile in half the time (measured on networks from 2-4-1 on 4 rows to 4-8-1 on
32).
"""

NARROW = 4
"""Reductions to fewer lanes evaluate all terms at once and are then folded in halves."""


class NotUnrollableError(ProgramError):
    """The program does not fit in registers."""


class _NotUniformError(ProgramError):
    """A primitive does more with an index than pass it on."""


def fits(nodes: Sequence[Node]) -> bool:
    """Whether values of these shapes fit in registers; the number of operations is checked while unrolling."""
    return all(
        0 < math.prod(node.type.concrete_shape) <= WIDEST and not applies(node, Scan) and not is_called(node)
        for node in nodes
    )


class Unroller:
    """Writes the instructions of one program into `function`."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.arithmetic = Arithmetic(function, fuses=True)
        self.work = 0
        self._values: dict[Node, Value] = {}
        self._packed: dict[tuple[Expression, ...], Value] = {}

    def run(self, nodes: Sequence[Node], outputs: Sequence[Node], inputs: dict[Node, Value]) -> list[Value]:
        """Return the vectors of `outputs`, given those of the inputs; `nodes` are sorted topologically."""
        self._values, self._packed = dict(inputs), {}
        for node in nodes:
            if node not in self._values:
                self._values[node] = self._node(node)
                if self.work > MOST_WORK:
                    raise NotUnrollableError
        return [self._values[output] for output in outputs]

    def _node(self, node: Node) -> Value:
        if isinstance(node, Const):
            width = math.prod(node.type.concrete_shape)
            if isinstance(node.value, np.ndarray):
                return constant_vector(node.value.ravel().tolist(), REGISTER_TYPES[node.type.dtype])
            assert isinstance(node.value, float | int)
            return constant(node.value, vector(REGISTER_TYPES[node.type.dtype], width))
        if not isinstance(node, Apply):
            raise ProgramError(f"{node!r} has no value; it is not an input of the program")
        result = self._uniform(node)
        return result if result is not None else self._by_lanes(node)

    def _uniform(self, node: Apply) -> Value | None:
        """Return the result if each element depends only on the operands' elements at the same place."""
        width = math.prod(node.type.concrete_shape)
        emit = _Uniform(self.function, width, fuses=True)
        operands = [self._values[operand] for operand in node.operands]
        primitive = node.primitive
        if isinstance(primitive, ElementwisePrimitive):
            self.work += 10 * width
            result: Value = primitive.lower(emit, *operands)
            return result
        if any(operand.type.shape != node.type.shape for operand in node.operands):
            return None
        here = [object() for _ in node.type.shape]  # one mark per axis: the transpose of a square matrix is not uniform

        def reader(value: Value) -> Callable[[Sequence[object]], Value]:
            def read(index: Sequence[object]) -> Value:
                if list(index) != here:
                    raise _NotUniformError
                return value

            return read

        try:
            result = primitive.lower(emit, [reader(value) for value in operands], [o.type for o in node.operands], here)
        except _NotUniformError:
            return None
        self.work += width
        return result if width_of(result.type) == width else None

    def _by_lanes(self, node: Apply) -> Value:
        emit = SymbolicEmitter(unroll=True)
        types = [operand.type for operand in node.operands]
        readers = [_reader(emit, operand) for operand in node.operands]
        lanes: list[Expression] = []
        for index in itertools.product(*map(range, node.type.concrete_shape)):
            lanes.append(node.primitive.lower(emit, readers, types, index))
            if len(lanes) == 1:
                self.work += sum(1 for _ in walk(lanes[0])) * math.prod(node.type.concrete_shape)
                if self.work > MOST_WORK:
                    raise NotUnrollableError
        return self._pack(tuple(lanes))

    def _pack(self, lanes: tuple[Expression, ...]) -> Value:
        """Combine lanes, given as expressions, into one vector."""
        found = self._packed.get(lanes)
        if found is None:
            found = self._packed[lanes] = self._pack_new(lanes)
        return found

    def _pack_new(self, lanes: tuple[Expression, ...]) -> Value:
        groups: dict[tuple[Any, ...], list[int]] = {}
        for place, lane in enumerate(lanes):
            groups.setdefault(_form(lane), []).append(place)
        if len(groups) > 1:
            parts = [(places, self._pack(tuple(lanes[place] for place in places))) for places in groups.values()]
            return self._blend(len(lanes), parts)
        first = lanes[0]
        if first.kind == "constant":
            return self._constants(lanes)
        if first.kind == "load":
            return self._gather(lanes)
        if first.kind == "terms":
            return self._reduction(lanes)
        if first.kind in ("index", "quotient", "remainder"):
            raise NotUnrollableError
        operands = [self._pack(column) for column in zip(*(lane.arguments for lane in lanes), strict=True)]
        return self.arithmetic.apply(first.kind, first.payload, first.dtype, operands)

    def _constants(self, lanes: tuple[Expression, ...]) -> Value:
        numbers = [lane.payload for lane in lanes]
        element = REGISTER_TYPES[lanes[0].dtype]
        if len(set(map(repr, numbers))) == 1:
            return constant(numbers[0], vector(element, len(numbers)))
        return constant_vector(numbers, element)

    def _gather(self, lanes: tuple[Expression, ...]) -> Value:
        """Combine lanes that each read one place of one operand."""
        sources: dict[Node, list[int]] = {}
        for place, lane in enumerate(lanes):
            sources.setdefault(lane.payload[0], []).append(place)
        if len(sources) > 1:
            parts = [(places, self._gather(tuple(lanes[k] for k in places))) for places in sources.values()]
            return self._blend(len(lanes), parts)
        ((source, _),) = sources.items()
        value = self._values[source]
        return self.shuffle(value, [lane.payload[1] for lane in lanes])

    def shuffle(self, value: Value, mask: Sequence[int | None]) -> Value:
        """Lane k of the result is lane `mask[k]` of `value`; None leaves it undefined."""
        if list(mask) == list(range(width_of(value.type))):
            return value
        return self.shuffle_pair(value, Value("poison", value.type), mask)

    def shuffle_pair(self, first: Value, second: Value, mask: Sequence[int | None]) -> Value:
        """As `shuffle`, for two vectors of one width; lanes of the second are numbered after those of the first."""
        entries = ", ".join("i32 poison" if k is None else f"i32 {k}" for k in mask)
        type = vector(element_type(first.type), len(mask))
        return self.function.let(type, f"shufflevector {first}, {second}, <{len(mask)} x i32> <{entries}>")

    def _blend(self, width: int, parts: Sequence[tuple[Sequence[int], Value]]) -> Value:
        """Combine parts that each fill some places into a vector of `width` lanes."""
        result: Value | None = None
        filled: set[int] = set()
        for places, value in parts:
            mask: list[int | None] = [None] * width
            for k, place in enumerate(places):
                mask[place] = k
            shuffled = self.shuffle(value, mask)
            if result is None:
                result = shuffled
            else:
                chosen = [k if k in filled else width + k if mask[k] is not None else None for k in range(width)]
                result = self.shuffle_pair(result, shuffled, chosen)
            filled.update(places)
        assert result is not None
        return result

    def join(self, parts: Sequence[Value]) -> Value:
        """Concatenate the parts into one vector."""
        places = itertools.accumulate((width_of(part.type) for part in parts), initial=0)
        ranges = [range(start, start + width_of(part.type)) for start, part in zip(places, parts, strict=False)]
        return self._blend(ranges[-1].stop, list(zip(ranges, parts, strict=True)))

    def _reduction(self, lanes: tuple[Expression, ...]) -> Value:
        """Combine lanes that each reduce the same number of terms. This fixes the order of the terms."""
        kind, count, width = lanes[0].payload, len(lanes[0].arguments), len(lanes)
        if width >= NARROW or count == 1:
            terms = [self._pack(column) for column in zip(*(lane.arguments for lane in lanes), strict=True)]
            while len(terms) > 1:
                paired = [self.arithmetic.combine(kind, *terms[k : k + 2]) for k in range(0, len(terms) - 1, 2)]
                terms = paired + terms[len(paired) * 2 :]
            return terms[0]
        if count * width > 2 * WIDEST:
            raise NotUnrollableError
        folded = self._pack(tuple(lane.arguments[k] for k in range(count) for lane in lanes))
        while count > 1:
            half = count // 2
            low = self.shuffle(folded, range(half * width))
            high = self.shuffle(folded, range(half * width, 2 * half * width))
            total = self.arithmetic.combine(kind, low, high)
            if count % 2:
                rest = self.shuffle(folded, range(2 * half * width, count * width))
                total = self.join([total, rest])
            folded, count = total, half + count % 2
        return folded

    def load(self, pointer: Value, type: ArrayType) -> Value:
        """Load an array as a vector."""
        width = math.prod(type.concrete_shape)
        size = type.dtype.numpy.itemsize
        value = self.function.load(vector(MEMORY_TYPES[type.dtype], width), pointer, f", align {size}")
        if type.dtype is DType.BOOL:
            return self.function.let(vector("i1", width), f"icmp ne {value}, zeroinitializer")
        return value

    def store(self, value: Value, pointer: Value, type: ArrayType) -> None:
        """Store a vector to an array."""
        if type.dtype is DType.BOOL:
            wide = vector("i8", width_of(value.type))
            value = self.function.let(wide, f"zext {value} to {wide}")
        self.function.store(value, pointer, f", align {type.dtype.numpy.itemsize}")

    def finite(self, value: Value) -> Value:
        """Whether every lane is finite."""
        difference = self.function.let(value.type, f"fsub {value}, {value.text}")
        width = width_of(value.type)
        lanes = self.function.let(vector("i1", width), f"fcmp ord {difference}, zeroinitializer")
        return self.function.call("i1", f"llvm.vector.reduce.and.v{width}i1", lanes)


class _Uniform(Elementwise):
    """Rejects indices with the exception that falls back to lanes."""

    def _no_index(self) -> ProgramError:
        return _NotUniformError()


def _form(lane: Expression) -> tuple[Any, ...]:
    """The form that lanes must share to be combined in one instruction."""
    if lane.kind in ("constant", "load"):
        return lane.kind, lane.dtype
    if lane.kind == "select":
        return lane.kind, lane.dtype
    return lane.kind, lane.dtype, lane.payload, len(lane.arguments)


def _reader(emit: SymbolicEmitter, operand: Node) -> Callable[[Sequence[Index]], Expression]:
    strides = row_major_strides(operand.type.concrete_shape)

    def read(index: Sequence[Index]) -> Expression:
        offset = 0
        for i, stride in zip(index, strides, strict=True):
            if not isinstance(i, int):
                raise NotUnrollableError  # the place is known only at run time
            offset += i * stride
        return emit.load(operand, offset, operand.type.dtype)

    return read


def row_major_strides(shape: Sequence[int]) -> list[int]:
    """The strides of a contiguous array, in elements."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
