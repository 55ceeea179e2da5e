"""Backward passes in the forms in which they are published: signatures, classes, helpers, loops, updates."""

from __future__ import annotations

import linecache
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr

HEAD = "import numpy as np\n\n\ndef sigmoid(x):\n    return 1 / (1 + np.exp(-x))\n\n\n"


def made(source: str, name: str, folder: Path) -> Callable[..., Any]:
    """Return a function of a file, whose source can be read."""
    path = folder / f"{name.replace('.', '_')}.py"
    text = HEAD + textwrap.dedent(source)
    path.write_text(text, encoding="utf-8")
    linecache.cache[str(path)] = (len(text), None, text.splitlines(keepends=True), str(path))
    namespace: dict[str, Any] = {"__name__": "published"}
    exec(compile(text, str(path), "exec"), namespace)
    found: Callable[..., Any] = namespace[name]
    return found


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


LOSS = """
def loss(x: "d 1", t: "o 1", w1: "h d", w2: "o h"):
    h = sigmoid(w1 @ x)
    o = sigmoid(w2 @ h)
    return 0.5 * np.sum((o - t) ** 2)
"""


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


def test_a_parameter_that_is_updated_before_it_is_used_is_named(tmp_path: Path) -> None:
    source = """
    def step(x, t, w1, w2, h, o, lr):
        d2 = (o - t) * o * (1 - o)
        w2 -= lr * d2 @ h.T
        d1 = w2.T @ d2 * h * (1 - h)
        w1 -= lr * d1 @ x.T
    """
    first = cr.grade(made(source, "step", tmp_path), made(LOSS, "loss", tmp_path)).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.source.startswith("d1 =")
    assert first.diagnosis.kind == "updated"
    assert first.diagnosis.values["update"] == str(first.number - 1)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("1 / (1 + np.exp(-z))", "1 / 1 + np.exp(-z)", "brackets"),
        ("d1 = w2.T @ d2 * slope(w1 @ x)", "d1 = np.maximum(0, w2.T @ d2)", "applied"),
        ("(1 + np.exp(-z)) ** 2", "(1 + np.exp(-z)) ** 3", "power"),
    ],
)
def test_causes_are_named(before: str, after: str, kind: str, tmp_path: Path) -> None:
    answer = """
    def prime(z):
        s = 1 / (1 + np.exp(-z))
        return s - s * s


    def slope(z):
        return np.exp(-z) / (1 + np.exp(-z)) ** 2


    def backward(x, t, w1, w2, h, o):
        d2 = (o - t) * prime(w2 @ h)
        d1 = w2.T @ d2 * slope(w1 @ x)
        return d1 @ x.T, d2 @ h.T
    """
    reference = LOSS if kind != "applied" else LOSS.replace("h = sigmoid(w1 @ x)", "h = np.maximum(0, w1 @ x)")
    if kind == "applied":
        answer = answer.replace(before, "d1 = w2.T @ d2 * (h > 0)")
        before = "d1 = w2.T @ d2 * (h > 0)"
    loss = made(reference, "loss", tmp_path)
    assert cr.grade(made(answer, "backward", tmp_path), loss).right
    first = cr.grade(made(answer.replace(before, after), "backward", tmp_path), loss).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert (after in first.source, first.diagnosis.kind) == (True, kind)


def test_the_order_of_returned_gradients_is_found_by_what_they_are(tmp_path: Path) -> None:
    layer = made('def layer(z: "N d", W: "d k", b: "k"):\n    return z @ W + b, (z, W)\n', "layer", tmp_path)
    source = "def back(top, cache):\n    z, W = cache\n    return {}, top.sum(axis=0), top @ W.T\n"
    right = cr.grade(made(source.format("z.T @ top"), "back", tmp_path), layer)
    assert right.right, str(right)
    wrong = cr.grade(made(source.format("z.T @ top / len(z)"), "back", tmp_path), layer)
    assert wrong.gradients == {"z": "right", "W": "wrong", "b": "right"}


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


def test_hints_and_steps_say_less(tmp_path: Path) -> None:
    loss = made(LOSS, "loss", tmp_path)
    unfinished = made(
        "def back(t, o, h):\n    do = o - t\n    d2 = do * o * (1 - o)\n    dw2 = d2 @ h.T\n", "back", tmp_path
    )
    steps = cr.grade(unfinished, loss, unfinished=True)
    assert steps.gradients == {"w1": "missing", "w2": "right"}
    assert steps.progress() == "Right so far: ∂L/∂o, ∂L/∂w2.\nNext: ∂L/∂h."
    wrong = made("def back(t, o, h):\n    do = t - o\n    dw2 = do @ h.T\n    return {'w2': dw2}\n", "back", tmp_path)
    hint = cr.grade(wrong, loss, wrt="w2").hint()
    assert hint.startswith("Line ")
    assert "∂" not in hint


