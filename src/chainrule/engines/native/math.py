"""Elementary functions as generated code, for scalars and vectors of float32 and float64.

Those that training needs (exp, log, tanh, sigmoid, softplus, expm1, log1p) are branch-free polynomials, so that a loop
over them vectorises; special values are set by selects. The rest calls the C library, lane by lane. No instruction
here carries a fast-math flag: the range reductions depend on the order of operations.

Sources: the reductions and the polynomial of the logarithm are fdlibm's (Sun Microsystems, 1993); the polynomial of
the exponential interpolates (eʳ − 1 − r)/r² at the Chebyshev points of |r| ≤ ½ ln 2.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass

from chainrule.engines.native.text import (
    Function,
    Value,
    constant,
    element_type,
    width_of,
    with_element,
)

_INFINITY = float("inf")
_NAN = float("nan")


@dataclass(frozen=True)
class _Format:
    """A floating-point format, and what the reductions need to know about it."""

    integer: str
    mantissa_bits: int
    bias: int
    round_magic: float
    """1.5 · 2^mantissa_bits: adding it leaves the nearest integer in the low bits."""
    ln2_high: float
    ln2_low: float
    log_ln2_high: float
    log_ln2_low: float
    lowest: float
    """eˣ is 0 below."""
    highest: float
    """eˣ overflows above."""
    smallest_normal_log: float
    smallest_normal: float
    exponential: tuple[float, ...]
    logarithm: tuple[float, ...]
    sqrt_half_bits: int
    suffix: str


_DOUBLE = _Format(
    integer="i64",
    mantissa_bits=52,
    bias=1023,
    round_magic=6755399441055744.0,
    ln2_high=6.93147180369123816490e-01,
    ln2_low=1.90821492927058770002e-10,
    log_ln2_high=6.93147180369123816490e-01,
    log_ln2_low=1.90821492927058770002e-10,
    lowest=-746.0,
    highest=710.0,
    smallest_normal_log=-708.0,
    smallest_normal=2.2250738585072014e-308,
    exponential=(
        0.5,
        0.1666666666666667,
        0.04166666666666667,
        0.008333333333326084,
        0.0013888888888883711,
        0.0001984126987500228,
        2.480158732567746e-05,
        2.755725517000089e-06,
        2.755727347871858e-07,
        2.5105312729622103e-08,
        2.09147553258932e-09,
    ),
    logarithm=(
        6.666666666666735130e-01,
        3.999999999940941908e-01,
        2.857142874366239149e-01,
        2.222219843214978396e-01,
        1.818357216161805012e-01,
        1.531383769920937332e-01,
        1.479819860511658591e-01,
    ),
    sqrt_half_bits=0x3FE6A09E667F3BCD,
    suffix="f64",
)

_SINGLE = _Format(
    integer="i32",
    mantissa_bits=23,
    bias=127,
    round_magic=12582912.0,
    ln2_high=6.9314575195e-01,
    ln2_low=1.4286067653e-06,
    log_ln2_high=6.9313812256e-01,
    log_ln2_low=9.0580006145e-06,
    lowest=-104.5,
    highest=89.0,
    smallest_normal_log=-87.0,
    smallest_normal=1.1754943508222875e-38,
    exponential=(
        0.500000001353873,
        0.16666666681704215,
        0.04166646419740569,
        0.008333310844647862,
        0.0013933730715792083,
        0.00019891080463998843,
    ),
    logarithm=(0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841),
    sqrt_half_bits=0x3F3504F3,
    suffix="f32",
)


class Real:
    """A floating-point value whose operators write instructions: formulas below read as mathematics."""

    def __init__(self, function: Function, value: Value) -> None:
        self.function, self.value = function, value

    @property
    def format(self) -> _Format:
        return _DOUBLE if element_type(self.value.type) == "double" else _SINGLE

    @property
    def suffix(self) -> str:
        """The mangling of intrinsics on this type."""
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

    def intrinsic(self, name: str, *others: Real) -> Real:
        arguments = (self.value, *(other.value for other in others))
        type = self.value.type
        return Real(self.function, self.function.call(type, f"llvm.{name}.{self.suffix}", *arguments))

    def fma(self, factor: Real, addend: Real | float) -> Real:
        """This · factor + addend, rounded once where the target can."""
        return self.intrinsic("fmuladd", factor, self._other(addend))

    def compare(self, predicate: str, other: Real | float) -> Value:
        type = with_element(self.value.type, "i1")
        return self.function.let(type, f"fcmp {predicate} {self.value}, {self._other(other).value.text}")

    def where(self, condition: Value, otherwise: Real | float) -> Real:
        """This where `condition`, else `otherwise`."""
        return self._made(f"select {condition}, {self.value}, {self._other(otherwise).value}")

    def bits(self) -> Value:
        type = with_element(self.value.type, self.format.integer)
        return self.function.let(type, f"bitcast {self.value} to {type}")

    def from_bits(self, bits: Value) -> Real:
        return self._made(f"bitcast {bits} to {self.value.type}")

    def integer(self, operation: str, left: Value, right: Value | int) -> Value:
        other = constant(right, left.type) if isinstance(right, int) else right
        return self.function.let(left.type, f"{operation} {left}, {other.text}")


def _polynomial(x: Real, coefficients: tuple[float, ...]) -> Real:
    """c₀ + c₁x + c₂x² + …, by Estrin's scheme: halves at a time, for a short chain of dependent operations."""
    terms = [x.of(c) for c in coefficients]
    power = x
    while len(terms) > 1:
        paired = [power.fma(terms[k + 1], terms[k]) for k in range(0, len(terms) - 1, 2)]
        if len(terms) % 2:
            paired.append(terms[-1])
        terms = paired
        if len(terms) > 1:
            power = power * power
    return terms[0]


