"""Gradients of choices: what is not taken contributes 0, even where it has no finite derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

POINTS = np.array([-1.0, 0.0, 0.25, 4.0, 1000.0])


def named(x: Any) -> Any:
    z = np.sqrt(x)
    u = np.exp(-z) / z
    y = np.where(x > 0, u, 0)
    return np.sum(y * y)


def overflowing(x: Any) -> Any:
    z = np.exp(x)
    y = np.where(x < 100, z, x)
    return np.sum(y)


def negative(x: Any) -> Any:
    z = np.exp(x)
    v = 1 / (z * z)
    y = np.where(x < 100, v, 0)
    return np.sum(y)


def assigned(x: Any) -> Any:
    y = np.log(x)
    y[x <= 0] = 0
    return np.sum(y)


ROOT = np.sqrt(POINTS[2:])
CASES: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "logarithm": (lambda x: np.sum(np.where(x > 0, np.log(x), 0)), [0, 0, 4, 0.25, 0.001]),
    "the other branch": (lambda x: np.sum(np.where(x <= 0, 3 * x, np.log(x))), [3, 3, 4, 0.25, 0.001]),
    "quotient": (
        lambda x: np.sum(np.where(x == 0, 1, np.sin(np.pi * x) / x)) / np.pi,
        [1, 0, -0.7728381399, 0.25, 0.001],
    ),
    "nested": (
        lambda x: np.sum(np.where(x > 0, np.where(x > 1, np.log(x - 1), np.log(x)), x)),
        [1, 1, 4, 1 / 3, 1 / 999],
    ),
    "power": (lambda x: np.sum(np.where(x > 0, x**0.5, 0)), [0, 0, *(0.5 / ROOT)]),
    "named": (named, [0, 0, *(-np.exp(-2 * ROOT) / ROOT**3 - np.exp(-2 * ROOT) / ROOT**4)]),
    "overflow": (overflowing, [*np.exp(POINTS[:4]), 1]),
    "negative": (negative, [*(-2 * np.exp(-2 * POINTS[:4])), 0]),
    "assigned": (assigned, [0, 0, 4, 0.25, 0.001]),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", CASES)
def test_what_is_not_taken_contributes_nothing(name: str) -> None:
    function, expected = CASES[name]
    np.testing.assert_allclose(cr.grad(function)(POINTS), expected, rtol=1e-6)


def test_a_quotient_is_written_within_the_choice() -> None:
    derivation = cr.derive(named, x="n")
    assert derivation.verify().ok
    written: dict[str, Any] = {}
    exec(derivation.source("numpy"), written)
    with np.errstate(all="ignore"):
        found = written["backward"](written["forward"](POINTS)[1])
    np.testing.assert_allclose(found, CASES["named"][1], rtol=1e-6)
    logarithm = cr.derive(CASES["logarithm"][0], x="n")
    assert "∂L/∂x = 1/x if x > 0, else 0" in str(logarithm)
