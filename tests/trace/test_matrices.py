"""Factorizations, powers and norms of matrices: values as in NumPy, gradients as in autograd and by differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

import chainrule as cr
from chainrule import ChainruleError
from chainrule.primitives import evaluate_nodes
from chainrule.trace import trace

_draw = np.random.default_rng(11)
B = _draw.normal(size=(3, 3))
A = B @ B.T + np.eye(3)
T = _draw.normal(size=(2, 3, 4))

Function = Callable[..., Any]


def _cube(x: Any) -> Any:
    """A tensor that is a regular matrix of 4 rows and columns."""
    return (np.kron(x[:2, :2], x[1:, 1:]) + np.eye(4)).reshape(2, 2, 2, 2)


def value(function: Function, x: Any) -> Any:
    program = trace(function, x)
    return evaluate_nodes(program.outputs, {program.inputs[0]: x})[program.outputs[0]]


VALUES: dict[str, tuple[Function, Any]] = {
    "cholesky": (np.linalg.cholesky, A),
    "cholesky of the lower triangle": (np.linalg.cholesky, A + np.triu(B, 1)),
    "cholesky of the upper triangle": (lambda x: np.linalg.cholesky(x, upper=True), A + np.tril(B, -1)),
    "cholesky of several": (lambda x: np.linalg.cholesky(np.stack([x, 2 * x])), A),
    **{
        f"power {n}": (lambda x, n=n: np.linalg.matrix_power(x / 4 if n > 0 else x, n), A)
        for n in (-3, -1, 0, 1, 2, 5, 8)
    },
    **{
        f"norm {order!r} of a vector": (lambda x, order=order: np.linalg.norm(x[0], order), B)
        for order in (None, 0, 1, 2, 3, -1, 0.5, -2, np.inf, -np.inf)
    },
    **{
        f"norm {order!r} of matrices": (
            lambda x, order=order: np.stack(
                [np.linalg.norm(x, order, axis=(1, 2)), np.linalg.norm(x, order, axis=(-1, -2), keepdims=True)[:, 0, 0]]
            ),
            T,
        )
        for order in (None, "fro", 1, -1, np.inf, -np.inf)
    },
    "norm of a matrix": (lambda x: np.linalg.norm(x, 1) + np.linalg.norm(x, np.inf, keepdims=True), B),
    "norm of everything": (np.linalg.norm, T),
    **{
        f"condition number {order!r}": (lambda x, order=order: np.linalg.cond(x, order), A)
        for order in ("fro", 1, -1, np.inf, -np.inf)
    },
    "tensorsolve": (lambda x: np.linalg.tensorsolve(_cube(x), x[:2, :2]), A),
    "tensorsolve along axes": (lambda x: np.linalg.tensorsolve(np.moveaxis(_cube(x), 2, 0), x[:2, :2], axes=(0, 3)), A),
    "tensorinv": (lambda x: np.linalg.tensorinv(_cube(x)), A),
    "tensorinv of one": (lambda x: np.linalg.tensorinv(_cube(x).reshape(4, 2, 2), ind=1), A),
    "vector_norm": (lambda x: np.linalg.vector_norm(x) + np.linalg.vector_norm(x, axis=(0, 1), ord=3), T),
    "matrix_norm": (lambda x: np.linalg.matrix_norm(x, ord=1) + np.linalg.matrix_norm(x), T),
}


@pytest.mark.parametrize("name", VALUES)
def test_the_program_gives_what_numpy_gives(name: str) -> None:
    function, x = VALUES[name]
    found, wanted = value(function, x), function(x)
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    assert np.shape(found) == np.shape(wanted)


@pytest.mark.parametrize("name", [name for name in VALUES if name != "norm 0 of a vector"])
def test_first_and_second_derivatives_agree_with_differences(name: str) -> None:
    function, x = VALUES[name]
    cr.check_grads(lambda x: np.sum(np.sin(function(x))), (x,), order=2)


@pytest.mark.parametrize(
    "function",
    [
        lambda np: lambda b: np.sum(np.sin(np.linalg.cholesky(b @ b.T + np.eye(3)))),
        lambda np: lambda b: np.sum(np.linalg.solve(np.linalg.cholesky(b @ b.T + np.eye(3)), b[0]) ** 2),
        lambda np: lambda b: np.sum(np.log(np.diag(np.linalg.cholesky(b @ b.T + np.eye(3))))),
    ],
)
def test_gradients_of_symmetric_matrices_agree_with_autograd(function: Callable[[Any], Function]) -> None:
    np.testing.assert_allclose(cr.grad(function(np))(B), autograd.grad(function(anp))(B), rtol=1e-10)
    ours = cr.grad(lambda b: np.sum(np.cos(cr.grad(function(np))(b))))(B)
    theirs = autograd.grad(lambda b: anp.sum(anp.cos(autograd.grad(function(anp))(b))))(B)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_the_gradient_of_a_cholesky_factor_is_that_of_the_lower_triangle() -> None:
    gradient = cr.grad(lambda x: np.sum(np.linalg.cholesky(x) ** 3))(A)
    np.testing.assert_array_equal(np.triu(gradient, 1), 0)
    symmetric = autograd.grad(lambda x: anp.sum(anp.linalg.cholesky(x) ** 3))(A)
    both = symmetric + symmetric.T
    np.testing.assert_allclose(gradient, np.tril(both) - np.diag(np.diag(symmetric)), rtol=1e-10)


def test_a_matrix_that_is_not_positive_definite_has_no_factor() -> None:
    assert np.all(np.isnan(value(np.linalg.cholesky, A - 10 * np.eye(3))))


def test_the_derivation_of_a_factor_is_read_back() -> None:
    derivation = cr.derive(lambda x, b: np.sum(np.linalg.cholesky(x) * b), wrt="x", x="n n", b="n n")
    assert derivation.verify().ok
    assert "chol(x)" in derivation.text(detail="brief")


def test_factors_are_fitted_in_machine_code() -> None:
    target = np.linalg.cholesky(A)
    result = cr.fit(
        lambda P, L: np.mean((np.linalg.cholesky(P @ P.T + 0.01 * np.eye(3)) - L) ** 2),
        {"P": B.copy()},
        {"L": target},
        cr.Adam(0.05),
        epochs=400,
    )
    assert result.history["loss"][-1] < 1e-6


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: np.linalg.norm(x, 5), "not in NumPy either"),
        (lambda x: np.linalg.norm(x[0], "fro"), "not in NumPy either"),
        (lambda x: np.linalg.matrix_power(x[:2], 2), "square matrices"),
        (lambda x: np.linalg.cholesky(x[:2]), "square matrix"),
        (lambda x: np.linalg.norm(x[None], 1), "not of 3 axes"),
    ],
)
def test_a_refusal_names_the_mend(function: Function, message: str) -> None:
    with pytest.raises(ChainruleError, match=message):
        trace(function, B)


PINVERTED: dict[str, Any] = {"tall": T[0].T, "wide": T[0], "square": A, "several": T}


@pytest.mark.parametrize("name", PINVERTED)
def test_a_pseudoinverse_is_that_of_numpy(name: str) -> None:
    x = PINVERTED[name]
    np.testing.assert_allclose(value(np.linalg.pinv, x), np.linalg.pinv(x), rtol=1e-12)
    cr.check_grads(lambda x: np.sum(np.sin(np.linalg.pinv(x))), (x,), order=2)
    ours = cr.grad(lambda x: np.sum(np.sin(np.linalg.pinv(x))))(x)
    np.testing.assert_allclose(ours, autograd.grad(lambda x: anp.sum(anp.sin(anp.linalg.pinv(x))))(x), rtol=1e-9)


def test_a_pseudoinverse_of_lower_rank_is_that_of_numpy() -> None:
    x = np.outer(B[0], T[0, 0])
    np.testing.assert_allclose(value(np.linalg.pinv, x), np.linalg.pinv(x), rtol=1e-12)


def test_least_squares_by_the_pseudoinverse_are_derived() -> None:
    derivation = cr.derive(lambda X, y: np.sum((np.linalg.pinv(X) @ y) ** 2), wrt="X", X="n d", y="n")
    assert derivation.verify().ok
    assert "U = pinv(X)" in derivation.text(detail="brief")
