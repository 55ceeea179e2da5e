"""Layers that update their parameters in the backward pass."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.published import made

import chainrule as cr

_LOSS = """
def loss(X: "n 4", y: "n 3", W1: "4 5", b1: "5", W2: "5 3", b2: "3"):
    return 0.5 * np.sum((np.tanh(X @ W1 + b1) @ W2 + b2 - y) ** 2)
"""
_NET = """
class Dense:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
        self.b = np.zeros(m)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad, lr):
        db = grad.sum(axis=0)
        before = grad @ self.W.T
        self.W -= lr * self.x.T @ grad
        self.b -= lr * db
        return before


class Tanh:
    def forward(self, x):
        self.a = np.tanh(x)
        return self.a

    def backward(self, grad, lr):
        return grad * (1 - self.a**2)


class Net:
    def __init__(self):
        self.layers = [Dense(4, 5), Tanh(), Dense(5, 3)]

    def step(self, X, y, lr=0.1):
        out = X
        for layer in self.layers:
            out = layer.forward(out)
        grad = out - y
        for layer in reversed(self.layers):
            grad = layer.backward(grad, lr)
"""
_UPDATE = "        self.W -= lr * self.x.T @ grad\n"
_BEFORE = "        before = grad @ self.W.T\n"


def _grade(tmp_path: Path, *changes: tuple[str, str]) -> cr.Grade:
    answer = _NET
    for old, new in changes:
        answer = answer.replace(old, new)
    path = tmp_path / "answer.py"
    path.write_text("import numpy as np\n\n\n" + answer, encoding="utf-8")
    return cr.grade(f"{path}:Net.step", made(_LOSS, "loss", tmp_path))


@pytest.mark.parametrize("update", [_UPDATE, "        self.W = self.W - lr * (self.x.T @ grad)\n"])
def test_weights_that_a_layer_updates_before_it_uses_them_are_named(update: str, tmp_path: Path) -> None:
    assert _grade(tmp_path, (_UPDATE, update)).right
    first = _grade(tmp_path, (_UPDATE, ""), (_BEFORE, update + _BEFORE)).first_wrong
    assert first is not None
    assert first.source.startswith("before =")
    assert first.diagnosis is not None
    assert first.diagnosis.kind == "updated"
    assert first.diagnosis.values["update"] == str(first.number - 1)
    assert not first.diagnosis.code


def test_a_mean_for_a_sum_is_named_in_its_own_line_and_not_at_the_update(tmp_path: Path) -> None:
    first = _grade(tmp_path, ("grad.sum(axis=0)", "grad.mean(axis=0)")).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.diagnosis.code == "db = grad.sum(axis=0)"
    assert first.diagnosis.values["factor"] == "1/n"


def test_a_factor_in_a_layer_is_not_counted_once_for_each_layer(tmp_path: Path) -> None:
    found = _grade(tmp_path, (_BEFORE, _BEFORE[:-1] + " * 0.5\n")).first_wrong
    assert found is not None
    assert found.diagnosis is not None
    assert found.diagnosis.values["factor"] == "½"


def test_a_layer_whose_updates_all_go_uphill_has_them_turned_and_nothing_else(tmp_path: Path) -> None:
    grade = _grade(tmp_path, ("self.W -= lr", "self.W += lr"), ("self.b -= lr", "self.b += lr"))
    found = [line.diagnosis for line in grade.lines if line.diagnosis is not None]
    assert [(each.kind, each.code) for each in found] == [
        ("direction", "self.W -= lr * self.x.T @ grad"),
        ("direction", "self.b -= lr * db"),
    ]