def _reduce(x: Real) -> tuple[Real, Real, Value]:
    """(k, r, bits that hold k) with x = k ln 2 + r, |r| ≤ ½ ln 2."""
    form = x.format
    shifted = x.fma(x.of(1.4426950408889634), form.round_magic)
    k = shifted - form.round_magic
    r = (-k).fma(x.of(form.ln2_low), (-k).fma(x.of(form.ln2_high), x))
    return k, r, shifted.bits()


def _power_of_two(x: Real, bits: Value) -> Real:
    """2ᵏ, where the low bits of `bits` hold k and 2ᵏ is a normal number."""
    form = x.format
    exponent = x.integer("shl", bits, form.mantissa_bits)
    return x.from_bits(x.integer("add", exponent, form.bias << form.mantissa_bits))


def _exp_below(x: Real, deepest: float) -> Real:
    """eˣ for x ≤ 0, gradual underflow included; NaN passes."""
    form = x.format
    x = x.of(deepest).where(x.compare("olt", deepest), x)
    _, r, bits = _reduce(x)
    tiny = x.compare("olt", form.smallest_normal_log)
    # Below the normal numbers, k is raised by 2·mantissa_bits and the product scaled back: one rounding.
    lift = 2 * form.mantissa_bits
    zero, raised = constant(0, bits.type), constant(lift, bits.type)
    shift = x.function.let(bits.type, f"select {tiny}, {raised}, {zero}")
    scale = _power_of_two(x, x.integer("add", bits, shift))
    back = x.of(2.0**-lift).where(tiny, 1.0)
    mantissa = (r * r).fma(_polynomial(r, form.exponential), r) + 1.0
    return mantissa * scale * back


def exp(x: Real) -> Real:
    """eˣ."""
    form = x.format
    x = x.of(form.lowest).where(x.compare("olt", form.lowest), x)
    x = x.of(form.highest).where(x.compare("ogt", form.highest), x)
    _, r, bits = _reduce(x)
    # 2ᵏ as a product of two normal numbers, which covers subnormal results and overflow to infinity.
    tiny, huge = x.compare("olt", form.smallest_normal_log), x.compare("ogt", -form.smallest_normal_log)
    lift = 2 * form.mantissa_bits
    zero, up, down = (constant(n, bits.type) for n in (0, lift, -2))
    shift = x.function.let(bits.type, f"select {huge}, {down}, {zero}")
    shift = x.function.let(bits.type, f"select {tiny}, {up}, {shift}")
    scale = _power_of_two(x, x.integer("add", bits, shift))
    back = x.of(2.0**-lift).where(tiny, x.of(4.0).where(huge, 1.0))
    mantissa = (r * r).fma(_polynomial(r, form.exponential), r) + 1.0
    return mantissa * scale * back


def expm1(x: Real) -> Real:
    """eˣ − 1, accurate near 0."""
    form = x.format
    deepest = form.lowest / 4  # the result is -1 long before
    clamped = x.of(deepest).where(x.compare("olt", deepest), x)
    clamped = x.of(form.highest).where(clamped.compare("ogt", form.highest), clamped)
    _, r, bits = _reduce(clamped)
    # Half of 2ᵏ, since 2ᵏ itself may overflow where the result does not.
    half = _power_of_two(x, x.integer("sub", bits, 1))
    q = (r * r).fma(_polynomial(r, form.exponential), r)
    result = half.fma(q, half - 0.5) * 2.0
    return x.where(abs(x).compare("olt", form.smallest_normal * 2.0 ** (form.mantissa_bits + 2)), result)


def log(x: Real) -> Real:
    """The natural logarithm."""
    form = x.format
    subnormal = x.compare("olt", form.smallest_normal)
    scaled = (x * 2.0 ** (form.mantissa_bits + 2)).where(subnormal, x)
    e, f = _split(scaled)
    e = (e - float(form.mantissa_bits + 2)).where(subnormal, e)
    result = _log_of_split(e, f)
    result = x.where(x.compare("ueq", _INFINITY), result)
    result = x.of(-_INFINITY).where(x.compare("oeq", 0.0), result)
    return x.of(_NAN).where(x.compare("olt", 0.0), result)


