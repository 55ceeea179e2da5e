"""Notation of numbers in closed form: √2, ⅓, 10⁻⁵, 1/√(2π)."""

from __future__ import annotations

import math
from fractions import Fraction as Fractional

import numpy as np

from chainrule.derivation.index_notation import size_notation
from chainrule.ir import Const, SymbolicDim
from chainrule.primitives import Call, Fraction, Infix, Notation, Number, PowerNotation, Prefix, Symbol

PI = Symbol("π")
_LARGEST_SHARE = 360
"""The largest product of the two numbers of a multiple of π."""
_LARGEST_DENOMINATOR = 1000
"""Fractions of whole numbers up to this one are told apart in the digits that a float has."""


def literal(node: Const) -> Notation:
    """Return a number or a size; √2 and 1/√8 for numbers that equal them."""
    if isinstance(node.value, SymbolicDim):
        return size_notation(node.value)
    if isinstance(node.value, float):
        found = _closed(abs(node.value))
        if found is None:
            return Number(node.value)
        return Prefix("−", found) if node.value < 0 else found
    assert not isinstance(node.value, np.ndarray)
    return Number(node.value)


def _closed(number: float) -> Notation | None:
    return root_of(number) or ratio_of(number) or _constant(number) or _power_of_ten(number)


def _power_of_ten(number: float) -> Notation | None:
    """Return 10⁻⁵ for 0.00001, as in the epsilon of a variance; None for other numbers."""
    exponent = round(math.log10(number)) if 0 < number < 1e-3 else 0
    return PowerNotation(Number(10), Number(exponent)) if exponent and number == float(f"1e{exponent}") else None


def ratio_of(number: float) -> Notation | None:
    """Return a fraction of whole numbers that equals `number` to the last digit, unless its decimals end soon."""
    nearest = Fractional(number).limit_denominator(_LARGEST_DENOMINATOR) if math.isfinite(number) else Fractional(0)
    if len(repr(number)) < 8 or not 0 < nearest < 100 or nearest.numerator / nearest.denominator != number:
        return None
    return Fraction(Number(nearest.numerator), Number(nearest.denominator))


def root_of(number: float) -> Notation | None:
    """Return √k or 1/√k for a nonsquare whole k up to 4096, if it equals `number` to the last digits."""
    if not 1 / 64 < number < 65:
        return None
    for power, make in ((number**2, _root), (number**-2, lambda k: Fraction(Number(1), _root(k)))):
        k = round(power) if 1 < power <= 4096 else 0
        if k and abs(power - k) <= 1e-14 * k and math.isqrt(k) ** 2 != k:
            return make(k)
    return None


def _root(k: int) -> Notation:
    return Call("sqrt", (Number(k),))


def _constant(number: float) -> Notation | None:
    """Return 1/√(2π) or a similar constant, if it equals `number` to the last digits."""
    pi, two = PI, Number(2)
    twice = Infix("·", (two, pi))
    known: list[tuple[float, Notation]] = [
        (math.pi, pi),
        (2 * math.pi, twice),
        (math.sqrt(2 * math.pi), Call("sqrt", (twice,))),
        (1 / math.sqrt(2 * math.pi), Fraction(Number(1), Call("sqrt", (twice,)))),
        (2 / math.sqrt(math.pi), Fraction(two, Call("sqrt", (pi,)))),
        (math.sqrt(2 / math.pi), Call("sqrt", (Fraction(two, pi),))),
        (math.log(2), Call("ln", (two,))),
        (1 / math.log(2), Fraction(Number(1), Call("ln", (two,)))),
        (math.log(10), Call("ln", (Number(10),))),
        (1 / math.log(10), Fraction(Number(1), Call("ln", (Number(10),)))),
        (math.log(2 * math.pi), Call("ln", (twice,))),
        (math.log(2 * math.pi) / 2, Infix("·", (Number(0.5), Call("ln", (twice,))))),
        (math.log(math.pi), Call("ln", (pi,))),
        (math.log(math.pi) / 2, Infix("·", (Number(0.5), Call("ln", (pi,))))),
    ]
    found = next((written for value, written in known if abs(number - value) <= 4e-16 * value), None)
    return found or _multiple_of_pi(number)


def _multiple_of_pi(number: float) -> Notation | None:
    """Return 4 π / 3, π / 180, 1 / (4 π), π² or 1 / √π, if it equals `number` to the last digits."""
    if not math.isfinite(number):
        return None
    for power in (1, -1, 2, -2, 0.5, -0.5):
        ratio = number / math.pi**power
        if ratio > 2 * _LARGEST_SHARE:
            continue
        share = Fractional(ratio).limit_denominator(_LARGEST_SHARE)
        above, below = share.numerator, share.denominator
        if not (above and (power > 0 or below == 1 or above == 1)) or above * below > _LARGEST_SHARE:
            continue
        if abs(number - share * math.pi**power) <= 4e-16 * number:
            numerator, denominator = _times_pi(above, max(power, 0)), _times_pi(below, max(-power, 0))
            return numerator if denominator == Number(1) else Fraction(numerator, denominator)
    return None


def _times_pi(number: int, power: float) -> Notation:
    if not power:
        return Number(number)
    raised = PI if power == 1 else Call("sqrt", (PI,)) if power == 0.5 else PowerNotation(PI, Number(2))
    return raised if number == 1 else Infix("·", (Number(number), raised))
