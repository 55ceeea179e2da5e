"""The order of rows: every order once, and the same permutations from generated code."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from chainrule.engines import Loop, Run, get_engine, permutation
from chainrule.engines.native import NativeEngine
from chainrule.ir import ArrayType, Input, Program
from chainrule.primitives import concatenate, sum_, take_slices

ONES = 2**64 - 1


@pytest.mark.parametrize("n", [1, 2, 3, 100])
def test_every_row_comes_once(n: int) -> None:
    assert sorted(permutation(3, 5, n)) == list(range(n))


def test_seeds_and_epochs_give_different_orders() -> None:
    orders = {tuple(permutation(seed, epoch, 20)) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


def test_orders_are_uniform() -> None:
    count = 6000
    places = np.array([permutation(seed, 0, 3) for seed in range(count)])
    seen = np.unique(places, axis=0, return_counts=True)[1]
    assert len(seen) == 6
    assert np.all(np.abs(seen - count / 6) < 5 * np.sqrt(count / 6))


def recording_loop(n: int) -> Loop:
    """Batches of one row, which the state remembers in the order in which they come."""
    history, x = Input("history", ArrayType((n,))), Input("x", ArrayType((1,)))
    following = concatenate([take_slices(history, slice(1, None)), x], 0)
    return Loop(("history",), ("x",), (), {1: Program((history, x), (sum_(x), following))}, n, 1, True)


@pytest.mark.parametrize("mode", ["unrolled", "loops"])
@pytest.mark.parametrize("seed", [0, 1, ONES])
def test_generated_code_takes_the_rows_in_this_order(mode: Literal["unrolled", "loops"], seed: int) -> None:
    n = 17
    for engine in (NativeEngine(mode), get_engine("reference")):
        for epochs in (1, 4):
            state, data = {"history": np.zeros(n)}, {"x": np.arange(n, dtype=float)}
            outcome = engine.run(Run(recording_loop(n), state, data, seed), epochs)
            assert outcome.state["history"].tolist() == permutation(seed, epochs - 1, n).tolist()
