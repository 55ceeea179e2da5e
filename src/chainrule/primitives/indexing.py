"""Indexing by integer arrays: gather and its transpose scatter-add, one-hot rows, and NumPy's square brackets.

Negative indices count from the end. An index out of range raises IndexError in `value`, as in NumPy. The caller of
lowered code must check indices beforehand, since a lowered load cannot raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, TypeAlias, TypeVar, final

import numpy as np

from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    Dim,
    DType,
    DTypeError,
    Input,
    Node,
    Shape,
    ShapeError,
    SymbolicDim,
    concrete,
    dim_quotient,
    named_dim,
    shape_text,
    topological_order,
)
from chainrule.primitives.arithmetic import multiply
from chainrule.primitives.base import Array, Example, Linear, Nonlinear
from chainrule.primitives.emitter import Accessor, Emitter
from chainrule.primitives.layout import permute, reshape, squeeze
from chainrule.primitives.notation import Call, Indexed, Mark, Notation, Number
from chainrule.primitives.replication import expand_dims, normalize_axes, sum_
from chainrule.primitives.slicing import Slice

S = TypeVar("S")
I = TypeVar("I")

IndexPart: TypeAlias = "int | SymbolicDim | slice | EllipsisType | Node | np.ndarray[Any, Any] | list[int] | None"
IndexKey: TypeAlias = "IndexPart | tuple[IndexPart, ...]"


def _check_integers(function: str, indices: ArrayType) -> None:
    if indices.dtype is not DType.INT64:
        raise DTypeError(f"{function} takes an integer array as index, not {indices.dtype.value}")


def _position(emit: Emitter[S, I], index: S, size: Dim) -> I:
    """Convert an index, which may count from the end, to a position."""
    negative = emit.compare("<", index, emit.constant(0, DType.INT64))
    return emit.index_of(emit.select(negative, emit.add(index, emit.scalar_of(emit.index(size))), index))


@final
@dataclass(frozen=True)
class Gather(Linear):
    """`np.take(x, indices, axis)`: the axes of the integer array replace the axis. The transpose is ScatterAdd."""

    axis: int

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [
            Example(cls(0), (ArrayType((3, m)), ArrayType((n,), DType.INT64)), ((-3.0, 3.0), (-3, 3))),
            Example(cls(1), (ArrayType((n, 4)), ArrayType((m, 2), DType.INT64)), ((-3.0, 3.0), (-4, 4))),
            Example(cls(0), (ArrayType((2,)), ArrayType((), DType.INT64)), ((-3.0, 3.0), (-2, 2))),
        ]

    def linear_operands(self, count: int) -> Sequence[int]:
        return (0,)

    def type(self, *operands: ArrayType) -> ArrayType:
        x, indices = operands
        _check_integers("take", indices)
        if not 0 <= self.axis < x.ndim:
            raise ShapeError(f"axis {self.axis} does not exist in an array of shape {shape_text(x.shape)}")
        return x.with_shape((*x.shape[: self.axis], *indices.shape, *x.shape[self.axis + 1 :]))

    def value(self, *operands: Array) -> Array:
        x, indices = operands
        return np.asarray(np.take(x, indices, axis=self.axis))

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Indexed(operands[0], (*(Mark(":") for _ in range(self.axis)), operands[1]))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        x, indices = operands
        return ScatterAdd(self.axis, x.type.shape[self.axis])(cotangent, indices)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        x, indices = types
        behind = self.axis + indices.ndim
        position = _position(emit, operands[1](index[self.axis : behind]), x.shape[self.axis])
        return operands[0]([*index[: self.axis], position, *index[behind:]])


@final
@dataclass(frozen=True)
class ScatterAdd(Linear):
    """Adds each element of x, along `axis` of a zero array of length `size`, at the place given by its index."""

    axis: int
    size: Dim

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [
            Example(cls(0, 3), (ArrayType((n, m)), ArrayType((n,), DType.INT64)), ((-3.0, 3.0), (-3, 3))),
            Example(cls(1, m + 1), (ArrayType((n, m, 2)), ArrayType((m, 2), DType.INT64)), ((-3.0, 3.0), (-2, 2))),
            Example(cls(0, 2), (ArrayType(()), ArrayType((), DType.INT64)), ((-3.0, 3.0), (-2, 2))),
        ]

    def linear_operands(self, count: int) -> Sequence[int]:
        return (0,)

    def type(self, *operands: ArrayType) -> ArrayType:
        x, indices = operands
        _check_integers("scatter-add", indices)
        if self.axis < 0 or x.shape[self.axis : self.axis + indices.ndim] != indices.shape or self.axis > x.ndim:
            raise ShapeError(
                f"scatter-add along axis {self.axis} takes indices of the shape that x has there, not "
                f"{shape_text(indices.shape)} for an x of shape {shape_text(x.shape)}"
            )
        return x.with_shape((*x.shape[: self.axis], self.size, *x.shape[self.axis + indices.ndim :]))

    def value(self, *operands: Array) -> Array:
        x, indices = operands
        shape = (*x.shape[: self.axis], concrete(self.size), *x.shape[self.axis + indices.ndim :])
        result = np.zeros(shape, x.dtype)
        rows = np.moveaxis(x, range(self.axis, self.axis + indices.ndim), range(indices.ndim))
        np.add.at(np.moveaxis(result, self.axis, 0), indices, rows)
        return result

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        axis = (Number(self.axis),) if self.axis else ()
        return Call("scatter_add", tuple(operands), subscript=axis)

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return Gather(self.axis)(cotangent, operands[1])

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        x, indices = types

        def contribution(inner: Sequence[I]) -> S:
            position = _position(emit, operands[1](inner), self.size)
            here = emit.index_compare("==", position, index[self.axis])
            place = [*index[: self.axis], *inner, *index[self.axis + 1 :]]
            return emit.select(here, lambda: operands[0](place), emit.constant(0, x.dtype))

        return emit.reduce("sum", indices.shape, contribution) if indices.ndim else contribution([])


@final
@dataclass(frozen=True)
class OneHot(Nonlinear):
    """Labels as one-hot rows on a last axis of `size`; the derivative is zero."""

    size: Dim
    dtype: DType = DType.FLOAT64

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [
            Example(cls(3), (ArrayType((n,), DType.INT64),), ((-3, 3),)),
            Example(cls(m), (ArrayType((n, 2), DType.INT64),), ((-1, 1),)),
            Example(cls(4), (ArrayType((), DType.INT64),), ((0, 4),)),
        ]

    def type(self, *operands: ArrayType) -> ArrayType:
        (labels,) = operands
        if labels.dtype is not DType.INT64:
            raise DTypeError(f"one_hot takes integer labels, not {labels.dtype.value}; convert with astype(int)")
        return ArrayType((*labels.shape, self.size), self.dtype)

    def value(self, *operands: Array) -> Array:
        (labels,) = operands
        result = np.zeros((*labels.shape, concrete(self.size)), self.dtype.numpy)
        np.put_along_axis(result, labels[..., None], 1, axis=-1)
        return result

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("onehot", tuple(operands))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        position = _position(emit, operands[0](index[:-1]), self.size)
        return emit.convert(emit.index_compare("==", position, index[-1]), self.dtype)


def one_hot(labels: Node, size: Dim, dtype: DType = DType.FLOAT64) -> Node:
    """Encode integer labels as one-hot rows on a new last axis."""
    return OneHot(size, dtype)(labels)


def take(x: Node, indices: Node, axis: int | None = None) -> Node:
    """`np.take`; without an axis, from the elements in row-major order."""
    if axis is None:
        return Gather(0)(reshape(x, (x.type.size,)), indices)
    (place,) = normalize_axes(axis, x.type.ndim)
    return Gather(place)(x, indices)


def take_along_axis(x: Node, indices: Node, axis: int) -> Node:
    """`np.take_along_axis` for an index array of length 1 on `axis`: selects one element from each row."""
    (place,) = normalize_axes(axis, x.type.ndim)
    wanted = tuple(1 if k == place else dim for k, dim in enumerate(x.type.shape))
    if indices.type.shape != wanted:
        raise ShapeError(
            f"take_along_axis takes indices of shape {shape_text(wanted)} here, not {shape_text(indices.type.shape)}; "
            "use take to choose whole rows"
        )
    kept = [k for k in range(x.type.ndim) if k != place]
    chosen = one_hot(squeeze(indices, (place,)), x.type.shape[place], x.type.dtype)
    order = [*range(place), len(kept), *range(place, len(kept))]
    return sum_(multiply(x, permute(chosen, order)), place, keepdims=True)


def take_slices(x: Node, key: IndexKey) -> Node:
    """`x[key]` for a key of integers, slices, None, an ellipsis, and at most one array of integers.

    Raises ShapeError if the result's shape would depend on the values of an index, or on a symbolic size.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    used = sum(1 for part in parts if part is not None and part is not Ellipsis)
    ellipses = [place for place, part in enumerate(parts) if part is Ellipsis]
    missing = x.type.ndim - used
    if missing < 0 or len(ellipses) > 1:
        raise ShapeError(f"an index of {used} entries does not fit an array of shape {shape_text(x.type.shape)}")
    place = ellipses[0] if ellipses else len(parts)
    parts = [*parts[:place], *[slice(None)] * missing, *parts[place + 1 :]]

    ranges: list[tuple[Dim, Dim, int]] = []
    dropped: list[int] = []  # axes removed by integers, as positions in x
    added: list[int] = []  # new axes, as positions in the result
    chosen: tuple[int, Node] | None = None  # the axis indexed by an integer array
    kept = 0
    for part in parts:
        axis = len(ranges)
        if part is None:
            added.append(kept)
            kept += 1
        elif isinstance(part, slice):
            ranges.append(_range_of(part, x.type.shape[axis], x.type.shape))
            kept += 1
        elif isinstance(part, int | np.integer | SymbolicDim) and not isinstance(part, bool):
            ranges.append((_element_of(part, x.type.shape[axis], x.type.shape), 1, 1))
            dropped.append(axis)
        else:
            if chosen is not None:
                raise ShapeError("an index holds two integer arrays; use one_hot or take_along_axis to pick elements")
            chosen = axis, _index_array(part)
            ranges.append((0, x.type.shape[axis], 1))
            kept += chosen[1].type.ndim
    if any(entry != (0, size, 1) for entry, size in zip(ranges, x.type.shape, strict=True)):
        x = Slice(*(tuple(column) for column in zip(*ranges, strict=True)))(x)
    x = squeeze(x, dropped) if dropped else x
    if chosen is not None:
        _check_adjacent(parts)
        axis, indices = chosen
        x = Gather(axis - sum(k < axis for k in dropped))(x, indices)
    return expand_dims(x, added) if added else x


