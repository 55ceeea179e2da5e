"""NumPy functions that rearrange, join and select elements: `np.reshape`, `np.concatenate`, `np.where`, …"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from chainrule import primitives
from chainrule.ir import Dim, DType, Node, ShapeError, dim_quotient
from chainrule.primitives import (
    are_integers,
    broadcast_to,
    cast,
    clip,
    concatenate,
    expand_dims,
    integers,
    normalize_axes,
    pad,
    permute,
    reshape,
    reverse,
    sliding_windows,
    squeeze,
    stack,
    swapaxes,
    take_along_axis,
    take_slices,
    where,
)
from chainrule.trace.literals import as_node, as_operand
from chainrule.trace.source import refusal

Shape: TypeAlias = "Dim | Sequence[Dim]"


def _dims(shape: Shape) -> tuple[Dim, ...]:
    return tuple(shape) if isinstance(shape, Sequence) else (shape,)


def _reordered(x: Node, shape: tuple[Dim, ...], order: str) -> Node:
    """Reshape `x`, with its elements read and placed in row-major ("C") or column-major ("F") order."""
    if order == "F":
        return permute(reshape(permute(x), shape[::-1]))
    if order != "C" and x.type.ndim > 1:
        raise refusal(
            f"order={order!r} depends on how an array lies in memory, which is not recorded; write order='C' or 'F'"
        )
    return reshape(x, shape)


def laid_out(order: str) -> None:
    """Return `order` if it only determines the memory layout of a result, not the position of elements."""
    if order not in ("C", "F", "A", "K"):
        raise refusal(f"order={order!r} is not one of 'C', 'F', 'A', 'K'")


def _reshape(a: object, shape: Shape, order: str = "C", *, copy: bool | None = None) -> Node:
    return _reordered(as_node(a), _dims(shape), order)


def _ravel(a: object, order: str = "C") -> Node:
    return _reordered(as_node(a), (-1,), order)


def flattened(x: object, order: str = "C") -> Node:
    """`x.flatten(order)`."""
    return _ravel(x, order)


def copied(x: object, order: str = "C") -> Node:
    """`x.copy(order)`."""
    laid_out(order)
    return as_node(x)


def astype(
    x: object, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
) -> Node:
    """`x.astype(dtype)`; rejects rounding conversions and dtypes with fewer bits than the one stored."""
    laid_out(order)
    node, wanted = as_node(x), np.dtype(dtype)
    held = node.type.dtype
    if held.is_float and wanted.kind in "iub":
        raise refusal(
            f"astype({wanted}) of floats has no derivative and cannot be recorded; compare, as in x > 0, or convert "
            "before the array is passed in"
        )
    if not np.can_cast(held.numpy, wanted, casting):  # type: ignore[arg-type]  # a name, which NumPy checks
        raise refusal(f"astype({wanted}, casting={casting!r}) of {held.value} is not allowed in NumPy either")
    found = DType.of(wanted)
    if wanted.kind in "iu" and wanted != found.numpy and held is not DType.BOOL:
        raise refusal(f"astype({wanted}) cannot be recorded, since integers are int64; write astype(np.int64)")
    return cast(node, found)


def _transpose(a: object, axes: Sequence[int] | None = None) -> Node:
    return permute(as_node(a), axes)


def _swapaxes(a: object, axis1: int, axis2: int) -> Node:
    return swapaxes(as_node(a), axis1, axis2)


def _moveaxis(a: object, source: int | Sequence[int], destination: int | Sequence[int]) -> Node:
    x = as_node(a)
    origins, places = ([axis] if isinstance(axis, int) else list(axis) for axis in (source, destination))
    moved = [normalize_axes(axis, x.type.ndim)[0] for axis in origins]
    order = [axis for axis in range(x.type.ndim) if axis not in moved]
    for place, axis in sorted(zip((normalize_axes(p, x.type.ndim)[0] for p in places), moved, strict=True)):
        order.insert(place, axis)
    return permute(x, order)


def _expand_dims(a: object, axis: int | Sequence[int]) -> Node:
    return expand_dims(as_node(a), axis)


def _squeeze(a: object, axis: int | Sequence[int] | None = None) -> Node:
    x = as_node(a)
    every = [k for k, dim in enumerate(x.type.shape) if dim == 1]
    return squeeze(x, every if axis is None else normalize_axes(axis, x.type.ndim))


def _broadcast_to(array: object, shape: Shape) -> Node:
    return broadcast_to(as_node(array), _dims(shape))


def _concatenate(arrays: Sequence[object], axis: int | None = 0) -> Node:
    nodes = [as_node(array) for array in arrays]
    if axis is None:
        return concatenate([reshape(node, (-1,)) for node in nodes])
    return concatenate(nodes, axis)


def _stack(arrays: Sequence[object], axis: int = 0) -> Node:
    return stack([as_node(array) for array in arrays], axis)


def _rows(node: Node) -> Node:
    return reshape(node, (1, *node.type.shape)) if node.type.ndim < 2 else node


def _vstack(tup: Sequence[object]) -> Node:
    return concatenate([_rows(reshape(x, (-1,)) if x.type.ndim == 0 else x) for x in map(as_node, tup)])


def _hstack(tup: Sequence[object]) -> Node:
    nodes = [reshape(x, (1,)) if x.type.ndim == 0 else x for x in map(as_node, tup)]
    return concatenate(nodes, 0 if nodes[0].type.ndim == 1 else 1)


def _column_stack(tup: Sequence[object]) -> Node:
    return concatenate([expand_dims(x, 1) if x.type.ndim == 1 else x for x in map(as_node, tup)], 1)


def _split(ary: object, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Node]:
    x = as_node(ary)
    (place,) = normalize_axes(axis, x.type.ndim)
    size = x.type.shape[place]
    bounds: list[Any]
    if isinstance(indices_or_sections, int):
        piece = dim_quotient(size, indices_or_sections)
        if piece is None:
            raise ShapeError(f"an axis of size {size} does not split into {indices_or_sections} equal pieces")
        bounds = [piece * k for k in range(indices_or_sections + 1)]
    else:
        bounds = [0, *indices_or_sections, None]
    before = (slice(None),) * place
    return [take_slices(x, (*before, slice(a, b))) for a, b in pairwise(bounds)]


def _pad(array: object, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Node:
    if mode != "constant" or not isinstance(constant_values, int | float):
        raise refusal("np.pad is recorded with one constant only; write np.pad(x, width, constant_values=0)")
    return pad(as_node(array), pad_width, constant_values)


def _flip(m: object, axis: int | Sequence[int] | None = None) -> Node:
    x = as_node(m)
    return reverse(x, normalize_axes(axis, x.type.ndim))


def _sliding_window_view(
    x: object,
    window_shape: Shape,
    axis: int | Sequence[int] | None = None,
    *,
    subok: bool = False,
    writeable: bool = False,
) -> Node:
    node, sizes = as_node(x), _dims(window_shape)
    axes = range(node.type.ndim) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    return sliding_windows(node, sizes, tuple(axes))


def take(a: object, indices: object, axis: int | None = None) -> Node:
    """`np.take(a, indices, axis)`."""
    return primitives.take(as_node(a), as_node(indices), axis)


def _take_along_axis(arr: object, indices: object, axis: int = -1) -> Node:
    return take_along_axis(as_node(arr), as_node(indices), axis)


def _where(condition: object, *choices: object) -> Node:
    if len(choices) != 2:
        raise refusal(
            "np.where(condition) alone gives indices, whose number depends on values; write np.where(condition, x, y)"
        )
    return where(as_operand(condition), *(as_operand(choice) for choice in choices))


def _clip(a: object, a_min: object = None, a_max: object = None, *, min: object = None, max: object = None) -> Node:
    if (a_min is not None or a_max is not None) and (min is not None or max is not None):
        raise refusal("np.clip takes a_min and a_max, or min and max, and not some of both")
    low, high = a_min if min is None else min, a_max if max is None else max
    x, *bounds = as_operand(a), *(as_operand(bound) for bound in (low, high) if bound is not None)
    if are_integers(x, *bounds):
        x = x if low is None else integers("maximum", x, as_operand(low))
        return as_node(x if high is None else integers("minimum", x, as_operand(high)))
    return clip(x, None if low is None else as_operand(low), None if high is None else as_operand(high))


def _filled(a: object, value: object, dtype: Any) -> Node:
    like = as_node(a).type
    kind = like.dtype if dtype is None else DType.of(np.dtype(dtype))
    return broadcast_to(cast(as_node(value), kind), like.shape)


def _zeros_like(a: object, dtype: Any = None) -> Node:
    return _filled(a, 0, dtype)


def _ones_like(a: object, dtype: Any = None) -> Node:
    return _filled(a, 1, dtype)


def _empty_like(prototype: object, dtype: Any = None) -> Node:
    return _filled(prototype, 0, dtype)


def _full_like(a: object, fill_value: object, dtype: Any = None) -> Node:
    return _filled(a, fill_value, dtype)


def _copy(a: object, order: str = "K", subok: bool = False) -> Node:
    return copied(a, order)


ARRANGEMENT: dict[Callable[..., Any], Callable[..., Any]] = {
    np.reshape: _reshape,
    np.ravel: _ravel,
    np.transpose: _transpose,
    np.swapaxes: _swapaxes,
    np.moveaxis: _moveaxis,
    np.expand_dims: _expand_dims,
    np.squeeze: _squeeze,
    np.broadcast_to: _broadcast_to,
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.vstack: _vstack,
    np.hstack: _hstack,
    np.column_stack: _column_stack,
    np.split: _split,
    np.pad: _pad,
    np.flip: _flip,
    np.lib.stride_tricks.sliding_window_view: _sliding_window_view,
    np.take: take,
    np.take_along_axis: _take_along_axis,
    np.where: _where,
    np.clip: _clip,
    np.zeros_like: _zeros_like,
    np.ones_like: _ones_like,
    np.full_like: _full_like,
    np.empty_like: _empty_like,
    np.copy: _copy,
    **({np.astype: astype} if hasattr(np, "astype") else {}),
}
