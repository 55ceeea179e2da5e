"""Numbers in digits, in ordinary notation."""

from __future__ import annotations

SUPERSCRIPTS = str.maketrans("0123456789−-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")
VULGAR_FRACTIONS = {0.5: "½", 0.25: "¼", 0.75: "¾"}


def decimal(value: float) -> tuple[str, int | None]:
    """Return the digits of a nonnegative number, and the power of ten that multiplies it, or None."""
    if value in VULGAR_FRACTIONS:
        return VULGAR_FRACTIONS[value], None
    if value == float("inf"):
        return "∞", None
    if isinstance(value, float) and value.is_integer() and value < 1e15:
        return str(int(value)), None
    mantissa, _, exponent = repr(value).partition("e")
    return mantissa, int(exponent) if exponent else None


def number_text(value: float | int | bool) -> str:
    """Return a literal in ordinary notation: `½`, `2` for 2.0, `10⁻⁵` for 0.00001."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value < 0:
        return "−" + number_text(-value)
    mantissa, exponent = decimal(value)
    if exponent is None:
        return mantissa
    scale = "10" + str(exponent).translate(SUPERSCRIPTS)
    return scale if mantissa == "1" else f"{mantissa}·{scale}"
