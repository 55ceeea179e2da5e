"""`np.pad` in every mode, one axis after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule import primitives
from chainrule.ir import ArrayType, Const, Dim, Node, ShapeError, SymbolicDim, concrete
from chainrule.primitives import (
    as_floats,
    broadcast_to,
    cast,
    concatenate,
    max_,
    mean,
    min_,
    pad_pairs,
    take_slices,
)
from chainrule.trace.literals import as_node, literal
from chainrule.trace.order import median
from chainrule.trace.source import refusal

_STATISTICS: Final[dict[str, Callable[..., Node]]] = {"maximum": max_, "mean": mean, "median": median, "minimum": min_}
_COPIES: Final = ("edge", "reflect", "symmetric", "wrap")


def pad(array: object, pad_width: Any, mode: str = "constant", **options: Any) -> Node:
    """`np.pad(array, pad_width, mode, …)`."""
    x = as_node(array)
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(k, pad_width.get(k - x.type.ndim, (0, 0))) for k in range(x.type.ndim)]
    elif isinstance(pad_width, np.ndarray):
        pad_width = pad_width.tolist()
    if mode == "constant":
        return _constant(x, pad_width, options.get("constant_values", 0))
    widths = pad_pairs(pad_width, x.type.ndim)
    if mode in _COPIES:
        if mode in ("reflect", "symmetric") and options.get("reflect_type", "even") == "odd":
            return _continued(x, widths, mode)
        return _copied(x, widths, mode)
    if mode == "empty":  # NumPy leaves these elements open
        return _constant(x, pad_width, 0)
    if mode in _STATISTICS:
        return _of_statistics(x, widths, _STATISTICS[mode], options.get("stat_length"))
    if mode == "linear_ramp":
        return _ramps(x, widths, options.get("end_values", 0))
    raise refusal(
        f"np.pad(…, mode={mode!r}) is not recorded; there are 'constant', {', '.join(map(repr, _COPIES))}, "
        "'linear_ramp', 'maximum', 'mean', 'median', 'minimum' and 'empty'"
    )


def _constant(x: Node, widths: Any, values: Any) -> Node:
    if isinstance(values, int | float):
        return primitives.pad(x, widths, values)
    return _ends(x, pad_pairs(widths, x.type.ndim), values, lambda edge, end, width, first: end)


def _ramps(x: Node, widths: Sequence[tuple[Dim, Dim]], values: Any) -> Node:
    """Straight lines from the edge to an end value, which is the outermost element."""

    def ramp(edge: Node, end: Node, width: Dim, first: bool) -> Node:
        if isinstance(width, SymbolicDim):
            raise refusal("np.pad(…, mode='linear_ramp') needs numbers for the widths")
        share = np.arange(width) / width
        weights = share if first else share[::-1]
        shape = (width, *(1,) * (edge.type.ndim - 1))
        return end + (edge - end) * literal(weights.astype(edge.type.dtype.numpy).reshape(shape))

    return _ends(as_floats(x), widths, values, ramp)


def _ends(
    x: Node, widths: Sequence[tuple[Dim, Dim]], values: Any, part: Callable[[Node, Node, Dim, bool], Node]
) -> Node:
    """Join `part(edge, value, width, is before)`, with the padded axis first, to both ends of each axis."""
    ends = np.broadcast_to(np.asarray(values, float), (x.type.ndim, 2))
    for axis, pair in enumerate(widths):
        pieces = [x]
        for first, width, end in zip((True, False), pair, ends[axis], strict=True):
            if width == 0:
                continue
            edge = primitives.permute(_edge(x, axis, first), _in_front(axis, x.type.ndim))
            value = cast(Const(float(end), ArrayType((), edge.type.dtype)), edge.type.dtype)
            found = broadcast_to(part(edge, value, width, first), (width, *edge.type.shape[1:]))
            piece = primitives.permute(found, _back(axis, x.type.ndim))
            pieces.insert(0 if first else len(pieces), piece)
        x = concatenate(pieces, axis)
    return x


def _edge(x: Node, axis: int, first: bool) -> Node:
    if x.type.shape[axis] == 0:
        raise ShapeError(f"np.pad cannot extend axis {axis}, which is empty, from its edge")
    return take_slices(x, (*(slice(None),) * axis, slice(None, 1) if first else slice(-1, None)))


def _in_front(axis: int, ndim: int) -> list[int]:
    return [axis, *(k for k in range(ndim) if k != axis)]


def _back(axis: int, ndim: int) -> list[int]:
    return [*range(1, axis + 1), 0, *range(axis + 1, ndim)]


def _copied(x: Node, widths: Sequence[tuple[Dim, Dim]], mode: str) -> Node:
    """Look up the element of which each one is a copy."""
    for axis, pair in enumerate(widths):
        if pair != (0, 0):
            x = primitives.take(x, literal(_places(x, axis, pair, mode)), axis)
    return x


def _places(x: Node, axis: int, pair: tuple[Dim, Dim], mode: str) -> Any:
    """Return the place of the element of which each one is a copy along an axis."""
    size = x.type.shape[axis]
    if isinstance(size, SymbolicDim) or any(isinstance(width, SymbolicDim) for width in pair):
        raise refusal(f"np.pad(…, mode={mode!r}) needs numbers for the sizes, as in X=(4, 2)")
    if size == 0:
        raise ShapeError(f"np.pad cannot extend axis {axis}, which is empty, in mode {mode!r}")
    return np.pad(np.arange(size), pair, mode=mode)  # type: ignore[call-overload]  # one of four names


def _continued(x: Node, widths: Sequence[tuple[Dim, Dim]], mode: str) -> Node:
    """Continue `x` beyond its edges, oddly about them: 2 × the edge minus the reflected elements."""
    x = as_floats(x)
    for axis, pair in enumerate(widths):
        if pair == (0, 0):
            continue
        places = _places(x, axis, pair, mode)
        before, after = (concrete(width) for width in pair)
        size = len(places) - before - after
        if max(before, after) > size - (mode == "reflect"):
            raise refusal("np.pad(…, reflect_type='odd') by more than the array has is not recorded; pad it twice")
        pieces = [x]
        for first, part in ((True, places[:before]), (False, places[before + size :])):
            if len(part):
                piece = 2 * _edge(x, axis, first) - primitives.take(x, literal(part), axis)
                pieces.insert(0 if first else len(pieces), piece)
        x = concatenate(pieces, axis)
    return x


def _of_statistics(x: Node, widths: Sequence[tuple[Dim, Dim]], statistic: Callable[..., Node], lengths: Any) -> Node:
    x = as_floats(x)
    pairs = None if lengths is None else np.broadcast_to(np.asarray(lengths, int), (x.type.ndim, 2))
    for axis, pair in enumerate(widths):
        pieces = [x]
        for first, width in zip((True, False), pair, strict=True):
            if width == 0:
                continue
            part = x
            if pairs is not None:
                length, size = int(pairs[axis][0 if first else 1]), x.type.shape[axis]
                length = length if isinstance(size, SymbolicDim) else min(length, size)
                chosen = slice(None, length) if first else slice(-length, None)
                part = take_slices(x, (*(slice(None),) * axis, chosen))
            found = statistic(part, axis, keepdims=True)
            piece = broadcast_to(found, (*x.type.shape[:axis], width, *x.type.shape[axis + 1 :]))
            pieces.insert(0 if first else len(pieces), piece)
        x = concatenate(pieces, axis)
    return x
