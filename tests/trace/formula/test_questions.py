"""Questions in front of a formula: what is differentiated by what, and how often."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule.deriving import DerivationError
from chainrule.trace import Question, question_of

ASKED = [
    ("d/dx sin(x)", ("x",), 1, "sin(x)"),
    ("d/dx(sin(x))", ("x",), 1, "(sin(x))"),
    ("dL/dx sin(x)", ("x",), 1, "sin(x)"),
    ("d/dlambda lambda^2", ("λ",), 1, "lambda^2"),
    ("d/dw_1 (w_1^2)", ("w_1",), 1, "(w_1^2)"),
    ("∂/∂X tr(AXB)", ("X",), 1, "tr(AXB)"),
    ("∂²/∂x² x'Ax", ("x",), 2, "x'Ax"),
    ("d^2/dx^2 sin(x)", ("x",), 2, "sin(x)"),
    ("∇_x x'x", ("x",), 1, "x'x"),
    ("∇² x'x", (), 2, "x'x"),
    (r"\nabla_W \|W x\|^2", ("W",), 1, r"\|W x\|^2"),
    (r"\nabla_{\theta} \theta^2", ("θ",), 1, r"\theta^2"),
    (r"\frac{d}{dx} \sin(x^2)", ("x",), 1, r"\sin(x^2)"),
    (r"\frac{\partial f}{\partial \mathbf{x}} x", ("x",), 1, "x"),
    (r"\frac{\partial^2}{\partial x \partial x^T} x'Ax", ("x",), 2, "x'Ax"),
    (r"\partial/\partial x \sin x", ("x",), 1, r"\sin x"),
    ("min_w ||X w - y||^2", ("w",), 1, "||X w - y||^2"),
    (r"\min_{w, b} \|X w - b\|^2", ("w", "b"), 1, r"\|X w - b\|^2"),
    (r"\arg\min_x \|A x - b\|^2", ("x",), 1, r"\|A x - b\|^2"),
    (r"\operatorname*{argmax}_\theta log(theta)", ("θ",), 1, "log(theta)"),
]


@pytest.mark.parametrize(("text", "variables", "order", "formula"), ASKED, ids=[entry[0] for entry in ASKED])
def test_a_question_is_read(text: str, variables: tuple[str, ...], order: int, formula: str) -> None:
    question = question_of(text)
    assert question == Question(variables, order, formula.rjust(len(text)))


@pytest.mark.parametrize(
    "text", ["d/d + 3", "d/dx + 1", "dx/dy", "d/dx", "d/x 3", "sin(x)", "a/b c", "df/dx = 3", "max_i x_i", "min(x)"]
)
def test_what_is_no_question(text: str) -> None:
    assert question_of(text) is None


@pytest.mark.parametrize(
    "text", ["{}", "d/d{}", "d/dx{}", r"\frac{{d{0}}}{{   dx{0}}}", r"\min_{{w{0},{0}b{0}", "∂/∂x ∂{}"]
)
def test_a_megabyte_is_gone_through_once(text: str) -> None:
    with pytest.raises(cr.FormulaError, match=r"the formula has [\d,]+ characters, and 20,000 are the most"):
        cr.derive(text.format(" " * 1_000_000))


def test_a_question_is_answered() -> None:
    derivation = cr.derive(r"\frac{\partial}{\partial W} \|W x - y\|^2")
    assert derivation.verify().ok
    assert "∂L/∂W = 2 (W x − y) xᵀ" in derivation.text(detail="brief")
    assert [each.name for each in derivation.record.backward.wrt] == ["W"]
    assert "H = ∇²L = ∂²L/∂x∂xᵀ = A + Aᵀ" in cr.derive("∂²/∂x² x'Ax").text()
    assert "J = ∂Y/∂x = A" in cr.derive("d/dx Ax", jacobian=True).text()
    assert cr.derive("d/dx sin(x)", "x").verify().ok


def test_a_question_and_wrt_agree() -> None:
    with pytest.raises(DerivationError, match=r"asks for the derivative by x, and wrt names y; leave one of them out"):
        cr.derive("d/dx x*y", "y")
    with pytest.raises(DerivationError, match="'y' in wrt is not a parameter"):
        cr.derive("d/dy sin(x)")


def test_an_error_points_into_what_was_written() -> None:
    with pytest.raises(cr.FormulaError) as caught:
        cr.derive("d/dx sigmod(x)")
    assert caught.value.excerpt == "     sigmod(x)\n     ^^^^^^"
