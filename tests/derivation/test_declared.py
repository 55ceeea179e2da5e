"""Declared properties in a derivation: used in its lines, stated in words, kept by its points, and checked."""

from __future__ import annotations

import json

import numpy as np
import pytest

import chainrule as cr
from chainrule.calculus import declared
from chainrule.calculus.symmetry import without_transpose
from chainrule.derivation import Verifier
from chainrule.ir import Const, Property

GAUSSIAN = "½*logdet(S) + ½*(x - μ)' S^-1 (x - μ)"


def gradient(derivation: cr.Derivation, by: str) -> str:
    lines = [line.strip("│ ") for line in derivation.text(detail="brief").splitlines()]
    found = [line.split("  ")[0].split(" = ", 1)[1] for line in lines if line.startswith(f"∂L/∂{by} =")]
    return found[-1]


@pytest.mark.parametrize(
    ("formula", "by", "assume", "found"),
    [
        ("x' S x", "x", "S symmetric", "2 S x"),
        ("x' S x", "x", "S diagonal", "2 S x"),
        ("x' S x", "x", "S positive semidefinite", "2 S x"),
        ("x' K y", "y", "K skew-symmetric", "−K x"),
        ("½*logdet(S)", "S", "S positive definite", "½ S⁻¹"),
        ("x' W' W x", "x", "W orthogonal", "2 x"),
        ("x' W^-1 y", "x", "W orthogonal", "Wᵀ y"),
        ("sqrt(n^2) + abs(n)", "n", "n > 0", "2"),
        ("log(sum(p))", "p", "p on the simplex", "1"),
        ("norm(x)", "x", "x unit", "x"),
        ("sum(p .* log(p./q))/sum(q)", "q", "q on the simplex", None),
    ],
)
def test_the_gradient_uses_what_is_declared(formula: str, by: str, assume: str, found: str | None) -> None:
    derivation = cr.derive(formula, by, assume=assume)
    outcome = derivation.verify()
    assert outcome.ok, str(outcome)
    if found is not None:
        assert gradient(derivation, by) == found
    free = cr.derive(formula, by)
    assert free.verify().ok
    assert found is None or gradient(free, by) != found


def test_a_name_of_what_is_known_is_written_as_its_value() -> None:
    derivation = cr.derive("s = sum(p); log(s) + n/s", "p", assume="p on the simplex")
    assert "∂L/∂s = 1 − n " in derivation.text()
    assert derivation.verify().ok


@pytest.mark.parametrize("form", ["matrix", "path", "index"])
def test_every_form_is_written_and_verified(form: str) -> None:
    derivation = cr.derive(GAUSSIAN, ["μ", "S"], assume="S positive definite")
    text = derivation.text(form=form)  # type: ignore[arg-type]
    assert "Given: S is symmetric positive definite." in text
    assert derivation.verify().ok


def test_the_document_states_what_is_given_and_which_gradient_is_meant() -> None:
    derivation = cr.derive(GAUSSIAN, ["μ", "S"], assume="S symmetric; x on the simplex")
    text = " ".join(derivation.text().split())
    assert "Given: S is symmetric; x lies on the simplex, so that its elements are nonnegative and sum to 1." in text
    assert "The gradient with respect to S is the usual, unconstrained one" in text
    chinese = "".join(derivation.text(lang="zh").split())
    assert "已知：S是对称矩阵；x在单纯形上，即元素非负且和为1。" in chinese
    assert "对S的梯度是通常的无约束梯度" in chinese
    assert "unconstrained" not in cr.derive(GAUSSIAN, "μ", assume="S symmetric").text()
    assert "unconstrained" not in cr.derive("abs(n)", "n", assume="n > 0").text()
    assert "Given" not in cr.derive(GAUSSIAN, "μ").text()
    assert "symmetric" in derivation.latex()
    assert "symmetric" in derivation.html()
    assert json.loads(derivation.json())["declared"] == [
        {"name": "S", "property": "symmetric"},
        {"name": "x", "property": "on the simplex"},
    ]


@pytest.mark.parametrize("kind", Property)
def test_every_property_is_said_in_both_languages(kind: Property) -> None:
    derivation = cr.derive("sum(S .* S)", assume=f"S {kind.value}", S="n n")
    assert "Given: S " in derivation.text()
    assert "已知：S " in derivation.text(lang="zh")
    assert derivation.verify().ok


def test_the_points_have_the_properties() -> None:
    derivation = cr.derive(
        "x' S x + tr(W A) + sum(p) + n", assume="S symmetric; W orthogonal; p on the simplex; n > 0; A diagonal"
    )
    verifier = Verifier(derivation.record)
    for _ in range(5):
        values = {getattr(node, "name", ""): value for node, value in verifier.point().items()}
        np.testing.assert_array_equal(values["S"], values["S"].T)
        np.testing.assert_allclose(values["W"] @ values["W"].T, np.eye(len(values["W"])), atol=1e-12)
        np.testing.assert_allclose(values["p"].sum(), 1, rtol=1e-12)
        np.testing.assert_array_equal(values["A"], np.diag(np.diag(values["A"])))
        assert values["n"] > 0


