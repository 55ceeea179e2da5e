"""Elementary functions of generated code: at most 2 units in the last place over the whole range, on any target."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import accuracy
from benchmarks.accuracy import Exact, compiled, exact, sample, units
from chainrule.engines.native.machine import assemble
from chainrule.engines.native.math import FUNCTIONS, Real, error_function, exponential, logarithm, powers, trigonometric
from chainrule.engines.native.target import Target, host, parse_target
from chainrule.engines.native.text import Function, Module, Value
from chainrule.ir import DType

Array = NDArray[Any]

LIMIT = 2.0
UNARY = [name for name in accuracy.NAMES if name != "power"]
DTYPES = list(accuracy.ELEMENTS)
TARGETS = ["native", "x86-64"] if host().is_x86 else ["native"]
"""The second one has no fused multiplication and addition."""

both = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.value)
everywhere = pytest.mark.parametrize("target", [parse_target(name) for name in TARGETS], ids=TARGETS)


def check(name: str, dtype: DType, arguments: tuple[Array, ...], target: Target | None = None) -> None:
    found = accuracy.worst(name, dtype, arguments, target)
    assert found.units <= LIMIT, found


@everywhere
@both
@pytest.mark.parametrize("name", accuracy.NAMES)
def test_samples_of_the_whole_range(name: str, dtype: DType, target: Target) -> None:
    check(name, dtype, sample(name, dtype, 8_000 if name in accuracy.WITHOUT_EXTENDED else 40_000, seed=1), target)


@everywhere
@both
@pytest.mark.parametrize("name", UNARY)
def test_every_exponent(name: str, dtype: DType, target: Target) -> None:
    """Powers of two and their neighbours, subnormal numbers included."""
    kind = np.finfo(dtype.numpy)
    step = 1 if dtype is DType.FLOAT32 else 3
    powers = np.ldexp(1.0, np.arange(kind.minexp - kind.nmant, kind.maxexp, step)).astype(dtype.numpy)
    odd = (powers * dtype.numpy.type(1.7)).astype(dtype.numpy)
    upper = np.nextafter(powers, dtype.numpy.type(math.inf))
    numbers = np.concatenate([powers, upper, np.nextafter(powers, dtype.numpy.type(0)), odd])
    check(name, dtype, (np.concatenate([numbers, -numbers]),), target)


LN2 = math.log(2)
EDGES = {
    "exp": [
        *(LN2 * (k + 0.5) for k in range(-4, 5)),
        88.72284,
        87.33655,
        103.97208,
        709.782712893384,
        745.1332191019411,
    ],
    "sigmoid": [LN2 * 0.5, 16.9, 17.3, 36.7, 37.1, 37.4, 87.33655, 103.97208, 708.3964185322641, 745.1332191019411],
    "tanh": [LN2 * 0.25, LN2 * 0.75, 8.1, 8.6, 9.1, 18.2, 18.8, 19.1, 22.0],
    "log": [1.0, math.sqrt(0.5), math.sqrt(2), 2.2250738585072014e-308, 1.1754943508222875e-38],
    "log1p": [math.sqrt(0.5) - 1, math.sqrt(2) - 1, -1.0, 2.0**25, 2.0**54],
    "softplus": [LN2, 0.5, 16.0, 36.0, 87.33655, 103.97208, 708.3964185322641, 745.1332191019411],
    "erf": [*(k / 256 for k in range(9)), 0.4769, 1.0, 3.83, 4.0, 5.86, 6.0],
    "erfc": [0.5, 1.0, 3.0, 5.86, 9.19, 10.05, 10.3, 26.54, 27.22, 27.5],
    "sin": [*(k * math.pi / 4 for k in range(1, 9)), 2.0**-30, 2.0**15, 2.0**20, 1e22],
}
EDGES["expm1"] = [*EDGES["exp"], 17.4, 37.4, 44.0, 20.0, 2.0**-54, 2.0**-25]
EDGES["cos"] = EDGES["sin"]


@everywhere
@both
@pytest.mark.parametrize("name", UNARY)
def test_neighbourhoods_of_where_formulas_change(name: str, dtype: DType, target: Target) -> None:
    edges = np.array(EDGES[name], dtype.numpy)
    near = [edges + np.spacing(edges) * dtype.numpy.type(k) for k in range(-30, 31)]
    wide = [edges * dtype.numpy.type(1 + k * 1e-4) for k in range(-100, 101)]
    numbers = np.concatenate([*near, *wide]).astype(dtype.numpy)
    check(name, dtype, (np.concatenate([numbers, -numbers]),), target)


@both
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_numbers_next_to_multiples_of_a_right_angle(name: str, dtype: DType) -> None:
    random = np.random.default_rng(2)
    top = 127 if dtype is DType.FLOAT32 else 1022
    multiples = np.round(2.0 ** random.uniform(0, 60, 3000)) * (math.pi / 2)
    large = random.uniform(0.5, 1, 3000) * 2.0 ** random.uniform(10, top, 3000)
    # Of all numbers of their dtypes, these are the closest to a multiple of π/2.
    hardest = [6381956970095103 * 2.0**797, 16367173 * 2.0**72] if dtype is DType.FLOAT64 else [16367173 * 2.0**72]
    check(name, dtype, (np.concatenate([multiples, -multiples, large, hardest]).astype(dtype.numpy),))


@both
@pytest.mark.parametrize("name", accuracy.NAMES)
def test_the_width_of_the_vector_makes_no_difference(name: str, dtype: DType) -> None:
    arguments = sample(name, dtype, 600, seed=3)
    expected = compiled(name, dtype, accuracy.WIDTHS[dtype])(*arguments)
    for width in (0, 1, 2, 3, 4, 8):
        np.testing.assert_array_equal(compiled(name, dtype, width)(*arguments), expected)


SPECIAL_VALUES = [
    ("exp", math.inf, math.inf),
    ("exp", -math.inf, 0.0),
    ("exp", 1e300, math.inf),
    ("exp", -1e300, 0.0),
    ("exp", 0.0, 1.0),
    ("exp", -0.0, 1.0),
    ("expm1", -math.inf, -1.0),
    ("expm1", math.inf, math.inf),
    ("expm1", 0.0, 0.0),
    ("expm1", -0.0, -0.0),
    ("log", 0.0, -math.inf),
    ("log", -0.0, -math.inf),
    ("log", math.inf, math.inf),
    ("log", -math.inf, math.nan),
    ("log", -1.0, math.nan),
    ("log", 1.0, 0.0),
    ("log1p", -1.0, -math.inf),
    ("log1p", math.inf, math.inf),
    ("log1p", -math.inf, math.nan),
    ("log1p", 0.0, 0.0),
    ("log1p", -0.0, -0.0),
    ("log1p", -2.0, math.nan),
    ("tanh", math.inf, 1.0),
    ("tanh", -math.inf, -1.0),
    ("tanh", 0.0, 0.0),
    ("tanh", -0.0, -0.0),
    ("sigmoid", math.inf, 1.0),
    ("sigmoid", -math.inf, 0.0),
    ("sigmoid", 0.0, 0.5),
    ("sigmoid", 1e300, 1.0),
    ("softplus", math.inf, math.inf),
    ("softplus", -math.inf, 0.0),
    ("erf", math.inf, 1.0),
    ("erf", -math.inf, -1.0),
    ("erf", 0.0, 0.0),
    ("erf", -0.0, -0.0),
    ("erfc", math.inf, 0.0),
    ("erfc", -math.inf, 2.0),
    ("erfc", 0.0, 1.0),
    ("erfc", -0.0, 1.0),
    ("erfc", 1e300, 0.0),
    ("sin", math.inf, math.nan),
    ("sin", -math.inf, math.nan),
    ("sin", 0.0, 0.0),
    ("sin", -0.0, -0.0),
    ("cos", math.inf, math.nan),
    ("cos", -math.inf, math.nan),
    ("cos", 0.0, 1.0),
    ("cos", -0.0, 1.0),
    ("sqrt", -1.0, math.nan),
    ("sqrt", -0.0, -0.0),
    ("sqrt", math.inf, math.inf),
    ("abs", -0.0, 0.0),
    ("abs", -math.inf, math.inf),
    *(("floor", x, x) for x in (0.0, -0.0, math.inf, -math.inf, 5.0, -5.0)),
    *(("floor", sign * 2.0**power, sign * 2.0**power) for sign in (1, -1) for power in (22, 23, 24, 51, 52, 53, 100)),
    *(("floor", x, 0.0) for x in (0.3, 0.5, 1 - 2.0**-24, 2.0**-149)),
    *(("floor", -x, -1.0) for x in (0.3, 0.5, 1 - 2.0**-24, 2.0**-149)),
    ("floor", 2.0**22 - 0.5, 2.0**22 - 1),
    ("floor", 0.5 - 2.0**22, -(2.0**22)),
    ("floor", 1.5, 1.0),
    ("floor", -2.5, -3.0),
]


@both
@pytest.mark.parametrize("name", [*UNARY, "sqrt", "abs", "floor"])
def test_special_values(name: str, dtype: DType) -> None:
    """Beside finite numbers in the same vector, too."""
    cases = [(x, expected) for case, x, expected in SPECIAL_VALUES if case == name] + [(math.nan, math.nan)]
    with np.errstate(over="ignore"):
        x = np.array([x for x, _ in cases] + [0.5] * 3).astype(dtype.numpy)
    expected = np.array([value for _, value in cases])
    for width in (0, 3, 8):
        result = compiled(name, dtype, width)(x)[: expected.size]
        np.testing.assert_array_equal(result, expected)
        signed = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(result)[signed], np.signbit(expected)[signed])


@everywhere
@both
def test_special_cases_of_powers(dtype: DType, target: Target) -> None:
    """All pairs, against NumPy's own, which is the C library's and that IEEE 754's."""
    kind = np.finfo(dtype.numpy)
    digits = 2.0**kind.nmant
    positive = [0.0, float(kind.smallest_subnormal), float(kind.tiny), 1 - 2.0**-20, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 7.0]
    positive += [
        digits - 1,
        digits + 1,
        2 * digits - 1,
        2 * digits,
        2 * digits + 2,
        4 * digits - 2,
        float(kind.max),
        math.inf,
    ]
    numbers = [*positive, *(-number for number in positive), math.nan]
    x, y = (np.array(column, dtype.numpy) for column in zip(*itertools.product(numbers, numbers), strict=True))
    result = compiled("power", dtype, accuracy.WIDTHS[dtype], target)(x, y)
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    check("power", dtype, (x, y), target)
    plain = np.isin(expected, (0.0, 1.0, math.inf, -math.inf, -1.0)) & (np.abs(expected) != 1) | (x == 1) | (y == 0)
    np.testing.assert_array_equal(result[plain], expected[plain])


