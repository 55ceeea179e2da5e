"""Elementwise functions: NumPy's values at every edge, and derivatives between and at their kinks and steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.engines import get_engine
from chainrule.trace import trace

EDGES = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -1.5, 2.5, 1e-300, -1e300, math.inf, -math.inf, math.nan, 7.3])
X, Y = (part.ravel() for part in np.meshgrid(EDGES, EDGES))

UNARY: dict[str, Callable[..., Any]] = {
    "isin": lambda x: np.isin(x, [0.5, math.inf, 7.3]) + 2.0 * np.isin(x, [-1], invert=True) + np.isin(x, []),
    "kinds of numbers": lambda x: np.isreal(x) + 2.0 * np.iscomplex(x) + np.real_if_close(x),
    "ceil": np.ceil,
    "trunc": np.trunc,
    "rint": lambda x: np.rint(x) + x.round(),
    "round to digits": lambda x: np.round(x, 2) + np.around(x * 100, -1),
    "exp2": np.exp2,
    "angles": lambda x: np.deg2rad(x) + np.radians(x) + np.rad2deg(x) + np.degrees(x),
    "classes": lambda x: np.isnan(x) * 1.0 + np.isinf(x) * 2.0 + np.isfinite(x) * 4.0,
    "infinities": lambda x: np.isposinf(x) * 1.0 + np.isneginf(x) * 2.0,
    "signbit": lambda x: np.where(x == x, np.signbit(x), False) * 1.0,
    "nan_to_num": np.nan_to_num,
    "nan_to_num with numbers": lambda x: np.nan_to_num(x, nan=3.0, posinf=9.0, neginf=-9.0),
    "modf": lambda x: np.modf(x),
    "python's round": lambda x: round(x, 1) if isinstance(x, float) else np.round(x, 1),
}
BINARY: dict[str, Callable[..., Any]] = {
    "operators": lambda x, y: [x // y, x % y, *divmod(x, y)],
    "fmod": np.fmod,
    "copysign": lambda x, y: np.copysign(x, np.where(y == y, y, 1.0)),
    "fmax and fmin": lambda x, y: [np.fmax(x, y), np.fmin(x, y)],
    "heaviside": np.heaviside,
    "hypot": np.hypot,
    "ldexp": lambda x, y: np.ldexp(x, (np.nan_to_num(y) > 0) * 3 - 1),
    "isclose": lambda x, y: np.isclose(x, y) * 1.0 + np.isclose(x, y, 0.5, 0.1, equal_nan=True) * 2.0,
}


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("name", [*UNARY, *BINARY])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_at_edges_are_numpys(name: str, engine: str) -> None:
    function, arrays = (UNARY[name], [EDGES]) if name in UNARY else (BINARY[name], [X, Y])
    named = dict(zip("xy", arrays, strict=False))
    program = trace((lambda x: function(x)) if name in UNARY else (lambda x, y: function(x, y)), **named)
    found = get_engine(engine).compile(program)(named)
    expected = function(*arrays)
    for one, other in zip(found, expected if isinstance(expected, list | tuple) else [expected], strict=True):
        np.testing.assert_allclose(one, other, rtol=4e-16, atol=0)
        numbers = ~np.isnan(other)
        np.testing.assert_array_equal(np.signbit(one)[numbers], np.signbit(other)[numbers])


def test_sinc_and_its_derivatives_are_smooth_at_zero() -> None:
    """Against the derivatives of its power series, at 0 and beyond, where cancellation would lose digits."""
    x = np.array([0.0, 1e-12, 1e-4, 0.4, 1.0, -2.5, 9.3])
    np.testing.assert_allclose(cr.grad(lambda x: np.sum(np.sinc(x)))(x[:3]), -(math.pi**2) * x[:3] / 3, rtol=1e-7)
    second = np.diagonal(cr.hessian(lambda x: np.sum(np.sinc(x)))(x))
    np.testing.assert_allclose(second[:2], -(math.pi**2) / 3, rtol=1e-12)
    u = math.pi * x[3:]
    exact = math.pi**2 * (-np.sin(u) / u - 2 * np.cos(u) / u**2 + 2 * np.sin(u) / u**3)
    np.testing.assert_allclose(second[3:], exact, rtol=1e-11)
    derivation = cr.derive(lambda x: np.sum(np.sinc(x)), x="n")
    assert derivation.verify().ok
    assert "∂L/∂x = sinc′(x)" in str(derivation)


@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_divide"])
def test_native_division_is_exact_for_all_bits(name: str) -> None:
    """Numbers of every exponent, subnormal ones and those next to them included, and quotients up to 2²⁰⁰⁰."""
    draw = np.random.default_rng(8)
    x, y = draw.integers(-(2**63), 2**63, (2, 4000)).view(np.float64)
    small = draw.integers(1, 56 << 52, (2, 4000)).view(np.float64)
    x, y = (np.concatenate(parts) for parts in ((x, small[0], x), (y, small[1], small[0])))
    ufunc = getattr(np, name)
    program = trace(lambda x, y: ufunc(x, y), x=x, y=y)
    (found,) = get_engine("native").compile(program)({"x": x, "y": y})
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(found, ufunc(x, y))


@pytest.mark.parametrize("name", ["arcsin", "arccos", "arcsinh", "arccosh", "arctanh", "cbrt"])
def test_native_values_between_the_edges(name: str) -> None:
    draw = np.random.default_rng(9)
    sizes = np.exp(draw.uniform(-40, 0 if name in ("arcsin", "arccos", "arctanh") else 60, 3000))
    x = sizes * np.where(draw.random(3000) < 0.5, 1, -1) if name != "arccosh" else 1 + sizes
    function = getattr(np, name)
    (found,) = get_engine("native").compile(trace(lambda x: function(x), x=x))({"x": x})
    np.testing.assert_allclose(found, function(x), rtol=4 * np.finfo(float).eps)


DERIVATIVES: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[float]]] = {
    "arcsin": (np.arcsin, mpmath.asin, [0.0, 0.3, -0.999]),
    "arccos": (np.arccos, mpmath.acos, [0.0, 0.3, -0.999]),
    "arcsinh": (np.arcsinh, mpmath.asinh, [0.0, 0.3, -40.0]),
    "arccosh": (np.arccosh, mpmath.acosh, [1.001, 2.0, 50.0]),
    "arctanh": (np.arctanh, mpmath.atanh, [0.0, 0.3, -0.99]),
    "cbrt": (np.cbrt, lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), [0.001, 2.0, -8.0]),
    "exp2": (np.exp2, lambda x: mpmath.mpf(2) ** x, [-2.0, 0.0, 3.5]),
    "hypot": (lambda x: np.hypot(x, 2.0), lambda x: mpmath.hypot(x, 2), [0.0, 1.5, -3.0]),
    "deg2rad": (np.deg2rad, mpmath.radians, [0.5]),
    "rad2deg": (np.rad2deg, mpmath.degrees, [0.5]),
    "copysign": (lambda x: np.copysign(x, -1.0) ** 3, lambda x: (-abs(x)) ** 3, [0.5, -1.5]),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_first_and_second_derivatives_are_right(name: str) -> None:
    function, exact, points = DERIVATIVES[name]
    first = cr.grad(lambda x: function(x))
    second = cr.grad(lambda x: cr.grad(lambda t: function(t))(x))
    for point in points:
        with mpmath.workdps(40):
            wanted = [float(mpmath.diff(exact, mpmath.mpf(point), order)) for order in (1, 2)]
        np.testing.assert_allclose([first(point), second(point)], wanted, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("function", "at", "derivative"),
    [
        (np.ceil, 2.0, 0.0),
        (np.trunc, -1.0, 0.0),
        (np.rint, 0.5, 0.0),
        (lambda x: np.round(x, 1), 0.25, 0.0),
        (lambda x: x % 2.0, 4.0, 1.0),
        (lambda x: 7.0 % x, 2.0, -3.0),
        (lambda x: np.fmod(-7.0, x), 2.0, 3.0),
        (lambda x: np.fmod(x, 2.0), -7.0, 1.0),
        (lambda x: x // 2.0, 4.0, 0.0),
        (lambda x: np.fmax(x, 1.0), 1.0, 0.5),
        (lambda x: np.fmax(x, math.nan), 1.0, 1.0),
        (lambda x: np.fmin(math.nan, x), 1.0, 1.0),
        (lambda x: np.heaviside(x, 0.5), 0.0, 0.0),
        (lambda h: np.heaviside(0.0, h), 3.0, 1.0),
        (lambda x: np.hypot(x, 0.0), 0.0, 0.0),
        (np.cbrt, 0.0, math.inf),
        (np.nan_to_num, math.inf, 0.0),
        (np.nan_to_num, math.nan, 0.0),
        (np.nan_to_num, 2.0, 1.0),
        (lambda x: sum(np.modf(x)), 1.25, 1.0),
        (lambda x: np.ldexp(x, 3), 1.25, 8.0),
    ],
)
def test_derivatives_at_kinks_and_steps(function: Any, at: float, derivative: float) -> None:
    assert cr.grad(lambda x: function(x))(at) == derivative


@pytest.mark.parametrize(
    ("formula", "gradient"),
    [
        ("arcsin(x)", "1 / √(1 − x²)"),
        ("arccos(x)", "−1 / √(1 − x²)"),
        ("arcsinh(x)", "1 / √(x² + 1)"),
        ("arctanh(x)", "1 / (1 − x²)"),
        ("cbrt(x)", "1 / (3 cbrt(x)²)"),
        ("hypot(x, y)", "x / √(x² + y²)"),
        ("y * ceil(x) + x", "1"),
        ("remainder(x, y)", "1"),
    ],
)
def test_derivatives_are_printed_as_on_paper(formula: str, gradient: str) -> None:
    shapes = {name: "n" for name in ("x", "y") if name in formula}
    derivation = cr.derive(f"L = sum({formula})", ["x"], **shapes)
    for language in ("en", "zh"):
        assert f"∂L/∂x = {gradient}" in derivation.text(lang=language)
    assert derivation.verify().holds


def test_fix_is_trunc() -> None:
    assert trace(lambda x: np.fix(x), x="3").outputs == trace(lambda x: np.trunc(x), x="3").outputs


def test_the_notation_of_rounding() -> None:
    text = cr.derive(lambda x, y: np.sum(y * (np.ceil(x) + x // y + np.rint(x))), ["y"], x="n", y="n").text()
    for sign in ("⌈x⌉", "⌊x / y⌋", "round(x)"):
        assert sign in text
    latex = cr.derive(lambda x, y: np.sum(y * np.ceil(x) * np.arcsin(x)), ["y"], x="n", y="n").latex()
    assert r"\lceil x \rceil" in latex
    assert r"\arcsin(x)" in latex
