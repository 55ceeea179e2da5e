"""Elements taken along an axis at an array of places, and the orders of elements that give such places.

Taking and its transpose, adding at places, are linear; a sorted array is x taken in the order of its elements. Orders
are integers, with the derivative zero: between ties, at which elements change places, a sorted array is linear in x.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal, TypeVar, final

import numpy as np

from chainrule.ir import (
    Apply,
    ArrayType,
    Dim,
    DType,
    DTypeError,
    Node,
    Shape,
    ShapeError,
    concrete,
    named_dim,
    shape_text,
)
from chainrule.primitives.base import Array, Composite, Example, Linear
from chainrule.primitives.comparison import compare, equal, greater, logical_and, logical_or, not_equal, where
from chainrule.primitives.cumulative import positions
from chainrule.primitives.emitter import Accessor, Emitter
from chainrule.primitives.indexing import Gather, OneHot, position
from chainrule.primitives.integers import integers
from chainrule.primitives.layout import permute, squeeze
from chainrule.primitives.notation import Call, Indexed, Notation, Number
from chainrule.primitives.reductions import max_, min_
from chainrule.primitives.replication import Broadcast, as_node, broadcast_to, cast, expand_dims, sum_
from chainrule.primitives.slicing import Slice

_COMPARISONS = 20_000
"""The comparisons of elements with each other up to which an order is written out in machine code."""

S = TypeVar("S")
I = TypeVar("I")


def _axis_of(axis: int, ndim: int) -> tuple[Notation, ...]:
    return (Number(axis),) if ndim > 1 else ()


def _check(axis: int, x: ArrayType, places: ArrayType) -> None:
    if places.dtype is not DType.INT64:
        raise DTypeError(f"places along an axis are integers, not {places.dtype.value}")
    others = [tuple(dim for k, dim in enumerate(shape) if k != axis) for shape in (x.shape, places.shape)]
    if not 0 <= axis < x.ndim or x.ndim != places.ndim or others[0] != others[1]:
        raise ShapeError(
            f"places of shape {shape_text(places.shape)} along axis {axis} do not fit an array of shape "
            f"{shape_text(x.shape)}: the sizes of all other axes are the same"
        )


@final
@dataclass(frozen=True)
class TakeAlong(Linear):
    """`np.take_along_axis(x, places, axis)`. The transpose is AddAlong."""

    axis: int

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        domain = ((-3.0, 3.0), (-3, 3))
        return [
            Example(cls(0), (ArrayType((3,)), ArrayType((n,), DType.INT64)), domain),
            Example(cls(0), (ArrayType((3, m)), ArrayType((n, m), DType.INT64)), domain),
            Example(cls(1), (ArrayType((n, 3, m)), ArrayType((n, 2, m), DType.INT64)), domain),
        ]

    def linear_operands(self, count: int) -> Sequence[int]:
        return (0,)

    def type(self, *operands: ArrayType) -> ArrayType:
        x, places = operands
        _check(self.axis, x, places)
        return x.with_shape(places.shape)

    def value(self, *operands: Array) -> Array:
        x, places = operands
        return np.take_along_axis(x, places, axis=self.axis)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        axis = _axis_of(self.axis, types[0].ndim)
        match operands:
            case (x, Call("argsort", (ordered,), subscript=along)) if x == ordered and along == axis:
                return Call("sort", (x,), subscript=axis)
        if types[0].ndim == 1:
            return Indexed(operands[0], (operands[1],))
        return Call("take_along", tuple(operands), subscript=axis)

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        x, places = operands
        return AddAlong(self.axis, x.type.shape[self.axis])(cotangent, places)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        place = position(emit, operands[1](index), types[0].shape[self.axis])
        return operands[0]([*index[: self.axis], place, *index[self.axis + 1 :]])


@final
@dataclass(frozen=True)
class AddAlong(Linear):
    """Adds each element of x at its place along `axis` of a zero array of length `size` there."""

    axis: int
    size: Dim

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        domain = ((-3.0, 3.0), (-3, 3))
        return [
            Example(cls(0, 3), (ArrayType((n,)), ArrayType((n,), DType.INT64)), domain),
            Example(cls(1, 4), (ArrayType((m, n)), ArrayType((m, n), DType.INT64)), domain),
            Example(cls(0, 3), (ArrayType((n, 2, m)), ArrayType((n, 2, m), DType.INT64)), domain),
        ]

    def linear_operands(self, count: int) -> Sequence[int]:
        return (0,)

    def type(self, *operands: ArrayType) -> ArrayType:
        x, places = operands
        _check(self.axis, x, places)
        if x.shape != places.shape:
            raise ShapeError(f"places of shape {shape_text(places.shape)} for an array of shape {shape_text(x.shape)}")
        return x.with_shape(_with(x.shape, self.axis, self.size))

    def value(self, *operands: Array) -> Array:
        x, places = operands
        result = np.zeros(self.type(*(ArrayType(a.shape, DType.of(a.dtype)) for a in operands)).concrete_shape, x.dtype)
        where: list[Array] = list(np.indices(x.shape))
        where[self.axis] = places
        np.add.at(result, tuple(where), x)
        return result

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        if types[0].ndim == 1:
            return Call("scatter_add", tuple(operands))
        return Call("add_along", tuple(operands), subscript=_axis_of(self.axis, types[0].ndim))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return TakeAlong(self.axis)(cotangent, operands[1])

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        def contribution(inner: Sequence[I]) -> S:
            place = [*index[: self.axis], inner[0], *index[self.axis + 1 :]]
            here = emit.index_compare("==", position(emit, operands[1](place), self.size), index[self.axis])
            return emit.select(here, lambda: operands[0](place), emit.constant(0, types[0].dtype))

        return emit.reduce("sum", [types[0].shape[self.axis]], contribution)

    def expand(self, *operands: Node) -> Node | None:
        """Choose x in one-hot rows, and add up; a product would make NaN of an infinite x elsewhere.

        Places that are an order hold each one once: the element at a place is that of its rank.
        """
        match operands:
            case (x, Apply(ArgSort(self.axis), (ordered,))) if ordered.type.shape[self.axis] == self.size:
                return TakeAlong(self.axis)(x, Ranks(self.axis)(ordered))
        x, places = (_last(operand, self.axis) for operand in operands)
        rows = OneHot(self.size, x.type.dtype)(places)
        spread = broadcast_to(expand_dims(x, x.type.ndim), rows.type.shape)
        return _back(sum_(where(not_equal(rows, 0), spread, 0), x.type.ndim - 1), self.axis)


def _with(shape: Shape, axis: int, size: Dim) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


def _last(x: Node, axis: int) -> Node:
    """Move `axis` to the end."""
    return permute(x, [*(k for k in range(x.type.ndim) if k != axis), axis])


def _back(x: Node, axis: int) -> Node:
    """Move the last axis to `axis`."""
    order = list(range(x.type.ndim - 1))
    return permute(x, [*order[:axis], x.type.ndim - 1, *order[axis:]])


@dataclass(frozen=True)
class _Order(Composite, abstract=True):
    """Integers that depend on the order of elements along `axis`."""

    axis: int

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        cases = ((0, (n,)), (0, (n, m)), (1, (n, 3, m)))
        return [Example(cls(axis), (ArrayType(shape),)) for axis, shape in cases]

    def type(self, *operands: ArrayType) -> ArrayType:
        (x,) = operands
        if x.dtype is DType.BOOL:
            raise DTypeError("an order is one of numbers, not of booleans; convert them with astype(int)")
        if not 0 <= self.axis < x.ndim:
            raise ShapeError(f"axis {self.axis} does not exist in an array of shape {shape_text(x.shape)}")
        return ArrayType(self._shape(x.shape), DType.INT64)

    def _shape(self, shape: Shape) -> Shape:
        return shape

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call(type(self).__name__.lower(), tuple(operands), subscript=_axis_of(self.axis, types[0].ndim))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None


@dataclass(frozen=True)
class _Permutation(_Order, abstract=True):
    """An order of all elements, which takes n log n operations, and n² where it is written out."""

    def is_called(self, *operands: ArrayType) -> bool:
        (x,) = operands
        return concrete(x.size) * concrete(x.shape[self.axis]) > _COMPARISONS


@final
@dataclass(frozen=True)
class Ranks(_Permutation):
    """The number of elements before each one in ascending order: of equal ones the first comes first, NaN last."""

    def value(self, *operands: Array) -> Array:
        order = np.argsort(operands[0], axis=self.axis, kind="stable")
        return np.argsort(order, axis=self.axis, kind="stable")

    def expand(self, *operands: Node) -> Node:
        (x,) = operands
        size, last = x.type.shape[self.axis], x.type.ndim
        x = _last(x, self.axis)
        shape = (*x.type.shape, size)
        own, other = broadcast_to(expand_dims(x, last), shape), broadcast_to(expand_dims(x, last - 1), shape)
        own_place, other_place = (Broadcast(shape, (axis,))(positions(size)) for axis in (last - 1, last))
        lost, known = not_equal(own, own), equal(other, other)
        tied = logical_or(equal(own, other), logical_and(lost, not_equal(other, other)))
        before = logical_or(compare("<", other, own), logical_and(lost, known))
        before = logical_or(before, logical_and(tied, compare("<", other_place, own_place)))
        return cast(_back(sum_(cast(before, DType.FLOAT64), last), self.axis), DType.INT64)


@final
@dataclass(frozen=True)
class ArgSort(_Permutation):
    """The places of the elements in ascending order: of equal ones the first comes first, NaN last."""

    def value(self, *operands: Array) -> Array:
        return np.argsort(operands[0], axis=self.axis, kind="stable")

    def expand(self, *operands: Node) -> Node:
        (x,) = operands
        size = x.type.shape[self.axis]
        places = Broadcast(x.type.shape, (self.axis,))(positions(size))
        return cast(AddAlong(self.axis, size)(places, Ranks(self.axis)(x)), DType.INT64)


@dataclass(frozen=True)
class _ArgExtremum(_Order, abstract=True):
    """The place of the first maximum or minimum along `axis`, which is removed; of the first NaN if there is one."""

    kind: ClassVar[Literal["max", "min"]]

    def _shape(self, shape: Shape) -> Shape:
        return (*shape[: self.axis], *shape[self.axis + 1 :])

    def value(self, *operands: Array) -> Array:
        return np.asarray(getattr(np, f"arg{self.kind}")(operands[0], axis=self.axis))

    def expand(self, *operands: Node) -> Node:
        (x,) = operands
        size = x.type.shape[self.axis]
        if not x.type.dtype.is_float:
            x = cast(x, DType.FLOAT64)
        extreme = broadcast_to((max_ if self.kind == "max" else min_)(x, self.axis, keepdims=True), x.type.shape)
        met = logical_or(equal(x, extreme), not_equal(x, x))
        places = Broadcast(x.type.shape, (self.axis,))(positions(size))
        return cast(min_(where(met, places, size), self.axis), DType.INT64)


@final
@dataclass(frozen=True)
class ArgMax(_ArgExtremum):
    """The place of the first maximum along `axis`, which is removed; of the first NaN if there is one."""

    kind: ClassVar[Literal["max", "min"]] = "max"


@final
@dataclass(frozen=True)
class ArgMin(_ArgExtremum):
    """The place of the first minimum along `axis`, which is removed; of the first NaN if there is one."""

    kind: ClassVar[Literal["max", "min"]] = "min"


@final
@dataclass(frozen=True)
class Quantile(Composite):
    """The value at a place in ascending order along `axis`, which is removed; NaN if an element is NaN.

    The place is `low`, or between `low` and the next one, of which `share` is the weight; the derivative passes to the
    elements at these places in the same proportion, of equal ones to the first in stable order.
    """

    axis: int
    low: int
    share: float = 0.0

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        cases = (
            (cls(0, 2), (5,)),
            (cls(0, 1, 0.5), (4,)),
            (cls(1, 0, 0.25), (n, 3)),
            (cls(0, 1), (2, m)),
            (cls(1, 2), (n, 4, m)),
        )
        return [Example(primitive, (ArrayType(shape),)) for primitive, shape in cases]

    def type(self, *operands: ArrayType) -> ArrayType:
        (x,) = operands
        if not x.dtype.is_float:
            raise DTypeError(f"a quantile takes floats, not {x.dtype.value}")
        size = x.shape[self.axis] if 0 <= self.axis < x.ndim else 0
        if not isinstance(size, int) or not 0 <= self.low < size or (self.share and self.low + 1 == size):
            place = self.low + self.share
            raise ShapeError(f"there is no place {place} along axis {self.axis} of shape {shape_text(x.shape)}")
        return x.with_shape((*x.shape[: self.axis], *x.shape[self.axis + 1 :]))

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        ordered = np.sort(x, axis=self.axis)
        low = np.take(ordered, self.low, axis=self.axis)
        if self.share:
            with np.errstate(all="ignore"):
                high = np.take(ordered, self.low + 1, axis=self.axis)
                low = low * x.dtype.type(1 - self.share) + high * x.dtype.type(self.share)
        lost = np.isnan(np.take(ordered, -1, axis=self.axis))
        return np.asarray(np.where(lost, x.dtype.type(np.nan), low))

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        last = concrete(types[0].shape[self.axis]) - 1
        place, axis = self.low + self.share, _axis_of(self.axis, types[0].ndim)
        if 2 * place == last:
            return Call("median", tuple(operands), subscript=axis)
        return Call("quantile", tuple(operands), subscript=(Number(place / last), *axis))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        return None if tangent is None else self._between(tangent, ArgSort(self.axis)(x))

    def expand(self, *operands: Node) -> Node:
        (x,) = operands
        lost = greater(max_(cast(not_equal(x, x), x.type.dtype), self.axis), 0.5)
        return where(lost, np.nan, self._between(x, ArgSort(self.axis)(x)))

    def _between(self, x: Node, order: Node) -> Node:
        low = self._at(x, order, self.low)
        return low if not self.share else (1 - self.share) * low + self.share * self._at(x, order, self.low + 1)

    def _at(self, x: Node, order: Node, place: int) -> Node:
        start = tuple(place if k == self.axis else 0 for k in range(x.type.ndim))
        picked = Slice(start, _with(order.type.shape, self.axis, 1), (1,) * x.type.ndim)(order)
        if x.type.ndim == 1:
            return Gather(0)(x, squeeze(picked, (0,)))
        return squeeze(TakeAlong(self.axis)(x, picked), (self.axis,))


@final
@dataclass(frozen=True)
class NanQuantile(Composite):
    """The value at the share `q` of the way in ascending order along `axis`, among those that are not NaN.

    The axis is removed. The derivative passes to the elements on both sides in proportion, as that of a Quantile.
    """

    axis: int
    q: float

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        cases = ((cls(0, 0.5), (5,)), (cls(0, 0.5), (4, m)), (cls(1, 0.3), (n, 4)), (cls(0, 0.123456789), (n,)))
        return [Example(primitive, (ArrayType(shape),)) for primitive, shape in cases]

    def type(self, *operands: ArrayType) -> ArrayType:
        (x,) = operands
        if not x.dtype.is_float:
            raise DTypeError(f"a quantile takes floats, not {x.dtype.value}")
        if not 0 <= self.axis < x.ndim:
            raise ShapeError(f"axis {self.axis} does not exist in an array of shape {shape_text(x.shape)}")
        return x.with_shape((*x.shape[: self.axis], *x.shape[self.axis + 1 :]))

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        ordered = np.sort(x, axis=self.axis)
        count = np.sum(~np.isnan(x), axis=self.axis, keepdims=True)
        part, whole = self._ratio
        low = np.maximum(part * (count - 1) // whole if whole else (part * (count - 1)).astype(np.int64), 0)
        above = part * (count - 1) - whole * low if whole else part * (count - 1) - low
        share = (above / (whole or 1)).astype(x.dtype)
        last = x.shape[self.axis] - 1
        first, second = (np.take_along_axis(ordered, np.minimum(at, last), self.axis) for at in (low, low + 1))
        with np.errstate(all="ignore"):
            found = np.where(share == 0, first, (1 - share) * first + share * second)
        return np.asarray(np.squeeze(found, self.axis))

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        axis = _axis_of(self.axis, types[0].ndim)
        if self.q == 0.5:
            return Call("nanmedian", tuple(operands), subscript=axis)
        return Call("nanquantile", tuple(operands), subscript=(Number(self.q), *axis))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        return None if tangent is None else self._between(x, tangent)

    def expand(self, *operands: Node) -> Node:
        return self._between(operands[0], operands[0])

    @property
    def _ratio(self) -> tuple[int, int] | tuple[float, int]:
        """The share as a fraction, so that places between elements are found exactly; (q, 0) if it is none."""
        near = Fraction(self.q).limit_denominator(1000)
        return near.as_integer_ratio() if float(near) == self.q else (self.q, 0)

    def _between(self, x: Node, source: Node) -> Node:
        """The elements of `source` where those of x are on both sides of the quantile, by their shares."""
        known = cast(equal(x, x), DType.FLOAT64)
        gaps = integers("subtract", cast(sum_(known, self.axis, keepdims=True), DType.INT64), 1)
        part, whole = self._ratio
        if whole:
            along = integers("multiply", int(part), gaps)
            low, above = integers("floor_divide", along, whole), integers("remainder", along, whole)
            share = cast(above, source.type.dtype) / whole
        else:
            place = part * cast(gaps, DType.FLOAT64)
            low = cast(place, DType.INT64)
            share = cast(place - cast(low, DType.FLOAT64), source.type.dtype)
        low = integers("maximum", low, 0)
        order = ArgSort(self.axis)(x)
        last = cast(as_node(x.type.shape[self.axis] - 1, DType.FLOAT64), DType.INT64)
        first, second = (
            TakeAlong(self.axis)(source, TakeAlong(self.axis)(order, integers("minimum", at, last)))
            for at in (low, integers("add", low, 1))
        )
        # An infinite element, or NaN behind the last one, has no weight.
        between = where(equal(share, 0), first, (1 - share) * first + share * second)
        return squeeze(between, (self.axis,))


def sort(x: Node, axis: int) -> Node:
    """`np.sort`: x taken in the order of its elements."""
    return TakeAlong(axis)(x, ArgSort(axis)(x))
