"""Backward passes in the forms in which they are published: signatures, containers, updates, equations."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.published import LOSS, made

import chainrule as cr

FORWARD = """
def forward(X, parameters):
    W1, b1 = parameters["W1"], parameters["b1"]
    W2, b2 = parameters["W2"], parameters["b2"]
    Z1 = X @ W1 + b1
    A1 = np.maximum(0, Z1)
    Z2 = A1 @ W2 + b2
    A2 = sigmoid(Z2)
    cache = (Z1, A1, Z2, A2)
    return A2, cache


def loss(X: "n d", Y: "n o", parameters: {"W1": "d h", "b1": "h", "W2": "h o", "b2": "o"}):
    A2, cache = forward(X, parameters)
    m = X.shape[0]
    cost = np.sum((A2 - Y) ** 2) / (2 * m)
    grads = {}
    return cost, grads
"""
BACKWARD = """
def relu_backward(dA, cache):
    Z = cache
    dZ = np.array(dA, copy=True)
    dZ[MASK <= 0] = 0
    return dZ


def backward(X, Y, parameters, cache):
    Z1, A1, Z2, A2 = cache
    m = X.shape[0]
    grads = {}
    dZ2 = (A2 - Y) * A2 * (1 - A2)
    grads["dW" + str(2)] = A1.T @ dZ2 / m
    grads["db" + str(2)] = dZ2.sum(axis=0) / m
    dZ1 = relu_backward(dZ2 @ parameters["W2"].T, Z1)
    grads["dW" + str(1)] = X.T @ dZ1 / m
    grads["db" + str(1)] = dZ1.sum(axis=0) / m
    return 0.0, grads
"""


def test_caches_dicts_and_costs_are_understood(tmp_path: Path) -> None:
    loss = made(FORWARD, "loss", tmp_path)
    grade = cr.grade(made(BACKWARD.replace("MASK", "Z"), "backward", tmp_path), loss)
    assert grade.right, str(grade)
    assert set(grade.gradients) == {"W1", "b1", "W2", "b2"}


def test_a_mask_in_a_helper_is_named_there_and_mended(tmp_path: Path) -> None:
    loss = made(FORWARD, "loss", tmp_path)
    first = cr.grade(made(BACKWARD.replace("MASK", "dZ"), "backward", tmp_path), loss).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert (first.source, first.diagnosis.kind) == ("dZ[dZ <= 0] = 0", "mask")
    assert first.diagnosis.code == "dZ[Z <= 0] = 0"


@pytest.mark.parametrize("rate", ["learn_rate", "c", "epsilon"])
def test_a_rate_is_what_multiplies_the_gradient(rate: str, tmp_path: Path) -> None:
    source = f"""
    def step(x, t, w1, w2, h, o, {rate}):
        d2 = (o - t) * o * (1 - o)
        d1 = w2.T @ d2 * h * (1 - h)
        w2 = w2 - {rate} * d2 @ h.T
        w1 = w1 - {rate} * d1 @ x.T
        return {{"w1": w1, "w2": w2}}
    """
    grade = cr.grade(made(source, "step", tmp_path), made(LOSS, "loss", tmp_path))
    assert grade.right, str(grade)
    assert grade.updates == {"w1", "w2"}


def test_the_order_of_returned_gradients_is_found_by_what_they_are(tmp_path: Path) -> None:
    layer = made('def layer(z: "N d", W: "d k", b: "k"):\n    return z @ W + b, (z, W)\n', "layer", tmp_path)
    source = "def back(top, cache):\n    z, W = cache\n    return {}, top.sum(axis=0), top @ W.T\n"
    right = cr.grade(made(source.format("z.T @ top"), "back", tmp_path), layer)
    assert right.right, str(right)
    wrong = cr.grade(made(source.format("z.T @ top / len(z)"), "back", tmp_path), layer)
    assert wrong.gradients == {"z": "right", "W": "wrong", "b": "right"}


def test_what_was_taken_as_data_is_said_and_what_would_pass(tmp_path: Path) -> None:
    source = """
    def loss(img: "d 1", l: "o 1", w: "o d", reg: ""):
        return np.sum((w @ img - l) ** 2) + reg * np.sum(w * w)


    def back(img, l, w, reg):
        return {"w": 2 * (w @ img - l) @ img.T + 2 * reg * w}
    """
    loss, answer = made(source, "loss", tmp_path), made(source, "back", tmp_path)
    grade = cr.grade(answer, loss)
    assert grade.right, str(grade)
    assert "taken as data" in str(grade)
    asked = cr.grade(answer, loss, wrt=["w", "img"])
    assert asked.gradients == {"w": "right", "img": "missing"}


def test_equations_may_be_latex_and_several_in_a_line(tmp_path: Path) -> None:
    loss = made(LOSS.replace('"d 1"', '"d"').replace('"o 1"', '"o"'), "loss", tmp_path)
    text = r"""
    \delta_2 = (o - t) \odot o \odot (1 - o), \frac{\partial L}{\partial w_2} = \delta_2 h^{\top}
    \delta_1 = w_2^T \delta_2 \odot h \odot (1 - h) \\ \frac{\partial L}{\partial w_1} = \delta_1 x^T
    """
    grade = cr.grade(text, loss)
    assert grade.right, str(grade)
    assert [line.number for line in grade.lines] == [2, 2, 3, 3]
    assert not cr.grade(text.replace("h^{\\top}", "x^T"), loss).right


def test_a_cache_that_is_an_array_is_no_output(tmp_path: Path) -> None:
    source = """
    def layer(x: "N D"):
        cache = 3 * x
        out = np.maximum(0, cache)
        return out, cache


    def back(dout, cache):
        dout[cache <= 0] = 0
        return 3 * dout
    """
    grade = cr.grade(made(source, "back", tmp_path), made(source, "layer", tmp_path))
    assert grade.right, str(grade)


def test_data_are_data_where_no_name_is_that_of_a_weight(tmp_path: Path) -> None:
    source = """
    def loss(img: "d 1", hidden: "o d"):
        return np.sum((hidden @ img) ** 2)


    def back(img, hidden):
        return {"hidden": 2 * hidden @ img @ img.T}
    """
    grade = cr.grade(made(source, "back", tmp_path), made(source, "loss", tmp_path))
    assert grade.right, str(grade)
    assert grade.gradients == {"hidden": "right"}


def test_constants_of_the_forward_pass_are_found_in_a_dict_of_them(tmp_path: Path) -> None:
    source = """
    def layer(x: "4 3"):
        _, scale = x.shape
        out = scale * x
        return out


    def back(dout, cache):
        x, layer_param = cache
        return layer_param["scale"] * dout
    """
    grade = cr.grade(made(source, "back", tmp_path), made(source, "layer", tmp_path))
    assert grade.right, str(grade)


OF_ROWS = """
def loss(input_vector: "3", target_vector: "2", out: "2 3"):
    return np.sum((out @ input_vector - target_vector) ** 2) / 2


