"""Random numbers: Threefry-2x64-20 (Salmon et al. 2011) in 64-bit words, with the same bits as `primitives.random`."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.engines.xla.dependency import jnp, lax
from chainrule.ir import DType
from chainrule.primitives import THREEFRY_PARITY, THREEFRY_ROTATIONS, THREEFRY_ROUNDS, UNIFORM_BITS

WORD = np.uint64


def threefry(key: tuple[Any, Any], counter: tuple[Any, Any]) -> Any:
    """Return the first word for each counter; all words are uint64."""
    words = (*key, key[0] ^ key[1] ^ WORD(THREEFRY_PARITY))
    x, y = counter[0] + words[0], counter[1] + words[1]
    for number in range(THREEFRY_ROUNDS):
        rotation = THREEFRY_ROTATIONS[number % len(THREEFRY_ROTATIONS)]
        x = x + y
        y = ((y << WORD(rotation)) | (y >> WORD(64 - rotation))) ^ x
        group, last = divmod(number, 4)
        if last == 3:
            x = x + words[(group + 1) % 3]
            y = y + words[(group + 2) % 3] + WORD(group + 1)
    return x


def uniform(seed: Any, stream: int, step: Any, shape: tuple[int, ...], dtype: DType) -> Any:
    """Return floats in [0, 1) of the given shape, numbered in row-major order.

    The number of an element is computed from a counter for each axis, without a reshape, so that an axis that is
    divided among devices stays divided.
    """
    place = jnp.zeros(shape, WORD)
    for axis, size in enumerate(shape):
        place = place * WORD(size) + lax.broadcasted_iota(WORD, shape, axis)
    key = seed.astype(WORD), jnp.asarray(WORD(stream & (2**64 - 1)))
    bits = UNIFORM_BITS[dtype]
    word = threefry(key, (step.astype(WORD), place))
    return (word >> WORD(64 - bits)).astype(dtype.numpy) * dtype.numpy.type(2.0**-bits)
