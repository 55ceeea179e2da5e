"""The cardinal sine sin(πx) / (πx) and its derivatives, which are smooth at 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, Node, ProgramError, named_dim
from chainrule.primitives.base import Array, Elementwise, Example
from chainrule.primitives.emitter import Scalars
from chainrule.primitives.notation import Call, Notation
from chainrule.primitives.ufunc import Ufunc

S = TypeVar("S")

_PRECISION = 1e-18


@final
@dataclass(frozen=True, eq=False, repr=False)
class Sinc(Ufunc):
    """sin(πx) / (πx), and 1 at 0."""

    name: ClassVar[str] = "sinc"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (SincDerivative(1)(*operands),)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        angle = emit.multiply(emit.constant_like(math.pi, operands[0]), operands[0])
        zero, one = emit.constant_like(0, angle), emit.constant_like(1, angle)
        at_zero = emit.compare("==", angle, zero)
        away = emit.select(at_zero, one, angle)
        return emit.select(at_zero, one, emit.divide(emit.math("sin", angle), away))


@final
@dataclass(frozen=True)
class SincDerivative(Elementwise):
    """The derivative of `sinc`, of the given order.

    With u = πx and f = sin(u)/u, it is πᵏ f⁽ᵏ⁾(u). From u f = sin u follows u f⁽ᵏ⁾ + k f⁽ᵏ⁻¹⁾ = sin(u + kπ/2), which
    loses no digits for |u| > k + 1; below, the power series is summed.
    """

    order: int

    @classmethod
    def examples(cls) -> Sequence[Example]:
        operand = ArrayType((named_dim("n"), named_dim("m")))
        return [Example(cls(order), (operand,), ((-3.0, 3.0),)) for order in (1, 2)]

    def type(self, *operands: ArrayType) -> ArrayType:
        if self.order < 1:
            raise ProgramError(f"a derivative has an order of at least 1, not {self.order}")
        return super().type(*operands)

    @property
    def coefficients(self) -> tuple[float, ...]:
        """Those of the power series of πᵏ f⁽ᵏ⁾: in u², of f⁽ᵏ⁾ for even k, of f⁽ᵏ⁾/u for odd k, lowest first."""
        found: list[float] = []
        for j in range((self.order + 1) // 2, 40 + self.order):
            power = 2 * j - self.order
            coefficient = (-1) ** j / ((2 * j + 1) * math.factorial(power))
            found.append(math.pi**self.order * coefficient)
            if abs(coefficient) * (self.order + 1.0) ** power < _PRECISION:
                break
        return tuple(found)

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        with np.errstate(all="ignore"):
            angle = x * x.dtype.type(math.pi)
            near = np.abs(angle) < self.order + 1
            inside, outside = np.where(near, angle, 0), np.where(near, 1, angle)
            series = np.polynomial.polynomial.polyval(inside * inside, self.coefficients)
            away = np.sin(outside) / outside
            for k in range(1, self.order + 1):
                away = (_shifted(k) * (np.cos if k % 2 else np.sin)(outside) - k * away) / outside
            found = np.where(near, series * inside if self.order % 2 else series, math.pi**self.order * away)
        return found.astype(x.dtype)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("sinc", tuple(operands), primes=self.order)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (SincDerivative(self.order + 1)(*operands),)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        angle = emit.multiply(emit.constant_like(math.pi, x), x)
        near = emit.compare("<", emit.math("abs", angle), emit.constant_like(self.order + 1, x))
        inside = emit.select(near, angle, emit.constant_like(0, x))
        outside = emit.select(near, emit.constant_like(1, x), angle)
        *lower, highest = self.coefficients
        squared = emit.multiply(inside, inside)
        series = emit.constant_like(highest, x)
        for coefficient in reversed(lower):
            series = emit.add(emit.multiply(series, squared), emit.constant_like(coefficient, x))
        if self.order % 2:
            series = emit.multiply(series, inside)
        sine, cosine = emit.math("sin", outside), emit.math("cos", outside)
        away = emit.divide(sine, outside)
        for k in range(1, self.order + 1):
            wave = cosine if k % 2 else sine
            wave = wave if _shifted(k) > 0 else emit.negate(wave)
            away = emit.divide(emit.subtract(wave, emit.multiply(emit.constant_like(k, x), away)), outside)
        return emit.select(near, series, emit.multiply(emit.constant_like(math.pi**self.order, x), away))


def _shifted(order: int) -> int:
    """The sign of the cosine (of odd orders) or sine that sin(u + order · π/2) is."""
    return 1 if order % 4 in (0, 1) else -1
