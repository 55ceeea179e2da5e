"""Inverse, adjugate and determinant of square matrices on the last two axes; leading axes are batch axes.

The inverse of a singular matrix, or of one with a non-finite element, is NaN. The expansions use elimination with
partial pivoting, unrolled over columns, which limits their size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from chainrule.ir import ArrayType, Const, DType, Node, ShapeError, named_dim, shape_text
from chainrule.primitives.base import Array, Composite, Example, NotExpandableError
from chainrule.primitives.comparison import equal, greater, indicator, less, logical_and, where
from chainrule.primitives.contraction import Contract, matmul
from chainrule.primitives.diagonal import Trace, identity, square_type
from chainrule.primitives.exponentials import log
from chainrule.primitives.notation import Call, Notation, Postfix
from chainrule.primitives.piecewise import abs_, minimum, sign
from chainrule.primitives.reductions import Max, Min
from chainrule.primitives.replication import Sum, as_floats, broadcast_to, cast, common_dtype, expand_dims
from chainrule.primitives.rounding import Floor
from chainrule.primitives.slicing import concatenate
from chainrule.primitives.subscripts import take_slices

EXPANSION_LIMIT = 24
"""The largest matrix that is expanded; each column takes about six loops over a matrix."""


def _examples(make: Callable[[], Composite]) -> Sequence[Example]:
    n, m = named_dim("n"), named_dim("m")
    operands = ArrayType((n, n)), ArrayType((2, m, n, n))
    return [Example(make(), (operand,), ((-0.6, 0.6),), diagonal=3.0) for operand in operands]


def by_matrix(function: Callable[[Array], Array], x: Array, otherwise: float, result: tuple[int, ...]) -> Array:
    """Apply `function` to each matrix in `x`; NaN for non-finite matrices, `otherwise` for singular ones."""
    found = np.full((*x.shape[:-2], *result), math.nan, x.dtype)
    for place in np.ndindex(*x.shape[:-2]):
        if np.all(np.isfinite(x[place])):
            try:
                with np.errstate(all="ignore"):
                    found[place] = function(x[place])
            except np.linalg.LinAlgError:
                found[place] = otherwise
    return found


def product(x: Node, y: Node) -> Node:
    """The matrix product of two arrays with the same batch axes."""
    batch = tuple(range(x.type.ndim - 2))
    i, k, j = (len(batch) + offset for offset in range(3))
    return Contract(((*batch, i, k), (*batch, k, j)), (*batch, i, j))(x, y)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Inverse(Composite):
    """A⁻¹; its differential is −A⁻¹ dA A⁻¹, from dA A⁻¹ + A dA⁻¹ = 0."""

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return _examples(cls)

    def type(self, *operands: ArrayType) -> ArrayType:
        return square_type("the inverse", operands)

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        return by_matrix(np.linalg.inv, x, math.nan, x.shape[-2:])

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Postfix("⁻¹", operands[0])

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (tangent,) = tangents
        return None if tangent is None else -product(product(result, tangent), result)

    def expand(self, *operands: Node) -> Node:
        """Gauss-Jordan elimination of (A, I), column by column."""
        (x,) = operands
        size = _expandable(x, "the inverse")
        work = concatenate([x, broadcast_to(identity(size, x.type.dtype), x.type.shape)], axis=-1)
        smallest: Node = Const(math.inf, x.type.with_shape(x.type.shape[:-2]))
        for k in range(size):
            chosen = _pivot(work, k)
            row = _row(work, chosen)
            pivot = _first(row)
            smallest = minimum(smallest, abs_(pivot))
            swapped = where(expand_dims(chosen, -1), _slice_row(work, k), work)
            scaled = take_slices(row, (..., slice(1, None))) / expand_dims(pivot, -1)
            rest = take_slices(swapped, (..., slice(1, None)))
            below = rest - take_slices(swapped, (..., slice(0, 1))) * expand_dims(scaled, -2)
            at_k = Const(np.arange(size)[:, None] == k, ArrayType((size, 1), DType.BOOL))
            work = where(at_k, expand_dims(scaled, -2), below)
        regular = logical_and(greater(smallest, 0), is_finite(x))
        return where(expand_dims(regular, (-2, -1)), work, math.nan)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Adjugate(Composite):
    """adj A, the transposed cofactors of A: det(A) A⁻¹, and finite also where A has no inverse.

    The second operand is det A. It is not used in the value, but lets adj(A) / det(A) be recognized as A⁻¹. The
    differential is that of det(A) A⁻¹, so that second derivatives of a determinant need a regular A.
    """

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        pairs = (ArrayType((n, n)), ArrayType(())), (ArrayType((2, m, n, n)), ArrayType((2, m)))
        return [Example(cls(), pair, ((-0.6, 0.6), (0.5, 2.0)), diagonal=3.0) for pair in pairs]

    def type(self, *operands: ArrayType) -> ArrayType:
        matrix = square_type("the adjugate", operands[:1])
        if operands[1:] != (matrix.with_shape(matrix.shape[:-2]),):
            raise ShapeError("the adjugate takes matrices and the determinant of each")
        return matrix

    def value(self, *operands: Array) -> Array:
        return by_matrix(_adjugate, operands[0], math.nan, operands[0].shape[-2:])

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("adj", (operands[0],))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        x, tangent = operands[0], tangents[0]
        if tangent is None:
            return None
        relative = product(Inverse()(x), tangent)
        return result * expand_dims(Trace()(relative), (-2, -1)) - product(relative, result)

    def expand(self, *operands: Node) -> Node:
        """Gauss-Jordan elimination with full pivoting, so that zero pivots come last.

        With E A = R' D C, where R and C are permutations and D is diagonal except for its last column, adj A is
        det(R C) C' adj(D) R E; the entries of adj D are products of all pivots but one.
        """
        x = operands[0]
        size = _expandable(x, "the adjugate")
        if not size:
            return x
        work = concatenate([x, broadcast_to(identity(size, x.type.dtype), x.type.shape)], axis=-1)
        place = Const(np.arange(size, dtype=x.type.dtype.numpy), ArrayType((size,), x.type.dtype))
        left_rows: Node = Const(1, x.type.with_shape(x.type.shape[:-1]))
        left_columns: Node = left_rows
        swaps: Node = Const(0, x.type.with_shape(x.type.shape[:-2]))
        rows: list[Node] = []
        columns: list[Node] = []
        pivots: list[Node] = []
        for k in range(size):
            matrix = take_slices(work, (..., slice(None, size)))
            row, column = _largest(matrix, left_rows, left_columns)
            at_row = Sum((work.type.ndim - 2,))(expand_dims(row, -1) * work)
            pivot = _inner(column, take_slices(at_row, (..., slice(None, size))))
            for chosen, left in ((row, left_rows), (column, left_columns)):
                swaps = swaps + _inner(left, indicator(less(place, expand_dims(_inner(chosen, place), -1)), left))
            left_rows, left_columns = left_rows - row, left_columns - column
            rows.append(row)
            columns.append(column)
            pivots.append(pivot)
            if k < size - 1:
                in_column = Sum((matrix.type.ndim - 1,))(matrix * expand_dims(column, -2)) * (1 - row)
                singular = equal(pivot, 0)
                ratio = in_column / expand_dims(where(singular, 1, pivot), -1)
                ratio = where(expand_dims(singular, -1), 0, ratio)
                work = work - expand_dims(ratio, -1) * expand_dims(at_row, -2)
        matrix, operations = (take_slices(work, (..., part)) for part in (slice(None, size), slice(size, None)))
        last_column = Sum((matrix.type.ndim - 1,))(matrix * expand_dims(columns[-1], -2))
        total = expand_dims(columns[-1], -1) * expand_dims(_all_but(pivots[:-1], None) * rows[-1], -2)
        for k, (row, column) in enumerate(zip(rows[:-1], columns[:-1], strict=True)):
            cofactors = expand_dims(pivots[-1], -1) * row - expand_dims(_inner(row, last_column), -1) * rows[-1]
            total = total + expand_dims(column, -1) * expand_dims(_all_but(pivots[:-1], k) * cofactors, -2)
        odd = swaps - 2 * Floor()(0.5 * swaps)
        found = expand_dims(1 - 2 * odd, (-2, -1)) * product(total, operations)
        return where(expand_dims(is_finite(x), (-2, -1)), found, math.nan)


def _adjugate(matrix: Array) -> Array:
    """Compute adj A from A = U diag(s) V: products of all singular values but one, and det(U) det(V) = ±1."""
    left, sizes, right = np.linalg.svd(matrix)
    others = np.prod(np.where(np.eye(len(sizes), dtype=bool), 1, sizes), axis=-1)
    sign_of_both = np.sign(np.linalg.det(left) * np.linalg.det(right))
    return np.asarray(sign_of_both * (right.T * others) @ left.T)


def _largest(matrix: Node, left_rows: Node, left_columns: Node) -> tuple[Node, Node]:
    """Return the row and the column of the largest remaining element, as one-hot vectors."""
    size, ndim = matrix.type.shape[-1], matrix.type.ndim
    assert isinstance(size, int)
    left = expand_dims(left_rows, -1) * expand_dims(left_columns, -2)
    sizes = where(greater(left, 0), abs_(matrix), -1)
    both = (ndim - 2, ndim - 1)
    numbers = np.arange(size * size, dtype=matrix.type.dtype.numpy).reshape(size, size)
    number = Const(numbers, ArrayType((size, size), matrix.type.dtype))
    largest = equal(sizes, expand_dims(Max(both)(sizes), (-2, -1)))
    first = Min(both)(where(largest, number, size * size))
    chosen = indicator(equal(number, expand_dims(first, (-2, -1))), matrix)
    return Sum((ndim - 1,))(chosen), Sum((ndim - 2,))(chosen)


def _inner(x: Node, y: Node) -> Node:
    """Return the sums of products along the last axis."""
    product = x * y
    return Sum((product.type.ndim - 1,))(product)


def _all_but(pivots: Sequence[Node], left_out: int | None) -> Node | int:
    """Return the product of all pivots but one, along a new last axis."""
    factors = [expand_dims(pivot, -1) for k, pivot in enumerate(pivots) if k != left_out]
    return math.prod(factors[1:], start=factors[0]) if factors else 1


@dataclass(frozen=True, eq=False, repr=False)
class _FromPivots(Composite, abstract=True):
    """A number determined by the pivots of the elimination."""

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return _examples(cls)

    def type(self, *operands: ArrayType) -> ArrayType:
        operand = square_type("the determinant", operands)
        return operand.with_shape(operand.shape[:-2])


@final
@dataclass(frozen=True, eq=False, repr=False)
class Determinant(_FromPivots):
    """det A; its differential is det(A)·tr(A⁻¹ dA) (Jacobi), so the derivative requires a regular A."""

    def value(self, *operands: Array) -> Array:
        return by_matrix(np.linalg.det, operands[0], 0.0, ())

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("det", tuple(operands))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        return None if tangent is None else Trace()(product(Adjugate()(x, result), tangent))

    def expand(self, *operands: Node) -> Node:
        pivots, total = _eliminate(operands[0])
        for pivot in pivots:
            total = total * pivot
        return where(is_finite(operands[0]), total, math.nan)


@final
@dataclass(frozen=True, eq=False, repr=False)
class SignDeterminant(_FromPivots):
    """The sign of det A: −1, 0 or 1, even if det A underflows. The derivative is zero."""

    def value(self, *operands: Array) -> Array:
        return by_matrix(lambda matrix: np.linalg.slogdet(matrix)[0], operands[0], 0.0, ())

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("sign", (Call("det", tuple(operands)),))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None

    def expand(self, *operands: Node) -> Node:
        pivots, turned = _eliminate(operands[0])
        for pivot in pivots:
            turned = turned * sign(pivot)
        return where(is_finite(operands[0]), turned, math.nan)


@final
@dataclass(frozen=True, eq=False, repr=False)
class LogDeterminant(_FromPivots):
    """ln |det A|, −∞ for a singular A, even if det A overflows; its differential is tr(A⁻¹ dA)."""

    def value(self, *operands: Array) -> Array:
        return by_matrix(lambda matrix: np.linalg.slogdet(matrix)[1], operands[0], -math.inf, ())

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("ln", (Call("abs", (Call("det", tuple(operands)),)),))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        return None if tangent is None else Trace()(product(Inverse()(x), tangent))

    def expand(self, *operands: Node) -> Node:
        (x,) = operands
        total: Node = Const(0, x.type.with_shape(x.type.shape[:-2]))
        for pivot in _eliminate(x)[0]:
            total = total + log(abs_(pivot))
        return where(is_finite(x), total, math.nan)


def _expandable(x: Node, what: str) -> int:
    size = x.type.shape[-1]
    if not isinstance(size, int) or size > EXPANSION_LIMIT:
        raise NotExpandableError(
            f"{what} of a matrix of size {size} is not written out; there is code for sizes up to {EXPANSION_LIMIT}"
        )
    return size


def is_finite(x: Node) -> Node:
    """Whether all elements of each matrix are finite."""
    axes = (x.type.ndim - 2, x.type.ndim - 1)
    return less(Max(axes)(abs_(x)), math.inf) if x.type.shape[-1] else less(Sum(axes)(x), math.inf)


def _pivot(work: Node, k: int) -> Node:
    """Mark the row, from k on, with the largest first element: true for one row, the first in case of ties."""
    rows = work.type.shape[-2]
    assert isinstance(rows, int)
    place = Const(np.arange(rows, dtype=work.type.dtype.numpy), ArrayType((rows,), work.type.dtype))
    size = where(greater(place, k - 0.5), abs_(take_slices(work, (..., 0))), -1)
    last = (size.type.ndim - 1,)
    largest = equal(size, expand_dims(Max(last)(size), -1))
    first = Min(last)(where(largest, place, rows))
    return equal(place, expand_dims(first, -1))


def _row(work: Node, chosen: Node) -> Node:
    """Select the marked row."""
    return Sum((work.type.ndim - 2,))(where(expand_dims(chosen, -1), work, 0))


def _first(row: Node) -> Node:
    """Return the first element of a row."""
    return take_slices(row, (..., 0))


def _slice_row(work: Node, k: int) -> Node:
    return take_slices(work, (..., slice(k, k + 1), slice(None)))


def _eliminate(x: Node) -> tuple[list[Node], Node]:
    """Return the pivots of Gaussian elimination, and the sign of the row permutation."""
    size = _expandable(x, "the determinant")
    turned: Node = Const(1, x.type.with_shape(x.type.shape[:-2]))
    pivots: list[Node] = []
    for _ in range(size):
        chosen = _pivot(x, 0)
        row = _row(x, chosen)
        pivot = _first(row)
        pivots.append(pivot)
        turned = where(take_slices(chosen, (..., 0)), turned, -turned)
        swapped = where(expand_dims(chosen, -1), _slice_row(x, 0), x)
        # Below a pivot of 0 there are only zeros, so the factors are 0 for any divisor.
        divisor = where(equal(pivot, 0), 1, pivot)
        factors = take_slices(swapped, (..., slice(1, None), slice(0, 1))) / expand_dims(divisor, (-2, -1))
        across = expand_dims(take_slices(row, (..., slice(1, None))), -2)
        x = take_slices(swapped, (..., slice(1, None), slice(1, None))) - factors * across
    return pivots, turned


def inverse(x: Node) -> Node:
    """`np.linalg.inv`, as floats; NaN for a singular matrix."""
    return Inverse()(as_floats(x))


def det(x: Node) -> Node:
    """`np.linalg.det`, as floats."""
    return Determinant()(as_floats(x))


def logdet(x: Node) -> Node:
    """Ln |det x|, as floats."""
    return LogDeterminant()(as_floats(x))


def sign_of_det(x: Node) -> Node:
    """The sign of det x, as floats."""
    return SignDeterminant()(as_floats(x))


def check_system(a: Node, b: Node) -> None:
    """Raise ShapeError if b cannot be the right-hand side of a system with the matrix a."""
    if b.type.ndim == 0 or a.type.ndim < 2 or a.type.shape[-1] != b.type.shape[-2 if b.type.ndim > 1 else 0]:
        raise ShapeError(
            f"a system with the matrix of shape {shape_text(a.type.shape)} does not take a right-hand side of shape "
            f"{shape_text(b.type.shape)}"
        )


def solve(a: Node, b: Node) -> Node:
    """`np.linalg.solve`, as A⁻¹ b: b is a vector if it has one dimension, else a matrix of columns."""
    check_system(a, b)
    dtype = common_dtype([as_floats(a), as_floats(b)])
    return matmul(Inverse()(cast(a, dtype)), cast(b, dtype))
