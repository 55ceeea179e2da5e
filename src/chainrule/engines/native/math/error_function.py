"""The error function and its complement.

float64: with r the multiple of 1/128 nearest to |x| and d = |x| − r, erf |x| = erf r + 2/√π e^−r² d (1 − r d + …), the
Taylor series, whose two factors come from a table. Near 0, r is 0: there d is not small relative to the result, and the
series alone gives it.

float32: x + x P(x²) up to 1, then 1 − e^L(|x|). The coefficients minimise the greatest error relative to erf over
[0, 1] and [1, 4] (Remez exchange on 400 Chebyshev points, 200 bits), then rounded; it is 2⁻²⁹ in both.

The complement is 1 − erf x below ½. Beyond, it is e^−x² P(t) / (1 + 2x) with t = (x − 3) / (x + 3), in which nothing
cancels: P interpolates (1 + 2x) e^x² erfc x at Chebyshev points of t (200 bits), within 2⁻⁵⁹ in float64 and 2⁻³⁰ in
float32. The rounding errors of x², 1 + 2x, P and the quotient are added to the exponent.
"""

from __future__ import annotations

import functools

from chainrule.engines.native.math.exponential import exp_of_negative, exp_of_reduced
from chainrule.engines.native.math.real import DOUBLE, Real, estrin, fast_two_sum
from chainrule.engines.native.text import Function, Value, literal, vector, width_of
from chainrule.primitives import ERFC_POLYNOMIAL

_STEPS = 128
_SATURATED = 6.0
"""erf x rounds to 1 in float64 from here up."""

_POINT = 128
"""The number of fractional bits of the fixed-point numbers that the table is computed with."""
_TWO_OVER_ROOT_PI = 0x120DD750429B6D11AE3A914FED7FD8688
"""2/√π · 2¹²⁸."""

_SINGLE_NEAR = (
    0.12837916612625122,
    -0.3761262595653534,
    0.11283600330352783,
    -0.026854444295167923,
    0.005189535208046436,
    -0.0008020840468816459,
    7.889114931458607e-05,
)
_SINGLE_FAR = (
    -0.00034157620393671095,
    -1.127089023590088,
    -0.6381452083587646,
    -0.10310642421245575,
    0.021837903186678886,
    -0.002947617322206497,
    0.00018637494940776378,
)
_COMPLEMENT_SINGLE = (
    1.2530080080032349,
    -0.13562110470650734,
    -0.0475623843291434,
    0.1296450553216078,
    -0.11927144661417274,
    0.06831035489847732,
    -0.02378972064080255,
    0.0025079486636148548,
    0.001956855921972408,
    -0.0006947906200296383,
    -0.00018892386428630634,
)
_COMPLEMENT_SINGLE_REST = 5.085148946371021e-08
"""The rounding error of the first coefficient in float32."""


@functools.cache
def table() -> tuple[float, ...]:
    """The values erf r and 2/√π e^−r², interleaved, for r = 0, 1/128, …, 6, correctly rounded.

    From each r to the next by the Taylor series of e^(−2rt − t²), whose coefficients obey
    (n + 1) aₙ₊₁ = −2 (r aₙ + aₙ₋₁), in integers.
    """
    step = _STEPS.bit_length() - 1
    values = []
    area, density = 0, _TWO_OVER_ROOT_PI
    for n in range(int(_SATURATED) * _STEPS + 1):
        values += [area / (1 << _POINT), density / (1 << _POINT)]
        # Terms are aₙ tⁿ at t = 1/128.
        before, term, order = 0, 1 << _POINT, 0
        sum_of_terms = integral = 0
        while term or before:
            sum_of_terms += term
            integral += term // (order + 1)
            following = -2 * ((n * term >> 2 * step) + (before >> 2 * step)) // (order + 1)
            before, term, order = term, following, order + 1
        area += (density * integral >> _POINT) >> step
        density = density * sum_of_terms >> _POINT
    return tuple(values)


