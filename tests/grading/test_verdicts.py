"""Former false verdicts, and grading when an explanation fails."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.gallery import GALLERY
from chainrule.grading import diagnosis, faults, graders, identities, mending, search
from chainrule.grading.grades import Line
from chainrule.grading.truth import Truth
from chainrule.grading.vocabulary import Vocabulary


def function(source: str, name: str = "backward") -> Callable[..., Any]:
    """A function in a file that can be read again."""
    filename = f"verdict {abs(hash(source))}.py"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"np": np, "cr": cr}
    exec(compile(source, filename, "exec"), namespace)
    found: Callable[..., Any] = namespace[name]
    return found


def graded(source: str, against: str, wrt: Any = None, **shapes: Any) -> cr.Grade:
    return cr.grade(function(source), against, wrt, **shapes)


def line(grade: cr.Grade, source: str) -> Line:
    return next(found for found in grade.lines if found.source.startswith(source))


LAYER = "sum((W @ X + b - Y)^2)"
LAYER_SHAPES: dict[str, Any] = {"W": "h d", "X": "d n", "b": "h 1", "Y": "h n"}


def layer(db: str) -> cr.Grade:
    source = (
        f"def backward(W, X, b, Y):\n    d = 2 * (W @ X + b - Y)\n    dW = d @ X.T\n    db = {db}\n    return dW, db\n"
    )
    return graded(source, LAYER, ["W", "b"], **LAYER_SHAPES)


@pytest.mark.parametrize("db", ["d.sum(1)", "np.sum(d, axis=1)", "d @ np.ones(d.shape[1])"])
def test_a_gradient_of_another_shape_than_its_parameter_is_wrong(db: str) -> None:
    grade = layer(db)
    assert grade.gradients == {"W": "right", "b": "wrong"}
    assert grade.first_wrong is not None
    assert grade.first_wrong.source == f"db = {db}"
    assert "The values are right and the shape is not: " in str(grade)
    assert "where the parameter has (h, 1); an update would be broadcast." in str(grade)
    assert "db is ∂L/∂b" not in str(grade)


def test_the_mend_of_a_shape_keeps_the_axis() -> None:
    assert "It would be right as: db = d.sum(axis=1, keepdims=True)" in str(layer("d.sum(1)"))
    assert layer("d.sum(1, keepdims=True)").right
    assert layer("d.sum(axis=1)[None]").gradients["b"] == "wrong"


@pytest.mark.parametrize(
    ("b", "db", "right"),
    [
        ("h", "d.sum(0)", True),
        ("h", "d.sum(0, keepdims=True)", False),
        ("1 h", "d.sum(0)", True),
        ("1 h", "d.sum(0, keepdims=True)", True),
    ],
)
def test_rows_and_vectors_are_told_apart(b: str, db: str, right: bool) -> None:
    source = f"def backward(X, W, b, Y):\n    d = 2 * (X @ W + b - Y)\n    return {{'b': {db}}}\n"
    assert graded(source, "sum((X @ W + b - Y)^2)", "b", X="n d", W="d h", b=b, Y="n h").right is right


def test_a_shape_that_an_update_does_not_notice_is_noted() -> None:
    source = "def backward(X, b, Y):\n    db = (2 * (X + b - Y)).sum(0)\n    return db\n"
    noted = "∂L/∂b has the shape (h,), and b has (1, h): an update by it is right"
    assert noted in str(graded(source, "sum((X + b - Y)^2)", "b", X="n h", b="1 h", Y="n h"))
    assert "has the shape" not in str(graded(source, "sum((X + b - Y)^2)", "b", X="n h", b="h", Y="n h"))


def test_a_flat_gradient_is_blamed_where_an_update_broadcasts_it() -> None:
    source = "def step(X, w, y, lr):\n    dw = (2 * X.T @ (X @ w - y)).ravel()\n    w = w - lr * dw\n    return w\n"
    grade = cr.grade(function(source, "step"), "sum((X @ w - y)^2)", "w", X="n d", w="d 1", y="n 1")
    assert [found.status for found in grade.lines] == ["wrong", "consequence"]
    assert "The values are right and the shape is not: (d,)" in str(grade)


def test_a_number_is_right_for_a_matrix_of_one_entry() -> None:
    source = "def backward(X, b, y):\n    d = 2 * (X + b - y)\n    return {'b': d.sum()}\n"
    shapes = {"X": "n 1", "b": "1 1", "y": "n 1"}
    assert graded(source, "sum((X + b - y)^2)", "b", **shapes).right
    assert graded(source.replace("d.sum()", "d.sum(keepdims=True)"), "sum((X + b - y)^2)", "b", **shapes).right


def test_an_update_that_broadcasts_is_wrong() -> None:
    source = "def step(X, W, b, Y, lr):\n    d = 2 * (W @ X + b - Y)\n    b = b - lr * d.sum(1)\n    return b\n"
    assert not cr.grade(function(source, "step"), LAYER, "b", **LAYER_SHAPES).right


COINCIDENCES = """
def backward(X, y, w):
    stride = 1
    pad = 0
    half = 0.5
    two = 2
    steps = len(RATES)
    total = np.zeros_like(w)
    ones = np.ones(len(y))
    r = X @ w - y
    for k in range(2):
        count = 1
    dw = X.T @ r * two * half
    return {"w": dw}
