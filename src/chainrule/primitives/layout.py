"""Changes of layout: permuted axes, another shape, another dtype."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, final

import numpy as np

from chainrule.ir import (
    ArrayType,
    Dim,
    DType,
    Node,
    Shape,
    ShapeError,
    concrete,
    dim_product,
    dim_quotient,
    named_dim,
    shape_text,
    sizes_text,
)
from chainrule.primitives.base import Array, Example, Linear
from chainrule.primitives.emitter import Accessor, Emitter
from chainrule.primitives.notation import Call, Indexed, Mark, Notation, Number, transposed

S = TypeVar("S")
I = TypeVar("I")


@final
@dataclass(frozen=True)
class Permute(Linear):
    """Permutes axes: axis k of the result is axis `order[k]` of the operand. Its transpose is the inverse."""

    order: tuple[int, ...]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [Example(cls((1, 0)), (ArrayType((n, m)),)), Example(cls((2, 0, 1)), (ArrayType((n, m, 2)),))]

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        if sorted(self.order) != list(range(operand.ndim)):
            raise ShapeError(f"axes {self.order} do not permute an array of {operand.ndim} dimensions")
        return operand.with_shape(operand.shape[axis] for axis in self.order)

    def value(self, *operands: Array) -> Array:
        return np.transpose(operands[0], self.order)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        if self.order == (*range(len(self.order) - 2), len(self.order) - 1, len(self.order) - 2):
            return transposed(operands[0])
        return Call("permute", (operands[0],), subscript=tuple(Number(axis) for axis in self.order))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return Permute(tuple(self.order.index(axis) for axis in range(len(self.order))))(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        return operands[0]([index[self.order.index(axis)] for axis in range(len(self.order))])


@final
@dataclass(frozen=True)
class Reshape(Linear):
    """The elements in row-major order, in another shape. The transpose restores the operand's shape."""

    shape: Shape

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [
            Example(cls((n * m,)), (ArrayType((n, m)),)),
            Example(cls((m, 2, n)), (ArrayType((2 * n, m)),)),
            Example(cls((n,)), (ArrayType((n, 1)),)),
        ]

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        if operand.size != dim_product(self.shape):
            raise ShapeError(f"an array of shape {shape_text(operand.shape)} has no shape {shape_text(self.shape)}")
        return operand.with_shape(self.shape)

    def value(self, *operands: Array) -> Array:
        return np.reshape(operands[0], [concrete(dim) for dim in self.shape])

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        if [dim for dim in types[0].shape if dim != 1] == [dim for dim in self.shape if dim != 1]:
            return operands[0]
        return Call("reshape", (operands[0],), subscript=(Mark(sizes_text(self.shape)),))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return Reshape(operands[0].type.shape)(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        source = types[0].shape
        kept = [axis for axis, dim in enumerate(self.shape) if dim != 1]
        if [dim for dim in source if dim != 1] == [self.shape[axis] for axis in kept]:
            remaining = iter(kept)
            return operands[0]([emit.index(0) if dim == 1 else index[next(remaining)] for dim in source])
        flat = emit.index(0)
        for position, dim in zip(index, self.shape, strict=True):
            flat = emit.index_add(emit.index_multiply(flat, emit.index(dim)), position)
        reversed_index: list[I] = []
        for dim in reversed(source):
            reversed_index.append(emit.index_remainder(flat, emit.index(dim)))
            flat = emit.index_divide(flat, emit.index(dim))
        return operands[0](reversed_index[::-1])


@final
@dataclass(frozen=True)
class Cast(Linear):
    """Converts to another dtype; linear between floats, constant from integers and booleans."""

    is_pointwise: ClassVar[bool] = True
    dtype: DType

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n = named_dim("n")
        return [
            Example(cls(DType.FLOAT64), (ArrayType((n,), DType.INT64),), ((-5, 5),)),
            Example(cls(DType.FLOAT64), (ArrayType((n,), DType.BOOL),)),
            Example(cls(DType.FLOAT64), (ArrayType((n,), DType.FLOAT32),)),
        ]

    def type(self, *operands: ArrayType) -> ArrayType:
        return operands[0].with_dtype(self.dtype)

    def value(self, *operands: Array) -> Array:
        return operands[0].astype(self.dtype.numpy)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        if types[0].dtype is DType.BOOL:
            return Indexed(Number(1), (operands[0],))
        if types[0].dtype.is_float and not self.dtype.is_float:
            return Call("trunc", (operands[0],))
        return operands[0]

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return Cast(operands[0].type.dtype)(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        return emit.convert(operands[0](index), self.dtype)


def squeeze(x: Node, axes: Sequence[int]) -> Node:
    """Remove the axes of size 1 at `axes`."""
    for axis in axes:
        if x.type.shape[axis] != 1:
            raise ShapeError(f"axis {axis} of shape {shape_text(x.type.shape)} has not size 1 and cannot be squeezed")
    return reshape(x, tuple(dim for axis, dim in enumerate(x.type.shape) if axis not in axes))


def reshape(x: Node, shape: Sequence[Dim]) -> Node:
    """`np.reshape`; one entry may be -1."""
    dims = list(shape)
    if dims.count(-1) > 1:
        raise ShapeError(f"shape {shape_text(tuple(dims))} has more than one -1")
    if -1 in dims:
        place = dims.index(-1)
        quotient = dim_quotient(x.type.size, dim_product(dims[:place] + dims[place + 1 :]))
        if quotient is None:
            if not isinstance(x.type.size, int):
                raise ShapeError(
                    f"an array of shape {shape_text(x.type.shape)} has the shape {shape_text(tuple(dims))} for some "
                    "sizes only; give its axes numbers as their sizes"
                )
            raise ShapeError(f"an array of shape {shape_text(x.type.shape)} has no shape {shape_text(tuple(dims))}")
        dims[place] = quotient
    return x if tuple(dims) == x.type.shape else Reshape(tuple(dims))(x)


def permute(x: Node, order: Sequence[int] | None = None) -> Node:
    """`np.transpose`: axes in `order`, reversed if it is None."""
    ndim = x.type.ndim
    axes = tuple(reversed(range(ndim))) if order is None else tuple(axis % ndim for axis in order)
    return x if axes == tuple(range(ndim)) else Permute(axes)(x)


def swapaxes(x: Node, first: int, second: int) -> Node:
    """`np.swapaxes`."""
    for axis in (first, second):
        if not -x.type.ndim <= axis < x.type.ndim:
            raise ShapeError(f"axis {axis} does not exist in an array of {x.type.ndim} dimensions")
    order = list(range(x.type.ndim))
    order[first], order[second] = order[second], order[first]
    return permute(x, order)
