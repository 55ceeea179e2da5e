"""The protocol by which a primitive defines how one element of its result is computed.

A back end implements `Emitter` for its own scalars `S` and index values `I`: LLVM registers, C expressions, lanes of an
unrolled program, or symbols of a derivation in index form. Primitives do not depend on the back end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias, TypeVar

from chainrule.ir import Dim, DType

S = TypeVar("S")
I = TypeVar("I")

MathFunction: TypeAlias = Literal[
    "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh", "sigmoid", "softplus", "erf", "erfc", "abs", "floor",
    "fmod", "power",
]  # fmt: skip
IntegerOperation: TypeAlias = Literal[
    "add", "subtract", "multiply", "floor_divide", "remainder", "maximum", "minimum", "and", "or", "xor"
]
Comparison: TypeAlias = Literal["<", "<=", ">", ">=", "==", "!="]
ReductionKind: TypeAlias = Literal["sum", "max", "min"]

Accessor: TypeAlias = Callable[[Sequence[I]], S]
"""Returns the element of an operand at an index, which has one entry per axis."""


class Scalars(Protocol[S]):
    """Scalar arithmetic of a back end, which suffices for elementwise rules.

    Comparisons follow NumPy on NaN: a NaN operand gives False.
    """

    def constant_like(self, value: float, x: S) -> S:
        """Return the literal `value` in the dtype of the scalar `x`."""
        ...

    def add(self, x: S, y: S) -> S: ...
    def subtract(self, x: S, y: S) -> S: ...
    def multiply(self, x: S, y: S) -> S: ...
    def divide(self, x: S, y: S) -> S: ...
    def negate(self, x: S) -> S: ...
    def math(self, function: MathFunction, *x: S) -> S: ...
    def compare(self, comparison: Comparison, x: S, y: S) -> S: ...
    def logical_and(self, x: S, y: S) -> S: ...
    def logical_or(self, x: S, y: S) -> S: ...
    def logical_not(self, x: S) -> S: ...
    def integer(self, operation: IntegerOperation, x: S, y: S) -> S:
        """Combine two int64 scalars; sums overflow around, and quotient and remainder of a division by 0 are 0."""
        ...

    def select(self, condition: S, x: S | Callable[[], S], y: S | Callable[[], S]) -> S:
        """Return `x` if `condition`, else `y`. A branch given as a callable may load only if it is taken."""
        ...


class Emitter(Scalars[S], Protocol[S, I]):
    """Scalar arithmetic, index arithmetic and reductions of a back end.

    `max` and `min` reductions follow NumPy on NaN: a NaN operand gives NaN.
    """

    def constant(self, value: float, dtype: DType) -> S: ...
    def convert(self, x: S, dtype: DType) -> S: ...
    def random_uniform(self, seed: S, stream: S, step: S, place: S, dtype: DType) -> S:
        """Return a float in [0, 1) from the leading bits of a word determined by four int64 scalars.

        The word is the first that Threefry-2x64-20 gives for the counter (step, place) under the key (seed, stream).
        """
        ...

    def index(self, value: Dim) -> I: ...
    def index_add(self, i: I, j: I) -> I: ...
    def index_multiply(self, i: I, j: I) -> I: ...
    def index_divide(self, i: I, j: I) -> I:
        """Floor division of non-negative indices."""
        ...

    def index_remainder(self, i: I, j: I) -> I: ...
    def index_compare(self, comparison: Comparison, i: I, j: I) -> S: ...
    def index_of(self, x: S) -> I:
        """Convert an integer scalar to an index."""
        ...

    def scalar_of(self, i: I) -> S:
        """Convert an index to an int64 scalar."""
        ...

    def reduce(self, kind: ReductionKind, extents: Sequence[Dim], body: Callable[[Sequence[I]], S]) -> S:
        """Reduce `body` by a sum (or maximum, …) over all indices below `extents`, in row-major order."""
        ...
