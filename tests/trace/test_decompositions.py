"""Eigenvalues, singular values, Q R and what they compose: values as NumPy's, gradients by differences and JAX."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.calculus import backward
from chainrule.engines import get_engine
from chainrule.primitives import evaluate_nodes
from chainrule.trace import trace

_draw = np.random.default_rng(2)
B = _draw.normal(size=(3, 3)) / 3
S = B @ B.T + np.diag([0.5, 1.0, 1.6])
X = _draw.normal(size=(4, 2)) / 2
T = _draw.normal(size=(2, 2, 3)) / 2

Function = Callable[..., Any]
HAS_NUMPY_2 = hasattr(np.linalg, "svdvals")


def _all(parts: Any) -> Any:
    return np.concatenate([np.sin(part).ravel() ** 2 for part in parts])


CASES: dict[str, tuple[Function, Any]] = {
    "eigvalsh": (np.linalg.eigvalsh, S),
    "eigh": (lambda x: _all(np.linalg.eigh(x)), S),
    "eigh by name, of several": (lambda x: np.linalg.eigh(np.stack([x, 2 * x + x @ x])).eigenvectors ** 2, S),
    "eigh of the upper triangle": (lambda x: _all(np.linalg.eigh(x, UPLO="U")), S + np.tril(B, -1)),
    "svd of a tall matrix": (lambda x: _all(np.linalg.svd(x, full_matrices=False)), X),
    "svd of wide ones": (lambda x: _all(np.linalg.svd(x, full_matrices=False)), T),
    "svd of a square one": (lambda x: _all(np.linalg.svd(x)), B / 4 + np.diag([0.5, 1.0, 1.6])),
    "values alone": (lambda x: np.linalg.svd(x, compute_uv=False), T),
    "qr": (lambda x: _all(np.linalg.qr(x)), X),
    "qr of wide ones": (lambda x: _all(np.linalg.qr(x)), T),
    "r alone": (lambda x: np.linalg.qr(x, mode="r"), X),
    "nuclear norm": (lambda x: np.linalg.norm(x, "nuc"), X),
    "nuclear norm along axes": (lambda x: np.linalg.norm(x, "nuc", axis=(2, 0), keepdims=True), T),
    "spectral norm": (lambda x: np.linalg.norm(x, 2), X),
    "spectral norms": (lambda x: np.linalg.norm(x, 2, axis=(-1, -2)), T),
    "smallest singular value": (lambda x: np.linalg.norm(x, -2), X),
    "condition numbers": (lambda x: np.linalg.cond(x) + np.linalg.cond(x, 2) + np.linalg.cond(x, -2), X),
    "lstsq": (lambda x: _all(np.linalg.lstsq(x, np.cos(x[:, 0]), rcond=None)[:2]), X),
    "lstsq of columns": (lambda x: _all(np.linalg.lstsq(x, np.cos(x @ x.T), rcond=None)[::3]), X),
    "multi_dot": (lambda x: np.linalg.multi_dot([x.T, x, x.T]), X),
    **({"svdvals": (lambda x: np.linalg.svdvals(x), T)} if HAS_NUMPY_2 else {}),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_numpy_and_derivatives_agree_with_differences(name: str) -> None:
    function, x = CASES[name]
    program = trace(function, x)
    found = evaluate_nodes(program.outputs, {program.inputs[0]: x})[program.outputs[0]]
    np.testing.assert_allclose(found, function(x), rtol=1e-12, atol=1e-14)
    assert np.shape(found) == np.shape(function(x))
    cr.check_grads(lambda x: np.sum(np.sin(function(x))), (x,), order=2)


@pytest.mark.parametrize("name", ["eigh", "svd of a tall matrix", "qr of wide ones", "spectral norm", "nuclear norm"])
def test_the_engines_agree(name: str) -> None:
    function, x = CASES[name]
    program = trace(lambda x: np.sum(function(x) ** 2), x.shape)
    gradients = backward(program, program.inputs).gradient_program()
    engines = ("native", *(("xla",) if importlib.util.find_spec("jax") else ()))
    wanted = get_engine("reference").compile(gradients)({"x": x})[-1]
    for engine in engines:
        found = get_engine(engine).compile(gradients)({"x": x})[-1]
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["svd of a tall matrix", "svd of wide ones", "qr", "nuclear norm", "eigh"])
def test_gradients_agree_with_jax(name: str) -> None:
    jax = pytest.importorskip("jax")
    x = CASES[name][1]
    functions: dict[str, Callable[[Any], Function]] = {
        "svd of a tall matrix": lambda np: lambda x: sum(np.sum(p**3) ** 2 for p in np.linalg.svd(x, False)),
        "svd of wide ones": lambda np: lambda x: sum(np.sum(p**3) ** 2 for p in np.linalg.svd(x, False)),
        "qr": lambda np: lambda x: sum(np.sum(p**3) for p in np.linalg.qr(x)),
        "nuclear norm": lambda np: lambda x: np.linalg.norm(x[:, :, None], "nuc", axis=(0, 1))[0] ** 3,
        "eigh": lambda np: lambda x: sum(np.sum(p**3) ** 2 for p in np.linalg.eigh(x @ x.T)),
    }
    with jax.enable_x64(True):
        theirs = jax.jit(jax.grad(functions[name](jax.numpy)))(jax.numpy.asarray(x))
    np.testing.assert_allclose(cr.grad(functions[name](np))(x), theirs, rtol=1e-8, atol=1e-10)


def test_equal_eigenvalues_have_no_derivative_of_their_vectors() -> None:
    with np.errstate(all="ignore"):
        gradient = cr.grad(lambda x: np.sum(np.linalg.eigh(x)[1] ** 3))(np.diag([1.0, 1.0, 2.0]))
    assert not np.isfinite(gradient).all()
    np.testing.assert_allclose(cr.grad(lambda x: np.sum(np.linalg.eigvalsh(x)))(np.eye(3)), np.eye(3), atol=1e-15)


def test_a_matrix_that_is_not_finite_has_no_decomposition() -> None:
    for function in (np.linalg.eigvalsh, lambda x: np.linalg.svd(x)[0], lambda x: np.linalg.norm(x, "nuc")):
        program = trace(function, (2, 2))
        values = evaluate_nodes(program.outputs, {program.inputs[0]: np.array([[1.0, np.nan], [np.nan, 1.0]])})
        assert np.isnan(values[program.outputs[0]]).all()


def test_the_rank_is_an_integer_and_has_no_derivative() -> None:
    x = np.outer([1.0, 2.0, 3.0], [1.0, -1.0])

    def rank(x: Any) -> Any:
        return np.stack([np.linalg.matrix_rank(x), np.linalg.matrix_rank(x, tol=100.0), np.linalg.lstsq(x, x)[2]])

    program = trace(rank, (3, 2))
    assert evaluate_nodes(program.outputs, {program.inputs[0]: x})[program.outputs[0]].tolist() == [1, 0, 1]
    np.testing.assert_array_equal(cr.grad(lambda x: np.linalg.matrix_rank(x) * x[0, 0])(x), [[1, 0], [0, 0], [0, 0]])


LINES: list[tuple[Function, dict[str, Any], str]] = [
    (lambda X: np.linalg.norm(X, "nuc"), {"X": "n d"}, "∂L/∂X = polar(X)"),
    (lambda X: np.linalg.norm(X, 2), {"X": "n d"}, "∂L/∂X = leftvec(X) rightvec(X)ᵀ"),
    (lambda A: np.sum(np.linalg.eigvalsh(A) ** 2), {"A": "n n"}, "U = eigvecs(A) diag(eigvals(A)) eigvecs(A)ᵀ"),
    (lambda A, C: np.sum(cr.expm(A) * C), {"A": "n n", "C": "n n"}, "∂L/∂A = dexpm(Aᵀ, C)"),
    (lambda X, C: np.sum(np.linalg.qr(X)[1] * C), {"X": (4, 3), "C": (3, 3)}, "qfactor(X)"),
    (lambda T, b: np.sum(cr.solve_triangular(T, b)), {"T": "n n", "b": "n m"}, "triu(T)⁻¹ b"),
    (lambda X, y: np.sum((X @ np.linalg.lstsq(X, y)[0] - y) ** 2), {"X": "n d", "y": "n"}, "pinv(X)"),
]


@pytest.mark.parametrize(("function", "shapes", "line"), LINES)
def test_lines_are_printed_and_read_back(function: Function, shapes: dict[str, Any], line: str) -> None:
    derivation = cr.derive(function, wrt=[next(iter(shapes))], **shapes)
    assert line in derivation.text(detail="brief")
    verification = derivation.verify()
    assert verification.ok
    for lang in ("en", "zh"):
        assert derivation.text(lang=lang)


def test_the_exponential_is_that_of_scipy() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    for scale in (0.0, 0.1, 1.0, 9.0):
        wanted = linalg.expm(scale * B)
        np.testing.assert_allclose(cr.expm(scale * B), wanted, rtol=1e-12, atol=1e-13 * np.abs(wanted).max())
    direction = _draw.normal(size=(3, 3))
    _, ours = cr.jvp(cr.expm, (B,), (direction,))
    np.testing.assert_allclose(ours, linalg.expm_frechet(B, direction)[1], rtol=1e-12)
    cr.check_grads(lambda x: np.sum(np.sin(cr.expm(x))), (B,), order=2)
    cr.check_grads(lambda x: np.sum(np.sin(cr.expm(np.stack([x, x.T])))), (B,), order=2)
    np.testing.assert_array_equal(cr.expm(np.zeros((0, 0))), np.zeros((0, 0)))


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("trans", [0, 1])
@pytest.mark.parametrize("unit_diagonal", [False, True])
def test_triangular_systems_are_solved_as_by_scipy(lower: bool, trans: int, unit_diagonal: bool) -> None:
    linalg = pytest.importorskip("scipy.linalg")
    options: dict[str, Any] = {"lower": lower, "trans": trans, "unit_diagonal": unit_diagonal}
    for b in (X[:3, 0], X[:3]):
        found = cr.solve_triangular(S, b, **options)
        np.testing.assert_allclose(found, linalg.solve_triangular(S, b, **options), rtol=1e-12)

    def loss(a: Any, b: Any) -> Any:
        return np.sum(np.sin(cr.solve_triangular(a, b, **options)))

    cr.check_grads(loss, (S, X[:3]), order=2)
    program = trace(loss, S.shape, X[:3].shape)
    gradients = backward(program, program.inputs).gradient_program()
    native, reference = (get_engine(e).compile(gradients)({"a": S, "b": X[:3]}) for e in ("native", "reference"))
    for found, wanted in zip(native, reference, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
    unread = np.triu(native[1], 1) if lower else np.tril(native[1], -1)
    np.testing.assert_array_equal(unread, 0)


def test_a_singular_triangle_gives_nan() -> None:
    for engine in ("native", "reference"):
        program = trace(lambda a, b: cr.solve_triangular(a, b), (2, 2), (2,))
        values = {"a": np.array([[1.0, 2.0], [0.0, 0.0]]), "b": np.ones(2)}
        assert np.isnan(get_engine(engine).compile(program)(values)[0]).all()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: np.linalg.svd(x[:2]), "full_matrices=False"),
        (lambda x: np.linalg.svd(x, hermitian=True), "hermitian= out"),
        (lambda x: np.linalg.qr(x[:, :2], mode="complete"), "'reduced' and 'r'"),
        (lambda x: np.linalg.eigh(x[:2]), "square matrix"),
        (lambda x: np.linalg.eig(x), "complex"),
    ],
)
def test_a_refusal_names_the_mend(function: Function, message: str) -> None:
    with pytest.raises(cr.ChainruleError, match=message):
        trace(function, B)


def test_sizes_of_which_the_smaller_is_unknown_are_refused_where_it_matters() -> None:
    with pytest.raises(cr.ChainruleError, match="smaller size, which is not known"):
        trace(lambda x: np.linalg.svd(x, full_matrices=False)[1], x="n d")
    with pytest.raises(cr.ChainruleError, match="which of the sizes is smaller"):
        trace(lambda x: np.sum(np.linalg.lstsq(x, x)[3] ** 2), x="n d")
    doubled = trace(lambda x: np.linalg.svd(np.concatenate([x, x]), full_matrices=False)[1], x="n n")
    assert str(doubled.outputs[0].type) == "float64[n]"


def test_c_has_no_decompositions() -> None:
    derivation = cr.derive(lambda x: np.sum(np.linalg.eigvalsh(x) ** 2), x=(3, 3))
    for language in ("c", "js"):
        with pytest.raises(cr.ChainruleError, match=r"computed by LAPACK, and not written out.*in other terms"):
            derivation.source(language)
