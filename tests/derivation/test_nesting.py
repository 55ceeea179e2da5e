"""Expressions nested more deeply than Python calls can be: an error of the package, in one sentence."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from support.recursion import few_nested_calls

import chainrule as cr


def unnamed(x: Any, w: Any) -> Any:
    """A nest that is no recurrence: its rounds follow no period."""
    return np.sum(functools.reduce(lambda value, k: (np.tanh, np.sin)[k.bit_count() % 2](value + w), range(60), x))


def named(x: Any) -> Any:
    for k in range(60):
        x = (np.sin if k.bit_count() % 2 else np.cos)(x) * x
    return np.sum(x)


def test_what_is_nested_too_deeply_is_refused_in_a_sentence() -> None:
    program = cr.trace(unnamed, x="n", w="n")
    rounds = cr.derive(named, x="n")
    for count, derive in ((50, lambda: cr.derive(program)), (20, rounds.text)):
        with (
            few_nested_calls(count),
            pytest.raises(cr.ProgramError, match="nested too deeply; give names to its parts"),
        ):
            derive()
