"""Floating-point values whose operators write instructions, so that a formula reads as mathematics.

No instruction here carries a fast-math flag: the functions depend on the order of operations. `multiply_add` rounds
once or twice, depending on the target; where an error must be known exactly, trailing zeros of a factor make the
product exact in either case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.engines.native.text import Function, Value, constant, element_type, width_of, with_element


@dataclass(frozen=True)
class Format:
    """A binary floating-point format of IEEE 754."""

    integer: str
    """The integer type of the same width."""
    mantissa_bits: int
    bias: int
    suffix: str
    """The suffix of intrinsics for it."""
    head_mask: int
    """Keeps the sign, the exponent and the upper half of the digits; products of two such numbers are exact."""

    @property
    def rounder(self) -> float:
        """1.5 · 2^mantissa_bits; adding it rounds to the nearest integer, which the lowest bits then hold."""
        return 1.5 * 2.0**self.mantissa_bits

    @property
    def epsilon(self) -> float:
        return 2.0**-self.mantissa_bits

    @property
    def smallest_normal(self) -> float:
        return 2.0 ** (1 - self.bias)


DOUBLE = Format("i64", 52, 1023, "f64", -(1 << 27))
SINGLE = Format("i32", 23, 127, "f32", -(1 << 12))


class Real:
    """A scalar or vector of float64 or float32."""

    def __init__(self, function: Function, value: Value) -> None:
        self.function, self.value = function, value

    @property
    def format(self) -> Format:
        return DOUBLE if element_type(self.value.type) == "double" else SINGLE

    @property
    def suffix(self) -> str:
        """The suffix of intrinsics for this type."""
        width = width_of(self.value.type)
        return f"v{width}{self.format.suffix}" if width else self.format.suffix

    def of(self, number: float) -> Real:
        """A literal of the same type."""
        return Real(self.function, constant(number, self.value.type))

    def _made(self, instruction: str) -> Real:
        return Real(self.function, self.function.let(self.value.type, instruction))

    def _other(self, other: Real | float) -> Real:
        return other if isinstance(other, Real) else self.of(other)

    def __add__(self, other: Real | float) -> Real:
        return self._made(f"fadd {self.value}, {self._other(other).value.text}")

    def __radd__(self, other: float) -> Real:
        return self.of(other) + self

    def __sub__(self, other: Real | float) -> Real:
        return self._made(f"fsub {self.value}, {self._other(other).value.text}")

    def __rsub__(self, other: float) -> Real:
        return self.of(other) - self

    def __mul__(self, other: Real | float) -> Real:
        return self._made(f"fmul {self.value}, {self._other(other).value.text}")

    __rmul__ = __mul__

    def __truediv__(self, other: Real | float) -> Real:
        return self._made(f"fdiv {self.value}, {self._other(other).value.text}")

    def __rtruediv__(self, other: float) -> Real:
        return self.of(other) / self

    def __neg__(self) -> Real:
        return self._made(f"fneg {self.value}")

    def __abs__(self) -> Real:
        return self.intrinsic("fabs")

    def sqrt(self) -> Real:
        """The square root."""
        return self.intrinsic("sqrt")

    def floor(self) -> Real:
        """The greatest whole number not above: the nearest one, or that before; from 2^mantissa_bits on all are whole.

        Not every target has the instruction, and nothing outside the module may be called.
        """
        limit = 2.0**self.format.mantissa_bits
        nearest = ((abs(self) + limit) - limit).copysign(self)
        below = nearest - self.of(1.0).where(nearest.compare("ogt", self), 0.0)
        return below.where(abs(self).compare("olt", limit), self)

    def intrinsic(self, name: str, *others: Real) -> Real:
        arguments = (self.value, *(other.value for other in others))
        type = self.value.type
        return Real(self.function, self.function.call(type, f"llvm.{name}.{self.suffix}", *arguments))

    def multiply_add(self, factor: Real | float, addend: Real | float) -> Real:
        """Return self · factor + addend, rounded once if the target supports it."""
        return self.intrinsic("fmuladd", self._other(factor), self._other(addend))

    def copysign(self, sign: Real) -> Real:
        """The magnitude of self with the sign of `sign`."""
        return self.intrinsic("copysign", sign)

    def compare(self, predicate: str, other: Real | float) -> Value:
        type = with_element(self.value.type, "i1")
        return self.function.let(type, f"fcmp {predicate} {self.value}, {self._other(other).value.text}")

    def where(self, condition: Value, otherwise: Real | float) -> Real:
        """Return self if `condition`, else `otherwise`."""
        return self._made(f"select {condition}, {self.value}, {self._other(otherwise).value}")

    def at_least(self, bound: float) -> Real:
        """The maximum; NaN propagates."""
        return self.of(bound).where(self.compare("olt", bound), self)

    def at_most(self, bound: float) -> Real:
        """The minimum; NaN propagates."""
        return self.of(bound).where(self.compare("ogt", bound), self)

    def to(self, element: str) -> Real:
        """Convert to float64 (`double`) or float32 (`float`)."""
        type = with_element(self.value.type, element)
        if type == self.value.type:
            return self
        name = "fpext" if element == "double" else "fptrunc"
        return Real(self.function, self.function.let(type, f"{name} {self.value} to {type}"))

    def bits(self) -> Value:
        type = with_element(self.value.type, self.format.integer)
        return self.function.let(type, f"bitcast {self.value} to {type}")

    def from_bits(self, bits: Value) -> Real:
        return self._made(f"bitcast {bits} to {self.value.type}")

    def integer(self, operation: str, left: Value, right: Value | int) -> Value:
        """Emit an integer instruction, or one on conditions."""
        other = constant(right, left.type) if isinstance(right, int) else right
        return self.function.let(left.type, f"{operation} {left}, {other.text}")

    def is_zero(self, bits: Value) -> Value:
        """The condition that an integer is 0."""
        return self.function.let(with_element(bits.type, "i1"), f"icmp eq {bits}, {constant(0, bits.type).text}")

    def head(self) -> Real:
        """The upper half of the digits; self − head is exact, and so are products of heads, and of head and rest."""
        return self.from_bits(self.integer("and", self.bits(), self.format.head_mask))

    def power_of_two(self, exponent: Value) -> Real:
        """2ᵏ, if the lowest bits of `exponent` hold k and 2ᵏ is a normal number."""
        form = self.format
        shifted = self.integer("shl", exponent, form.mantissa_bits)
        return self.from_bits(self.integer("add", shifted, form.bias << form.mantissa_bits))


def estrin(x: Real, coefficients: Sequence[Real | float]) -> Real:
    """c₀ + c₁x + c₂x² + …, by Estrin's scheme: halves at a time, for a short chain of dependent operations."""
    terms = [c if isinstance(c, Real) else x.of(c) for c in coefficients]
    power = x
    while len(terms) > 1:
        paired = [power.multiply_add(terms[k + 1], terms[k]) for k in range(0, len(terms) - 1, 2)]
        if len(terms) % 2:
            paired.append(terms[-1])
        terms = paired
        if len(terms) > 1:
            power = power * power
    return terms[0]


def fast_two_sum(large: Real, small: Real) -> tuple[Real, Real]:
    """(s, e) with s = large + small rounded and s + e exact, where |large| ≥ |small| or large is 0 (Dekker, 1971)."""
    total = large + small
    return total, (large - total) + small
