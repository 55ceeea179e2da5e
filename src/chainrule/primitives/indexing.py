"""Indexing by integer arrays: gather and its transpose scatter-add, and one-hot rows.

Negative indices count from the end. An index out of range raises IndexError in `value`, as in NumPy. The caller of
lowered code must check indices beforehand, since a lowered load cannot raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, final

import numpy as np

from chainrule.ir import (
    ArrayType,
    Dim,
    DType,
    DTypeError,
    Node,
    ShapeError,
    concrete,
    named_dim,
    shape_text,
)
from chainrule.primitives.arithmetic import multiply
from chainrule.primitives.base import Array, Example, Linear, Nonlinear
from chainrule.primitives.emitter import Accessor, Emitter
from chainrule.primitives.layout import permute, reshape, squeeze
from chainrule.primitives.notation import Call, Indexed, Mark, Notation, Number
from chainrule.primitives.replication import normalize_axes, sum_

S = TypeVar("S")
I = TypeVar("I")


def position(emit: Emitter[S, I], index: S, size: Dim) -> I:
    """Convert an index, which may count from the end, to a position."""
    negative = emit.compare("<", index, emit.constant(0, DType.INT64))
    return emit.index_of(emit.select(negative, emit.add(index, emit.scalar_of(emit.index(size))), index))


def _check_integers(function: str, indices: Sequence[ArrayType]) -> None:
    """Check that there are index arrays, and that all are of integers and of one shape."""
    if not indices:
        raise ShapeError(f"{function} takes at least one integer array as index")
    for each in indices:
        if each.dtype is not DType.INT64:
            raise DTypeError(f"{function} takes an integer array as index, not {each.dtype.value}")
        if each.shape != indices[0].shape:
            shapes = f"{shape_text(indices[0].shape)} and {shape_text(each.shape)}"
            raise ShapeError(f"{function} takes index arrays of one shape, not {shapes}")


@final
@dataclass(frozen=True)
class Gather(Linear):
    """`x[:, i, j]`: the axes of the integer arrays replace as many axes of x, from `axis` on.

    Of several arrays, all of one shape, the elements at the same place form one index. The transpose is ScatterAdd.
    """

    axis: int

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        label, labels = ArrayType((), DType.INT64), ArrayType((n,), DType.INT64)
        return [
            Example(cls(0), (ArrayType((3, m)), labels), ((-3.0, 3.0), (-3, 3))),
            Example(cls(1), (ArrayType((n, 4)), ArrayType((m, 2), DType.INT64)), ((-3.0, 3.0), (-4, 4))),
            Example(cls(0), (ArrayType((2,)), label), ((-3.0, 3.0), (-2, 2))),
            Example(cls(0), (ArrayType((3, 2)), labels, labels), ((-3.0, 3.0), (-3, 3), (-2, 2))),
            Example(cls(1), (ArrayType((m, 2, 3, 2)), label, label), ((-3.0, 3.0), (-2, 2), (-3, 3))),
        ]

    def linear_operands(self, count: int) -> Sequence[int]:
        return (0,)

    def type(self, *operands: ArrayType) -> ArrayType:
        x, *indices = operands
        _check_integers("take", indices)
        behind = self.axis + len(indices)
        if self.axis < 0 or behind > x.ndim:
            missing = self.axis if len(indices) == 1 else behind - 1
            raise ShapeError(f"axis {missing} does not exist in an array of shape {shape_text(x.shape)}")
        return x.with_shape((*x.shape[: self.axis], *indices[0].shape, *x.shape[behind:]))

    def value(self, *operands: Array) -> Array:
        x, *indices = operands
        return np.asarray(x[(slice(None),) * self.axis + tuple(indices)])

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Indexed(operands[0], (*(Mark(":") for _ in range(self.axis)), *operands[1:]))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        x, *indices = operands
        size, *further = x.type.shape[self.axis : self.axis + len(indices)]
        return ScatterAdd(self.axis, size, tuple(further))(cotangent, *indices)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        x, *indices = types
        behind = self.axis + indices[0].ndim
        inner = index[self.axis : behind]
        sizes = x.shape[self.axis :]
        places = [position(emit, read(inner), size) for read, size in zip(operands[1:], sizes, strict=False)]
        return operands[0]([*index[: self.axis], *places, *index[behind:]])


@final
@dataclass(frozen=True)
class ScatterAdd(Linear):
    """Adds each element of x, along `axis` of a zero array of length `size`, at the place given by its index.

    Several index arrays, of one shape, give the place along as many axes, of which `further` are the sizes of the
    second and the following.
    """

    axis: int
    size: Dim
    further: tuple[Dim, ...] = ()

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        label, labels = ArrayType((), DType.INT64), ArrayType((n,), DType.INT64)
        return [
            Example(cls(0, 3), (ArrayType((n, m)), labels), ((-3.0, 3.0), (-3, 3))),
            Example(cls(1, m + 1), (ArrayType((n, m, 2)), ArrayType((m, 2), DType.INT64)), ((-3.0, 3.0), (-2, 2))),
            Example(cls(0, 2), (ArrayType(()), label), ((-3.0, 3.0), (-2, 2))),
            Example(cls(0, 3, (2,)), (ArrayType((n,)), labels, labels), ((-3.0, 3.0), (-3, 3), (-2, 2))),
            Example(cls(1, 2, (m + 1,)), (ArrayType((n, 2)), label, label), ((-3.0, 3.0), (-2, 2), (-2, 2))),
        ]

    @property
    def sizes(self) -> tuple[Dim, ...]:
        """The size of each indexed axis."""
        return (self.size, *self.further)

    def linear_operands(self, count: int) -> Sequence[int]:
        return (0,)

    def type(self, *operands: ArrayType) -> ArrayType:
        x, *indices = operands
        _check_integers("scatter-add", indices)
        if len(indices) != len(self.sizes):
            raise ShapeError(f"{self} takes {len(self.sizes)} index arrays, not {len(indices)}")
        shape = indices[0].shape
        if self.axis < 0 or x.shape[self.axis : self.axis + len(shape)] != shape or self.axis > x.ndim:
            raise ShapeError(
                f"scatter-add along axis {self.axis} takes indices of the shape that x has there, not "
                f"{shape_text(shape)} for an x of shape {shape_text(x.shape)}"
            )
        return x.with_shape((*x.shape[: self.axis], *self.sizes, *x.shape[self.axis + len(shape) :]))

    def value(self, *operands: Array) -> Array:
        x, *indices = operands
        count = indices[0].ndim
        shape = (*x.shape[: self.axis], *map(concrete, self.sizes), *x.shape[self.axis + count :])
        result = np.zeros(shape, x.dtype)
        where: Any = (slice(None),) * self.axis + tuple(indices)
        np.add.at(result, where, x)
        return result

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        axis = (Number(self.axis),) if self.axis else ()
        return Call("scatter_add", tuple(operands), subscript=axis)

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return Gather(self.axis)(cotangent, *operands[1:])

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        x, *indices = types
        behind = self.axis + len(indices)

        def contribution(inner: Sequence[I]) -> S:
            here: S | None = None
            for read, size, wanted in zip(operands[1:], self.sizes, index[self.axis : behind], strict=True):
                met = emit.index_compare("==", position(emit, read(inner), size), wanted)
                here = met if here is None else emit.logical_and(here, met)
            assert here is not None
            place = [*index[: self.axis], *inner, *index[behind:]]
            return emit.select(here, lambda: operands[0](place), emit.constant(0, x.dtype))

        return emit.reduce("sum", indices[0].shape, contribution) if indices[0].ndim else contribution([])


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
        place = position(emit, operands[0](index[:-1]), self.size)
        return emit.convert(emit.index_compare("==", place, index[-1]), self.dtype)


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
