"""Layers: functions that return arrays, derived from the gradients by their results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr


def attention(Q: Any, K: Any, V: Any) -> Any:
    S = Q @ K.T / np.sqrt(Q.shape[1])
    P = cr.softmax(S)
    return P @ V


def cell(c: Any, W: Any) -> Any:
    c_next = np.tanh(c @ W)
    return np.sin(c_next), c_next


def loss_and_metric(X: Any, y: Any, w: Any) -> Any:
    r = X @ w - y
    return np.mean(r**2), np.mean(np.abs(r))


def output_and_penalty(X: Any, W: Any, lam: Any) -> Any:
    a = cr.relu(X @ W)
    penalty = lam * np.sum(W**2)
    return a, penalty


def mixed(s: Any) -> Any:
    return {"a": np.tanh(s), "b": s.sum()}


def chained(x: Any) -> Any:
    a = np.sum(x**2)
    b = np.exp(-a)
    return b * x, a, b


def test_the_gradient_of_the_result_is_given() -> None:
    derivation = cr.derive(attention, Q="n d", K="m d", V="m v")
    assert [node.name for node in derivation.record.backward.wrt] == ["Q", "K", "V"]
    assert "∂L/∂V = Pᵀ (∂L/∂Y)" in derivation.text()
    assert "given: it comes back from what follows" in derivation.text()
    assert "已知，由后面传回" in derivation.text(lang="zh")
    assert derivation.verify().ok


def test_the_pairing_that_stands_for_the_loss_is_not_taken_for_it() -> None:
    """The later loss is not ⟨∂L/∂Y, Y⟩, though its differential is that of the pairing."""
    derivation = cr.derive(lambda X, q: X / q, X="n d", q="")
    assert "∂L/∂q = −(Σ (∂L/∂Y ⊙ Y)) / q" in derivation.text()
    assert derivation.verify().ok


@pytest.mark.parametrize("form", ["matrix", "path", "index"])
def test_a_result_that_another_is_made_of_receives_from_both(form: Any) -> None:
    derivation = cr.derive(cell, c="n h", W="h h")
    assert derivation.verify().ok
    assert "G_c_next is the part of ∂L/∂c_next that comes from outside" in derivation.text(form, width=200)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (loss_and_metric, {"X": "n d", "y": "n", "w": "d"}),
        (output_and_penalty, {"X": "n d", "W": "d h", "lam": ""}),
        (mixed, {"s": "n"}),
        (chained, {"x": "n"}),
    ],
)
def test_results_of_which_some_are_scalars(function: Any, shapes: Any) -> None:
    derivation = cr.derive(function, **shapes)
    assert derivation.verify().ok
    for form in ("matrix", "path", "index"):
        for lang in ("en", "zh"):
            assert all(write(form, lang) for write in (derivation.text, derivation.latex, derivation.html))
    for target in ("numpy", "torch", "jax"):
        assert derivation.source(target)
    assert derivation.source("c", sizes=dict.fromkeys(derivation.program.dim_names, 3))


def test_a_loss_is_left_as_it_is() -> None:
    derivation = cr.derive(lambda w: np.sum(w**2), w="n")
    assert "given" not in derivation.text()
    assert [node.name for node in derivation.program.inputs] == ["w"]


def test_an_argument_returned_unchanged_is_refused() -> None:
    with pytest.raises(cr.ProgramError, match="returns its argument x unchanged"):
        cr.derive(lambda x: x, x="n")
