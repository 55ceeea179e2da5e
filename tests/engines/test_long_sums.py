"""Sums of many terms: as exact as a few hundred of them, in every shape of loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.engines import get_engine
from chainrule.engines.native import reductions

Array = NDArray[Any]
LONG = 300_000

PROGRAMS: dict[str, tuple[Callable[..., Any], dict[str, tuple[int, ...]]]] = {
    "along memory": (lambda x, w: np.sum(x * w), {"x": (LONG,), "w": (LONG,)}),
    "a rest that fills no vector": (lambda x, w: np.sum(x * w), {"x": (LONG + 37,), "w": (LONG + 37,)}),
    "over all of a matrix": (lambda x, w: np.sum(x * w), {"x": (LONG // 7, 7), "w": (7,)}),
    "over long rows": (lambda x, w: np.sum(x * w), {"x": (9, LONG // 9), "w": (LONG // 9,)}),
    "down columns": (lambda x, w: np.sum(x * w, axis=0), {"x": (LONG, 3), "w": (3,)}),
    "down many columns": (lambda x, w: np.sum(x * w, axis=0), {"x": (LONG // 8, 40), "w": (40,)}),
    "a gradient of few weights": (lambda x, w: x.T @ w, {"x": (LONG, 2), "w": (LONG, 1)}),
    "a gradient of a layer": (lambda x, w: x.T @ w, {"x": (LONG // 8, 50), "w": (LONG // 8, 40)}),
    "a product over a long axis": (lambda x, w: x @ w, {"x": (40, LONG // 8), "w": (LONG // 8, 40)}),
    "vectors along the sum": (lambda x, w: x @ w, {"x": (40, LONG // 8), "w": (LONG // 8, 2)}),
    "one row": (lambda x, w: x @ w, {"x": (LONG,), "w": (LONG, 5)}),
    "two axes": (lambda x, w: np.sum(x * w, axis=(0, 2)), {"x": (LONG // 50, 5, 10), "w": (10,)}),
}


def computed(name: str, values: dict[str, Array]) -> Array:
    function, _ = PROGRAMS[name]
    program = cr.trace(function, **values)
    (result,) = get_engine("native").compile(program)(values)
    return np.asarray(result)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_long_sum_is_as_exact_as_a_short_one(name: str, dtype: type[np.floating[Any]]) -> None:
    """Equal terms, whose roundings all go the same way; the bound is the classical one, eps / 2 for each addition."""
    function, shapes = PROGRAMS[name]
    values = {key: np.full(shape, 0.1 + 0.2 * k, dtype) for k, (key, shape) in enumerate(shapes.items())}
    exact = function(**{key: value.astype(np.longdouble) for key, value in values.items()})
    found = computed(name, values)
    error = np.abs(found.astype(np.longdouble) / exact - 1).max()
    additions = reductions.PART + (LONG / reductions.PART if dtype is np.float64 else 0)
    assert error < additions * np.finfo(dtype).eps / 2


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_term_of_a_long_sum_is_there_once(name: str) -> None:
    function, shapes = PROGRAMS[name]
    draws = np.random.default_rng(0)
    values = {key: draws.integers(-9, 10, shape).astype(float) for key, shape in shapes.items()}
    np.testing.assert_array_equal(computed(name, values), function(**values))
