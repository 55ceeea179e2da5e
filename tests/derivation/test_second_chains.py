"""Second derivatives between numbers by the chain rule, as a textbook's chapter on it prints them."""

from __future__ import annotations

import dataclasses
import json

import pytest

import chainrule as cr
from chainrule.derivation import derivatives_verifier
from chainrule.deriving import FurtherDerivation
from chainrule.ir import Const
from chainrule.primitives import Multiply

PRINTED = {
    "f(g(x))": [
        "∂²L/∂u² = f′′(u)",
        "∂²u/∂x² = g′′(x)",
        "∂²L/∂x² = ∂²L/∂u² · (∂u/∂x)² + ∂L/∂u · ∂²u/∂x² = f′′(u) · g′(x)² + f′(u) · g′′(x)",
        "∂²L/∂x² = f′′(u) · g′(x)² + f′(u) · g′′(x) = f′′(g(x)) · g′(x)² + f′(g(x)) · g′′(x)",
    ],
    "f(x, g(x))": [
        "(∂²L/∂x∂u)[direct] = ∂₁₂f(x, u)",
        "∂²L/∂x² = (∂²L/∂x²)[direct] + 2 (∂²L/∂x∂u)[direct] · ∂u/∂x + ∂²L/∂u² · (∂u/∂x)² + ∂L/∂u · ∂²u/∂x²",
    ],
    "f(g(x, y))": ["∂²L/∂x∂y = ∂²L/∂u² · ∂u/∂x · ∂u/∂y + ∂L/∂u · ∂²u/∂x∂y"],
    "f(r*cos(t), r*sin(t))": [
        "∂v/∂t = r · cos(t)",
        "∂²L/∂t² = ∂²L/∂u² · (∂u/∂t)² + 2 ∂²L/∂u∂v · ∂u/∂t · ∂v/∂t + ∂²L/∂v² · (∂v/∂t)² + ∂L/∂u · ∂²u/∂t²",
    ],
    "f(g(h(x)))": [
        "∂²u/∂x² = ∂²u/∂v² · (∂v/∂x)² + ∂u/∂v · ∂²v/∂x² = g′′(v) · h′(x)² + g′(v) · h′′(x)",
        "∂²L/∂x² = ∂²L/∂u² · (∂u/∂x)² + ∂L/∂u · ∂²u/∂x²",
    ],
    "sin(exp(x)^2)": ["∂²L/∂u² = −sin(u)", "∂²u/∂x² = ∂²u/∂v² · (∂v/∂x)² + ∂u/∂v · ∂²v/∂x² = 4 v²"],
    "sigmoid(w*x)": ["∂²L/∂z² = (1 − 2 L) · L · (1 − L)"],
    "a*x^2": ["∂²L/∂a² = 0", "∂²L/∂a∂x = 2 x"],
}


@pytest.mark.parametrize("formula", PRINTED)
def test_every_equation_has_its_second_derivatives_and_every_chain_their_terms(formula: str) -> None:
    derivation = cr.derive(formula, order=2)
    text = derivation.text("path", width=400, detail="brief")
    lines = [line.strip("│ ").rsplit("  ", 1)[0].strip() for line in text.splitlines()]
    for line in PRINTED[formula]:
        assert any(line in found for found in lines), (line, text)
    verification = derivation.verify(points=1)
    assert verification.ok, str(verification)


def chains_of(formula: str) -> FurtherDerivation:
    return cr.derive(formula, order=2)


def test_each_wrong_derivative_is_caught_at_its_line() -> None:
    chains = chains_of("f(x, g(x*y))").chains
    assert chains is not None
    verifier = derivatives_verifier(chains)
    wrong = [k for k, claim in enumerate(verifier.claims) if claim.kind.startswith("derivative of ")]
    assert len(wrong) > 12
    for k in wrong:
        right = verifier.claims[k].right
        verifier.claims[k] = dataclasses.replace(verifier.claims[k], right=Multiply()(Const(1.01, right.type), right))
    rebuilt = type(verifier)(chains.first, verifier.claims)
    assert {failure.line - 1 for failure in rebuilt.run(points=1).failures} == set(wrong)


