"""Functions that are stable where the naive formula overflows: right values and right derivatives at the extremes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule import primitives as p
from chainrule.calculus import linearize, transpose
from chainrule.ir import Apply, ArrayType, Const, Input, Node
from chainrule.primitives import evaluate_nodes

INF, NAN = math.inf, math.nan
EPS = float(np.finfo(np.float64).eps)


def run(node: Node, x: Node, value: NDArray[Any]) -> NDArray[Any]:
    return evaluate_nodes([node], {x: value})[node]


def value_and_derivative(function: Callable[[Node], Node], number: float) -> tuple[float, float]:
    x = Input("x", ArrayType(()))
    result = function(x)
    (tangent,) = linearize([result], {x: Const(1, x.type)})
    value = np.asarray(number, np.float64)
    return float(run(result, x, value)), 0.0 if tangent is None else float(run(tangent, x, value))


SCALAR_CASES: list[tuple[Callable[[Node], Node], float, float, float]] = [
    # function, x, value, derivative
    (p.sigmoid, 1000, 1, 0),
    (p.sigmoid, -1000, 0, 0),
    (p.sigmoid, INF, 1, 0),
    (p.sigmoid, -INF, 0, 0),
    (p.sigmoid, -700, math.exp(-700), math.exp(-700)),
    (p.sigmoid, 0.0, 0.5, 0.25),
    (p.sigmoid, -0.0, 0.5, 0.25),
    (p.sigmoid, 1e300, 1, 0),
    (p.sigmoid, NAN, NAN, NAN),
    (p.tanh, 1000, 1, 0),
    (p.tanh, -1000, -1, 0),
    (p.tanh, INF, 1, 0),
    (p.tanh, -INF, -1, 0),
    (p.tanh, 1e-300, 1e-300, 1),
    (p.tanh, NAN, NAN, NAN),
    (p.softplus, 1000, 1000, 1),
    (p.softplus, -1000, 0, 0),
    (p.softplus, -700, math.exp(-700), math.exp(-700)),
    (p.softplus, 1e300, 1e300, 1),
    (p.softplus, -1e300, 0, 0),
    (p.softplus, INF, INF, 1),
    (p.softplus, -INF, 0, 0),
    (p.softplus, 0.0, math.log(2), 0.5),
    (p.softplus, NAN, NAN, NAN),
    (p.relu, 1000, 1000, 1),
    (p.relu, -1000, 0, 0),
    (p.relu, 0.0, 0, 0),
    (p.relu, INF, INF, 1),
    (p.relu, -INF, 0, 0),
    (p.relu, 1e-300, 1e-300, 1),
    (p.relu, NAN, NAN, 0),
    (p.leaky_relu, -1000, -10, 0.01),
    (p.leaky_relu, 1000, 1000, 1),
    (p.leaky_relu, 0.0, 0, 0.01),
    (p.leaky_relu, -INF, -INF, 0.01),
    (p.leaky_relu, NAN, NAN, 0.01),
    (p.elu, 1000, 1000, 1),
    (p.elu, -1000, -1, 0),
    (p.elu, -30, math.expm1(-30), math.exp(-30)),
    (p.elu, INF, INF, 1),
    (p.elu, -INF, -1, 0),
    (p.elu, NAN, NAN, NAN),
    (p.silu, 1000, 1000, 1),
    (p.silu, -1000, 0, 0),
    (p.silu, 1e300, 1e300, 1),
    (p.silu, -1e300, 0, 0),
    (p.silu, 0.0, 0, 0.5),
    (p.silu, NAN, NAN, NAN),
    (p.gelu, 1000, 1000, 1),
    (p.gelu, -1000, 0, 0),
    (p.gelu, 1e300, 1e300, 1),
    (p.gelu, -1e300, 0, 0),
    (p.gelu, 0.0, 0, 0.5),
    (p.gelu, NAN, NAN, NAN),
    (lambda x: p.gelu(x, approximate=True), 1000, 1000, 1),
    (lambda x: p.gelu(x, approximate=True), -1000, 0, 0),
    (p.erf, 1000, 1, 0),
    (p.erf, -INF, -1, 0),
    (p.erf, 1e-300, 2e-300 / math.sqrt(math.pi), 2 / math.sqrt(math.pi)),
    (p.erf, NAN, NAN, NAN),
    (p.expm1, 1e-300, 1e-300, 1),
    (p.expm1, -1000, -1, 0),
    (p.expm1, INF, INF, INF),
    (p.log1p, 1e-300, 1e-300, 1),
    (p.log1p, INF, INF, 0),
    (p.log1p, -1, -INF, INF),
    (p.exp, -1000, 0, 0),
    (p.exp, 1000, INF, INF),
    (p.sqrt, 0.0, 0, INF),
    (p.sqrt, 1e300, 1e150, 0.5e-150),
    (p.log, 0.0, -INF, INF),
    (p.abs_, -0.0, 0, 0),
    (p.abs_, -INF, INF, -1),
    (p.abs_, NAN, NAN, NAN),
    (p.sign, -1e-300, -1, 0),
    (p.sign, -0.0, 0, 0),
    (p.sign, NAN, NAN, 0),
    (lambda x: p.maximum(x, 0.0), 0.0, 0, 0.5),
    (lambda x: p.minimum(x, 0.0), 0.0, 0, 0.5),
    (lambda x: p.maximum(x, 0.0), NAN, NAN, 0),
    (lambda x: p.minimum(0.0, x), NAN, NAN, 0),
    (lambda x: p.clip(x, -1.0, 1.0), 1000, 1, 0),
    (lambda x: p.clip(x, -1.0, 1.0), -INF, -1, 0),
    (lambda x: p.clip(x, -1.0, 1.0), 0.5, 0.5, 1),
]


@pytest.mark.parametrize(("function", "x", "value", "derivative"), SCALAR_CASES)
def test_scalar_functions(function: Callable[[Node], Node], x: float, value: float, derivative: float) -> None:
    actual = value_and_derivative(function, x)
    np.testing.assert_allclose(actual, (value, derivative), rtol=8 * EPS, atol=5e-324)


@pytest.mark.parametrize("function", [p.softplus, p.sigmoid, p.tanh, p.elu, p.silu, p.gelu])
@pytest.mark.parametrize("x", [1000.0, -1000.0])
def test_second_derivatives_vanish_far_out(function: Callable[[Node], Node], x: float) -> None:
    symbol = Input("x", ArrayType(()))
    one = Const(1, symbol.type)
    (first,) = linearize([function(symbol)], {symbol: one})
    assert first is not None
    (second,) = linearize([first], {symbol: one})
    assert second is not None
    assert float(run(second, symbol, np.asarray(x))) == 0


def gradient(function: Callable[[Node], Node], x: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """The gradient of ⟨function(x), weights⟩."""
    symbol = Input("x", ArrayType(x.shape))
    tangent = Input("d", symbol.type)
    (forward,) = linearize([function(symbol)], {symbol: tangent})
    assert forward is not None
    (adjoint,) = transpose([forward], [tangent], [Const(weights, forward.type)])
    assert adjoint is not None
    return run(adjoint, symbol, x)


ROW_CASES: list[tuple[Callable[[Node], Node], list[float], list[float] | float]] = [
    (p.softmax, [1000, 1000], [0.5, 0.5]),
    (p.softmax, [1000, -1000], [1, 0]),
    (p.softmax, [-1000, -1000], [0.5, 0.5]),
    (p.softmax, [-INF, 0], [0, 1]),
    (p.softmax, [1e300, -1e300], [1, 0]),
    (p.softmax, [NAN, 0], [NAN, NAN]),
    (p.log_softmax, [1000, -1000], [0, -2000]),
    (p.log_softmax, [-1000, -1000], [-math.log(2)] * 2),
    (p.log_softmax, [0, -50], [-math.log1p(math.exp(-50)), -50]),
    (p.log_softmax, [-INF, 0], [-INF, 0]),
    (p.log_softmax, [NAN, 0], [NAN, NAN]),
    (p.logsumexp, [1000, 1000], 1000 + math.log(2)),
    (p.logsumexp, [-1000, -1000], -1000 + math.log(2)),
    (p.logsumexp, [INF, 0], INF),
    (p.logsumexp, [-INF, -INF], -INF),
    (p.logsumexp, [-INF, 3], 3),
    (p.logsumexp, [1e300, 0], 1e300),
    (p.logsumexp, [NAN, INF], NAN),
]


@pytest.mark.parametrize(("function", "row", "expected"), ROW_CASES)
def test_row_functions_and_their_expansions(
    function: Callable[[Node], Node], row: list[float], expected: list[float] | float
) -> None:
    x = Input("x", ArrayType((len(row),)))
    node = function(x)
    assert isinstance(node, Apply)
    value = np.asarray(row, np.float64)
    np.testing.assert_allclose(run(node, x, value), expected, rtol=8 * EPS, atol=EPS)
    expanded = node.primitive.expand(x)
    np.testing.assert_allclose(run(expanded, x, value), expected, rtol=8 * EPS, atol=EPS)


@pytest.mark.parametrize("offset", [0.0, 1000.0, -1000.0, 1e15])
def test_gradients_of_row_functions_do_not_depend_on_a_common_offset(offset: float) -> None:
    x, weights = np.asarray([1.0, 2.0, -1.0]), np.asarray([0.3, -0.2, 0.7])
    powers = np.exp(x)
    softmax = powers / powers.sum()
    shifted = x + offset
    np.testing.assert_allclose(gradient(p.logsumexp, shifted, np.asarray(1.0)), softmax, rtol=16 * EPS)
    expected = softmax * (weights - softmax @ weights)
    np.testing.assert_allclose(gradient(p.softmax, shifted, weights), expected, atol=16 * EPS)
    np.testing.assert_allclose(
        gradient(p.log_softmax, shifted, weights), weights - softmax * weights.sum(), atol=16 * EPS
    )


@pytest.mark.parametrize("function", [p.max_, p.min_])
def test_elements_that_tie_share_the_derivative(function: Callable[..., Node]) -> None:
    x = np.asarray([[2.0, 2.0, 1.0, 1.0], [2.0, 1.0, 1.0, 2.0]])
    extreme = 2.0 if function is p.max_ else 1.0
    expected = (x == extreme) * np.asarray([[3.0], [5.0]]) / 2
    np.testing.assert_array_equal(gradient(lambda n: function(n, 1), x, np.asarray([3.0, 5.0])), expected)
    everything = (x == extreme) / np.count_nonzero(x == extreme)
    np.testing.assert_array_equal(gradient(function, x, np.asarray(1.0)), everything)


@pytest.mark.parametrize("function", [p.max_, p.min_])
def test_reductions_pass_nan_on(function: Callable[..., Node]) -> None:
    x = Input("x", ArrayType((2, 2)))
    np.testing.assert_array_equal(run(function(x, 1), x, np.asarray([[1.0, NAN], [2.0, 2.0]])), [NAN, 2.0])


@pytest.mark.parametrize(
    ("x", "y", "by_base", "by_exponent"),
    [(0.0, 3.0, 0, 0), (0.0, 2.0, 0, 0), (0.0, 1.0, 1, 0), (0.0, 0.5, INF, 0), (0.0, 0.0, 0, 0), (-2.0, 3.0, 12, NAN)],
)
def test_a_power_at_zero(x: float, y: float, by_base: float, by_exponent: float) -> None:
    """As JAX and PyTorch have it, PyTorch where they differ."""
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(cr.grad(lambda x, y: x**y, (0, 1))(x, y), [by_base, by_exponent])
        found = cr.grad(lambda x, y: np.sum(x**y), (0, 1))(np.array([x]), np.array([y]))
    np.testing.assert_array_equal(np.concatenate(found), [by_base, by_exponent])


def test_powers_with_an_array_of_exponents_at_zero() -> None:
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(x ** np.arange(4)))(0.0), 1)


@pytest.mark.parametrize("named", [False, True])
def test_the_norm_of_zero_has_the_subgradient_zero(named: bool) -> None:
    def loss(x: Any) -> Any:
        d = np.linalg.norm(x)
        return d**2 if named else np.linalg.norm(x) ** 2

    np.testing.assert_array_equal(cr.grad(loss)(np.zeros(2)), 0)
    np.testing.assert_array_equal(cr.grad(lambda x: np.linalg.norm(x))(np.zeros(2)), 0)
    rows = np.array([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(cr.grad(lambda x: np.sum(np.linalg.norm(x, axis=1)))(rows), [[0.0, 0.0], [0.6, 0.8]])
    assert cr.fit(loss, {"x": np.zeros(2)}, {}, cr.SGD(0.1), epochs=1).status == "finished"


def test_the_deviation_of_constants_has_the_subgradient_zero() -> None:
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(np.std(x, axis=1)))(np.array([[3.0], [4.0]])), 0)
    np.testing.assert_array_equal(cr.grad(lambda x: np.std(x))(np.ones(3)), 0)
    np.testing.assert_array_equal(cr.grad(lambda x: np.std(x, ddof=1))(np.ones(3)), 0)


def test_the_sign_of_a_determinant_that_underflows() -> None:
    matrix = 1e-5 * np.eye(70)
    assert cr.vjp(lambda a: np.linalg.slogdet(a), matrix)[0][0] == 1
    assert cr.grad(lambda a: np.linalg.slogdet(a)[0] * np.linalg.slogdet(a)[1])(matrix)[0, 0] == pytest.approx(1e5)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("x", [-5.0, -5.5, -9.0])
def test_the_tail_of_gelu(dtype: type[np.floating], x: float) -> None:
    expected = 0.5 * x * math.erfc(-x / math.sqrt(2))
    tolerance = 1e-12 if dtype is np.float64 else 1e-5
    assert float(cr.gelu(dtype(x))) == pytest.approx(expected, rel=tolerance)
