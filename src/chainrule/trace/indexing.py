"""NumPy indexing of traced values: integers, slices, None, Ellipsis and integer arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir import Const, Dim, DType, Node, ShapeError, dim_quotient, shape_text
from chainrule.primitives import (
    cast,
    diagonal,
    expand_dims,
    positions,
    reshape,
    squeeze,
    take,
    take_along_axis,
    take_slices,
)
from chainrule.trace.literals import as_node
from chainrule.trace.ranges import size_of
from chainrule.trace.source import refusal


def getitem(x: Node, index: Any) -> Node:
    """`x[index]`, by NumPy's rules; a traced mask is rejected, since the size of its result depends on values."""
    x, parts = _without_masks(x, list(index) if isinstance(index, tuple) else [index])
    parts = [_checked(part) for part in parts]
    arrays = [part for part in parts if isinstance(part, Node)]
    if len(arrays) < 2:
        return take_slices(x, tuple(parts))
    if len(parts) != 2 or x.type.ndim != 2 or any(array.type.ndim > 1 for array in arrays):
        raise refusal(
            "of two or more integer arrays in one index only x[rows, columns] of a matrix can be recorded; write "
            "np.take or np.take_along_axis"
        )
    return _pairs(x, *arrays)


def _without_masks(x: Node, parts: list[Any]) -> tuple[Node, list[Any]]:
    """Replace untraced masks by the positions they select; the axes that one mask covers are merged."""
    taken = [part for part in parts if part is not None]
    axis = 0
    for place, part in enumerate(parts):
        if part is Ellipsis:
            axis = x.type.ndim - (len(taken) - 1 - axis)
        mask = _known_mask(part)
        if mask is not None:
            shape = x.type.shape
            covered = shape[axis : axis + mask.ndim]
            if covered != mask.shape:
                raise ShapeError(
                    f"a mask of shape {mask.shape} does not fit there, in an array of shape {shape_text(shape)}"
                )
            x = reshape(x, (*shape[:axis], mask.size, *shape[axis + mask.ndim :]))
            parts[place] = np.flatnonzero(mask)
        axis += part is not None and part is not Ellipsis
    return x, parts


def _known_mask(part: Any) -> Any:
    """Return an array or a list of bools as a mask; None for anything else."""
    if isinstance(part, list) and part and all(isinstance(entry, bool | np.bool_) for entry in part):
        part = np.array(part)
    return part if isinstance(part, np.ndarray) and part.dtype == bool and part.ndim else None


def _pairs(x: Node, rows: Node, columns: Node) -> Node:
    """`x[rows, columns]`: one element per row, in the given column."""
    if rows.type.ndim != columns.type.ndim:  # a number is paired with each entry of an array
        return take(take(x, rows, 0), columns, rows.type.ndim)
    if rows.type.shape != columns.type.shape:
        raise ShapeError(
            f"the rows and columns of an index have shapes {shape_text(rows.type.shape)} and "
            f"{shape_text(columns.type.shape)}, which differ"
        )
    if not rows.type.ndim:
        return take(take(x, rows, 0), columns, 0)
    height, width = x.type.shape
    if height == width and _counts_up(rows, height) and _counts_up(columns, width) and x.type.dtype.is_float:
        return diagonal(x)
    chosen = x if _counts_up(rows, height) else take(x, rows, 0)
    return squeeze(take_along_axis(chosen, expand_dims(columns, 1), 1), (1,))


def _counts_up(indices: Node, size: Dim) -> bool:
    """Whether `indices` is the array 0, 1, 2, … of the given size."""
    match indices:
        case Const(value=np.ndarray() as value):
            return value.size == size and np.array_equal(value, np.arange(value.size))
        case Const():
            return size == 1 and indices.filled_with(0)
    return indices is cast(positions(size), DType.INT64)


def _checked(part: Any) -> Any:
    """Check one part of an index; return arrays and lists as nodes."""
    if isinstance(part, bool | np.bool_):
        raise refusal("a bool is not an index; write np.where(condition, x, y) for a choice")
    if isinstance(part, range):
        part = _positions_in(part)
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


def _positions_in(part: range) -> Any:
    """Return a range as an array, of which the stop may stand for a symbolic size."""
    start, stop = size_of(part.start), size_of(part.stop)
    if isinstance(start, int) and isinstance(stop, int):
        return np.arange(part.start, part.stop, part.step)
    count = dim_quotient(stop - start, part.step)
    if count is None or part.step < 0:
        raise refusal(f"range({start}, {stop}, {part.step}) cannot be recorded as an index; write np.arange(n)")
    return cast(positions(count, start, part.step), DType.INT64)
