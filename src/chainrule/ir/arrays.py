"""Validation of external arrays: plain NumPy arrays are accepted, other classes rejected."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.ir.errors import DTypeError
from chainrule.ir.types import DType

MASKED = (
    "a masked array would lose its mask; give x.filled(0) and, as a second array, the weights "
    "1.0 - np.ma.getmaskarray(x), or leave out the rows that have gaps"
)
MATRIX = "the operators of np.matrix differ from those of arrays; give np.asarray(x), and write @ for *"


def refuse_subclass(value: object) -> None:
    """Raise DTypeError for an array class that gives elements or operators another meaning.

    A masked array would lose its mask, and `*` between matrices is a matrix product.
    """
    kind = type(value)
    if kind is np.ndarray or not issubclass(kind, np.ndarray) or kind is np.memmap:
        return
    masked = sys.modules.get("numpy.ma")  # referring to np.ma would import it
    if masked is not None and isinstance(value, masked.MaskedArray):
        raise DTypeError(MASKED)
    if issubclass(kind, np.matrix):
        raise DTypeError(MATRIX)
    raise DTypeError(
        f"a {kind.__name__} is not a plain array, and what its class adds would be lost; give np.asarray(x)"
    )


def plain_array(value: object) -> NDArray[Any]:
    """Convert `value` to an array of a supported dtype, or of an integer or float dtype contained in one.

    Raises DTypeError for masked arrays, matrices and other subclasses, for non-numeric dtypes, and for integers that
    int64 cannot represent; ValueError for rows of different lengths.
    """
    refuse_subclass(value)
    try:
        array = np.asarray(value)
    except (RuntimeError, TypeError) as error:  # raised by another library for its own arrays
        reason = " ".join(str(error).split())
        raise DTypeError(f"a {type(value).__name__} does not give an array: {reason}") from error
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    DType.of(array.dtype)
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise DTypeError("integers above 2⁶³ − 1 do not fit in int64; give floats")
    return array
