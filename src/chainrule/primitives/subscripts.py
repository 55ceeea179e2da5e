"""NumPy's square brackets: slices, integers, new axes and arrays of integers."""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType
from typing import Any, TypeAlias

import numpy as np

from chainrule.ir import ArrayType, Const, Dim, DType, Node, Shape, ShapeError, SymbolicDim, dim_quotient, shape_text
from chainrule.primitives.indexing import Gather
from chainrule.primitives.layout import permute, reshape, squeeze
from chainrule.primitives.replication import broadcast_shape, broadcast_to, expand_dims
from chainrule.primitives.slicing import Slice

IndexPart: TypeAlias = "int | SymbolicDim | slice | EllipsisType | Node | np.ndarray[Any, Any] | list[int] | None"
IndexKey: TypeAlias = "IndexPart | tuple[IndexPart, ...]"


def take_slices(x: Node, key: IndexKey) -> Node:
    """`x[key]` for a key of integers, slices, None, an ellipsis, and arrays of integers, by NumPy's rules.

    Raises ShapeError if the result's shape would depend on the values of an index, or on a symbolic size.
    """
    parts = _without_ellipsis(x, list(key) if isinstance(key, tuple) else [key])
    ranges: list[tuple[Dim, Dim, int]] = []
    dropped: list[int] = []  # axes removed by integers, as positions in x
    chosen: dict[int, Node] = {}  # the axes indexed by integer arrays
    for part in parts:
        if part is None:
            continue
        axis = len(ranges)
        if isinstance(part, slice):
            ranges.append(_range_of(part, x.type.shape[axis], x.type.shape))
        elif isinstance(part, int | np.integer | SymbolicDim) and not isinstance(part, bool):
            ranges.append((_element_of(part, x.type.shape[axis], x.type.shape), 1, 1))
            dropped.append(axis)
        else:
            chosen[axis] = _index_array(part)
            ranges.append((0, x.type.shape[axis], 1))
    if any(entry != (0, size, 1) for entry, size in zip(ranges, x.type.shape, strict=True)):
        x = Slice(*(tuple(column) for column in zip(*ranges, strict=True)))(x)
    x = squeeze(x, dropped) if dropped else x
    axes = [axis - sum(k < axis for k in dropped) for axis in chosen]
    indices = list(chosen.values())
    ndim = max((index.type.ndim for index in indices), default=0)
    in_front = ndim > 0 and not _adjacent(parts)
    if in_front or axes != list(range(axes[0], axes[0] + len(axes)) if axes else ()):
        x = permute(x, [*axes, *(k for k in range(x.type.ndim) if k not in axes)])
        axes = [0]
    x = _gathered(x, axes[0], indices) if indices else x
    added = _new_axes(parts, ndim, in_front)
    return expand_dims(x, added) if added else x


def _without_ellipsis(x: Node, parts: list[Any]) -> list[Any]:
    """Replace an ellipsis, or what is missing at the end, by whole axes."""
    used = sum(1 for part in parts if part is not None and part is not Ellipsis)
    ellipses = [place for place, part in enumerate(parts) if part is Ellipsis]
    missing = x.type.ndim - used
    if missing < 0 or len(ellipses) > 1:
        raise ShapeError(f"an index of {used} entries does not fit an array of shape {shape_text(x.type.shape)}")
    place = ellipses[0] if ellipses else len(parts)
    return [*parts[:place], *[slice(None)] * missing, *parts[place + 1 :]]


def _adjacent(parts: Sequence[IndexPart]) -> bool:
    """Whether no slice or new axis lies between integers and arrays; otherwise NumPy puts the arrays' axes first."""
    places = [place for place, part in enumerate(parts) if part is not None and not isinstance(part, slice)]
    return places == list(range(places[0], places[0] + len(places)))


def _new_axes(parts: Sequence[IndexPart], ndim: int, in_front: bool) -> list[int]:
    """Return the places of new axes in the result, in which index arrays have `ndim` axes."""
    added: list[int] = []
    place, pending = ndim if in_front else 0, not in_front
    for part in parts:
        if part is None:
            added.append(place)
        if part is None or isinstance(part, slice):
            place += 1
        elif pending and isinstance(part, Node | np.ndarray | list):
            place, pending = place + ndim, False
    return added


def _flat(index: Node, size: Dim) -> Node:
    """Return an array of integers as a vector, numbers as numbers."""
    if isinstance(index, Const):
        value = index.value.ravel() if isinstance(index.value, np.ndarray) else index.value
        return Const(value, ArrayType((size,), index.type.dtype))
    return reshape(index, (size,))


