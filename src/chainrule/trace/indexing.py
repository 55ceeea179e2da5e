"""NumPy's indexing of traced values: integers, slices, None and Ellipsis, and integer arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir import Const, DType, Node, ShapeError, shape_text
from chainrule.primitives import cast, expand_dims, squeeze, take, take_along_axis, take_slices
from chainrule.trace.literals import as_node
from chainrule.trace.source import refusal


def getitem(x: Node, index: Any) -> Node:
    """`x[index]`, by NumPy's rules; a boolean mask is refused, since it gives a size that depends on values."""
    parts = [_checked(part) for part in (index if isinstance(index, tuple) else (index,))]
    arrays = [part for part in parts if isinstance(part, Node)]
    if len(arrays) < 2:
        return take_slices(x, tuple(parts))
    if len(parts) != 2 or x.type.ndim != 2 or any(array.type.ndim != 1 for array in arrays):
        raise refusal(
            "of two or more integer arrays in one index only x[rows, columns] of a matrix can be recorded; write "
            "np.take or np.take_along_axis"
        )
    return _pairs(x, *arrays)


def _pairs(x: Node, rows: Node, columns: Node) -> Node:
    """`x[rows, columns]`: from each of the rows the element in its column."""
    if rows.type.shape != columns.type.shape:
        raise ShapeError(
            f"the rows and columns of an index have shapes {shape_text(rows.type.shape)} and "
            f"{shape_text(columns.type.shape)}, which differ"
        )
    (count,) = rows.type.shape
    in_order = isinstance(rows, Const) and _counts_up(rows.value)
    chosen = x if in_order and count == x.type.shape[0] else take(x, rows, 0)
    return squeeze(take_along_axis(chosen, expand_dims(columns, 1), 1), (1,))


def _counts_up(value: object) -> bool:
    """Whether a literal is the array 0, 1, 2, …"""
    return isinstance(value, np.ndarray) and np.array_equal(value, np.arange(value.size))


def _checked(part: Any) -> Any:
    """One part of an index, an array or a list as a node."""
    if isinstance(part, bool | np.bool_):
        raise refusal("a bool is not an index; write np.where(condition, x, y) for a choice")
    if isinstance(part, np.ndarray | list):
        part = as_node(np.asarray(part, dtype=None if len(part) else np.int64) if isinstance(part, list) else part)
    if isinstance(part, Node) and part.type.dtype is DType.BOOL:
        raise refusal(
            "a boolean mask picks a number of elements that depends on values; write np.where(mask, x, 0), or x * mask"
        )
    if isinstance(part, Node) and part.type.dtype.is_float:
        raise refusal(
            'an index must be an integer, and this value is a float; give it an integer type, as in y="n:int"'
        )
    return part


def astype(x: Node, like: Any) -> Node:
    """`x.astype(like)`."""
    dtype = np.dtype(like)
    if x.type.dtype.is_float and dtype.kind in "iub":
        raise refusal(f"astype({dtype}) of floats has no derivative; compare, as in x > 0, or leave it out")
    return cast(x, DType.of(dtype))
