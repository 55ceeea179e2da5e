"""The hyperbolic sine and cosine, and the inverses of all three; the tangent is an activation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, final

from chainrule.ir import Node
from chainrule.primitives.arithmetic import square
from chainrule.primitives.emitter import Scalars
from chainrule.primitives.exponentials import sqrt
from chainrule.primitives.ufunc import Ufunc

S = TypeVar("S")


@final
@dataclass(frozen=True, eq=False, repr=False)
class Sinh(Ufunc):
    """(eˣ − e⁻ˣ) / 2."""

    name: ClassVar[str] = "sinh"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (Cosh()(*operands),)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        zero, half, one = (emit.constant_like(number, x) for number in (0, 0.5, 1))
        size = emit.math("abs", x)
        less_one = emit.math("expm1", x)
        near = emit.multiply(half, emit.add(less_one, emit.divide(less_one, emit.add(less_one, one))))
        far = emit.subtract(*_halves(emit, size))
        far = emit.select(emit.compare("<", x, zero), emit.negate(far), far)
        return emit.select(emit.compare("<", size, one), near, far)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Cosh(Ufunc):
    """(eˣ + e⁻ˣ) / 2."""

    name: ClassVar[str] = "cosh"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (Sinh()(*operands),)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.add(*_halves(emit, emit.math("abs", operands[0])))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Arcsinh(Ufunc):
    """ln(x + √(x² + 1))."""

    name: ClassVar[str] = "arcsinh"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (1 / sqrt(square(operands[0]) + 1),)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        one, size = emit.constant_like(1, x), emit.math("abs", x)
        squared = emit.multiply(size, size)
        root = emit.math("sqrt", emit.add(squared, one))
        near = emit.math("log1p", emit.add(size, emit.divide(squared, emit.add(root, one))))
        return _signed(emit, emit.select(_is_far(emit, size), _log_of_double(emit, size), near), x)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Arccosh(Ufunc):
    """ln(x + √(x² − 1)) for x ≥ 1, else NaN."""

    name: ClassVar[str] = "arccosh"
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((1.2, 4.0),)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (1 / sqrt(square(operands[0]) - 1),)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        one, two = emit.constant_like(1, x), emit.constant_like(2, x)
        beyond = emit.subtract(x, one)
        root = emit.math("sqrt", emit.multiply(beyond, emit.add(beyond, two)))
        near = emit.math("log1p", emit.add(beyond, root))
        found = emit.select(_is_far(emit, x), _log_of_double(emit, x), near)
        return emit.select(emit.compare("<", x, one), emit.constant_like(math.nan, x), found)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Arctanh(Ufunc):
    """½ ln((1 + x) / (1 − x)) for |x| ≤ 1, else NaN."""

    name: ClassVar[str] = "arctanh"
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((-0.9, 0.9),)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (1 / (1 - square(operands[0])),)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        half, one, size = emit.constant_like(0.5, x), emit.constant_like(1, x), emit.math("abs", x)
        ratio = emit.divide(emit.add(size, size), emit.subtract(one, size))
        found = emit.multiply(half, emit.math("log1p", ratio))
        return _signed(emit, emit.select(emit.compare(">", size, one), emit.constant_like(math.nan, x), found), x)


def _is_far(emit: Scalars[S], x: S) -> S:
    """Whether 1 beside x² has no effect."""
    return emit.compare(">", x, emit.constant_like(1e9, x))


def _log_of_double(emit: Scalars[S], x: S) -> S:
    """Ln 2x."""
    return emit.add(emit.math("log", x), emit.constant_like(math.log(2), x))


def _signed(emit: Scalars[S], size: S, x: S) -> S:
    """A magnitude with the sign of `x`, and `x` where that is 0."""
    zero = emit.constant_like(0, x)
    not_above = emit.select(emit.compare("<", x, zero), emit.negate(size), x)
    return emit.select(emit.compare(">", x, zero), size, not_above)


def _halves(emit: Scalars[S], size: S) -> tuple[S, S]:
    """Return ½eˣ and ½e⁻ˣ for x ≥ 0, computed from eˣ⁻¹, so that they do not overflow before their sum does."""
    power = emit.math("exp", emit.subtract(size, emit.constant_like(1, size)))
    above = emit.multiply(emit.constant_like(math.e / 2, size), power)
    return above, emit.divide(emit.constant_like(1 / (2 * math.e), size), power)