RATES = [1, 2, 3]
"""


def test_nothing_is_confirmed_for_being_a_number() -> None:
    grade = graded(COINCIDENCES, "0.5*sum((X@w-y)^2)", X="n d", y="n", w="d")
    assert grade.right
    confirmed = {found.name for found in grade.lines if found.status == "confirmed"}
    assert confirmed == {"r", "dw"}


def test_what_is_called_the_gradient_of_the_loss_is_one() -> None:
    source = "def backward(X, y, w):\n    dL = 1.0\n    r = X @ w - y\n    return {'w': dL * X.T @ r}\n"
    grade = graded(source, "0.5*sum((X@w-y)^2)", X="n d", y="n", w="d")
    assert line(grade, "dL").meaning == "∂L/∂L"


def test_an_activation_is_off_at_some_points_where_an_input_has_to_be_positive() -> None:
    against = "sum(relu(X @ w) + log(c))"
    wrong = "def backward(X, w, c):\n    return {'w': X.sum(0), 'c': len(X) / c}\n"
    grade = graded(wrong, against, ["w", "c"], X="n d", w="d", c="")
    assert grade.gradients["w"] == "wrong"
    truth = Truth(Vocabulary(cr.derive(against, ["w", "c"], X="n d", w="d", c="")), "n")
    assert any((point.values["X"] @ point.values["w"] < 0).any() for point in truth.points)


def test_right_lines_of_text_are_right_after_one_that_fails() -> None:
    text = "δ2 = (a2 - y) ⊙ a2 ⊙ (1 - a2)\n∂L/∂W2 = a1' * δ2\nδ1 = W2' * δ2 ⊙ a1 ⊙ (1 - a1)\n∂L/∂W1 = X' * δ1"
    grade = cr.grade(text, GALLERY["two_layer_rows"].function, wrt=["W1", "W2"])
    assert [found.status for found in grade.lines] == ["confirmed", "confirmed", "wrong", "consequence"]


def test_columns_of_targets_may_sum_to_one() -> None:
    source = "def backward(W, x, y, p):\n    return {'W': (p - y) @ x.T}\n"

    loss = function(
        "def loss(W, x, y):\n    z = W @ x\n    p = cr.softmax(z, axis=0)\n    return -np.sum(y * np.log(p))\n", "loss"
    )
    grade = cr.grade(function(source), loss, "W", W="k d", x="d n", y="k n")
    assert grade.right
    assert "sum to 1" in str(grade)


def test_single_precision_is_precise_enough() -> None:
    source = (
        "def backward(X, y, w):\n    X, w = X.astype(np.float32), w.astype(np.float32)\n"
        "    return {'w': X.T @ (X @ w - y.astype(np.float32))}\n"
    )
    assert graded(source, "0.5*sum((X@w-y)^2)", X="n d", y="n", w="d").right
    assert not graded(source.replace("X @ w -", "1.01 * X @ w -"), "0.5*sum((X@w-y)^2)", X="n d", y="n", w="d").right


def test_a_gradient_under_the_name_of_a_parameter_that_is_assigned_is_no_update() -> None:
    source = "def backward(X, y, w):\n    w = w + 0.0 * w + 1.0\n    return {'w': X.T @ (X @ (w - 1.0) - y)}\n"
    assert graded(source, "0.5*sum((X@w-y)^2)", X="n d", y="n", w="d").right


def test_a_number_that_is_an_input_can_be_an_attribute() -> None:
    source = (
        "class Net:\n    def __init__(self):\n        self.w = np.ones(3)\n        self.lam = 0.1\n"
        "    def backward(self, X, y):\n        return {'w': X.T @ (X @ self.w - y) + self.lam * self.w}\n"
    )
    net = function(source, "Net")()
    assert cr.grade(net.backward, "0.5*sum((X@w-y)^2) + lam/2*sum(w^2)", "w", X="n d", y="n", w="d", lam="").right


def test_a_layer_may_keep_gradients_in_attributes() -> None:
    source = (
        "class Layer:\n    def __init__(self):\n        self.W = np.ones((3, 2))\n"
        "    def backward(self, dout, X):\n        self.dW = X.T @ dout\n        return dout @ self.W.T\n"
    )
    layer = function(source, "Layer")()
    grade = cr.grade(layer.backward, "X @ W", ["X", "W"], X="n d", W="d h")
    assert grade.gradients == {"X": "right", "W": "right"}
    wrong = function(source.replace("X.T @ dout", "2 * X.T @ dout"), "Layer")()
    assert cr.grade(wrong.backward, "X @ W", ["X", "W"], X="n d", W="d h").gradients["W"] == "wrong"


def test_a_factor_that_is_another_number_at_each_point_is_none() -> None:
    source = "def backward(x, w):\n    dw = 3 * x * w * w\n    return {'w': dw}\n"
    text = str(graded(source, "x*w^2", "w", x="", w=""))
    assert "times what it should be" not in text or "1.5" in text


def test_where_nothing_explains_no_line_is_blamed() -> None:
    source = (
        "def backward(X, y, w):\n    total = np.zeros_like(w)\n    for i in range(len(y)):\n"
        "        total += np.cos(X[i]) * i\n    return {'w': total}\n"
    )
    grade = graded(source, "0.5*sum((X@w-y)^2)", X="n d", y="n", w="d")
    assert not grade.right
    assert grade.first_wrong is None
    assert "No single change of a line explains this." in str(grade)


LISTS = """
def backward(x, y, w1, w2, b1, b2):
    weights, biases = [w1, w2], [b1, b2]
    activations, zs = [x], []
    for w, b in zip(weights, biases):
        zs.append(w @ activations[-1] + b)
        activations.append(1 / (1 + np.exp(-zs[-1])))
    nabla_b = [np.zeros(b.shape) for b in biases]
    nabla_w = [np.zeros(w.shape) for w in weights]
    delta = (activations[-1] - y) * activations[-1] * (1 - activations[-1])
    nabla_b[-1], nabla_w[-1] = delta, delta @ activations[-2].T
    delta = weights[-1].T @ delta * zs[0]
    nabla_b[0], nabla_w[0] = delta, delta @ x.T
    return {"w1": nabla_w[0], "w2": nabla_w[1], "b1": nabla_b[0], "b2": nabla_b[1]}