@pytest.mark.parametrize("name", accuracy.NAMES)
def test_the_two_references_agree(name: str) -> None:
    arguments = sample(name, DType.FLOAT64, 400, seed=4)
    if name in ("exp", "expm1", "sigmoid", "softplus"):
        arguments = (np.clip(arguments[0], -1300, 1300),)  # within the range of extended precision
    first, second = exact(name, *arguments), exact(name, *arguments, always_mpmath=True)
    with np.errstate(invalid="ignore"):
        scale = np.ldexp(1.0, np.where(np.isfinite(second.significand), second.exponent - first.exponent, 0))
        difference = (second.significand * scale - first.significand) + (second.rest * scale - first.rest)
    alike = (first.significand == second.significand) | np.isnan(first.significand) & np.isnan(second.significand)
    assert np.all(alike & ~np.isfinite(first.significand) | (np.abs(difference) <= 2.0**-62))


def test_units_of_known_errors() -> None:
    one = Exact(np.array([0.5]), np.array([2.0**-55]), np.array([1]))  # 1 + 2⁻⁵⁴
    assert units(np.array([1.0]), one)[0] == 0.25
    assert units(np.array([1 + 2.0**-52]), one)[0] == 0.75
    assert units(np.array([1.0], np.float32), one)[0] == 2.0**-31
    assert units(np.array([math.nan]), one)[0] == math.inf
    least = Exact(np.array([0.75]), np.array([0.0]), np.array([-1073]))  # 1.5 times the smallest number
    assert units(np.array([5e-324]), least)[0] == 0.5
    infinite = Exact(np.array([math.inf]), np.array([0.0]), np.array([0]))
    assert units(np.array([math.inf]), infinite)[0] == 0.0
    assert units(np.array([np.finfo(float).max]), infinite)[0] == 1.0
    zero = Exact(np.array([-0.0]), np.array([0.0]), np.array([0]))
    assert units(np.array([0.0]), zero)[0] == math.inf
    assert units(np.array([-5e-324]), zero)[0] == 1.0


