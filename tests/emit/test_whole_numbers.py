"""Floor division of whole numbers, ⌊x / y⌋: exact up to 2⁵³, on every engine and target."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.emitted import Case, case, run_c, run_jax, run_numpy, run_torch

import chainrule as cr
from chainrule.deriving import derive
from chainrule.engines import get_engine

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
MOST = 2**53
SIZES = [1, 2, 3, 7, 12, 60, 153, 365, 1_460, 36_524, 86_400, 146_097, 2**31 - 1, 2**31, 2**32, 2**52 - 1, 2**52]
NUMBERS = [0, *SIZES, MOST - 1, MOST - 2, MOST]
PAIRS = [
    (x, y)
    for size, divisor, one, other in itertools.product(NUMBERS, SIZES, (1, -1), (1, -1))
    for x in {one * size, one * (size // divisor * divisor), one * (size // divisor * divisor - 1)}
    for y in (other * divisor,)
    if abs(x) + abs(y) <= MOST
]


def divided(x: Any, y: Any, w: Any, v: Any) -> Any:
    """Its gradients by w and by v are quotients and remainders."""
    quotient = np.floor(x / y)
    return np.sum(w * quotient + v * (x - y * quotient))


def of_pairs() -> Case:
    """The derivation at the pairs, with what integers of Python give."""
    x, y = (np.array(column, np.float64) for column in zip(*PAIRS, strict=True))
    size = len(PAIRS)
    drawn = case(derive(divided, ["w", "v"], x="n", y="n", w="n", v="n"), sizes={"n": size})
    wanted = {name: np.array([way(a, b) for a, b in PAIRS], np.float64) for name, way in WAYS.items()}
    return dataclasses.replace(drawn, arguments={**drawn.arguments, "x": x, "y": y}, gradients=wanted)


WAYS: dict[str, Callable[[int, int], int]] = {"w": lambda x, y: x // y, "v": lambda x, y: x % y}


def assert_exact(found: dict[str, Any], pairs: Case) -> None:
    for name, wanted in pairs.gradients.items():
        np.testing.assert_array_equal(np.asarray(found[name]), wanted, err_msg=name)


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_engines_divide_exactly(engine: str) -> None:
    pairs = of_pairs()
    program = cr.trace(lambda x, y: [np.floor(x / y), x - y * np.floor(x / y)], x=f"{len(PAIRS)}", y=f"{len(PAIRS)}")
    found = get_engine(engine).compile(program)({name: pairs.arguments[name] for name in ("x", "y")})
    assert_exact(dict(zip(WAYS, found, strict=True)), pairs)


def test_numpy_divides_exactly() -> None:
    pairs = of_pairs()
    assert_exact(run_numpy(pairs.derivation.source("numpy"), pairs)[1], pairs)


def test_c_divides_exactly(tmp_path: Path) -> None:
    pairs = of_pairs()
    source = pairs.derivation.source("c", "divided", pairs.sizes, "float64")
    assert "floor(" in source
    if COMPILER is not None:
        assert_exact(run_c(source, pairs, "divided", tmp_path, compiler=COMPILER)[1], pairs)


if importlib.util.find_spec("torch") is not None:

    def test_torch_divides_exactly() -> None:
        pairs = of_pairs()
        assert_exact(run_torch(pairs.derivation.source("torch"), pairs, "divided")[1], pairs)


if importlib.util.find_spec("jax") is not None:

    def test_jax_divides_exactly() -> None:
        pairs = of_pairs()
        assert_exact(run_jax(pairs.derivation.source("jax"), pairs, "divided")[1], pairs)


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_a_divisor_of_zero_gives_what_floats_give(engine: str) -> None:
    x = np.array([1.0, -1.0, 0.0, np.nan, np.inf])
    program = cr.trace(lambda x, y: np.floor(x / y), x="5", y="")
    (found,) = get_engine(engine).compile(program)({"x": x, "y": np.array(0.0)})
    np.testing.assert_array_equal(found, [np.inf, -np.inf, np.nan, np.nan, np.inf])
