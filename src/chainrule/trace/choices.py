"""NumPy functions that choose elements: `np.where`, `np.select`, `np.take`, `np.compress`, …"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule import primitives
from chainrule.functions import demand
from chainrule.ir import Demand, Dim, DType, DTypeError, Node, ShapeError, SymbolicDim, shape_text
from chainrule.primitives import (
    TakeAlong,
    are_integers,
    broadcast_shape,
    broadcast_to,
    clip,
    equal,
    integers,
    normalize_axes,
    reshape,
    where,
)
from chainrule.trace.literals import as_node, as_operand, literal
from chainrule.trace.options import refuse_options
from chainrule.trace.source import refusal


def take(a: object, indices: object, axis: int | None = None, out: None = None, mode: str = "raise") -> Node:
    """`np.take(a, indices, axis)`, of indices within range, or brought there by a `mode`."""
    refuse_options("np.take", out=out)
    x, index = as_node(a), as_node(indices)
    size = x.type.size if axis is None else x.type.shape[normalize_axes(axis, x.type.ndim)[0]]
    if mode == "raise":
        return primitives.take(x, index, axis)
    if mode not in ("wrap", "clip"):
        raise refusal(f"the mode {mode!r} of np.take is none of 'raise', 'wrap' and 'clip'")
    if isinstance(size, SymbolicDim):
        raise refusal(f"np.take(…, mode={mode!r}) along an axis of the named size {size} needs its number; give it")
    if isinstance(indices, Node):
        within = as_node(within_range(index, size, mode))
    else:
        numbers = np.asarray(indices)
        within = literal(np.mod(numbers, size) if mode == "wrap" else np.clip(numbers, 0, size - 1))
    return primitives.take(x, within, axis)


def within_range(index: Node, size: int, mode: str) -> Node:
    """Return integers from 0 to `size` − 1, by wrapping around or by clipping."""
    if mode == "wrap":
        return as_node(integers("remainder", index, size))
    return as_node(integers("minimum", integers("maximum", index, 0), size - 1))


def _unravel_index(indices: object, shape: object, order: str = "C") -> tuple[Node, ...]:
    index, sizes = as_node(indices), tuple(shape) if isinstance(shape, list | tuple) else (shape,)
    if order != "C":
        raise refusal("np.unravel_index is recorded in the order 'C'; reverse the shape and the result for 'F'")
    if not all(isinstance(size, int | np.integer) for size in sizes):
        raise refusal("np.unravel_index needs the numbers of a shape; give named sizes as numbers")
    places: list[Node] = []
    for size in reversed([int(size) for size in sizes]):
        places.append(as_node(integers("remainder", index, size)))
        index = as_node(integers("floor_divide", index, size))
    return tuple(reversed(places))


def take_along_axis(arr: object, indices: object, axis: int | None = -1) -> Node:
    """`np.take_along_axis(arr, indices, axis)`."""
    x, index = as_node(arr), as_node(indices)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    (place,) = normalize_axes(axis, x.type.ndim)
    if index.type.ndim != x.type.ndim:
        raise ShapeError(
            f"np.take_along_axis takes indices of as many dimensions as the array: {x.type.ndim}, not {index.type.ndim}"
        )
    if index.type.shape[place] == 1 and x.type.dtype.is_float and _others(x, place) == _others(index, place):
        return primitives.take_along_axis(x, index, place)
    shape = list(broadcast_shape(_others(x, place), _others(index, place)))
    shape.insert(place, index.type.shape[place])
    x = broadcast_to(x, tuple(x.type.shape[k] if k == place else dim for k, dim in enumerate(shape)))
    return TakeAlong(place)(x, broadcast_to(index, tuple(shape)))


def _others(x: Node, axis: int) -> tuple[Dim, ...]:
    return tuple(dim for k, dim in enumerate(x.type.shape) if k != axis)


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


def _select(condlist: Sequence[object], choicelist: Sequence[object], default: object = 0) -> Node:
    if len(condlist) != len(choicelist) or not condlist:
        raise ShapeError("np.select takes as many choices as conditions, and at least one")
    chosen = as_operand(default)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        if as_node(condition).type.dtype is not DType.BOOL:
            raise DTypeError("np.select takes conditions that are true or false, as in x > 0")
        chosen = where(as_operand(condition), as_operand(choice), chosen)
    return as_node(chosen)


def _choose(a: object, choices: Sequence[object] | Node, out: None = None, mode: str = "raise") -> Node:
    index = as_node(a)
    if index.type.dtype.is_float:
        raise DTypeError("np.choose takes integers, the numbers of the choices")
    if isinstance(choices, Node):
        choices = _slices_of(choices)
    last = len(choices) - 1
    if mode in ("clip", "wrap"):
        index = within_range(index, last + 1, mode)
    elif mode != "raise":
        raise refusal(f"the mode {mode!r} of np.choose is none of 'raise', 'wrap' and 'clip'")
    else:
        demand(Demand(index, 0, last, "np.choose", "numbers of choices", "give one choice for each number"))
    chosen = as_operand(choices[last])
    for k in reversed(range(last)):
        chosen = where(equal(index, k), as_operand(choices[k]), chosen)
    shape = broadcast_shape(index.type.shape, *(as_node(choice).type.shape for choice in choices))
    return broadcast_to(as_node(chosen), shape)


def _slices_of(x: Node) -> list[Node]:
    """Return the choices that an array has along its first axis."""
    if not x.type.ndim or isinstance(x.type.shape[0], SymbolicDim):
        raise refusal("np.choose needs a number of choices; give a list of arrays, or the size as in X=(4, 2)")
    return [primitives.take_slices(x, (k,)) for k in range(x.type.shape[0])]


def _compress(condition: object, a: object, axis: int | None = None, out: None = None) -> Node:
    x = as_node(a)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    (place,) = normalize_axes(axis, x.type.ndim)
    kept, size = np.flatnonzero(_numbers(condition, "np.compress")), x.type.shape[place]
    if not isinstance(size, SymbolicDim) and kept.size and kept[-1] >= size:
        raise ShapeError(f"the condition of np.compress is longer than axis {axis} of shape {shape_text(x.type.shape)}")
    return primitives.take(x, literal(kept), place)


def _extract(condition: object, arr: object) -> Node:
    return _compress(np.ravel(_numbers(condition, "np.extract")), arr)


def _numbers(condition: object, name: str) -> np.ndarray[Any, Any]:
    if isinstance(condition, Node):
        raise refusal(
            f"the result of {name} has a size that depends on the values of the condition; write "
            "np.where(mask, x, 0) in a sum, and np.mean(x, where=mask) for a mean"
        )
    return np.asarray(condition)


CHOICES: dict[Callable[..., Any], Callable[..., Any]] = {
    np.choose: _choose,
    np.clip: _clip,
    np.compress: _compress,
    np.extract: _extract,
    np.select: _select,
    np.take: take,
    np.take_along_axis: take_along_axis,
    np.unravel_index: _unravel_index,
    np.where: _where,
}
