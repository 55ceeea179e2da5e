"""The factors of A = Q R, with orthonormal columns of Q and an upper triangular R; leading axes are batch axes.

There are as many rows as columns, or more; `qr` composes the factors of other matrices of these. With C = Qᵀ dA R⁻¹ and
the skew-symmetric Ω of the lower triangle of C, dR = (C − Ω) R and dQ = dA R⁻¹ − Q (C − Ω) (Walter and Lehmann 2012).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from chainrule.ir import ArrayType, Node, ShapeError, named_dim, shape_text
from chainrule.primitives.base import Array, Composite, Example, NeverExpandableError
from chainrule.primitives.diagonal import matrix_type
from chainrule.primitives.linear_algebra import Inverse, by_matrix, product
from chainrule.primitives.notation import Call, Notation
from chainrule.primitives.replication import as_floats
from chainrule.primitives.slicing import concatenate
from chainrule.primitives.spectral import smaller, turned
from chainrule.primitives.subscripts import take_slices
from chainrule.primitives.triangular import tril


@dataclass(frozen=True, eq=False, repr=False)
class _Factor(Composite, abstract=True):
    """A factor of Q R, by LAPACK."""

    function: ClassVar[str]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        shapes = (n + 2, n), (2, m, n, n)
        return [Example(cls(), (ArrayType(shape),), ((-0.6, 0.6),), diagonal=3.0) for shape in shapes]

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call(self.function, tuple(operands))

    def expand(self, *operands: Node) -> Node:
        raise NeverExpandableError("the factors Q R of a matrix are computed by LAPACK, and not written out")

    @staticmethod
    def checked(operands: Sequence[ArrayType]) -> ArrayType:
        """Return the type of the operand, which must not have more columns than rows."""
        operand = matrix_type("the factors Q R", operands)
        if smaller(*operand.shape[-2:]) != operand.shape[-1]:
            raise ShapeError(
                f"the factors Q R are of matrices with no more columns than rows, not of shape "
                f"{shape_text(operand.shape)}"
            )
        return operand

    @staticmethod
    def parts(tangent: Node, left: Node, right: Node) -> tuple[Node, Node]:
        """Return dA R⁻¹ and C − Ω."""
        relative = product(tangent, Inverse()(right))
        inside = product(turned(left), relative)
        below = tril(inside, -1)
        return relative, inside - (below - turned(below))


@final
@dataclass(frozen=True, eq=False, repr=False)
class OrthogonalFactor(_Factor):
    """Q, of the shape of A."""

    function: ClassVar[str] = "qfactor"

    def type(self, *operands: ArrayType) -> ArrayType:
        return self.checked(operands)

    def value(self, *operands: Array) -> Array:
        return by_matrix(lambda a: np.linalg.qr(a)[0], operands[0], math.nan, operands[0].shape[-2:])

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        if tangent is None:
            return None
        relative, change = self.parts(tangent, result, TriangularFactor()(x))
        return relative - product(result, change)


@final
@dataclass(frozen=True, eq=False, repr=False)
class TriangularFactor(_Factor):
    """R, square."""

    function: ClassVar[str] = "rfactor"

    def type(self, *operands: ArrayType) -> ArrayType:
        operand = self.checked(operands)
        return operand.with_shape((*operand.shape[:-2], operand.shape[-1], operand.shape[-1]))

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        return by_matrix(lambda a: np.linalg.qr(a)[1], x, math.nan, (x.shape[-1], x.shape[-1]))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        if tangent is None:
            return None
        return product(self.parts(tangent, OrthogonalFactor()(x), result)[1], result)


def qr(x: Node) -> tuple[Node, Node]:
    """`np.linalg.qr` in the mode "reduced", as floats."""
    x = as_floats(x)
    rows, columns = matrix_type("the factors Q R", [x.type]).shape[-2:]
    least = smaller(rows, columns)
    if least is None:
        raise ShapeError(
            f"the factors Q R of shape {shape_text(x.type.shape)} depend on which size is smaller; give numbers"
        )
    if least == columns:
        return OrthogonalFactor()(x), TriangularFactor()(x)
    first = take_slices(x, (..., slice(None, rows)))
    left = OrthogonalFactor()(first)
    rest = product(turned(left), take_slices(x, (..., slice(rows, None))))
    return left, concatenate([TriangularFactor()(first), rest], -1)
