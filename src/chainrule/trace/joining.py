"""NumPy functions that join, split and repeat arrays: `np.concatenate`, `np.split`, `np.tile`, `np.roll`, …"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule import primitives
from chainrule.ir import Dim, DType, Node, ShapeError, SymbolicDim, concrete, dim_quotient
from chainrule.primitives import (
    Broadcast,
    Slice,
    broadcast_shape,
    broadcast_to,
    cast,
    concatenate,
    expand_dims,
    normalize_axes,
    permute,
    reshape,
    reverse,
    stack,
    swapaxes,
    take_slices,
)
from chainrule.trace.arrangement import as_dims, astype, at_least
from chainrule.trace.literals import as_node, literal
from chainrule.trace.source import refusal


def _concatenate(
    arrays: Sequence[object], axis: int | None = 0, *, dtype: Any = None, casting: str = "same_kind"
) -> Node:
    nodes = [as_node(array) for array in _listed(arrays)]
    if dtype is not None:
        nodes = [astype(node, dtype, casting=casting) for node in nodes]
    if axis is None:
        return concatenate([reshape(node, (-1,)) for node in nodes])
    return concatenate(nodes, axis)


def _listed(arrays: object) -> Sequence[object]:
    """Return the arrays to join: a list of them, or the rows of one."""
    if not isinstance(arrays, Node | np.ndarray):
        return list(arrays)  # type: ignore[call-overload,no-any-return]  # as NumPy, any sequence
    x = as_node(arrays)
    count = x.type.shape[0] if x.type.ndim else 0
    if isinstance(count, SymbolicDim):
        raise refusal(f"the rows of an array of the named size {count} cannot be joined; give the size as a number")
    return [take_slices(x, k) for k in range(count)]


def _stack(arrays: Sequence[object], axis: int = 0, *, dtype: Any = None, casting: str = "same_kind") -> Node:
    nodes = [as_node(array) for array in _listed(arrays)]
    return stack(nodes if dtype is None else [astype(node, dtype, casting=casting) for node in nodes], axis)


def _vstack(tup: Sequence[object]) -> Node:
    return concatenate([at_least(as_node(x), 2) for x in _listed(tup)])


def _hstack(tup: Sequence[object]) -> Node:
    nodes = [at_least(as_node(x), 1) for x in _listed(tup)]
    return concatenate(nodes, 0 if nodes[0].type.ndim == 1 else 1)


def _dstack(tup: Sequence[object]) -> Node:
    return concatenate([at_least(as_node(x), 3) for x in _listed(tup)], 2)


def _column_stack(tup: Sequence[object]) -> Node:
    nodes = [at_least(as_node(x), 1) for x in _listed(tup)]
    return concatenate([expand_dims(x, 1) if x.type.ndim == 1 else x for x in nodes], 1)


def _block(arrays: object) -> Node:
    ndim = max(_depth(arrays), *(as_node(x).type.ndim for x in _leaves(arrays)), 0)
    return _blocks(arrays, _depth(arrays), ndim)


def _depth(arrays: object) -> int:
    return 1 + max((_depth(each) for each in arrays), default=0) if isinstance(arrays, list) else 0


def _leaves(arrays: object) -> list[object]:
    return [leaf for each in arrays for leaf in _leaves(each)] if isinstance(arrays, list) else [arrays]


def _blocks(arrays: object, depth: int, ndim: int) -> Node:
    """Join nested lists: the innermost along the last axis."""
    if not isinstance(arrays, list):
        x = as_node(arrays)
        return reshape(x, (*(1,) * (ndim - x.type.ndim), *x.type.shape))
    return concatenate([_blocks(each, depth - 1, ndim) for each in arrays], -depth)


def _append(arr: object, values: object, axis: int | None = None) -> Node:
    return _concatenate([arr, values], axis)


def _split(ary: object, indices_or_sections: Any, axis: int = 0) -> list[Node]:
    x = as_node(ary)
    (place,) = normalize_axes(axis, x.type.ndim)
    size = x.type.shape[place]
    if not _is_count(indices_or_sections):
        return _between(x, place, [0, *indices_or_sections, None])
    piece = dim_quotient(size, indices_or_sections)
    if piece is None:
        if not isinstance(size, int):
            raise ShapeError(
                f"an axis of size {size} splits into {indices_or_sections} equal pieces for some {size} only; give "
                "that axis a number as its size"
            )
        raise ShapeError(f"an axis of size {size} does not split into {indices_or_sections} equal pieces")
    return _between(x, place, [piece * k for k in range(int(indices_or_sections) + 1)])


def _array_split(ary: object, indices_or_sections: Any, axis: int = 0) -> list[Node]:
    x = as_node(ary)
    (place,) = normalize_axes(axis, x.type.ndim)
    size = x.type.shape[place]
    if not _is_count(indices_or_sections) or isinstance(size, SymbolicDim):
        return _split(x, indices_or_sections, axis)
    count = int(indices_or_sections)
    if count <= 0:
        raise ShapeError("np.array_split takes at least one section")
    short, longer = divmod(size, count)
    return _between(x, place, [short * k + min(k, longer) for k in range(count + 1)])


def _is_count(indices_or_sections: object) -> bool:
    return isinstance(indices_or_sections, int | np.integer)


def _between(x: Node, axis: int, bounds: Sequence[Any]) -> list[Node]:
    before = (slice(None),) * axis
    return [take_slices(x, (*before, slice(a, b))) for a, b in pairwise(bounds)]


def _along(axis: int, least: int, name: str) -> Callable[..., list[Node]]:
    def handler(ary: object, indices_or_sections: Any) -> list[Node]:
        x = as_node(ary)
        if x.type.ndim < least:
            raise ShapeError(f"np.{name} takes an array of {least} or more dimensions")
        return _split(x, indices_or_sections, axis if x.type.ndim > 1 else 0)

    return handler


def _unstack(x: object, /, *, axis: int = 0) -> tuple[Node, ...]:
    node = as_node(x)
    (place,) = normalize_axes(axis, node.type.ndim)
    count = node.type.shape[place]
    if isinstance(count, SymbolicDim):
        raise refusal(f"an axis of the named size {count} cannot be taken apart; give the size as a number")
    return tuple(take_slices(node, (*(slice(None),) * place, k)) for k in range(count))


def _tile(A: object, reps: Any) -> Node:
    x, counts = as_node(A), as_dims(reps)
    ndim = max(x.type.ndim, len(counts))
    counts = (*(1,) * (ndim - len(counts)), *counts)
    shape = (*(1,) * (ndim - x.type.ndim), *x.type.shape)
    x = reshape(x, shape)
    if all(count == 1 for count in counts):
        return x
    # Each axis with a new one before it, along which it is repeated.
    new = [k for k, count in enumerate(counts) if count != 1]
    spread: list[Dim] = []
    axes: list[int] = []
    for k, dim in enumerate(shape):
        spread += [counts[k]] if k in new else []
        axes.append(len(spread))
        spread.append(dim)
    repeated = Broadcast(tuple(spread), tuple(axes))(x)
    return reshape(repeated, tuple(count * dim for count, dim in zip(counts, shape, strict=True)))


def _resize(a: object, new_shape: Any) -> Node:
    """The elements in row-major order, from the first one again after the last."""
    x, shape = as_node(a), as_dims(new_shape)
    count = x.type.size
    if not isinstance(count, int) or not all(isinstance(dim, int) for dim in shape):
        raise refusal("np.resize needs the number of elements; give named sizes as numbers")
    total = math.prod(map(concrete, shape))
    if not count:
        return primitives.zeros(x.type.with_shape(shape))
    repeated = _tile(reshape(x, (count,)), -(-total // count))
    return reshape(take_slices(repeated, slice(0, total)), shape)


def _repeat(a: object, repeats: Any, axis: int | None = None) -> Node:
    x = as_node(a)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    (place,) = normalize_axes(axis, x.type.ndim)
    size = x.type.shape[place]
    if isinstance(repeats, Node):
        raise refusal("repeats that depend on values give a result of a size that does; pass numbers")
    if isinstance(repeats, list | tuple | np.ndarray):
        counts = np.asarray(repeats)
        if counts.size != 1:
            if isinstance(size, SymbolicDim):
                raise refusal(f"np.repeat by a list needs a number for the size {size}, as in X=(4, 2)")
            return primitives.take(x, as_node(np.repeat(np.arange(size), counts)), place)
        repeats = counts.item()
    spread = (*x.type.shape[: place + 1], repeats, *x.type.shape[place + 1 :])
    repeated = Broadcast(spread, tuple(k for k in range(len(spread)) if k != place + 1))(x)
    return reshape(repeated, (*x.type.shape[:place], size * repeats, *x.type.shape[place + 1 :]))


def _roll(a: object, shift: Any, axis: int | Sequence[int] | None = None) -> Node:
    x = as_node(a)
    if axis is None:
        return reshape(_roll(reshape(x, (-1,)), sum(as_dims(shift)), 0), x.type.shape)
    axes = [normalize_axes(each, x.type.ndim)[0] for each in ([axis] if isinstance(axis, int) else axis)]
    shifts = list(as_dims(shift))
    if len(shifts) == 1:
        shifts *= len(axes)
    elif len(axes) == 1:
        axes *= len(shifts)
    for place, by in zip(axes, shifts, strict=True):
        x = _rolled(x, place, by)
    return x


def _rolled(x: Node, axis: int, shift: Dim) -> Node:
    shape, size = x.type.shape, x.type.shape[axis]
    if isinstance(size, int) and isinstance(shift, int):
        shift = shift % size if size else 0
    if shift == 0:
        return x
    # A named size is at least as large as the shift.
    middle = -shift if isinstance(shift, int) and shift < 0 else size - shift

    def part(start: Dim, length: Dim) -> Node:
        starts = tuple(start if k == axis else 0 for k in range(len(shape)))
        return Slice(starts, (*shape[:axis], length, *shape[axis + 1 :]), (1,) * len(shape))(x)

    return concatenate([part(middle, size - middle), part(0, middle)], axis)


def _rot90(m: object, k: int = 1, axes: Sequence[int] = (0, 1)) -> Node:
    x = as_node(m)
    first, second = (normalize_axes(axis, x.type.ndim)[0] for axis in axes)
    if first == second:
        raise ShapeError(f"np.rot90 needs two different axes, not {tuple(axes)}")
    match k % 4:
        case 0:
            return x
        case 1:
            return swapaxes(reverse(x, [second]), first, second)
        case 2:
            return reverse(x, sorted((first, second)))
    return reverse(swapaxes(x, first, second), [second])


def _meshgrid(*xi: object, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> list[Node]:
    if indexing not in ("xy", "ij"):
        raise refusal(f"np.meshgrid(…, indexing={indexing!r}) is not in NumPy either; write 'xy' or 'ij'")
    vectors = [reshape(as_node(x), (-1,)) for x in xi]
    count = len(vectors)
    order = list(range(count))
    if indexing == "xy" and count > 1:
        order[:2] = [1, 0]
    grids = [expand_dims(x, [k for k in range(count) if k != order[place]]) for place, x in enumerate(vectors)]
    if sparse or not grids:
        return grids
    shape = broadcast_shape(*(grid.type.shape for grid in grids))
    return [broadcast_to(grid, shape) for grid in grids]


def _ix(*args: object) -> tuple[Node, ...]:
    found: list[Node] = []
    for k, each in enumerate(args):
        index = as_node(each)
        if index.type.ndim != 1:
            raise ShapeError("np.ix_ takes vectors")
        if index.type.dtype is DType.BOOL:
            raise refusal("np.ix_ of a traced mask has a size that depends on values; give positions")
        found.append(expand_dims(index, [axis for axis in range(len(args)) if axis != k]))
    return tuple(found)


def _delete(arr: object, obj: Any, axis: int | None = None) -> Node:
    x, place, size = _on_axis(arr, obj, axis, "np.delete")
    keep = np.ones(size, bool)
    keep[obj] = False
    return primitives.take(x, literal(np.flatnonzero(keep)), place)


def _insert(arr: object, obj: Any, values: object, axis: int | None = None) -> Node:
    x, place, size = _on_axis(arr, obj, axis, "np.insert")
    new = as_node(values)
    before = np.arange(size)[obj] if isinstance(obj, slice) else np.asarray(obj)
    where = np.where(before < 0, before + size, before)
    if np.any((where < 0) | (where > size)):
        raise ShapeError(f"np.insert at {obj} leaves an axis of size {size}")
    if where.size == 1:  # a single place takes any number of parts
        new = reshape(new, (*(1,) * (x.type.ndim - new.type.ndim), *new.type.shape))
        if where.ndim == 0:
            new = permute(new, [*range(1, place + 1), 0, *range(place + 1, x.type.ndim)])
        where = np.full(concrete(new.type.shape[place]), where)
    new = broadcast_to(new, (*x.type.shape[:place], len(where), *x.type.shape[place + 1 :]))
    both = concatenate([x, cast(new, x.type.dtype)], place)
    order_of = np.insert(np.arange(size), where, size + np.arange(len(where)))
    return primitives.take(both, literal(order_of), place)


def _on_axis(arr: object, obj: Any, axis: int | None, name: str) -> tuple[Node, int, int]:
    """Return an array, the axis on which elements are inserted or deleted, and its size, which is a number."""
    if isinstance(obj, Node):
        raise refusal(f"{name} at places that depend on values is not recorded; pass numbers")
    x = as_node(arr)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    (place,) = normalize_axes(axis, x.type.ndim)
    size = x.type.shape[place]
    if isinstance(size, SymbolicDim):
        raise refusal(f"{name} needs a number for the size {size}, as in X=(4, 2)")
    return x, place, size


JOINING: dict[Callable[..., Any], Callable[..., Any]] = {
    np.append: _append,
    np.array_split: _array_split,
    np.block: _block,
    np.column_stack: _column_stack,
    np.concatenate: _concatenate,
    np.delete: _delete,
    np.dsplit: _along(2, 3, "dsplit"),
    np.dstack: _dstack,
    np.hsplit: _along(1, 1, "hsplit"),
    np.hstack: _hstack,
    np.insert: _insert,
    np.ix_: _ix,
    np.meshgrid: _meshgrid,
    np.repeat: _repeat,
    np.roll: _roll,
    np.rot90: _rot90,
    np.split: _split,
    np.stack: _stack,
    np.resize: _resize,
    np.tile: _tile,
    np.vsplit: _along(0, 2, "vsplit"),
    np.vstack: _vstack,
    **({np.unstack: _unstack} if hasattr(np, "unstack") else {}),
}
