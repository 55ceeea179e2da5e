"""Factorizations of matrices on the last two axes; leading axes are batch axes.

As in NumPy, those of symmetric matrices read the lower triangle alone. Their derivatives are those of what is computed:
the gradient with respect to such a matrix has zeros above the diagonal, where nothing is read, and below it the sum of
both entries of the gradient with respect to a symmetric matrix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from chainrule.ir import ArrayType, Const, Node, named_dim
from chainrule.primitives.base import Array, Composite, Example, NotExpandableError
from chainrule.primitives.comparison import greater, logical_and, where
from chainrule.primitives.diagonal import matrix_type, square_type
from chainrule.primitives.exponentials import sqrt
from chainrule.primitives.layout import swapaxes
from chainrule.primitives.linear_algebra import EXPANSION_LIMIT, Inverse, by_matrix, is_finite, product
from chainrule.primitives.notation import Call, Notation
from chainrule.primitives.piecewise import minimum
from chainrule.primitives.replication import as_floats, expand_dims
from chainrule.primitives.slicing import Pad, concatenate
from chainrule.primitives.subscripts import take_slices
from chainrule.primitives.triangular import tril


@final
@dataclass(frozen=True, eq=False, repr=False)
class Cholesky(Composite):
    """The lower triangular L with A = L Lᵀ, of a positive definite A of which the lower triangle is read, else NaN.

    From dA = dL Lᵀ + L dLᵀ follows dL = L Φ(L⁻¹ dA L⁻ᵀ), where Φ takes the lower triangle with half of the diagonal
    (Smith 1995; Murray 2016, equation 8).
    """

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        operands = ArrayType((n, n)), ArrayType((2, m, n, n))
        return [Example(cls(), (operand,), ((-0.6, 0.6),), diagonal=3.0) for operand in operands]

    def type(self, *operands: ArrayType) -> ArrayType:
        return square_type("the Cholesky factor", operands)

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        return by_matrix(np.linalg.cholesky, np.tril(x), math.nan, x.shape[-2:])

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("chol", tuple(operands))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (tangent,) = tangents
        if tangent is None:
            return None
        inverse = Inverse()(result)
        change = product(product(inverse, mirrored(tangent)), swapaxes(inverse, -2, -1))
        return product(result, 0.5 * (tril(change) + tril(change, -1)))

    def expand(self, *operands: Node) -> Node:
        """Column by column: what a column explains is subtracted from the rest."""
        (x,) = operands
        size = x.type.shape[-1]
        if not isinstance(size, int) or size > EXPANSION_LIMIT:
            raise NotExpandableError(
                f"the Cholesky factor of a matrix of size {size} is not written out; there is code for sizes up to "
                f"{EXPANSION_LIMIT}"
            )
        if not size:
            return x
        batch = (0,) * (x.type.ndim - 2)
        rest = tril(x)
        smallest: Node = Const(math.inf, x.type.with_shape(x.type.shape[:-2]))
        columns: list[Node] = []
        for k in range(size):
            pivot = take_slices(rest, (..., 0, 0))
            smallest = minimum(smallest, pivot)
            column = take_slices(rest, (..., slice(None), slice(0, 1))) / expand_dims(sqrt(pivot), (-2, -1))
            columns.append(Pad((*batch, k, 0), (*batch, 0, 0), (0,) * x.type.ndim)(column) if k else column)
            below = take_slices(column, (..., slice(1, None), slice(None)))
            after = take_slices(rest, (..., slice(1, None), slice(1, None)))
            rest = tril(after - below * swapaxes(below, -2, -1))
        definite = logical_and(greater(smallest, 0), is_finite(tril(x)))
        return where(expand_dims(definite, (-2, -1)), concatenate(columns, -1), math.nan)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Pseudoinverse(Composite):
    """The Moore–Penrose inverse P of A; its derivative is that where the rank of A does not change.

    dP = −P dA P + P Pᵀ dAᵀ (I − A P) + (I − P A) dAᵀ Pᵀ P (Golub and Pereyra 1973, equation 4.12).
    """

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        shapes = (n + 1, n), (n, n + 2), (2, m, n, n)
        return [Example(cls(), (ArrayType(shape),), ((-0.6, 0.6),), diagonal=3.0) for shape in shapes]

    def type(self, *operands: ArrayType) -> ArrayType:
        operand = matrix_type("the pseudoinverse", operands)
        return operand.with_shape((*operand.shape[:-2], operand.shape[-1], operand.shape[-2]))

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        return by_matrix(np.linalg.pinv, x, math.nan, x.shape[:-3:-1])

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("pinv", tuple(operands))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        if tangent is None:
            return None
        turned, adjoint = swapaxes(tangent, -2, -1), swapaxes(result, -2, -1)
        left = product(product(result, adjoint), turned)
        right = product(turned, product(adjoint, result))
        outside = left - product(product(left, x), result)  # times I − A P
        inside = right - product(result, product(x, right))  # I − P A times it
        return outside + inside - product(product(result, tangent), result)

    def expand(self, *operands: Node) -> Node:
        """(AᵀA)⁻¹ Aᵀ or Aᵀ (A Aᵀ)⁻¹, for an A of full rank; NaN for others."""
        (x,) = operands
        rows, columns = x.type.shape[-2:]
        if not isinstance(rows, int) or not isinstance(columns, int):
            raise NotExpandableError(f"the pseudoinverse of shape {rows}×{columns} is not written out; give numbers")
        turned = swapaxes(x, -2, -1)
        if rows >= columns:
            return product(Inverse()(product(turned, x)), turned)
        return product(turned, Inverse()(product(x, turned)))


def pseudoinverse(x: Node) -> Node:
    """`np.linalg.pinv`, as floats."""
    return Pseudoinverse()(as_floats(x))


def mirrored(x: Node) -> Node:
    """The symmetric matrix of which the lower triangle is that of `x`."""
    return tril(x) + swapaxes(tril(x, -1), -2, -1)


def cholesky(x: Node, upper: bool = False) -> Node:
    """`np.linalg.cholesky`, as floats: the lower factor, or the upper one of the upper triangle."""
    x = as_floats(x)
    return swapaxes(Cholesky()(swapaxes(x, -2, -1)), -2, -1) if upper else Cholesky()(x)