@pytest.fixture
def fresh() -> Iterator[None]:
    """Nothing that was compiled before is used, nor what is compiled now later."""
    compiled.cache_clear()
    yield
    compiled.cache_clear()


COEFFICIENTS = {
    "exp": (exponential, "quotient"),
    "sigmoid": (exponential, "quotient"),
    "expm1": (exponential, "cubic"),
    "tanh": (exponential, "cubic"),
    "log": (logarithm, ""),
    "log1p": (logarithm, ""),
    "softplus": (logarithm, ""),
    "power": (powers, ""),
    "sin": (trigonometric, "sine"),
    "cos": (trigonometric, "cosine"),
}


def spoilt(numbers: tuple[float, ...], dtype: DType, place: int) -> tuple[float, ...]:
    change = 1 + 2000 * float(np.finfo(dtype.numpy).eps)
    return (*numbers[:place], numbers[place] * change, *numbers[place + 1 :])


def check_is_noticed(name: str, dtype: DType) -> None:
    with pytest.raises(AssertionError, match="Worst"):
        check(name, dtype, sample(name, dtype, 8_000))


@pytest.mark.usefixtures("fresh")
@both
@pytest.mark.parametrize("name", COEFFICIENTS)
def test_a_wrong_coefficient_is_noticed(name: str, dtype: DType, monkeypatch: pytest.MonkeyPatch) -> None:
    module, field = COEFFICIENTS[name]
    side = "_DOUBLE" if dtype is DType.FLOAT64 else "_SINGLE"
    right = getattr(module, side)
    wrong = (
        dataclasses.replace(right, **{field: spoilt(getattr(right, field), dtype, 0)})
        if field
        else spoilt(right, dtype, 0)
    )
    monkeypatch.setattr(module, side, wrong)
    check_is_noticed(name, dtype)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("name", ["_SINGLE_NEAR", "_SINGLE_FAR"])
