"""Each remark and reason for programs where it holds, and similar ones where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

Case = tuple[Callable[..., Any], dict[str, Any]]


def lines(case: Case) -> str:
    function, shapes = case
    return " ".join(cr.derive(function, **shapes).text(width=400).split())


def kalman(P: Any, H: Any) -> Any:
    S = H @ P @ H.T
    return P @ H.T @ np.linalg.inv(S)


def recurrent(W: Any, x: Any, h: Any) -> Any:
    h1 = np.tanh(W @ h + x)
    h2 = np.tanh(W @ h1 + x)
    h3 = np.tanh(W @ h2 + x)
    return np.sum(h3)


def tied(W: Any, x: Any) -> Any:
    h = np.tanh(W @ x)
    y = np.tanh(W.T @ h)
    return np.sum(y**2)


def cross_entropy_by_hand(z: Any, y: Any) -> Any:
    P = cr.softmax(z)
    return -np.sum(y * np.log(P))


def square_of_softmax(z: Any, y: Any) -> Any:
    P = cr.softmax(z)
    return -np.sum(y / P)


def binary(x: Any, w: Any, y: Any) -> Any:
    z = x @ w
    a = cr.sigmoid(z)
    return -np.sum(y * np.log(a) + (1 - y) * np.log(1 - a))


def one_sided(x: Any, w: Any, y: Any) -> Any:
    z = x @ w
    a = cr.sigmoid(z)
    return -np.sum(y * np.log(a))


def attention_scaled(how: str) -> Callable[..., Any]:
    def attention(Q: Any, K: Any, V: Any) -> Any:
        d = Q.shape[1]
        S = {
            "divided": lambda: Q @ K.T / np.sqrt(d),
            "multiplied": lambda: Q @ K.T * np.sqrt(d),
            "by another": lambda: Q @ K.T / np.sqrt(V.shape[1]),
            "twice": lambda: Q @ K.T / (2 * np.sqrt(d)),
            "itself": lambda: Q @ Q.T / np.sqrt(d),
        }[how]()
        P = cr.softmax(S)
        return np.sum((P @ V) ** 2)

    return attention


def largest(x: Any, y: Any) -> Any:
    m = np.max(x) * np.tanh(y)
    return m**2


QKV = {"wrt": ["Q", "K"], "Q": "n d", "K": "n d", "V": "n h"}
ROWS = {"wrt": ["w"], "x": "n d", "w": "d", "y": "n"}
TRUE: dict[str, tuple[str, Case]] = {
    "recurrence": ("with the number of steps", (recurrent, {"wrt": "W", "W": "h h", "x": "h", "h": "h"})),
    "logarithm and softmax": ("The logarithm divides", (cross_entropy_by_hand, {"wrt": "z", "z": "n c", "y": "n c"})),
    "both divisions": ("The loss divides by", (binary, ROWS)),
    "root of the size": ("If the entries of both factors", (attention_scaled("divided"), QKV)),
    "flip": ("reversing an axis transposes", (lambda x: np.sum(np.sin(x)[::-1] * np.exp(x)), {"x": "n"})),
    "part": ("taking a part transposes", (lambda x: np.sum(np.sin(x)[1:] ** 2), {"x": "n"})),
    "maximum": ("a maximum moves", (lambda x: np.max(x) ** 2, {"x": "n"})),
    "forward sums": ("from its own place on", (lambda x: np.sum(np.exp(np.cumsum(x))), {"x": "n"})),
}
FALSE: dict[str, tuple[str, Case]] = {
    "nothing recurs": ("number of steps", (kalman, {"P": "n n", "H": "m n"})),
    "tied and transposed": ("number of steps", (tied, {"wrt": "W", "W": "n n", "x": "n"})),
    "used side by side": (
        "number of steps",
        (lambda W, x: np.sum(np.tanh(W @ x) * np.sin(W @ x)), {"wrt": "W", "W": "n n", "x": "n"}),
    ),
    "no logarithm": ("The logarithm divides", (square_of_softmax, {"wrt": "z", "z": "n c", "y": "n c"})),
    "one division": ("The loss divides by", (one_sided, ROWS)),
    "times the root": ("If the entries of both factors", (attention_scaled("multiplied"), QKV)),
    "root of another size": ("If the entries of both factors", (attention_scaled("by another"), QKV)),
    "twice the root": ("If the entries of both factors", (attention_scaled("twice"), QKV)),
    "a factor with itself": (
        "If the entries of both factors",
        (attention_scaled("itself"), {"wrt": "Q", "Q": "n d", "K": "n d", "V": "n h"}),
    ),
    "flip is no part": ("taking a part", (lambda x: np.sum(np.sin(x)[::-1] * np.exp(x)), {"x": "n"})),
    "maximum of another": ("a maximum moves", (largest, {"wrt": "y", "x": "n", "y": ""})),
    "product of rows": (
        "one matrix product for each",
        (lambda A, B: np.einsum("ij,ij->i", A, B), {"A": "n m", "B": "n m"}),
    ),
}


@pytest.mark.parametrize("name", TRUE)
def test_said_where_it_is_true(name: str) -> None:
    sentence, case = TRUE[name]
    assert sentence in lines(case)


@pytest.mark.parametrize("name", FALSE)
def test_not_said_where_it_is_false(name: str) -> None:
    sentence, case = FALSE[name]
    assert sentence not in lines(case)


@pytest.mark.parametrize(
    ("axis", "said"), [(1, "if every row of y sums to one"), (0, "if every column of y sums to one")]
)
def test_labels_sum_to_one_along_the_axis_of_the_softmax(axis: int, said: str) -> None:
    def loss(z: Any, y: Any) -> Any:
        P = cr.softmax(z, axis=axis)
        return -np.sum(y * np.log(P))

    text = lines((loss, {"wrt": "z", "z": "n c", "y": "n c"}))
    assert said in text
    assert text.count("sums to one") == 1


def test_a_flip_transposes_to_a_flip_without_padding() -> None:
    def loss(event: Any, eta: Any) -> Any:
        risk = np.flip(np.cumsum(np.flip(np.exp(eta))))
        return -np.sum(event * (eta - np.log(risk)))

    derivation = cr.derive(loss, wrt="eta", event="n", eta="n")
    assert "pad" not in derivation.text()
    assert "np.pad" not in derivation.source("numpy")


def test_uses_are_counted_by_equations() -> None:
    def loss(x: Any) -> Any:
        u = np.sum(x * np.sin(x))
        return u + np.sum(x**3)

    assert "x enters two equations" in lines((loss, {"x": "n"}))
