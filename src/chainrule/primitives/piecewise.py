"""Functions with a kink or a step: absolute value, sign, maximum, minimum, clip.

At a kink the derivative is the mean of the one-sided derivatives, as in autograd and JAX: 0 for |x| at 0, and half for
each operand of a maximum if both are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, final

from chainrule.ir import ArrayType, Node, Operand, named_dim
from chainrule.primitives.base import Example
from chainrule.primitives.comparison import equal, greater, indicator, less
from chainrule.primitives.emitter import Scalars
from chainrule.primitives.notation import Call, Notation
from chainrule.primitives.replication import as_floats
from chainrule.primitives.ufunc import Ufunc

S = TypeVar("S")

_OPERAND = ArrayType((named_dim("n"), named_dim("m")))


class _TwoSided(Ufunc, abstract=True):
    """A function of one operand with a kink at 0."""

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls(), (_OPERAND,), (side,)) for side in ((0.2, 3.0), (-3.0, -0.2))]


@final
@dataclass(frozen=True, eq=False, repr=False)
class Abs(_TwoSided):
    """|x|."""

    name: ClassVar[str] = "absolute"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (sign(x),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("abs", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.math("abs", operands[0])


@final
@dataclass(frozen=True, eq=False, repr=False)
class Sign(_TwoSided):
    """−1, 0 or 1; NaN propagates. The derivative is zero."""

    name: ClassVar[str] = "sign"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (None,)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        zero = emit.constant_like(0, x)
        negative = emit.select(emit.compare("<", x, zero), emit.constant_like(-1, x), x)
        nonzero = emit.select(emit.compare(">", x, zero), emit.constant_like(1, x), negative)
        return emit.select(emit.compare("==", x, zero), zero, nonzero)


class _Extremum(Ufunc, abstract=True):
    """The maximum or minimum of two operands; the examples keep them apart."""

    arity: ClassVar[int] = 2

    @classmethod
    def examples(cls) -> Sequence[Example]:
        low, high = (-3.0, 0.9), (1.1, 3.0)
        return [Example(cls(), (_OPERAND, _OPERAND), domain) for domain in ((low, high), (high, low))]


@final
@dataclass(frozen=True, eq=False, repr=False)
class Maximum(_Extremum):
    """The larger of x and y; NaN if either is NaN."""

    name: ClassVar[str] = "maximum"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        x, y = operands
        tie = 0.5 * indicator(equal(x, y), x)
        return indicator(greater(x, y), x) + tie, indicator(greater(y, x), x) + tie

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("max", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        x, y = operands
        taken = emit.logical_or(emit.compare(">", x, y), emit.compare("!=", x, x))  # only NaN differs from itself
        return emit.select(taken, x, y)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Minimum(_Extremum):
    """The smaller of x and y; NaN if either is NaN."""

    name: ClassVar[str] = "minimum"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        x, y = operands
        tie = 0.5 * indicator(equal(x, y), x)
        return indicator(less(x, y), x) + tie, indicator(less(y, x), x) + tie

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        match operands[0]:
            case Call("max", (x, low)):
                return Call("clip", (x, low, operands[1]))
        return Call("min", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        x, y = operands
        taken = emit.logical_or(emit.compare("<", x, y), emit.compare("!=", x, x))  # only NaN differs from itself
        return emit.select(taken, x, y)


def abs_(x: Node) -> Node:
    """`np.abs`, as floats."""
    return Abs.of(x)


def sign(x: Node) -> Node:
    """`np.sign`, as floats."""
    return Sign.of(x)


def maximum(x: Operand, y: Operand) -> Node:
    """`np.maximum`, broadcast, as floats."""
    return Maximum.of(x, y)


def minimum(x: Operand, y: Operand) -> Node:
    """`np.minimum`, broadcast, as floats."""
    return Minimum.of(x, y)


def clip(x: Operand, low: Operand | None = None, high: Operand | None = None) -> Node:
    """`np.clip`: at least `low`, then at most `high`; None means no bound."""
    if low is not None:
        x = maximum(x, low)
    if high is not None:
        x = minimum(x, high)
    return as_floats(x)
