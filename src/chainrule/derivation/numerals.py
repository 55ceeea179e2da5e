"""Numbers in digits, in ordinary notation."""

from __future__ import annotations

import math

import numpy as np

from chainrule.primitives import Decimal, Number

SUPERSCRIPTS = str.maketrans("0123456789−-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")
_ZEROS = 6
"""The number of zeros at the end of a number from which it is written with a power of ten: 10⁹."""
VULGAR_FRACTIONS = {0.5: "½", 0.25: "¼", 0.75: "¾"}


def decimal(value: float) -> tuple[str, int | None]:
    """Return the digits of a nonnegative number, and the power of ten that multiplies it, or None."""
    if value in VULGAR_FRACTIONS:
        return VULGAR_FRACTIONS[value], None
    if not math.isfinite(value):
        return ("NaN" if math.isnan(value) else "∞"), None
    if isinstance(value, float) and value.is_integer() and value < 1e15:
        digits = str(int(value))
        first, others = digits[0], digits[1:].rstrip("0")
        if len(digits) - 1 - len(others) < _ZEROS:
            return digits, None
        return first + "." * bool(others) + others, len(digits) - 1
    mantissa, _, exponent = repr(value).partition("e")
    return mantissa, int(exponent) if exponent else None


def digits_of(number: Number) -> tuple[str, int | None]:
    """Return the digits of a nonnegative number as it is written, and the power of ten that multiplies it, or None."""
    value = number.value
    if not isinstance(number, Decimal):
        return decimal(value)
    if not math.isfinite(value):
        return decimal(value)
    if value == 0 or 1e-4 <= value < 1e6:
        places = max(number.digits - 1 - math.floor(math.log10(value)), 0) if number.digits else None
        return (np.format_float_positional(value, trim="-") if places is None else f"{value:.{places}f}"), None
    written = f"{value:.{number.digits - 1}e}" if number.digits else np.format_float_scientific(value, trim="-")
    mantissa, _, exponent = written.partition("e")
    return mantissa, int(exponent)


def numeral(number: Number) -> str:
    """Return a literal or a decimal in ordinary notation: `½` or `0.5`, `10⁻⁵` for 0.00001."""
    if not isinstance(number, Decimal):
        return number_text(number.value)
    if number.value < 0:
        return "−" + numeral(Decimal(-number.value, number.digits))
    return _scaled(*digits_of(number))


def number_text(value: float | int | bool) -> str:
    """Return a literal in ordinary notation: `½`, `2` for 2.0, `10⁻⁵` for 0.00001, `10⁹` for 1e9."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value < 0:
        return "−" + number_text(-value)
    return _scaled(*decimal(value))


def _scaled(mantissa: str, exponent: int | None) -> str:
    if exponent is None:
        return mantissa
    scale = "10" + str(exponent).translate(SUPERSCRIPTS)
    return scale if mantissa == "1" else f"{mantissa}·{scale}"