def test_the_page_is_written_in_every_markup_and_language() -> None:
    derivation = chains_of("f(g(x))")
    assert r"\Bigl(\frac{\partial u}{\partial x}\Bigr)^{2}" in derivation.latex("path")
    assert "把链再求一次导" in derivation.text("path", lang="zh")
    assert "<math" in derivation.html("path")
    verification = derivation.verify(points=1)
    found = json.loads(derivation.json("path", verification=verification))
    kinds = [claim["kind"] for claim in found["claims"]]
    assert "derivative of chain" in kinds
    assert found["claims"][-1]["number"] == verification.lines
    last = next(claim for claim in found["claims"] if claim["left"].get("along") == "chains")
    assert last["left"] == {"quantity": "derivative", "of": "u", "by": ["x"], "along": "chains"}


def test_the_path_form_at_a_point() -> None:
    text = chains_of("sin(x^2)").text("path", detail="brief", at={"x": 2})
    assert "∂²u/∂x² = 2" in text
    assert "∂u/∂x = 2 x = 2 · 2 = 4" in text


JACOBIANS = {
    "f(A g(x) + b)": (
        {"functions": "f: m -> p, g: n -> k"},
        [
            "∂Y/∂z = J_f(z)",
            "∂z/∂u = A",
            "∂u/∂x = J_g(x)",
            "∂z/∂x = (∂z/∂u) (∂u/∂x) = A J_g(x)",
            "∂Y/∂x = (∂Y/∂z) (∂z/∂x) = J_f(z) A J_g(x)",
            "∂Y/∂x = J_f(z) A J_g(x) = J_f(A g(x) + b) A J_g(x)",
        ],
    ),
    "f(x, g(x))": (
        {"functions": "f: (n, m) -> p, g: n -> m"},
        [
            "(∂Y/∂x)[direct] = ∂₁f(x, u)",
            "∂Y/∂x = (∂Y/∂x)[direct] + (∂Y/∂u) (∂u/∂x) = ∂₁f(x, u) + ∂₂f(x, u) J_g(x)",
        ],
    ),
    "softmax(W x)": ({}, ["∂Y/∂z = diag(Y) − Y Yᵀ", "∂Y/∂x = (∂Y/∂z) (∂z/∂x) = (diag(Y) − Y Yᵀ) W"]),
    "sin(A x).^2": ({}, ["∂u/∂z = diag(cos(z))", "∂Y/∂x = (∂Y/∂u) (∂u/∂x) = 2 diag(u) diag(cos(z)) A"]),
}


@pytest.mark.parametrize("formula", JACOBIANS)
def test_jacobians_between_vectors_are_multiplied_along_chains(formula: str) -> None:
    options, expected = JACOBIANS[formula]
    derivation = cr.derive(formula, "x", jacobian=True, **options)
    text = derivation.text("path", width=400, detail="brief")
    lines = [line.strip("│ ").rsplit("  ", 1)[0].strip() for line in text.splitlines()]
    assert [line for line in expected if line not in lines] == []
    verification = derivation.verify(points=1)
    assert verification.ok, str(verification)
    assert isinstance(derivation, FurtherDerivation)
    assert derivation.chains is not None
    verifier = derivatives_verifier(derivation.chains)
    assert verifier.run(points=1).ok
    wrong = [k for k, claim in enumerate(verifier.claims) if claim.kind.startswith("derivative of ")]
    assert wrong
    for k in wrong:
        right = verifier.claims[k].right
        verifier.claims[k] = dataclasses.replace(verifier.claims[k], right=Multiply()(Const(1.01, right.type), right))
    rebuilt = type(verifier)(derivation.chains.first, verifier.claims)
    assert {failure.line - 1 for failure in rebuilt.run(points=1).failures} == set(wrong)


def test_jacobians_that_are_not_between_vectors_have_no_path_form() -> None:
    for derivation in (
        cr.derive("X w", "X", jacobian=True),
        cr.derive("A x", "x", jacobian=True, layout="denominator"),
    ):
        with pytest.raises(cr.DerivationError, match="between vectors with rows of the result"):
            derivation.text("path")
