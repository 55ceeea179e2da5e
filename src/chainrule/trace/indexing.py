"""NumPy indexing of traced values: integers, slices, None, Ellipsis and integer arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir import Const, Dim, DType, Node, ShapeError, SymbolicDim, dim_quotient, shape_text
from chainrule.primitives import (
    cast,
    diagonal,
    expand_dims,
    positions,
    reshape,
    squeeze,
    stack,
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
    if len(parts) == 2 == x.type.ndim and isinstance(parts[0], Node) and isinstance(parts[1], Node):
        picked = _picked(x, parts[0], parts[1])
        if picked is not None:
            return picked
    return take_slices(x, tuple(parts))


def item_of_table(table: Any, index: Any) -> Node:
    """`table[index]` of an array of numbers, or of a list or tuple of equal shapes, by a traced index."""
    if isinstance(table, list | tuple):
        if isinstance(index, tuple) or as_node(index).type.ndim:
            raise refusal(f"a {type(table).__name__} takes one integer as index; write np.array(…) of it")
        if any(isinstance(entry, Node) for entry in table):
            return take_slices(stack([as_node(entry) for entry in table]), index)
    return getitem(as_node(table), index)


def is_view(index: Any, ndim: int) -> bool:
    """Whether `x[index]`, with `ndim` axes, is a view of x in NumPy: basic indexing, other than to one number."""
    parts = index if isinstance(index, tuple) else (index,)
    basic = all(
        part is None or part is Ellipsis or (isinstance(part, int | np.integer | SymbolicDim | slice)) for part in parts
    )
    return basic and (ndim > 0 or any(part is Ellipsis for part in parts))


def is_same(first: Any, second: Any) -> bool:
    """Whether two indices are the same one, as at the two ends of `x[index] += y`."""
    if isinstance(first, tuple) and isinstance(second, tuple):
        return len(first) == len(second) and all(map(is_same, first, second))
    alike = isinstance(first, int | slice | SymbolicDim) and type(first) is type(second)
    return first is second or (alike and bool(first == second))


def mask_in(index: Any) -> Node | None:
    """Return the mask that an index consists of; None for any other index."""
    parts = index if isinstance(index, tuple) else (index,)
    if len(parts) != 1:
        return None
    mask = _known_mask(parts[0])
    if mask is not None:
        return as_node(mask)
    node = parts[0]
    return node if isinstance(node, Node) and node.type.dtype is DType.BOOL and node.type.ndim else None


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


def _picked(x: Node, rows: Node, columns: Node) -> Node | None:
    """`x[np.arange(n), columns]`, one element of each row, as a product with one-hot rows; None for other places."""
    if rows.type.ndim != 1 or rows.type.shape != columns.type.shape or not x.type.dtype.is_float:
        return None
    height, width = x.type.shape
    if not _counts_up(rows, height):
        return None
    if height == width and _counts_up(columns, width):
        return diagonal(x)
    return squeeze(take_along_axis(x, expand_dims(columns, 1), 1), (1,))


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
            "a boolean mask picks a number of elements that depends on values; write np.where(mask, x, 0) in a sum, "
            "and np.mean(x, where=mask) for a mean"
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