"""
LISTS_SHAPES: dict[str, Any] = {"w1": "h d", "w2": "o h", "b1": "h 1", "b2": "o 1", "x": "d 1", "y": "o 1"}


def test_lists_of_arrays_of_several_shapes_are_no_trouble() -> None:
    against = "0.5*sum((sigmoid(w2 @ sigmoid(w1 @ x + b1) + b2) - y)^2)"
    grade = graded(LISTS, against, ["w1", "w2", "b1", "b2"], **LISTS_SHAPES)
    assert grade.gradients == {"w1": "wrong", "w2": "right", "b1": "wrong", "b2": "right"}
    assert grade.first_wrong is None or grade.first_wrong.source.startswith("delta = weights[-1].T")


# Explaining that fails

STAGES = [
    (mending.Mender, "begin"),
    (search.Search, "mistakes"),
    (search.Search, "_first"),
    (mending.Mender, "mends"),
    (mending.Mender, "_replacements"),
    (search.Search, "_chosen"),
    (mending.Mender, "holds"),
    (identities.Identities, "of"),
    (mending.Mender, "attempt"),
    (diagnosis.Diagnostician, "of"),
    (diagnosis.Diagnostician, "_kind"),
    (diagnosis.Diagnostician, "misfit"),
    (graders.Grader, "_right_for_one_sample"),
    (graders.Grader, "_unexplained"),
    (graders.Grader, "_meaning"),
    (graders.Grader, "_remarks"),
    (graders, "same_values"),
]
WRONG = "def backward(X, y, w):\n    r = X @ w - y\n    dw = X @ r\n    return {'w': dw}\n"


@pytest.mark.parametrize(("owner", "stage"), STAGES, ids=[stage for _, stage in STAGES])
@pytest.mark.parametrize("failure", [ValueError, RecursionError, cr.GradeError])
def test_a_verdict_stands_whatever_fails_in_explaining_it(
    owner: Any, stage: str, failure: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def fails(*arguments: Any, **options: Any) -> Any:
        calls.append(stage)
        raise failure("injected")

    shapes = {"X": "n d", "y": "n", "w": "d"}
    monkeypatch.setattr(owner, stage, fails)
    grade = graded(WRONG, "0.5*sum((X@w-y)^2)", **shapes)
    assert not grade.right
    assert grade.gradients == {"w": "wrong"}
    assert not any("∂L/∂w" in found.meaning for found in grade.lines)
    assert str(grade)
    assert grade.to_dict()["right"] is False
    assert calls or stage == "_unexplained"
    right = graded(WRONG.replace("X @ r", "X.T @ r"), "0.5*sum((X@w-y)^2)", **shapes)
    assert right.right


def test_nothing_fails_where_nothing_is_made_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def unspared(stage: Callable[..., Any], otherwise: Any, *arguments: Any) -> Any:
        return stage(*arguments)

    for module in (faults, search, graders):
        monkeypatch.setattr(module, "spared", unspared)
    assert graded(WRONG, "0.5*sum((X@w-y)^2)", X="n d", y="n", w="d").first_wrong is not None


def test_a_mend_is_printed_only_if_it_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = {"X": "n d", "y": "n", "w": "d"}
    assert "It would be right as: dw = X.T @ r" in str(graded(WRONG, "0.5*sum((X@w-y)^2)", **shapes))
    monkeypatch.setattr(diagnosis, "code_of", lambda mend, numbers: "dw = X.T @ r * 3")
    assert "It would be right as" not in str(graded(WRONG, "0.5*sum((X@w-y)^2)", **shapes))
    monkeypatch.setattr(diagnosis, "code_of", lambda mend, numbers: "dw = nowhere")
    assert "It would be right as" not in str(graded(WRONG, "0.5*sum((X@w-y)^2)", **shapes))
