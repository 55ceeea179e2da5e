"""Eigenvalues of symmetric matrices and singular values, with their vectors; leading axes are batch axes.

Those of symmetric matrices read the lower triangle alone, as in NumPy, and their derivatives are those of what is
computed (see `factorizations`). Vectors are determined up to a sign, which is NumPy's choice. Derivatives of vectors
divide by differences of eigenvalues or of squared singular values: where two are equal there is no derivative, and it
is NaN or infinite. A matrix with a non-finite element has NaN throughout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from chainrule.ir import ArrayType, Dim, Node, ShapeError, SymbolicDim, named_dim, shape_text
from chainrule.primitives.base import Array, Composite, Example, NeverExpandableError
from chainrule.primitives.diagonal import Diagonal, identity, matrix_type, square_type
from chainrule.primitives.factorizations import mirrored
from chainrule.primitives.layout import swapaxes
from chainrule.primitives.linear_algebra import Inverse, by_matrix, product
from chainrule.primitives.notation import Call, Notation
from chainrule.primitives.replication import Sum, as_floats, broadcast_to, expand_dims


def smaller(first: Dim, second: Dim) -> Dim | None:
    """Return the smaller of two sizes; None if that depends on the values of their names.

    >>> smaller(named_dim("n") + 1, named_dim("n"))
    n
    """
    difference = first - second
    signs = [number for _, number in difference.terms] if isinstance(difference, SymbolicDim) else [difference]
    if all(number >= 0 for number in signs):
        return second
    return first if all(number <= 0 for number in signs) else None


def least_size(operand: ArrayType) -> Dim:
    """Return the smaller size of matrices, of which there are that many singular values."""
    size = smaller(*operand.shape[-2:])
    if size is None:
        raise ShapeError(
            f"the number of singular values of shape {shape_text(operand.shape)} is the smaller size, which is not "
            "known; give numbers"
        )
    return size


def turned(x: Node) -> Node:
    """Each matrix transposed."""
    return swapaxes(x, -2, -1)


def inverse_gaps(x: Node) -> Node:
    """The matrix of 1 / (x[j] − x[i]), with zeros on the diagonal."""
    size = x.type.shape[-1]
    unit = broadcast_to(identity(size, x.type.dtype), (*x.type.shape, size))
    return 1 / (expand_dims(x, -2) - expand_dims(x, -1) + unit) - unit


@dataclass(frozen=True, eq=False, repr=False)
class _Spectral(Composite, abstract=True):
    """What a decomposition gives, by LAPACK."""

    what: ClassVar[str]
    function: ClassVar[str]
    is_symmetric: ClassVar[bool] = False
    has_sign: ClassVar[bool] = False
    """Whether it is determined up to signs; LAPACK's vary with small changes of matrices of more than two rows."""

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        size: Dim = 2 if cls.has_sign else n
        square = (size, size), (2, m, size, size)
        shapes = square if cls.is_symmetric else ((size + n, size), (size, size + n), square[1])
        return [Example(cls(), (ArrayType(shape),), ((-0.6, 0.6),), diagonal=3.0, graded=True) for shape in shapes]

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call(self.function, tuple(operands))

    def expand(self, *operands: Node) -> Node:
        raise NeverExpandableError("a decomposition of a matrix is computed by LAPACK, and not written out")


@final
@dataclass(frozen=True, eq=False, repr=False)
class Eigenvalues(_Spectral):
    """The eigenvalues of a symmetric A, ascending; dλ = diag(Vᵀ dA V) with the eigenvectors V."""

    what: ClassVar[str] = "the eigenvalues"
    function: ClassVar[str] = "eigvals"
    is_symmetric: ClassVar[bool] = True

    def type(self, *operands: ArrayType) -> ArrayType:
        operand = square_type(self.what, operands)
        return operand.with_shape(operand.shape[:-1])

    def value(self, *operands: Array) -> Array:
        return by_matrix(np.linalg.eigvalsh, np.tril(operands[0]), math.nan, operands[0].shape[-1:])

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        if tangent is None:
            return None
        vectors = Eigenvectors()(x)
        return Diagonal()(product(product(turned(vectors), mirrored(tangent)), vectors))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Eigenvectors(_Spectral):
    """The orthonormal eigenvectors V of a symmetric A, as columns.

    dV = V (F ⊙ Vᵀ dA V) with F[i, j] = 1 / (λ[j] − λ[i]) and zeros on the diagonal (Giles 2008, section 3.1).
    """

    what: ClassVar[str] = "the eigenvectors"
    function: ClassVar[str] = "eigvecs"
    has_sign: ClassVar[bool] = True
    is_symmetric: ClassVar[bool] = True

    def type(self, *operands: ArrayType) -> ArrayType:
        return square_type(self.what, operands)

    def value(self, *operands: Array) -> Array:
        x = operands[0]
        return by_matrix(lambda matrix: np.linalg.eigh(matrix)[1], np.tril(x), math.nan, x.shape[-2:])

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        if tangent is None:
            return None
        between = product(product(turned(result), mirrored(tangent)), result)
        return product(result, inverse_gaps(Eigenvalues()(x)) * between)


