"""Hessians of quotients, written with the gradient g as in textbooks: those of Rayleigh quotients and of cosines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation import SecondOrder
from chainrule.derivation.second.verification import SecondVerifier
from chainrule.deriving import FurtherDerivation
from chainrule.words import LANGUAGES

Array = np.ndarray[Any, Any]


def rayleigh(x: Array, A: Array, B: Array) -> Array:
    """The Hessian of xᵀAx / xᵀBx for any A and B, from the quotient rule applied twice."""
    s, t = x @ A @ x, x @ B @ x
    ds, dt = (A + A.T) @ x, (B + B.T) @ x
    second = (A + A.T) / t - (np.outer(ds, dt) + np.outer(dt, ds)) / t**2
    return np.asarray(second - s * (B + B.T) / t**2 + 2 * s * np.outer(dt, dt) / t**3)


def cosine(x: Array, y: Array) -> Array:
    """The Hessian of xᵀy / (‖x‖ ‖y‖)."""
    n, one = np.linalg.norm(x), np.eye(len(x))
    c = x @ y
    first = -(np.outer(x, y) + np.outer(y, x)) / n**3 - c * one / n**3 + 3 * c * np.outer(x, x) / n**5
    return np.asarray(first / np.linalg.norm(y))


# For each loss its arguments, its printed Hessian, and the same written down in NumPy without g.
QUOTIENTS: dict[str, tuple[dict[str, Any], str, Callable[..., Array]]] = {
    "x' @ A @ x / (x' @ x)": (
        {"assume": "A symmetric"},
        "2 (A − L · I − x gᵀ − g xᵀ) / (xᵀ x)",
        lambda x, A: rayleigh(x, A, np.eye(len(x))),
    ),
    "x' @ M @ x / (x' @ x)": (
        {},
        "(M + Mᵀ − 2 L · I − 2 x gᵀ − 2 g xᵀ) / (xᵀ x)",
        lambda x, M: rayleigh(x, M, np.eye(len(x))),
    ),
    "x' @ A @ x / (x' @ B @ x)": (
        {"assume": "A symmetric; B symmetric"},
        "2 (A − u gᵀ − L · B − g uᵀ) / (xᵀ u)",
        rayleigh,
    ),
    "a' @ x / (b' @ x)": (
        {},
        "−(b gᵀ + g bᵀ) / (bᵀ x)",
        lambda x, a, b: (
            -(np.outer(a, b) + np.outer(b, a)) / (b @ x) ** 2 + 2 * (a @ x) * np.outer(b, b) / (b @ x) ** 3
        ),
    ),
    "log(x' @ M @ x)": (
        {},
        "(M + Mᵀ) / (xᵀ M x) − g gᵀ",
        lambda x, M: (
            (M + M.T) / (x @ M @ x) - np.outer((M + M.T) @ x, (M + M.T) @ x) / (x @ M @ x) ** 2
        ),
    ),
    "x' @ y / (norm(x)*norm(y))": (
        {},
        "(L · (x xᵀ / ‖x‖² − I) − x gᵀ − g xᵀ) / ‖x‖²",
        cosine,
    ),
}  # fmt: skip


def hessian_of(formula: str) -> FurtherDerivation:
    derivation: FurtherDerivation = cr.derive(formula, "x", order=2, **QUOTIENTS[formula][0])
    return derivation


@pytest.fixture(scope="module", params=QUOTIENTS, ids=str)
def case(request: pytest.FixtureRequest) -> tuple[str, FurtherDerivation]:
    return request.param, hessian_of(request.param)


def test_the_hessian_is_that_of_textbooks(case: tuple[str, FurtherDerivation]) -> None:
    formula, derivation = case
    for lang in LANGUAGES:
        text = derivation.text(lang=lang, width=200)
        found = [line.strip("│ ") for line in text.splitlines() if line.startswith("│ ∂²L/∂x∂xᵀ = ")]
        assert [line.partition(" = ")[2].partition("   ")[0] for line in found] == [QUOTIENTS[formula][1]]
        assert "│ g = ∂L/∂x = " in text
        assert "  dL = gᵀ dx " in text or "log" in formula


def test_every_line_holds_and_reads_as_it_claims(case: tuple[str, FurtherDerivation]) -> None:
    _, derivation = case
    verification = derivation.verify()
    assert verification.ok, verification
    assert not verification.unread


def test_the_source_has_the_value_of_the_formula_in_numpy(case: tuple[str, FurtherDerivation]) -> None:
    formula, derivation = case
    namespace: dict[str, Any] = {}
    exec(derivation.source("numpy"), namespace)
    random = np.random.default_rng(2)
    program = derivation.record.program.bind({"n": 4, **dict.fromkeys(derivation.record.program.dim_names, 4)})
    values = {node.name: random.uniform(0.5, 1.5, node.type.concrete_shape) for node in program.inputs}
    for name in ("A", "B"):
        if name in values:
            values[name] = values[name] + values[name].T
    expected = QUOTIENTS[formula][2](**values)
    np.testing.assert_allclose(namespace["hessian"](**values), expected, rtol=1e-9, atol=1e-12)


def test_a_symmetric_hessian_is_said_to_be(case: tuple[str, FurtherDerivation]) -> None:
    _, derivation = case
    assert "The Hessian is symmetric." in derivation.text()


def test_a_short_hessian_is_written_without_the_gradient() -> None:
    for formula in ("log(a' @ x)", "norm(x)", "sqrt(1 + norm(x)^2)"):
        derivation = cr.derive(formula, "x", order=2)
        assert isinstance(derivation.derivatives, SecondOrder)
        assert not derivation.derivatives.names_gradient


def test_a_wrong_gradient_in_a_hessian_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    derivation = hessian_of("x' @ A @ x / (x' @ x)")
    order = derivation.derivatives
    assert isinstance(order, SecondOrder)
    wrong = {name: 2 * value for name, value in order.defined.items()}
    failures = SecondVerifier(order.first, list(order.claims), wrong, order.solve, order.consistent).run().failures
    assert {"Hessian", "Hessian product", "second differential"} <= {failure.claim.kind for failure in failures}


def test_a_declared_matrix_is_not_transposed() -> None:
    text = cr.derive("sqrt(x' @ A @ x)", "x", order=2, assume="A symmetric").text()
    assert "(A − A x xᵀ A / L²) / L" in text
    assert "Aᵀ" not in text.partition("Forward pass")[2]
