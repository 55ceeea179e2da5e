"""Mistakes of published backward passes: their lines and their causes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.published import LOSS, made

import chainrule as cr


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


@pytest.mark.parametrize("line", ["w2 @ d2 * h * (1 - h)", "-(w2.T @ d2) * h * (1 - h)", "2 * w2 @ d2 * h"])
def test_two_mistakes_of_a_line_are_told_in_names_that_a_learner_has(line: str, tmp_path: Path) -> None:
    source = f"""
    def step(x, t, w1, w2, h, o, lr):
        d2 = (o - t) * o * (1 - o)
        w2 -= lr * d2 @ h.T
        d1 = {line}
        w1 -= lr * d1 @ x.T
    """
    grade = cr.grade(made(source, "step", tmp_path), made(LOSS, "loss", tmp_path))
    assert grade.first_wrong is not None
    assert grade.first_wrong.name == "d1"
    assert "__" not in f"{grade.text('en')} {grade.text('zh')} {grade.first_wrong.diagnosis}"


@pytest.mark.parametrize(("name", "kinds"), [("delta", ["direction", "direction"]), ("dz", ["sign"])])
def test_updates_by_an_error_y_minus_a_should_add_it(name: str, kinds: list[str], tmp_path: Path) -> None:
    source = f"""
    def step(x, t, w1, w2, h, o, lr):
        {name}2 = (t - o) * o * (1 - o)
        {name}1 = w2.T @ {name}2 * h * (1 - h)
        w2 -= lr * {name}2 @ h.T
        w1 -= lr * {name}1 @ x.T
    """
    lines = cr.grade(made(source, "step", tmp_path), made(LOSS, "loss", tmp_path)).lines
    assert [line.diagnosis.kind for line in lines if line.diagnosis is not None] == kinds


def test_a_cause_below_a_line_that_another_value_corrects_is_named(tmp_path: Path) -> None:
    source = """
    def step(x, t, w1, w2, h, o, lr):
        d2 = o - t
        w2 -= lr * d2 @ h.T
        d1 = w2.T @ d2 * h * (1 - h)
        w1 -= lr * d1 @ x.T
    """
    scaled = LOSS.replace("0.5 *", "0.75 *")
    assert scaled != LOSS
    lines = cr.grade(made(source, "step", tmp_path), made(scaled, "loss", tmp_path)).lines
    wrong = {line.name: line.diagnosis.kind for line in lines if line.diagnosis is not None}
    assert wrong == {"d2": "missing derivative", "d1": "updated"}


def test_every_inner_product_in_place_of_an_outer_one_is_marked(tmp_path: Path) -> None:
    source = """
    def backward(x, t, w1, w2, h, o):
        error = np.tanh(o - t)
        dw2 = np.dot(error, o)
        error = np.dot(w2.T, error) * h
        dw1 = np.dot(error, h)
        return dw1, dw2
    """
    vectors = LOSS.replace("d 1", "d").replace("o 1", "o")
    lines = cr.grade(made(source, "backward", tmp_path), made(vectors, "loss", tmp_path)).lines
    wrong = {line.name: line.diagnosis.kind for line in lines if line.diagnosis is not None}
    assert wrong == {"dw2": "outer", "dw1": "outer"}


@pytest.mark.parametrize(("name", "line"), [("dz", "dz ="), ("delta", "grad =")])
def test_a_mean_that_is_forgotten_beside_a_penalty_is_missing_there(name: str, line: str, tmp_path: Path) -> None:
    loss = """
    def loss(x: "6 2", y: "6", w: "2"):
        count = x.shape[0]
        z = x @ w
        return np.sum((z - y) ** 2) / (2 * count) + 0.5 * np.sum(w * w)
    """
    source = f"""
    def backward(x, y, w):
        {name} = x @ w - y
        grad = x.T @ {name} + w
        return grad
    """
    first = cr.grade(made(source, "backward", tmp_path), made(loss, "loss", tmp_path)).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.source.startswith(line)
    if name == "dz":
        assert first.diagnosis.values["factor"] == "count"
        assert first.diagnosis.formula == "(1/count) (z − y)"


def test_means_that_are_forgotten_beside_penalties_of_several_layers_are_missing_in_each(tmp_path: Path) -> None:
    loss = """
    def loss(x: "n 2", y: "n 1", W1: "2 3", W2: "3 1"):
        h = np.tanh(x @ W1)
        e = h @ W2 - y
        return np.sum(e**2) / (2 * x.shape[0]) + 0.05 * (np.sum(W1**2) + np.sum(W2**2))
    """
    source = """
    def backward(x, y, W1, W2, h):
        delta2 = h @ W2 - y
        dW2 = h.T @ delta2 + 0.1 * W2
        delta1 = delta2 @ W2.T * (1 - h**2)
        dW1 = x.T @ delta1 + 0.1 * W1
        return dW1, dW2
    """
    lines = cr.grade(made(source, "backward", tmp_path), made(loss, "loss", tmp_path)).lines
    wrong = {line.name: line.diagnosis.kind for line in lines if line.diagnosis is not None}
    assert wrong.keys() == {"dW2", "dW1"}


def test_a_helper_that_is_called_with_a_wrong_value_is_not_said_to_be_wrong(tmp_path: Path) -> None:
    source = """
    def prime(z):
        return sigmoid(z) * (1 - sigmoid(z))


    def backward(x, t, w1, w2, h, o):
        d2 = (o - t) * prime(w2 @ h)
        d1 = w2.T @ d2 * prime(h)
        return d1 @ x.T, d2 @ h.T
    """
    grade = cr.grade(made(source, "backward", tmp_path), made(LOSS, "loss", tmp_path))
    assert grade.first_wrong is not None
    assert grade.first_wrong.source.startswith("d1 =")
    assert not [line for line in grade.lines if line.source.startswith("return sigmoid")]


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
