"""Answers of courses in further shapes: dropout masks, several axes, sums of parts, lines that fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.published import made

import chainrule as cr
from chainrule.grading import Grade

ATTENTION = """
def loss(x: "2 3 6", wq: "6 6", wk: "6 6", dout: "2 3 6"):
    n, t, c = x.shape
    q = (x @ wq).reshape(n, t, 2, 3).transpose(0, 2, 1, 3)
    k = (x @ wk).reshape(n, t, 2, 3).transpose(0, 2, 1, 3)
    scores = q @ k.transpose(0, 1, 3, 2)
    e = np.exp(scores)
    att = e / e.sum(axis=-1, keepdims=True)
    y = (att @ k).transpose(0, 2, 1, 3).reshape(n, t, c)
    return np.sum(y * dout)
"""
ATTENTION_BACKWARD = """
def back(dout, x, wq, wk, q, k, att):
    n, t, c = x.shape
    dy = dout.reshape(n, t, 2, 3).transpose(0, 2, 1, 3)
    datt = dy @ k.transpose(0, 1, 3, 2)
    dk = att.transpose(0, 1, 3, 2) @ dy
    dscores = att * (datt - np.sum(datt * att, axis=-1, keepdims=True))
    dq = dscores @ k
    dk = dk + dscores.transpose(0, 1, 3, 2) @ q
    dq = dq.transpose(0, 2, 1, 3).reshape(n, t, c)
    dk = dk.transpose(0, 2, 1, 3).reshape(n, t, c)
    return np.einsum("ntc,ntd->cd", x, dq), np.einsum("ntc,ntd->cd", x, dk)
"""
DROPOUT = """
def loss(X: "n m", Y: "k m", W1: "h n", W2: "k h", D1: "h m"):
    keep_prob = 0.8
    Z1 = W1 @ X
    A1 = np.maximum(0, Z1) * D1 / keep_prob
    return 0.5 * np.sum((W2 @ A1 - Y) ** 2)
"""
DROPOUT_BACKWARD = """
def back(X, Y, W1, W2, D1, A1):
    keep_prob = 0.8
    dZ2 = W2 @ A1 - Y
    dW2 = dZ2 @ A1.T
    dA1 = W2.T @ dZ2 * D1 / keep_prob
    dZ1 = np.multiply(dA1, np.int64(A1 > 0))
    dW1 = dZ1 @ X.T
    grads = {"dW1": dW1, "dW2": dW2, "dZ1": dZ1}
    return grads
"""
NORM = """
def loss(x: "n d", gamma: "d", dout: "n d"):
    mean = x.mean(axis=0)
    var = x.var(axis=0)
    std = np.sqrt(var + 1e-5)
    xhat = (x - mean) / std
    return np.sum(gamma * xhat * dout)
"""
NORM_BACKWARD = """
def back(dout, x, mean, std, xhat, gamma):
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    dstd = -np.sum(dxhat * (x - mean), axis=0) / std ** 2
    dx1 = dxhat / std + (x - mean) * dstd / std / len(x)
    dmean = -np.sum(dx1, axis=0)
    dx2 = dmean / len(x)
    dx = dx1 + dx2
    return dx, dgamma
"""
LOOPS = """
def loss(X: "m d", y: "m", w: "d"):
    a = 1 / (1 + np.exp(-(X @ w)))
    return -np.sum(y * np.log(a) + (1 - y) * np.log(1 - a))
"""
LOOPS_BACKWARD = """
def back(X, y, w):
    m, n = X.shape
    dw = np.zeros(n)
    for i in range(m):
        z = np.dot(X[i], w)
        a = 1 / (1 + np.exp(-z))
        err = a - y[i]
        for j in range(n):
            dw[j] += err * X[i, j]
    return dw
"""


def graded(answer: str, loss: str, wrt: str, folder: Path) -> Grade:
    return cr.grade(made(answer, "back", folder), made(loss, "loss", folder), wrt=wrt.split(","))


def test_every_line_of_right_answers_is_confirmed_though_names_are_used_twice(tmp_path: Path) -> None:
    grade = graded(ATTENTION_BACKWARD, ATTENTION, "wq,wk", tmp_path)
    assert grade.right
    meanings = [line.meaning for line in grade.lines if line.name in ("dq", "dk", "dscores")]
    assert len(meanings) == 6
    assert all(meanings)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("dq.transpose(0, 2, 1, 3)", "dq.transpose(0, 1, 2, 3)", "transposed"),
        ("dq.transpose(0, 2, 1, 3).reshape", "dq.reshape", "transposed"),
        ("axis=-1", "axis=1", "axis"),
        ("att.transpose(0, 1, 3, 2) @ dy", "att @ dy", "transposed"),
    ],
)
def test_the_order_of_axes_and_the_fourth_axis_are_mended(before: str, after: str, kind: str, tmp_path: Path) -> None:
    first = graded(ATTENTION_BACKWARD.replace(before, after), ATTENTION, "wq,wk", tmp_path).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert after in first.source
    assert first.diagnosis.kind == kind
    assert first.diagnosis.code


def test_masks_of_dropout_are_zeros_and_ones(tmp_path: Path) -> None:
    grade = graded(DROPOUT_BACKWARD, DROPOUT, "W1,W2", tmp_path)
    assert grade.right
    assert "D1 is 0 or 1" in str(grade)
    assert not graded(DROPOUT_BACKWARD.replace("A1 > 0", "A1 < 0"), DROPOUT, "W1,W2", tmp_path).right


def test_a_line_that_fails_before_the_dict_of_gradients_is_named(tmp_path: Path) -> None:
    grade = graded(DROPOUT_BACKWARD.replace("W2.T @ dZ2", "W2 @ dZ2"), DROPOUT, "W1,W2", tmp_path)
    assert grade.first_wrong is not None
    assert grade.first_wrong.name == "dA1"
    assert grade.gradients == {"W1": "wrong", "W2": "right"}


@pytest.mark.parametrize(
    ("before", "after", "name"), [("dx1 + dx2", "dx1 - dx2", "dx"), ("dmean / len(x)", "dmean", "dx")]
)
def test_parts_of_a_gradient_are_right_where_their_sum_is_not(
    before: str, after: str, name: str, tmp_path: Path
) -> None:
    grade = graded(NORM_BACKWARD.replace(before, after), NORM, "x,gamma", tmp_path)
    assert grade.first_wrong is not None
    assert grade.first_wrong.name == name
    assert next(line for line in grade.lines if line.name == "dx1").status == "confirmed"


@pytest.mark.parametrize(
    ("before", "after", "belongs"), [("* X[i, j]", "* w[j]", "X[i, j]"), ("a - y[i]", "z - y[i]", "a")]
)
def test_the_operand_of_a_loop_is_named(before: str, after: str, belongs: str, tmp_path: Path) -> None:
    first = graded(LOOPS_BACKWARD.replace(before, after), LOOPS, "w", tmp_path).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert after in first.source
    assert first.diagnosis.values["after"] == belongs
