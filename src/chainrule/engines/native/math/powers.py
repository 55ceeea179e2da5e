"""xʸ, with the special values of IEEE 754 `pow`.

xʸ = ± e^(y log |x|), where an error of y log |x| is one of the result relative to itself: for 745 in float64, the
logarithm must be right to 2⁻⁶⁴. It is computed as in `logarithm`, with s, and the terms that are not small relative to
it, as sums of a head of 26 digits and a tail: products of heads are exact on every target. float32 goes through
float64, where one number is enough for the logarithm.

The coefficients minimise the greatest error relative to artanh s over s² ≤ 0.0295 (Remez exchange on 600 Chebyshev
points, 200 bits), then rounded; it is 2⁻⁷² for float64 and 2⁻³⁷ for float32.
"""

from __future__ import annotations

import math

from chainrule.engines.native.math.exponential import constants, exp_of_reduced
from chainrule.engines.native.math.logarithm import normalized, split
from chainrule.engines.native.math.real import DOUBLE, SINGLE, Real, estrin, fast_two_sum
from chainrule.engines.native.text import Value, element_type

_DOUBLE = (
    0.39999999999999997,
    0.2857142857143284,
    0.22222222220240137,
    0.1818181856883864,
    0.1538457566676244,
    0.13335652607988494,
    0.11687296960900949,
    0.1189241095117253,
)
_SINGLE = (0.6666666564502638, 0.40000335295985173, 0.2853730140615201, 0.23582294902119583)
_TWO_THIRDS, _TWO_THIRDS_REST = 2 / 3, float.fromhex("0x1.5555555555555p-55")

_GREATEST_EXPONENT = 2.0**65
"""For a larger |y|, xʸ is 0, 1 or infinite for every float64 x."""


def _heads(high: Real, low: Real) -> tuple[Real, Real]:
    """Split the same sum into a head of 26 digits and the rest."""
    head = (high + low).head()
    return head, (high - head) + low


def _long_log(x: Real) -> tuple[Real, Real]:
    """Return log x for a positive x, as a head and a rest: 2s + s z B(z), z = s², B = ⅔ + z Q(z)."""
    known = constants(x.format)
    normal, lift = normalized(x)
    e, f = split(normal)
    e = e + lift
    # s = f / d, d = 2 + f: a head, and the rest from the remainder, which is exact.
    d = f + 2.0
    inverse = 1.0 / d
    s = f * inverse
    s_head = s.head()
    d_head = d.head()
    d_rest = f - (d_head - 2.0)
    s_rest = ((f - s_head * d_head) - s_head * d_rest) * inverse
    z_high, z_low = s_head * s_head, (s_head + s_head).multiply_add(s_rest, s_rest * s_rest)
    z = z_high + z_low
    z_head, z_rest = _heads(z_high, z_low)
    small = z * estrin(z, _DOUBLE)
    b, b_low = fast_two_sum(x.of(_TWO_THIRDS), small)
    b_head = b.head()
    b_rest = (b - b_head) + (b_low + _TWO_THIRDS_REST)
    u_head, u_rest = _heads(z_head * b_head, z_rest.multiply_add(b, z_head * b_rest))
    cube, cube_rest = s_head * u_head, s_rest.multiply_add(u_head + u_rest, s_head * u_rest)
    total, first = fast_two_sum(e * known.ln2_high, s_head + s_head)
    total, second = fast_two_sum(total, cube)
    rest = e.multiply_add(known.ln2_low, (s_rest + s_rest) + cube_rest)
    return _heads(total, (first + second) + rest)


def _short_log(x: Real) -> Real:
    """Return log x for a positive normal x, accurate to 2⁻³⁷."""
    e, f = split(x)
    s = f / (f + 2.0)
    z = s * s
    return e.multiply_add(math.log(2), s.multiply_add(z * estrin(z, _SINGLE), s + s))


def _parity(y: Real) -> tuple[Value, Value]:
    """Return the conditions that y is not an integer, and that it is an odd one."""
    form = y.format
    magnitude, digits = abs(y), 2.0**form.mantissa_bits
    half = 0.5 * magnitude
    # Adding 2⁵² rounds to an integer; numbers from there on are integers, and even from 2⁵³ on.
    broken = ((magnitude + digits) - digits).compare("une", magnitude)
    broken = y.integer("and", broken, magnitude.compare("olt", digits))
    halved = ((half + digits) - digits).compare("une", half)
    halved = y.integer("and", halved, magnitude.compare("olt", 2 * digits))
    return broken, y.integer("and", halved, y.integer("xor", broken, 1))


def _exponent(magnitude: Real, y: Real) -> tuple[Real, Real]:
    """Return y log |x| as a sum (high, rest); the rest is 0 if the exponential of it overflows or underflows."""
    known = constants(DOUBLE)
    high, low = _long_log(magnitude)
    head = y.head()
    product = head * high
    rest = (y - head).multiply_add(high + low, head * low)
    return product, rest.where(abs(product).compare("olt", known.highest - known.lowest), 0.0)


def power(x: Real, y: Real) -> Real:
    """xʸ: 1 if y is 0 or x is 1, even for NaN; NaN for a negative finite x unless y is an integer."""
    element, short = element_type(x.value.type), x.format is SINGLE
    x, y = x.to("double"), y.to("double")
    known = constants(DOUBLE)
    magnitude = abs(x)
    bounded = y.at_least(-_GREATEST_EXPONENT).at_most(_GREATEST_EXPONENT)
    exponent, tail = (bounded * _short_log(magnitude), None) if short else _exponent(magnitude, bounded)
    # log |x| if that is infinite or NaN.
    special = x.of(-math.inf).where(magnitude.compare("oeq", 0.0), magnitude)
    ordinary = x.integer("and", magnitude.compare("ogt", 0.0), magnitude.compare("olt", math.inf))
    exponent = exponent.where(ordinary, bounded * special)
    result = exp_of_reduced(exponent.at_least(known.lowest).at_most(known.highest), tail)
    broken, odd = _parity(y)
    result = result.copysign(x).where(odd, result)
    undefined = x.integer("and", broken, x.compare("olt", 0.0))
    undefined = x.integer("and", undefined, x.compare("ogt", -math.inf))
    result = x.of(math.nan).where(undefined, result)
    certain = x.integer("or", x.compare("oeq", 1.0), y.compare("oeq", 0.0))
    return x.of(1.0).where(certain, result).to(element)
