"""Broadcast and its transpose, the sum; NumPy's broadcasting of operands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np

from chainrule.ir import (
    ArrayType,
    Const,
    Dim,
    DType,
    DTypeError,
    Node,
    Operand,
    Shape,
    ShapeError,
    SymbolicDim,
    concrete,
    named_dim,
    shape_text,
)
from chainrule.primitives.base import Array, Example, Linear
from chainrule.primitives.emitter import Accessor, Emitter
from chainrule.primitives.layout import Cast, squeeze
from chainrule.primitives.notation import Call, Infix, Notation, Number, Postfix, Prefix

S = TypeVar("S")
I = TypeVar("I")


@final
@dataclass(frozen=True)
class Broadcast(Linear):
    """Broadcasts along new axes: axis k of the operand becomes axis `axes[k]` of a result of shape `shape`."""

    shape: Shape
    axes: tuple[int, ...]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [
            Example(cls((n, m), (1,)), (ArrayType((m,)),)),
            Example(cls((n, m), (0,)), (ArrayType((n,)),)),
            Example(cls((n, m, 2), ()), (ArrayType(()),)),
            Example(cls((n, 3, m), (0, 2)), (ArrayType((n, m)),)),
        ]

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        known = set(self.axes) <= set(range(len(self.shape))) and list(self.axes) == sorted(set(self.axes))
        if not known or tuple(self.shape[axis] for axis in self.axes) != operand.shape:
            raise ShapeError(f"shape {shape_text(operand.shape)} does not broadcast to {shape_text(self.shape)}")
        return operand.with_shape(self.shape)

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        expanded = x.reshape([x.shape[self.axes.index(k)] if k in self.axes else 1 for k in range(len(self.shape))])
        return np.broadcast_to(expanded, [concrete(dim) for dim in self.shape])

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return operands[0]

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return Sum(tuple(axis for axis in range(len(self.shape)) if axis not in self.axes))(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        return operands[0]([index[axis] for axis in self.axes])


@final
@dataclass(frozen=True)
class Sum(Linear):
    """The sum over `axes` (sorted, non-negative), which are removed."""

    axes: tuple[int, ...]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        operand = ArrayType((named_dim("n"), named_dim("m")))
        return [Example(cls(axes), (operand,)) for axes in ((0,), (1,), (0, 1))]

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        if not operand.dtype.is_float:
            raise DTypeError(f"sum takes floats, not {operand.dtype.value}; convert with astype(float)")
        if not set(self.axes) <= set(range(operand.ndim)) or len(set(self.axes)) != len(self.axes):
            raise ShapeError(f"sum over axes {self.axes} does not fit an array of shape {shape_text(operand.shape)}")
        return operand.with_shape(dim for axis, dim in enumerate(operand.shape) if axis not in self.axes)

    def value(self, *operands: Array) -> Array:
        return np.asarray(np.sum(operands[0], axis=self.axes))

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        (x,), (operand,) = operands, types
        if len(self.axes) == operand.ndim:
            return Prefix("Σ", x)
        if operand.ndim == 2:
            ones = Number(1)
            return Infix("", (Postfix("ᵀ", ones), x)) if self.axes == (0,) else Infix("", (x, ones))
        return Call("Σ", (x,), subscript=tuple(Number(axis) for axis in self.axes))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        shape = operands[0].type.shape
        return Broadcast(shape, tuple(axis for axis in range(len(shape)) if axis not in self.axes))(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        (operand,) = types

        def element(inner: Sequence[I]) -> S:
            summed, kept = iter(inner), iter(index)
            return operands[0]([next(summed) if axis in self.axes else next(kept) for axis in range(operand.ndim)])

        return emit.reduce("sum", [operand.shape[axis] for axis in self.axes], element)


def broadcast_shape(*shapes: Shape) -> Shape:
    """Return the common shape by NumPy's rules; a symbolic size matches only itself and 1."""
    rank = max(map(len, shapes))
    result: list[Dim] = []
    for k in range(-rank, 0):
        dims = {shape[k] for shape in shapes if len(shape) >= -k} - {1}
        if len(dims) > 1:
            raise ShapeError(f"shapes {' and '.join(map(shape_text, shapes))} do not broadcast")
        result.append(dims.pop() if dims else 1)
    return tuple(result)


