"""The exponential of square matrices on the last two axes, and its derivatives; leading axes are batch axes."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from chainrule.ir import ArrayType, Node, ShapeError, named_dim
from chainrule.primitives.base import Array, Composite, Example, LinearComposite, NeverExpandableError, zeros
from chainrule.primitives.diagonal import square_type
from chainrule.primitives.linear_algebra import by_matrix
from chainrule.primitives.notation import Call, Notation
from chainrule.primitives.replication import as_floats
from chainrule.primitives.slicing import concatenate
from chainrule.primitives.spectral import turned
from chainrule.primitives.subscripts import take_slices

_PADE: tuple[int, ...] = tuple(
    math.factorial(26 - k) // (math.factorial(k) * math.factorial(13 - k)) for k in range(14)
)
"""The coefficients of the numerator of the Padé approximant of order 13, up to a common factor."""

_LARGEST = 5.371920351148152
"""The 1-norm up to which the approximant has the accuracy of float64 (Higham 2005, table 2.3)."""


def exponential(matrix: Array) -> Array:
    """Return eᴬ by scaling and squaring (Higham 2005)."""
    x = matrix.astype(np.float64)
    size = float(np.abs(x).sum(axis=0).max(initial=0))
    halvings = max(0, math.ceil(math.log2(size / _LARGEST))) if size > 0 else 0
    x = x / 2.0**halvings
    unit = np.eye(len(x))
    powers = [unit, x]
    for _ in range(12):
        powers.append(powers[-1] @ x)
    scale = float(_PADE[0])
    odd = sum((_PADE[k] / scale * powers[k] for k in range(1, 14, 2)), np.zeros_like(x))
    even = sum((_PADE[k] / scale * powers[k] for k in range(0, 14, 2)), np.zeros_like(x))
    found = np.linalg.solve(even - odd, even + odd)
    for _ in range(halvings):
        found = found @ found
    return np.asarray(found, matrix.dtype)


@final
@dataclass(frozen=True, eq=False, repr=False)
class MatrixExponential(Composite):
    """eᴬ = Σ Aᵏ / k!; its differential is the Fréchet derivative L(A, dA)."""

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [Example(cls(), (ArrayType(shape),), ((-1.0, 1.0),)) for shape in ((n, n), (2, m, n, n))]

    def type(self, *operands: ArrayType) -> ArrayType:
        return square_type("the matrix exponential", operands)

    def value(self, *operands: Array) -> Array:
        return by_matrix(exponential, operands[0], math.nan, operands[0].shape[-2:])

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("expm", tuple(operands))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None if tangents[0] is None else ExponentialDerivative()(operands[0], tangents[0])

    def expand(self, *operands: Node) -> Node:
        raise NeverExpandableError(
            "a matrix exponential takes a number of steps that depends on its values, and is not written out"
        )


@final
@dataclass(frozen=True, eq=False, repr=False)
class ExponentialDerivative(LinearComposite):
    """The Fréchet derivative L(A, E, …) of eᴬ in each direction E, as often as there are directions.

    It is linear and symmetric in the directions, and its transpose in one of them is the same with transposed matrices.
    It is a block of the exponential of [[A, E], [0, A]] (Higham 2008, equation 3.16; Higham and Relton 2014).
    """

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        types = ArrayType((n, n)), ArrayType((2, m, n, n))
        bounds = ((-1.0, 1.0),) * 3
        return [Example(cls(), (type_,) * count, bounds[:count]) for type_, count in zip(types, (3, 2), strict=True)]

    def type(self, *operands: ArrayType) -> ArrayType:
        found = square_type("the matrix exponential", operands[:1])
        if len(operands) < 2 or any(operand != found for operand in operands):
            raise ShapeError("the derivative of a matrix exponential takes directions of the type of the matrix")
        return found

    def value(self, *operands: Array) -> Array:
        size = operands[0].shape[-1]

        def block(*matrices: Array) -> Array:
            whole = matrices[0]
            for direction in matrices[1:]:
                copies = len(whole) // size if size else 0
                ahead = np.kron(np.eye(copies), direction) if size else whole
                whole = np.block([[whole, ahead], [np.zeros_like(whole), whole]])
            return exponential(whole)[:size, len(whole) - size :]

        found = np.full(operands[0].shape, math.nan, operands[0].dtype)
        for place in np.ndindex(*found.shape[:-2]):
            matrices = [operand[place] for operand in operands]
            if all(np.all(np.isfinite(matrix)) for matrix in matrices):
                found[place] = block(*matrices)
        return found

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("dexpm", tuple(operands))

    def linear_operands(self, count: int) -> Sequence[int]:
        return range(1, count)

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return self(*(cotangent if k == operand else turned(each) for k, each in enumerate(operands)))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        terms: list[Node] = []
        for k, tangent in enumerate(tangents):
            if tangent is not None:
                terms.append(self(*operands[:k], tangent, *operands[k + 1 :]) if k else self(*operands, tangent))
        return functools.reduce(lambda x, y: x + y, terms) if terms else None

    def expand(self, *operands: Node) -> Node:
        whole, size = operands[0], operands[0].type.shape[-1]
        zero = zeros(operands[0].type)
        for k, direction in enumerate(operands[1:]):
            copies = 2**k
            rows = [
                concatenate([direction if row == column else zero for column in range(copies)], -1)
                for row in range(copies)
            ]
            ahead = concatenate(rows, -2)
            below = concatenate([zeros(whole.type), whole], -1)
            whole = concatenate([concatenate([whole, ahead], -1), below], -2)
        found = MatrixExponential()(whole)
        return take_slices(found, (..., slice(None, size), slice(whole.type.shape[-1] - size, None)))


def matrix_exponential(x: Node) -> Node:
    """`scipy.linalg.expm`, as floats."""
    return MatrixExponential()(as_floats(x))
