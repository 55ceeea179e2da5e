"""NumPy functions that rearrange axes and elements: `np.reshape`, `np.moveaxis`, `np.flip`, …"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.ir import Dim, DType, Node, ShapeError
from chainrule.primitives import (
    as_floats,
    broadcast_shape,
    broadcast_to,
    cast,
    equal,
    expand_dims,
    less,
    normalize_axes,
    permute,
    reshape,
    reverse,
    sliding_windows,
    squeeze,
    swapaxes,
    where,
)
from chainrule.trace.literals import as_node
from chainrule.trace.source import refusal

Shape: TypeAlias = "Dim | Sequence[Dim]"


def as_dims(shape: Shape) -> tuple[Dim, ...]:
    """Return a size or a sequence of sizes as a tuple."""
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
    return _reordered(as_node(a), as_dims(shape), order)


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
    return broadcast_to(as_node(array), as_dims(shape))


def at_least(x: Node, ndim: int) -> Node:
    """Return `x` with new axes as `np.atleast_1d`, `np.atleast_2d` and `np.atleast_3d` place them."""
    shape = x.type.shape
    if len(shape) < min(ndim, 2):
        shape = (*(1,) * (min(ndim, 2) - len(shape)), *shape)
    return reshape(x, (*shape, *(1,) * (ndim - len(shape))))


def _at_least(ndim: int) -> Callable[..., Any]:
    def handler(*arys: object) -> Any:
        found = tuple(at_least(as_node(x), ndim) for x in arys)
        return found[0] if len(found) == 1 else found

    return handler


def _broadcast_arrays(*args: object, subok: bool = False) -> tuple[Node, ...]:
    nodes = [as_node(x) for x in args]
    shape = broadcast_shape(*(node.type.shape for node in nodes))
    return tuple(broadcast_to(node, shape) for node in nodes)


def _rollaxis(a: object, axis: int, start: int = 0) -> Node:
    x = as_node(a)
    (place,) = normalize_axes(axis, x.type.ndim)
    target = start + x.type.ndim if start < 0 else start
    if not 0 <= target <= x.type.ndim:
        raise ShapeError(f"np.rollaxis to {start} does not fit an array of {x.type.ndim} dimensions")
    order = [k for k in range(x.type.ndim) if k != place]
    order.insert(target - (place < target), place)
    return permute(x, order)


def matrix_transpose(x: object, /) -> Node:
    """`np.matrix_transpose(x)`: the last two axes exchanged."""
    node = as_node(x)
    if node.type.ndim < 2:
        raise ShapeError(f"np.matrix_transpose takes matrices on the last two axes, not {node.type}")
    return swapaxes(node, -2, -1)


def _flip(m: object, axis: int | Sequence[int] | None = None) -> Node:
    x = as_node(m)
    return reverse(x, normalize_axes(axis, x.type.ndim))


def _fliplr(m: object) -> Node:
    if as_node(m).type.ndim < 2:
        raise ShapeError("np.fliplr takes an array of two or more dimensions")
    return _flip(m, 1)


def _flipud(m: object) -> Node:
    if as_node(m).type.ndim < 1:
        raise ShapeError("np.flipud takes an array of one or more dimensions")
    return _flip(m, 0)


def _sliding_window_view(
    x: object,
    window_shape: Shape,
    axis: int | Sequence[int] | None = None,
    *,
    subok: bool = False,
    writeable: bool = False,
) -> Node:
    node, sizes = as_node(x), as_dims(window_shape)
    axes = range(node.type.ndim) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    return sliding_windows(node, sizes, tuple(axes))


def _filled(a: object, value: object, dtype: Any, shape: Shape | None) -> Node:
    like = as_node(a).type
    kind = like.dtype if dtype is None else DType.of(np.dtype(dtype))
    return broadcast_to(cast(as_node(value), kind), like.shape if shape is None else as_dims(shape))


def _of_number(value: float) -> Callable[..., Node]:
    def handler(
        a: object,
        dtype: Any = None,
        order: str = "K",
        subok: bool = True,
        shape: Shape | None = None,
        device: Any = None,
    ) -> Node:
        laid_out(order)
        return _filled(a, value, dtype, shape)

    return handler


def _full_like(
    a: object,
    fill_value: object,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Shape | None = None,
    device: Any = None,
) -> Node:
    laid_out(order)
    return _filled(a, fill_value, dtype, shape)


def _real(val: object) -> Node:
    return as_node(val)


def _imag(val: object) -> Node:
    return _filled(val, 0, None, None)


def _angle(z: object, deg: bool = False) -> Node:
    """The angle of a real number: 0, or half a turn if it is negative."""
    x = as_floats(as_node(z))
    return where(less(x, 0), 180.0 if deg else np.pi, where(equal(x, x), 0.0, x))


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
    np.atleast_1d: _at_least(1),
    np.atleast_2d: _at_least(2),
    np.atleast_3d: _at_least(3),
    np.broadcast_arrays: _broadcast_arrays,
    np.flip: _flip,
    np.fliplr: _fliplr,
    np.flipud: _flipud,
    np.rollaxis: _rollaxis,
    **({np.matrix_transpose: matrix_transpose} if hasattr(np, "matrix_transpose") else {}),
    np.lib.stride_tricks.sliding_window_view: _sliding_window_view,
    np.empty_like: _of_number(0),
    np.zeros_like: _of_number(0),
    np.ones_like: _of_number(1),
    np.full_like: _full_like,
    np.angle: _angle,
    np.copy: _copy,
    np.imag: _imag,
    np.real: _real,
    **({np.astype: astype} if hasattr(np, "astype") else {}),
}
