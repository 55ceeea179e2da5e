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
MASKED = """
import numpy as np

def backward(X, y, W, V, lr):
    z = X @ W
    hidden = np.maximum(z, 0)
    dscores = (hidden @ V - y) / len(X)
    db = np.sum(dscores, axis=0)
    dV = hidden.T @ dscores
    dhidden = dscores @ V.T
    dhidden[z <= 0] = 0
    dW = X.T @ dhidden
    grads = {"W": dW, "V": dV}
    W = W - lr * grads["W"]
    V = V - lr * grads["V"]
    return W, V
"""
LAYER = """
import numpy as np

class Linear:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def bwd(self, g):
        self.W_g = self.x.T @ g
        self.b_g = g.sum(0)

class Model:
    def __init__(self, W, b):
        self.layers = [Linear(W, b)]

    def forward(self, X, y):
        for layer in self.layers:
            X = layer.forward(X)
        self.out, self.y = X, y

    def backward(self):
        g = (self.out - self.y) / len(self.y)
        for layer in reversed(self.layers):
            layer.bwd(g)
"""
LAYERS = """
import numpy as np

def backward_of_layer(dZ, A):
    m = A.shape[1]
    dW = np.dot(dZ, A.T) / m
    db = np.sum(dZ, axis=1, keepdims=True) / m
    return dW, db

def backward(X, Y, parameters, lr):
    caches, A = [], X
    for l in range(1, 3):
        caches.append(A)
        A = np.tanh(parameters["W" + str(l)] @ A + parameters["b" + str(l)])
    delta3 = A - Y
    grads = {}
    for l in (2, 1):
        delta2 = delta3 * (1 - A**2)
        grads["dW" + str(l)], grads["db" + str(l)] = backward_of_layer(delta2, caches[l - 1])
        delta3 = parameters["W" + str(l)].T @ delta2
        A = caches[l - 1]
    for l in range(1, 3):
        parameters["W" + str(l)] = parameters["W" + str(l)] - lr * grads["dW" + str(l)]
        parameters["b" + str(l)] = parameters["b" + str(l)] - lr * grads["db" + str(l)]
    return parameters
"""
BIAS = """
import numpy as np

def backward(X, y, W, b, lr):
    dz = (X @ W + b - y) / len(X)
    dW = X.T @ dz
    db = np.sum(dz, axis=0)
    W = W - lr * dW
    b = b - lr * db
    return W, b
"""


def rectified(X: Any, y: Any, W: Any, V: Any) -> Any:
    z = X @ W
    hidden = np.maximum(z, 0)
    return np.sum((hidden @ V - y) ** 2) / (2 * len(X))


def layers(X: Any, Y: Any, parameters: Any) -> Any:
    A = X
    for l in (1, 2):
        A = np.tanh(parameters["W" + str(l)] @ A + parameters["b" + str(l)])
    return np.sum((A - Y) ** 2) / (2 * X.shape[1])


def linear(X: Any, y: Any, W: Any, b: Any) -> Any:
    return np.sum((X @ W + b - y) ** 2) / (2 * len(X))


SHAPES: dict[Any, dict[str, Any]] = {
    rectified: {"X": "n d", "y": "n k", "W": "d h", "V": "h k"},
    layers: {"X": "d m", "Y": "1 m", "parameters": {"W1": "h d", "b1": "h 1", "W2": "1 h", "b2": "1 1"}},
    linear: {"X": "n d", "y": "n k", "W": "d k", "b": "k"},
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
        (linear, BIAS, "np.sum(dz, axis=0)", "np.sum(dz, axis=0, keepdims=True)", "right as: db = np.sum(dz, axis=0)"),
        (linear, LAYER, "g.sum(0)", "g.mean(0)", "right as: self.b_g = g.sum(0)"),
        (layers, LAYERS, "np.dot(dZ, A.T) / m", "np.dot(dZ, A.T)", "the value is m times what it should be"),
        (layers, LAYERS, "axis=1, keepdims=True) / m", "axis=1) / m", "db = np.sum(dZ, axis=1, keepdims=True) / m"),
        (rectified, MASKED, "dhidden[z <= 0]", "dhidden[z > 0]", "right as: dhidden[z <= 0] = 0"),
        (labelled, LABELS, "p[np.arange(len(y)), y] -= 1", "p[:, y] -= 1", "right as: p[np.arange(len(y)), y] -= 1"),
    ],
)
def test_the_line_that_made_the_value_is_blamed(
    loss: Any, answer: str, right: str, wrong: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "answer.py"
    path.write_text(answer)
    place = f"{path}:{'Model.' if answer is LAYER else ''}backward"
    assert cr.grade(place, loss, **SHAPES[loss]).right
    path.write_text(answer.replace(right, wrong))
    grade = cr.grade(place, loss, **SHAPES[loss])
    assert grade.first_wrong is not None
    assert wrong in grade.first_wrong.source
    assert said in " ".join(str(grade).split())


def test_a_changed_part_is_confirmed_as_the_gradient_that_it_makes(tmp_path: Path) -> None:
    """A variable named after an activation becomes the gradient before it."""
    path = tmp_path / "answer.py"
    path.write_text(MASKED)
    grade = cr.grade(f"{path}:backward", rectified, **SHAPES[rectified])
    meanings = {line.source.strip(): line.meaning for line in grade.lines}
    assert meanings["dhidden[z <= 0] = 0"] == "∂L/∂z"
    assert meanings["dhidden = dscores @ V.T"] == "∂L/∂hidden"


def test_layers_may_be_counted_from_another_number(tmp_path: Path) -> None:
    """With a δ3 above z2, δ2 is the gradient by z1."""
    path = tmp_path / "answer.py"
    path.write_text(
        """
import numpy as np

def backward(X, y, W, V, lr):
    z1 = X @ W
    a1 = np.maximum(z1, 0)
    delta3 = (a1 @ V - y) / len(X)
    delta2 = delta3 @ V.T * (z1 > 0)
    W += -lr * X.T @ delta2
    V += -lr * a1.T @ delta3
    return {"W": W, "V": V}
"""
    )

    def loss(X: Any, y: Any, W: Any, V: Any) -> Any:
        z1 = X @ W
        z2 = np.maximum(z1, 0) @ V
        return np.sum((z2 - y) ** 2) / (2 * len(X))

    grade = cr.grade(f"{path}:backward", loss, **SHAPES[rectified])
    meanings = {line.source.partition("=")[0].strip(): line.meaning for line in grade.lines}
    assert grade.right
    assert (meanings["delta2"], meanings["W +"], meanings["V +"]) == ("∂L/∂z1", "W − η ∂L/∂W", "V − η ∂L/∂V")


def test_that_every_update_is_turned_is_said_of_all_alone(tmp_path: Path) -> None:
    path = tmp_path / "answer.py"
    turned = BIAS.replace("W = W - lr", "W = W + lr").replace("b = b - lr", "b = b + lr")
    for text, said in ((turned, True), (turned.replace("dW = X.T @ dz", "dW = X.T @ dz / 2"), False)):
        path.write_text(text)
        grade = cr.grade(f"{path}:backward", linear, **SHAPES[linear])
        assert ("Every update" in str(grade)) is said
