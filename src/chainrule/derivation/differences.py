"""Derivatives by extrapolated differences, their errors, and whether a function has a kink."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from chainrule.derivation.points import Array

DIFFERENCE_TOLERANCE = 1e-6

STEPS = (2.0**-6, 2.0**-10, 2.0**-16, 2.0**-2, 2.0**-24, 2.0**-32)
"""The steps of extrapolated differences, tried in this order until one suits the function."""

SAFETY = 16
"""The ratio of an error to their spread up to which it counts as a rounding error."""

DROWNED = 2.0**-43
"""The derivative that is hidden by the rounding of a value of 1."""


def drowned(found: Array, differences: Sequence[tuple[Callable[[float], Array], Array, float]]) -> Array:
    """Return the error of a derivative due to the rounding of the function's values."""
    hidden = [DROWNED * np.abs(np.asarray(along(0.0), float)) for along, _, _ in differences]
    if len(hidden) == 1 and hidden[0].shape == found.shape:
        return np.where(np.isfinite(hidden[0]), hidden[0], math.inf)
    total = 0.0  # summed over the factors of a chain
    for noise, (_, change, _) in zip(hidden, differences, strict=True):
        largest = float(np.max(np.abs(change), initial=0.0))
        total += SAFETY * float(np.max(noise, initial=0.0)) / largest if largest else math.inf
    return np.full(found.shape, total * float(np.max(np.abs(found), initial=0.0)) if total else 0.0)


def apart(left: Array, right: Array) -> Array:
    """Return `left - right`, 0 if both are the same infinity; conditions count as 0 and 1."""
    left, right = np.asarray(left, float), np.asarray(right, float)
    with np.errstate(invalid="ignore"):
        return np.where(left == right, 0.0, left - right)


def is_smooth(along: Callable[[float], Array], derivative: Array, error: float) -> bool:
    """Whether the extrapolation converged, and `along` has no kink at 0: a bend that does not shrink with the step."""
    size = max(float(np.max(np.abs(derivative), where=np.isfinite(derivative), initial=0.0)), 1e-3)
    base = np.asarray(along(0.0), float)
    largest = float(np.max(np.abs(base), where=np.isfinite(base), initial=0.0))
    bends = []
    for step in (2.0**-20, 2.0**-24):
        with np.errstate(all="ignore"):
            bend = _bend(along, step) / step
        bends.append(max(float(np.max(bend, initial=0.0)) - 2.0**-48 * largest / step, 0.0))
    settled = error <= DIFFERENCE_TOLERANCE * size + DROWNED * largest
    return settled and (bends[0] <= 1e-4 * size or bends[1] <= bends[0] / 4)


def _bend(along: Callable[[float], Array], step: float) -> Array:
    """Return twice the distance from the mean of both sides to the middle, where it is finite."""
    base = np.asarray(along(0.0), float)
    return np.where(np.isfinite(base), np.abs(along(step) - 2 * base + along(-step)), 0.0)


def derivative_at_zero(along: Callable[[float], Array], size: float = 1.0) -> tuple[Array, float]:
    """Return the derivative of `along` at 0 by extrapolated central differences, and an estimate of its error.

    The step is reduced near a possible kink, and increased if rounding dominates the difference; `size` is that of the
    moved values.
    """
    best, least = np.asarray(np.nan), math.inf
    values = np.abs(np.asarray(along(0.0), float))
    finite = np.isfinite(values)
    rounding = 2.0**-52 * float(np.max(values, where=finite, initial=0.0))
    # Steps far larger than the values lead to where a function may be flat, as one of directions alone is.
    for start in (*((2.0**-6 * size, 2.0**-16 * size) if 0 < size < 2.0**-6 else ()), *STEPS):
        columns: list[Array] = []
        for level in range(4):
            step = start / 2**level
            after, before = along(step), along(-step)
            lost = finite & ~(np.isfinite(after) & np.isfinite(before))
            row = [np.where(lost, math.nan, apart(after, before) / (2 * step))]
            for order, previous in enumerate(columns, start=1):
                row.append(row[-1] + (row[-1] - previous) / (4.0**order - 1))
            change = math.inf if level == 0 else float(np.max(np.abs(row[-1] - columns[-1]), initial=0.0))
            error = max(change, rounding / step)
            if not np.any(row[-1]):  # equal on both sides, also if a step leads to another basin of attraction
                error = max(error, float(np.max(_bend(along, step), initial=0.0)) / (2 * step))
            if error < least:
                best, least = row[-1], error
            columns = row
            largest = float(np.max(np.abs(best), initial=0.0))
            if level and least <= 1e-9 * largest:
                break
        noise = 8 * rounding / step
        if least <= 1e-9 * largest or (change <= noise and least <= max(1e-7 * largest, 0.0 if largest else noise)):
            break
    return best, least