def _split(x: Real) -> tuple[Real, Real]:
    """(e, f) with x = 2ᵉ (1 + f), √½ ≤ 1 + f < √2, for a normal positive x."""
    form, bits = x.format, x.bits()
    # One is added to the exponent so that the field is not negative; it is taken off again as a float.
    offset = ((form.bias + 1) << form.mantissa_bits) - form.sqrt_half_bits
    shifted = x.integer("add", bits, offset)
    exponent = x.integer("lshr", shifted, form.mantissa_bits)
    magic = (form.bias + form.mantissa_bits) << form.mantissa_bits
    e = x.from_bits(x.integer("or", exponent, magic)) - (2.0**form.mantissa_bits + form.bias + 1)
    fraction = x.integer("and", shifted, (1 << form.mantissa_bits) - 1)
    return e, x.from_bits(x.integer("add", fraction, form.sqrt_half_bits)) - 1.0


def _log_of_split(e: Real, f: Real, correction: Real | None = None) -> Real:
    form = f.format
    s = f / (f + 2.0)
    z = s * s
    r = z * _polynomial(z, form.logarithm)
    half_square = 0.5 * f * f
    low = e * form.log_ln2_low
    if correction is not None:
        low = low + correction
    return e.fma(f.of(form.log_ln2_high), f - (half_square - (s * (half_square + r) + low)))


def log1p(x: Real) -> Real:
    """Log (1 + x), accurate near 0: what rounding 1 + x lost is put back to first order."""
    form = x.format
    u = 1.0 + x
    e, f = _split(u)
    lost = (x - (u - 1.0)) / u
    lost = lost.where(x.compare("olt", 2.0**form.mantissa_bits), 0.0)
    result = _log_of_split(e, f, lost)
    result = x.where(u.compare("oeq", 1.0), result)
    result = x.where(x.compare("ueq", _INFINITY), result)
    result = x.of(-_INFINITY).where(x.compare("oeq", -1.0), result)
    return x.of(_NAN).where(x.compare("olt", -1.0), result)


def tanh(x: Real) -> Real:
    """With t = e^2|x| − 1: t / (t + 2) near 0, further out 1 − 2 / (t + 2), which is better conditioned there."""
    magnitude = abs(x)
    t = expm1(2.0 * magnitude)
    near = magnitude.compare("olt", 0.5)
    ratio = t.where(near, 2.0) / (t + 2.0)
    return ratio.where(near, 1.0 - ratio).intrinsic("copysign", x)


def sigmoid(x: Real) -> Real:
    """1 / (1 + e⁻ˣ), from e^−|x|, which never overflows."""
    small = _exp_below(-abs(x), x.format.lowest)
    return x.of(1.0).where(x.compare("oge", 0.0), small) / (1.0 + small)


def softplus(x: Real) -> Real:
    """Log (1 + eˣ) = max(x, 0) + log1p(e^−|x|)."""
    small = _exp_below(-abs(x), x.format.lowest)
    return x.where(x.compare("oge", 0.0), 0.0) + log1p(small)


def sqrt(x: Real) -> Real:
    """The square root."""
    return x.intrinsic("sqrt")


def absolute(x: Real) -> Real:
    """|x|."""
    return abs(x)


def library(name: str) -> Callable[..., Real]:
    """The C library's function of that name, for float64; float32 goes through float64."""

    def apply(*operands: Real) -> Real:
        function, type = operands[0].function, operands[0].value.type
        symbol = f"chainrule_{name}"
        parameters = ", ".join(["double"] * len(operands))
        function.module.declare(symbol, f"declare double @{symbol}({parameters}) nounwind willreturn memory(none)")

        def scalar(values: list[Value]) -> Value:
            wide = [
                value if value.type == "double" else function.let("double", f"fpext {value} to double")
                for value in values
            ]
            result = function.call("double", symbol, *wide)
            narrow = element_type(type)
            return result if narrow == "double" else function.let(narrow, f"fptrunc {result} to {narrow}")

        width = width_of(type)
        if not width:
            return Real(function, scalar([operand.value for operand in operands]))
        result = Value("poison", type)
        for lane in range(width):
            values = [
                function.let(element_type(type), f"extractelement {operand.value}, i64 {lane}") for operand in operands
            ]
            result = function.let(type, f"insertelement {result}, {scalar(values)}, i64 {lane}")
        return Real(function, result)

    return apply


LIBRARY_FUNCTIONS = {"sin": "sin", "cos": "cos", "erf": "erf", "power": "pow"}
"""Functions of the vocabulary that call the C library, and what they are called there."""

FUNCTIONS: dict[str, Callable[..., Real]] = {
    "exp": exp,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "sqrt": sqrt,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "abs": absolute,
    **{name: library(symbol) for name, symbol in LIBRARY_FUNCTIONS.items()},
}


def library_addresses() -> dict[str, int]:
    """The address of each C function that generated code may call, by the name that it is called with."""
    # Python itself is linked with the mathematical library, except on Windows, where it is part of the C runtime.
    source = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
    addresses = {}
    for symbol in LIBRARY_FUNCTIONS.values():
        address = ctypes.cast(getattr(source, symbol), ctypes.c_void_p).value
        assert address is not None
        addresses[f"chainrule_{symbol}"] = address
    return addresses
