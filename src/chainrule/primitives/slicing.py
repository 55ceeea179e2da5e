"""Slicing, padding and concatenation, which transpose to one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, final

import numpy as np

from chainrule.ir import (
    ArrayType,
    Const,
    Dim,
    DTypeError,
    Node,
    Shape,
    ShapeError,
    SymbolicDim,
    concrete,
    named_dim,
    shape_text,
)
from chainrule.primitives.base import Array, Example, Linear
from chainrule.primitives.comparison import greater, where
from chainrule.primitives.emitter import Accessor, Emitter
from chainrule.primitives.notation import Call, Indexed, Mark, Notation, Number
from chainrule.primitives.replication import (
    as_floats,
    cast,
    common_dtype,
    expand_dims,
    normalize_axes,
)

S = TypeVar("S")
I = TypeVar("I")
PadWidths: TypeAlias = Dim | Sequence[Dim | Sequence[Dim]]


def _is_negative(dim: Dim) -> bool:
    """Whether a size is a negative number; a symbolic size is assumed not to be."""
    return isinstance(dim, int) and dim < 0


def _slice_text(start: Dim, size: Dim, stride: int, whole: Dim) -> str:
    if (start, size, stride) == (0, whole, 1):
        return ":"
    if size == 1:
        return f"{start}:{start + 1}"
    limit = start + size * stride
    first = "" if start == (whole - 1 if stride < 0 else 0) else str(start)
    last = "" if limit == (-1 if stride < 0 else whole) else str(limit)
    return f"{first}:{last}" + (f":{stride}" if stride != 1 else "")


@final
@dataclass(frozen=True)
class Slice(Linear):
    """Along axis k, the `sizes[k]` elements at `starts[k]`, `starts[k] + strides[k]`, …; strides may be negative."""

    starts: tuple[Dim, ...]
    sizes: tuple[Dim, ...]
    strides: tuple[int, ...]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [
            Example(cls((0, 1), (n, m), (1, 1)), (ArrayType((n, m + 1)),)),
            Example(cls((n - 1, 0), (n, m), (-1, 1)), (ArrayType((n, m)),)),
            Example(cls((1,), (n,), (2,)), (ArrayType((2 * n,)),)),
            Example(cls((1,), (n,), (3,)), (ArrayType((3 * n + 2,)),)),
            Example(cls((2 * n, 0), (n, 2), (-2, 1)), (ArrayType((2 * n + 1, 3)),)),
            Example(cls((1, 0), (0, n), (1, 1)), (ArrayType((2, n)),)),
        ]

    @property
    def limits(self) -> tuple[Dim, ...]:
        """The exclusive end of each axis; −1 for a negative stride that reaches the first element."""
        return tuple(
            start + size * stride for start, size, stride in zip(self.starts, self.sizes, self.strides, strict=True)
        )

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        if not operand.ndim == len(self.starts) == len(self.sizes) == len(self.strides) or 0 in self.strides:
            raise ShapeError(f"{self} does not slice an array of shape {shape_text(operand.shape)}")
        for start, size, stride, whole in zip(self.starts, self.sizes, self.strides, operand.shape, strict=True):
            last = start + (size - 1) * stride
            ends = () if size == 0 else (start, last, whole - 1 - start, whole - 1 - last)
            if _is_negative(size) or any(map(_is_negative, ends)):
                raise ShapeError(
                    f"the slice {_slice_text(start, size, stride, whole)} leaves an axis of size {whole}, in an array "
                    f"of shape {shape_text(operand.shape)}"
                )
        return operand.with_shape(self.sizes)

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        for axis, (start, size, stride) in enumerate(zip(self.starts, self.sizes, self.strides, strict=True)):
            if (start, size, stride) != (0, x.shape[axis], 1):
                x = np.take(x, concrete(start) + stride * np.arange(concrete(size)), axis=axis)
        return x

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        shape = types[0].shape
        reversed_axes = [axis for axis, stride in enumerate(self.strides) if stride == -1]
        if reversed_axes and self == reversal(shape, reversed_axes):
            return Call("flip", tuple(operands), subscript=tuple(Number(axis) for axis in reversed_axes))
        parts = zip(self.starts, self.sizes, self.strides, shape, strict=True)
        return Indexed(operands[0], tuple(Mark(_slice_text(*part)) for part in parts))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        shape = operands[0].type.shape
        reversed_axes = [axis for axis, stride in enumerate(self.strides) if stride < 0]
        low, high = [], []
        for start, size, stride, whole in zip(self.starts, self.sizes, self.strides, shape, strict=True):
            first = start + (size - 1) * stride if stride < 0 else start
            covered: Dim = 0 if size == 0 else (size - 1) * abs(stride) + 1
            low.append(start if size == 0 else first)
            high.append(whole - low[-1] - covered)
        turned = reverse(cotangent, reversed_axes)
        interior = tuple(abs(stride) - 1 for stride in self.strides)
        return Pad(tuple(low), tuple(high), interior)(turned) if any((*low, *high, *interior)) else turned

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        place = []
        for start, stride, position in zip(self.starts, self.strides, index, strict=True):
            step = position if stride == 1 else emit.index_multiply(position, emit.index(stride))
            place.append(step if start == 0 else emit.index_add(emit.index(start), step))
        return operands[0](place)


@final
@dataclass(frozen=True)
class Pad(Linear):
    """Zero padding: `low[k]` before, `high[k]` after, and `interior[k]` between elements on axis k."""

    low: tuple[Dim, ...]
    high: tuple[Dim, ...]
    interior: tuple[int, ...]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [
            Example(cls((1, 0), (2, 0), (0, 0)), (ArrayType((n, m)),)),
            Example(cls((m, 2), (0, n), (0, 0)), (ArrayType((n, m)),)),
            Example(cls((0, 1), (1, 0), (1, 2)), (ArrayType((n, m)),)),
            Example(cls((2,), (1,), (3,)), (ArrayType((0,)),)),
        ]

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        if not operand.ndim == len(self.low) == len(self.high) == len(self.interior):
            raise ShapeError(f"{self} does not pad an array of shape {shape_text(operand.shape)}")
        if any(map(_is_negative, (*self.low, *self.high, *self.interior))):
            raise ShapeError(f"{self} pads by a negative size; slice the array to make it smaller")
        spread = self._spread(operand.shape)
        return operand.with_shape(
            low + size + high for low, size, high in zip(self.low, spread, self.high, strict=True)
        )

    def _spread(self, shape: Shape) -> list[Dim]:
        """The size of each axis including interior padding."""
        return [size if size == 0 else size + (size - 1) * k for size, k in zip(shape, self.interior, strict=True)]

    @property
    def even_widths(self) -> dict[int, Dim] | None:
        """The widths of padding that is symmetric on each padded axis; None if it is not symmetric."""
        if self.low != self.high or any(self.interior):
            return None
        return {axis: width for axis, width in enumerate(self.low) if width != 0}

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        low, high = [concrete(k) for k in self.low], [concrete(k) for k in self.high]
        spread = [concrete(size) for size in self._spread(x.shape)]
        result = np.zeros([a + size + b for a, size, b in zip(low, spread, high, strict=True)], x.dtype)
        parts = zip(low, spread, self.interior, strict=True)
        result[tuple(slice(first, first + size, k + 1) for first, size, k in parts)] = x
        return result

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        if widths := self.even_widths:
            axes = () if len(widths) == len(self.low) else tuple(map(Number, widths))
            shown = list(widths.values()) if len(set(widths.values())) > 1 else [self.low[next(iter(widths))]]
            return Call("pad", (operands[0], *(Mark(str(width)) for width in shown)), subscript=axes)
        # Each axis as the range of the result that holds the operand, like the inverse slice.
        places = zip(self.low, types[0].shape, self.interior, strict=True)
        whole = self.type(types[0]).shape
        ranges = [_slice_text(low, size, k + 1, dim) for (low, size, k), dim in zip(places, whole, strict=True)]
        return Call("pad", (operands[0], Mark(f"[{','.join(ranges)}]")))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return Slice(self.low, operands[0].type.shape, tuple(k + 1 for k in self.interior))(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        (operand,) = types
        zero = emit.index(0)
        tests: list[S] = []
        place: list[I] = []
        parts = zip(self.low, self.high, self.interior, self._spread(operand.shape), index, strict=True)
        for low, high, interior, spread, position in parts:
            if low != 0:
                tests.append(emit.index_compare(">=", position, emit.index(low)))
                position = emit.index_add(position, emit.index(0 - low))
            if high != 0:
                tests.append(emit.index_compare("<", position, emit.index(spread)))
            if interior:
                step = emit.index(interior + 1)
                tests.append(emit.index_compare("==", emit.index_remainder(position, step), zero))
                position = emit.index_divide(position, step)
            place.append(position)
        if not tests:
            return operands[0](place)
        inside = tests[0]
        for test in tests[1:]:
            inside = emit.logical_and(inside, test)
        return emit.select(inside, lambda: operands[0](place), emit.constant(0, operand.dtype))


@final
@dataclass(frozen=True)
class Concatenate(Linear):
    """Concatenates the operands along `axis`. The transpose gives each operand its slice of the cotangent."""

    axis: int

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [
            Example(cls(0), (ArrayType((n, m)), ArrayType((2, m)))),
            Example(cls(1), (ArrayType((n, m)), ArrayType((n, 1)), ArrayType((n, n)))),
            Example(cls(0), (ArrayType((n,)),)),
        ]

    def type(self, *operands: ArrayType) -> ArrayType:
        if not operands:
            raise ShapeError("concatenate takes at least one array")
        shape = list(operands[0].shape)
        if not 0 <= self.axis < len(shape):
            raise ShapeError(f"axis {self.axis} does not exist in an array of {len(shape)} dimensions")
        for operand in operands[1:]:
            if operand.dtype != operands[0].dtype:
                raise DTypeError(f"concatenate mixes {operands[0].dtype.value} and {operand.dtype.value}")
            others = [list(o.shape[: self.axis] + o.shape[self.axis + 1 :]) for o in (operands[0], operand)]
            if operand.ndim != len(shape) or others[0] != others[1]:
                raise ShapeError(
                    f"shapes {shape_text(operands[0].shape)} and {shape_text(operand.shape)} do not concatenate along "
                    f"axis {self.axis}; all other sizes must be equal"
                )
            shape[self.axis] = shape[self.axis] + operand.shape[self.axis]
        return operands[0].with_shape(shape)

    def value(self, *operands: Array) -> Array:
        return np.concatenate(operands, axis=self.axis)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        if types[0].ndim <= 2 and len(operands) > 1:
            return Call("columns" if self.axis else "rows", tuple(operands))
        subscript = (Number(self.axis),) if types[0].ndim > 1 else ()
        return Call("concatenate", tuple(operands), subscript=subscript)

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        shape = operands[operand].type.shape
        start: Dim = 0
        for before in operands[:operand]:
            start = start + before.type.shape[self.axis]
        starts = tuple(start if axis == self.axis else 0 for axis in range(len(shape)))
        return Slice(starts, shape, (1,) * len(shape))(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        def read(operand: int, start: Dim) -> S:
            position = index[self.axis]
            if start != 0:
                position = emit.index_add(position, emit.index(0 - start))
            place = [*index[: self.axis], position, *index[self.axis + 1 :]]
            limit = start + types[operand].shape[self.axis]
            if operand == len(operands) - 1:
                return operands[operand](place)
            within = emit.index_compare("<", index[self.axis], emit.index(limit))
            return emit.select(within, lambda: operands[operand](place), lambda: read(operand + 1, limit))

        return read(0, 0)


def reversal(shape: Shape, axes: Sequence[int]) -> Slice:
    """Return the slice that reverses `axes` of an array of that shape."""
    return Slice(
        tuple(dim - 1 if axis in axes else 0 for axis, dim in enumerate(shape)),
        shape,
        tuple(-1 if axis in axes else 1 for axis in range(len(shape))),
    )


def reverse(x: Node, axes: Sequence[int]) -> Node:
    """`np.flip`: reverse the elements along `axes`."""
    return reversal(x.type.shape, axes)(x) if axes else x


def concatenate(arrays: Sequence[Node], axis: int = 0) -> Node:
    """`np.concatenate`."""
    if not arrays:
        raise ShapeError("concatenate takes at least one array")
    dtype = common_dtype(list(arrays))
    (place,) = normalize_axes(axis, arrays[0].type.ndim)
    return arrays[0] if len(arrays) == 1 else Concatenate(place)(*(cast(x, dtype) for x in arrays))


def stack(arrays: Sequence[Node], axis: int = 0) -> Node:
    """`np.stack`: along a new axis."""
    for x in arrays:
        if x.type.shape != arrays[0].type.shape:
            raise ShapeError(
                f"shapes {shape_text(arrays[0].type.shape)} and {shape_text(x.type.shape)} do not stack; "
                "all must be equal"
            )
    return concatenate([expand_dims(x, axis) for x in arrays], axis)


def pad(x: Node, widths: PadWidths, constant: float = 0) -> Node:
    """`np.pad` with a constant: `widths` is a number, a pair (before, after), or one pair for each axis."""
    pairs = pad_pairs(widths, x.type.ndim)
    low, high = tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
    primitive = Pad(low, high, (0,) * x.type.ndim)
    if constant == 0:
        return primitive(x)
    x = as_floats(x)
    return where(greater(primitive(Const(1, x.type)), 0), primitive(x), constant)


def pad_pairs(widths: PadWidths, ndim: int) -> list[tuple[Dim, Dim]]:
    """Return the widths of `np.pad` before and after each axis."""

    def pair(entry: PadWidths) -> tuple[Dim, Dim]:
        ends = [entry] if isinstance(entry, int | SymbolicDim) else list(entry)
        sizes = [end for end in ends if isinstance(end, int | SymbolicDim)]
        if len(sizes) != len(ends) or len(sizes) not in (1, 2):
            raise ShapeError(f"the pad width {entry} is neither a size nor a pair of sizes (before, behind)")
        return sizes[0], sizes[-1]

    if isinstance(widths, int | SymbolicDim) or all(isinstance(entry, int | SymbolicDim) for entry in widths):
        return [pair(widths)] * ndim
    pairs = [pair(entry) for entry in widths]
    if len(pairs) not in (1, ndim):
        raise ShapeError(f"{len(pairs)} pad widths do not fit an array of {ndim} dimensions")
    return pairs * ndim if len(pairs) == 1 else pairs
