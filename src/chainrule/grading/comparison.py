"""Comparison of values at several points with the correct ones, up to a factor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

TOLERANCE = 1e-6
"""The tolerance of values relative to the largest correct one."""
COARSEST = 0.02
"""The tolerance of values of low precision at most."""
_ROUNDING = 1000
"""The tolerance in units of the value's own precision, if that is less than double."""
_SMALLEST = 1e-9
"""The scale of values that are all smaller."""


def as_arrays(values: Sequence[Any]) -> list[Array] | None:
    """Return `values` as arrays of floats, in their own precision; None if one is not an array of finite numbers."""
    arrays = []
    for value in values:
        if not isinstance(value, np.ndarray | np.generic | int | float):
            return None
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            return None
        array = array if array.dtype.kind == "f" else array.astype(float)
        if not np.all(np.isfinite(array)):
            return None
        arrays.append(array)
    return arrays


def fits_update(shape: tuple[int, ...], parameter: tuple[int, ...]) -> bool:
    """Whether an update by a gradient of this shape changes every entry of its parameter once, and keeps its shape.

    NumPy puts axes of size 1 before the others: (h,) does for (1, h), not for (h, 1), nor (1, h) for (h,).

    >>> fits_update((3,), (1, 3)), fits_update((3,), (3, 1)), fits_update((1, 3), (3,)), fits_update((), (3,))
    (True, False, False, False)
    """
    return (1,) * (len(parameter) - len(shape)) + shape == parameter


def agree(found: Sequence[Array], true: Sequence[Array]) -> bool:
    """Whether the values are equal at every point, regardless of axes of size 1."""
    return all(equal(a, b) for a, b in zip(found, true, strict=True))


def equal(found: Array, true: Array) -> bool:
    """Whether two values are equal, relative to the largest element, regardless of an axis of size 1."""
    if found.shape != true.shape:
        if found.ndim == true.ndim:
            return False
        if tuple(d for d in found.shape if d != 1) != tuple(d for d in true.shape if d != 1):
            return False
        found = found.reshape(true.shape)
    if not np.isfinite(found).all():
        return False
    if not found.size:
        return True
    scale = max(float(np.abs(true).max()), _SMALLEST)
    return float(np.abs(found - true).max()) <= _tolerance(found) * scale


def _tolerance(found: Array) -> float:
    if found.dtype == np.float64:
        return TOLERANCE
    return max(TOLERANCE, min(_ROUNDING * float(np.finfo(found.dtype).eps), COARSEST))


def constant_ratios(found: Sequence[Array], true: Sequence[Array]) -> list[float] | None:
    """Return the numbers c with `found = c · true` at each point, or None."""
    ratios = []
    for a, b in zip(found, true, strict=True):
        if a.size != b.size or (a.shape != b.shape and a.ndim == b.ndim) or not np.all(np.isfinite(a)):
            return None
        square = float(np.sum(b * b))
        if square == 0 or (a.shape != b.shape and a.squeeze().shape != b.squeeze().shape):
            return None
        ratio = float(np.sum(a.reshape(b.shape) * b)) / square
        if ratio == 0 or not equal(a.reshape(b.shape), ratio * b):
            return None
        ratios.append(ratio)
    return ratios


def same_shapes(first: Sequence[Array], second: Sequence[Array]) -> bool:
    """Whether values have the same shapes at every point: at one, two sizes may be equal by chance."""
    return all(a.shape == b.shape for a, b in zip(first, second, strict=True))


def in_shapes(found: Sequence[Any], others: Sequence[Array]) -> Sequence[Any]:
    """Return the values in the shapes of others, if NumPy would broadcast them, and as they are otherwise."""
    arrays = as_arrays(found)
    if arrays is None:
        return found
    try:
        return [np.broadcast_to(array, other.shape) for array, other in zip(arrays, others, strict=True)]
    except ValueError:
        return found


class Candidates:
    """Correct values of one size. One product tells the few of which a value may be a multiple.

    Whatever `equal` or `constant_ratios` accepts, of a value or its transpose, is among them: what they accept lies
    near the line through the correct value and 0.
    """

    def __init__(self, values: Sequence[Array]) -> None:
        self._rows = np.array([value.reshape(-1) for value in values], np.float64)
        self._squares = np.einsum("ij,ij->i", self._rows, self._rows)
        self._scales = np.maximum(np.abs(self._rows).max(axis=1, initial=0), _SMALLEST)

    def near(self, found: Array) -> list[int]:
        """Return the places of the correct values that `found` may be, up to a factor and transposition."""
        possible = np.zeros(len(self._rows), np.bool_)
        with np.errstate(all="ignore"):  # what is no number here is possible
            for value in (found, found.T) if found.ndim > 1 else (found,):
                flat = value.reshape(-1).astype(np.float64)
                products = self._rows @ flat
                ratios = products / self._squares
                apart = np.sqrt(np.maximum(flat @ flat - products * ratios, 0))
                allowed = _tolerance(found) * np.sqrt(flat.size) * self._scales * np.maximum(np.abs(ratios), 1)
                possible |= ~(apart > 2 * allowed + 1e-7 * np.linalg.norm(flat))
        return [int(place) for place in np.flatnonzero(possible)]
