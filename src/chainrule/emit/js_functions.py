"""Mathematical functions in JavaScript: those of `Math`, and ours for what it lacks.

To add a function of the emitter, give it a name in `JS_MATH`, and unless that is of `Math`, a definition in `HELPERS`.
A test fails for a function that is in neither, and compares each with the definition of its primitive.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chainrule.primitives import (
    ERFC_POLYNOMIAL,
    THREEFRY_PARITY,
    THREEFRY_ROTATIONS,
    THREEFRY_ROUNDS,
    Arccos,
    Arccosh,
    Arcsin,
    Arcsinh,
    Arctan,
    Arctan2,
    Arctanh,
    Cbrt,
    Ceil,
    Cosh,
    MathFunction,
    Sinh,
    Tan,
    Trunc,
)

JS_MATH: Mapping[MathFunction, str] = {
    "abs": "Math.abs",
    "cos": "Math.cos",
    "erf": "erf",
    "erfc": "erfc",
    "exp": "Math.exp",
    "expm1": "Math.expm1",
    "floor": "Math.floor",
    "fmod": "fmod",
    "log": "Math.log",
    "log1p": "Math.log1p",
    "power": "power",
    "sigmoid": "sigmoid",
    "sin": "Math.sin",
    "softplus": "softplus",
    "sqrt": "Math.sqrt",
    "tanh": "Math.tanh",
}
"""The JavaScript of each function of the emitter; a name without `Math.` is in `HELPERS`."""

JS_PRIMITIVES: Mapping[type, str] = {
    Arccos: "Math.acos",
    Arccosh: "Math.acosh",
    Arcsin: "Math.asin",
    Arcsinh: "Math.asinh",
    Arctan: "Math.atan",
    Arctan2: "Math.atan2",
    Arctanh: "Math.atanh",
    Cbrt: "Math.cbrt",
    Ceil: "Math.ceil",
    Cosh: "Math.cosh",
    Sinh: "Math.sinh",
    Tan: "Math.tan",
    Trunc: "Math.trunc",
}
"""Functions of `Math` that replace a primitive's lowering."""


@dataclass(frozen=True)
class Helper:
    """The definition of a function, in which `@` stands for the prefix of names, and the helpers that it calls."""

    text: str
    calls: tuple[str, ...] = ()


def _polynomial(coefficients: Iterable[float], indent: str) -> str:
    """Return numbers in rows of four."""
    numbers = [repr(number) for number in coefficients]
    rows = [", ".join(numbers[k : k + 4]) for k in range(0, len(numbers), 4)]
    return "".join(f"\n{indent}{row}," for row in rows)


_ERF_TERMS = 13
_ERF_SERIES = [2 / math.sqrt(math.pi) * (-1) ** k / (math.factorial(k) * (2 * k + 1)) for k in range(_ERF_TERMS)]
"""The Taylor series of erf x / x in x², which ends below 2⁻⁵⁴ at ½."""

