"""Mistakes in updates by helpers and loops, in changed parts of arrays, and in what a loop accumulates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr


def scores(X: Any, y: Any, W: Any, b: Any) -> Any:
    o = X @ W + b
    e = np.exp(o - o.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return -np.sum(y * np.log(p)) / len(X)


def hinge(W: Any, X: Any, y: Any) -> Any:
    s = X @ W
    correct = s[np.arange(len(y)), y][:, None]
    margin = np.maximum(0, s - correct + 1)
    margin[np.arange(len(y)), y] = 0
    return margin.sum() / len(y)


def labelled(X: Any, y: Any, W: Any, b: Any) -> Any:
    o = X @ W + b
    e = np.exp(o - o.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(y)), y]).sum() / len(y)


STEP = """
import numpy as np

def sgd(params, grads, lr, count):
    for p, g in zip(params, grads):
        p -= lr * g / count

def backward(X, y, W, b, lr):
    o = X @ W + b
    e = np.exp(o - o.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    delta = p - y
    sgd([W, b], [X.T @ delta, delta.sum(axis=0)], lr, len(X))
    return W, b
"""
MARGINS = """
import numpy as np

def backward(W, X, y):
    s = X @ W
    correct = s[range(len(y)), y].reshape(-1, 1)
    margins = np.maximum(0, s - correct + 1)
    margins[range(len(y)), y] = 0
    mask = np.zeros(margins.shape)
    mask[margins > 0] = 1
    mask[range(len(y)), y] = -np.sum(mask, axis=1)
    return X.T @ mask / len(y)
"""
LABELS = """
import numpy as np

def backward(X, y, W, b):
    o = X @ W + b
    e = np.exp(o - o.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    p /= len(y)
    return X.T @ p, p.sum(axis=0)
"""
SHAPES = {
    scores: {"X": "n d", "y": "n k", "W": "d k", "b": "k"},
    hinge: {"W": "d 4", "X": "n d", "y": "n:int"},
    labelled: {"X": "n d", "y": "n:int", "W": "d 4", "b": "4"},
}


@pytest.mark.parametrize(
    ("loss", "answer", "right", "wrong", "said"),
    [
        (scores, STEP, "p -= lr", "p += lr", "goes in the wrong direction"),
        (scores, STEP, "delta = p - y", "delta = p * (1 - p)", "delta should be n ∂L/∂o"),
        (hinge, MARGINS, "-np.sum(mask, axis=1)", "-1", "mask should be n ∂L/∂s"),
        (labelled, LABELS, "p[np.arange(len(y)), y] -= 1", "p[:, y] -= 1", "right as: p[np.arange(len(y)), y] -= 1"),
    ],
)
def test_the_line_that_made_the_value_is_blamed(
    loss: Any, answer: str, right: str, wrong: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "answer.py"
    path.write_text(answer)
    assert cr.grade(f"{path}:backward", loss, **SHAPES[loss]).right
    path.write_text(answer.replace(right, wrong))
    grade = cr.grade(f"{path}:backward", loss, **SHAPES[loss])
    assert grade.first_wrong is not None
    assert wrong in grade.first_wrong.source
    assert said in " ".join(str(grade).split())
