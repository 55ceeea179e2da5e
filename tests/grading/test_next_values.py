"""Parameters that are returned under names of next values, indices out of range, masks that are always true."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.published import made

import chainrule as cr

LOSS = """
def loss(x: "6 3", y: "6 1", w1: "3 4", w2: "4 1"):
    h = np.tanh(x @ w1)
    return np.mean((h @ w2 - y) ** 2)
"""
STEP = """
def step(x, y, w1, w2, lr):
    h = np.tanh(x @ w1)
    d2 = 2 * (h @ w2 - y) / len(x)
    d1 = d2 @ w2.T * (1 - h**2)
    {0}w2 = w2 - lr * (h.T @ d2)
    {0}w1 = w1 - lr * (x.T @ d1)
    return {0}w1, {0}w2
"""
ROWS = """
def loss(x: "4 3", w: "2 3"):
    total = 0.0
    for i in range(4):
        total = total + 0.5 * np.sum((w @ x[i]) ** 2)
    return total


def back(x, w):
    dw = np.zeros_like(w)
    for i in range(len(x)):
        e = w @ x[i]
        dw += np.outer(e, x[i])
    return dw
"""
MASKED = """
def loss(X: "2 6", Y: "1 6", W1: "3 2", W2: "3 3", W3: "1 3"):
    m = Y.shape[1]
    A1 = np.maximum(0, W1 @ X)
    Z2 = W2 @ A1
    A2 = np.maximum(0, Z2)
    A3 = 1 / (1 + np.exp(-(W3 @ A2)))
    return -np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)) / m


def back(X, Y, W1, W2, W3, A1, A2, A3):
    m = X.shape[1]
    dZ3 = A3 - Y
    dW3 = 1 / m * np.dot(dZ3, A2.T)
    dA2 = np.dot(W3.T, dZ3)
    dZ2 = np.multiply(dA2, np.int64(A2 >= 0))
    dW2 = 1 / m * np.dot(dZ2, A1.T)
    dA1 = np.dot(W2.T, dZ2)
    dZ1 = np.multiply(dA1, np.int64(A1 > 0))
    dW1 = 1 / m * np.dot(dZ1, X.T)
    return {"dW1": dW1, "dW2": dW2, "dW3": dW3}
"""


@pytest.mark.parametrize("prefix", ["new_", "other_"])
def test_parameters_under_the_names_of_next_ones_are_updates(prefix: str, tmp_path: Path) -> None:
    right, loss = STEP.format(prefix), made(LOSS, "loss", tmp_path)
    grade = cr.grade(made(right, "step", tmp_path), loss)
    assert grade.right, str(grade)
    uphill = _found(right.replace("w1 - lr", "w1 + lr"), "step", loss, tmp_path)
    assert uphill[:2] == ("direction", f"{prefix}w1 = w1 + lr * (x.T @ d1)")
    halved = _found(right.replace("2 * (h", "(h"), "step", loss, tmp_path)
    assert halved[:2] == ("factor", "d2 = (h @ w2 - y) / len(x)")  # len(x.T) would fit these sizes


@pytest.mark.parametrize(
    ("before", "after", "kind", "code"),
    [
        ("range(len(x))", "range(len(x) + 1)", "rounds", "for i in range(len(x)):"),
        ("(e, x[i])", "(e, x[i + 1])", "index", "dw += np.outer(e, x[i])"),
    ],
)
def test_an_index_out_of_range_is_a_mistake(before: str, after: str, kind: str, code: str, tmp_path: Path) -> None:
    found = _found(ROWS.replace(before, after), "back", made(ROWS, "loss", tmp_path), tmp_path)
    assert (found[0], found[2]) == (kind, code)


def test_a_mask_that_is_always_true_is_named_where_it_is(tmp_path: Path) -> None:
    found = _found(MASKED, "back", made(MASKED, "loss", tmp_path), tmp_path)
    assert found[0] == "mask"
    assert found[2] == "dZ2 = np.multiply(dA2, np.int64(A2 > 0))"


def _found(source: str, name: str, loss: Callable[..., Any], folder: Path) -> tuple[str, str, str]:
    """Return the kind of the first mistake, its line, and the corrected one."""
    first = cr.grade(made(source, name, folder), loss).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    return first.diagnosis.kind, first.source, first.diagnosis.code
