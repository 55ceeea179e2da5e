"""Convolution and pooling of plain arrays, nodes, and objects that wrap nodes, built from windows and contractions.

As in PyTorch, the axes are batch, channels, then one or two spatial axes: `(n, c, length)` or `(n, c, height, width)`.
As usual in deep learning, convolution does not flip the kernel.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Literal, TypeAlias

from numpy.typing import ArrayLike

from chainrule.functions import Floats, call
from chainrule.ir import Dim, Node, ShapeError, SymbolicDim, shape_text
from chainrule.primitives import (
    Broadcast,
    Contract,
    as_floats,
    cast,
    common_dtype,
    max_,
    mean,
    pad,
    sliding_windows,
)

Steps: TypeAlias = int | Sequence[int]
Padding: TypeAlias = int | Sequence[int] | Literal["valid", "same"]


def conv1d(
    x: ArrayLike, W: ArrayLike, b: ArrayLike | None = None, stride: Steps = 1, padding: Padding = 0, dilation: Steps = 1
) -> Floats:
    """1-D convolution, `y[n, o, p] = Σ x[n, c, p·stride + k·dilation] W[o, c, k] + b[o]`, summed over c and k.

    Parameters
    ----------
    x, W, b
        Input `(n, c, length)`, kernels `(o, c, k)`, bias `(o,)` or None.
    stride, dilation
        The distance between adjacent windows, and between adjacent places within one.
    padding
        Number of zeros on each side; "same" preserves the length (for a stride of 1), "valid" is 0.

    Returns
    -------
    Array `(n, o, windows)`. Raises ShapeError for inconsistent shapes.

    >>> conv1d([[[1.0, 2.0, 4.0, 8.0]]], [[[-1.0, 1.0]]])
    array([[[1., 2., 4.]]])

    """
    result: Floats = call(_convolve, x, W, b, name="conv1d", rank=1, stride=stride, padding=padding, dilation=dilation)
    return result


def conv2d(
    x: ArrayLike, W: ArrayLike, b: ArrayLike | None = None, stride: Steps = 1, padding: Padding = 0, dilation: Steps = 1
) -> Floats:
    """2-D convolution: each output is a sum over input channels and the places of a window, plus b.

    Parameters
    ----------
    x, W, b
        Input `(n, c, height, width)`, kernels `(o, c, k, l)`, bias `(o,)` or None.
    stride, dilation
        The distance between adjacent windows, and between adjacent places within one: a number, or one per axis.
    padding
        Number of zeros on each side: a number, or one per axis; "same" preserves the size (for a stride of 1), "valid"
        is 0.

    Returns
    -------
    Array `(n, o, rows, columns)`. Raises ShapeError for inconsistent shapes.

    >>> conv2d([[[[1.0, 2.0], [3.0, 4.0]]]], [[[[1.0, 0.0], [0.0, 1.0]]]])
    array([[[[5.]]]])

    """
    result: Floats = call(_convolve, x, W, b, name="conv2d", rank=2, stride=stride, padding=padding, dilation=dilation)
    return result


def max_pool1d(x: ArrayLike, size: Steps, stride: Steps | None = None, padding: Padding = 0) -> Floats:
    """Max pooling along the last axis; `stride` defaults to the window size.

    The gradient goes to the maximum and is shared by ties. Padding counts as −∞.

    >>> max_pool1d([[[1.0, 3.0, 2.0, 5.0]]], 2)
    array([[[3., 5.]]])
    """
    result: Floats = call(_pool, x, name="max_pool1d", rank=1, size=size, stride=stride, padding=padding)
    return result


def max_pool2d(x: ArrayLike, size: Steps, stride: Steps | None = None, padding: Padding = 0) -> Floats:
    """Max pooling over the last two axes; `stride` defaults to the window size.

    The gradient goes to the maximum and is shared by ties. Padding counts as −∞.

    >>> max_pool2d([[[[1.0, 3.0], [2.0, 5.0]]]], 2)
    array([[[[5.]]]])
    """
    result: Floats = call(_pool, x, name="max_pool2d", rank=2, size=size, stride=stride, padding=padding)
    return result


def avg_pool1d(x: ArrayLike, size: Steps, stride: Steps | None = None, padding: Padding = 0) -> Floats:
    """Average pooling along the last axis; `stride` defaults to the window size.

    Padding counts as zeros, which are included in the mean.

    >>> avg_pool1d([[[1.0, 3.0, 2.0, 4.0]]], 2)
    array([[[2., 3.]]])
    """
    result: Floats = call(_pool, x, name="avg_pool1d", rank=1, size=size, stride=stride, padding=padding)
    return result


def avg_pool2d(x: ArrayLike, size: Steps, stride: Steps | None = None, padding: Padding = 0) -> Floats:
    """Average pooling over the last two axes; `stride` defaults to the window size.

    Padding counts as zeros, which are included in the mean.

    >>> avg_pool2d([[[[1.0, 3.0], [2.0, 4.0]]]], 2)
    array([[[[2.5]]]])
    """
    result: Floats = call(_pool, x, name="avg_pool2d", rank=2, size=size, stride=stride, padding=padding)
    return result


def _convolve(
    x: Node, W: Node, b: Node | None, name: str, rank: int, stride: Steps, padding: Padding, dilation: Steps
) -> Node:
    axes = _axes(name, x, rank)
    if W.type.ndim != rank + 2 or W.type.shape[1] != x.type.shape[1]:
        wanted = ("o", str(x.type.shape[1]), *"kl"[:rank])
        raise ShapeError(
            f"{name} of an input of shape {shape_text(x.type.shape)} takes kernels of shape ({', '.join(wanted)}), not "
            f"{shape_text(W.type.shape)}"
        )
    if b is not None and b.type.shape != W.type.shape[:1]:
        raise ShapeError(
            f"{name} with {W.type.shape[0]} kernels takes a bias of shape {shape_text(W.type.shape[:1])}, not "
            f"{shape_text(b.type.shape)}"
        )
    dtype = common_dtype([as_floats(node) for node in (x, W, b) if node is not None])
    x, W = cast(x, dtype), cast(W, dtype)
    sizes = W.type.shape[2:]
    strides, dilations = _steps(name, "stride", stride, rank), _steps(name, "dilation", dilation, rank)
    x = _padded(name, x, padding, axes, sizes, dilations, 0.0)
    windows = sliding_windows(x, sizes, axes, strides, dilations)
    # the contraction n c p… k…, o c k… → n o p…
    n, c, o = 0, 1, 2
    places, within = tuple(range(3, 3 + rank)), tuple(range(3 + rank, 3 + 2 * rank))
    y = Contract(((n, c, *places, *within), (o, c, *within)), (n, o, *places))(windows, W)
    return y if b is None else y + Broadcast(y.type.shape, (1,))(cast(b, dtype))


def _pool(x: Node, name: str, rank: int, size: Steps, stride: Steps | None, padding: Padding) -> Node:
    axes = _axes(name, x, rank)
    x = as_floats(x)
    sizes = _steps(name, "size", size, rank)
    strides = sizes if stride is None else _steps(name, "stride", stride, rank)
    takes_maximum = name.startswith("max")
    x = _padded(name, x, padding, axes, sizes, (1,) * rank, -math.inf if takes_maximum else 0.0)
    windows = sliding_windows(x, sizes, axes, strides)
    within = tuple(range(x.type.ndim, x.type.ndim + rank))
    return max_(windows, within) if takes_maximum else mean(windows, within)


def _axes(name: str, x: Node, rank: int) -> tuple[int, ...]:
    if x.type.ndim != rank + 2:
        wanted = "(n, channels, length)" if rank == 1 else "(n, channels, height, width)"
        raise ShapeError(f"{name} takes an input of shape {wanted}, not {shape_text(x.type.shape)}")
    return tuple(range(2, 2 + rank))


def _steps(name: str, what: str, given: Steps, rank: int) -> tuple[int, ...]:
    """Return one whole number of at least 1 for each axis."""
    try:
        steps = tuple(operator.index(step) for step in (given if isinstance(given, Sequence) else (given,)))
    except TypeError:
        raise ShapeError(f"the {what} of {name} is a whole number, or one for each axis, not {given!r}") from None
    steps = steps * rank if len(steps) == 1 else steps
    if len(steps) != rank or min(steps) < 1:
        raise ShapeError(f"the {what} of {name} is a whole number from 1 on, or one for each axis, not {given!r}")
    return steps


def _padded(
    name: str, x: Node, padding: Padding, axes: Sequence[int], sizes: Sequence[Dim], dilations: Sequence[int], by: float
) -> Node:
    """Pad `x` on both sides of `axes` as specified by `padding`."""
    if padding == "valid":
        return x
    pairs: list[tuple[Dim, Dim]]
    if padding == "same":
        pairs = [_same(name, (size - 1) * dilation) for size, dilation in zip(sizes, dilations, strict=True)]
    else:
        pairs = [(width, width) for width in _widths(name, padding, len(axes))]
    if all(pair == (0, 0) for pair in pairs):
        return x
    around: list[tuple[Dim, Dim]] = [(0, 0)] * x.type.ndim
    for axis, pair in zip(axes, pairs, strict=True):
        around[axis] = pair
    return pad(x, around, by)


def _widths(name: str, given: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Return one whole number of at least 0 for each axis."""
    try:
        widths = tuple(operator.index(width) for width in (given if isinstance(given, Sequence) else (given,)))
    except TypeError:
        widths = ()
    widths = widths * rank if len(widths) == 1 else widths
    if len(widths) != rank or min(widths) < 0:
        raise ShapeError(
            f"the padding of {name} is a whole number from 0 on, one for each axis, 'same' or 'valid', not {given!r}"
        )
    return widths


def _same(name: str, total: Dim) -> tuple[Dim, Dim]:
    """Return the padding before and after an axis that preserves its size; the odd element goes after."""
    if isinstance(total, SymbolicDim):
        raise ShapeError(f"the padding 'same' of {name} needs kernels whose sizes are numbers, and here is {total} + 1")
    return total // 2, total - total // 2
