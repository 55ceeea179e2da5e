"""Diagonals of square matrices: extraction, construction and trace.

All three treat the last two axes as a matrix and preserve the leading axes. Extracting a diagonal and constructing a
diagonal matrix are adjoint; the transpose of the trace is a multiple of the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np

from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    Dim,
    DType,
    DTypeError,
    Node,
    ProgramError,
    ShapeError,
    SymbolicDim,
    named_dim,
    shape_text,
)
from chainrule.primitives.base import Array, Example, Linear
from chainrule.primitives.emitter import Accessor, Emitter
from chainrule.primitives.layout import permute
from chainrule.primitives.notation import Call, Notation, Number, Symbol
from chainrule.primitives.replication import Broadcast, as_floats, normalize_axes
from chainrule.primitives.slicing import Slice, pad

S = TypeVar("S")
I = TypeVar("I")


def square_type(name: str, operands: Sequence[ArrayType]) -> ArrayType:
    """Return the type of the single operand, which must be a square matrix of floats on its last two axes."""
    if len(operands) != 1:
        raise ProgramError(f"{name} takes 1 operand, not {len(operands)}")
    (operand,) = operands
    if not operand.dtype.is_float:
        raise DTypeError(f"{name} takes floats, not {operand.dtype.value}; convert with astype(float)")
    if operand.ndim < 2 or operand.shape[-1] != operand.shape[-2]:
        raise ShapeError(f"{name} takes a square matrix on the last two axes, not shape {shape_text(operand.shape)}")
    return operand


def matrix_type(name: str, operands: Sequence[ArrayType]) -> ArrayType:
    """Return the type of the single operand, which must hold matrices of floats on its last two axes."""
    (operand,) = operands
    if not operand.dtype.is_float:
        raise DTypeError(f"{name} takes floats, not {operand.dtype.value}; convert with astype(float)")
    if operand.ndim < 2:
        raise ShapeError(f"{name} takes matrices on the last two axes, not shape {shape_text(operand.shape)}")
    return operand


def _square_types() -> tuple[ArrayType, ArrayType]:
    n, m = named_dim("n"), named_dim("m")
    return ArrayType((n, n)), ArrayType((2, m, n, n))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Diagonal(Linear):
    """The diagonal of a square matrix, as a vector; the transpose places the cotangent on a diagonal."""

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls(), (operand,)) for operand in _square_types()]

    def type(self, *operands: ArrayType) -> ArrayType:
        operand = square_type("the diagonal", operands)
        return operand.with_shape(operand.shape[:-1])

    def value(self, *operands: Array) -> Array:
        return np.diagonal(operands[0], axis1=-2, axis2=-1).copy()

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("diag", tuple(operands))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return DiagonalMatrix()(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        return operands[0]([*index, index[-1]])


@final
@dataclass(frozen=True, eq=False, repr=False)
class DiagonalMatrix(Linear):
    """A diagonal matrix from a vector; from ones, the identity."""

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [Example(cls(), (ArrayType((n,)),)), Example(cls(), (ArrayType((n, 2, m)),))]

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        if not operand.dtype.is_float:
            raise DTypeError(f"a diagonal matrix takes floats, not {operand.dtype.value}; convert with astype(float)")
        if operand.ndim == 0:
            raise ShapeError("a diagonal matrix takes a vector on the last axis, not a number")
        return operand.with_shape((*operand.shape, operand.shape[-1]))

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        result = np.zeros((*x.shape, x.shape[-1]), x.dtype)
        places = np.arange(x.shape[-1])
        result[..., places, places] = x
        return result

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Symbol("I") if operands[0] == Number(1) else Call("diag", tuple(operands))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return Diagonal()(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        on_diagonal = emit.index_compare("==", index[-2], index[-1])
        return emit.select(on_diagonal, lambda: operands[0](index[:-1]), emit.constant(0, types[0].dtype))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Trace(Linear):
    """The trace of a square matrix; the transpose is the cotangent times the identity."""

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls(), (operand,)) for operand in _square_types()]

    def type(self, *operands: ArrayType) -> ArrayType:
        operand = square_type("the trace", operands)
        return operand.with_shape(operand.shape[:-2])

    def value(self, *operands: Array) -> Array:
        return np.asarray(np.trace(operands[0], axis1=-2, axis2=-1))

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("tr", tuple(operands))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        shape = operands[0].type.shape
        ones = identity(shape[-1], cotangent.type.dtype)
        batch = tuple(range(len(shape) - 2))
        matrices = ones if not batch else Broadcast(shape, (len(shape) - 2, len(shape) - 1))(ones)
        return Broadcast(shape, batch)(cotangent) * matrices

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        return emit.reduce("sum", types[0].shape[-1:], lambda inner: operands[0]([*index, inner[0], inner[0]]))


def identity(size: Dim, dtype: DType = DType.FLOAT64) -> Node:
    """The identity matrix of a numeric or symbolic size."""
    return DiagonalMatrix()(Const(1, ArrayType((size,), dtype)))


def is_identity(node: Node) -> bool:
    """Whether `node` is an identity matrix of any size."""
    match node:
        case Apply(DiagonalMatrix(), (Const(1),)):
            return node.type.ndim == 2
    return False


def _as_square(x: Node, offset: int, axis1: int, axis2: int) -> Node:
    """Move the two axes to the end, and slice to the square matrix whose main diagonal is the one at `offset`."""
    first, second = (normalize_axes(axis, x.type.ndim)[0] for axis in (axis1, axis2))
    if first == second:
        raise ShapeError(f"a diagonal needs two different axes, not axis {axis1} twice")
    x = permute(as_floats(x), [*(k for k in range(x.type.ndim) if k not in (first, second)), first, second])
    rows, columns = x.type.shape[-2:]
    if offset == 0 and rows == columns:
        return x
    row, column = max(-offset, 0), max(offset, 0)
    left, across = rows - row, columns - column
    if left != across and (isinstance(left, SymbolicDim) or isinstance(across, SymbolicDim)):
        raise ShapeError(
            f"the length of the diagonal of shape {shape_text((rows, columns))} depends on which size is smaller; give "
            "both as numbers"
        )
    length = min(left, across) if isinstance(left, int) and isinstance(across, int) else left
    length = max(length, 0) if isinstance(length, int) else length
    batch = x.type.shape[:-2]
    starts = (*(0 for _ in batch), row if length != 0 else 0, column if length != 0 else 0)
    return Slice(starts, (*batch, length, length), (1,) * x.type.ndim)(x)


def diagonal(x: Node, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Node:
    """`np.diagonal`, as floats: the other axes first, then the diagonal."""
    if x.type.ndim < 2:
        raise ShapeError(f"a diagonal needs an array of two or more dimensions, not shape {shape_text(x.type.shape)}")
    return Diagonal()(_as_square(x, offset, axis1, axis2))


def trace(x: Node, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Node:
    """`np.trace`, as floats: the sum of a diagonal."""
    if x.type.ndim < 2:
        raise ShapeError(f"a trace needs an array of two or more dimensions, not shape {shape_text(x.type.shape)}")
    return Trace()(_as_square(x, offset, axis1, axis2))


def diag(x: Node, offset: int = 0) -> Node:
    """`np.diag`, as floats: a diagonal matrix from a vector, or the diagonal of a matrix."""
    if x.type.ndim == 2:
        return diagonal(x, offset)
    if x.type.ndim != 1:
        raise ShapeError(f"diag takes a vector or a matrix, not an array of shape {shape_text(x.type.shape)}")
    matrix = DiagonalMatrix()(as_floats(x))
    below, beside = max(-offset, 0), max(offset, 0)
    return matrix if offset == 0 else pad(matrix, ((below, beside), (beside, below)))
