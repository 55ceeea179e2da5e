"""Products and what is accumulated, right where elements are zero; functions of SciPy on traced values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special

import chainrule as cr
from chainrule.engines import get_engine
from chainrule.trace import trace

V = np.array([1.5, -0.5, 0.0, 2.0, 0.25])
TWO = np.array([0.0, 3.0, 0.0])
X = np.array([[1.0, 2.0, 0.0], [0.5, -1.0, 3.0], [2.0, 0.0, 0.0], [1.5, 1.0, -2.0]])
HOLES = np.array([1.5, np.nan, 2.0, 0.0])

FUNCTIONS: dict[str, tuple[Callable[..., Any], Any]] = {
    "prod": (lambda v: np.prod(v) + v.prod(keepdims=True) + np.prod(v, initial=2.0, where=v > 0), V),
    "prod of no elements": (lambda v: np.prod(v[:0]) * v, V),
    "prod of one element": (lambda v: np.prod(v[:1]) * v, V),
    "prod of two zeros": (lambda v: np.prod(v), TWO),
    "prod over axes": (lambda x: np.prod(x, axis=0) + np.prod(x, axis=(0, 1)) + np.prod(x, 1)[:3], X),
    "cumprod": (lambda v: np.cumprod(v) + v.cumprod(), V),
    "cumprod over axes": (lambda x: np.cumprod(x, axis=0) * np.cumprod(x, axis=1), X),
    "cumprod of all": (lambda x: np.cumprod(x), X),
    "cumulative prod": (lambda v: np.cumulative_prod(v, include_initial=True)[1:] + np.cumulative_prod(v), V),
    "without nan": (lambda v: np.nanprod(v) + np.nancumprod(v), HOLES),
    "reduce": (lambda x: np.multiply.reduce(x, axis=1) + np.multiply.accumulate(x, axis=1)[:, 2], X),
    "running extrema": (lambda x: np.maximum.accumulate(x, axis=1) - np.minimum.accumulate(x, axis=0), X),
}


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_numpys(name: str, engine: str) -> None:
    function, x = FUNCTIONS[name]
    program = trace(lambda x: function(x), x=x)
    (found,) = get_engine(engine).compile(program)({"x": x})
    assert np.shape(found) == np.shape(function(x))
    np.testing.assert_allclose(found, function(x), rtol=1e-14)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in ("without nan", "running extrema")])
def test_derivatives_are_right_at_zeros(name: str) -> None:
    function, x = FUNCTIONS[name]
    if name == "prod":  # the mask has a step at zero
        function = np.prod
    cr.check_grads(lambda x: np.sum(np.sin(function(x))), (x,), order=2, rtol=1e-4)


def test_the_derivative_of_a_product_with_one_zero_and_with_two() -> None:
    gradient = cr.grad(lambda x: np.prod(x))
    np.testing.assert_array_equal(gradient(np.array([2.0, 0.0, 5.0])), [0.0, 10.0, 0.0])
    np.testing.assert_array_equal(gradient(TWO), [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(cr.hessian(lambda x: np.prod(x))(TWO), [[0, 0, 3], [0, 0, 0], [3, 0, 0]])


def test_derivations_hold() -> None:
    derivation = cr.derive(lambda x: np.prod(x) + np.sum(np.cumprod(x)), ["x"], x="4")
    assert derivation.verify().holds
    assert derivation.text(lang="zh")


def test_a_named_size_is_refused_with_the_mend() -> None:
    for function in (np.prod, np.cumprod):
        with pytest.raises(cr.TraceError, match="needs its number; give it"):
            trace(lambda x, function=function: function(x), x="n")


SPECIAL: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[float]]] = {
    "logit": (scipy.special.logit, lambda x: mpmath.log(x / (1 - x)), [0.001, 0.5, 0.9]),
    "ndtr": (scipy.special.ndtr, mpmath.ncdf, [-6.0, 0.0, 1.5]),
    "erfc": (scipy.special.erfc, mpmath.erfc, [-1.0, 0.0, 3.0]),
    "xlogy": (lambda x: scipy.special.xlogy(x, x), lambda x: x * mpmath.log(x), [0.25, 3.0]),
    "xlog1py": (lambda x: scipy.special.xlog1py(2.0, x), lambda x: 2 * mpmath.log1p(x), [0.25, 3.0]),
    "entr": (scipy.special.entr, lambda x: -x * mpmath.log(x), [0.25, 3.0]),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_functions_of_scipy_work_on_traced_values(name: str) -> None:
    function, exact, points = SPECIAL[name]
    for point in points:
        with mpmath.workdps(40):
            wanted = [float(exact(mpmath.mpf(point)))]
            wanted += [float(mpmath.diff(exact, mpmath.mpf(point), order)) for order in (1, 2)]
        value, first = cr.value_and_grad(lambda x: function(x))(point)
        second = cr.grad(lambda x: cr.grad(lambda t: function(t))(x))(point)
        np.testing.assert_allclose([value, first, second], wanted, rtol=2e-13, atol=1e-15)


def test_functions_of_scipy_at_zero() -> None:
    assert cr.value_and_grad(lambda p: scipy.special.xlogy(0.0, p))(0.0) == (0.0, 0.0)
    assert cr.value_and_grad(lambda p: scipy.special.entr(p))(0.0)[0] == 0.0
    assert cr.value_and_grad(lambda p: scipy.special.entr(p))(-1.0)[0] == -np.inf


def test_other_functions_of_scipy_name_ours() -> None:
    with pytest.raises(cr.TraceError, match=r"write cr\.softmax"):
        cr.grad(lambda x: np.sum(scipy.special.softmax(x)))(V)