def backward(input_vector, target_vector, out):
    errors = [np.dot(row, input_vector) - t for row, t in zip(out, target_vector)]
    return [[error * x for x in input_vector] for error in errors]


def wrong(input_vector, target_vector, out):
    errors = [t - np.dot(row, input_vector) for row, t in zip(out, target_vector)]
    return [[error * x for x in input_vector] for error in errors]
"""


def test_a_matrix_may_be_a_list_of_rows(tmp_path: Path) -> None:
    loss = made(OF_ROWS, "loss", tmp_path)
    assert cr.grade(made(OF_ROWS, "backward", tmp_path), loss).gradients == {"out": "right"}
    assert cr.grade(made(OF_ROWS, "wrong", tmp_path), loss).gradients == {"out": "wrong"}


BESIDE_A_COST = """
def cost(center: "d", outside: "k d"):
    return np.sum((outside @ center) ** 2) / 2


def backward(center, outside):
    s = outside @ center
    loss, gradC, gradO = np.sum(s**2) / 2, np.zeros_like(center), np.zeros_like(outside)
    for k in range(len(outside)):
        gradC -= s[k] * outside[k]
        gradO[k] += s[k] * center
    return loss, gradC, gradO
"""


def test_a_wrong_gradient_beside_a_cost_is_wrong_and_not_missing(tmp_path: Path) -> None:
    grade = cr.grade(made(BESIDE_A_COST, "backward", tmp_path), made(BESIDE_A_COST, "cost", tmp_path))
    assert grade.gradients == {"center": "wrong", "outside": "right"}
    assert grade.first_wrong is not None
    assert grade.first_wrong.source == "gradC -= s[k] * outside[k]"


def test_classes_are_counted_by_the_largest_label(tmp_path: Path) -> None:
    forward = made(
        """
        def loss(X: "d n", y: "n:int", W: "40 d"):
            Z = W @ X
            P = np.exp(Z) / np.sum(np.exp(Z), axis=0)
            return -np.sum(np.log(P[y, np.arange(y.size)])) / y.size
        """,
        "loss",
        tmp_path,
    )
    answer = made(
        """
        def backward(P, X, y):
            onehot = np.zeros((y.size, y.max() + 1))
            onehot[np.arange(y.size), y] = 1
            return (P - onehot.T) @ X.T / y.size
        """,
        "backward",
        tmp_path,
    )
    assert cr.grade(answer, against=forward).right
