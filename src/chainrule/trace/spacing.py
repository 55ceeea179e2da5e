"""Numbers between two ends, traced or as many as a size that has only a name: `np.linspace`, windows and others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.ir import ArrayType, Const, Dim, Node, SymbolicDim
from chainrule.primitives import (
    abs_,
    as_floats,
    broadcast_together,
    cast,
    cos,
    equal,
    exp,
    expand_dims,
    log,
    maximum,
    permute,
    positions,
    power,
    where,
)
from chainrule.trace.literals import as_node, literal
from chainrule.trace.options import in_dtype
from chainrule.trace.source import refusal


def _linspace(
    start: object,
    stop: object,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    points, step = _between(_floats(start), _floats(stop), num, endpoint)
    points = _placed(points, dtype, axis)
    return (points, step) if retstep else points


def _floats(x: object) -> Node:
    return as_floats(as_node(x))


def _between(first: Node, last: Node, num: Any, endpoint: bool) -> tuple[Node, Node]:
    """Return evenly spaced numbers along a new first axis, and their distance."""
    if isinstance(num, Node):
        raise refusal("the number of points of np.linspace is recorded as a number; write start + np.arange(n) * step")
    first, last = broadcast_together(first, last)
    starts_at_zero = isinstance(first, Const) and first.filled_with(0)
    width = last if starts_at_zero else last - first
    if isinstance(num, SymbolicDim):
        parts = Const(num - 1 if endpoint else num, ArrayType((), first.type.dtype))
        share, step = _shares(num, parts), width / parts
    else:
        count = int(num) - 1 if endpoint else int(num)
        share = literal((np.arange(int(num)) / max(count, 1)).astype(first.type.dtype.numpy))
        step = width / count if count else width * np.nan
    weights = expand_dims(share, range(1, first.type.ndim + 1))
    points = weights * expand_dims(width, 0)
    return points if starts_at_zero else expand_dims(first, 0) + points, step


def _shares(num: Dim, parts: Node) -> Node:
    """Return 0, 1/parts, 2/parts, …; for no parts, 0."""
    return cast(positions(num), parts.type.dtype) / maximum(parts, 1.0)


def _placed(points: Node, dtype: Any, axis: int) -> Node:
    order = list(range(1, points.type.ndim))
    order.insert(axis % points.type.ndim, 0)
    return in_dtype("np.linspace", permute(points, order), dtype)


def _logspace(
    start: object,
    stop: object,
    num: Any = 50,
    endpoint: bool = True,
    base: object = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Node:
    points, _ = _between(_floats(start), _floats(stop), num, endpoint)
    return _placed(power(_floats(base), points), dtype, axis)


def _geomspace(
    start: object, stop: object, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Node:
    """Positive ends alone: for others NumPy turns to complex numbers, or to the sign of both."""
    points, _ = _between(log(_floats(start)), log(_floats(stop)), num, endpoint)
    return _placed(exp(points), dtype, axis)


def _window(of_share: Callable[[Node], Node]) -> Callable[[Dim], Node]:
    """A window of a named size, as a function of the share of its length; that of one element is 1."""

    def handler(M: Dim) -> Node:
        parts = Const(M - 1, ArrayType(()))
        return where(equal(parts, 0.0), 1.0, of_share(_shares(M, parts)))

    return handler


def _wave(share: Node, waves: int = 1) -> Node:
    return cos(2 * np.pi * waves * share)


OF_SIZES: dict[str, Callable[..., Any]] = {
    "bartlett": _window(lambda share: 1.0 - abs_(2.0 * share - 1.0)),
    "blackman": _window(lambda share: 0.42 - 0.5 * _wave(share) + 0.08 * _wave(share, 2)),
    "hamming": _window(lambda share: 0.54 - 0.46 * _wave(share)),
    "hanning": _window(lambda share: 0.5 - 0.5 * _wave(share)),
    "linspace": _linspace,
}
"""Those of which the number of elements may be a size without a number."""

SPACING: dict[Callable[..., Any], Callable[..., Any]] = {
    np.geomspace: _geomspace,
    np.linspace: _linspace,
    np.logspace: _logspace,
}
