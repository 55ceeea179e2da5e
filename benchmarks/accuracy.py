"""Accuracy of the native engine's elementary functions: the worst error of each in a large sample.

Errors are in units in the last place (ulp) of the exact result: the distance between the two numbers of the dtype that
enclose it. Infinity counts as the power of two that follows the largest number.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from json import dumps
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from chainrule.engines.native.machine import build
from chainrule.engines.native.math import FUNCTIONS, Real
from chainrule.engines.native.target import Target
from chainrule.engines.native.text import Function, Module, Value, vector
from chainrule.ir import DType

Array = NDArray[Any]

NAMES = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "erf", "erfc", "sin", "cos", "power")
WITHOUT_EXTENDED = ("erf", "erfc")
"""Functions that NumPy lacks in every precision."""
ELEMENTS = {DType.FLOAT64: "double", DType.FLOAT32: "float"}
WIDTHS = {DType.FLOAT64: 4, DType.FLOAT32: 8}

_WORKING_BITS = 1200
"""Enough for the argument reduction of the largest float64 by π."""

_BEYOND = 2000
"""The binary exponent above which a number is 0 or infinite in every dtype."""


@dataclass(frozen=True)
class Exact:
    """Results to at least 63 digits: (significand + rest) · 2^exponent with ½ ≤ |significand| < 1, or 0, ∞ or NaN."""

    significand: Array
    rest: Array
    exponent: Array


def _with_mpmath(name: str, *arguments: float) -> tuple[float, float, int]:
    """Return (significand, rest, exponent); special arguments are computed by NumPy, according to IEEE 754."""
    if any(map(math.isnan, arguments)) or any(map(math.isinf, arguments)):
        with np.errstate(all="ignore"):
            return float(_with_numpy(name, *map(np.float64, arguments))), 0.0, 0
    x = [mpmath.mpf(argument) for argument in arguments]
    with mpmath.workprec(_WORKING_BITS if name in ("sin", "cos") else 120):
        try:
            result = _MPMATH[name](*x)
        except (ValueError, ZeroDivisionError, mpmath.libmp.ComplexResult):
            result = mpmath.nan
        if isinstance(result, mpmath.mpc):
            result = mpmath.nan
        if not mpmath.isfinite(result) or result == 0:
            return math.copysign(float(result), arguments[0]), 0.0, 0
        significand, exponent = mpmath.frexp(result)
        if abs(exponent) > _BEYOND:
            return math.copysign(math.inf if exponent > 0 else 0.0, significand), 0.0, 0
        high = float(significand)
        return high, float(significand - high), int(exponent)


_MPMATH: dict[str, Callable[..., Any]] = {
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "erf": mpmath.erf,
    "erfc": lambda x: mpmath.erfc(x) if x < _BEYOND else mpmath.mpf(0),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "power": mpmath.power,
}


def _with_numpy(name: str, *arguments: Any) -> Any:
    if name == "sigmoid":
        return 1 / (1 + np.exp(-arguments[0]))
    if name == "softplus":
        return np.logaddexp(0 * arguments[0], arguments[0])
    if name in WITHOUT_EXTENDED:
        return np.vectorize(getattr(math, name), otypes=[float])(arguments[0])
    return getattr(np, name)(*arguments)


def exact(name: str, *arguments: Array, always_mpmath: bool = False) -> Exact:
    """Return the function at float32 or float64 arguments.

    The reference for float32 is float64; for float64, extended precision where the platform has it, otherwise mpmath.
    """
    extended = np.finfo(np.longdouble).nmant >= 63
    single = arguments[0].dtype == np.float32
    if always_mpmath or not (single or (extended and name not in WITHOUT_EXTENDED)):
        found = [_with_mpmath(name, *map(float, point)) for point in zip(*arguments, strict=True)]
        significand, rest, exponent = (np.array(column) for column in zip(*found, strict=True))
        return Exact(significand, rest, exponent.astype(np.int64))
    wide = np.float64 if single else np.longdouble
    with np.errstate(all="ignore"):
        result = _with_numpy(name, *(argument.astype(wide) for argument in arguments))
        fraction, power = np.frexp(result)
        high = fraction.astype(np.float64)
        return Exact(high, np.where(np.isfinite(high), (fraction - high).astype(float), 0.0), power.astype(np.int64))


def units(result: Array, expected: Exact) -> Array:
    """Return the errors in units in the last place; infinite if only one is NaN, or if signs of zeros differ."""
    kind = np.finfo(result.dtype)
    high, rest, exponent = expected.significand, expected.rest, expected.exponent
    beyond = np.isinf(high) | (np.isfinite(high) & (exponent > kind.maxexp))
    high = np.where(beyond, np.copysign(0.5, high), high)
    rest, exponent = np.where(beyond, 0.0, rest), np.where(beyond, kind.maxexp + 1, exponent)
    exponent = np.where(high == 0, kind.minexp, exponent)
    last = np.clip(exponent - 1, kind.minexp, kind.maxexp - 1) - kind.nmant
    infinite = np.isinf(result)
    with np.errstate(all="ignore"):
        scaled = np.ldexp(np.where(infinite, np.copysign(1.0, result), result.astype(float)), -exponent)
        scaled = np.where(infinite, np.ldexp(scaled, kind.maxexp), scaled)
        error = np.ldexp(np.abs((scaled - high) - rest), exponent - last)
    undefined = np.isnan(high)
    alike = np.where(undefined, np.isnan(result), ~np.isnan(result) & (np.signbit(result) == np.signbit(high)))
    return np.where(alike, np.where(undefined, 0.0, error), np.inf)


@functools.cache
def compiled(name: str, dtype: DType, width: int, target: Target | None = None) -> Callable[..., Array]:
    """Return the function on arrays of any length, computed `width` numbers at a time; width 0 means scalars."""
    element, bytes_each, count = ELEMENTS[dtype], dtype.numpy.itemsize, 2 if name == "power" else 1
    names = [f"x{k}" for k in range(count)]
    module = Module()
    function = Function(module, "run", "void", [(each, "ptr") for each in ("turns", *names, "result")])
    step, type = max(width, 1), vector(element, width)
    with function.loop(function.load("i64", Value("%turns", "ptr"))) as turn:
        first = function.integer_operation("mul", turn, step)
        addresses = [function.offset(Value(f"%{each}", "ptr"), first, element) for each in (*names, "result")]
        operands = [function.load(type, address, f", align {bytes_each}") for address in addresses[:-1]]
        result = FUNCTIONS[name](*(Real(function, operand) for operand in operands))
        function.store(result.value, addresses[-1], f", align {bytes_each}")
    function.do("ret void")
    function.finish()
    code = build(str(module), target)
    call = code.function("run", count + 2)

    def run(*arguments: Array, code: object = code) -> Array:
        size = arguments[0].size
        padded = [np.resize(argument, -(-size // step) * step) for argument in arguments]
        result, turns = np.empty_like(padded[0]), np.array([padded[0].size // step])
        call(*(array.ctypes.data for array in (turns, *padded, result)))
        return result[:size]

    return run


_SPANS: dict[str, tuple[float, float]] = {
    "exp": (-760, 720),
    "expm1": (-50, 720),
    "sigmoid": (-760, 50),
    "softplus": (-760, 50),
    "tanh": (-22, 22),
    "erf": (-6.5, 6.5),
    "erfc": (-6.5, 27.5),
    "log": (0, 4),
    "log1p": (-1, 3),
    "sin": (-1000, 1000),
    "cos": (-1000, 1000),
}
"""Intervals in which float64 results are neither constant nor equal to the argument."""


def sample(name: str, dtype: DType, count: int, seed: int = 0) -> tuple[Array, ...]:
    """Return about `count` arguments of every magnitude and both signs, denser in the intervals of `_SPANS`."""
    random = np.random.default_rng(seed)
    kind = np.finfo(dtype.numpy)
    least, most = math.log2(float(kind.smallest_subnormal)), math.log2(float(kind.max))
    part = max(count // 8, 1)
    with np.errstate(all="ignore"):
        if name == "power":
            return tuple(column.astype(dtype.numpy) for column in _pairs(random, 2 * part, least, most, kind.nmant))
        low, high = _SPANS[name]
        if dtype is DType.FLOAT32:
            low, high = max(low, -110), min(high, 100)
        every = 2.0 ** random.uniform(least, most, part)
        usual = 2.0 ** random.uniform(-12, 8, part)
        pieces = [every, -every, usual, -usual, random.uniform(low, high, 2 * part), random.uniform(-2.5, 2.5, part)]
        if name in ("sin", "cos"):
            pieces.append(np.round(2.0 ** random.uniform(0, 60, part)) * (math.pi / 2))
        else:
            pieces.append((name == "log") + random.uniform(-1, 1, part) * 2.0 ** random.uniform(-60, 0, part))
        return (np.concatenate(pieces).astype(dtype.numpy),)


def _pairs(random: np.random.Generator, part: int, least: float, most: float, digits: int) -> tuple[Array, Array]:
    """Return bases and exponents whose powers are of every magnitude, and powers of negative numbers."""
    logarithms = random.uniform(least, most, part)
    near_one = 1 + random.uniform(-1, 1, part) * 2.0 ** random.uniform(-digits, -1, part)
    near_one = near_one.astype(np.float32 if digits < 30 else np.float64).astype(float)
    bases = np.concatenate([2.0**logarithms, random.uniform(0.5, 2, part), near_one])
    exponents = random.uniform(least, most, bases.size) / np.log2(bases)
    negative = -(2.0 ** random.uniform(-8, 8, part))
    whole = np.round(random.uniform(-100, 100, part))
    return np.concatenate([bases, negative]), np.concatenate([exponents, whole])


@dataclass(frozen=True)
class Worst:
    """The largest error found for a function, in units in the last place, and its arguments."""

    function: str
    dtype: str
    units: float
    arguments: tuple[float, ...]
    count: int


def worst(name: str, dtype: DType, arguments: Sequence[Array], target: Target | None = None) -> Worst:
    """Return the largest error over the given arguments."""
    result = compiled(name, dtype, WIDTHS[dtype], target)(*arguments)
    errors = units(result, exact(name, *arguments))
    at = int(np.argmax(errors))
    place = tuple(float(argument[at]) for argument in arguments)
    return Worst(name, dtype.value, float(errors[at]), place, errors.size)


def run(count: int = 600_000, target: Target | None = None) -> list[Worst]:
    """Measure each function in each dtype, over about `count` arguments; over fewer if mpmath is the reference."""
    found = []
    for name in NAMES:
        for dtype in ELEMENTS:
            size = count // 10 if name in WITHOUT_EXTENDED and dtype is DType.FLOAT64 else count
            found.append(worst(name, dtype, sample(name, dtype, size), target))
    return found


def table(found: Sequence[Worst]) -> str:
    """Return a table with a line for each function and dtype."""
    lines = [f"{'function':10}{'dtype':9}{'worst error':>12}   at"]
    for one in found:
        lines.append(f"{one.function:10}{one.dtype:9}{one.units:8.3f} ulp   {', '.join(map(repr, one.arguments))}")
    return "\n".join([*lines, f"the worst of {sum(one.count for one in found):,} results"])


def main(json: bool) -> None:
    """Measure, and print the table or one JSON object."""
    found = run()
    print(dumps({"accuracy": [asdict(one) for one in found]}) if json else table(found))


if __name__ == "__main__":
    main("--json" in sys.argv)
