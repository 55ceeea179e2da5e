"""Assumptions of correct answers: one-hot targets, and omission of a small constant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.grading import grade


def rows(X: Any, Y: Any, W: Any) -> Any:
    v = X @ W
    p = np.exp(v) / np.sum(np.exp(v), axis=1, keepdims=True)
    return -np.sum(Y * np.log(p))


def rows_backward(X: Any, Y: Any, W: Any) -> Any:
    v = X @ W
    d = np.exp(v) / np.sum(np.exp(v), axis=1, keepdims=True)
    d[np.arange(len(X)), Y.argmax(1)] -= 1
    dW = X.T @ d
    return {"W": dW}


def columns(x1: Any, x2: Any, t1: Any, t2: Any, W: Any) -> Any:
    loss = 0
    for x, t in zip([x1, x2], [t1, t2], strict=True):
        e = np.exp(np.dot(W, x))
        loss += -np.sum(t * np.log(e / np.sum(e)))
    return loss


def columns_backward(x1: Any, x2: Any, t1: Any, t2: Any, W: Any) -> Any:
    dW = np.zeros_like(W)
    for x, t in zip([x1, x2], [t1, t2], strict=True):
        e = np.exp(np.dot(W, x))
        d = e / np.sum(e)
        d[np.argmax(t)] -= 1
        dW += np.dot(d, x.T)
    return {"W": dW}


def vector(x: Any, target_1: Any, W: Any) -> Any:
    e = np.exp(W @ x)
    return -np.sum(target_1 * np.log(e / np.sum(e)))


def vector_backward(x: Any, target_1: Any, W: Any) -> Any:
    e = np.exp(W @ x)
    d = e / np.sum(e)
    d[np.argmax(target_1)] -= 1
    dW = np.outer(d, x)
    return {"W": dW}


ROWS: dict[str, Any] = {"X": "n d", "Y": "n k", "W": "d k"}
COLUMNS = {"x1": "5 1", "x2": "5 1", "t1": "3 1", "t2": "3 1", "W": "3 5"}
VECTOR = {"x": "d", "target_1": "k", "W": "k d"}
REGRESSION: dict[str, Any] = {"X": "n d", "y": "n", "w": "d"}


@pytest.mark.parametrize(
    ("answer", "reference", "shapes"),
    [(rows_backward, rows, ROWS), (columns_backward, columns, COLUMNS), (vector_backward, vector, VECTOR)],
    ids=["rows", "columns", "vector"],
)
def test_targets_may_be_one_hot(
    answer: Callable[..., Any], reference: Callable[..., Any], shapes: dict[str, Any]
) -> None:
    found = grade(answer, reference, wrt="W", **shapes)
    assert found.right, str(found)
    assert "one-hot" in str(found)


def test_targets_of_a_regression_are_not_one_hot() -> None:
    def loss(X: Any, y: Any, w: Any) -> Any:
        return np.sum((X @ w) * y) + np.sum(w) * np.sum(y**2)

    def backward(X: Any, y: Any, w: Any) -> Any:
        dw = X.T @ y + 1
        return {"w": dw}

    assert not grade(backward, loss, **REGRESSION).right


def guarded(X: Any, Y: Any, W: Any) -> Any:
    v = X @ W
    p = np.exp(v) / np.sum(np.exp(v), axis=1, keepdims=True)
    return -np.sum(Y * np.log(p + 1e-5))


def on_paper(X: Any, Y: Any, W: Any) -> Any:
    v = X @ W
    p = np.exp(v) / np.sum(np.exp(v), axis=1, keepdims=True)
    dW = X.T @ (p - Y)
    return {"W": dW}


def test_a_small_number_in_a_logarithm_may_be_left_out() -> None:
    found = grade(on_paper, guarded, **ROWS)
    assert found.right, str(found)
    assert "1e-05" in str(found)


def normalized(x: Any, g: Any) -> Any:
    v = x.var(0)
    return np.sum(g * ((x - x.mean(0)) / np.sqrt(v + 1e-5)) ** 3)


def normalized_backward(x: Any, g: Any) -> Any:
    s = np.sqrt(x.var(0) + 1e-8)
    h = (x - x.mean(0)) / s
    dh = 3 * g * h**2
    dx = (dh - dh.mean(0) - h * (dh * h).mean(0)) / s
    return {"x": dx}


def normalized_without_a_term(x: Any, g: Any) -> Any:
    s = np.sqrt(x.var(0) + 1e-8)
    h = (x - x.mean(0)) / s
    dh = 3 * g * h**2
    dx = (dh - dh.mean(0)) / s
    return {"x": dx}


def test_a_small_number_may_be_another() -> None:
    assert grade(normalized_backward, normalized, wrt="x", x="n d", g="d").right
    assert not grade(normalized_without_a_term, normalized, wrt="x", x="n d", g="d").right


def test_a_small_number_beside_labels() -> None:
    def loss(T: Any, g: Any, y: Any) -> Any:
        rows = T[y]
        return np.sum(g * (rows / np.sqrt(rows.var(0) + 1e-5)) ** 2)

    def backward(T: Any, g: Any, y: Any) -> Any:
        rows = T[y]
        drows = 2 * g * rows / (rows.var(0) + 1e-8)
        dT = np.zeros_like(T)
        np.add.at(dT, y, drows)
        return {"T": dT}

    found = grade(backward, loss, wrt="T", T="5 d", g="d", y="6:int")
    assert found.gradients == {"T": "wrong"}


def test_a_small_factor_is_no_such_number() -> None:
    def loss(X: Any, y: Any, w: Any) -> Any:
        return np.mean((X @ w - y) ** 2) + 5e-5 * np.sum(w**2)

    def backward(X: Any, y: Any, w: Any) -> Any:
        dw = 2 * X.T @ (X @ w - y) / len(y)
        return {"w": dw}

    assert not grade(backward, loss, **REGRESSION).right


def regression(X: Any, y: Any, w: Any) -> Any:
    return np.sum((X @ w) * y) + np.sum(w) * np.sum(y)


def regression_backward(X: Any, y: Any, w: Any) -> Any:
    dw = X.T @ y + 1
    return {"w": dw}


def test_targets_of_a_batch_do_not_sum_to_one() -> None:
    found = grade(regression_backward, regression, **REGRESSION)
    assert not found.right
    assert "sum to 1" not in str(found)


def vector_of_classes(target: Any, x: Any, W: Any) -> Any:
    e = np.exp(W @ x)
    return -np.sum(target * np.log(e / np.sum(e)))


def vector_of_classes_backward(target: Any, x: Any, W: Any) -> Any:
    e = np.exp(W @ x)
    d = e / np.sum(e)
    d[np.argmax(target)] -= 1
    dW = np.outer(d, x)
    return {"W": dW}


def test_a_target_before_the_data_counts_no_samples() -> None:
    found = grade(vector_of_classes_backward, vector_of_classes, wrt="W", target="k", x="d", W="k d")
    assert found.right, str(found)


def test_an_incomplete_answer_that_holds_always_needs_no_targets_of_a_kind() -> None:
    def backward(X: Any, Y: Any, W: Any, b: Any) -> Any:
        s = X @ W + b
        p = 1 / (1 + np.exp(-s))
        return {"b": (p - Y).sum(axis=0)}

    def loss(X: Any, Y: Any, W: Any, b: Any) -> Any:
        p = 1 / (1 + np.exp(-(X @ W + b)))
        return -np.sum(Y * np.log(p) + (1 - Y) * np.log(1 - p))

    found = grade(backward, loss, X="n d", Y="n k", W="d k", b="k")
    assert found.gradients == {"b": "right", "W": "missing"}
    assert "one-hot" not in found.text()
