"""Compositions split in the path form: a factor for every step, and the value of their product."""

from __future__ import annotations

import json
from typing import Any

import pytest

import chainrule as cr
from chainrule.calculus import Contribution
from chainrule.derivation import FORMS, Record, Verifier
from chainrule.ir import Input, Node
from chainrule.words import LANGUAGES

# For each formula the named values, the factors, and the gradients with their products.
COMPOSITIONS: dict[str, tuple[dict[str, Any], list[str], list[str], list[str]]] = {
    "sin(x^2)": (
        {},
        ["u = x²", "L = sin(u)"],
        ["∂L/∂u = cos(u)", "∂u/∂x = 2 x"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂x = cos(u) · (2 x) = 2 x · cos(u)"],
    ),
    "sin(exp(x)^2)": (
        {},
        ["v = exp(x)", "u = v²", "L = sin(u)"],
        ["∂L/∂u = cos(u)", "∂u/∂v = 2 v", "∂v/∂x = v"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂v · ∂v/∂x = cos(u) · (2 v) · v = 2 v² · cos(u) = 2 u · cos(u)"],
    ),
    "sum(p*log(p/q))": (
        {},
        ["u = p / q", "v = ln(u)", "L = Σ (p ⊙ v)"],
        ["(∂L/∂p)[direct] = v", "∂L/∂u = p / u", "∂u/∂p = 1/q", "∂u/∂q = −u / q"],
        [
            "∂L/∂u · ∂u/∂p = (p / u) ⊙ (1/q) = p / (u ⊙ q) = 1",
            "∂L/∂p = v + 1",
            "∂L/∂q = ∂L/∂u · ∂u/∂q = (p / u) ⊙ (−u / q) = −p / q = −u",
        ],
    ),
    "log(N(x; mu, Sigma))": (
        {"wrt": "mu"},
        ["z = exp(u) / √((2 π)^n · det(Σ))", "L = ln(z)"],
        ["∂L/∂z = 1/z", "∂z/∂u = z", "∂L/∂u = ∂L/∂z · ∂z/∂u = 1", "∂u/∂μ = ½ (Σ⁻¹ + Σ⁻ᵀ) (x − μ)"],
        ["∂L/∂μ = ∂L/∂z · ∂z/∂u · ∂u/∂μ = ½ (Σ⁻¹ + Σ⁻ᵀ) (x − μ)"],
    ),
    "exp(-x^2)": ({}, ["u = −x²"], ["∂L/∂u = L", "∂u/∂x = −2 x"], ["∂L/∂x = ∂L/∂u · ∂u/∂x = L · (−2 x) = −2 L · x"]),
    "log(cos(x))": (
        {},
        ["u = cos(x)"],
        ["∂L/∂u = 1/u", "∂u/∂x = −sin(x)"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂x = (1/u) · (−sin(x)) = −sin(x) / u = −tan(x)"],
    ),
    "sqrt(1 + x^2)": (
        {},
        ["u = 1 + x²", "L = √u"],
        ["∂L/∂u = 1 / (2 L)", "∂u/∂x = 2 x"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂x = (1 / (2 L)) · (2 x) = x / L"],
    ),
    "tanh(3*x)": (
        {},
        ["u = 3 x"],
        ["δ_u = ∂L/∂u = 1 − L²", "∂u/∂x = 3"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂x = (1 − L²) · 3 = 3 (1 − L²)"],
    ),
    "(2*x + 1)^5": (
        {},
        ["u = 2 x + 1", "L = u⁵"],
        ["∂L/∂u = 5 u⁴", "∂u/∂x = 2"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂x = 5 u⁴ · 2 = 10 u⁴"],
    ),
    "exp(sin(cos(x)))": (
        {},
        ["v = cos(x)", "u = sin(v)", "L = exp(u)"],
        ["∂L/∂u = L", "∂u/∂v = cos(v)", "∂v/∂x = −sin(x)"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂v · ∂v/∂x = L · cos(v) · (−sin(x)) = −L · cos(v) · sin(x)"],
    ),
    "sigmoid(w*x + b)": (
        {},
        ["z = w · x + b", "L = σ(z)"],
        ["δ_z = ∂L/∂z = L · (1 − L)", "∂z/∂w = x", "∂z/∂b = 1"],
        ["∂L/∂w = ∂L/∂z · ∂z/∂w = L · (1 − L) · x", "∂L/∂b = ∂L/∂z · ∂z/∂b = L · (1 − L)"],
    ),
    "sin(x)*exp(x^2)": (
        {},
        ["u = x²", "L = sin(x) · exp(u)"],
        ["(∂L/∂x)[direct] = exp(u) · cos(x)", "∂L/∂u = L", "∂u/∂x = 2 x"],
        ["∂L/∂u · ∂u/∂x = L · (2 x) = 2 L · x", "∂L/∂x = exp(u) · cos(x) + 2 L · x"],
    ),
    "log(x^2 + y^2)": (
        {"wrt": ["x", "y"]},
        ["u = x² + y²"],
        ["∂L/∂u = 1/u", "∂u/∂x = 2 x", "∂u/∂y = 2 y"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂x = (1/u) · (2 x) = 2 x / u", "∂L/∂y = ∂L/∂u · ∂u/∂y = (1/u) · (2 y) = 2 y / u"],
    ),
    "exp(x*y)": (
        {"wrt": ["x", "y"]},
        ["u = x · y"],
        ["∂L/∂u = L", "∂u/∂x = y", "∂u/∂y = x"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂x = L · y", "∂L/∂y = ∂L/∂u · ∂u/∂y = L · x"],
    ),
    "sin(x + cos(y))": (
        {"wrt": ["x", "y"]},
        ["u = x + cos(y)"],
        ["∂L/∂u = cos(u)", "∂u/∂x = 1", "∂u/∂y = −sin(y)"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂x = cos(u)", "∂L/∂y = ∂L/∂u · ∂u/∂y = cos(u) · (−sin(y)) = −cos(u) · sin(y)"],
    ),
    "(x*y + exp(x))^2": (
        {"wrt": ["x", "y"]},
        ["u = x · y + exp(x)", "L = u²"],
        ["∂L/∂u = 2 u", "∂u/∂x = y + exp(x)", "∂u/∂y = x"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂x = 2 u · (y + exp(x))", "∂L/∂y = ∂L/∂u · ∂u/∂y = 2 u · x"],
    ),
    "W g(x) + b": (
        {"wrt": ["W", "x"]},
        ["u = g(x)", "Y = W u + b"],
        ["∂L/∂u = ∂L/∂Y · ∂Y/∂u = Wᵀ (∂L/∂Y)", "∂u/∂x = g′(x)"],
        [
            "∂L/∂W = ∂L/∂Y · ∂Y/∂W = (∂L/∂Y) uᵀ",
            "∂L/∂x = ∂L/∂Y · ∂Y/∂u · ∂u/∂x = (Wᵀ (∂L/∂Y)) ⊙ g′(x)",
        ],
    ),
    "norm(W*exp(x) + b)^2": (
        {"wrt": "x"},
        ["v = exp(x)", "u = W v + b", "L = ‖u‖²"],
        ["∂L/∂u = 2 u", "∂L/∂v = ∂L/∂u · ∂u/∂v = Wᵀ (∂L/∂u)", "∂v/∂x = v"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂v · ∂v/∂x = 2 (Wᵀ u) ⊙ v"],
    ),
    "f(g(x))": (
        {},
        ["u = g(x)", "L = f(u)"],
        ["∂L/∂u = f′(u)", "∂u/∂x = g′(x)"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂x = f′(u) · g′(x)"],
    ),
    "f(g(h(x)))": (
        {},
        ["v = h(x)", "u = g(v)", "L = f(u)"],
        ["∂L/∂u = f′(u)", "∂u/∂v = g′(v)", "∂v/∂x = h′(x)"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂v · ∂v/∂x = f′(u) · g′(v) · h′(x)"],
    ),
    "f(x, g(x))": (
        {},
        ["u = g(x)", "L = f(x, u)"],
        ["(∂L/∂x)[direct] = ∂₁f(x, u)", "∂L/∂u = ∂₂f(x, u)", "∂u/∂x = g′(x)"],
        ["∂L/∂u · ∂u/∂x = ∂₂f(x, u) · g′(x)", "∂L/∂x = ∂₁f(x, u) + ∂₂f(x, u) · g′(x)"],
    ),
    "f(g(x), h(x))": (
        {},
        ["u = g(x)", "v = h(x)", "L = f(u, v)"],
        ["∂L/∂u = ∂₁f(u, v)", "∂L/∂v = ∂₂f(u, v)", "∂v/∂x = h′(x)", "∂u/∂x = g′(x)"],
        [
            "∂L/∂u · ∂u/∂x = ∂₁f(u, v) · g′(x)",
            "∂L/∂v · ∂v/∂x = ∂₂f(u, v) · h′(x)",
            "∂L/∂x = ∂₁f(u, v) · g′(x) + ∂₂f(u, v) · h′(x)",
        ],
    ),
    "f(g(x)*h(x))": (
        {},
        ["u = g(x) · h(x)", "L = f(u)"],
        ["∂L/∂u = f′(u)", "∂u/∂x = g′(x) · h(x) + g(x) · h′(x)"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂x = f′(u) · (h(x) · g′(x) + g(x) · h′(x))"],
    ),
    "f(x^2 + g(y))": (
        {"wrt": ["x", "y"]},
        ["u = x² + g(y)", "L = f(u)"],
        ["∂L/∂u = f′(u)", "∂u/∂x = 2 x", "∂u/∂y = g′(y)"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂x = f′(u) · (2 x) = 2 x · f′(u)", "∂L/∂y = ∂L/∂u · ∂u/∂y = f′(u) · g′(y)"],
    ),
    "f(w*g(x) + b)": (
        {"wrt": ["w", "b"]},
        ["u = w · g(x) + b", "L = f(u)"],
        ["∂L/∂u = f′(u)", "∂u/∂w = g(x)", "∂u/∂b = 1"],
        ["∂L/∂w = ∂L/∂u · ∂u/∂w = f′(u) · g(x)", "∂L/∂b = ∂L/∂u · ∂u/∂b = f′(u)"],
    ),
    "f(x)^2": ({}, ["u = f(x)", "L = u²"], ["∂L/∂u = 2 u", "∂u/∂x = f′(x)"], ["∂L/∂x = ∂L/∂u · ∂u/∂x = 2 u · f′(x)"]),
    "exp(f(x))": ({}, ["u = f(x)"], ["∂L/∂u = L", "∂u/∂x = f′(x)"], ["∂L/∂x = ∂L/∂u · ∂u/∂x = L · f′(x)"]),
    "f(2*x, x^2)": (
        {},
        ["u = 2 x", "v = x²", "L = f(u, v)"],
        ["∂L/∂u = ∂₁f(u, v)", "∂L/∂v = ∂₂f(u, v)", "∂v/∂x = 2 x", "∂u/∂x = 2"],
        [
            "∂L/∂u · ∂u/∂x = ∂₁f(u, v) · 2 = 2 ∂₁f(u, v)",
            "∂L/∂v · ∂v/∂x = ∂₂f(u, v) · (2 x) = 2 x · ∂₂f(u, v)",
            "∂L/∂x = 2 (∂₁f(u, v) + ∂₂f(u, v) · x)",
        ],
    ),
    "sum(log(1 + exp(x)^2))": (
        {"x": "n"},
        ["v = exp(x)", "u = 1 + v²", "L = Σ ln(u)"],
        ["∂L/∂u = 1/u", "∂u/∂v = 2 v", "∂v/∂x = v"],
        ["∂L/∂x = ∂L/∂u · ∂u/∂v · ∂v/∂x = (1/u) ⊙ (2 v) ⊙ v = 2 v² / u"],
    ),
    "sum(f(A @ x))": (
        {"wrt": "x"},
        ["z = A x", "L = Σ f(z)"],
        ["δ_z = ∂L/∂z = f′(z)", "δ_z · ∂z/∂x = Aᵀ δ_z"],
        ["∂L/∂x = ∂L/∂z · ∂z/∂x = Aᵀ f′(z)"],
    ),
    "norm(A @ x - b)^2": (
        {"wrt": "x"},
        ["r = A x − b", "L = ‖r‖²"],
        ["∂L/∂r = 2 r", "∂L/∂r · ∂r/∂x = Aᵀ (∂L/∂r)"],
        ["∂L/∂x = ∂L/∂r · ∂r/∂x = 2 Aᵀ r"],
    ),
    "sum(tanh(W @ x + b)^2)": (
        {"wrt": ["W", "b"]},
        ["z1 = W x + b", "a1 = tanh(z1)", "L = Σ a1²"],
        ["∂L/∂a1 = 2 a1", "∂a1/∂z1 = tanh′(z1) = 1 − a1²", "δ1 · ∂z1/∂W = δ1 xᵀ"],
        ["∂L/∂W = ∂L/∂a1 · ∂a1/∂z1 · ∂z1/∂W = 2 (a1 ⊙ tanh′(z1)) xᵀ"],
    ),
    "log(sum(exp(A @ x)))": (
        {"wrt": "x"},
        ["z = A x", "L = logsumexp(z)"],
        ["δ_z = ∂L/∂z = softmax(z)", "δ_z · ∂z/∂x = Aᵀ δ_z"],
        ["∂L/∂x = ∂L/∂z · ∂z/∂x = Aᵀ softmax(z)"],
    ),
    "u = x^2; v = sin(u); exp(v)": (
        {},
        ["u = x²", "v = sin(u)", "L = exp(v)"],
        ["∂L/∂v = L", "∂v/∂u = cos(u)", "∂u/∂x = 2 x"],
        ["∂L/∂x = ∂L/∂v · ∂v/∂u · ∂u/∂x = L · cos(u) · (2 x) = 2 L · x · cos(u)"],
    ),
    "u = g(x); v = h(x); f(v, u)": (
        {},
        ["v = h(x)", "u = g(x)", "L = f(v, u)"],
        ["∂L/∂v = ∂₁f(v, u)", "∂L/∂u = ∂₂f(v, u)", "∂u/∂x = g′(x)", "∂v/∂x = h′(x)"],
        [
            "∂L/∂v · ∂v/∂x = ∂₁f(v, u) · h′(x)",
            "∂L/∂u · ∂u/∂x = ∂₂f(v, u) · g′(x)",
            "∂L/∂x = ∂₁f(v, u) · h′(x) + ∂₂f(v, u) · g′(x)",
        ],
    ),
    "z = w*x + b; a = sigmoid(z); (a - y)^2": (
        {"wrt": ["w", "b"]},
        ["z = w · x + b", "a = σ(z)", "L = (a − y)²"],
        ["∂L/∂a = 2 (a − y)", "∂a/∂z = σ′(z) = a · (1 − a)", "∂z/∂w = x", "∂z/∂b = 1"],
        [
            "∂L/∂w = ∂L/∂a · ∂a/∂z · ∂z/∂w = 2 (a − y) · σ′(z) · x",
            "∂L/∂b = ∂L/∂a · ∂a/∂z · ∂z/∂b = 2 (a − y) · σ′(z)",
        ],
    ),
    "(sigmoid(w2*sigmoid(w1*x + b1) + b2) - y)^2": (
        {"wrt": ["w2", "w1"], "w1": "", "w2": "", "b1": "", "b2": "", "x": "", "y": ""},
        ["z1 = w1 · x + b1", "a1 = σ(z1)", "z2 = w2 · a1 + b2", "a2 = σ(z2)", "L = (a2 − y)²"],
        ["∂L/∂a2 = 2 (a2 − y)", "∂z2/∂w2 = a1", "∂z2/∂a1 = w2", "∂z1/∂w1 = x"],
        ["∂L/∂w2 = ∂L/∂a2 · ∂a2/∂z2 · ∂z2/∂w2 = 2 (a2 − y) · σ′(z2) · a1"],
    ),
    "-log(sigmoid(y*w*x))": (
        {"wrt": "w"},
        ["z = y · w · x", "u = σ(z)", "L = −ln(u)"],
        ["∂L/∂u = −1/u", "∂u/∂z = σ′(z) = u · (1 − u)", "∂z/∂w = y · x"],
        ["∂L/∂w = ∂L/∂u · ∂u/∂z · ∂z/∂w = (−1/u) · u · (1 − u) · y · x = (u − 1) · y · x = (u − 1) · x · y"],
    ),
    "f(A @ g(x))": (
        {"wrt": "x", "functions": "f: m ->, g: n -> k"},
        ["u = g(x)", "z = A u", "L = f(z)"],
        ["δ_z = ∂L/∂z = ∇f(z)", "∂L/∂u = δ_z · ∂z/∂u = Aᵀ δ_z", "∂L/∂u · ∂u/∂x = J_g(x)ᵀ (∂L/∂u)"],
        ["∂L/∂x = ∂L/∂z · ∂z/∂u · ∂u/∂x = J_g(x)ᵀ Aᵀ ∇f(z)"],
    ),
    "f(W*g(x) + b)": (
        {"wrt": ["W", "x", "b"]},
        ["u = g(x)", "z = W u + b", "Y = f(z)"],
        [
            "∂Y/∂z = f′(z)",
            "δ_z = ∂L/∂z = ∂L/∂Y · ∂Y/∂z = ∂L/∂Y ⊙ f′(z)",
            "δ_z · ∂z/∂W = δ_z uᵀ",
            "δ_z · ∂z/∂b = δ_z",
            "∂L/∂u = δ_z · ∂z/∂u = Wᵀ δ_z",
            "∂u/∂x = g′(x)",
        ],
        ["∂L/∂x = ∂L/∂Y · ∂Y/∂z · ∂z/∂u · ∂u/∂x = (Wᵀ (∂L/∂Y ⊙ f′(z))) ⊙ g′(x)"],
    ),
    "sigmoid(x)^2": (
        {},
        ["u = σ(x)", "L = u²"],
        ["∂L/∂u = 2 u", "∂u/∂x = σ′(x) = u · (1 − u)"],
        [
            "∂L/∂x = ∂L/∂u · ∂u/∂x = 2 u · u · (1 − u) = 2 u² · (1 − u) = 2 L · (1 − u)",
            "∂L/∂x = 2 L · (1 − u) = 2 σ(x)² · (1 − σ(x))",
        ],
    ),
    "tanh(w2*tanh(w1*x + b1) + b2)": (
        {"wrt": ["w2", "w1", "b1", "b2"]},
        ["z1 = w1 · x + b1", "a1 = tanh(z1)", "z2 = w2 · a1 + b2", "L = tanh(z2)"],
        ["δ2 = ∂L/∂z2 = 1 − L²", "∂z2/∂w2 = a1", "∂z2/∂a1 = w2", "∂a1/∂z1 = tanh′(z1) = 1 − a1²", "∂z1/∂w1 = x"],
        [
            "∂L/∂w1 = ∂L/∂z2 · ∂z2/∂a1 · ∂a1/∂z1 · ∂z1/∂w1 = (1 − L²) · w2 · (1 − a1²) · x",
            "∂L/∂w1 = (1 − L²) · w2 · (1 − a1²) · x",
        ],
    ),
    "a = x^2; b = sin(a); c = a*b": (
        {},
        ["a = x²", "b = sin(a)", "c = a · b"],
        ["(∂c/∂a)[direct] = b", "∂c/∂b = a", "∂b/∂a = cos(a)", "∂a/∂x = 2 x"],
        [
            "(∂c/∂a)[direct] · ∂a/∂x = b · (2 x) = 2 b · x",
            "∂c/∂b · ∂b/∂a · ∂a/∂x = a · cos(a) · (2 x) = 2 a · x · cos(a)",
            "∂c/∂x = 2 (b + a · cos(a)) · x",
        ],
    ),
}


@pytest.fixture(scope="module", params=COMPOSITIONS, ids=str)
def composition(request: pytest.FixtureRequest) -> tuple[str, cr.Derivation]:
    formula: str = request.param
    return formula, cr.derive(formula, **COMPOSITIONS[formula][0])


def equations(text: str) -> list[str]:
    """The equations of a page, without their shapes."""
    lines = [line.strip("│ ") for line in text.splitlines() if line.startswith(("  ", "│"))]
    return [line.split("   ")[0] for line in lines if "=" in line]


def test_a_factor_for_every_step(composition: tuple[str, cr.Derivation]) -> None:
    formula, derivation = composition
    _, names, factors, products = COMPOSITIONS[formula]
    for lang in LANGUAGES:
        lines = equations(derivation.text("path", lang=lang, width=120))
        expected = [*names, *factors, *products]
        assert [line for line in expected if line not in lines] == []
        places = [lines.index(line) for line in expected]
        assert places == sorted(places)


def test_each_line_holds_and_reads_as_it_claims(composition: tuple[str, cr.Derivation]) -> None:
    _, derivation = composition
    verification = derivation.verify()
    assert verification.ok, verification
    verifier = Verifier(derivation.in_steps)
    for form in FORMS:
        for script in ("text", "latex"):
            reading = verifier.proofreader(verifier.point()).read(form, script)
            assert reading.read
            assert not reading.misreadings


# For each formula lines of the matrix form, and lines of the index form.
OTHER_FORMS = {
    "sin(exp(x)^2)": (
        [
            "v = exp(x)",
            "u = v²",
            "L = sin(u)",
            "dv = v · dx",
            "du = 2 v · dv",
            "dL = cos(u) · du",
            "∂L/∂u = cos(u)",
            "∂L/∂v = ∂L/∂u · (2 v)",
            "∂L/∂x = ∂L/∂v · v",
            "∂L/∂x = ∂L/∂v · v = 2 u · cos(u) = 2 cos(exp(x)²) · exp(x)²",
        ],
        ["∂L/∂u = cos(u)", "∂L/∂v = 2 (∂L/∂u) v", "∂L/∂x = (∂L/∂v) v = 2 u cos(u) = 2 cos(exp(x)²) exp(x)²"],
    ),
    "f(g(x))": (
        ["u = g(x)", "∂L/∂u = f′(u)", "∂L/∂x = ∂L/∂u · g′(x) = f′(u) · g′(x) = f′(g(x)) · g′(x)"],
        ["∂L/∂u = f′(u)", "∂L/∂x = (∂L/∂u) g′(x) = f′(u) g′(x) = f′(g(x)) g′(x)"],
    ),
    "norm(A @ x - b)^2": (
        ["r = A x − b", "dr = dA x + A dx − db", "∂L/∂r = 2 r", "∂L/∂x = Aᵀ (∂L/∂r) = 2 Aᵀ r = 2 Aᵀ (A x − b)"],
        [
            "r[j] = Σᵢ A[j,i] x[i] − b[j]",
            "∂L/∂r[j] = 2 r[j]",
            "∂L/∂b[j] = −∂L/∂r[j] = −2 r[j] = 2 (b[j] − Σᵢ A[j,i] x[i])",
        ],
    ),
    "log(sum(exp(A @ x)))": (
        ["z = A x", "δ_z = ∂L/∂z = softmax(z)", "∂L/∂x = Aᵀ δ_z = Aᵀ softmax(z)"],
        ["δ_z[j] = ∂L/∂z[j] = softmax(z)[j]", "∂L/∂x[i] = Σⱼ A[j,i] δ_z[j]"],
    ),
}


@pytest.mark.parametrize("formula", OTHER_FORMS)
def test_full_detail_of_the_other_forms_has_the_steps(formula: str) -> None:
    derivation = cr.derive(formula)
    matrices, elements = OTHER_FORMS[formula]
    for lang in LANGUAGES:
        lines = equations(derivation.text("matrix", lang=lang, width=100))
        assert [line for line in matrices if line not in lines] == []
        lines = equations(derivation.text("index", lang=lang, width=100))
        assert [line for line in elements if line not in lines] == []


def test_brief_detail_of_the_matrix_form_keeps_the_expressions() -> None:
    derivation = cr.derive("sin(exp(x)^2)")
    lines = equations(derivation.text(detail="brief"))
    assert "∂L/∂x = 2 cos(u) · u" in lines
    assert "v = exp(x)" not in lines


def test_source_has_the_users_lines_only() -> None:
    source = cr.derive("z = W @ x; sum(sin(exp(z)^2))", wrt="W").source("numpy")
    assert "exp(z)" in source
    assert "v = " not in source


def test_a_named_value_beside_a_number_has_no_further_name() -> None:
    derivation = cr.derive("z = w*x; p = sigmoid(z); -log(1 - p)", wrt="w")
    assert [stage.name for stage in derivation.in_steps.backward.stages] == ["z", "p", "L"]


def test_what_does_not_depend_on_the_parameters_has_no_name() -> None:
    derivation = cr.derive("w * exp(x^2)", wrt="w")
    assert derivation.in_steps is derivation.record


def test_in_brief_the_box_has_the_collected_gradient() -> None:
    text = cr.derive("f(g(x))").text("path", detail="brief")
    assert [line for line in text.splitlines() if "│ ∂L/∂x = f′(u) · g′(x) " in line]


def test_no_name_of_the_user_is_taken() -> None:
    derivation = cr.derive("u * sin(v * exp(w^2 + z))", wrt=["w"])
    names = [stage.name for stage in derivation.in_steps.backward.stages]
    assert len(set(names)) == len(names)
    assert not {"u", "v", "w", "z"} & set(names)
    assert derivation.verify().ok


def test_what_has_names_keeps_them() -> None:
    derivation = cr.derive("z = W @ x; a = sigmoid(z); sum((a - y)^2)", wrt="W")
    assert derivation.in_steps is derivation.record


def test_a_wrong_factor_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Record._link

    def wrong(self: Record, contribution: Contribution) -> Node | None:
        link = right(self, contribution)
        return None if link is None else 2 * link

    monkeypatch.setattr(Record, "_link", wrong)
    failures = cr.derive("sin(x^2)").verify().failures
    assert [failure.claim.kind for failure in failures] == ["derivative"]


def test_json_numbers_claims_as_the_verification_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Record, "_collected", lambda self, node: 3 * node if self.in_steps else node)
    derivation = cr.derive("sin(x^2)")
    verification = derivation.verify()
    written = json.loads(derivation.json("path", verification=verification))
    wrong = {failure["claim"] for failure in written["verification"]["failures"]}
    assert {claim["kind"] for claim in written["claims"] if claim["number"] in wrong} == {"path", "gradient"}
    assert len(wrong) == 2


def test_a_wrong_product_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Record, "_collected", lambda self, node: 3 * node if self.in_steps else node)
    assert {failure.claim.kind for failure in cr.derive("sin(x^2)").verify().failures} == {"path", "gradient"}


def test_a_wrong_gradient_in_the_users_names_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Record._value_of_whole
    monkeypatch.setattr(Record, "_has_names_of_values", lambda self, node: False)

    def wrong(self: Record, symbol: Input) -> Node | None:
        found = right(self, symbol)
        return None if found is None else -found

    monkeypatch.setattr(Record, "_value_of_whole", wrong)
    assert [failure.claim.kind for failure in cr.derive("sin(x^2)").verify().failures] == ["gradient"]


@pytest.mark.parametrize(
    ("formula", "gradient"),
    [
        ("f(g(x), h(x))", "∂L/∂x = ∂₁f(g(x), h(x)) · g′(x) + ∂₂f(g(x), h(x)) · h′(x)"),
        ("f(x, g(x))", "∂L/∂x = ∂₁f(x, g(x)) + ∂₂f(x, g(x)) · g′(x)"),
        ("f(g(x), x)", "∂L/∂x = ∂₁f(g(x), x) · g′(x) + ∂₂f(g(x), x)"),
        ("x*sin(x) + exp(x)", "∂L/∂x = sin(x) + x · cos(x) + exp(x)"),
        ("u = g(x); v = h(x); f(v, u)", "∂L/∂x = ∂L/∂v · h′(x) + ∂L/∂u · g′(x)"),
    ],
)
def test_contributions_are_in_the_order_of_the_arguments(formula: str, gradient: str) -> None:
    lines = equations(cr.derive(formula).text(detail="brief", width=100))
    assert [line for line in lines if line.startswith(gradient)]


def test_numbers_that_scale_a_vector_are_not_multiplied_element_by_element() -> None:
    text = cr.derive("log(1 + exp(-y (w'x + b)))", wrt=["w", "b"]).text("path", detail="brief")
    assert "∂L/∂w = ∂L/∂z · ∂z/∂w = −y · σ(z) · x" in text


def test_shapes_in_chinese() -> None:
    assert "形状：s 是标量，x 的长度为 n，A 为 n×n。" in cr.derive("s * x' A x").text(lang="zh")