HELPERS: Mapping[str, Helper] = {
    "sigmoid": Helper("""\
/* The logistic function; the exponential sees no positive number, so it cannot overflow. */
function @sigmoid(x) {
    const e = Math.exp(-Math.abs(x));
    return (x >= 0 ? 1 : e) / (1 + e);
}"""),
    "softplus": Helper("""\
/* ln(1 + e^x) without overflow. */
function @softplus(x) {
    return (x > 0 ? x : 0) + Math.log1p(Math.exp(-Math.abs(x)));
}"""),
    "fmod": Helper("""\
/* The remainder of a division rounded towards 0, with the sign of x. */
function @fmod(x, y) {
    return x % y;
}"""),
    "power": Helper("""\
/* x^y as in IEEE 754, where Math.pow is NaN: 1^y, and (-1)^y for infinite y, are 1. */
function @power(x, y) {
    return x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : Math.pow(x, y);
}"""),
    "erf": Helper(
        f"""\
/* The error function: its Taylor series below 1/2, and 1 - erfc(x) beyond. */
function @erf(x) {{
    if (Math.abs(x) < 0.5) {{
        const square = x * x;
        let series = 0;
        for (let k = @erf_series.length - 1; k >= 0; --k) series = series * square + @erf_series[k];
        return x * series;
    }}
    return x < 0 ? @erfc(-x) - 1 : 1 - @erfc(x);
}}

const @erf_series = [{_polynomial(_ERF_SERIES, "    ")}
];""",
        ("erfc",),
    ),
    "erfc": Helper(
        f"""\
/* 1 - erf(x): beyond 1/2, e^(-x^2) P(t) / (1 + 2 x) with t = (x - 3) / (x + 3). */
function @erfc(x) {{
    if (x < 0.5) return 1 - @erf(x);
    if (x >= 27.5) return 0;
    const t = (x - 3) / (x + 3);
    let series = 0;
    for (let k = @erfc_series.length - 1; k >= 0; --k) series = series * t + @erfc_series[k];
    const head = Math.fround(x); /* its square is exact, so that the exponent loses nothing */
    return Math.exp(-head * head) * Math.exp((head - x) * (head + x)) * series / (1 + 2 * x);
}}

const @erfc_series = [{_polynomial(ERFC_POLYNOMIAL, "    ")}
];""",
        ("erf",),
    ),
    "uniform": Helper(
        """\
/* A number in [0, 1) from the leading bits of the word of `@random`. */
function @uniform(bits, seed, stream, step, place) {
    const [high, low] = @random(seed, stream, step, place);
    const leading = bits > 32 ? high * 2 ** (bits - 32) + (low >>> (64 - bits)) : high >>> (32 - bits);
    return leading / 2 ** bits;
}""",
        ("random",),
    ),
    "random": Helper(f"""\
/* 64 random bits as two words of 32, the higher one first: Threefry-2x64-20 of (step, place) under
   (seed, stream), Salmon et al. 2011. */
function @random(seed, stream, step, place) {{
    const split = (x) => [Math.floor(x / 4294967296) >>> 0, x >>> 0];
    const xor = ([a, b], [c, d]) => [(a ^ c) >>> 0, (b ^ d) >>> 0];
    const add = ([a, b], [c, d]) => [(a + c + (b + d > 4294967295 ? 1 : 0)) >>> 0, (b + d) >>> 0];
    const rotate = ([a, b], by) => by === 0 ? [a, b] : by >= 32 ? rotate([b, a], by - 32)
        : [((a << by) | (b >>> (32 - by))) >>> 0, ((b << by) | (a >>> (32 - by))) >>> 0];
    const rotations = [{", ".join(map(str, THREEFRY_ROTATIONS))}];
    const words = [split(seed), split(stream)];
    words.push(xor(xor(words[0], words[1]), [{THREEFRY_PARITY >> 32}, {THREEFRY_PARITY & 0xFFFFFFFF}]));
    let x = add(split(step), words[0]);
    let y = add(split(place), words[1]);
    for (let round = 0; round < {THREEFRY_ROUNDS}; ++round) {{
        x = add(x, y);
        y = xor(rotate(y, rotations[round % {len(THREEFRY_ROTATIONS)}]), x);
        if (round % 4 === 3) {{
            const injection = (round + 1) / 4;
            x = add(x, words[injection % 3]);
            y = add(add(y, words[(injection + 1) % 3]), [0, injection]);
        }}
    }}
    return x;
}}"""),
}


def helper_text(prefix: str, wanted: Iterable[str]) -> list[str]:
    """Return the lines of the helpers `wanted` and of those that they call, with names that begin with `prefix`."""
    found: dict[str, None] = {}
    pending = list(wanted)
    while pending:
        name = pending.pop()
        if name not in found:
            found[name] = None
            pending += HELPERS[name].calls
    return [line for name in sorted(found) for line in (*HELPERS[name].text.replace("@", f"{prefix}_").split("\n"), "")]
