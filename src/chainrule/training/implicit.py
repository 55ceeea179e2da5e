"""Implicit inputs of a program, which random numbers and schedules depend on.

Their names contain a space, so that they differ from every parameter name.
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
"""The number of updates made so far."""

IMPLICIT: Final = frozenset({SEED.name, STEP.name})


def seed_value(seed: int) -> NDArray[Any]:
    """Return the value of `SEED`: the lowest 64 bits of an integer."""
    return np.asarray(np.uint64(seed & (2**64 - 1)).astype(np.int64))