def broadcast_to(x: Node, shape: Shape) -> Node:
    """Broadcast `x` to `shape` by NumPy's rules: aligned at the last axis, axes of size 1 stretched."""
    if x.type.shape == shape:
        return x
    if isinstance(x, Const) and x.is_filled:
        return Const(x.value, x.type.with_shape(shape))
    offset = len(shape) - x.type.ndim
    if offset < 0 or broadcast_shape(x.type.shape, shape) != shape:
        raise ShapeError(f"shape {shape_text(x.type.shape)} does not broadcast to {shape_text(shape)}")
    stretched = tuple(k for k, dim in enumerate(x.type.shape) if dim == 1 and shape[k + offset] != 1)
    axes = tuple(k + offset for k in range(x.type.ndim) if k not in stretched)
    return Broadcast(shape, axes)(squeeze(x, stretched))


def as_node(x: Operand, dtype: DType) -> Node:
    """Convert a Python number or size to a literal of `dtype`; return a node unchanged."""
    return x if isinstance(x, Node) else Const(x, ArrayType((), dtype))


def common_dtype(operands: Sequence[Operand]) -> DType:
    """NumPy's type promotion: Python numbers are weakly typed, arrays are not."""
    strong = [x.type.dtype for x in operands if isinstance(x, Node) and not _is_weak(x)]
    dtypes = strong or [x.type.dtype for x in operands if isinstance(x, Node)]
    result = DType.of(np.result_type(*(dtype.numpy for dtype in dtypes))) if dtypes else DType.FLOAT64
    numbers = [x for x in operands if not isinstance(x, Node)]
    if not result.is_float and any(isinstance(x, float | SymbolicDim) for x in numbers):
        return DType.FLOAT64
    if result is DType.BOOL and any(not isinstance(x, bool) for x in numbers):
        return DType.INT64
    return result


def _is_weak(x: Node) -> bool:
    return isinstance(x, Const) and x.is_filled and x.type.shape == () and x.type.dtype.is_float


def cast(x: Node, dtype: DType) -> Node:
    """Convert `x` to another dtype."""
    if x.type.dtype == dtype:
        return x
    if isinstance(x, Const) and not isinstance(x.value, SymbolicDim):
        value = x.value.astype(dtype.numpy) if isinstance(x.value, np.ndarray) else x.value
        return Const(value, x.type.with_dtype(dtype))
    return Cast(dtype)(x)


def as_floats(x: Operand) -> Node:
    """Convert a number or an array of integers or booleans to float64; return floats unchanged."""
    node = as_node(x, common_dtype([x]))
    return node if node.type.dtype.is_float else cast(node, DType.FLOAT64)


def broadcast_together(*operands: Operand, floats: bool = False) -> tuple[Node, ...]:
    """Convert the operands to one dtype and one shape, as in an elementwise operation of NumPy."""
    dtype = common_dtype(operands)
    if floats and not dtype.is_float:
        dtype = DType.FLOAT64
    nodes = [cast(as_node(x, dtype), dtype) for x in operands]
    shape = broadcast_shape(*(node.type.shape for node in nodes))
    return tuple(broadcast_to(node, shape) for node in nodes)


def normalize_axes(axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """Convert NumPy's `axis` argument to sorted non-negative axes; None means all."""
    if axis is None:
        return tuple(range(ndim))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for entry in axes:
        if not -ndim <= entry < ndim:
            raise ShapeError(f"axis {entry} does not exist in an array of {ndim} dimensions")
    result = tuple(sorted(entry % ndim for entry in axes))
    if len(set(result)) != len(result):
        raise ShapeError(f"axis {axis} names an axis twice")
    return result


def keep_axes(x: Node, axes: tuple[int, ...], keepdims: bool) -> Node:
    """If `keepdims`, insert axes of size 1 at `axes` (positions in the unreduced array) in a reduced array."""
    if not keepdims or not axes:
        return x
    dims = iter(x.type.shape)
    shape = tuple(1 if k in axes else next(dims) for k in range(x.type.ndim + len(axes)))
    return Broadcast(shape, tuple(k for k in range(len(shape)) if k not in axes))(x)


def sum_(x: Node, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Node:
    """`np.sum`."""
    if not x.type.dtype.is_float:
        x = cast(x, DType.FLOAT64)
    axes = normalize_axes(axis, x.type.ndim)
    return keep_axes(Sum(axes)(x) if axes else x, axes, keepdims)


def expand_dims(x: Node, axis: int | Sequence[int]) -> Node:
    """`np.expand_dims`."""
    count = 1 if isinstance(axis, int) else len(axis)
    return keep_axes(x, normalize_axes(axis, x.type.ndim + count), True)
