"""The hyperbolic sine and cosine; the tangent is an activation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, final

from chainrule.ir import Node
from chainrule.primitives.emitter import Scalars
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


def _halves(emit: Scalars[S], size: S) -> tuple[S, S]:
    """Return ½eˣ and ½e⁻ˣ for x ≥ 0, computed from eˣ⁻¹, so that they do not overflow before their sum does."""
    power = emit.math("exp", emit.subtract(size, emit.constant_like(1, size)))
    above = emit.multiply(emit.constant_like(math.e / 2, size), power)
    return above, emit.divide(emit.constant_like(1 / (2 * math.e), size), power)