def _check_adjacent(parts: Sequence[IndexPart]) -> None:
    """Reject `x[0, :, indices]`, where NumPy would put the axes of `indices` first."""
    places = [place for place, part in enumerate(parts) if part is not None and not isinstance(part, slice)]
    if places != list(range(places[0], places[0] + len(places))):
        raise ShapeError("an integer and an integer array are parted by a slice; index twice, as in x[0][:, indices]")


def _index_array(part: object) -> Node:
    """Convert an array of integers in square brackets to a node."""
    array = np.asarray(part) if isinstance(part, list | np.ndarray) else None
    if array is not None and array.dtype.kind in "iu":
        return Const(array.astype(np.int64), ArrayType(array.shape, DType.INT64))
    if isinstance(part, Node) and part.type.dtype is DType.INT64:
        return part
    kind = array.dtype.kind if array is not None else part.type.dtype.numpy.kind if isinstance(part, Node) else ""
    if kind == "b" or isinstance(part, bool):
        raise ShapeError("a mask gives an array whose size depends on values; multiply by the mask or use np.where")
    raise ShapeError(f"{part!r} is not an index; use integers, slices, None, ... or one array of integers")


def _element_of(index: Dim, size: Dim, shape: Shape) -> Dim:
    """Return the position of an integer index."""
    index = index if isinstance(index, SymbolicDim) else int(index)
    position = index + size if isinstance(index, int) and index < 0 else index
    for bound in (position, size - 1 - position):
        if isinstance(bound, int) and bound < 0:
            raise ShapeError(f"index {index} leaves an axis of size {size}, in an array of shape {shape_text(shape)}")
    return position


