"""Elementary functions of generated code: units in the last place against the C library, over the whole range."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.engines.native import NativeEngine
from chainrule.ir import ArrayType, DType, Input, Program
from chainrule.primitives import Elementwise, Exp, Expm1, Log, Log1p, Sigmoid, Softplus, Sqrt, Tanh

Array = NDArray[Any]


def exact_sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def exact_softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


CASES: dict[str, tuple[Elementwise, Callable[[float], float]]] = {
    "exp": (Exp(), math.exp),
    "expm1": (Expm1(), math.expm1),
    "log": (Log(), math.log),
    "log1p": (Log1p(), math.log1p),
    "tanh": (Tanh(), math.tanh),
    "sigmoid": (Sigmoid(), exact_sigmoid),
    "softplus": (Softplus(), exact_softplus),
    "sqrt": (Sqrt(), math.sqrt),
}
POLES = {"log": 0.0, "log1p": -1.0}
LIMIT = 3.0


def arguments(dtype: DType) -> Array:
    """Ordinary numbers, every magnitude of both signs, and the neighbourhoods of where formulas change."""
    rng = np.random.default_rng(0)
    kind = np.finfo(dtype.numpy)
    powers = 2.0 ** rng.uniform(math.log2(float(kind.smallest_subnormal)), math.log2(float(kind.max)), 3000)
    edges = np.array([0.0, 0.35, 0.5, 0.7071, 1.0, 1.4142, 19.0, 37.0, 87.3, 88.7, 103.9, 708.4, 709.78, 745.1])
    around = (edges[:, None] + rng.uniform(-1e-3, 1e-3, (1, 100))).ravel()
    positive = np.concatenate([powers, around, rng.uniform(0, 2, 2000), rng.uniform(0, 100, 2000), [0.0, 1.0]])
    return np.concatenate([positive, -positive]).astype(dtype.numpy)


def units_in_the_last_place(result: Array, expected: Array) -> Array:
    """The distance from float64 numbers, in units of the result's dtype at their magnitude."""
    rounded = expected.astype(result.dtype)
    spacing = np.spacing(np.abs(rounded)).astype(float)
    return np.where(result == rounded, 0, np.abs(result.astype(float) - expected) / spacing)


def expected_values(function: Callable[[float], float], x: Array, pole: float | None) -> Array:
    values = []
    for number in x.tolist():
        try:
            values.append(function(number))
        except OverflowError:
            values.append(math.inf)
        except ValueError:
            values.append(-math.inf if number == pole else math.nan)
    return np.array(values)


def compute(primitive: Elementwise, x: Array, dtype: DType) -> Array:
    node = Input("x", ArrayType(x.shape, dtype))
    return NativeEngine().compile(Program((node,), (primitive(node),)))({"x": x})[0]


@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32])
@pytest.mark.parametrize("name", CASES)
def test_functions_are_accurate_over_the_whole_range(name: str, dtype: DType) -> None:
    primitive, function = CASES[name]
    x = arguments(dtype)
    result, expected = compute(primitive, x, dtype), expected_values(function, x, POLES.get(name))
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    with np.errstate(over="ignore", invalid="ignore"):
        error = units_in_the_last_place(result, expected)[~np.isnan(expected)]
    finite = error[np.isfinite(error)]
    assert finite.size > x.size / 4
    assert np.all(np.isfinite(error) | (error == 0))
    assert finite.max() <= LIMIT, x[~np.isnan(expected)][np.argmax(error)]


SPECIAL_VALUES: list[tuple[str, float, float]] = [
    ("exp", math.inf, math.inf),
    ("exp", -math.inf, 0.0),
    ("exp", 1e300, math.inf),
    ("exp", -0.0, 1.0),
    ("expm1", -math.inf, -1.0),
    ("expm1", math.inf, math.inf),
    ("expm1", -0.0, -0.0),
    ("log", 0.0, -math.inf),
    ("log", -0.0, -math.inf),
    ("log", math.inf, math.inf),
    ("log", -1.0, math.nan),
    ("log", 1.0, 0.0),
    ("log1p", -1.0, -math.inf),
    ("log1p", math.inf, math.inf),
    ("log1p", -0.0, -0.0),
    ("log1p", -2.0, math.nan),
    ("tanh", math.inf, 1.0),
    ("tanh", -math.inf, -1.0),
    ("tanh", -0.0, -0.0),
    ("sigmoid", math.inf, 1.0),
    ("sigmoid", -math.inf, 0.0),
    ("softplus", math.inf, math.inf),
    ("softplus", -math.inf, 0.0),
    ("sqrt", -1.0, math.nan),
    ("sqrt", -0.0, -0.0),
    *((name, math.nan, math.nan) for name in CASES),
]


@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32])
@pytest.mark.parametrize("name", CASES)
def test_special_values(name: str, dtype: DType) -> None:
    cases = [(x, expected) for case, x, expected in SPECIAL_VALUES if case == name]
    with np.errstate(over="ignore"):
        x = np.array([x for x, _ in cases]).astype(dtype.numpy)
    result = compute(CASES[name][0], x, dtype)
    expected = np.array([value for _, value in cases])
    np.testing.assert_array_equal(result, expected)
    signed = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(result)[signed], np.signbit(expected)[signed])
