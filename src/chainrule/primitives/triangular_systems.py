"""Solutions of triangular systems on the last two axes; leading axes are batch axes."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from chainrule.ir import ArrayType, Node, ShapeError, named_dim, shape_text
from chainrule.primitives.base import Array, Example, LinearComposite, NotExpandableError
from chainrule.primitives.comparison import greater, logical_and, where
from chainrule.primitives.diagonal import Diagonal, identity, square_type
from chainrule.primitives.layout import squeeze
from chainrule.primitives.linear_algebra import EXPANSION_LIMIT, check_system, is_finite, product
from chainrule.primitives.notation import Call, Infix, Notation, Postfix
from chainrule.primitives.piecewise import abs_
from chainrule.primitives.reductions import Min
from chainrule.primitives.replication import (
    as_floats,
    broadcast_shape,
    broadcast_to,
    cast,
    common_dtype,
    expand_dims,
)
from chainrule.primitives.slicing import stack
from chainrule.primitives.spectral import turned
from chainrule.primitives.subscripts import take_slices
from chainrule.primitives.triangular import tril, triu


@final
@dataclass(frozen=True)
class TriangularSolve(LinearComposite):
    """T⁻¹ B, where T is the lower or the upper triangle of the first operand, in n² operations for each column.

    From dT X + T dX = dB follows dX = T⁻¹ (dB − dT X).
    """

    upper: bool = False

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        pairs = ((n, n), (n, m)), ((2, m, n, n), (2, m, n, 3))
        return [
            Example(cls(upper), tuple(map(ArrayType, shapes)), ((-0.6, 0.6),) * 2, diagonal=3.0)
            for upper in (False, True)
            for shapes in pairs
        ]

    def type(self, *operands: ArrayType) -> ArrayType:
        matrix = square_type("a triangular system", operands[:1])
        _, right = operands
        if right.shape[:-1] != matrix.shape[:-1] or right.dtype != matrix.dtype:
            raise ShapeError(
                f"a triangular system with the matrix of shape {shape_text(matrix.shape)} does not take a right-hand "
                f"side of shape {shape_text(right.shape)}"
            )
        return right

    def value(self, *operands: Array) -> Array:
        """By substitution, row after row."""
        matrix, right = operands
        size = matrix.shape[-1]
        found = np.zeros_like(right)
        with np.errstate(all="ignore"):
            for row in range(size)[:: -1 if self.upper else 1]:
                known = slice(row + 1, None) if self.upper else slice(None, row)
                left = right[..., row, :] - np.einsum("...k,...kj->...j", matrix[..., row, known], found[..., known, :])
                found[..., row, :] = left / matrix[..., row, row, None]
        triangle = np.triu(matrix) if self.upper else np.tril(matrix)
        regular = np.isfinite(triangle).all((-2, -1)) & (np.diagonal(matrix, axis1=-2, axis2=-1) != 0).all(-1)
        return np.where(regular[..., None, None], found, np.asarray(math.nan, right.dtype))

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        triangle = Call("triu" if self.upper else "tril", (operands[0],))
        return Infix("", (Postfix("⁻¹", triangle), operands[1]))

    def linear_operands(self, count: int) -> Sequence[int]:
        return (1,)

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return TriangularSolve(not self.upper)(turned(operands[0]), cotangent)

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        matrix, right = tangents
        terms: list[Node] = [] if right is None else [self(operands[0], right)]
        if matrix is not None:
            terms.append(-self(operands[0], product(self._triangle(matrix), result)))
        return functools.reduce(lambda x, y: x + y, terms) if terms else None

    def expand(self, *operands: Node) -> Node:
        """Row after row: what a row of the solution explains is subtracted from the rest of the right-hand side."""
        matrix, rest = operands
        size = matrix.type.shape[-1]
        if not isinstance(size, int) or size > EXPANSION_LIMIT:
            raise NotExpandableError(
                f"a triangular system of size {size} is not written out; there is code for sizes up to "
                f"{EXPANSION_LIMIT}"
            )
        if not size:
            return rest
        pivots = Diagonal()(matrix)
        regular = logical_and(greater(Min((pivots.type.ndim - 1,))(abs_(pivots)), 0), is_finite(self._triangle(matrix)))
        rows: list[Node] = []
        for row in range(size)[:: -1 if self.upper else 1]:
            first, others = (-1, slice(None, -1)) if self.upper else (0, slice(1, None))
            found = take_slices(rest, (..., first, slice(None))) / take_slices(matrix, (..., row, row, None))
            rows.append(found)
            after = slice(None, row) if self.upper else slice(row + 1, None)
            column = take_slices(matrix, (..., after, row, None))
            rest = take_slices(rest, (..., others, slice(None))) - column * expand_dims(found, -2)
        solution = stack(rows[:: -1 if self.upper else 1], -2)
        return where(expand_dims(regular, (-2, -1)), solution, math.nan)

    def _triangle(self, x: Node) -> Node:
        return triu(x) if self.upper else tril(x)


def solve_triangular(a: Node, b: Node, trans: int = 0, lower: bool = False, unit_diagonal: bool = False) -> Node:
    """`scipy.linalg.solve_triangular`, as floats: b is a vector if it has one dimension, else a matrix of columns."""
    check_system(a, b)
    dtype = common_dtype([as_floats(a), as_floats(b)])
    matrix, right = cast(a, dtype), cast(b, dtype)
    if unit_diagonal:
        size = matrix.type.shape[-1]
        unit = broadcast_to(identity(size, dtype), matrix.type.shape)
        matrix = matrix * (1 - unit) + unit
    if trans:
        matrix, lower = turned(matrix), not lower
    columns = expand_dims(right, -1) if b.type.ndim == 1 else right
    batch = broadcast_shape(matrix.type.shape[:-2], columns.type.shape[:-2])
    matrix = broadcast_to(matrix, (*batch, *matrix.type.shape[-2:]))
    columns = broadcast_to(columns, (*batch, *columns.type.shape[-2:]))
    found = TriangularSolve(not lower)(matrix, columns)
    return squeeze(found, (found.type.ndim - 1,)) if b.type.ndim == 1 else found
