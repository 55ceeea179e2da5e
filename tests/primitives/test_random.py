"""Random numbers: the cipher's published answers, what a draw depends on, and how it is distributed."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.ir import ArrayType, DType, DTypeError, Input, Node, ProgramError, ShapeError, named_dim
from chainrule.primitives import (
    RandomUniform,
    dropout_mask,
    evaluate_nodes,
    random_normal,
    random_uniform,
    threefry,
)

Array = NDArray[np.float64]
ONES = 2**64 - 1
PI = (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89)
KNOWN_ANSWERS = [
    ((0, 0), (0, 0), (0xC2B6E3A8C2C69865, 0x6F81ED42F350084D)),
    ((ONES, ONES), (ONES, ONES), (0xE02CB7C4D95D277A, 0xD06633D0893B8B68)),
    (PI[:2], PI[2:], (0x263C7D30BB0F0AF1, 0x56BE8361D3311526)),
]
"""Counter, key and answer: the three vectors that Random123 publishes for threefry2x64 with 20 rounds."""

SEED, STEP = (Input(name, ArrayType((), DType.INT64)) for name in ("seed", "step"))
COUNT = 100_000
SIGMAS = 5


def value(node: Node, seed: int = 0, step: int = 0) -> Array:
    known: dict[Node, Array] = {SEED: np.asarray(seed), STEP: np.asarray(step)}
    return evaluate_nodes([node], known)[node]


def draw(
    *shape: int, seed: int = 0, step: int = 0, stream: int = 1, dtype: DType = DType.FLOAT64
) -> NDArray[np.floating]:
    return RandomUniform(shape, stream, dtype).value(np.asarray(seed), np.asarray(step))


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_the_cipher_gives_the_published_answers(
    counter: tuple[int, int], key: tuple[int, int], answer: tuple[int, int]
) -> None:
    counters = np.array(counter[:1], np.uint64), np.array(counter[1:], np.uint64)
    signed = [word - 2**64 if word >= 2**63 else word for word in key]
    for same in (key, (signed[0], signed[1])):
        first, second = threefry(same, counters)
        assert (int(first[0]), int(second[0])) == answer


@pytest.mark.parametrize(("dtype", "bits"), [(DType.FLOAT64, 53), (DType.FLOAT32, 24)])
def test_a_float_is_made_of_the_leading_bits_of_the_word(dtype: DType, bits: int) -> None:
    first, _ = threefry((7, 2), (np.full(6, 3, np.uint64), np.arange(6, dtype=np.uint64)))
    expected = [(int(word) >> 64 - bits) / 2**bits for word in first]
    assert draw(2, 3, seed=7, step=3, stream=2, dtype=dtype).ravel().tolist() == expected


def test_a_shorter_draw_is_the_beginning_of_a_longer_one() -> None:
    np.testing.assert_array_equal(draw(3, 4), draw(100, 4)[:3])
    np.testing.assert_array_equal(draw(3, 4).ravel(), draw(12))
    assert draw(0, 4).shape == (0, 4)


@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32])
def test_draws_are_uniform(dtype: DType) -> None:
    x = draw(COUNT, dtype=dtype).astype(np.float64)
    assert x.min() >= 0
    assert x.max() < 1
    assert len(np.unique(x)) > 0.99 * COUNT
    for power in (1, 2, 3, 4):  # E[xᵏ] = 1/(k + 1)
        spread = np.sqrt((1 / (2 * power + 1) - 1 / (power + 1) ** 2) / COUNT)
        assert abs(np.mean(x**power) - 1 / (power + 1)) < SIGMAS * spread
    cells = np.bincount((x * 100).astype(int), minlength=100)
    assert np.sum((cells - COUNT / 100) ** 2) / (COUNT / 100) < 99 + SIGMAS * np.sqrt(2 * 99)
    bits = 53 if dtype is DType.FLOAT64 else 24
    whole = (x * 2**bits).astype(np.int64)
    for bit in range(bits):
        assert abs(np.mean(whole >> bit & 1) - 0.5) < SIGMAS * 0.5 / np.sqrt(COUNT), f"bit {bit}"


def test_neighbouring_places_streams_steps_and_seeds_are_uncorrelated() -> None:
    first = draw(COUNT, stream=2)
    draws = {"here": first, "place": np.roll(first, 1), "two places": np.roll(first, 2)}
    for number in (1, 2, -1):
        draws[f"seed {number}"], draws[f"step {number}"] = (
            draw(COUNT, seed=number, stream=2),
            draw(COUNT, step=number, stream=2),
        )
        draws[f"stream {number + 2}"] = draw(COUNT, stream=number + 2)
    for (left, x), (right, y) in combinations(draws.items(), 2):
        assert abs(np.corrcoef(x, y)[0, 1]) < SIGMAS / np.sqrt(COUNT), (left, right)
        assert np.mean(x == y) < 1e-3, (left, right)


def test_normal_draws() -> None:
    x = value(random_normal(SEED, STEP, (COUNT,), (1, 2)))
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(x**power) - moment) < SIGMAS * np.sqrt(spread / COUNT)
    assert abs(np.mean(np.abs(x) > 1.959964) - 0.05) < SIGMAS * np.sqrt(0.05 * 0.95 / COUNT)
    u, v = draw(COUNT, stream=1), draw(COUNT, stream=2)
    np.testing.assert_allclose(x, np.sqrt(-2 * np.log1p(-u)) * np.cos(2 * np.pi * v), rtol=1e-12, atol=1e-12)
    assert abs(np.corrcoef(x, np.roll(x, 1))[0, 1]) < SIGMAS / np.sqrt(COUNT)


@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_mask_drops_its_share_and_keeps_the_mean(rate: float, dtype: DType) -> None:
    mask = value(dropout_mask(SEED, STEP, Input("x", ArrayType((COUNT,), dtype)), rate, 1))
    assert mask.dtype == dtype.numpy
    assert set(np.unique(mask)) == {0, dtype.numpy.type(1 / (1 - rate))}
    assert abs(np.mean(mask == 0) - rate) < SIGMAS * np.sqrt(rate * (1 - rate) / COUNT)


def test_named_sizes_bind() -> None:
    n = named_dim("n")
    drawn = random_uniform(SEED, STEP, (n, 2), 4, DType.FLOAT32)
    assert drawn.type == ArrayType((n, 2), DType.FLOAT32)
    assert RandomUniform((n, 2), 4, DType.FLOAT32).bind({"n": 5}, DType.FLOAT64) == RandomUniform((5, 2), 4)


def test_what_is_refused() -> None:
    with pytest.raises(ProgramError, match="a seed and a step, not 1 operands"):
        RandomUniform((2,), 1)(SEED)
    with pytest.raises(DTypeError, match=r"the step of random numbers is one integer, not float64\[\]"):
        RandomUniform((2,), 1)(SEED, Input("x", ArrayType(())))
    with pytest.raises(DTypeError, match=r"the seed of random numbers is one integer, not int64\[3\]"):
        RandomUniform((2,), 1)(Input("x", ArrayType((3,), DType.INT64)), STEP)
    with pytest.raises(DTypeError, match="are floats, not int64"):
        RandomUniform((2,), 1, DType.INT64)(SEED, STEP)
    with pytest.raises(ShapeError, match="the size -1 on an axis"):
        random_uniform(SEED, STEP, (2, -1), 1)
