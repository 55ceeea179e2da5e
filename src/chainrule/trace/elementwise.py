"""Elementwise functions of NumPy that are not ufuncs, in terms of primitives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.ir import Const, DType, Node
from chainrule.primitives import (
    Remainder,
    Sinc,
    Trunc,
    abs_,
    as_floats,
    concatenate,
    cumsum,
    equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    normalize_axes,
    not_equal,
    round_,
    special_function,
    take_slices,
    where,
)
from chainrule.trace.literals import as_node, as_operand
from chainrule.trace.options import refuse_options
from chainrule.trace.source import refusal


def _round(a: object, decimals: int = 0, out: None = None) -> Node:
    refuse_options("np.round", out=out)
    x = as_node(a)
    if x.type.dtype is DType.INT64:
        if decimals < 0:
            raise refusal("np.round of integers to tens cannot be recorded; convert them with astype(float)")
        return x
    return round_(x, decimals)


def _fix(x: object) -> Node:
    return Trunc.of(as_operand(x))


def _i0(x: object) -> Node:
    return special_function("iv", 0)(as_node(x))


def _isposinf(x: object) -> Node:
    return equal(as_floats(as_operand(x)), np.inf)


def _isneginf(x: object) -> Node:
    return equal(as_floats(as_operand(x)), -np.inf)


def _nan_to_num(x: object, copy: bool = True, nan: object = 0.0, posinf: object = None, neginf: object = None) -> Node:
    number = as_node(x)
    if not number.type.dtype.is_float:
        return number
    limits = np.finfo(number.type.dtype.numpy)
    high = as_operand(float(limits.max) if posinf is None else posinf)
    low = as_operand(float(limits.min) if neginf is None else neginf)
    finite = where(equal(number, np.inf), high, where(equal(number, -np.inf), low, number))
    return where(equal(number, number), finite, as_operand(nan))


def _isclose(a: object, b: object, rtol: object = 1e-05, atol: object = 1e-08, equal_nan: bool = False) -> Node:
    x, y = (as_floats(as_operand(each)) for each in (a, b))
    bound = as_operand(atol) + as_operand(rtol) * abs_(y)
    close = logical_and(less_equal(abs_(x - y), bound), less(abs_(y), np.inf))
    found = logical_or(close, equal(x, y))
    if equal_nan:
        found = logical_or(found, logical_and(not_equal(x, x), not_equal(y, y)))
    return found


def _unwrap(p: object, discont: object = None, axis: int = -1, *, period: float = 2 * math.pi) -> Node:
    """Whole periods are added, which are constant between jumps."""
    refuse_options("np.unwrap", discont=discont)
    x = as_floats(as_node(p))
    (place,) = normalize_axes(axis, x.type.ndim)
    before = (slice(None),) * place
    step = take_slices(x, (*before, slice(1, None))) - take_slices(x, (*before, slice(None, -1)))
    wrapped = Remainder.of(step + period / 2, period) - period / 2
    wrapped = where(logical_and(equal(wrapped, -period / 2), less(0.0, step)), period / 2, wrapped)
    jumps = where(less(abs_(step), period / 2), 0.0, period * round_((wrapped - step) / period))
    first = take_slices(x, (*before, slice(0, 1)))
    return concatenate([first, take_slices(x, (*before, slice(1, None))) + cumsum(jumps, place)], place)


def _isin(element: object, test_elements: object, assume_unique: bool = False, invert: bool = False) -> Node:
    x, among = as_node(element), as_node(test_elements)
    if not isinstance(among, Const):
        raise refusal("np.isin is recorded for numbers to be found; compare with traced ones by x[:, None] == y")
    values = np.asarray(test_elements).ravel().tolist()
    found = less(abs_(as_floats(x)), 0.0) if not values else equal(x, values[0])
    for value in values[1:]:
        found = logical_or(found, equal(x, value))
    return logical_not(found) if invert else found


ELEMENTWISE: dict[Callable[..., Any], Callable[..., Any]] = {
    np.around: _round,
    np.fix: _fix,
    np.i0: _i0,
    np.isin: _isin,
    np.iscomplex: lambda x: less(abs_(as_floats(as_node(x))), 0.0),
    np.isreal: lambda x: logical_not(less(abs_(as_floats(as_node(x))), 0.0)),
    np.isclose: _isclose,
    np.isneginf: _isneginf,
    np.isposinf: _isposinf,
    np.nan_to_num: _nan_to_num,
    np.real_if_close: lambda a, tol=100: as_node(a),
    np.round: _round,
    np.sinc: lambda x: Sinc.of(as_node(x)),
    np.unwrap: _unwrap,
}
