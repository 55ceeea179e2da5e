"""Products over axes, and products and extrema of all elements up to each one: `np.prod`, `np.cumprod`, …

They are composed of pairs, so that their derivatives are right where elements are zero: half by half for a product over
an axis, and for those up to each element with the one 1, 2, 4, … places before (Hillis and Steele 1986).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.ir import ArrayType, Const, Node, Operand, ShapeError, SymbolicDim
from chainrule.primitives import (
    as_condition,
    as_floats,
    broadcast_to,
    concatenate,
    equal,
    keep_axes,
    multiply,
    normalize_axes,
    reshape,
    squeeze,
    take_slices,
    where,
)
from chainrule.trace.literals import as_node, as_operand
from chainrule.trace.options import in_dtype, refuse_options
from chainrule.trace.source import refusal

Axis: TypeAlias = "int | Sequence[int] | None"
Pair: TypeAlias = Callable[[Operand, Operand], Node]


def _part(x: Node, axis: int, start: int | None, stop: int | None) -> Node:
    return take_slices(x, (*(slice(None),) * axis, slice(start, stop)))


def _length(name: str, x: Node, axis: int) -> int:
    size = x.type.shape[axis]
    if isinstance(size, SymbolicDim):
        raise refusal(
            f"{name} along an axis of the named size {size} needs its number; give it, as in X=(100, 2) for X='n 2'"
        )
    return size


def product(name: str, x: Node, axis: Axis, keepdims: bool = False) -> Node:
    """The product over `axis`, as floats."""
    x = as_floats(x)
    axes = normalize_axes(axis if axis is None or isinstance(axis, int) else tuple(axis), x.type.ndim)
    for place in axes:
        size = _length(name, x, place)
        if size == 0:
            x = Const(1, x.type.with_shape(1 if k == place else dim for k, dim in enumerate(x.type.shape)))
        while size > 1:
            half = size // 2
            pairs = multiply(_part(x, place, None, half), _part(x, place, half, 2 * half))
            x = concatenate([pairs, _part(x, place, 2 * half, None)], place) if size % 2 else pairs
            size = half + size % 2
    return keep_axes(squeeze(x, axes) if axes else x, axes, keepdims)


def running(name: str, combine: Pair, x: Node, axis: int | None) -> Node:
    """Combine, for each element along `axis`, all elements up to it, as floats."""
    x = as_floats(x)
    if axis is None:
        x = reshape(x, (x.type.size,))
    (place,) = normalize_axes(0 if axis is None else axis, x.type.ndim)
    size, step = _length(name, x, place), 1
    while step < size:
        x = concatenate(
            [_part(x, place, None, step), combine(_part(x, place, step, None), _part(x, place, None, -step))], place
        )
        step *= 2
    return x


def _prod(
    a: object,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: object = 1,
    where: object = True,
) -> Node:
    refuse_options("np.prod", out=out)
    x = as_floats(in_dtype("np.prod", as_node(a), dtype))
    found = product("np.prod", x if where is True else _ones_elsewhere(x, where), axis, keepdims)
    return found if isinstance(initial, int) and initial == 1 else multiply(found, as_operand(initial))


def _ones_elsewhere(x: Node, mask: object) -> Node:
    return where(broadcast_to(as_condition(as_operand(mask)), x.type.shape), x, Const(1, ArrayType((), x.type.dtype)))


def _nanprod(
    a: object,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: object = 1,
    where: object = True,
) -> Node:
    x = as_floats(as_node(a))
    return _prod(_ones_elsewhere(x, equal(x, x)), axis, dtype, out, keepdims, initial, where)


def _cumprod(a: object, axis: int | None = None, dtype: Any = None, out: None = None) -> Node:
    refuse_options("np.cumprod", out=out)
    return running("np.cumprod", multiply, in_dtype("np.cumprod", as_node(a), dtype), axis)


def _nancumprod(a: object, axis: int | None = None, dtype: Any = None, out: None = None) -> Node:
    x = as_floats(as_node(a))
    return _cumprod(_ones_elsewhere(x, equal(x, x)), axis, dtype, out)


def _cumulative_prod(
    x: object, /, *, axis: int | None = None, dtype: Any = None, out: None = None, include_initial: bool = False
) -> Node:
    node = as_floats(as_node(x))
    if axis is None and node.type.ndim > 1:
        raise ShapeError("np.cumulative_prod of an array with several axes needs one, as in axis=0")
    (place,) = normalize_axes(0 if axis is None else axis, node.type.ndim)
    found = _cumprod(node, place, dtype, out)
    if not include_initial:
        return found
    one = Const(1, found.type.with_shape(1 if k == place else dim for k, dim in enumerate(found.type.shape)))
    return concatenate([one, found], place)


RUNNING: dict[Callable[..., Any], Callable[..., Any]] = {
    np.cumprod: _cumprod,
    np.nancumprod: _nancumprod,
    np.nanprod: _nanprod,
    np.prod: _prod,
    **({np.cumulative_prod: _cumulative_prod} if hasattr(np, "cumulative_prod") else {}),
}
