"""Elementwise functions of NumPy that are not ufuncs, in terms of primitives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.ir import DType, Node
from chainrule.primitives import (
    Trunc,
    abs_,
    as_floats,
    equal,
    less,
    less_equal,
    logical_and,
    logical_or,
    not_equal,
    round_,
    special_function,
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


ELEMENTWISE: dict[Callable[..., Any], Callable[..., Any]] = {
    np.around: _round,
    np.fix: _fix,
    np.i0: _i0,
    np.isclose: _isclose,
    np.isneginf: _isneginf,
    np.isposinf: _isposinf,
    np.nan_to_num: _nan_to_num,
    np.round: _round,
}
