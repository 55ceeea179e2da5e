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
    "loggamma",
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
    *("k0", "k1", "k0e", "k1e", "exp1", "expi", "dawsn", "erfcx", "erfcinv", "exp10"),
]
OF_TWO: dict[str, Callable[[Any], Any]] = {
    "betaln": lambda x: special.betaln(x, x + 1),
    "beta": lambda x: special.beta(x, 2.0),
    "gammainc": lambda x: special.gammainc(2 * x, x + 1),
    "gammaincc": lambda x: special.gammaincc(x, 2 * x),
    "betainc": lambda x: special.betainc(2.0, 3.5, x),
    "spence": lambda x: special.spence(x + 1),
    "jv": lambda x: special.jv(2, x),
    "yv": lambda x: special.yv(3, x),
    "ive": lambda x: special.ive(2, x),
    "kv": lambda x: special.kv(2, x),
    "rel_entr": lambda x: special.rel_entr(x, 2 - x),
    "kl_div": lambda x: special.kl_div(x, x * x),
    "huber": lambda x: special.huber(0.5, x - 1),
    "pseudo_huber": lambda x: special.pseudo_huber(x, x * x),
    "np.i0": lambda x: np.i0(x),
    "yn": lambda x: special.yn(2, x),
    "kn": lambda x: special.kn(2, x),
    "rgamma": lambda x: special.rgamma(3 * x - 2.5),
    "gammasgn": lambda x: x * special.gammasgn(6 * x - 4),
}
WRITTEN_OUT = ("rel_entr", "kl_div", "huber", "pseudo_huber", "exp10", "rgamma")
"""Those that are composed of others; SciPy is called for the rest."""


@pytest.mark.parametrize("name", [*NAMES, *OF_TWO])
def test_values_are_those_of_scipy_and_derivatives_agree_with_differences(name: str) -> None:
    function = OF_TWO.get(name) or getattr(special, name)
    program = trace(lambda x: function(x), X)
    found = evaluate_nodes(program.outputs, {program.inputs[0]: X})[program.outputs[0]]
    np.testing.assert_allclose(found, function(X), rtol=1e-13)
    native = get_engine("native").compile(program)({"x": X})[0]
    np.testing.assert_allclose(native, found, rtol=1e-14 if name in WRITTEN_OUT else 0)
    cr.check_grads(lambda x: np.sum(function(x)), (X,), order=2)


@pytest.mark.parametrize("name", ["gammaln", "ndtri", "i1", "i0e", "j1", "k1", "erfcx", "spence"])
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


def test_the_incomplete_gamma_function_is_differentiable_by_both_arguments() -> None:
    """∂P/∂a of the series and of the quadrature, with values of a computation with 40 digits."""
    a = np.array([0.1, 3.0, 3.0, 10.0, 100.0, 2.0])
    x = np.array([0.01, 2.0, 13.0, 9.0, 130.0, 60.0])
    first = [-2.77616081242542, -0.23184867204398, -0.00038386046015, -0.12703651192427, -0.00081013002856]
    first.append(-1.970053552846e-24)
    second = [10.69135447803193, 0.09884154888754, -0.00057516291500, 0.01360468959037, -0.00021271959135]
    second.append(-6.921649624885e-24)
    np.testing.assert_allclose(cr.grad(lambda a: np.sum(special.gammainc(a, x)))(a), first, rtol=1e-10)
    np.testing.assert_allclose(cr.grad(lambda a: -np.sum(special.gammaincc(a, x)))(a), first, rtol=1e-10)
    hessian = cr.hessian(lambda a: np.sum(special.gammainc(a, x)))(a)
    np.testing.assert_allclose(np.diagonal(hessian), second, rtol=1e-9)
    derivation = cr.derive(lambda a, x: np.sum(special.gammainc(a, x)), a="n", x="n")
    assert derivation.verify().ok
    assert "∂L/∂a = gammainc_a₁(a, x)" in derivation.text(detail="brief")
    with pytest.raises(cr.ChainruleError, match="SciPy has no derivative of gammainc by its first argument"):
        derivation.source("numpy")


def test_divergences_are_those_of_scipy_at_edges() -> None:
    x = np.array([0.0, 0.0, 0.0, 1.0, 1.0, -1.0, np.nan, 2.0, 2.0])
    y = np.array([0.0, 2.0, -1.0, 0.0, 2.0, 1.0, 1.0, np.nan, 2.0])
    for function in (special.rel_entr, special.kl_div):
        program = trace(lambda x, y, f=function: f(x, y), x, y)
        found = evaluate_nodes(program.outputs, dict(zip(program.inputs, (x, y), strict=True)))[program.outputs[0]]
        np.testing.assert_allclose(found, function(x, y), rtol=1e-15)
    slope = cr.grad(lambda y: np.sum(special.rel_entr(x[:2], y)))(y[:2])
    np.testing.assert_array_equal(slope, [0, 0])


def test_what_has_no_formula_is_refused_by_name() -> None:
    with pytest.raises(cr.ChainruleError, match="betainc has a derivative by its last argument only"):
        cr.grad(lambda a: np.sum(special.betainc(a, 2.0, X)))(X)
    with pytest.raises(cr.ChainruleError, match="the order of jv is recorded as one whole number"):
        cr.grad(lambda x: np.sum(special.jv(0.5, x)))(X)
    with pytest.raises(cr.ChainruleError, match=r"write cr\.polygamma"):
        cr.grad(lambda x: np.sum(special.polygamma(2, x)))(X)
    with pytest.raises(cr.ChainruleError, match="at least 0, not -1"):
        cr.polygamma(-1, X)
    np.testing.assert_allclose(cr.polygamma(2, X), special.polygamma(2, X))
    cr.check_grads(lambda x: np.sum(cr.polygamma(2, x)), (X,))
