"""Whether a helper is to blame or the call of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.published import made

import chainrule as cr

_TWO = """
def loss(X: "n d", y: "n k", W1: "d h", b1: "h", W2: "h h", b2: "h", W3: "h k"):
    z1 = X @ W1 + b1
    a1 = ACTIVATION(z1)
    z2 = a1 @ W2 + b2
    a2 = ACTIVATION(z2)
    z3 = a2 @ W3
    return np.sum((z3 - y) ** 2)
"""
_ONE = """
def loss(X: "n d", y: "n k", W1: "d h", b1: "h", W2: "h k"):
    z1 = X @ W1 + b1
    a1 = ACTIVATION(z1)
    z2 = a1 @ W2
    return np.sum((z2 - y) ** 2)
"""
_TWICE = """
def slope(z):
    return BODY


def backward(X, y, z1, a1, z2, a2, z3, W2, W3):
    d3 = 2 * (z3 - y)
    d2 = (d3 @ W3.T) * slope(SECOND)
    d1 = (d2 @ W2.T) * slope(FIRST)
    return {"W1": X.T @ d1, "b1": d1.sum(0), "W2": a1.T @ d2, "b2": d2.sum(0), "W3": a2.T @ d3}
"""
_ONCE = """
def relu_backward(dA, cache):
    return BODY


def backward(X, y, z1, a1, z2, W2):
    d2 = 2 * (z2 - y)
    d1 = relu_backward(d2 @ W2.T, FIRST)
    return {"W1": X.T @ d1, "b1": d1.sum(0), "W2": a1.T @ d2}
"""
_RELU, _TANH = "np.maximum(0, {})", "np.tanh({})"


def _grade(tmp_path: Path, answer: str, activation: str, *parts: str) -> cr.Grade:
    loss = (_TWO if answer is _TWICE else _ONE).replace("ACTIVATION(z1)", activation.format("z1"))
    for name, text in zip(("BODY", "FIRST", "SECOND"), parts, strict=False):
        answer = answer.replace(name, text)
    return cr.grade(
        made(answer, "backward", tmp_path),
        made(loss.replace("ACTIVATION(z2)", activation.format("z2")), "loss", tmp_path),
    )


@pytest.mark.parametrize(
    ("answer", "activation", "parts", "source", "code"),
    [
        (_TWICE, _RELU, ("z > 0", "z2", "z2"), "d1 =", "d1 = d2 @ W2.T * slope(z1)"),
        (_TWICE, _TANH, ("1 - z**2", "z1", "z2"), "return 1", "return 1 - np.tanh(z) ** 2"),
        (_TWICE, _TANH, ("np.tanh(z)", "z1", "z2"), "return np", "return 1 - np.tanh(z) ** 2"),
        (_ONCE, _RELU, ("dA * cache", "z1"), "return dA", "return dA * (cache > 0)"),
        (_ONCE, _RELU, ("dA * cache", "a1"), "return dA", "return dA * (cache > 0)"),
        (_ONCE, _TANH, ("dA * (1 - cache)", "a1"), "return dA", "return dA * (1 - cache ** 2)"),
        (_ONCE, _TANH, ("dA * (1 - np.tanh(cache) ** 2)", "a1"), "d1 =", "d1 = relu_backward(d2 @ W2.T, z1)"),
    ],
)
def test_a_mistake_is_named_where_it_is(
    answer: str, activation: str, parts: tuple[str, ...], source: str, code: str, tmp_path: Path
) -> None:
    first = _grade(tmp_path, answer, activation, *parts).first_wrong
    assert first is not None
    assert first.source.startswith(source)
    assert first.diagnosis is not None
    assert first.diagnosis.code == code


def test_a_helper_and_an_argument_that_do_not_fit_are_both_named(tmp_path: Path) -> None:
    first = _grade(tmp_path, _ONCE, _TANH, "dA * (1 - cache ** 2)", "z1").first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.diagnosis.code == "return dA * (1 - np.tanh(cache) ** 2)"
    assert first.diagnosis.values["other"] == "d1 = relu_backward(d2 @ W2.T, a1)"


_LAYERS = """
def affine_backward(dout, x, w):
    dx = dout @ w.T
    dw = x.T @ dout
    return dx, dw


def gradients(X, y, params):
    h = np.maximum(0, X @ params["W1"] + params["b1"])
    s = h @ params["W2"]
    dh, dW2 = affine_backward(ERROR, h, params["W2"])MASK
    _, dW1 = affine_backward(dh, X, params["W1"])
    return {"W1": dW1, "W2": dW2}


def backward(X, y, W1, b1, W2):
    return gradients(X, y, {"W1": W1, "b1": b1, "W2": W2})
"""


@pytest.mark.parametrize(
    ("error", "mask", "source"),
    [
        ("s - y", "\n    dh[h <= 0] = 0", "dh, dW2 = affine_backward(s - y"),
        ("2 * (s - y)", "", "_, dW1 = affine_backward(dh"),
    ],
)
def test_a_helper_of_several_layers_is_not_to_blame_for_what_one_of_them_is_given(
    error: str, mask: str, source: str, tmp_path: Path
) -> None:
    answer = _LAYERS.replace("ERROR", error).replace("MASK", mask)
    loss = _ONE.replace("ACTIVATION(z1)", _RELU.format("z1"))
    grade = cr.grade(made(answer, "backward", tmp_path), made(loss, "loss", tmp_path), wrt=["W1", "W2"])
    wrong = [line for line in grade.lines if line.status == "wrong"]
    assert [line.source.startswith(source) for line in wrong] == [True]
