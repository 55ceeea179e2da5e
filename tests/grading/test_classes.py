"""Backward passes as methods: networks with lists, layers, and what their instances hold."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from support.published import HEAD, made

import chainrule as cr

LISTS = """
def cost(x: "4 1", y: "2 1", weights: "[3 4; 2 3]", biases: "[3 1; 2 1]"):
    a = x
    for b, w in zip(biases, weights):
        a = sigmoid(w @ a + b)
    return 0.5 * np.sum((a - y) ** 2)
"""
NETWORK = """
class Network:
    def __init__(self, sizes):
        self.weights = [np.zeros((n, m)) for m, n in zip(sizes, sizes[1:])]
        self.biases = [np.zeros((n, 1)) for n in sizes[1:]]

    def prime(self, z):
        return sigmoid(z) * (1 - sigmoid(z))

    def backprop(self, x, y):
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        activation, activations, zs = x, [x], []
        for b, w in zip(self.biases, self.weights):
            z = w @ activation + b
            zs.append(z)
            activation = sigmoid(z)
            activations.append(activation)
        delta = (activations[-1] - y) * self.prime(zs[-1])
        nabla_b[-1] = delta
        nabla_w[-1] = delta @ activations[-2].T
        for l in range(2, len(self.weights) + 1):
            delta = self.weights[-l + 1].T @ delta * self.prime(zs[-l])
            nabla_b[-l] = delta
            nabla_w[-l] = delta @ activations[INDEX].T
        return nabla_b, nabla_w
"""


def method(index: str, folder: Path) -> str:
    path = folder / "network.py"
    path.write_text(HEAD + textwrap.dedent(NETWORK.replace("INDEX", index)), encoding="utf-8")
    return f"{path}:Network.backprop"


def test_a_class_with_lists_is_made_with_the_sizes_of_its_layers(tmp_path: Path) -> None:
    grade = cr.grade(method("-l - 1", tmp_path), made(LISTS, "cost", tmp_path))
    assert grade.right, str(grade)


def test_a_list_that_a_loop_does_not_fill_is_wrong_and_the_loop_is_named(tmp_path: Path) -> None:
    path = Path(method("-l - 1", tmp_path).partition(":")[0])
    text = path.read_text(encoding="utf-8").replace(
        "[np.zeros(w.shape) for w in self.weights]\n        nabla_b", "LIST"
    )
    text = text.replace("LIST", "[None] * len(self.weights)\n        nabla_b").replace(
        "len(self.weights) + 1", "len(self.weights)"
    )
    path.write_text(text, encoding="utf-8")
    first = cr.grade(f"{path}:Network.backprop", made(LISTS, "cost", tmp_path)).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert (first.source, first.diagnosis.kind) == ("for l in range(2, len(self.weights)):", "rounds")


def test_an_index_that_is_one_off_is_named(tmp_path: Path) -> None:
    first = cr.grade(method("-l", tmp_path), made(LISTS, "cost", tmp_path)).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert (first.source.partition(" =")[0], first.diagnosis.kind) == ("nabla_w[-l]", "index")
    assert first.diagnosis.values["after"] == "-l - 1"


LAYER = """
class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.SUM(axis=0)
        return dout @ self.W.T


def gradient(X, t, W1, b1, W2, b2):
    layers = [Affine(W1, b1), Affine(W2, b2)]
    out = X
    for layer in layers:
        out = layer.forward(out)
    dout = out - t
    for layer in reversed(layers):
        dout = layer.backward(dout)
    return {"W1": layers[0].dW, "b1": layers[0].db, "W2": layers[1].dW, "b2": layers[1].db}


def loss(X: "n d", t: "n c", W1: "d h", b1: "h", W2: "h c", b2: "c"):
    return 0.5 * np.sum((((X @ W1 + b1) @ W2 + b2) - t) ** 2)
"""


def test_a_mistake_in_a_method_of_a_layer_is_named_there(tmp_path: Path) -> None:
    right, wrong = (LAYER.replace("SUM", name) for name in ("sum", "mean"))
    assert cr.grade(made(right, "gradient", tmp_path), made(right, "loss", tmp_path)).right
    grade = cr.grade(made(wrong, "gradient", tmp_path), made(right, "loss", tmp_path))
    first = grade.first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert (first.source, first.diagnosis.kind) == ("self.db = dout.mean(axis=0)", "factor")
    assert grade.gradients == {"W1": "right", "b1": "wrong", "W2": "right", "b2": "wrong"}


def test_a_layer_whose_constructor_takes_its_weights_is_graded(tmp_path: Path) -> None:
    path = tmp_path / "affine.py"
    path.write_text(HEAD + LAYER.replace("SUM", "sum"), encoding="utf-8")
    layer = made('def layer(x: "n d", W: "d h", b: "h"):\n    return x @ W + b\n', "layer", tmp_path)
    assert cr.grade(f"{path}:Affine.backward", layer).right


def test_the_arrays_of_the_learner_remain(tmp_path: Path) -> None:
    """An answer that runs in this process does not change the classes that it uses."""
    gradient = made(LAYER.replace("SUM", "sum"), "gradient", tmp_path)
    kind = gradient.__globals__["Affine"]
    backward = kind.backward
    assert cr.grade(gradient, made(LAYER.replace("SUM", "sum"), "loss", tmp_path)).right
    assert gradient.__globals__["Affine"] is kind
    assert kind.backward is backward
    layer = kind(np.eye(2), np.zeros(2))
    assert type(layer) is kind


DENSE = """
def forward(X: "n d", W: "d h", b: "h"):
    return X @ W + b


class Dense:
    def __init__(self, n_in, n_out):
        self.parameters = {"W": np.ones((n_in, n_out)), "b": np.zeros(n_out)}
        self.gradients = {"W": np.zeros((n_in, n_out)), "b": np.zeros(n_out)}

    def forward(self, X):
        self.X = X
        return X @ self.parameters["W"] + self.parameters["b"]

    def backward(self, dLdy):
        self.gradients["W"] += self.X.T @ dLdy
        self.gradients["b"] += dLdy.sum(axis=0)
        return dLdy @ self.parameters["W"].T
"""


def test_a_dict_of_gradients_of_a_layer_has_them_by_their_keys(tmp_path: Path) -> None:
    path = tmp_path / "layer.py"
    path.write_text("import numpy as np\n" + DENSE, encoding="utf-8")
    assert cr.grade(f"{path}:Dense.backward", made(DENSE, "forward", tmp_path)).right
