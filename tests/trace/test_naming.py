from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir import Program
from chainrule.trace import trace


def names(program: Program) -> list[str]:
    return list(program.names.values())


def test_local_variables_name_intermediates() -> None:
    def function(x: Any) -> Any:
        a = x * 2
        alias = x
        b = a
        pieces = [np.exp(b)]
        return np.sum(pieces[0] + alias)

    assert names(trace(function, x="n")) == ["a", "L"]


def test_repeated_names_are_numbered_in_order() -> None:
    def function(h: Any, W: Any) -> Any:
        for _ in range(3):
            h = np.tanh(h @ W)
        once = h * 2
        return once  # noqa: RET504  # the name is what is tested

    program = trace(function, h="n d", W="d d")
    assert names(program) == ["h1", "h2", "h3", "once"]
    assert program.names[program.outputs[0]] == "once"


def test_names_in_a_helper_are_numbered_and_the_callers_come_first() -> None:
    def dense(x: Any, W: Any) -> Any:
        z = x @ W
        a = np.tanh(z)
        return a  # noqa: RET504  # the name is what is tested

    def function(x: Any, W: Any) -> Any:
        first = dense(x, W)
        second = dense(first, W)
        return dense(second, W)

    assert names(trace(function, x="n d", W="d d")) == ["z1", "first", "z2", "second", "z3", "a"]


def test_a_number_is_set_apart_from_a_digit_and_from_names_in_use() -> None:
    def function(z1: Any, h: Any, h1: Any) -> Any:
        for _ in range(2):
            z1 = np.tanh(z1)
            h = np.tanh(h + z1)
        return h + h1

    assert names(trace(function, z1="n", h="n", h1="n")) == ["z1_1", "h_1", "z1_2", "h_2"]


def test_parameters_of_helpers_name_nothing() -> None:
    def sigmoid(value: Any) -> Any:
        return 1 / (1 + np.exp(-value))

    def function(x: Any) -> Any:
        return sigmoid(x * 2)

    assert names(trace(function, x="n")) == []


def test_values_that_the_result_does_not_need_take_no_number() -> None:
    def function(x: Any) -> Any:
        h = np.exp(x)
        h = np.tanh(x)
        return h * 2

    assert names(trace(function, x="n")) == ["h"]


def test_the_scalar_result_is_called_l_unless_it_has_a_name() -> None:
    def assigned(x: Any) -> Any:
        cost = np.sum(x)
        return cost  # noqa: RET504  # the name is what is tested

    def taken(x: Any) -> Any:
        L = x * 2
        return np.sum(L)

    assert names(trace(lambda x: np.sum(x), x="n")) == ["L"]
    assert names(trace(assigned, x="n")) == ["cost"]
    assert names(trace(taken, x="n")) == ["L"]
    assert names(trace(lambda L: np.sum(L), L="n")) == []
    assert names(trace(lambda x: (np.sum(x), np.max(x)), x="n")) == []
    assert names(trace(lambda x: np.exp(x), x="n")) == []