_TABLE = "chainrule_erf"


@functools.cache
def _definition(numbers: tuple[float, ...]) -> str:
    body = ", ".join(f"double {literal(number, 'double')}" for number in numbers)
    return f"@{_TABLE} = private unnamed_addr constant [{len(numbers)} x double] [{body}], align 16"


def _look_up(function: Function, index: Value) -> tuple[Real, Real]:
    """Return (erf r, 2/√π e^−r²) at r = index / 128 for each lane; both numbers are loaded at once."""
    function.module.declare(f"@{_TABLE}", _definition(table()))
    width = width_of(index.type)
    pair = "<2 x double>"
    results = [Value("poison", vector("double", width))] * 2
    for lane in range(max(width, 1)):
        place = function.let("i64", f"extractelement {index}, i64 {lane}") if width else index
        loaded = function.load(pair, function.offset(Value(f"@{_TABLE}", "ptr"), place, pair))
        for part in range(2):
            number, result = function.let("double", f"extractelement {loaded}, i64 {part}"), results[part]
            results[part] = (
                function.let(result.type, f"insertelement {result}, {number}, i64 {lane}") if width else number
            )
    return Real(function, results[0]), Real(function, results[1])


def _double(x: Real) -> Real:
    magnitude = abs(x).at_most(_SATURATED)
    # NaN, too, reads the first entry. Up to 2/128, r is 0, so that nothing cancels.
    tabulated = magnitude.where(magnitude.compare("oge", 2.0 / _STEPS), 0.0)
    rounder = x.format.rounder / _STEPS
    shifted = tabulated + rounder
    r = shifted - rounder
    area, density = _look_up(x.function, x.integer("and", shifted.bits(), 1023))
    d = magnitude - r
    square = r * r
    series = (
        -r,
        square.multiply_add(2 / 3, -1 / 3),
        r * square.multiply_add(-1 / 3, 1 / 2),
        square.multiply_add(square.multiply_add(4 / 30, -12 / 30), 3 / 30),
        r * square.multiply_add(square.multiply_add(-4 / 90, 20 / 90), -15 / 90),
        -1 / 42,
    )
    return density.multiply_add((d * d).multiply_add(estrin(d, series), d), area).copysign(x)


def _single(x: Real) -> Real:
    magnitude = abs(x).at_most(4.0)
    square = x * x
    near = x.multiply_add(estrin(square, _SINGLE_NEAR), x)
    far = (1.0 - exp_of_negative(estrin(magnitude, _SINGLE_FAR))).copysign(x)
    return near.where(magnitude.compare("olt", 1.0), far)


def erf(x: Real) -> Real:
    """The error function."""
    return _double(x) if x.format is DOUBLE else _single(x)


def erfc(x: Real) -> Real:
    """The complementary error function 1 − erf x, small for large x."""
    double = x.format is DOUBLE
    # Beyond the largest argument the result is 0; below the smallest one the other formula is used.
    y = x.at_least(0.5).at_most(27.5 if double else 10.3)
    head = y.head()
    square, rest = head * head, (y - head) * (y + head)
    t = (y - 3.0) / (y + 3.0)
    first, *others = ERFC_POLYNOMIAL if double else _COMPLEMENT_SINGLE
    first_rest = 0.0 if double else _COMPLEMENT_SINGLE_REST
    series, lost = fast_two_sum(x.of(first), t.multiply_add(estrin(t, others), first_rest))
    divisor, dropped = fast_two_sum(y + y, x.of(1.0))
    quotient = series / divisor
    high, divisor_high = quotient.head(), divisor.head()
    low, divisor_low = quotient - high, divisor - divisor_high
    remainder = ((series - high * divisor_high) - high * divisor_low) - low * divisor
    exponent, tail = fast_two_sum(-square, -rest)
    far = exp_of_reduced(exponent, (lost + remainder) / series - dropped / divisor + tail, quotient)
    return (1.0 - erf(x)).where(x.compare("olt", 0.5), far)
