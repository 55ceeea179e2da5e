"""The order of the rows in each epoch, a function of the seed and the epoch alone, identical in all engines.

Draw i of an epoch is the output of the counter-based generator for (epoch, i), so there is no generator state.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chainrule.primitives import THREEFRY_PARITY as PARITY
from chainrule.primitives import THREEFRY_ROTATIONS as ROTATIONS
from chainrule.primitives import THREEFRY_ROUNDS as ROUNDS
from chainrule.primitives import threefry

__all__ = ["PARITY", "ROTATIONS", "ROUNDS", "STREAM", "permutation"]

STREAM = 0x73687566666C65
"""The second word of the key; separates these draws from other uses of the same seed."""

_WORD = (1 << 64) - 1


def permutation(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """Return a uniformly random permutation of `n` rows, by the Fisher-Yates shuffle from the last row to the first.

    Row i is exchanged with row ⌊r·(i + 1) / 2⁶⁴⌋, where r is the first word of draw i.
    """
    places = np.arange(n, dtype=np.uint64)
    epochs = np.full(n, epoch & _WORD, dtype=np.uint64)
    draws, _ = threefry((seed, STREAM), (epochs, places))
    order = list(range(n))
    for i, draw in zip(range(n - 1, 0, -1), draws[:0:-1].tolist(), strict=True):
        j = draw * (i + 1) >> 64
        order[i], order[j] = order[j], order[i]
    return np.array(order, dtype=np.int64)
