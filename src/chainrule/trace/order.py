"""NumPy functions of the order of elements: sorting, quantiles, places of extrema, counts and interpolation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor
from typing import Any, TypeAlias

import numpy as np

from chainrule.functions import demand
from chainrule.ir import ArrayType, Const, Demand, DType, Node, ShapeError, SymbolicDim, shape_text
from chainrule.primitives import (
    ArgMax,
    ArgMin,
    ArgSort,
    NanQuantile,
    Quantile,
    ScatterAdd,
    as_floats,
    cast,
    equal,
    expand_dims,
    greater,
    integers,
    keep_axes,
    less,
    less_equal,
    logical_or,
    normalize_axes,
    not_equal,
    permute,
    reshape,
    sort,
    stack,
    sum_,
    take,
    where,
)
from chainrule.trace.literals import as_node
from chainrule.trace.options import refuse_options
from chainrule.trace.source import refusal

Axis: TypeAlias = "int | Sequence[int] | None"


def _along(x: Node, axis: int | None) -> tuple[Node, int]:
    """Return the array and the axis of an order; without an axis, that of the elements in row-major order."""
    if axis is None:
        return reshape(x, (x.type.size,)), 0
    if not isinstance(axis, int):
        raise refusal(f"an order goes along one axis, as in axis=0, and not along {axis}")
    return x, normalize_axes(axis, x.type.ndim)[0]


def _sort(a: object, axis: int | None = -1, kind: object = None, order: None = None, *, stable: object = None) -> Node:
    refuse_options("np.sort", order=order)
    return sort(*_along(as_node(a), axis))


def _argsort(
    a: object, axis: int | None = -1, kind: object = None, order: None = None, *, stable: object = None
) -> Node:
    refuse_options("np.argsort", order=order)
    x, place = _along(as_node(a), axis)
    return ArgSort(place)(x)


def _partition(a: object, kth: object, axis: int | None = -1, kind: object = None, order: None = None) -> Node:
    """A sorted array is partitioned at every place."""
    return _sort(a, axis, order=order)


def _argpartition(a: object, kth: object, axis: int | None = -1, kind: object = None, order: None = None) -> Node:
    return _argsort(a, axis, order=order)


def _arg_extremum(primitive: Callable[[int], Any], name: str) -> Callable[..., Node]:
    def handler(a: object, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Node:
        refuse_options(name, out=out)
        x = as_node(a)
        flat, place = _along(as_floats(x) if x.type.dtype is DType.BOOL else x, axis)
        found: Node = primitive(place)(flat)
        return keep_axes(found, tuple(range(x.type.ndim)) if axis is None else (place,), keepdims)

    return handler


def _joined(x: Node, axis: Axis) -> tuple[Node, tuple[int, ...]]:
    """Return `x` with the reduced axes joined to one, the last, unless it is one; and these axes."""
    axes = normalize_axes(axis if axis is None or isinstance(axis, int) else tuple(axis), x.type.ndim)
    if len(axes) == 1:
        return x, axes
    kept = [k for k in range(x.type.ndim) if k not in axes]
    moved = permute(x, [*kept, *axes])
    return reshape(moved, (*(x.type.shape[k] for k in kept), -1)), axes


def _place(q: float, count: int, method: str) -> float:
    """The place of a quantile in ascending order (Hyndman and Fan 1996)."""
    between = {
        "interpolated_inverted_cdf": (0.0, 1.0),
        "linear": (1.0, 1.0),
        "hazen": (0.5, 0.5),
        "weibull": (0.0, 0.0),
        "median_unbiased": (1 / 3, 1 / 3),
        "normal_unbiased": (3 / 8, 3 / 8),
    }
    if method in between:
        alpha, beta = between[method]
        place = q * count + alpha + q * (1 - alpha - beta) - 1
        return min(max(place, 0.0), count - 1.0)
    if method in ("inverted_cdf", "averaged_inverted_cdf"):
        place = q * count - 1
        between_two = method == "averaged_inverted_cdf" and place == floor(place)
        return min(max(floor(place) + 0.5 if between_two else ceil(place), 0.0), count - 1.0)
    place = q * (count - 1)
    if method in ("lower", "higher", "midpoint"):
        low, high = floor(place), ceil(place)
        return {"lower": float(low), "higher": float(high), "midpoint": (low + high) / 2}[method]
    if method == "nearest":
        return float(np.rint(place))
    raise refusal(f"the method {method!r} of a quantile cannot be recorded; write method='linear'")


def _at(name: str, a: object, q: float, axis: Axis, keepdims: bool, method: str = "linear") -> Node:
    if not 0 <= q <= 1:
        raise ShapeError(f"{name} goes from the least element to the greatest, and {q} is beyond")
    x = as_floats(as_node(a))
    flat, axes = _joined(x, axis)
    along = axes[0] if len(axes) == 1 else flat.type.ndim - 1
    count = flat.type.shape[along]
    if isinstance(count, SymbolicDim):
        raise refusal(
            f"{name} along an axis of the named size {count} needs its number; give it, as in X=(100, 2) for X='n 2'"
        )
    place = _place(q, count, method)
    low = floor(place)
    share = place - low
    if share > 1 - 1e-12:
        low, share = low + 1, 0.0
    found = Quantile(along, low, 0.0 if share < 1e-12 else share)(flat)
    return keep_axes(found, axes, keepdims)


def median(
    a: object, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
) -> Node:
    """`np.median(a, axis, …)`."""
    refuse_options("np.median", out=out)
    return _at("np.median", a, 0.5, axis, keepdims)


def _quantiles(name: str, whole: float, at: Callable[..., Node] = _at) -> Callable[..., Node]:
    def handler(
        a: object,
        q: object,
        axis: Axis = None,
        out: None = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: bool = False,
        *,
        weights: None = None,
    ) -> Node:
        refuse_options(name, out=out)
        if weights is not None:
            raise refusal(
                f"{name} is recorded without weights=; write np.repeat(a, counts) for weights that are counts"
            )
        wanted = as_node(q)
        if not isinstance(wanted, Const):
            raise refusal(f"{name} takes numbers for q, which say how many elements are below; give them as constants")
        levels = np.asarray(q, np.float64) / whole
        found = [at(name, a, float(level), axis, keepdims, method) for level in levels.ravel()]
        if not levels.ndim:
            return found[0]
        rows = stack(found, 0)
        return reshape(rows, (*levels.shape, *rows.type.shape[1:]))

    return handler


def _at_without_nan(name: str, a: object, q: float, axis: Axis, keepdims: bool, method: str) -> Node:
    """A quantile of the elements that are not NaN."""
    if method != "linear":
        raise refusal(f"{name} is recorded with method='linear'; leave method= out")
    if not 0 <= q <= 1:
        raise ShapeError(f"{name} goes from the least element to the greatest, and {q} is beyond")
    flat, axes = _joined(as_floats(as_node(a)), axis)
    along = axes[0] if len(axes) == 1 else flat.type.ndim - 1
    return keep_axes(NanQuantile(along, q)(flat), axes, keepdims)


def _nanmedian(
    a: object, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
) -> Node:
    refuse_options("np.nanmedian", out=out)
    return _at_without_nan("np.nanmedian", a, 0.5, axis, keepdims, "linear")


def _nan_arg_extremum(primitive: Callable[[int], Any], name: str, worst: float) -> Callable[..., Node]:
    found = _arg_extremum(primitive, name)

    def handler(a: object, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Node:
        x = as_floats(as_node(a))
        return found(where(equal(x, x), x, worst), axis, out, keepdims=keepdims)

    return handler


def _lexsort(keys: object, axis: int = -1) -> Node:
    """Stable orders by each key in turn, of which the last one decides."""
    rows = [as_node(key) for key in keys] if isinstance(keys, list | tuple) else None
    if not rows or any(row.type.ndim != 1 for row in rows):
        raise refusal("np.lexsort is recorded for a list or tuple of vectors; give np.lexsort((y, x))")
    order: Node = ArgSort(0)(rows[0])
    for row in rows[1:]:
        order = take(order, ArgSort(0)(take(row, order, 0)), 0)
    return order


def _searchsorted(a: object, v: object, side: str = "left", sorter: None = None) -> Node:
    refuse_options("np.searchsorted", sorter=sorter)
    if side not in ("left", "right"):
        raise refusal(f"side={side!r} of np.searchsorted is neither 'left' nor 'right'")
    return places_among(as_node(a), as_node(v), side)


def places_among(edges: Node, x: Node, side: str) -> Node:
    """How many of the ascending `edges` are below each element of `x`, or not above it for the side "right"."""
    if edges.type.ndim != 1:
        raise ShapeError(f"places are sought in a vector, not in an array of shape {shape_text(edges.type.shape)}")
    spread = expand_dims(x, x.type.ndim)
    below = less(edges, spread) if side == "left" else less_equal(edges, spread)
    if x.type.dtype.is_float:
        below = logical_or(below, not_equal(spread, spread))
    return cast(sum_(cast(below, DType.FLOAT64), -1), DType.INT64)


def _digitize(x: object, bins: object, right: bool = False) -> Node:
    edges = as_node(bins)
    side = "left" if right else "right"
    known = edges.value if isinstance(edges, Const) else None
    if isinstance(known, np.ndarray) and known[0] > known[-1]:
        turned = as_node(known[::-1].copy())
        return integers("subtract", known.size, places_among(turned, as_node(x), side))
    return places_among(edges, as_node(x), side)


def _bincount(x: object, weights: object = None, minlength: int = 0) -> Node:
    labels = as_node(x)
    count = int(np.max(np.asarray(x), initial=-1)) + 1 if isinstance(labels, Const) else 0
    size = max(count, minlength)
    if not isinstance(labels, Const):
        if not minlength:
            raise refusal("the length of np.bincount depends on values; give minlength=k for labels from 0 to k − 1")
        mend = "give a larger minlength="
        demand(Demand(labels, 0, minlength - 1, "np.bincount", "labels", mend))
    if weights is None:
        ones = Const(1, ArrayType(labels.type.shape))
        return cast(ScatterAdd(0, size)(ones, labels), DType.INT64)
    return ScatterAdd(0, size)(as_floats(as_node(weights)), labels)


def _interp(x: object, xp: object, fp: object, left: object = None, right: object = None, period: None = None) -> Node:
    """Linear interpolation; at a given point, the slope is that of the interval that begins there."""
    refuse_options("np.interp", period=period)
    at, edges, values = (as_floats(as_node(each)) for each in (x, xp, fp))
    if edges.type.ndim != 1 or edges.type.shape != values.type.shape:
        raise ShapeError(
            f"np.interp takes two vectors of one length, not of shapes {shape_text(edges.type.shape)} and "
            f"{shape_text(values.type.shape)}"
        )
    count = edges.type.shape[0]
    if isinstance(count, SymbolicDim):
        raise refusal("np.interp of a named number of points needs that number; give it, as in xp=(5,) for xp='k'")
    place = integers("subtract", places_among(edges, at, "right"), 1)
    place = integers("minimum", integers("maximum", place, 0), count - 2)
    following = integers("add", place, 1)
    start, value = take(edges, place, 0), take(values, place, 0)
    slope = (take(values, following, 0) - value) / (take(edges, following, 0) - start)
    found = value + slope * (at - start)
    first, final = (take(values, as_node(k), 0) for k in (0, -1))
    low, high = take(edges, as_node(0), 0), take(edges, as_node(-1), 0)
    below = first if left is None else as_floats(as_node(left))
    above = final if right is None else as_floats(as_node(right))
    return where(less(at, low), below, where(greater(at, high), above, found))


ORDER: dict[Callable[..., Any], Callable[..., Any]] = {
    np.argmax: _arg_extremum(ArgMax, "np.argmax"),
    np.argmin: _arg_extremum(ArgMin, "np.argmin"),
    np.argpartition: _argpartition,
    np.argsort: _argsort,
    np.bincount: _bincount,
    np.digitize: _digitize,
    np.interp: _interp,
    np.lexsort: _lexsort,
    np.median: median,
    np.nanargmax: _nan_arg_extremum(ArgMax, "np.nanargmax", -np.inf),
    np.nanargmin: _nan_arg_extremum(ArgMin, "np.nanargmin", np.inf),
    np.nanmedian: _nanmedian,
    np.nanpercentile: _quantiles("np.nanpercentile", 100.0, _at_without_nan),
    np.nanquantile: _quantiles("np.nanquantile", 1.0, _at_without_nan),
    np.partition: _partition,
    np.percentile: _quantiles("np.percentile", 100.0),
    np.quantile: _quantiles("np.quantile", 1.0),
    np.searchsorted: _searchsorted,
    np.sort: _sort,
}
