"""log, log1p and softplus.

With x = 2ᵉ (1 + f), √½ ≤ 1 + f < √2, and s = f / (2 + f): log (1 + f) = 2 artanh s = 2s + s³ L(s²). Since 2s = f − s f,
that is f − f²/2 + s (f²/2 + s² L), whose first term is exact and where an error of s is multiplied by f².

The coefficients of L minimise the greatest error relative to artanh s over s² ≤ 0.04 (Remez exchange on 600 Chebyshev
points, 200 bits), then rounded; it is 2⁻⁶² for float64 and 2⁻²⁸ for float32.
"""

from __future__ import annotations

import math

from chainrule.engines.native.math.exponential import constants, exp_of_negative
from chainrule.engines.native.math.real import DOUBLE, Format, Real, estrin, fast_two_sum

_DOUBLE = (
    0.6666666666666663,
    0.4000000000004065,
    0.28571428558781486,
    0.22222224025909335,
    0.18181679531431058,
    0.15390725589189058,
    0.1317934401574515,
    0.1380808827916386,
)
_SINGLE = (0.666669487953186, 0.3995782732963562, 0.3036055862903595)


def _coefficients(form: Format) -> tuple[float, ...]:
    return _DOUBLE if form is DOUBLE else _SINGLE


def _least_significand(form: Format) -> int:
    """The bits of √½, rounded up."""
    return 0x3FE6A09E667F3BCD if form is DOUBLE else 0x3F3504F4


def normalized(x: Real) -> tuple[Real, Real]:
    """Return (2ʲ x, −j): a normal number for any positive x, and the correction of its exponent."""
    form = x.format
    subnormal = x.compare("olt", form.smallest_normal)
    lift = form.mantissa_bits + 2
    return (x * 2.0**lift).where(subnormal, x), x.of(-float(lift)).where(subnormal, 0.0)


def split(x: Real) -> tuple[Real, Real]:
    """(e, f) with x = 2ᵉ (1 + f), √½ ≤ 1 + f < √2, for a normal positive x."""
    form, least = x.format, _least_significand(x.format)
    # The exponent is increased by one so that the field is not negative; the float is decreased again.
    offset = ((form.bias + 1) << form.mantissa_bits) - least
    shifted = x.integer("add", x.bits(), offset)
    exponent = x.integer("lshr", shifted, form.mantissa_bits)
    integers = (form.bias + form.mantissa_bits) << form.mantissa_bits
    e = x.from_bits(x.integer("or", exponent, integers)) - (2.0**form.mantissa_bits + form.bias + 1)
    fraction = x.integer("and", shifted, (1 << form.mantissa_bits) - 1)
    return e, x.from_bits(x.integer("add", fraction, least)) - 1.0


def _log(f: Real, high: Real, low: Real) -> Real:
    """Return log (1 + f) + high + low, where high is 0 or a multiple of ln 2, and low is small.

    All terms but the last are added while the division runs, and the rounding error of high + f is added at the end.
    """
    s = f / (f + 2.0)
    z = s * s
    half_square = 0.5 * f * f
    total, lost = fast_two_sum(high, f)
    rest = (lost + low) - half_square
    return total + s.multiply_add(z.multiply_add(estrin(z, _coefficients(f.format)), half_square), rest)


def _outside(x: Real, pole: float, result: Real) -> Real:
    """Return the special values of a logarithm with a pole at `pole`: x itself if it is ∞ or NaN."""
    result = x.where(x.compare("ueq", math.inf), result)
    result = x.of(-math.inf).where(x.compare("oeq", pole), result)
    return x.of(math.nan).where(x.compare("olt", pole), result)


def log(x: Real) -> Real:
    """The natural logarithm."""
    known = constants(x.format)
    normal, lift = normalized(x)
    e, f = split(normal)
    e = e + lift
    return _outside(x, 0.0, _log(f, e * known.ln2_high, e * known.ln2_low))


def log1p(x: Real) -> Real:
    """Return log (1 + x), accurate near 0: the rounding error of 1 + x is compensated to first order."""
    form, known = x.format, constants(x.format)
    u = x + 1.0
    added = u - 1.0
    lost = (1.0 - (u - added)) + (x - added)  # Knuth's two-sum: 1 + x = u + lost
    e, f = split(u)
    # Scaled by 2⁻ᵉ to f; beyond 1/epsilon the error is negligible, and 2⁻ᵉ might not be normal.
    lost = (lost * x.power_of_two((form.rounder - e).bits())).where(x.compare("olt", 4 / form.epsilon), 0.0)
    # d log (1 + f) = df / (1 + f), where two digits are enough: 1 − f + f² − f³/2.
    slope = f.multiply_add((f * f).multiply_add(-0.5, f - 1.0), 1.0)
    low = e.multiply_add(known.ln2_low, lost * slope)
    return _outside(x, -1.0, _log(f, e * known.ln2_high, low).copysign(x))


def softplus(x: Real) -> Real:
    """Return log (1 + eˣ) = max(x, 0) + log (1 + t) with t = e^−|x|.

    For t ≥ ½ the sum is halved: then f = (t − 1) / 2; for smaller t it is t itself. Both are exact.
    """
    known = constants(x.format)
    t = exp_of_negative(-abs(x))
    halved = t.compare("oge", 0.5)
    f = ((t - 1.0) * 0.5).where(halved, t)
    high, low = (x.of(part).where(halved, 0.0) for part in (known.ln2_high, known.ln2_low))
    return x.where(x.compare("ogt", 0.0), 0.0) + _log(f, high, low)
