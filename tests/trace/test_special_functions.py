"""SciPy's special functions on traced values: values, derivatives, machine code, source and reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule.engines import get_engine
from chainrule.primitives import evaluate_nodes
from chainrule.trace import trace

X = np.linspace(0.15, 0.85, 4)
NAMES = [
    "gamma",
    "gammaln",
    "digamma",
    "psi",
    "erfinv",
    "ndtri",
    "log_ndtr",
    "i0",
    "i1",
    "i0e",
    "i1e",
    "j0",
    "j1",
    "y0",
    "y1",
]
OF_TWO: dict[str, Callable[[Any], Any]] = {
    "betaln": lambda x: special.betaln(x, x + 1),
    "beta": lambda x: special.beta(x, 2.0),
    "np.i0": lambda x: np.i0(x),
}


@pytest.mark.parametrize("name", [*NAMES, *OF_TWO])
def test_values_are_those_of_scipy_and_derivatives_agree_with_differences(name: str) -> None:
    function = OF_TWO.get(name) or getattr(special, name)
    program = trace(lambda x: function(x), X)
    found = evaluate_nodes(program.outputs, {program.inputs[0]: X})[program.outputs[0]]
    np.testing.assert_allclose(found, function(X), rtol=1e-13)
    native = get_engine("native").compile(program)({"x": X})[0]
    np.testing.assert_array_equal(native, found)
    cr.check_grads(lambda x: np.sum(function(x)), (X,), order=2)


@pytest.mark.parametrize("name", ["gammaln", "ndtri", "i1", "i0e", "j1"])
def test_lines_are_verified_and_written_for_numpy(name: str) -> None:
    function = getattr(special, name)
    derivation = cr.derive(lambda x, w: np.sum(w * function(x)), wrt="x", x="n", w="n")
    assert derivation.verify().ok
    names: dict[str, Any] = {}
    exec(derivation.source("numpy"), names)
    w = np.cos(X)
    _, saved = names["forward"](X, w)
    np.testing.assert_allclose(names["backward"](saved), cr.grad(lambda x: np.sum(w * function(x)))(X), rtol=1e-13)


def test_known_derivatives_are_printed() -> None:
    lines = {
        "gammaln": "∂L/∂x = digamma(x)",
        "digamma": "∂L/∂x = polygamma₁(x)",
        "i0": "∂L/∂x = besselI₁(x)",
        "j0": "∂L/∂x = −besselJ₁(x)",
        "ndtri": "∂L/∂x = √(2 π) · exp(½ ndtri(x)²)",
    }
    for name, line in lines.items():
        function = getattr(special, name)
        assert line in cr.derive(lambda x, f=function: np.sum(f(x)), x="n").text(detail="brief")


def test_far_arguments_stay_finite() -> None:
    x = np.array([-40.0, 0.0, 700.0])
    for function in (special.log_ndtr, special.i0e, special.i1e):
        assert np.isfinite(cr.grad(lambda x, f=function: np.sum(f(x)))(x)).all()
    np.testing.assert_allclose(cr.grad(lambda x: np.sum(special.i1(x)))(np.zeros(1)), 0.5)


def test_a_language_without_a_function_says_so() -> None:
    derivation = cr.derive(lambda x: np.sum(special.j1(x)), x="n")
    with pytest.raises(cr.ChainruleError, match=r"PyTorch has no function jv\(2, x\); write the source for NumPy"):
        derivation.source("torch")
    with pytest.raises(cr.ChainruleError, match="computed by SciPy, and not written out"):
        derivation.source("c", sizes={"n": 3})
