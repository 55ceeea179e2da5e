"""Numbers between two traced ends: `np.linspace`, `np.logspace`, `np.geomspace`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.ir import Node, SymbolicDim
from chainrule.primitives import as_floats, broadcast_together, exp, expand_dims, log, permute, power
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
    if isinstance(num, SymbolicDim | Node):
        raise refusal("the number of points of np.linspace is recorded as a number; write start + np.arange(n) * step")
    first, last = broadcast_together(first, last)
    parts = int(num) - 1 if endpoint else int(num)
    share = np.arange(int(num)) / max(parts, 1)
    width = last - first
    weights = expand_dims(literal(share.astype(first.type.dtype.numpy)), range(1, first.type.ndim + 1))
    points = expand_dims(first, 0) + weights * expand_dims(width, 0)
    return points, width / parts if parts else width * np.nan


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


SPACING: dict[Callable[..., Any], Callable[..., Any]] = {
    np.geomspace: _geomspace,
    np.linspace: _linspace,
    np.logspace: _logspace,
}
