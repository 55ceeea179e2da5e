"""Inverses, determinants, traces, diagonals, cumulative sums: textbook gradients, differences, JAX, both engines."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.calculus import backward
from chainrule.engines import get_engine
from chainrule.primitives.linear_algebra import EXPANSION_LIMIT

Array = NDArray[Any]
RNG = np.random.default_rng(0)
A = RNG.normal(size=(4, 4)) + 4 * np.eye(4)
B, X = RNG.normal(size=(3, 5)), RNG.normal(size=(4, 3))
BATCH = RNG.normal(size=(2, 3, 3)) + 3 * np.eye(3)
V = RNG.normal(size=4)
LONG = RNG.normal(size=(40, 3))

LOSSES: dict[str, tuple[Callable[..., Any], tuple[Array, ...]]] = {
    "quadratic form of the inverse": (lambda a, x: x @ np.linalg.inv(a) @ x, (A, V)),
    "logarithm of the determinant": (lambda a: np.linalg.slogdet(a)[1], (A,)),
    "logdet in a batch": (lambda a: np.sum(np.linalg.slogdet(a).logabsdet ** 2), (BATCH,)),
    "determinant": (lambda a: np.sum(np.linalg.det(a) ** 2), (BATCH,)),
    "trace of a product": (lambda a, x, b: np.trace(a @ x @ b[:, :4]) ** 2, (A, X, B)),
    "trace of the inverse": (lambda a: np.trace(np.linalg.inv(a)), (A,)),
    "trace of other axes": (lambda x: np.sum(np.trace(x, offset=1, axis1=0, axis2=2) ** 3), (BATCH,)),
    "solve for a vector": (lambda a, b: np.sum(np.linalg.solve(a, b) ** 2), (A, V)),
    "solve for columns": (lambda a, x: np.sum(np.linalg.solve(a, x) ** 3), (A, X)),
    "diagonal": (lambda a: np.sum(np.diagonal(a, offset=-1) ** 3), (A,)),
    "a vector on the diagonal": (lambda x: np.sum(np.diag(x) @ np.diag(x, 0) ** 2), (V,)),
    "cumulative sum": (lambda x: np.sum(np.cumsum(x) ** 2), (V,)),
    "cumulative sum along an axis": (lambda x: np.sum(np.cumsum(x, axis=0) ** 2), (LONG,)),
    "sum from the other end": (lambda x: np.sum(np.cumsum(x[::-1], axis=-1) ** 2), (X,)),
    "ridge regression": (
        lambda x, y: np.sum((x @ np.linalg.solve(x.T @ x + np.eye(3), x.T @ y) - y) ** 2),
        (X, V),
    ),
    "gaussian": (lambda s, x: 0.5 * cr.logdet(s @ s.T) + 0.5 * x @ np.linalg.inv(s @ s.T) @ x, (A, V)),
}


def _jax_gradients(loss: Callable[..., Any], arguments: tuple[Array, ...]) -> Sequence[Any]:
    import jax

    with jax.enable_x64(True):
        places: dict[str, Any] = {"np": jax.numpy, "cr": _JaxNames(jax.numpy)}
        translated = FunctionType(loss.__code__, {**loss.__globals__, **places})
        found: Sequence[Any] = jax.jit(jax.grad(translated, argnums=tuple(range(len(arguments)))))(
            *map(jax.numpy.asarray, arguments)
        )
    return found


def _difference_gradients(loss: Callable[..., Any], arguments: tuple[Array, ...]) -> Sequence[Any]:
    """Central differences, extrapolated once, element by element."""
    gradients = []
    for k, argument in enumerate(arguments):
        gradient = np.zeros_like(argument)
        for place in np.ndindex(*argument.shape):
            slopes = []
            for step in (2e-3, 1e-3):
                ends = []
                for sign in (1, -1):
                    moved = argument.copy()
                    moved[place] += sign * step
                    ends.append(float(loss(*arguments[:k], moved, *arguments[k + 1 :])))
                slopes.append((ends[0] - ends[1]) / (2 * step))
            gradient[place] = (4 * slopes[1] - slopes[0]) / 3
        gradients.append(gradient)
    return gradients


REFERENCES: dict[str, tuple[Callable[..., Sequence[Any]], float]] = {
    "differences": (_difference_gradients, 1e-7),
    **({"jax": (_jax_gradients, 1e-9)} if importlib.util.find_spec("jax") else {}),
}


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_agree_with_those_of_the_reference(name: str, reference: str) -> None:
    loss, arguments = LOSSES[name]
    found = cr.grad(loss, argnums=tuple(range(len(arguments))))(*arguments)
    gradients, error = REFERENCES[reference]
    for actual, wanted in zip(found, gradients(loss, arguments), strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=error, atol=error * float(np.max(np.abs(wanted))))
    cr.check_grads(loss, arguments, rtol=1e-4)


class _JaxNames:
    """The functions of the package that the losses use, in JAX's terms."""

    def __init__(self, numpy: Any) -> None:
        self._numpy = numpy

    def logdet(self, x: Any) -> Any:
        return self._numpy.linalg.slogdet(x)[1]


@pytest.mark.parametrize("name", LOSSES)
def test_the_engines_agree(name: str) -> None:
    loss, arguments = LOSSES[name]
    program = cr.trace(loss, *(value.shape for value in arguments))
    gradients = backward(program, program.inputs).gradient_program()
    inputs = {node.name: value for node, value in zip(program.inputs, arguments, strict=True)}
    results = [get_engine(engine).compile(gradients)(inputs) for engine in ("native", "reference")]
    for native, reference in zip(*results, strict=True):
        np.testing.assert_allclose(native, reference, rtol=1e-11, atol=1e-11 * float(np.max(np.abs(reference))))


