"""The order of the rows in each epoch: a function of the seed and the epoch alone, the same in every engine.

Threefry-2x64-20 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) is a block cipher used as a
counter-based generator: draw i of an epoch is the cipher of (epoch, i), so nothing needs to be remembered.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROTATIONS = (16, 42, 12, 31, 16, 32, 24, 21)
PARITY = 0x1BD11BDAA9FC1A22
ROUNDS = 20
STREAM = 0x73687566666C65
"""The second word of the key: it keeps these draws apart from other uses of the same seed."""

_MASK = (1 << 64) - 1
_Words = NDArray[np.uint64]


def threefry(key: tuple[int, int], counter: tuple[_Words, _Words]) -> tuple[_Words, _Words]:
    """Threefry-2x64-20 of arrays of counters."""
    words = [np.uint64(key[0]), np.uint64(key[1]), np.uint64(PARITY ^ key[0] ^ key[1])]
    x, y = counter[0] + words[0], counter[1] + words[1]
    for round in range(ROUNDS):
        rotation = ROTATIONS[round % len(ROTATIONS)]
        x = x + y
        y = (y << np.uint64(rotation) | y >> np.uint64(64 - rotation)) ^ x
        if round % 4 == 3:
            injection = round // 4 + 1
            x = x + words[injection % 3]
            y = y + words[(injection + 1) % 3] + np.uint64(injection)
    return x, y


def permutation(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """A uniformly drawn order of `n` rows, by Fisher and Yates's exchange from the last row down.

    Row i is exchanged with row ⌊r·(i + 1) / 2⁶⁴⌋, r the first word of draw i.
    """
    places = np.arange(n, dtype=np.uint64)
    epochs = np.full(n, epoch & _MASK, dtype=np.uint64)
    draws, _ = threefry((seed & _MASK, STREAM), (epochs, places))
    order = list(range(n))
    for i, draw in zip(range(n - 1, 0, -1), draws[:0:-1].tolist(), strict=True):
        j = draw * (i + 1) >> 64
        order[i], order[j] = order[j], order[i]
    return np.array(order, dtype=np.int64)