def _range_of(part: slice, size: Dim, shape: Shape) -> tuple[Dim, Dim, int]:
    """Return a slice of an axis as (start, size, stride)."""
    text = f"{'' if part.start is None else part.start}:{'' if part.stop is None else part.stop}"
    stride = 1 if part.step is None else part.step
    if not isinstance(stride, int | np.integer) or stride == 0:
        raise ShapeError(f"the step of a slice must be an integer other than 0, not {stride}")
    stride = int(stride)
    if isinstance(size, int) and not isinstance(part.start, SymbolicDim) and not isinstance(part.stop, SymbolicDim):
        positions = range(size)[part]
        return (positions.start if len(positions) else 0), len(positions), stride

    def bound(entry: Any, default: Dim) -> Dim:
        if entry is None:
            return default
        if isinstance(entry, SymbolicDim):
            return entry
        return int(entry) if entry >= 0 else size + int(entry)

    start = bound(part.start, 0 if stride > 0 else size - 1)
    stop = bound(part.stop, size if stride > 0 else -1)
    upper, lower = (stop, start) if stride > 0 else (start, stop)
    length = upper - lower
    if isinstance(size, SymbolicDim) and isinstance(upper, int) and not (isinstance(lower, int) and upper <= lower):
        raise ShapeError(
            f"the slice {text} of an axis of size {size}, in an array of shape {shape_text(shape)}, has a size that "
            f"depends on {size}; give that axis a number as its size"
        )
    if isinstance(length, int):
        return start, max(0, -(-length // abs(stride))), stride
    count = dim_quotient(length, abs(stride))
    if count is None:
        count = dim_quotient(length + abs(stride) - 1, abs(stride))
    if count is None:
        raise ShapeError(
            f"the slice {text}:{stride} of an axis of size {size} has a size that is no whole number of steps for "
            f"every {size}; give that axis a number as its size"
        )
    return start, count, stride


def index_bounds(outputs: Sequence[Node]) -> dict[Input, Dim]:
    """Return, for each integer input used as an index, the size that its entries must be below.

    Entries may be negative down to minus that size, as in NumPy. An input is used directly or through changes of
    layout; computed indices are not covered.
    """
    bounds: dict[Input, Dim] = {}
    for node in topological_order(outputs):
        if not isinstance(node, Apply):
            continue
        size: Dim
        if isinstance(node.primitive, Gather):
            source, size = node.operands[1], node.operands[0].type.shape[node.primitive.axis]
        elif isinstance(node.primitive, ScatterAdd):
            source, size = node.operands[1], node.primitive.size
        elif isinstance(node.primitive, OneHot):
            source, size = node.operands[0], node.primitive.size
        else:
            continue
        while isinstance(source, Apply) and len(source.operands) == 1:
            (source,) = source.operands
        if isinstance(source, Input):
            known = bounds.get(source, size)
            bounds[source] = min(known, size) if isinstance(known, int) and isinstance(size, int) else size
    return bounds
