"""Matrices as vectors: vec, which stacks columns, the Kronecker product and the commutation matrix.

They write the matrix of a map between matrices: vec(A X B) = (Bᵀ ⊗ A) vec(X), and K vec(X) = vec(Xᵀ).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, Dim, DType, Node, ProgramError, ShapeError, concrete, named_dim, shape_text
from chainrule.primitives.base import Array, Example, Linear, Multilinear
from chainrule.primitives.contraction import Contract
from chainrule.primitives.diagonal import identity
from chainrule.primitives.emitter import Accessor, Emitter
from chainrule.primitives.layout import Permute, Reshape
from chainrule.primitives.notation import Call, Infix, Notation

S = TypeVar("S")
I = TypeVar("I")


@final
@dataclass(frozen=True, eq=False, repr=False)
class Vec(Linear):
    """The columns of a matrix, one below the other, as a vector."""

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls(), (ArrayType((named_dim("n"), named_dim("m"))),))]

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        if operand.ndim != 2 or not operand.dtype.is_float:
            raise ShapeError(f"vec takes a matrix of floats, not shape {shape_text(operand.shape)}")
        return operand.with_shape((operand.size,))

    def value(self, *operands: Array) -> Array:
        return operands[0].flatten(order="F")

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("vec", tuple(operands))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        rows, columns = operands[0].type.shape
        return Permute((1, 0))(Reshape((columns, rows))(cotangent))

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        rows = emit.index(types[0].shape[0])
        return operands[0]([emit.index_remainder(index[0], rows), emit.index_divide(index[0], rows)])

    def expand(self, *operands: Node) -> Node:
        """The rows of the transpose, one after the other."""
        (x,) = operands
        return Reshape((x.type.size,))(Permute((1, 0))(x))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Kronecker(Multilinear):
    """A ⊗ B: the blocks A[i, j] B."""

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m, k = map(named_dim, "nmk")
        pairs = ((ArrayType((n, m)), ArrayType((k, 2))), (ArrayType((1, m)), ArrayType((n, n))))
        return [Example(cls(), pair) for pair in pairs]

    def type(self, *operands: ArrayType) -> ArrayType:
        if len(operands) != 2 or any(each.ndim != 2 or not each.dtype.is_float for each in operands):
            raise ShapeError("a Kronecker product takes two matrices of floats")
        first, second = operands
        if first.dtype != second.dtype:
            raise ProgramError(f"a Kronecker product mixes {first.dtype.value} and {second.dtype.value}")
        return first.with_shape(m * n for m, n in zip(first.shape, second.shape, strict=True))

    def value(self, *operands: Array) -> Array:
        return np.kron(*operands)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Infix("⊗", tuple(operands))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        (m, n), (p, q) = (each.type.shape for each in operands)
        blocks = Reshape((m, p, n, q))(cotangent)
        if operand == 0:
            return Contract(((0, 1, 2, 3), (1, 3)), (0, 2))(blocks, operands[1])
        return Contract(((0, 1, 2, 3), (0, 2)), (1, 3))(blocks, operands[0])

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        sizes = [emit.index(dim) for dim in types[1].shape]
        outer = [emit.index_divide(place, size) for place, size in zip(index, sizes, strict=True)]
        inner = [emit.index_remainder(place, size) for place, size in zip(index, sizes, strict=True)]
        return emit.multiply(operands[0](outer), operands[1](inner))

    def expand(self, *operands: Node) -> Node:
        """The products of all entries, with the axes of the blocks outside."""
        products = Contract(((0, 1), (2, 3)), (0, 2, 1, 3))(*operands)
        return Reshape(self.type(*(operand.type for operand in operands)).shape)(products)


@final
@dataclass(frozen=True)
class Commutation(Linear):
    """K B: the rows of B in another order, such that K vec(X) = vec(Xᵀ) for an X of `rows` rows and `columns` columns.

    Applied to the identity it is the commutation matrix K.
    """

    rows: Dim
    columns: Dim

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [Example(cls(n, m), (ArrayType((n * m, 2)),)), Example(cls(m, 2), (ArrayType((2 * m, n)),))]

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        if operand.ndim != 2 or operand.shape[0] != self.rows * self.columns or not operand.dtype.is_float:
            raise ShapeError(
                f"a commutation of {self.rows} rows and {self.columns} columns takes a matrix of floats of as many "
                f"rows as their product, not shape {shape_text(operand.shape)}"
            )
        return operand

    def value(self, *operands: Array) -> Array:
        rows, columns = concrete(self.rows), concrete(self.columns)
        places = np.arange(rows * columns).reshape(columns, rows)  # of X[i, j] in vec(X), at [j, i]
        return operands[0][places.T.flatten()]

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("commuted", tuple(operands))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return Commutation(self.columns, self.rows)(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        columns = emit.index(self.columns)
        i, j = emit.index_divide(index[0], columns), emit.index_remainder(index[0], columns)
        return operands[0]([emit.index_add(i, emit.index_multiply(j, emit.index(self.rows))), index[1]])

    def expand(self, *operands: Node) -> Node:
        """The axes of X exchanged."""
        (x,) = operands
        blocks = Reshape((self.columns, self.rows, x.type.shape[1]))(x)
        return Reshape(x.type.shape)(Permute((1, 0, 2))(blocks))


def commutation_matrix(rows: Dim, columns: Dim, dtype: DType = DType.FLOAT64) -> Node:
    """The matrix K with K vec(X) = vec(Xᵀ) for an X of this shape."""
    return Commutation(rows, columns)(identity(rows * columns, dtype))
