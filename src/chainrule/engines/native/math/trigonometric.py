"""sin and cos.

With k the integer nearest to 2x/π and r = x − k π/2, kept as a sum of two numbers, the result is ± sin r or ± cos r as
k mod 4 says. Up to `_FAST`, k π/2 is subtracted in parts whose products with k are exact (Cody and Waite, 1980).
Beyond, a scalar function multiplies x by the relevant digits of 2/π (Payne and Hanek, 1983): a vector with any such
element calls it for each element and selects its result where needed. float32 goes through float64, where fewer terms
suffice.

The coefficients minimise the greatest error of sin r relative to r, and of cos r, over |r| ≤ π/4 (Remez exchange on
600 Chebyshev points, 200 bits), then rounded; it is 2⁻⁵⁷ and 2⁻⁶³ for float64, 2⁻²⁸ and 2⁻³² for float32.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from chainrule.engines.native.math.real import DOUBLE, Real, estrin, fast_two_sum
from chainrule.engines.native.text import Function, Module, Value, element_type, vector, width_of


@dataclass(frozen=True)
class Constants:
    """The constants of one format; both compute in float64."""

    limit: float
    """Below this, reduction by parts is accurate enough."""
    half_pi: tuple[float, ...]
    """π/2 in parts: products of all but the last with k are exact for |k| ≤ 2 limit / π."""
    sine: tuple[float, ...]
    cosine: tuple[float, ...]


_DOUBLE = Constants(
    limit=2.0**15,
    half_pi=(
        float.fromhex("0x1.921fb54440000p+0"),
        float.fromhex("0x1.68c234c4c8000p-39"),
        float.fromhex("-0x1.9d747f23e32edp-79"),
    ),
    sine=(
        -0.16666666666666638,
        0.008333333333323348,
        -0.00019841269830401292,
        2.7557313864303913e-06,
        -2.5050781507095402e-08,
        1.58979990400349e-10,
    ),
    cosine=(
        0.04166666666666666,
        -0.0013888888888882616,
        2.4801587294189323e-05,
        -2.755731558246356e-07,
        2.0875876656408988e-09,
        -1.1367010279206684e-11,
    ),
)

_SINGLE = Constants(
    limit=2.0**20,
    half_pi=(float.fromhex("0x1.921fb54400000p+0"), float.fromhex("0x1.0b4611a626331p-34")),
    sine=(-0.1666665493665683, 0.008332177684004306, -0.00019517234372989692),
    cosine=(0.04166665058929244, -0.0013887519076497031, 2.4453417320236484e-05),
)

_TWO_OVER_PI = int(
    "a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424dd2e006492eea09d1921c"
    "fe1deb1cb129a73ee88235f52ebb4484e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980f"
    "ef2f118b5a0a6d1f6d367ecf27cb09b74f463f669e5fea2d7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d08"
    "56033046fc7b6babf0cfbc209af4361d",
    16,
)
"""The first binary digits of 2/π after the point, as an integer: sufficient up to 2¹⁰²⁴."""
_DIGITS = 1280

_TABLE = "chainrule_two_over_pi"
_REDUCTION = "chainrule_reduce_by_half_pi"
_REDUCED = "{double, double, i64}"


def _window(x: Real) -> tuple[Value, list[Value]]:
    """Return integers (m, w), the significand of |x| and 192 digits of 2/π.

    |x| · 2/π = m w 2⁻¹⁹⁰ up to multiples of 4.
    """
    function = x.function
    bits = x.integer("and", x.bits(), 2**63 - 1)
    exponent = x.integer("lshr", bits, 52)
    significand = x.integer("or", x.integer("and", bits, 2**52 - 1), 2**52)
    # |x| = m 2^(exponent − 1075): the digits before the place exponent − 1077 of 2/π make multiples of 4.
    place = x.integer("add", exponent, 64 - 1077)
    first, shift = x.integer("lshr", place, 6), x.integer("and", place, 63)
    words = []
    for n in range(4):
        address = function.offset(Value(f"@{_TABLE}", "ptr"), x.integer("add", first, n), "i64")
        words.append(function.load("i64", address))
    return significand, [function.call("i64", "llvm.fshl.i64", words[n], words[n + 1], shift) for n in range(3)]


def _reduce_large(x: Real) -> tuple[Real, Real, Value]:
    """Return (r, the rest of r, k) with x = k π/2 + r, for any finite |x| ≥ 1.

    No float64 is closer to a multiple of π/2 than about 2⁻⁶¹, so 64 of the 126 digits of the fraction are significant.
    """
    function = x.function

    def widened(value: Value) -> Value:
        return function.let("i128", f"zext {value} to i128")

    def narrowed(value: Value) -> Value:
        return function.let("i64", f"trunc {value} to i64")

    def part(value: Value, scale: float) -> Real:
        return Real(function, function.let("double", f"sitofp {value} to double")) * scale

    significand, digits = _window(x)
    m = widened(significand)
    products = [x.integer("mul", m, widened(word)) for word in digits]
    total = x.integer("add", x.integer("shl", products[0], 64), products[1])
    total = x.integer("add", total, x.integer("lshr", products[2], 64))
    high, low = narrowed(x.integer("lshr", total, 64)), narrowed(total)
    k = x.integer("lshr", x.integer("add", high, 1 << 61), 62)
    signed = x.integer("sub", high, x.integer("shl", k, 62))

    # Four groups of 32 digits, each exact; the first two may cancel almost completely.
    upper, carried = fast_two_sum(
        part(x.integer("ashr", signed, 32), 2.0**-30), part(x.integer("and", signed, 2**32 - 1), 2.0**-62)
    )
    lower = part(x.integer("lshr", low, 32), 2.0**-94) + part(x.integer("and", low, 2**32 - 1), 2.0**-126)
    fraction, rest = fast_two_sum(upper, carried + lower)
    half_pi, half_pi_rest = math.pi / 2, float.fromhex("0x1.1a62633145c07p-54")
    r = fraction * half_pi
    # The rounding error of the product, from halves of the digits: exact whether or not the target fuses.
    head, pi_head = fraction.head(), x.of(half_pi).head()
    tail, pi_tail = fraction - head, half_pi - pi_head
    lost = head.multiply_add(pi_head, -r)
    lost = tail.multiply_add(pi_tail, tail.multiply_add(pi_head, head.multiply_add(pi_tail, lost)))
    rest = rest.multiply_add(half_pi, fraction.multiply_add(half_pi_rest, lost))
    negative = x.compare("olt", 0.0)
    opposite = function.let("i64", f"sub i64 0, {k.text}")
    k = function.let("i64", f"select {negative}, {opposite}, {k}")
    return (-r).where(negative, r), (-rest).where(negative, rest), k


@functools.cache
def _reduction() -> dict[str, str]:
    """The definition of `_REDUCTION`, which maps a large x to the result of `_reduce_large`."""
    module = Module()
    # A word of zeros in front serves smaller arguments; two at the end may be read, but have no effect.
    words = [0, *((_TWO_OVER_PI >> (64 * n)) & (2**64 - 1) for n in reversed(range(_DIGITS // 64))), 0, 0]
    numbers = ", ".join(f"i64 {word}" for word in words)
    module.declare(_TABLE, f"@{_TABLE} = private unnamed_addr constant [{len(words)} x i64] [{numbers}]")
    attributes = "nounwind noinline cold"
    function = Function(module, _REDUCTION, _REDUCED, [("x", "double")], attributes, "internal")
    r, rest, k = _reduce_large(Real(function, Value("%x", "double")))
    result = Value("poison", _REDUCED)
    for place, value in enumerate((r.value, rest.value, k)):
        result = function.let(_REDUCED, f"insertvalue {result}, {value}, {place}")
    function.do(f"ret {result}")
    function.finish()
    return {**module.declarations, _REDUCTION: module.functions[0]}


def _any(function: Function, condition: Value) -> Value:
    """Whether any lane of a condition is set."""
    width = width_of(condition.type)
    if not width:
        return condition
    packed = function.let(f"i{width}", f"bitcast {condition} to i{width}")
    return function.let("i1", f"icmp ne {packed}, 0")


def _large_lanes(x: Real) -> tuple[Real, Real, Value]:
    """Apply `_reduce_large` to each element."""
    function, width = x.function, width_of(x.value.type)
    for name, text in _reduction().items():
        function.module.declare(name, text)
    elements = ("double", "double", "i64")
    results = [Value("poison", vector(element, width)) for element in elements]
    for lane in range(max(width, 1)):
        argument = function.let("double", f"extractelement {x.value}, i64 {lane}") if width else x.value
        reduced = function.let(_REDUCED, f"call {_REDUCED} @{_REDUCTION}({argument})")
        for place, element in enumerate(elements):
            value, result = function.let(element, f"extractvalue {reduced}, {place}"), results[place]
            results[place] = (
                function.let(result.type, f"insertelement {result}, {value}, i64 {lane}") if width else value
            )
    return Real(function, results[0]), Real(function, results[1]), results[2]


def _reduce(x: Real, known: Constants) -> tuple[Real, Real, Value]:
    """Return (r, the rest of r, an integer whose lowest two bits are those of k) with x = k π/2 + r."""
    function = x.function
    shifted = x.multiply_add(2 / math.pi, x.format.rounder)
    k, bits = shifted - x.format.rounder, shifted.bits()
    r, rest = (-k).multiply_add(known.half_pi[0], x), x.of(0.0)
    if len(known.half_pi) == 3:
        r, rest = fast_two_sum(r, -(k * known.half_pi[1]))
        rest = (-k).multiply_add(known.half_pi[2], rest)
    else:
        r = (-k).multiply_add(known.half_pi[1], r)
    magnitude = abs(x)
    large = x.integer("and", magnitude.compare("oge", known.limit), magnitude.compare("olt", math.inf))
    entry, slow, done = function.block, function.fresh_label("large"), function.fresh_label("reduced")
    function.branch(_any(function, large), slow, done)
    function.label(slow)
    large_r, large_rest, large_bits = _large_lanes(x.where(large, known.limit))
    slowly = (
        large_r.where(large, r).value,
        large_rest.where(large, rest).value,
        function.let(bits.type, f"select {large}, {large_bits}, {bits}"),
    )
    function.jump(done)
    function.label(done)
    both = zip((r.value, rest.value, bits), slowly, strict=True)
    joined = [function.phi(fast.type, [(fast, entry), (slower, slow)]) for fast, slower in both]
    return Real(function, joined[0]), Real(function, joined[1]), joined[2]


def _circular(x: Real, quarter_turns: int) -> Real:
    """sin(x + quarter_turns · π/2)."""
    known = _DOUBLE if x.format is DOUBLE else _SINGLE
    wide = x.to("double")
    r, rest, k = _reduce(wide, known)
    if quarter_turns:
        k = wide.integer("add", k, quarter_turns)
    z = r * r
    sine = r + (z * r).multiply_add(estrin(z, known.sine), rest)
    half = 0.5 * z
    near = 1.0 - half
    # The rounding error of the subtraction from 1, and the change of the cosine by the rest of r.
    lost = (1.0 - near) - half
    cosine = near + (z * z).multiply_add(estrin(z, known.cosine), (-r).multiply_add(rest, lost))
    even = wide.is_zero(wide.integer("and", k, 1))
    sign = wide.integer("shl", wide.integer("and", k, 2), 62)
    result = sine.where(even, cosine)
    return wide.from_bits(wide.integer("xor", result.bits(), sign)).to(element_type(x.value.type))


def sin(x: Real) -> Real:
    """The sine."""
    return x.where(abs(x).compare("olt", 2.0**-30), _circular(x, 0))


def cos(x: Real) -> Real:
    """The cosine."""
    return _circular(x, 1)
