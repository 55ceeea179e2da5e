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


def test_the_gradient_of_the_result_is_given() -> None:
    derivation = cr.derive(attention, Q="n d", K="m d", V="m v")
    assert [node.name for node in derivation.record.backward.wrt] == ["Q", "K", "V"]
    assert "∂L/∂V = Pᵀ (∂L/∂Y)" in derivation.text()
    assert "given: it comes back from what follows" in derivation.text()
    assert "已知，由后面传回" in derivation.text(lang="zh")
    assert derivation.verify().ok


@pytest.mark.parametrize("form", ["matrix", "path", "index"])
def test_a_result_that_another_is_made_of_receives_from_both(form: Any) -> None:
    derivation = cr.derive(cell, c="n h", W="h h")
    assert derivation.verify().ok
    assert "G_c_next is the part of ∂L/∂c_next that comes from outside" in derivation.text(form, width=200)


def test_a_loss_is_left_as_it_is() -> None:
    derivation = cr.derive(lambda w: np.sum(w**2), w="n")
    assert "given" not in derivation.text()
    assert [node.name for node in derivation.program.inputs] == ["w"]


def test_an_argument_returned_unchanged_is_refused() -> None:
    with pytest.raises(cr.ProgramError, match="returns its argument x unchanged"):
        cr.derive(lambda x: x, x="n")
