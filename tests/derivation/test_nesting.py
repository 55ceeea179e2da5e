"""Expressions nested more deeply than Python calls can be: an error of the package, in one sentence."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from support.recursion import few_nested_calls

import chainrule as cr


def unnamed(x: Any, w: Any) -> Any:
    return np.sum(functools.reduce(lambda value, _: np.tanh(value + w), range(200), x))


def named(x: Any) -> Any:
    for _ in range(200):
        x = np.sin(x) * x
    return np.sum(x)


def test_what_is_nested_too_deeply_is_refused_in_a_sentence() -> None:
    program = cr.trace(unnamed, x="n", w="n")
    rounds = cr.derive(named, x="n")
    with few_nested_calls(120):
        with pytest.raises(cr.ProgramError, match="nested too deeply; give names to its parts"):
            cr.derive(program)
        with pytest.raises(cr.ProgramError, match="nested too deeply; give names to its parts"):
            rounds.text()
