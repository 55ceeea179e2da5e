"""NumPy's reductions in terms of primitives: `np.sum`, `np.mean`, …

Handlers have the signatures of the functions they implement, as far as these are supported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from chainrule.functions import demand
from chainrule.ir import Demand, Dim, DType, Node, ShapeError, dim_product, shape_text
from chainrule.primitives import (
    expand_dims,
    greater,
    max_,
    mean,
    min_,
    normalize_axes,
    std,
    sum_,
    var,
)
from chainrule.trace.literals import as_node
from chainrule.trace.options import in_dtype, refuse_options
from chainrule.trace.source import refusal

Axis: TypeAlias = "int | tuple[int, ...] | None"


def _sum(a: object, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Node:
    refuse_options("np.sum", out=out)
    return sum_(in_dtype("np.sum", as_node(a), dtype), axis, keepdims)


def _mean(a: object, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Node:
    refuse_options("np.mean", out=out)
    return mean(in_dtype("np.mean", as_node(a), dtype), axis, keepdims)


def _extreme(builder: Callable[..., Node], x: Node, axis: Axis, keepdims: bool) -> Node:
    """Return a bool for bools, as NumPy does, and a float for integers if floats represent them exactly."""
    if x.type.dtype is DType.INT64:
        mend = "a float does not tell larger ones apart; subtract the least outside of the function"
        demand(Demand(x, -(2**53), 2**53, f"np.{builder.__name__.rstrip('_')}", "integers", mend))
    found = builder(x, axis, keepdims)
    return greater(found, 0.5) if x.type.dtype is DType.BOOL else found


def _max(a: object, axis: Axis = None, out: None = None, keepdims: bool = False) -> Node:
    refuse_options("np.max", out=out)
    return _extreme(max_, as_node(a), axis, keepdims)


def _min(a: object, axis: Axis = None, out: None = None, keepdims: bool = False) -> Node:
    refuse_options("np.min", out=out)
    return _extreme(min_, as_node(a), axis, keepdims)


def _var(
    a: object, axis: Axis = None, dtype: Any = None, out: None = None, ddof: int = 0, keepdims: bool = False
) -> Node:
    refuse_options("np.var", out=out)
    return var(in_dtype("np.var", as_node(a), dtype), axis, keepdims, ddof)


def _std(
    a: object, axis: Axis = None, dtype: Any = None, out: None = None, ddof: int = 0, keepdims: bool = False
) -> Node:
    refuse_options("np.std", out=out)
    return std(in_dtype("np.std", as_node(a), dtype), axis, keepdims, ddof)


def _average(a: object, axis: Axis = None, weights: object = None) -> Node:
    x = as_node(a)
    if weights is None:
        return mean(x, axis)
    w = as_node(weights)
    if w.type.shape == x.type.shape:
        return sum_(x * w, axis) / sum_(w, axis)
    if not isinstance(axis, int):
        raise refusal("np.average with weights of another shape than the array needs one axis, as in axis=0")
    (place,) = normalize_axes(axis, x.type.ndim)
    if w.type.shape != (x.type.shape[place],):
        raise ShapeError(
            f"the weights of np.average have shape {shape_text(w.type.shape)}; along axis {axis} of shape "
            f"{shape_text(x.type.shape)} they need {shape_text((x.type.shape[place],))}"
        )
    return sum_(x * expand_dims(w, range(1, x.type.ndim - place)), axis) / sum_(w)


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
    np.var: _var,
    np.std: _std,
    np.average: _average,
    np.shape: _shape,
    np.ndim: _ndim,
    np.size: _size,
}