def _reduced(matrix: Array) -> tuple[Array, Array, Array]:
    left, sizes, right = np.linalg.svd(matrix, full_matrices=False)
    return left, sizes, right


@final
@dataclass(frozen=True, eq=False, repr=False)
class SingularValues(_Spectral):
    """The singular values s of A = U diag(s) Vᵀ, descending; ds = diag(Uᵀ dA V)."""

    what: ClassVar[str] = "the singular values"
    function: ClassVar[str] = "svdvals"

    def type(self, *operands: ArrayType) -> ArrayType:
        operand = matrix_type(self.what, operands)
        return operand.with_shape((*operand.shape[:-2], least_size(operand)))

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        return by_matrix(lambda a: np.linalg.svd(a, compute_uv=False), x, math.nan, (min(x.shape[-2:]),))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        if tangent is None:
            return None
        left, right = LeftVectors()(x), RightVectors()(x)
        return Diagonal()(product(product(turned(left), tangent), turned(right)))


@dataclass(frozen=True, eq=False, repr=False)
class _SingularVectors(_Spectral, abstract=True):
    """U or Vᵀ of A = U diag(s) Vᵀ.

    With F[i, j] = 1 / (s[j]² − s[i]²), zeros on the diagonal, and P = Uᵀ dA V,
    dU = U (F ⊙ (P S + S Pᵀ)) + (I − U Uᵀ) dA V S⁻¹, and likewise for V and dAᵀ (Townsend 2016).
    """

    has_sign: ClassVar[bool] = True

    @staticmethod
    def change(x: Node, tangent: Node, vectors: Node, others: Node) -> Node:
        """Return dU, given U and V, or dV for the transposed matrices, given V and U."""
        sizes = SingularValues()(x)
        across = expand_dims(sizes, -2)
        between = product(product(turned(vectors), tangent), others)
        scaled = between * across
        total = product(vectors, inverse_gaps(sizes * sizes) * (scaled + turned(scaled)))
        if vectors.type.shape[-2] == vectors.type.shape[-1]:
            return total
        ahead = product(tangent, others) * (1 / across)
        return total + ahead - product(vectors, product(turned(vectors), ahead))


@final
@dataclass(frozen=True, eq=False, repr=False)
class LeftVectors(_SingularVectors):
    """U, of orthonormal columns."""

    what: ClassVar[str] = "the singular vectors"
    function: ClassVar[str] = "leftvecs"

    def type(self, *operands: ArrayType) -> ArrayType:
        operand = matrix_type(self.what, operands)
        return operand.with_shape((*operand.shape[:-1], least_size(operand)))

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        return by_matrix(lambda a: _reduced(a)[0], x, math.nan, (x.shape[-2], min(x.shape[-2:])))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        return None if tangent is None else self.change(x, tangent, result, turned(RightVectors()(x)))


@final
@dataclass(frozen=True, eq=False, repr=False)
class RightVectors(_SingularVectors):
    """Vᵀ, of orthonormal rows."""

    what: ClassVar[str] = "the singular vectors"
    function: ClassVar[str] = "rightvecs"

    def type(self, *operands: ArrayType) -> ArrayType:
        operand = matrix_type(self.what, operands)
        return operand.with_shape((*operand.shape[:-2], least_size(operand), operand.shape[-1]))

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        return by_matrix(lambda a: _reduced(a)[2], x, math.nan, (min(x.shape[-2:]), x.shape[-1]))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        if tangent is None:
            return None
        return turned(self.change(x, turned(tangent), turned(result), LeftVectors()(x)))


@final
@dataclass(frozen=True, eq=False, repr=False)
class NuclearNorm(_Spectral):
    """The sum of the singular values; its differential is ⟨U Vᵀ, dA⟩."""

    what: ClassVar[str] = "the singular values"
    function: ClassVar[str] = "nuclear"

    def type(self, *operands: ArrayType) -> ArrayType:
        operand = matrix_type("the nuclear norm", operands)
        return operand.with_shape(operand.shape[:-2])

    def value(self, *operands: Array) -> Array:
        return by_matrix(lambda a: np.asarray(np.linalg.norm(a, "nuc")), operands[0], math.nan, ())

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None if tangents[0] is None else _inner(PolarFactor()(operands[0]), tangents[0])


