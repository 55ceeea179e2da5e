"""Sine, cosine and tangent, and their inverses: arcsine, arccosine, and the arctangent of one and of two arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, final

from chainrule.ir import Node
from chainrule.primitives.arithmetic import negate, square
from chainrule.primitives.emitter import Scalars
from chainrule.primitives.exponentials import sqrt
from chainrule.primitives.replication import as_floats
from chainrule.primitives.ufunc import Ufunc

S = TypeVar("S")

_ARCTAN_SERIES = (
    -0.3333333333333333,
    0.1999999999999552,
    -0.14285714284666542,
    0.11111111015256361,
    -0.09090904578123903,
    0.07692183190826087,
    -0.06664511447381948,
    0.0585814891280221,
    -0.0508544973794026,
    0.03923165829558719,
    -0.01917688711906226,
)
"""Q with arctan x = x + x³ Q(x²), within 2⁻⁵⁶ up to tan π/8; it interpolates at Chebyshev points of x²."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Sin(Ufunc):
    """sin x, x in radians."""

    name: ClassVar[str] = "sin"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (cos(x),)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Cos(Ufunc):
    """cos x, x in radians."""

    name: ClassVar[str] = "cos"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (negate(sin(x)),)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Tan(Ufunc):
    """tan x = sin x / cos x, x in radians."""

    name: ClassVar[str] = "tan"
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((-1.2, 1.2),)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (1 + square(result),)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        return emit.divide(emit.math("sin", x), emit.math("cos", x))


class _OfSine(Ufunc, abstract=True):
    """An inverse on [−1, 1]; beyond, it is NaN."""

    domain: ClassVar[tuple[tuple[float, float], ...]] = ((-0.9, 0.9),)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Arcsin(_OfSine):
    """The angle between −π/2 and π/2 whose sine is x."""

    name: ClassVar[str] = "arcsin"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (1 / sqrt(1 - square(operands[0])),)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        return Arctan2().lower(emit, x, _other_leg(emit, x))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Arccos(_OfSine):
    """The angle between 0 and π whose cosine is x."""

    name: ClassVar[str] = "arccos"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (-1 / sqrt(1 - square(operands[0])),)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        return Arctan2().lower(emit, _other_leg(emit, x), x)


def _other_leg(emit: Scalars[S], x: S) -> S:
    """√(1 − x²), of factors that are exact where it is small."""
    one = emit.constant_like(1, x)
    return emit.math("sqrt", emit.multiply(emit.subtract(one, x), emit.add(one, x)))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Arctan(Ufunc):
    """The angle between −π/2 and π/2 whose tangent is x."""

    name: ClassVar[str] = "arctan"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (1 / (1 + square(x)),)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        zero, one = emit.constant_like(0, x), emit.constant_like(1, x)
        size = emit.math("abs", x)
        steep = emit.compare(">", size, one)
        angle = _arctan_up_to_one(emit, emit.select(steep, emit.divide(one, size), size))
        angle = emit.select(steep, emit.subtract(emit.constant_like(math.pi / 2, x), angle), angle)
        not_above = emit.select(emit.compare("<", x, zero), emit.negate(angle), x)  # preserves the sign of zero
        return emit.select(emit.compare(">", x, zero), angle, not_above)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Arctan2(Ufunc):
    """The angle of the point (x, y), with y first, between −π and π; not differentiable at the origin."""

    name: ClassVar[str] = "arctan2"
    arity: ClassVar[int] = 2
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((-3.0, 3.0), (0.2, 3.0))

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        y, x = operands
        squares = square(x) + square(y)
        return x / squares, negate(y / squares)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        y, x = operands
        zero, one = emit.constant_like(0, x), emit.constant_like(1, x)
        height, width = emit.math("abs", y), emit.math("abs", x)
        steep = emit.compare(">", height, width)
        low, high = emit.select(steep, width, height), emit.select(steep, height, width)
        # The quotient of two zeros, or of two infinities, is NaN.
        equal = emit.select(emit.compare("==", high, zero), zero, one)
        ratio = emit.select(emit.compare("==", low, high), equal, emit.divide(low, high))
        angle = _arctan_up_to_one(emit, ratio)
        angle = emit.select(steep, emit.subtract(emit.constant_like(math.pi / 2, x), angle), angle)
        angle = emit.select(_is_signed(emit, x), emit.subtract(emit.constant_like(math.pi, x), angle), angle)
        return emit.select(_is_signed(emit, y), emit.negate(angle), angle)


def _is_signed(emit: Scalars[S], x: S) -> S:
    """Whether the sign bit of `x` is set, also for −0."""
    zero = emit.constant_like(0, x)
    below = emit.compare("<", emit.divide(emit.constant_like(1, x), x), zero)
    return emit.logical_or(emit.compare("<", x, zero), below)


def _arctan_up_to_one(emit: Scalars[S], x: S) -> S:
    """The arctangent from 0 to 1: beyond tan π/8 that of (x − 1) / (x + 1), plus π/4."""
    one = emit.constant_like(1, x)
    far = emit.compare(">", x, emit.constant_like(math.tan(math.pi / 8), x))
    near = emit.select(far, emit.divide(emit.subtract(x, one), emit.add(x, one)), x)
    square = emit.multiply(near, near)
    series = emit.constant_like(_ARCTAN_SERIES[-1], x)
    for coefficient in reversed(_ARCTAN_SERIES[:-1]):
        series = emit.add(emit.multiply(series, square), emit.constant_like(coefficient, x))
    angle = emit.add(near, emit.multiply(emit.multiply(near, square), series))
    return emit.select(far, emit.add(emit.constant_like(math.pi / 4, x), angle), angle)


def sin(x: Node) -> Node:
    """`sin x`."""
    return Sin()(as_floats(x))


def cos(x: Node) -> Node:
    """`cos x`."""
    return Cos()(as_floats(x))
