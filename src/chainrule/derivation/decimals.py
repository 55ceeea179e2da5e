"""Values as decimals of a few significant digits, and small arrays of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chainrule.derivation.points import Array
from chainrule.primitives import Decimal, Matrix, Notation, Number, Postfix

DIGITS = 4
"""The significant digits of a rounded number; its digits before the point are all kept."""
_EXACT_DIGITS = 6
"""The significant digits up to which a number that has no more is written as it is."""
_ROUNDING = 8
"""The number of units in the last place of a float that count as rounding."""
_NOISE = 2.0**-46
"""The size relative to the largest entry of an array below which an entry is the rounding of others."""
_LONGEST_MATRIX = 4
"""The largest number of rows and of columns of a matrix that is drawn."""
_LONGEST_VECTOR = 8


def decimal_of(value: float | int | bool, noise: float = 0.0) -> tuple[Number, bool]:
    """Return a value as a decimal, and whether it is not rounded; one of the size of `noise` is rounded to 0.

    >>> decimal_of(0.1 + 0.2), decimal_of(1 / 3)
    ((Decimal(value=0.3, digits=0), True), (Decimal(value=0.3333, digits=4), False))
    """
    if isinstance(value, bool):
        return Number(value), True
    value = float(value)
    if not math.isfinite(value) or value == 0:
        return Decimal(abs(value) if value == 0 else value), True
    if abs(value) <= noise:
        return Decimal(0.0), False
    for digits in range(DIGITS, _EXACT_DIGITS + 1):
        nearest = float(f"{value:.{digits - 1}e}")
        if abs(nearest - value) <= _ROUNDING * math.ulp(value):
            return Decimal(nearest), True
    before_point = math.floor(math.log10(abs(value))) + 1
    kept = before_point if DIGITS < before_point <= _EXACT_DIGITS else DIGITS
    nearest = float(f"{value:.{kept - 1}e}")
    return Decimal(nearest, DIGITS if abs(nearest) >= 10**_EXACT_DIGITS else kept), False


def drawing_of(value: Array, columns: bool) -> tuple[Notation, bool] | None:
    """Return an array as a number or a matrix, and whether no entry is rounded; None if it is too large to be drawn.

    A vector is a column if `columns`, otherwise a row; one that is longer than a matrix may be is the transpose of a
    row.
    """
    if value.ndim == 0:
        return decimal_of(value.item())
    if value.size == 0 or value.ndim > 2:
        return None
    if value.ndim == 1:
        turned = columns and value.size > _LONGEST_MATRIX
        matrix, exact = matrix_of(value[:, None] if columns and not turned else value[None, :])
        shown: Notation = Postfix("ᵀ", matrix) if turned else matrix
        return (shown, exact) if value.size <= _LONGEST_VECTOR else None
    return matrix_of(value) if max(value.shape) <= _LONGEST_MATRIX else None


def matrix_of(value: Array) -> tuple[Matrix, bool]:
    """Return an array with two axes as a matrix, and whether no entry is rounded; noise of rounding is rounded to 0."""
    noise = _NOISE * np.max(np.abs(np.where(np.isfinite(value), value, 0)), initial=0)
    entries = [[decimal_of(entry, noise) for entry in row] for row in value.tolist()]
    rows = tuple(tuple(number for number, _ in row) for row in entries)
    return Matrix(rows), all(exact for row in entries for _, exact in row)


def extent_of(value: Array) -> Sequence[Number]:
    """Return the least and the largest entry and the mean of an array, as decimals."""
    numbers = np.asarray(value, float)
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return ()
    return [decimal_of(number)[0] for number in (finite.min(), finite.max(), finite.mean())]
