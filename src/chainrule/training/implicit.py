"""Inputs that a program has without its user's doing: what random numbers and schedules depend on.

Their names have a space in them, so that no parameter of a function is called so.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chainrule.functions import RNG_SEED, RNG_STEP
from chainrule.ir import ArrayType, DType, Input

SEED: Final = Input(RNG_SEED, ArrayType((), DType.INT64))
"""The seed of the run."""

STEP: Final = Input(RNG_STEP, ArrayType((), DType.INT64))
"""How many updates were made before."""

IMPLICIT: Final = frozenset({SEED.name, STEP.name})


def seed_value(seed: int) -> NDArray[Any]:
    """The value of `SEED`: the lowest 64 bits of a whole number."""
    return np.asarray(np.uint64(seed & (2**64 - 1)).astype(np.int64))
