"""exp, expm1, tanh and sigmoid.

With k the integer nearest to x / ln 2 and r = x − k ln 2, eˣ = 2ᵏ (1 + s), where s = eʳ − 1 = r + r² q(r). Adding the 1
(or 2ᵏ ± 1, which is exact) last keeps s, and its rounding errors, small relative to it.

The coefficients of q minimise the greatest error of r² q relative to eʳ over |r| ≤ ½ ln 2 (Remez exchange on 600
Chebyshev points, 200 bits), then rounded; it is 2⁻⁵⁸ for float64 and 2⁻²⁸ for float32.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.engines.native.math.real import DOUBLE, Format, Real, estrin, fast_two_sum
from chainrule.engines.native.text import Value


@dataclass(frozen=True)
class Constants:
    """The constants of the exponential in one format."""

    log2_e: float
    ln2_high: float
    """ln 2 rounded to so few digits that its product with any k is exact."""
    ln2_low: float
    lowest: float
    """eˣ rounds to 0 from here down."""
    highest: float
    """eˣ overflows from here up."""
    flat: float
    """1 − e⁻ˣ rounds to 1 from here up."""
    quotient: tuple[float, ...]
    """(eʳ − 1 − r) / r²."""
    cubic: tuple[float, ...]
    """(eʳ − 1 − r − r²/2) / r³, one coefficient more exact."""


_DOUBLE = Constants(
    log2_e=1.4426950408889634,
    ln2_high=float.fromhex("0x1.62e42fefa3800p-1"),
    ln2_low=float.fromhex("0x1.ef35793c76730p-45"),
    lowest=-746.0,
    highest=710.0,
    flat=44.0,
    quotient=(
        0.5000000000000012,
        0.166666666666667,
        0.04166666666651541,
        0.008333333333307217,
        0.0013888888947017428,
        0.0001984126991735879,
        2.4801489940787947e-05,
        2.755721631932406e-06,
        2.7631280803116233e-07,
        2.5117856395826074e-08,
    ),
    cubic=(
        0.16666666666666674,
        0.04166666666666669,
        0.00833333333332174,
        0.00138888888888684,
        0.00019841269886882113,
        2.4801587359515804e-05,
        2.7557242898355286e-06,
        2.755724281619303e-07,
        2.510960258208723e-08,
        2.0924560995293297e-09,
    ),
)

_SINGLE = Constants(
    log2_e=1.4426950216293335,
    ln2_high=float.fromhex("0x1.62e4p-1"),
    ln2_low=float.fromhex("0x1.7f7d1cp-20"),
    lowest=-104.5,
    highest=89.0,
    flat=20.0,
    quotient=(
        0.5000000095160321,
        0.16666518842130496,
        0.04166620589318665,
        0.00836888917316952,
        0.0013950485302328102,
    ),
    cubic=(
        0.1666666716337204,
        0.041666459292173386,
        0.008333275094628334,
        0.0013935404131188989,
        0.00019913195865228772,
    ),
)


def constants(form: Format) -> Constants:
    """Return the constants of a format."""
    return _DOUBLE if form is DOUBLE else _SINGLE


def nearest_power(x: Real) -> tuple[Real, Value]:
    """Return (k, an integer whose lowest bits hold k) for the k nearest to x / ln 2."""
    form = x.format
    shifted = x.multiply_add(constants(form).log2_e, form.rounder)
    return shifted - form.rounder, shifted.bits()


def _excess(r: Real, quotient: tuple[float, ...], extra: Real | None = None) -> Real:
    """Return e^r − 1 + extra as r + r² (q₀ + q₁ r) + r⁴ (q₂ + …), a chain as short as that of the quotient."""
    square = r * r
    near = square.multiply_add(r.multiply_add(quotient[1], quotient[0]), r)
    near = near if extra is None else near + extra
    return (square * square).multiply_add(estrin(r, quotient[2:]), near)


def halves(x: Real, k: Value) -> tuple[Real, Real]:
    """Return two normal numbers, about equal, whose product is 2ᵏ, which may be subnormal or overflow."""
    half = x.integer("lshr", k, 1)
    return x.power_of_two(half), x.power_of_two(x.integer("sub", k, half))


def exp_of_reduced(x: Real, tail: Real | None = None, factor: Real | None = None) -> Real:
    """Return factor · e^(x + tail) for x between `lowest` and `highest`; |tail| is far smaller than |x|.

    The factor is about 1 and multiplies before the last rounding.
    """
    known = constants(x.format)
    k, bits = nearest_power(x)
    r = (-k).multiply_add(known.ln2_low, (-k).multiply_add(known.ln2_high, x))
    excess = _excess(r if tail is None else r + tail, known.quotient)
    first, second = halves(x, bits)
    scale = first if factor is None else first * factor
    return excess.multiply_add(scale, scale) * second


def exp(x: Real) -> Real:
    """eˣ."""
    known = constants(x.format)
    return exp_of_reduced(x.at_least(known.lowest).at_most(known.highest))


def exp_of_negative(x: Real) -> Real:
    """eˣ for x ≤ 0."""
    return exp_of_reduced(x.at_least(constants(x.format).lowest))


def _scaled_expm1(x: Real, k: Real, scale: Real, base: Real) -> tuple[Real, Real]:
    """Return (base + scale · (eʳ − 1), scale · (eʳ − 1)) for x = k ln 2 + r and |base| ≥ |scale · r|, or k = base = 0.

    The rounding errors of r and of base + scale · r are compensated, so that one rounding remains.
    """
    known = constants(x.format)
    exact = (-k).multiply_add(known.ln2_high, x)
    r = (-k).multiply_add(known.ln2_low, exact)
    tail = (-k).multiply_add(known.ln2_low, exact - r)
    linear, square = scale * r, scale * (r * r)
    total, lost = fast_two_sum(base, linear)
    # The tail changes eʳ in proportion to eʳ, of which 1 + r is accurate enough.
    half = square.multiply_add(0.5, scale * tail.multiply_add(r, tail))
    cube, factor = square * r, estrin(r, known.cubic)
    return total + cube.multiply_add(factor, half + lost), cube.multiply_add(factor, half + linear)


def expm1(x: Real) -> Real:
    """eˣ − 1, accurate near 0."""
    form = x.format
    known = constants(form)
    clamped = x.at_least(-known.flat).at_most(known.highest)
    k, bits = nearest_power(clamped)
    # Half of 2ᵏ, since 2ᵏ itself may overflow where the result does not.
    scale = x.power_of_two(x.integer("sub", bits, 1))
    half, _ = _scaled_expm1(clamped, k, scale, scale - 0.5)
    return x.where(abs(x).compare("olt", form.epsilon / 4), half * 2.0)


def tanh(x: Real) -> Real:
    """(1 − t) / (1 + t) with t = e^−2|x| = 2ᵏ (1 + s): 2ᵏ ± 1 are exact, and the rest of either term is small."""
    y = -2.0 * abs(x).at_most(constants(x.format).flat / 2)
    k, bits = nearest_power(y)
    scale = x.power_of_two(bits)
    numerator, rest = _scaled_expm1(y, k, scale, scale - 1.0)
    return (numerator / ((scale + 1.0) + rest)).copysign(x)


def sigmoid(x: Real) -> Real:
    """1 / (1 + e⁻ˣ) = 2ʲ / (2ʲ + 2ʲ⁻ᵏ (1 + s)), where e⁻ˣ = 2⁻ᵏ (1 + s) and j is half of k.

    Both powers of two are normal numbers as long as the result is not 0, and their sum is known long before s is: from
    s on, the chain of dependent operations is one multiplication with addition, and the division.
    """
    known = constants(x.format)
    x = x.at_least(known.lowest).at_most(-known.lowest)
    k, bits = nearest_power(x)
    half = x.integer("lshr", bits, 1)
    numerator, scale = x.power_of_two(half), x.power_of_two(x.integer("sub", half, bits))
    # Where 2ʲ is a half or a quarter of a unit of 2ʲ⁻ᵏ, their sum loses it.
    digits = float(x.format.mantissa_bits + 1)
    lost = x.of(2.0 ** (-digits - 1)).where(k.compare("oeq", -digits - 1), 0.0)
    lost = x.of(2.0**-digits).where(k.compare("oeq", -digits), lost)
    r = k.multiply_add(known.ln2_low, k.multiply_add(known.ln2_high, -x))
    return numerator / _excess(r, known.quotient, lost).multiply_add(scale, numerator + scale)
