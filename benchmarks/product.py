"""The rate of float32 matrix products: NumPy's BLAS on 1024 × 1024 matrices, with all threads."""

from __future__ import annotations

import numpy as np

from benchmarks.measure import Contender, Timing

NAME = "NumPy, float32 product of 1024 × 1024"
SIZE, REPETITIONS = 1024, 20


def contender() -> Contender:
    """Return a contender whose run is REPETITIONS products."""
    random = np.random.RandomState(0)
    a, b = (random.randn(SIZE, SIZE).astype(np.float32) for _ in range(2))
    out = np.empty_like(a)

    def run() -> None:
        for _ in range(REPETITIONS):
            np.matmul(a, b, out=out)

    return Contender(NAME, run)


def rate(timing: Timing) -> float:
    """Return the floating-point operations per second."""
    return 2 * SIZE**3 * REPETITIONS / timing.median