def test_a_folder_is_graded_into_one_table(tmp_path: Path) -> None:
    loss = made('def loss(X: "n d", y: "n", w: "d"):\n    return np.sum((X @ w - y) ** 2)\n', "loss", tmp_path)
    folder = tmp_path / "answers"
    folder.mkdir()
    for name, value in {"b": "X.T @ (X @ w - y)", "a": "2 * X.T @ (X @ w - y)", "c": "2 * X.T * (X @ w - y)"}.items():
        (folder / f"{name}.py").write_text(f"def back(X, y, w):\n    dw = {value}\n    return {{'w': dw}}\n")
    (folder / "d.py").write_text("def back(X):\n")
    (folder / "e.txt").write_text("dw = X' * (X * w - y)\n")
    found = cr.grade_folder(str(folder), loss)
    assert [(each.name, each.verdict("en")) for each in found.submissions] == [
        ("a", "right"),
        ("b", "wrong"),
        ("c", "wrong"),
        ("d", "no verdict"),
        ("e", "wrong"),
    ]
    assert found.mistakes("en")[0] == ("factor (∂L/∂w)", ["b", "e"])
    assert found.csv("en").splitlines()[2].startswith("b,wrong,,w,,2,")
    assert "<td>1 of 5" not in found.html("en")
    assert "1 of 5 answers are right" in found.html("en")
    assert found.text("en") == cr.grade_folder(str(folder), loss).text("en")


def test_an_answer_that_is_no_file_of_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(cr.GradeError, match="has no answers"):
        cr.grade_folder(str(tmp_path), "sum(x^2)", x="n")


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


def test_repeated_indices_are_a_cause(tmp_path: Path) -> None:
    table = made('def table(x: "2 6:int", W: "5 4"):\n    return W[x]\n', "table", tmp_path)
    source = "def back(dout, x, W):\n    dW = np.zeros_like(W)\n    {}\n    return dW\n"
    right = cr.grade(made(source.format("np.add.at(dW, x, dout)"), "back", tmp_path), table)
    assert right.right, str(right)
    first = cr.grade(made(source.format("dW[x] += dout"), "back", tmp_path), table).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.diagnosis.kind == "repeated"
    assert first.diagnosis.code == "np.add.at(dW, x, dout)"


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


def test_what_is_left_out_after_a_changed_part_is_a_factor_there(tmp_path: Path) -> None:
    source = """
    def loss(X: "6 3", y: "6:int", W: "3 4", b: "4"):
        scores = X @ W + b
        p = np.exp(scores) / np.sum(np.exp(scores), axis=1, keepdims=True)
        count = X.shape[0]
        return -np.sum(np.log(p[np.arange(count), y])) / count + 0.5 * np.sum(W * W)


    def back(X, y, W, b, p):
        num = X.shape[0]
        dscores = p.copy()
        dscores[np.arange(num), y] -= 1
        dW = X.T @ dscores + W
        db = dscores.sum(axis=0)
        return dW, db
    """
    first = cr.grade(made(source, "back", tmp_path), made(source, "loss", tmp_path)).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert (first.diagnosis.kind, first.source) == ("factor", "dscores[np.arange(num), y] -= 1")
    assert first.diagnosis.values["factor"] == "count"


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


def test_a_sum_to_which_nothing_is_added_is_the_mistake(tmp_path: Path) -> None:
    source = """
    def loss(X: "3 2", w: "2", b: ""):
        total = 0
        h = 0 * b
        for t in range(3):
            h = np.tanh(X[t] @ w + b + h)
            total = total + h
        return total


    def back(X, w, b):
        hs = [0.0]
        for t in range(3):
            hs.append(np.tanh(X[t] @ w + b + hs[t]))
        dw, db, dh = np.zeros_like(w), 0.0, 0.0
        for t in reversed(range(3)):
            dz = (1 + dh) * (1 - hs[t + 1] ** 2)
            dw += X[t] * dz
            db += db
            dh = dz
        return dw, db
    """
    first = cr.grade(made(source, "back", tmp_path), made(source, "loss", tmp_path), wrt=["w", "b"]).first_wrong
    assert first is not None
    assert first.source == "db += db"


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
