"""The meaning of formulas, compared with NumPy code at random values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.formula_values import evaluated

import chainrule as cr

MEANINGS: list[tuple[str, dict[str, str], Callable[..., Any]]] = [
    ("x'*A*x", {}, lambda x, A: x @ A @ x),
    ("x.T @ A @ x", {}, lambda x, A: x @ A @ x),
    ("xᵀ*A*x", {}, lambda x, A: x @ A @ x),
    ("x^T*A*x", {}, lambda x, A: x @ A @ x),
    ("x'*A'*A*x", {}, lambda x, A: x @ A.T @ A @ x),
    ("norm(A@x-b)^2", {}, lambda A, x, b: np.sum((A @ x - b) ** 2)),
    ("‖A*x − b‖²", {}, lambda A, x, b: np.sum((A @ x - b) ** 2)),
    ("||A*x - b||", {}, lambda A, x, b: np.linalg.norm(A @ x - b)),
    ("norm(x, 1) + norm(x, inf) + ‖x‖₁ + ‖x‖_2", {},
     lambda x: 2 * np.sum(np.abs(x)) + np.max(np.abs(x)) + np.linalg.norm(x)),
    ("norm(A, 'fro') + norm(A, fro) + ‖A‖_F + norm(A)", {}, lambda A: 4 * np.linalg.norm(A)),
    ("log(sum(exp(x)))", {}, lambda x: np.log(np.sum(np.exp(x)))),
    ("x'*y", {"x": "n", "y": "n"}, lambda x, y: x @ y),
    ("x·y", {"x": "n", "y": "n"}, lambda x, y: x @ y),
    ("x*y'", {}, lambda x, y: np.outer(x, y)),
    ("x*y", {"x": "n", "y": "n"}, lambda x, y: x * y),
    ("x .* y + x ⊙ y", {"x": "n", "y": "n"}, lambda x, y: 2 * x * y),
    ("A .* B", {"A": "n n", "B": "n n"}, lambda A, B: A * B),
    ("A * B", {"A": "n m", "B": "m k"}, lambda A, B: A @ B),
    ("A * B", {"A": "n m", "B": "n m"}, lambda A, B: A * B),
    ("A * B .* C", {"A": "n n", "B": "n n", "C": "n n"}, lambda A, B, C: (A @ B) * C),
    ("A @ B * C", {"A": "n n", "B": "n n", "C": "n n"}, lambda A, B, C: (A @ B) * C),
    ("2*x/3", {"x": "n"}, lambda x: 2 * x / 3),
    ("-x^2", {"x": "n"}, lambda x: -(x**2)),
    ("2^-x", {"x": "n"}, lambda x: 2.0 ** (-x)),
    ("2^x^2", {"x": "n"}, lambda x: 2.0 ** (x**2)),
    ("a - b - c", {"a": "", "b": "", "c": ""}, lambda a, b, c: a - b - c),
    ("a / b / c", {"a": "", "b": "", "c": ""}, lambda a, b, c: a / b / c),
    ("-a*b + +c", {"a": "", "b": "", "c": ""}, lambda a, b, c: -a * b + c),
    ("(X@W - Y)^2", {"X": "n d", "W": "d k", "Y": "n k"}, lambda X, W, Y: (X @ W - Y) ** 2),
    ("(A + A')*x", {}, lambda A, x: (A + A.T) @ x),
    ("mean((sigmoid(X @ w + b) - y)**2)", {"X": "n d", "w": "d", "b": "", "y": "n"},
     lambda X, w, b, y: np.mean((cr.sigmoid(X @ w + b) - y) ** 2)),
    ("1/n*sum((X@w - y)^2)", {"X": "n d", "w": "d", "y": "n"}, lambda X, w, y: np.mean((X @ w - y) ** 2)),
    ("z = W*x + b\na = σ(z); L = sum(a²)", {}, lambda W, x, b: np.sum(cr.sigmoid(W @ x + b) ** 2)),
    ("lambda*‖w‖² + λ", {"w": "d"}, lambda w, **names: names["lambda"] * (w @ w) + names["lambda"]),
    ("e^x + e**x + exp(x) + pi + π", {"x": "n"}, lambda x: 3 * np.exp(x) + 2 * np.pi),
    ("e*x", {"x": "n", "e": ""}, lambda x, e: e * x),
    ("max(0, 1 - y .* (X @ w))", {}, lambda y, X, w: np.maximum(0, 1 - y * (X @ w))),
    ("max(X, axis=1) + min(X, axis=1) + var(X, axis=-1)", {},
     lambda X: np.max(X, axis=1) + np.min(X, axis=1) + np.var(X, axis=1)),
    ("sum(X, 0) + mean(X, axis=0) + sum(X, axis=(0))", {"X": "n d"},
     lambda X: 2 * np.sum(X, 0) + np.mean(X, 0)),
    ("X - mean(X, axis=1, keepdims=true)", {}, lambda X: X - np.mean(X, axis=1, keepdims=True)),
    ("softmax(x) + log_softmax(x)", {"x": "n"}, lambda x: cr.softmax(x) + cr.log_softmax(x)),
    ("softmax(X, axis=0)", {"X": "n d"}, lambda X: cr.softmax(X, axis=0)),
    ("logsumexp(X, axis=1)", {"X": "n d"}, lambda X: cr.logsumexp(X, axis=1)),
    ("cross_entropy(X@W, labels)", {"X": "n d", "W": "d k"}, lambda X, W, labels: cr.cross_entropy(X @ W, labels)),
    ("where(x > 0, x, 0.1*x) + indicator(x <= 0)", {"x": "n"}, lambda x: np.where(x > 0, x, 0.1 * x) + (x <= 0)),
    ("(x > 0) * x", {"x": "n"}, lambda x: (x > 0) * x),
    ("|x| + abs(x) + √(x²)", {"x": "n"}, lambda x: 3 * np.abs(x)),
    ("clip(x, -1, 1) + maximum(x, 0) + minimum(x, y)", {"x": "n", "y": "n"},
     lambda x, y: np.clip(x, -1, 1) + np.maximum(x, 0) + np.minimum(x, y)),
    ("np.sum(np.tanh(x)) + cr.relu(3.0)", {"x": "n"}, lambda x: np.sum(np.tanh(x)) + 3),
    ("tan(x) + sinh(x) + cosh(x) + log2(x²) + log10(x²)", {"x": "n"},
     lambda x: np.tan(x) + np.sinh(x) + np.cosh(x) + np.log2(x**2) + np.log10(x**2)),
    ("gelu(x) + gelu(x, approximate=true) + silu(x) + softplus(x) + leaky_relu(x, 0.2) + elu(x, alpha=2)", {"x": "n"},
     lambda x: cr.gelu(x) + cr.gelu(x, approximate=True) + cr.silu(x) + cr.softplus(x) + cr.leaky_relu(x, 0.2)
     + cr.elu(x, 2.0)),
    ("outer(x, y) + x*y'", {}, lambda x, y: 2 * np.outer(x, y)),
    ("dot(x, y) + inner(x, y)", {"x": "n", "y": "n"}, lambda x, y: 2 * (x @ y)),
    ("layer_norm(X, g, b)", {"X": "n d", "g": "d", "b": "d"}, lambda X, g, b: cr.layer_norm(X, g, b)),
    ("½ * x + .5*x + 1e-3*x + 1.*x", {"x": "n"}, lambda x: x * 2.001),
    ("W₁*x", {"W1": "h d", "x": "d"}, lambda x, W1: W1 @ x),
    ("（x'*x）", {"x": "n"}, lambda x: x @ x),
    ("sum(x) # all of it", {"x": "n"}, lambda x: np.sum(x)),
    ("sum(\n  x\n)", {"x": "n"}, lambda x: np.sum(x)),
    ("∑ x²", {"x": "n"}, lambda x: np.sum(x**2)),
    ("(x⁻¹)'", {"x": ""}, lambda x: 1 / x),
    ("X @ w", {"X": "4 n d", "w": "d"}, lambda X, w: X @ w),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shapes", "meant"), MEANINGS, ids=[text for text, _, _ in MEANINGS])
def test_a_formula_computes_what_it_says(text: str, shapes: dict[str, str], meant: Callable[..., Any]) -> None:
    with np.errstate(all="ignore"):
        found, held = evaluated(text, **shapes)
        expected = np.asarray(meant(**held))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_equations_name_the_intermediates() -> None:
    program = cr.trace("z1 = W1@x + b1; a1 = σ(z1); L = sum(a1^2)")
    assert list(program.names.values()) == ["z1", "a1", "L"]
    assert [node.name for node in program.inputs] == ["W1", "x", "b1"]


def test_the_squared_norm_has_a_derivative_at_zero() -> None:
    assert str(cr.equations(cr.trace("norm(x)^2", x="n"))) == "L = ‖x‖²"
    result = cr.fit("‖x‖² + 0*sum(x)", params={"x": np.zeros(3)}, data={}, epochs=2)
    assert result.status == "finished"


def test_float32_stays_float32() -> None:
    program = cr.trace("1/n*sum(2*x) + 1'*x + x'*(I*vector(2)) + pi", x="n:float32")
    assert program.outputs[0].type.dtype.value == "float32"


def test_wrt_may_be_spelled_or_a_letter() -> None:
    for formula, wrt in (("lambda*sum(w^2)", "λ"), ("λ*sum(w^2)", "lambda")):
        assert [node.name for node in cr.derive(formula, wrt, w="d").record.backward.wrt] == [formula.split("*")[0]]


def test_what_is_derived_where_nothing_is_said() -> None:
    assert [node.name for node in cr.derive("x'*A*x").record.backward.wrt] == ["x", "A"]
    assert [node.name for node in cr.derive("sum((X@w + b - y)^2)").record.backward.wrt] == ["w", "b"]


def test_fit_takes_a_formula() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(32, 3))
    true = np.array([1.0, -2.0, 0.5])
    result = cr.fit(
        "mean((X @ w + b - y)^2)", params={"w": np.zeros(3), "b": 0.0}, data={"X": X, "y": X @ true + 3}, epochs=300
    )
    np.testing.assert_allclose(result.params["w"], true, atol=1e-6)
    with pytest.raises(cr.TrainingError, match="takes 'y', which is not in"):
        cr.fit("mean((X @ w - y)^2)", params={"w": np.zeros(3)}, data={"X": X})


@pytest.mark.parametrize(
    ("text", "variable", "rank"),
    [
        ("(x - mu)' * inv(Sigma) * (x - mu)", "mu", 1),
        ("log(det(Sigma)) + (x - mu)' * inv(Sigma) * (x - mu)", "mu", 1),
        ("sum((μ - x)^2) / (2*σ^2)", "μ", 1),
        ("sum((x - target)^2)", "target", 1),
        ("r = x - mu; sum(r .* r)", "mu", 1),
        ("(x - mu)^2 / (2*sigma^2)", "mu", 0),
        ("sum(log(x + epsilon))", "epsilon", 0),
        ("sum(maximum(x - lambda, 0))", "lambda", 0),
        ("mean((X - mu)^2)", "mu", 0),
    ],
)
def test_what_is_taken_from_a_vector_is_as_long(text: str, variable: str, rank: int) -> None:
    shapes = {node.name: node.type.shape for node in cr.trace(text).inputs}
    assert len(shapes[variable]) == rank
    if rank:
        assert shapes[variable] == shapes["x"]
