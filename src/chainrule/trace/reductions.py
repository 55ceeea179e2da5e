"""NumPy's reductions in terms of primitives: `np.sum`, `np.mean`, …

Handlers have the signatures of the functions they implement, as far as these are supported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from chainrule.functions import demand
from chainrule.ir import ArrayType, Const, Demand, Dim, DType, Node, Operand, ShapeError, dim_product, shape_text
from chainrule.primitives import (
    add,
    as_condition,
    as_floats,
    broadcast_shape,
    broadcast_to,
    cast,
    divide,
    equal,
    expand_dims,
    greater,
    keep_axes,
    logical_and,
    logical_not,
    logical_or,
    max_,
    maximum,
    mean,
    min_,
    minimum,
    norm,
    normalize_axes,
    sqrt,
    square,
    std,
    sum_,
    var,
    where,
)
from chainrule.trace.literals import as_node, as_operand
from chainrule.trace.options import in_dtype, refuse_options
from chainrule.trace.source import refusal

Axis: TypeAlias = "int | tuple[int, ...] | None"


def _counted(x: Node, mask: object) -> Node:
    """Return the elements that count as booleans of the shape of `x`."""
    counted = as_condition(as_operand(mask))
    if broadcast_shape(counted.type.shape, x.type.shape) != x.type.shape:
        raise ShapeError(
            f"where= of shape {shape_text(counted.type.shape)} does not broadcast to the shape "
            f"{shape_text(x.type.shape)} of the array"
        )
    return broadcast_to(counted, x.type.shape)


def _kept(x: Node, mask: object, otherwise: Operand) -> Node:
    """Return `x` with `otherwise` in place of the elements that do not count."""
    return x if mask is True else where(_counted(x, mask), x, otherwise)


def _sum(
    a: object,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: object = 0,
    where: object = True,
) -> Node:
    refuse_options("np.sum", out=out)
    total = sum_(_kept(in_dtype("np.sum", as_node(a), dtype), where, 0), axis, keepdims)
    return _combined(add, total, initial, 0)


def _combined(builder: Callable[[Operand, Operand], Node], found: Node, initial: object, neutral: object) -> Node:
    """Combine a reduction with an initial value that has an effect."""
    return found if initial is neutral or initial == neutral is not None else builder(found, as_operand(initial))


def _mean(
    a: object, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, where: object = True
) -> Node:
    refuse_options("np.mean", out=out)
    x = in_dtype("np.mean", as_node(a), dtype)
    return mean(x, axis, keepdims) if where is True else _mean_of(as_floats(x), _counted(x, where), axis, keepdims)


def _mean_of(x: Node, counted: Node, axis: Axis, keepdims: bool) -> Node:
    """Return the mean of the elements that count."""
    return sum_(where(counted, x, 0), axis, keepdims) / sum_(cast(counted, x.type.dtype), axis, keepdims)


def _extreme(
    builder: Callable[..., Node],
    combine: Callable[[Operand, Operand], Node],
    lowest: float,
    x: Node,
    axis: Axis,
    keepdims: bool,
    initial: object,
    mask: object,
) -> Node:
    """Return a bool for bools, as NumPy does, and a float for integers if floats represent them exactly."""
    name = builder.__name__.rstrip("_")
    if mask is not True and initial is None:
        raise refusal(
            f"np.{name} with where= needs initial=, the result where no element counts; give it, as NumPy asks"
        )
    if x.type.dtype is DType.INT64:
        mend = "a float does not tell larger ones apart; subtract the least outside of the function"
        demand(Demand(x, -(2**53), 2**53, f"np.{name}", "integers", mend))
    if x.type.dtype is DType.BOOL and (initial is not None or mask is not True):
        raise refusal(f"np.{name} of booleans is recorded without initial= and where=; write np.any or np.all")
    found = builder(_kept(x if mask is True else as_floats(x), mask, lowest), axis, keepdims)
    if x.type.dtype is DType.BOOL:
        return greater(found, 0.5)
    return _combined(combine, found, initial, None)


def _max(
    a: object,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: object = None,
    where: object = True,
) -> Node:
    refuse_options("np.max", out=out)
    return _extreme(max_, maximum, -np.inf, as_node(a), axis, keepdims, initial, where)


def _min(
    a: object,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: object = None,
    where: object = True,
) -> Node:
    refuse_options("np.min", out=out)
    return _extreme(min_, minimum, np.inf, as_node(a), axis, keepdims, initial, where)


def _ptp(a: object, axis: Axis = None, out: None = None, keepdims: bool = False) -> Node:
    refuse_options("np.ptp", out=out)
    x = as_floats(as_node(a))
    return max_(x, axis, keepdims) - min_(x, axis, keepdims)


def _deviations(
    name: str, a: object, axis: Axis, dtype: Any, out: None, ddof: Any, mask: object, given: object, correction: Any
) -> tuple[Node, Operand]:
    """Return the deviations from the mean, 0 for what does not count, and the divisor of their squares."""
    refuse_options(name, out=out)
    x = as_floats(in_dtype(name, as_node(a), dtype))
    if correction is not None:
        if ddof:
            raise refusal(f"{name} takes ddof= or correction=, which are the same, and not both")
        ddof = correction
    counted = None if mask is True else _counted(x, mask)
    if given is not None:
        centre = as_floats(as_node(given))
    else:
        centre = mean(x, axis, keepdims=True) if counted is None else _mean_of(x, counted, axis, True)
    centred = x - centre
    if centred.type.shape != x.type.shape:
        raise ShapeError(f"mean= of {name} has the shape of the mean with keepdims=True")
    if counted is None:
        return centred, dim_product(x.type.shape[k] for k in normalize_axes(axis, x.type.ndim)) - ddof
    return where(counted, centred, 0), sum_(cast(counted, x.type.dtype), axis) - ddof


def _var(
    a: object,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: Any = 0,
    keepdims: bool = False,
    *,
    where: object = True,
    mean: object = None,
    correction: Any = None,
) -> Node:
    if where is True and mean is None and correction is None:
        refuse_options("np.var", out=out)
        return var(in_dtype("np.var", as_node(a), dtype), axis, keepdims, ddof)
    centred, count = _deviations("np.var", a, axis, dtype, out, ddof, where, mean, correction)
    axes = normalize_axes(axis, centred.type.ndim)
    return keep_axes(divide(sum_(square(centred), axis), count), axes, keepdims)


def _std(
    a: object,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: Any = 0,
    keepdims: bool = False,
    *,
    where: object = True,
    mean: object = None,
    correction: Any = None,
) -> Node:
    if where is True and mean is None and correction is None:
        refuse_options("np.std", out=out)
        return std(in_dtype("np.std", as_node(a), dtype), axis, keepdims, ddof)
    centred, count = _deviations("np.std", a, axis, dtype, out, ddof, where, mean, correction)
    axes = normalize_axes(axis, centred.type.ndim)
    spread = sqrt(as_floats(as_node(count)))
    return keep_axes(norm(centred, axis) / cast(spread, centred.type.dtype), axes, keepdims)


def _any(a: object, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: object = True) -> Node:
    refuse_options("np.any", out=out)
    x = as_condition(as_operand(a))
    found = x if where is True else logical_and(x, _counted(x, where))
    return greater(max_(cast(found, DType.FLOAT64), axis, keepdims), 0.5)


def _all(a: object, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: object = True) -> Node:
    refuse_options("np.all", out=out)
    x = as_condition(as_operand(a))
    found = x if where is True else logical_or(x, logical_not(_counted(x, where)))
    return greater(min_(cast(found, DType.FLOAT64), axis, keepdims), 0.5)


def _count_nonzero(a: object, axis: Axis = None, *, keepdims: bool = False) -> Node:
    return cast(sum_(cast(as_condition(as_operand(a)), DType.FLOAT64), axis, keepdims), DType.INT64)


def _without_nan(handler: Callable[..., Node]) -> Callable[..., Node]:
    """The reduction of what is not NaN."""

    def reduced(a: object, *args: Any, where: object = True, **options: Any) -> Node:
        if not isinstance(options.get("ddof", 0), int):
            raise refusal("the ddof of a variance without NaN is an integer in NumPy; write np.var with where=")
        x = as_floats(as_node(a))
        known = equal(x, x)
        return handler(x, *args, where=known if where is True else logical_and(known, _counted(x, where)), **options)

    return reduced


def _nan_extreme(builder: Callable[..., Node], lowest: float) -> Callable[..., Node]:
    """The extremum of what is not NaN; NaN if nothing else is there."""

    def handler(a: object, axis: Axis = None, out: None = None, keepdims: bool = False) -> Node:
        refuse_options("np.nanmax", out=out)
        x = as_floats(as_node(a))
        known = equal(x, x)
        found = builder(where(known, x, lowest), axis, keepdims)
        some = greater(max_(cast(known, x.type.dtype), axis, keepdims), 0.5)
        return where(some, found, np.nan)

    return handler


def _average(
    a: object, axis: Axis = None, weights: object = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    x = as_node(a)
    found, total = _averaged(x, axis, weights)
    if keepdims:
        found = expand_dims(found, range(x.type.ndim) if axis is None else normalize_axes(axis, x.type.ndim))
    return (found, broadcast_to(total, found.type.shape)) if returned else found


def _averaged(x: Node, axis: Axis, weights: object) -> tuple[Node, Node]:
    """Return a weighted mean, and the sum of the weights, which may be one for several means."""
    if weights is None:
        ones = broadcast_to(Const(1.0, ArrayType(())), x.type.shape)
        return mean(x, axis), sum_(ones, axis)
    w = as_node(weights)
    if w.type.shape == x.type.shape:
        return sum_(x * w, axis) / sum_(w, axis), sum_(w, axis)
    if not isinstance(axis, int):
        raise refusal("np.average with weights of another shape than the array needs one axis, as in axis=0")
    (place,) = normalize_axes(axis, x.type.ndim)
    if w.type.shape != (x.type.shape[place],):
        raise ShapeError(
            f"the weights of np.average have shape {shape_text(w.type.shape)}; along axis {axis} of shape "
            f"{shape_text(x.type.shape)} they need {shape_text((x.type.shape[place],))}"
        )
    return sum_(x * expand_dims(w, range(1, x.type.ndim - place)), axis) / sum_(w), sum_(w)


def _shape(a: object) -> tuple[Dim, ...]:
    return as_node(a).type.shape


def _ndim(a: object) -> int:
    return as_node(a).type.ndim


def _size(a: object, axis: int | None = None) -> Dim:
    shape = as_node(a).type.shape
    return dim_product(shape) if axis is None else shape[axis]


REDUCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.sum: _sum,
    np.mean: _mean,
    np.max: _max,
    np.amax: _max,
    np.min: _min,
    np.amin: _min,
    np.all: _all,
    np.any: _any,
    np.count_nonzero: _count_nonzero,
    np.nanmax: _nan_extreme(max_, -np.inf),
    np.nanmean: _without_nan(_mean),
    np.nanmin: _nan_extreme(min_, np.inf),
    np.nanstd: _without_nan(_std),
    np.nansum: _without_nan(_sum),
    np.nanvar: _without_nan(_var),
    np.ptp: _ptp,
    np.var: _var,
    np.std: _std,
    np.average: _average,
    np.shape: _shape,
    np.ndim: _ndim,
    np.size: _size,
}
