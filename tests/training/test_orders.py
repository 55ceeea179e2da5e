"""Orders that read a table in blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import chainrule as cr
from chainrule.training import BlockOrder, TrainingError, begin_training


@given(
    rows=st.integers(1, 300),
    seed=st.integers(0, 2**70),
    epoch=st.integers(0, 2**40),
    block=st.integers(1, 50),
    window=st.integers(1, 9),
)
def test_every_row_comes_once_and_from_few_blocks_at_a_time(
    rows: int, seed: int, epoch: int, block: int, window: int
) -> None:
    order = BlockOrder(rows, seed, block, window)(epoch)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(rows))
    np.testing.assert_array_equal(BlockOrder(rows, seed, block, window)(epoch), order)
    last = (rows - 1) // block
    sizes = {number: block if number < last else rows - last * block for number in range(last + 1)}
    place, seen = 0, set[int]()
    while place < rows:
        count = 0
        opened: set[int] = set()
        while len(opened) < min(window, len(sizes) - len(seen)) or count < sum(sizes[each] for each in opened):
            opened.add(int(order[place + count]) // block)
            count += 1
        assert len(opened) <= window
        assert not opened & seen
        seen |= opened
        place += count


def test_epochs_and_seeds_differ_and_all_rows_are_mixed() -> None:
    first = BlockOrder(10_000, 0, 100, 10)
    assert (first(0) != first(1)).mean() > 0.9
    assert (first(0) != BlockOrder(10_000, 1, 100, 10)(0)).mean() > 0.9
    blocks = first(0)[:1000] // 100
    assert len(set(blocks)) == 10
    assert all(
        abs((blocks[start : start + 500] == each).mean() - 0.1) < 0.07 for each in set(blocks) for start in (0, 500)
    )


def test_a_place_in_a_window_is_uniform() -> None:
    drawn = np.array([BlockOrder(6, 3, 2, 3)(epoch) for epoch in range(3000)])
    counts = np.array([[np.sum(drawn[:, place] == row) for row in range(6)] for place in range(6)])
    assert ((counts - 500) ** 2 / 500).sum() < 60  # χ² with 25 degrees of freedom passes 60 once in 10⁴ times


def test_training_in_such_an_order() -> None:
    def loss(x: Any, y: Any, w: Any) -> Any:
        return np.mean((x @ w - y) ** 2)

    x: NDArray[Any] = np.random.default_rng(0).normal(size=(500, 3))
    training = begin_training(loss, {"w": np.zeros(3)}, {"x": x, "y": x @ [1.0, 2.0, 3.0]}, cr.SGD(0.1), batch_size=16)
    order = BlockOrder(500, block=20, window=5)
    for epoch in range(8):
        training.advance(1, order=order(epoch)[None])
    np.testing.assert_allclose(training.params["w"], [1, 2, 3], rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rows": 0}, "rows of a BlockOrder is 0"),
        ({"rows": 5, "block": 2.5}, "block of a BlockOrder is 2.5"),
        ({"rows": 5, "window": 0}, "window of a BlockOrder is 0"),
        ({"rows": 5, "seed": -1}, "seed is -1"),
    ],
)
def test_what_is_no_whole_number_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        BlockOrder(**settings)


@pytest.mark.parametrize("seed", [2**63 - 1, 2**63, 2**64 - 1024, 2**64 - 2, 2**69])
def test_large_seeds_are_not_rounded(seed: int) -> None:
    assert (BlockOrder(1000, seed, 1000)(0) != BlockOrder(1000, seed + 1, 1000)(0)).mean() > 0.9


def test_a_seed_of_numpy_is_the_same_number() -> None:
    np.testing.assert_array_equal(BlockOrder(100, np.int64(5), 10, 2)(0), BlockOrder(100, 5, 10, 2)(0))  # type: ignore[arg-type]