def test_a_kink_is_not_sought_where_the_declaration_fails() -> None:
    outcome = cr.derive("sum(abs(x)) + abs(n)*norm(x, 1)", assume="n > 0").verify()
    assert outcome.ok, str(outcome)
    assert cr.derive("sum(maximum(S x, 0))", assume="S symmetric").verify().ok
    outcome = cr.derive("sum(maximum(W x, 0)) + y' W' W z", ["x", "y"], assume="W orthogonal").verify()
    assert outcome.ok, str(outcome)


def test_a_large_loss_is_verified_within_its_properties() -> None:
    """Scaled and redrawn inputs keep their properties too."""
    assert cr.derive("sum(exp(100*S x)) + sum(log(p))", assume="S symmetric; p simplex").verify().ok
    assert cr.derive("log(det(S)) + log(n - 3)", assume="S pd; n > 0").verify().ok
    outcome = cr.derive("sum(exp(900*x)) + y' W' W z", ["x", "y"], assume="W orthogonal").verify()
    assert outcome.ok, str(outcome)


def test_a_false_fact_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cr.derive("x' K y", "y", assume="K skew-symmetric").verify().ok
    monkeypatch.setattr(declared, "_turned", lambda node, skew: without_transpose(node, skew.__contains__))
    assert not cr.derive("x' K y", "y", assume="K skew-symmetric").verify().ok


def test_a_false_sum_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declared, "_sum", lambda node, simplex: Const(2, node.type))
    assert not cr.derive("sum(x)*log(sum(p))", "p", assume="p simplex").verify().ok


def test_points_without_the_property_refute_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    derivation = cr.derive("x' S x", "x", assume="S symmetric")
    monkeypatch.setattr("chainrule.derivation.points.with_properties", lambda values, properties: values)
    assert not derivation.verify().ok


def test_grading_knows_what_is_declared() -> None:
    def transposed(x, S):  # type: ignore[no-untyped-def]
        return {"x": 2 * S.T @ x}

    def loss(x, S):  # type: ignore[no-untyped-def]
        return x @ S @ x

    assert not cr.grade(transposed, loss, "x", x="n", S="n n").right
    assert cr.grade(transposed, loss, "x", assume="S symmetric", x="n", S="n n").right
    assert cr.grade("dx = 2*S*x", "x' S x", "x", assume="S symmetric").right
    assert cr.grade("dx = 2*x", "x' W' W x", "x", assume="W orthogonal").right
    assert not cr.grade("dx = 2*x", "x' W' W x", "x", x="n", W="n n").right


@pytest.mark.parametrize(
    ("formula", "by", "assume", "found"),
    [
        ("x' S x", "x", "S symmetric", "∂²L/∂x∂xᵀ = 2 S "),
        ("tr(S S)", "S", "S symmetric", "= 2 K_nn "),
        ("log(sum(p))", "p", "p on the simplex", "∂²L/∂p∂pᵀ = (−1 / (Σ p)²) · (1 1ᵀ) "),
        ("sqrt(n^2)*n", "n", "n > 0", "= 2 "),
    ],
)
def test_what_is_differentiated_twice_is_not_constrained(formula: str, by: str, assume: str, found: str) -> None:
    """At an orthogonal W the gradient of tr(WᵀW) may be simplified, and only then; so it must not be differentiated."""
    hessian = cr.derive(formula, by, order=2, assume=assume)
    assert hessian.verify().ok
    text = hessian.text()
    assert found in text
    constrained = assume.startswith(by) and "> 0" not in assume
    assert ("Not used, since the gradient is differentiated once more" in text) == constrained
    assert ("Given: " in text) != constrained


@pytest.mark.parametrize("kind", Property)
def test_a_worked_example_is_refused_where_the_declaration_fails(kind: Property) -> None:
    derivation = cr.derive("sum(S .* S)", assume=f"S {kind.value}", S="2 2")
    given = {
        Property.SKEW: [[0, 2], [-2, 0]],
        Property.ORTHOGONAL: [[0.6, 0.8], [-0.8, 0.6]],
        Property.SIMPLEX: [[0.5, 0.5], [0, 1]],
        Property.UNIT: [[0.6, -0.8], [0, 1]],
        Property.POSITIVE: [[1, 2], [3, 4]],
        Property.NONNEGATIVE: [[1, 2], [3, 0]],
    }.get(kind, [[2, 0], [0, 1]])
    assert "S" in derivation.text(at={"S": given})
    with pytest.raises(
        cr.ChainruleError, match=f"S is declared {kind.value}, and its value is not; give another value"
    ):
        derivation.text(at={"S": [[1, 2], [-3, 4]]})


def test_source_states_what_is_assumed() -> None:
    derivation = cr.derive("x' S x", "x", assume="S symmetric")
    for target in ("numpy", "torch", "jax"):
        assert "The gradients assume S symmetric." in " ".join(derivation.source(target).split())
    assert "The gradients assume S symmetric." in derivation.source("c", sizes={"n": 3})
    assert "assume" not in cr.derive("x' S x", "x").source("numpy")