def _gathered(x: Node, axis: int, indices: Sequence[Node]) -> Node:
    """Index axes of `x`, from `axis` on, by arrays of any shapes: one axis after the other where this is the same."""
    ndim = max(index.type.ndim for index in indices)
    if ndim and any(index.type.ndim == 0 for index in indices):
        rest, place = [], axis
        for index in indices:
            if index.type.ndim:
                rest.append(index)
                place += 1
            else:
                x = Gather(place)(x, index)
        return _gathered(x, axis, rest)
    shapes = [(*(1,) * (ndim - index.type.ndim), *index.type.shape) for index in indices]
    if len(indices) == ndim > 1 and all(_varies_along(shape, k) for k, shape in enumerate(shapes)):  # as of np.ix_
        for k, index in enumerate(indices):
            x = Gather(axis + k)(x, _flat(index, shapes[k][k]))
        return x
    shape = broadcast_shape(*(index.type.shape for index in indices))
    return Gather(axis)(x, *(broadcast_to(index, shape) for index in indices))


def _varies_along(shape: Shape, axis: int) -> bool:
    return all(dim == 1 for k, dim in enumerate(shape) if k != axis)


def _index_array(part: object) -> Node:
    """Convert an array of integers in square brackets to a node."""
    array = np.asarray(part) if isinstance(part, list | np.ndarray) else None
    if array is not None and array.dtype.kind in "iu":
        return Const(array.astype(np.int64), ArrayType(array.shape, DType.INT64))
    if isinstance(part, Node) and part.type.dtype is DType.INT64:
        return part
    kind = array.dtype.kind if array is not None else part.type.dtype.numpy.kind if isinstance(part, Node) else ""
    if kind == "b" or isinstance(part, bool):
        raise ShapeError("a mask gives an array whose size depends on values; multiply by the mask or use np.where")
    raise ShapeError(f"{part!r} is not an index; use integers, slices, None, ... or arrays of integers")


def _element_of(index: Dim | np.integer[Any], size: Dim, shape: Shape) -> Dim:
    """Return the position of an integer index."""
    index = index if isinstance(index, SymbolicDim) else int(index)
    position = index + size if isinstance(index, int) and index < 0 else index
    for bound in (position, size - 1 - position):
        if isinstance(bound, int) and bound < 0:
            raise ShapeError(f"index {index} leaves an axis of size {size}, in an array of shape {shape_text(shape)}")
    return position


def _range_of(part: slice, size: Dim, shape: Shape) -> tuple[Dim, Dim, int]:
    """Return a slice of an axis as (start, size, stride)."""
    text = f"{'' if part.start is None else part.start}:{'' if part.stop is None else part.stop}"
    stride = 1 if part.step is None else part.step
    if not isinstance(stride, int | np.integer) or stride == 0:
        raise ShapeError(f"the step of a slice must be an integer other than 0, not {stride}")
    stride = int(stride)
    if isinstance(size, int) and not isinstance(part.start, SymbolicDim) and not isinstance(part.stop, SymbolicDim):
        positions = range(size)[part]
        return (positions.start if len(positions) else 0), len(positions), stride

    def bound(entry: Any, default: Dim) -> Dim:
        if entry is None:
            return default
        if isinstance(entry, SymbolicDim):
            return entry
        return int(entry) if entry >= 0 else size + int(entry)

    start = bound(part.start, 0 if stride > 0 else size - 1)
    stop = bound(part.stop, size if stride > 0 else -1)
    upper, lower = (stop, start) if stride > 0 else (start, stop)
    length = upper - lower
    if isinstance(size, SymbolicDim) and isinstance(upper, int) and not (isinstance(lower, int) and upper <= lower):
        raise ShapeError(
            f"the slice {text} of an axis of size {size}, in an array of shape {shape_text(shape)}, has a size that "
            f"depends on {size}; give that axis a number as its size"
        )
    if isinstance(length, int):
        return start, max(0, -(-length // abs(stride))), stride
    count = dim_quotient(length, abs(stride))
    if count is None:
        count = dim_quotient(length + abs(stride) - 1, abs(stride))
    if count is None:
        raise ShapeError(
            f"the slice {text}:{stride} of an axis of size {size} has a size that is no whole number of steps for "
            f"every {size}; give that axis a number as its size"
        )
    return start, count, stride