def test_elimination_chooses_pivots() -> None:
    """Without an exchange of rows the first pivot here would be 1e-20, and nothing of the rest would be left."""
    tiny = np.asarray([[1e-20, 1.0, 2.0], [1.0, 1.0, 1.0], [3.0, 1.0, 0.0]])
    program = cr.trace(lambda a: (np.linalg.inv(a), np.linalg.det(a)), (3, 3))
    native, reference = (get_engine(engine).compile(program)({"a": tiny}) for engine in ("native", "reference"))
    for found, wanted in zip(native, reference, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-13)


def test_a_large_matrix_is_left_to_numpy_by_generated_code() -> None:
    size = EXPANSION_LIMIT + 1
    program = cr.trace(lambda a: (np.linalg.inv(a), np.linalg.det(a), cr.logdet(a)), (size, size))
    inputs = {"a": RNG.normal(size=(size, size))}
    native, reference = (get_engine(engine).compile(program)(inputs) for engine in ("native", "reference"))
    for found, wanted in zip(native, reference, strict=True):
        np.testing.assert_array_equal(found, wanted)
    derivation = cr.derive(lambda a: cr.logdet(a), a=(size, size))
    assert derivation.verify(points=1).ok


CLASSICS: list[tuple[Callable[..., Any], dict[str, str], str]] = [
    (lambda A, x: x @ np.linalg.inv(A) @ x, {"A": "n n", "x": "n"}, "∂L/∂A = −A⁻ᵀ x xᵀ A⁻ᵀ"),
    (lambda X: cr.logdet(X), {"X": "n n"}, "∂L/∂X = X⁻ᵀ"),
    (lambda X: np.linalg.det(X), {"X": "n n"}, "∂L/∂X = adj(X)ᵀ"),
    (lambda A, X, B: np.trace(A @ X @ B), {"A": "m n", "X": "n k", "B": "k m"}, "∂L/∂X = Aᵀ Bᵀ"),
    (lambda X: np.trace(np.linalg.inv(X)), {"X": "n n"}, "∂L/∂X = −X⁻ᵀ X⁻ᵀ"),
    (
        lambda S, x: 0.5 * cr.logdet(S) + 0.5 * x @ np.linalg.inv(S) @ x,
        {"S": "n n", "x": "n"},
        "∂L/∂S = ½ (S⁻ᵀ − S⁻ᵀ x xᵀ S⁻ᵀ)",
    ),
]


@pytest.mark.parametrize(("loss", "shapes", "line"), CLASSICS)
def test_classics_read_as_in_a_book_of_matrices(loss: Callable[..., Any], shapes: dict[str, str], line: str) -> None:
    wanted = line[len("∂L/∂")]
    derivation = cr.derive(loss, wrt=[wanted], **shapes)
    assert line in derivation.text()
    assert derivation.verify().ok


def _cofactors(a: Array) -> Array:
    minors = [[np.delete(np.delete(a, i, 0), j, 1) for j in range(len(a))] for i in range(len(a))]
    return np.asarray(
        [[(-1) ** (i + j) * np.linalg.det(minor) for j, minor in enumerate(row)] for i, row in enumerate(minors)]
    )


SINGULAR: dict[str, Array] = {
    f"{n} by {n} of rank {rank}": RNG.normal(size=(n, rank)) @ RNG.normal(size=(rank, n))
    for n in (2, 3, 5)
    for rank in range(max(n - 3, 0), n)
} | {
    "one by one": np.zeros((1, 1)),
    "a zero first": np.asarray([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 3.0]]),
    "equal columns": np.asarray([[2.0, 2.0, 1.0], [-1.0, -1.0, 4.0], [0.5, 0.5, 7.0]]),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_the_gradient_of_a_determinant_is_the_cofactors_also_of_a_singular_matrix(name: str) -> None:
    a = SINGULAR[name]
    wanted, size = _cofactors(a), float(np.max(np.abs(a), initial=1.0)) ** (len(a) - 1)
    np.testing.assert_allclose(cr.grad(np.linalg.det)(a), wanted, rtol=1e-12, atol=1e-13 * size)
    for dtype in (np.float64, np.float32):
        began: Array = a.astype(dtype)
        ended = np.asarray(cr.fit(lambda a: np.linalg.det(a), {"a": began}, {}, cr.SGD(1.0), epochs=1).params["a"])
        tolerance = 100 * float(np.finfo(dtype).eps) * size
        np.testing.assert_allclose(began - ended, wanted, rtol=tolerance, atol=tolerance)
    names: dict[str, Any] = {}
    exec(cr.derive(lambda a: np.linalg.det(a), a="n n").source("numpy"), names)
    np.testing.assert_allclose(names["backward"](names["forward"](a)[1]), wanted, rtol=1e-12, atol=1e-13 * size)


def test_an_adjugate_over_its_determinant_is_an_inverse() -> None:
    def named(S: Any) -> Any:
        d = np.linalg.det(S @ S.T)
        return np.log(d)

    for function in (named, lambda S: np.log(np.linalg.det(S @ S.T))):
        np.testing.assert_allclose(cr.grad(function)(A), 2 * np.linalg.inv(A).T, rtol=1e-12)
    assert "X⁻ᵀ" in cr.derive(lambda X: np.log(np.linalg.det(X)), X="n n").text()
