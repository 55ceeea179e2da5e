"""Answers to one question in many styles: as functions, as methods, as lines of text."""

from __future__ import annotations

import linecache
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import chainrule as cr
from chainrule.cage import Limits
from chainrule.gallery import GALLERY
from chainrule.grading.grading import grade_against
from chainrule.grading.references import Truths

SOURCE = (Path(__file__).parents[1] / "data" / "styles.txt").read_text(encoding="utf-8")
ROWS = GALLERY["two_layer_rows"].function
RIGHT = ["loop", "NeuralNetwork.backward", "params_dict", "unpack", "early", "numeric", "nested_targets"]
EQUATIONS = """
δ2 = (a2 - y) ⊙ σ'(z2)
∂L/∂W2 = a1ᵀ * δ2
∂L/∂b2 = 1ᵀ δ2
d1 = (δ2 * W2') .* a1 .* (1 - a1)
dW1 = X.T @ d1
db1 = sum(d1, axis=0)
"""


@cache
def truths() -> Truths:
    return Truths(ROWS, None, {})


def graded(answer: Any) -> cr.Grade:
    """As `cr.grade` grades it, against what is derived once."""
    return grade_against(answer, truths(), ROWS.__name__, Limits())


def answer(name: str) -> Any:
    linecache.cache["styles.py"] = (len(SOURCE), None, SOURCE.splitlines(keepends=True), "styles.py")
    namespace: dict[str, Any] = {}
    exec(compile(SOURCE, "styles.py", "exec"), namespace)
    owner, dot, method = name.partition(".")
    return getattr(namespace[owner](), method) if dot else namespace[owner]


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_is_right_in_any_style(name: str) -> None:
    grade = cr.grade(answer(name), ROWS)
    assert grade.right, str(grade)


def test_a_loop_over_the_batch_is_understood() -> None:
    grade = graded(answer("loop_wrong"))
    first = grade.first_wrong
    assert first is not None
    assert first.source == "d1 = (W2 @ d2) * a1"
    assert first.diagnosis is not None
    assert first.diagnosis.kind == "missing operand"
    assert [line.status for line in grade.lines if line.number > first.number] == ["consequence"] * 2


def test_what_is_tried_on_lists_and_lambdas_warns_of_nothing() -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        grade = cr.grade(answer("plain_lists"), ROWS)
    assert grade.gradients["W2"] == "wrong"
    assert not heard


def test_a_network_as_a_class_has_its_own_names_and_signs() -> None:
    grade = graded(answer("NeuralNetwork.wrong"))
    wrong = [line for line in grade.lines if line.diagnosis is not None]
    kinds = [line.diagnosis.kind for line in wrong if line.diagnosis is not None]
    assert kinds == ["direction", "factor"]
    assert wrong[0].source.startswith("self.weights_input_hidden -=")
    assert wrong[1].diagnosis is not None
    assert wrong[1].diagnosis.single
    assert "error is −∂L/∂a2." in str(grade)


def test_lines_of_text_are_an_answer() -> None:
    grade = cr.grade(EQUATIONS, ROWS)
    assert grade.right, str(grade)
    assert {line.name: line.meaning for line in grade.lines}["δ2"] == "∂L/∂z2"


@pytest.mark.parametrize(
    ("before", "after", "kind", "line"),
    [
        ("a1ᵀ * δ2", "a1 * δ2", "transposed", 3),
        ("(1 - a1)", "(1 + a1)", "sign", 5),
        ("σ'(z2)", "σ'(a2)", "derivative", 2),
        ("(a2 - y) ⊙ σ'(z2)", "a2 - y", "missing derivative", 2),
        ("sum(d1, axis=0)", "d1", "missing sum", 7),
        ("sum(d1, axis=0)", "mean(d1, axis=0)", "factor", 7),
        ("X.T @ d1", "X.T .* d1", "elementwise", 6),
    ],
)
def test_mistakes_in_lines_of_text_are_named(before: str, after: str, kind: str, line: int) -> None:
    first = graded(EQUATIONS.replace(before, after)).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert (first.number, first.diagnosis.kind) == (line, kind)


def test_an_update_in_text_has_its_sign() -> None:
    step = "W2 -= lr * a1' * ((a2 - y) .* a2 .* (1 - a2))"
    assert cr.grade(step, ROWS, wrt="W2").right
    first = cr.grade(step.replace("-=", "+="), ROWS, wrt="W2").first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.diagnosis.kind == "direction"


def test_a_formula_is_graded_against() -> None:
    assert cr.grade("dx = 2 * A' * (A*x - b)", "norm(A@x - b)^2", wrt="x").right
    grade = cr.grade("dx = A' * (A*x - b)", "norm(A@x - b)^2", wrt="x")
    assert grade.first_wrong is not None
    assert "½ times what it should be" in str(grade)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no equation"),
        ("dW2", "is not an equation"),
        ("dW2 = a1' * nowhere", "line 1: 'nowhere' is not known there"),
        ("3 = a1", "is not a name"),
        ("dW2 = a1' *", "line 1"),
        ("t = a1 + 1", "no equation for a gradient"),
        ("d2 = ∂L/∂a2 ⊙ σ′(z2)", "line 1: ∂L/∂a2 is used before it has an equation"),
    ],
)
def test_text_that_cannot_be_graded_is_refused(text: str, message: str) -> None:
    with pytest.raises(cr.GradeError, match=message):
        graded(text)


def test_missing_gradients_are_said_to_be_missing() -> None:
    grade = graded("dW2 = a1' * ((a2 - y) .* a2 .* (1 - a2))")
    assert not grade.right
    assert grade.gradients == {"W2": "right", "W1": "missing", "b1": "missing", "b2": "missing"}


def test_one_hot_targets_may_be_taken_to_sum_to_one() -> None:
    grade = cr.grade(
        "dW = X' * (softmax(X*W) - Y)", "-sum(Y .* log(softmax(X @ W)))", wrt="W", X="n d", W="d k", Y="n k"
    )
    assert grade.right, str(grade)
    assert "sum to 1" in str(grade)


def test_factors_side_by_side_are_multiplied_as_the_derivation_writes_them() -> None:
    text = """
    δ2 = (a2 − y) ⊙ σ′(z2)
    ∂L/∂W2 = a1ᵀ δ2
    ∂L/∂b2 = 1ᵀ δ2
    δ1 = σ′(z1) ⊙ δ2 W2ᵀ
    ∂L/∂W1 = Xᵀ δ1
    ∂L/∂b1 = 1ᵀ δ1
    """
    grade = graded(text)
    assert grade.right, str(grade)
    first = graded(text.replace("a1ᵀ δ2", "Xᵀ δ2")).first_wrong
    assert first is not None
    assert first.source.strip() == "∂L/∂W2 = Xᵀ δ2"
