"""Expressions of one form are alike up to names and the beginnings of slices; nothing else is overlooked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.calculus import repeated
from chainrule.calculus.repeated import form
from chainrule.ir import ArrayType, Const, Input, Node
from chainrule.primitives import exp, take_slices, tanh
from chainrule.trace import trace

a, b, c, d = (Input(name, ArrayType((3,))) for name in "abcd")
longer = Input("e", ArrayType((5,)))


def test_names_and_beginnings_of_slices_do_not_count() -> None:
    assert form(a * tanh(b), {}, 0, {}) == form(c * tanh(d), {}, 0, {})
    assert form(take_slices(longer, slice(0, 2)), {}, 0, {}) == form(take_slices(longer, slice(3, 5)), {}, 0, {})
    assert form(a + b, {b: a * c}, 1, {}) == form(c + d, {d: c * a}, 1, {})
    assert form(a + b, {}, 0, {b: tanh(a)}) == form(c + d, {}, 0, {d: tanh(c)})


DIFFERENT: list[tuple[Any, Any]] = [
    ((a * b, {}, {}), (a * a, {}, {})),
    ((a * b, {}, {}), (a + b, {}, {})),
    ((a * b, {}, {}), (longer * longer, {}, {})),
    ((a * Const(2, a.type), {}, {}), (a * Const(3, a.type), {}, {})),
    ((take_slices(longer, slice(0, 2)), {}, {}), (take_slices(longer, slice(0, 3)), {}, {})),
    ((a + b, {b: a * c}, {}), (a + b, {b: c * a}, {})),
    ((a + b, {b: a * c}, {}), (a + b, {b: a * a}, {})),
    ((a + b, {b: a * c}, {}), (a + b, {}, {})),
    ((a + b, {}, {b: tanh(a)}), (a + b, {}, {b: exp(a)})),
    ((a + b, {}, {b: tanh(a)}), (a + b, {}, {b: tanh(c)})),
    ((a * b, {b: c}, {c: tanh(a)}), (a * b, {b: c}, {c: exp(a)})),
    ((tanh(a) * tanh(b), {}, {}), (tanh(b) * tanh(b), {}, {})),
]


@pytest.mark.parametrize("place", range(len(DIFFERENT)))
def test_everything_else_counts(place: int) -> None:
    (one, values, definitions), (other, other_values, other_definitions) = DIFFERENT[place]
    first, second = form(one, values, 1, definitions), form(other, other_values, 1, other_definitions)
    assert first != second


def test_a_question_is_answered_once_for_all_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Node] = []
    module = __import__("sys").modules["chainrule.calculus.backward"]
    original = module._merged

    def merged(chain: Node, *args: Any) -> Any:
        asked.append(chain)
        return original(chain, *args)

    monkeypatch.setattr(module, "_merged", merged)

    def loss(X: Any, W: Any, U: Any) -> Any:
        h = np.zeros((2, 3))
        for t in range(20):
            z = X[:, t] @ W + h @ U
            h = np.tanh(z)
        return np.sum(h**2)

    program = trace(loss, X="2 20 4", W="4 3", U="3 3")
    cr.calculus.backward(program, [program.input("W"), program.input("U")])
    assert len(asked) < 20
    assert repeated.form is form