@final
@dataclass(frozen=True, eq=False, repr=False)
class PolarFactor(_Spectral):
    """U Vᵀ of A = U diag(s) Vᵀ: the nearest matrix of orthonormal columns, or rows.

    With P = Uᵀ dA V its differential is U (P − Pᵀ)[i, j] / (s[i] + s[j]) Vᵀ, and a part for each of U and V that is not
    square.
    """

    what: ClassVar[str] = "the singular vectors"
    function: ClassVar[str] = "polar"

    def type(self, *operands: ArrayType) -> ArrayType:
        return matrix_type("the polar factor", operands)

    def value(self, *operands: Array) -> Array:
        (x,) = operands

        def factor(matrix: Array) -> Array:
            left, _, right = _reduced(matrix)
            return np.asarray(left @ right)

        return by_matrix(factor, x, math.nan, x.shape[-2:])

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        if tangent is None:
            return None
        left, sizes, right = LeftVectors()(x), SingularValues()(x), RightVectors()(x)
        across, down = expand_dims(sizes, -2), expand_dims(sizes, -1)
        between = product(product(turned(left), tangent), turned(right))
        total = product(product(left, (1 / (across + down)) * (between - turned(between))), right)
        rows, columns = x.type.shape[-2:]
        if rows != sizes.type.shape[-1]:
            ahead = product(product(tangent, turned(right)) * (1 / across), right)
            total = total + ahead - product(left, product(turned(left), ahead))
        if columns != sizes.type.shape[-1]:
            behind = product(left, (1 / down) * product(turned(left), tangent))
            total = total + behind - product(product(behind, turned(right)), right)
        return total


@final
@dataclass(frozen=True, eq=False, repr=False)
class SpectralNorm(_Spectral):
    """The largest singular value; its differential is ⟨u vᵀ, dA⟩ with its vectors u and v."""

    what: ClassVar[str] = "the singular values"
    function: ClassVar[str] = "spectral"

    def type(self, *operands: ArrayType) -> ArrayType:
        operand = matrix_type("the spectral norm", operands)
        return operand.with_shape(operand.shape[:-2])

    def value(self, *operands: Array) -> Array:
        return by_matrix(lambda a: np.asarray(np.linalg.norm(a, 2)), operands[0], math.nan, ())

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        if tangent is None:
            return None
        left, right = expand_dims(LeftVector()(x), -1), expand_dims(RightVector()(x), -2)
        return _inner(product(left, right), tangent)


@dataclass(frozen=True, eq=False, repr=False)
class _LeadingVector(_Spectral, abstract=True):
    """A singular vector of the largest singular value s."""

    has_sign: ClassVar[bool] = True

    @staticmethod
    def change(x: Node, tangent: Node, vector: Node, size: Node) -> Node:
        """Return du, an eigenvector of A Aᵀ with the eigenvalue s².

        (s² I − A Aᵀ) du = (I − u uᵀ) (dA Aᵀ + A dAᵀ) u, to which s² u uᵀ is added, so that there is an inverse.
        """
        column = expand_dims(vector, -1)
        square = expand_dims(size * size, (-2, -1))
        unit = identity(vector.type.shape[-1], vector.type.dtype)
        unit = broadcast_to(unit, (*vector.type.shape, vector.type.shape[-1]))
        others = square * (unit + product(column, turned(column))) - product(x, turned(x))
        half = product(tangent, turned(x))
        moved = product(half + turned(half), column)
        moved = moved - product(column, product(turned(column), moved))
        found = product(Inverse()(others), moved)
        return Sum((found.type.ndim - 1,))(found)


@final
@dataclass(frozen=True, eq=False, repr=False)
class LeftVector(_LeadingVector):
    """The first column of U."""

    what: ClassVar[str] = "the singular vectors"
    function: ClassVar[str] = "leftvec"

    def type(self, *operands: ArrayType) -> ArrayType:
        operand = matrix_type(self.what, operands)
        return operand.with_shape(operand.shape[:-1])

    def value(self, *operands: Array) -> Array:
        return by_matrix(lambda a: _first(_reduced(a)[0].T), operands[0], math.nan, operands[0].shape[-2:-1])

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        return None if tangent is None else self.change(x, tangent, result, SpectralNorm()(x))


@final
@dataclass(frozen=True, eq=False, repr=False)
class RightVector(_LeadingVector):
    """The first column of V."""

    what: ClassVar[str] = "the singular vectors"
    function: ClassVar[str] = "rightvec"

    def type(self, *operands: ArrayType) -> ArrayType:
        operand = matrix_type(self.what, operands)
        return operand.with_shape((*operand.shape[:-2], operand.shape[-1]))

    def value(self, *operands: Array) -> Array:
        return by_matrix(lambda a: _first(_reduced(a)[2]), operands[0], math.nan, operands[0].shape[-1:])

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        return None if tangent is None else self.change(turned(x), turned(tangent), result, SpectralNorm()(x))


def _first(rows: Array) -> Array:
    """Return the first row; NaN where a matrix without entries has none."""
    return rows[0] if len(rows) else np.full(rows.shape[1:], math.nan)


def _inner(x: Node, y: Node) -> Node:
    return Sum((x.type.ndim - 2, x.type.ndim - 1))(x * y)


def eigh(x: Node, upper: bool = False) -> tuple[Node, Node]:
    """`np.linalg.eigh`, as floats: eigenvalues and eigenvectors, of the lower triangle or the upper one."""
    x = as_floats(turned(x) if upper else x)
    return Eigenvalues()(x), Eigenvectors()(x)


def svd(x: Node) -> tuple[Node, Node, Node]:
    """`np.linalg.svd` without what full matrices add, as floats: U, the singular values and Vᵀ."""
    x = as_floats(x)
    return LeftVectors()(x), SingularValues()(x), RightVectors()(x)