def test_a_wrong_coefficient_of_erf_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_function, name, spoilt(getattr(error_function, name), DType.FLOAT32, 1))
    check_is_noticed("erf", DType.FLOAT32)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("place", [1, 129])
def test_a_wrong_entry_of_the_table_of_erf_is_noticed(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = spoilt(error_function.table(), DType.FLOAT64, place)
    monkeypatch.setattr(error_function, "table", lambda: wrong)
    check_is_noticed("erf", DType.FLOAT64)


def test_the_table_of_erf() -> None:
    points = np.arange(6 * 128 + 1) / 128
    values = np.array(error_function.table()).reshape(-1, 2)
    assert units(values[:, 0], exact("erf", points)).max() <= 0.5
    np.testing.assert_allclose(values[:, 1], 2 / math.sqrt(math.pi) * np.exp(-(points**2)), rtol=1e-14)


@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3", "aarch64"])
@pytest.mark.parametrize("name", [*accuracy.NAMES, "floor"])
def test_nothing_outside_the_module_is_called(name: str, target: str) -> None:
    module = Module()
    for dtype, type in itertools.product(("double", "float"), ("{}", "<4 x {}>", "<3 x {}>")):
        each = type.format(dtype)
        count = 2 if name == "power" else 1
        label = f"run_{re.sub('[^a-z0-9]', '_', each)}"
        function = Function(module, label, each, [(f"x{k}", each) for k in range(count)])
        operands = [Real(function, Value(f"%x{k}", each)) for k in range(count)]
        function.do(f"ret {FUNCTIONS[name](*operands).value}")
        function.finish()
    text = assemble(str(module), parse_target(target))
    called = set(re.findall(r"^\s*(?:callq?|bl)\s+\*?([\w.@%$]+)", text, re.MULTILINE))
    assert called <= {"chainrule_reduce_by_half_pi"}
