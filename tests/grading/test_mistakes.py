"""Diagnoses of single mistakes, and of two independent ones."""

from __future__ import annotations

import linecache
from functools import cache
from typing import Any

import pytest

import chainrule as cr
from chainrule.cage import Limits
from chainrule.gallery import GALLERY
from chainrule.grading.grading import grade_against
from chainrule.grading.references import Truths

ANSWER = """
def backward(X, y, W1, b1, W2, b2, a1, a2):
    d2 = {d2}
    dW2 = a1.T @ d2
    db2 = d2.sum(axis=0)
    d1 = {d1}
    dW1 = {dW1}
    db1 = d1.sum(axis=0)
    return {{"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}}
"""
RIGHT = {"d2": "(a2 - y) * a2 * (1 - a2)", "d1": "d2 @ W2.T * a1 * (1 - a1)", "dW1": "X.T @ d1"}


@cache
def truths(name: str) -> Truths:
    return Truths(GALLERY[name].function, None, {})


def graded(**lines: str) -> cr.Grade:
    source = ANSWER.format(**{**RIGHT, **lines})
    linecache.cache["mistakes.py"] = (len(source), None, source.splitlines(keepends=True), "mistakes.py")
    namespace: dict[str, Any] = {}
    exec(compile(source, "mistakes.py", "exec"), namespace)
    return grade_against(namespace["backward"], truths("two_layer_rows"), "two_layer_rows", Limits())


@pytest.mark.parametrize(("name", "line", "symbol"), [("d1", "d2 @ W2.T", "σ′(z1)"), ("d2", "a2 - y", "σ′(z2)")])
def test_a_missing_derivative_is_named(name: str, line: str, symbol: str) -> None:
    grade = graded(**{name: line})
    assert grade.first_wrong is not None
    assert grade.first_wrong.source == f"{name} = {line}"
    assert f"The derivative of the activation, {symbol}, is missing." in grade.text()
    assert f"缺少激活函数的导数 {symbol}。" in grade.text("zh")


def test_of_two_mistakes_each_is_found_where_it_is() -> None:
    grade = graded(d2="2 * (a2 - y) * a2 * (1 - a2)", dW1="-X.T @ d1")
    assert grade.first_wrong is not None
    assert grade.first_wrong.source.startswith("d2 = 2")
    wrong = {line.source.partition(" ")[0] for line in grade.lines if line.diagnosis is not None}
    assert wrong == {"d2", "dW1"}
    assert {line.status for line in grade.lines if line.source.startswith(("dW2", "db2", "db1"))} == {"consequence"}


def test_a_derivative_taken_at_the_activation_is_named_where_the_pre_activation_is_not_at_hand() -> None:
    grade = graded(d1="d2 @ W2.T * (1 / (1 + 2.718281828459045 ** -a1)) * (1 - 1 / (1 + 2.718281828459045 ** -a1))")
    assert grade.first_wrong is not None
    assert grade.first_wrong.diagnosis is not None
    assert grade.first_wrong.diagnosis.kind == "derivative"
    assert "taken at a1; it belongs at z1" in grade.text()


def test_a_true_part_is_not_blamed_for_a_factor_that_is_missing_later() -> None:
    grade = cr.grade("r = y_hat - y\ndw = X.T @ r\ndb = sum(r)", GALLERY["linear_regression"].function)
    assert grade.lines[0].status == "confirmed"
    assert grade.first_wrong is not None
    assert grade.first_wrong.source == "dw = X.T @ r"
    assert grade.first_wrong.diagnosis is not None
    assert grade.first_wrong.diagnosis.kind == "factor"


def test_the_gradient_of_a_layer_is_blamed_for_the_factor_that_it_lacks() -> None:
    grade = cr.grade("d1 = y_hat - y\ndw = X.T @ d1\ndb = sum(d1)", GALLERY["linear_regression"].function)
    assert [line.status for line in grade.lines] == ["wrong", "consequence", "consequence"]


def test_a_value_of_the_forward_pass_should_be_its_own_formula() -> None:
    answer = "r = y - X * w - b\ndw = 2 * X' * r / n"
    text = cr.grade(answer, "r = X @ w + b - y; mean(r^2)", wrt="w", X="n d", w="d", b="", y="n").text()
    assert "r should be r = X w + b − y." in text
    assert "should be b − (y − X w)." in text


@pytest.mark.parametrize("answer", ["dw = 2 X (X w - y)", "dw = 2 X(X w - y)"])
def test_a_parenthesis_after_a_matrix_of_the_reference_is_a_factor(answer: str) -> None:
    grade = cr.grade(answer, "norm(X w - y)^2", wrt="w")
    assert grade.first_wrong is not None
    assert grade.first_wrong.diagnosis is not None
    assert grade.first_wrong.diagnosis.kind == "transposed"
    assert cr.grade("r = X w - y\ng = r (2)\ndw = X.T (g)", "norm(X w - y)^2", wrt="w").right
