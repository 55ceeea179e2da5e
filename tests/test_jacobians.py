"""`jacobian` and `hessian` at values, with the shapes and structures of JAX."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr

RANDOM = np.random.default_rng(3)
A = RANDOM.standard_normal((4, 3))
X = RANDOM.standard_normal(3)


def differences(function: Any, x: Any, step: float = 1e-6) -> Any:
    """The Jacobian by central differences."""
    columns = []
    for place in np.ndindex(*np.shape(x)):
        unit = np.zeros(np.shape(x))
        unit[place] = step
        columns.append((np.asarray(function(x + unit)) - np.asarray(function(x - unit))) / (2 * step))
    return np.stack(columns, -1).reshape((*np.shape(columns[0]), *np.shape(x)))


FUNCTIONS: dict[str, tuple[Any, Any]] = {
    "vector to a longer vector": (lambda x: np.tanh(A @ x), X),
    "vector to a shorter vector": (lambda x: np.tanh(A[:2] @ x), X),
    "vector to number": (lambda x: np.sum(np.sin(x)), X),
    "number to vector": (lambda t: t * np.array([1.0, 2.0]), 0.3),
    "number to number": (lambda t: np.exp(t), 0.3),
    "matrix to matrix": (lambda M: M.T @ M, A),
    "matrix to vector": (lambda M: np.log(np.sum(np.exp(M), axis=1)), A),
    "vector to matrix": (lambda x: np.outer(x, x) * A[:3], X),
    "does not depend on it": (lambda x: np.ones(2) + 0 * np.sum(x), X),
    "softmax": (lambda x: cr.softmax(x), X),
    "indexing": (lambda x: x[np.array([2, 0, 0])] ** 2, X),
    "inverse": (lambda M: np.linalg.inv(M + 3 * np.eye(3)), A[:3]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_jacobian_agrees_with_finite_differences(name: str) -> None:
    function, x = FUNCTIONS[name]
    found = cr.jacobian(function)(x)
    expected = differences(function, x)
    assert np.shape(found) == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


LOSSES: dict[str, tuple[Any, Any]] = {
    "logistic": (lambda w: np.sum(np.logaddexp(0, A @ w)), X),
    "of a matrix": (lambda M: np.sum(np.tanh(M @ X) ** 2), A),
    "cubic": (lambda t: t**3, 2.0),
    "quadratic": (lambda w: w @ A.T @ A @ w, X),
    "log determinant": (lambda M: cr.logdet(M @ M.T + np.eye(3)), A[:3]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_hessian_agrees_with_differences_of_the_gradient(name: str) -> None:
    loss, x = LOSSES[name]
    found = cr.hessian(loss)(x)
    np.testing.assert_allclose(found, differences(cr.grad(loss), x), rtol=1e-5, atol=1e-7)
    flat = np.reshape(found, (np.size(x), np.size(x)))
    np.testing.assert_allclose(flat, flat.T, atol=1e-12)


def test_structures_are_nested_as_in_jax() -> None:
    def layer(parameters: Any, x: Any) -> Any:
        z = parameters["W"] @ x + parameters["b"]
        return {"z": z, "norm": np.sum(z**2)}

    parameters = {"W": A, "b": np.ones(4)}
    found = cr.jacobian(layer)(parameters, X)
    assert {(out, name): np.shape(found[out][name]) for out in found for name in found[out]} == {
        ("z", "W"): (4, 4, 3),
        ("z", "b"): (4, 4),
        ("norm", "W"): (4, 3),
        ("norm", "b"): (4,),
    }
    np.testing.assert_allclose(found["z"]["b"], np.eye(4))
    several = cr.jacobian(layer, argnums=(1, 0))(parameters, X)
    assert isinstance(several["z"], tuple)
    np.testing.assert_allclose(several["z"][0], A)
    np.testing.assert_allclose(several["norm"][1]["b"], found["norm"]["b"])


def test_the_blocks_of_a_hessian() -> None:
    class Weights(NamedTuple):
        W: Any
        b: Any

    def loss(weights: Any, x: Any) -> Any:
        return np.sum(np.tanh(weights.W @ x + weights.b) ** 2)

    found = cr.hessian(loss)(Weights(A, np.ones(4)), X)
    assert isinstance(found, Weights)
    assert isinstance(found.W, Weights)
    assert (found.W.W.shape, found.W.b.shape, found.b.W.shape) == ((4, 3, 4, 3), (4, 3, 4), (4, 4, 3))
    np.testing.assert_allclose(found.W.b, np.moveaxis(found.b.W, 0, -1))
    both = cr.hessian(lambda w, x: np.sum((A @ w - x) ** 2), argnums=(0, 1))(X, np.ones(4))
    np.testing.assert_allclose(both[0][0], 2 * A.T @ A)
    np.testing.assert_allclose(both[0][1], -2 * A.T)
    np.testing.assert_allclose(both[1][0], -2 * A)


def test_a_jacobian_is_differentiated_again() -> None:
    def total(x: Any) -> Any:
        return np.sum(cr.jacobian(lambda y: y**3)(x) ** 2)

    np.testing.assert_allclose(cr.grad(total)(X), 36 * X**3)
    third = cr.jacobian(cr.hessian(lambda x: np.sum(x**3)))(X)
    assert third.shape == (3, 3, 3)
    np.testing.assert_allclose(third[0, 0, 0], 6.0)


def test_sizes_may_be_names_where_there_is_a_closed_form() -> None:
    program = cr.trace(lambda A, x: cr.jacobian(lambda y: A @ y)(x), A="m n", x="n")
    assert program.outputs[0].type.shape == cr.trace(lambda A: A, A="m n").outputs[0].type.shape
    joined = cr.trace(lambda x: cr.jacobian(lambda y: np.concatenate([y, y**2]))(x), x="n")
    assert str(joined.outputs[0].type) == "float64[2·n, n]"
    with pytest.raises(cr.ProgramError, match="needs sizes that are numbers"):
        cr.trace(lambda x: cr.jacobian(lambda y: np.concatenate([y, np.sort(y)]))(x), x="n")


@pytest.mark.parametrize(
    ("function", "args", "message"),
    [
        (lambda x: np.argmax(x), (X,), "a result of jacobian holds int64"),
        (lambda x: x[0], (np.array([1, 2]),), "an argument of jacobian holds int64"),
        (lambda x: x, ("text",), "no numbers to differentiate"),
    ],
)
def test_what_has_no_jacobian_says_why(function: Any, args: tuple[Any, ...], message: str) -> None:
    with pytest.raises(cr.ChainruleError, match=message):
        cr.jacobian(function)(*args)


def test_a_hessian_needs_a_scalar() -> None:
    with pytest.raises(cr.ProgramError, match="returns one scalar"):
        cr.hessian(lambda x: x**2)(X)
