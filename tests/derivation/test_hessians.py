"""Hessians and Jacobians as textbooks print them, in closed form, verified and read back."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.second_derivatives import (
    BLOCKS,
    HESSIANS,
    JACOBIANS,
    SIZES,
    Array,
    equations,
    hessian_of,
    in_order,
)

import chainrule as cr
from chainrule.derivation import Form, SecondOrder
from chainrule.derivation.second.verification import SecondVerifier
from chainrule.deriving import FurtherDerivation
from chainrule.ir import Node, Program, substitute
from chainrule.primitives import evaluate_nodes
from chainrule.words import LANGUAGES


@pytest.fixture(scope="module", params=HESSIANS, ids=str)
def case(request: pytest.FixtureRequest) -> tuple[str, FurtherDerivation]:
    return request.param, hessian_of(request.param)


def test_the_hessian_is_that_of_textbooks(case: tuple[str, FurtherDerivation]) -> None:
    formula, derivation = case
    expected = HESSIANS[formula][2]
    for lang in LANGUAGES:
        found = [line for line in equations(derivation.text(lang=lang, width=200)) if line.startswith("∂²L/")]
        assert [in_order(line.partition(" = ")[2]) for line in found] == [in_order(expected)]


def test_every_line_holds_and_reads_as_it_claims(case: tuple[str, FurtherDerivation]) -> None:
    _, derivation = case
    verification = derivation.verify()
    assert verification.ok, verification
    assert not verification.unread
    assert verification.lines_read > 6


def value_of(derivation: FurtherDerivation, node: Node, values: dict[str, Array]) -> Array:
    """The value of an expression over the names of a derivation, where its inputs have `values`."""
    record = derivation.record
    for entry in reversed(record.abbreviations):
        (node,) = substitute([node], {entry.symbol: entry.value})
    (node,) = substitute([node], dict[Node, Node](derivation.derivatives.defined.items()))
    (node,) = substitute([node], {stage.symbol: stage.node for stage in record.backward.stages})
    program = Program(record.program.inputs, (node,)).bind(SIZES)
    (output,) = program.outputs
    return np.asarray(evaluate_nodes([output], {each: values[each.name] for each in program.inputs})[output])


@pytest.mark.parametrize("formula", [formula for formula in HESSIANS if "f(" not in formula])
def test_the_value_is_that_of_the_formula_in_numpy(formula: str) -> None:
    """The closed form, evaluated, is the textbook's matrix, written down without the package."""
    derivation = hessian_of(formula)
    order = derivation.derivatives
    assert isinstance(order, SecondOrder)
    random = np.random.default_rng(1)
    program = order.first.program.bind(SIZES)
    values = {node.name: random.uniform(0.2, 1.0, node.type.concrete_shape) for node in program.inputs}
    values |= {name: array + 9 for name, array in values.items() if name == "b"}
    (block,) = order.blocks
    assert block.matrix is not None
    found = value_of(derivation, block.matrix.right, values)
    np.testing.assert_allclose(found, HESSIANS[formula][3](**values), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("formula", BLOCKS)
def test_the_blocks_of_several_parameters(formula: str) -> None:
    wrt, shapes, expected = BLOCKS[formula]
    derivation = cr.derive(formula, wrt, order=2, **shapes)
    found = [line for line in equations(derivation.text(width=200)) if line.startswith("∂²L/")]
    assert found == expected
    verification = derivation.verify()
    assert verification.ok, verification


def test_a_sign_stands_in_front_of_its_product() -> None:
    derivation = cr.derive("(1 - x)^2 + 100*(y - x^2)^2", ["x", "y"], order=2, x="", y="")
    text = derivation.text(detail="brief", width=120)
    assert "dg_x = (1200 x² − 400 y + 2) · dx − 400 x · dy" in text
    assert "dg_y = −400 x · dx + 200 dy" in text
    assert "(1200 x² − 400 y + 2) · Δ_x − 400 x · Δ_y = " in text
    assert derivation.verify().ok


def test_a_block_is_transposed_in_the_denominator_layout() -> None:
    formula, wrt = "sum((A @ u + B @ v - y)^4)", ["u", "v"]
    shapes = {"A": "m n", "B": "m k", "u": "n", "v": "k", "y": "m"}
    numerator = cr.derive(formula, wrt, order=2, layout="numerator", **shapes)
    denominator = cr.derive(formula, wrt, order=2, layout="denominator", **shapes)
    assert "∂²L/∂u∂vᵀ = 12 Aᵀ diag(w²) B" in numerator.text(width=100)
    assert "∂²L/∂v∂uᵀ = 12 Bᵀ diag(w²) A" in denominator.text(width=100)
    assert "Numerator layout" in numerator.text(width=200)
    assert "Denominator layout" in denominator.text(width=200)
    assert numerator.verify().ok
    assert denominator.verify().ok


# Products of the Hessian with a vector.
PRODUCTS = {
    "log(x' A x)": ({"A": "n n", "x": "n", "assume": "A symmetric"}, "2 (A v − 2 u uᵀ v / (xᵀ u)) / (xᵀ u)"),
    "norm(x)": ({"x": "n"}, "(v − x xᵀ v / L²) / L"),
    "sum(softmax(x) .* a)": ({}, "(v − pᵀ v) ⊙ g − p gᵀ v"),
    "norm(A x - b)": ({}, "(Aᵀ A v − Aᵀ (A x − b) (A x − b)ᵀ A v / L²) / L"),
    "std(x)": ({"x": "n"}, "(1/n) (v − mean(v) − mean((x − mean(x)) ⊙ v) · (x − mean(x)) / L²) / L"),
    "sum(sqrt(x.^2 + eps^2))": ({"x": "n", "eps": ""}, "ε² · v / s³"),
    "logsumexp(A x + b)": ({}, "Aᵀ (p ⊙ (A v − pᵀ A v))"),
}


@pytest.mark.parametrize("formula", PRODUCTS)
def test_products_with_a_vector_are_those_of_textbooks(formula: str) -> None:
    shapes, expected = PRODUCTS[formula]
    derivation = cr.derive(formula, "x", order=2, **shapes)
    assert f"H v = {expected} " in derivation.text(width=200)
    assert derivation.verify(points=1).ok


def test_the_matrix_of_gauss_and_newton_is_the_hessian_of_a_piecewise_linear_residual() -> None:
    derivation = cr.derive("sum(max(0, 1 - y .* (X w)).^2)", "w", order=2, X="n d", y="n")
    assert "2 Jᵀ J = 2 Xᵀ diag(1[z1 > 0] ⊙ y²) X" in derivation.text(width=200)
    assert "since a1 is piecewise linear in w" in derivation.text(width=200)
    assert "since r is linear in x" in cr.derive("norm(A x - b)^2", "x", order=2).text(width=200)


@pytest.mark.parametrize("formula", JACOBIANS)
def test_jacobians_in_both_layouts(formula: str) -> None:
    wrt, shapes, *expected = JACOBIANS[formula]
    for layout, wanted in zip(("numerator", "denominator"), expected, strict=True):
        derivation = cr.derive(formula, wrt, jacobian=True, layout=layout, **shapes)
        found = [line for line in equations(derivation.text(width=200)) if line.startswith("J = ")]
        assert [line.rpartition(" = ")[2] for line in found] == [wanted]
        verification = derivation.verify()
        assert verification.ok, verification


def test_the_jacobian_of_a_number_is_a_row_or_a_column() -> None:
    row = cr.derive("norm(A @ x - b)^2", "x", jacobian=True, A="m n", b="m")
    column = cr.derive("norm(A @ x - b)^2", "x", jacobian=True, layout="denominator", A="m n", b="m")
    assert "(∂L/∂x)ᵀ = 2 (A x − b)ᵀ A" in row.text()
    assert "J = ∂L/∂x = 2 Aᵀ (A x − b)" in column.text()
    assert row.verify().ok
    assert column.verify().ok


def test_elements_are_written_with_indices() -> None:
    hessian = cr.derive("norm(A @ X - B)^2", "X", order=2, A="m n", X="n k", B="m k")
    assert "∂²L/∂X[i,p]∂X[q,r] = 2 Σⱼ A[j,i] A[j,q] 1[p = r]" in hessian.text("index")
    jacobian = cr.derive("softmax(x)", "x", jacobian=True, x="n")
    assert "∂Y[i]/∂x[j] = Y[i] 1[i = j] − Y[i] Y[j]" in jacobian.text("index")
    assert hessian.verify().ok


def test_what_has_no_matrix_has_products_with_a_vector() -> None:
    """The Hessian of a softmax regression is a sum over samples, without a product of two matrices."""

    def loss(X: Any, Y: Any, W: Any) -> Any:
        P = cr.softmax(X @ W)
        return -np.sum(Y * np.log(P))

    derivation = cr.derive(loss, wrt="W", X="n d", Y="n k", W="d k", order=2)
    text = derivation.text(width=120)
    assert "It has no short form as a matrix; these are its entries." in text
    assert "H vec(V) = vec(Xᵀ (" in text
    forms: tuple[Form, ...] = ("matrix", "index")
    for form in forms:
        assert re.search(r"│ ∂²L/∂W\[\w,\w\]∂W\[\w,\w\] = Σᵢ ", derivation.text(form, width=200))
    written = derivation.latex()
    assert r"Indices: $" in written
    assert derivation.verify().ok


def test_a_deep_network_is_differentiated_line_by_line() -> None:
    def loss(x: Any, W1: Any, W2: Any, W3: Any, W4: Any) -> Any:
        a1 = np.tanh(W1 @ x)
        a2 = np.tanh(W2 @ a1)
        a3 = np.tanh(W3 @ a2)
        return np.sum(np.tanh(W4 @ a3) ** 2)

    derivation = cr.derive(loss, x="n", W1="n n", W2="n n", W3="n n", W4="n n", order=2)
    text = derivation.text(width=120)
    assert "Each line of the backward pass is differentiated once more" in text
    assert derivation.verify().ok


REMARKS = {
    "0.5*norm(X @ w - y)^2": ["symmetric", "the form Mᵀ M"],
    "-sum(log(b - A @ x))": ["symmetric", "the form Mᵀ D M"],
    "log(sum(exp(x)))": ["symmetric", "covariance matrix"],
    "norm(X @ w - y)^2 + λ*norm(w)^2": ["symmetric", "For λ ≥ 0"],
    "logsumexp(W @ x)": ["symmetric", "Kronecker product"],
    "x' @ A @ x": ["symmetric"],
    "(a' @ x)*(b' @ x)": ["symmetric"],
    "log(a' @ x)": ["symmetric"],
    "norm(x)": ["symmetric", "the form I − u uᵀ where ‖u‖ is at most 1"],
    "norm(A @ x - b)": ["symmetric", "the form Mᵀ D M"],
    "sqrt(1 + norm(x)^2)": ["symmetric", "the form I − u uᵀ"],
}

DECLARED = {
    ("0.5*x' @ P @ x + q' @ x", "P psd"): "since it is given as such: the loss is convex.",
    ("0.5*x' @ P @ x + q' @ x", "P symmetric"): "",
    ("0.5*(A @ x - b)' @ W @ (A @ x - b)", "W positive definite"): "since it has the form Mᵀ D M",
    ("0.5*x' @ inv(S) @ x", "S spd"): "since it is the inverse of a positive definite matrix: the loss is convex.",
    ("-0.5*x' @ P @ x", "P psd"): "",
    ("sqrt(norm(x)^2 - c)", "c positive"): "",
}


@pytest.mark.parametrize(("formula", "assume"), DECLARED)
def test_what_is_declared_is_a_proof(formula: str, assume: str) -> None:
    text = cr.derive(formula, "x", order=2, assume=assume).text(width=200)
    remarks = [line for line in text.splitlines() if "semidefinite" in line and line.startswith("  │ ")]
    expected = DECLARED[formula, assume]
    assert len(remarks) == bool(expected)
    assert all(expected in remark for remark in remarks)


def test_the_verification_says_what_it_has_checked() -> None:
    verification = hessian_of("norm(x)").verify()
    assert "every line in matrices and by elements, and the backward pass behind them" in verification.text("en")
    assert "逐元素形式的每一行" in verification.text("zh")
    assert "three forms" in cr.derive("norm(x)").verify().text("en")


@pytest.mark.parametrize("formula", REMARKS)
def test_only_what_is_proved_is_remarked(formula: str) -> None:
    text = hessian_of(formula).text(width=200)
    remarks = [line for line in text.splitlines() if line.startswith("  │ ")]
    assert len(remarks) == len(REMARKS[formula])
    for remark, words in zip(remarks, REMARKS[formula], strict=True):
        assert words in remark


@pytest.mark.parametrize(("other", "proved"), [("a", True), ("b", False)])
def test_a_projection_is_along_the_vector_whose_length_it_divides_by(other: str, proved: bool) -> None:
    """I − a aᵀ / ‖b‖² is semidefinite for b = a, and for other vectors only if ‖a‖ is at most ‖b‖."""
    text = cr.derive(f"r = norm({other}); 0.5*norm(x)^2 - 0.5*dot(a, x)^2 / r^2", "x", order=2).text(width=200)
    assert "I − a aᵀ / r²" in text
    assert ("positive semidefinite" in text) == proved


@pytest.mark.parametrize("kinked", ["sum(abs(x))", "max(x)"])
def test_nothing_is_said_of_convexity_where_there_are_kinks(kinked: str) -> None:
    text = cr.derive(f"sum(x^2) - {kinked}", order=2, x="n").text()
    assert "= 2 I" in text
    assert "symmetric" in text
    assert "semidefinite" not in text


@pytest.mark.parametrize(
    ("formula", "shape", "everywhere"),
    [
        ("sum(x^4)", "n", True),
        ("log(sum(exp(x)))", "n", True),
        ("sum(log(1 + exp(x)))", "n", True),
        ("sum(1/x^2)", "n", False),
        ("1/x^2", "", False),
        ("-log(x^2)", "", False),
        ("sum(tan(x)^2)", "n", False),
    ],
)
def test_a_function_with_a_pole_is_convex_on_each_side_only(formula: str, shape: str, everywhere: bool) -> None:
    text = cr.derive(formula, order=2, x=shape).text(width=200)
    assert ("the loss is convex." in text) == everywhere
    assert ("the loss is convex on every convex set on which it is smooth." in text) != everywhere


def test_newtons_step_and_the_gauss_newton_matrix() -> None:
    linear = hessian_of("0.5*norm(X @ w - y)^2").text()
    assert "Xᵀ X Δ = −Xᵀ (X w − y)" in linear
    assert "Jᵀ J = Xᵀ X" in linear
    assert "it is the Hessian, since r is linear in w" in linear.replace("\n      ", " ")
    curved = cr.derive("0.5*norm(sin(x) - y)^2", "x", order=2, x="n", y="n")
    assert "J = ∂r/∂x = diag(cos(x))" in curved.text()
    assert "the Hessian without the second derivatives of r" in curved.text()
    assert curved.verify().ok
    assert "Newton" not in hessian_of("log(sum(exp(x)))").text()  # −g is not in the range of H
    assert "Newton" in hessian_of("exp(norm(x)^2)").text()


def test_each_format_has_the_hessian() -> None:
    derivation = hessian_of("0.5*norm(X @ w - y)^2")
    assert r"\frac{\partial ^{2}L}{\partial w\,\partial w^{\top}} = X^{\top} \, X" in derivation.latex()
    assert "<math" in derivation.html()
    assert "X^{\\top}" in derivation.markdown()
    claims = json.loads(derivation.json(verification=derivation.verify()))["claims"]
    assert [claim["text"] for claim in claims if claim["kind"] == "Hessian"] == ["∂²L/∂w∂wᵀ = Xᵀ X"]
    assert derivation._repr_mimebundle_()["text/plain"].startswith("Second derivatives of L")


def test_a_wrong_hessian_is_found() -> None:
    """A corrupted block, product, step and Gauss–Newton matrix are each refuted at their line."""
    derivation = hessian_of("0.5*norm(X @ w - y)^2")
    order = derivation.derivatives
    assert isinstance(order, SecondOrder)
    for kind in ("Hessian", "Hessian elements", "Hessian product", "Newton", "Jacobian", "Gauss-Newton"):
        claims = [replace(claim, right=3 * claim.right) if claim.kind == kind else claim for claim in order.claims]
        verifier = SecondVerifier(order.first, claims, order.defined, order.solve, order.consistent)
        failures = verifier.run().failures
        assert [failure.claim.kind for failure in failures] == [kind]


def test_a_wrong_line_of_a_deep_network_is_found() -> None:
    def loss(x: Any, A: Any, B: Any, C: Any) -> Any:
        a = np.tanh(A @ x)
        b = np.tanh(B @ a)
        c = np.tanh(C @ b)
        return np.sum(c**2)

    derivation = cr.derive(loss, x="n", A="n n", B="n n", C="n n", order=2)
    order = derivation.derivatives
    assert isinstance(order, SecondOrder)
    assert order.lines
    wrong = order.lines[0][1]
    claims = [replace(claim, right=2 * claim.right) if claim is wrong else claim for claim in order.claims]
    failures = SecondVerifier(order.first, claims, order.defined, order.solve, order.consistent).run().failures
    assert [failure.claim.kind for failure in failures] == ["second differential"]


def test_names_avoid_those_of_the_user() -> None:
    derivation = cr.derive("norm(H @ v - g)^2", "v", order=2, H="m n", g="m")
    text = derivation.text()
    assert "Hess = ∇²L = ∂²L/∂v∂vᵀ = 2 Hᵀ H" in text
    assert "Hess u = 2 Hᵀ H u" in text
    assert derivation.verify().ok


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"function": "A @ x", "order": 2}, "returns one number"),
        ({"function": "norm(x)", "order": 3}, "order is 3"),
        ({"function": "norm(x)", "order": 2, "jacobian": True}, "exclude each other"),
        ({"function": "norm(x)", "order": 2, "layout": "rows"}, "layout"),
    ],
)
def test_what_cannot_be_derived_says_why(options: dict[str, Any], message: str) -> None:
    with pytest.raises((cr.DerivationError, cr.ProgramError), match=message):
        cr.derive(**options)


def test_the_path_form_is_for_numbers() -> None:
    with pytest.raises(cr.DerivationError, match="forms matrix and index"):
        hessian_of("norm(x)").text("path")
    with pytest.raises(cr.DerivationError, match="forms matrix and index"):
        cr.derive("x^2", jacobian=True).text("path")
