"""Functions of the order of elements: NumPy's results, and derivatives that pass to the elements chosen."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.emitted import assert_close, case, run_c, run_numpy

import chainrule as cr
from chainrule.calculus import backward
from chainrule.deriving import derive
from chainrule.engines import get_engine
from chainrule.ir import ArrayType, DType, Input, Program
from chainrule.primitives import ArgSort, Ranks, sort
from chainrule.trace import trace

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
_draw = np.random.default_rng(3)
V = _draw.normal(size=6)
X = _draw.normal(size=(4, 5))
T = _draw.normal(size=(2, 3, 4))
TIES = np.array([2.0, 1.0, 2.0, -0.0, 0.0, 1.0, np.inf, -np.inf])
LOST = np.array([2.0, np.nan, -1.0, np.inf, np.nan, 0.5])
GRID = np.array([-1.0, -0.25, 0.5, 2.0])
K = np.array([0, 2, 1, 2])

FUNCTIONS: dict[str, tuple[Callable[..., Any], Any]] = {
    "sort": (lambda v: np.sort(v), V),
    "quantiles between steps": (
        lambda v: (
            sum(
                np.quantile(v, q, method=method)
                for q in (0.0, 0.25, 1 / 3, 0.5, 0.7, 1.0)
                for method in ("inverted_cdf", "averaged_inverted_cdf", "interpolated_inverted_cdf")
            )
            * v
        ),
        V,
    ),
    "nanmedian": (lambda v: np.nanmedian(v) * np.where(np.isnan(v), 0.0, v), LOST),
    "nanmedian of all": (lambda x: np.nanmedian(x, axis=0, keepdims=True) * x, X),
    "nanquantile": (lambda v: np.nanquantile(v, [0.0, 0.3, 0.5, 1.0]), np.append(LOST[:3], V)),
    "nanpercentile": (lambda x: np.nanpercentile(np.where(x > 0.5, np.nan, x), 40, axis=1), X),
    "nanquantile of none": (lambda v: np.nanquantile(v[3:], 0.3), np.append(V[:3], [np.nan, np.nan])),
    "argnan": (lambda v: np.nanargmax(v) + 10 * np.nanargmin(v), LOST),
    "arglexsort": (lambda v: np.lexsort((v, np.abs(np.round(v)), K[np.arange(6) % 4])), V),
    "sort of ties": (lambda v: np.sort(v), TIES),
    "sort with nan": (lambda v: np.sort(v), LOST),
    "sort along axes": (lambda x: np.sort(x, axis=0) + np.sort(x) + np.sort(x, axis=1, kind="stable"), X),
    "sort of many axes": (lambda t: np.sort(t, 1) * np.sort(t, axis=0), T),
    "sort of all": (lambda x: np.sort(x, axis=None), X),
    "the largest": (lambda v: np.sort(v)[-2:] + np.sort(np.partition(v, -2)[-2:]), V),
    "argsort": (lambda v: np.argsort(v, kind="stable") * 1.0 + v.argsort(stable=True), TIES),
    "argsort with nan": (lambda v: np.argsort(v, kind="stable") * 1.0, LOST),
    "argsort of many axes": (lambda t: np.argsort(t, axis=1) * 1.0, T),
    "arg extrema": (lambda v: np.argmax(v) + 2.0 * np.argmin(v) + v.argmax() + v.argmin(), TIES),
    "arg extrema with nan": (lambda v: np.argmax(v) + 2.0 * np.argmin(v), LOST),
    "arg extrema along axes": (lambda x: np.argmax(x, 1) + 2.0 * np.argmin(x, axis=1, keepdims=True)[:, 0], X),
    "arg extrema of integers": (lambda x: np.argmax((x > 0) * 2 - 1, axis=0) * 1.0 + np.argmin(x > 0, axis=0), X),
    "an extreme element": (lambda v: v[np.argmax(v)] ** 2 + v[np.argmin(np.abs(v))], V),
    "rows of extremes": (lambda x: x[np.arange(4), np.argmax(x, axis=1)], X),
    "median": (lambda v: np.median(v), V),
    "median of an odd number": (lambda v: np.median(v[:5]), V),
    "median with nan": (lambda v: np.median(v), LOST),
    "median along axes": (lambda x: np.median(x, axis=0, keepdims=True) + np.median(x, axis=1)[:, None], X),
    "median of many axes": (lambda t: np.median(t, axis=(0, 2)) + np.median(t), T),
    "quantiles": (lambda v: np.quantile(v, [0.0, 0.1, 0.5, 1.0]) + np.percentile(v, [0, 25, 50, 99.5]), V),
    "quantiles along axes": (lambda x: np.quantile(x, [[0.2], [0.7]], axis=1, keepdims=True), X),
    **{
        f"{method} quantile": (lambda v, method=method: np.quantile(v, [0.0, 0.3, 0.5, 0.77, 1.0], method=method), V)
        for method in ("linear", "lower", "higher", "midpoint", "nearest", "hazen", "weibull", "median_unbiased")
    },
    "searchsorted": (lambda v: np.searchsorted(GRID, v) + 10.0 * np.searchsorted(GRID, v, side="right"), V),
    "searchsorted of nan": (lambda v: np.searchsorted(GRID, v) + 10.0 * np.searchsorted(GRID, v, "right"), LOST),
    "searchsorted at points": (
        lambda v: np.searchsorted(v, GRID) + 10.0 * np.searchsorted(v, GRID, "right"),
        np.array([-1.0, -0.25, -0.25, 0.5, 3.0]),
    ),
    "digitize": (
        lambda v: np.digitize(v, GRID) + 10.0 * np.digitize(v, GRID, right=True) + 100 * np.digitize(v, GRID[::-1]),
        np.array([-1.0, 0.5, 0.6, 9.0, -9.0, -0.25]),
    ),
    "a table by bins": (lambda v: np.take(np.arange(5.0) ** 2, np.digitize(v, GRID), axis=0), V),
    "bincount": (lambda v: np.bincount(K, weights=v[:4], minlength=5) + np.bincount(K, minlength=5), V),
    "interp": (lambda v: np.interp(v, GRID, GRID**2), np.array([-3.0, -1.0, 0.1, 0.5, 2.0, 9.0])),
    "interp of values": (lambda v: np.interp(0.3, GRID, v[:4]) + np.interp(v, GRID, v[:4], left=7.0, right=8.0), V),
    "interp of points": (lambda v: np.interp([0.1, 0.2], np.sort(v), v), V),
    "take along": (lambda x: np.take_along_axis(x, np.argsort(x, axis=1)[:, ::-1][:, :3], axis=1), X),
    "take along, broadcast": (lambda x: np.take_along_axis(x, np.array([[0, -1, 1]]), axis=1), X),
}
CHANGES: list[str] = [name for name in FUNCTIONS if not name.startswith(("arg", "searchsorted", "digitize", "a table"))]


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_are_numpys(name: str, engine: str) -> None:
    function, x = FUNCTIONS[name]
    program = trace(lambda x: function(x), x=x)
    (found,) = get_engine(engine).compile(program)({"x": x})
    np.testing.assert_allclose(found, function(x), rtol=1e-14)


@pytest.mark.parametrize("name", [name for name in CHANGES if np.isfinite(FUNCTIONS[name][1]).all()])
def test_derivatives_agree_with_differences(name: str) -> None:
    function, x = FUNCTIONS[name]
    moved = x + 0.01 * np.arange(x.size).reshape(x.shape)  # between knots and ties
    if name != "interp of points":
        cr.check_grads(lambda x: np.sum(np.sin(function(x))), (moved,), order=2)
    else:
        cr.check_grads(lambda x: np.sum(np.sin(function(x))), (moved,))


PRINTED: dict[str, tuple[Callable[..., Any], str, str]] = {
    "sort": (lambda x: np.sum(np.sort(x) * np.arange(5.0)), "5", "scatter_add(C, argsort(x))"),
    "median": (lambda x: np.median(x) ** 2, "5", "2 median(x) · onehot(argsort(x)[2])"),
    "argmax": (lambda x: x[np.argmax(x)], "n", "onehot(argmax(x))"),
}


@pytest.mark.parametrize("name", PRINTED)
def test_gradients_are_printed(name: str) -> None:
    function, shape, gradient = PRINTED[name]
    derivation = cr.derive(function, ["x"], x=shape)
    assert derivation.verify().holds
    assert f"{name}(x)" in derivation.text()
    assert gradient in derivation.text()
    for language in ("en", "zh"):
        assert derivation.text(form="index", lang=language)
    assert derivation.latex()


SOURCES: dict[str, Callable[..., Any]] = {
    "sort": lambda x: np.sort(x, axis=1),
    "medians": lambda x: np.median(x, axis=0) * np.quantile(x, 0.3, axis=1)[:, None],
    "places": lambda x: x[np.arange(4), np.argmax(x, axis=1)] - x[np.argmin(x, axis=0)][:, 0],
    "interp": lambda x: np.interp(x[0], GRID, x[:, 1]),
}


@pytest.mark.parametrize("name", SOURCES)
def test_sources_compute_the_same(name: str, tmp_path: Path) -> None:
    given = case(derive(lambda x: np.sum(SOURCES[name](x) ** 2 * 0.3), ["x"], x="4 4"))
    outputs, gradients = run_numpy(given.derivation.source("numpy"), given)
    assert_close(outputs[0], given.outputs[0], "the value", 1e-10)
    assert_close(gradients["x"], given.gradients["x"], "the gradient", 1e-10)
    for target in ("torch", "jax", "js"):
        assert given.derivation.source(target)
    source = given.derivation.source("c", "f", dtype="float64")
    if COMPILER is not None:
        loss, gradients = run_c(source, given, "f", tmp_path, compiler=COMPILER)
        assert_close(loss, given.outputs[0], "the value", 1e-10)
        assert_close(gradients["x"], given.gradients["x"], "the gradient", 1e-10)


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (lambda x: np.sort(x)[0], [1.0, 0.0, 0.0]),  # of equal elements, the first is taken
        (lambda x: np.median(x), [0.0, 1.0, 0.0]),
        (lambda x: x[np.argmax(x)], [1.0, 0.0, 0.0]),
    ],
)
def test_at_ties_the_first_is_taken(function: Any, derivative: list[float]) -> None:
    np.testing.assert_array_equal(cr.grad(function)(np.ones(3)), derivative)


def test_a_knot_of_interp_has_the_slope_that_begins_there() -> None:
    slope = cr.grad(lambda x: np.interp(x, np.array([0.0, 1.0, 3.0]), np.array([0.0, 5.0, 1.0])))
    assert [slope(at) for at in (-0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0)] == [0.0, 5.0, 5.0, -2.0, -2.0, -2.0, 0.0]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x, k: np.median(x), "needs its number"),
        (lambda x, k: np.bincount(k), "give minlength=k"),
        (lambda x, k: np.quantile(x[:3], 1.5), "is beyond"),
        (lambda x, k: np.quantile(x[:3], 0.5, method="closest_observation"), "write method='linear'"),
        (lambda x, k: np.nanquantile(x[:3], 0.5, method="hazen"), "leave method= out"),
        (lambda x, k: np.lexsort(x), "list or tuple of vectors"),
        (lambda x, k: np.quantile(x[:3], x[0]), "give them as constants"),
        (lambda x, k: np.sort(x > 0), "not of booleans"),
    ],
)
def test_what_cannot_be_recorded_is_refused(function: Any, said: str) -> None:
    shape = "n" if said == "needs its number" else "4"
    with pytest.raises(cr.ChainruleError, match=said):
        trace(function, x=shape, k="4:int")


def test_labels_beyond_minlength_are_refused() -> None:
    program = cr.grad(lambda w, k: np.sum(np.bincount(k, weights=w, minlength=3) ** 2))
    with pytest.raises(cr.ProgramError, match="from 0 to 2"):
        program(np.ones(2), np.array([0, 3]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_orders_of_many_elements_are_numpys_in_machine_code(dtype: type[Any]) -> None:
    """Ties, NaN, zeros of both signs and infinities: of enough elements that they are not compared in pairs."""
    x = np.random.default_rng(2).integers(-9, 9, (3, 200)).astype(dtype)
    x[0, :4] = [np.nan, -0.0, np.inf, -np.inf]
    x[1, 7] = np.nan
    operand = Input("x", ArrayType(x.shape, DType.of(x.dtype)))
    kinds = [ArgSort(1), Ranks(1), ArgSort(0), Ranks(0)]
    assert [kind.is_called(operand.type) for kind in kinds] == [True, True, False, False]
    program = Program((operand,), (*(kind(operand) for kind in kinds), sort(operand, 1)))
    found = get_engine("native").compile(program)({"x": x})
    for kind, order in zip(kinds, found, strict=False):
        np.testing.assert_array_equal(order, kind.value(x))
    np.testing.assert_array_equal(found[-1], np.sort(x, axis=1))


def test_the_gradient_of_a_sort_of_many_elements_is_that_at_their_ranks() -> None:
    x, w = np.random.default_rng(3).integers(-9, 9, 300).astype(float), np.arange(300.0) ** 2
    expected = np.empty(300)
    expected[np.argsort(x, kind="stable")] = w
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(np.sort(x) * w))(x), expected)
    program = trace(lambda x: np.sum(np.sort(x) * w), x)
    (slope,) = backward(program, program.inputs).gradients
    written = get_engine("native").compile(Program(program.inputs, (slope,)))
    np.testing.assert_array_equal(written({"x": x})[0], expected)
