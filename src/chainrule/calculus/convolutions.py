"""Simplification of sliding windows: strides, and the transpose of a convolution as a convolution.

With y[p] = Σₖ x[p·s + k·d] w[k], the cotangent of x is the product δ[p] w[k], added where windows overlap. It is the
correlation of δ, padded with zeros (also between its elements, for s > 1), with the flipped kernel w.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chainrule.calculus.examples import some_x, some_y
from chainrule.calculus.rules import rule
from chainrule.ir import Apply, Dim, Node, applies, parse_shape
from chainrule.primitives import (
    Broadcast,
    Contract,
    Multiply,
    OverlapAdd,
    Pad,
    Slice,
    Windows,
    reverse,
    sliding_windows,
    take_slices,
)

Labels = tuple[int, ...]


@rule("steps between windows", Slice, examples=lambda: [
    take_slices(sliding_windows(some_x("7 n"), (3,), (0,)), slice(None, None, 2)),
    take_slices(sliding_windows(some_x("n 9"), (2,), (1,), (2,)), (slice(None), slice(1, None, 3))),
    take_slices(sliding_windows(some_x("n 7 8"), (2, 3), (1, 2)), (slice(None), slice(0, 4, 2), slice(1, 4))),
])  # fmt: skip
def _steps_between_windows(node: Apply) -> Node | None:
    """Rewrite a slice of window positions as windows with larger strides."""
    match node:
        case Apply(Slice() as cut, (Apply(Windows() as windows, (x,)) as sliced,)):
            pass
        case _:
            return None
    whole = ((0, size, 1) for size in sliced.type.shape)
    parts = zip(cut.starts, cut.sizes, cut.strides, strict=True)
    changed = [axis for axis, (part, full) in enumerate(zip(parts, whole, strict=True)) if part != full]
    if not set(changed) <= set(windows.axes) or min(cut.strides) < 1:
        return None
    counts, strides = list(windows.counts), list(windows.strides)
    starts: list[Dim] = [0] * x.type.ndim
    sizes = list(x.type.shape)
    for axis in changed:
        j = windows.axes.index(axis)
        starts[axis] = cut.starts[axis] * strides[j]
        sizes[axis] = sizes[axis] - starts[axis]
        counts[j], strides[j] = cut.sizes[axis], strides[j] * cut.strides[axis]
    if any(start != 0 for start in starts):
        x = Slice(tuple(starts), tuple(sizes), (1,) * x.type.ndim)(x)
    return replace(windows, counts=tuple(counts), strides=tuple(strides))(x)


@rule("products of repeated factors in windows", OverlapAdd, examples=lambda: [
    OverlapAdd((0,), (7,), (1,), (1,))(
        Broadcast(parse_shape("5 3"), (0,))(some_x("5")) * Broadcast(parse_shape("5 3"), (1,))(some_y("3"))
    ),
])  # fmt: skip
def _product_in_windows(node: Apply) -> Node | None:
    """Rewrite a product of factors repeated along windows and along positions as one contraction."""
    match node:
        case Apply(OverlapAdd() as add, (Apply(Multiply(), factors),)):
            match factors:
                case Apply(Broadcast(shape, first), (x,)), Apply(Broadcast(axes=second), (y,)):
                    every = tuple(range(len(shape)))
                    return add(Contract((first, second), every)(x, y)) if {*first, *second} == set(every) else None
    return None


def _product(signal: str, kernel: str, inputs: tuple[Labels, Labels], output: Labels) -> Node:
    return Contract(inputs, output)(some_x(signal), some_y(kernel))


@rule("transposed correlation → correlation with the flipped kernel", OverlapAdd, examples=lambda: [
    OverlapAdd((0,), (7,), (1,), (1,))(_product("5", "3", ((0,), (1,)), (0, 1))),
    OverlapAdd((2,), (7,), (2,), (1,))(_product("n k 3", "k m 2", ((0, 1, 2), (1, 3, 4)), (0, 3, 2, 4))),
    OverlapAdd((2,), (12,), (3,), (2,))(_product("k m 2", "n k 3", ((1, 3, 4), (0, 1, 2)), (0, 3, 2, 4))),
    OverlapAdd((2, 3), (6, 5), (1, 2), (1, 1))(
        _product("n k 5 2", "k m 2 3", ((0, 1, 2, 3), (1, 4, 5, 6)), (0, 4, 2, 3, 5, 6))
    ),
])  # fmt: skip
def _transposed_correlation(node: Apply) -> Node | None:
    match node:
        case Apply(OverlapAdd() as back, (Apply(Contract(inputs, output), (_, _) as factors),)):
            pass
        case _:
            return None
    ndim = len(output) - len(back.axes)
    places, within = [output[axis] for axis in back.axes], list(output[ndim:])
    for signal, kernel in ((0, 1), (1, 0)):
        held, other = inputs[signal], inputs[kernel]
        if set(places) <= set(held) - set(other) and set(within) <= set(other) - set(held):
            break
    else:
        return None
    delta, weights = factors[signal], factors[kernel]
    axes = tuple(held.index(label) for label in places)
    windows = _padded_windows(back, delta, axes, [weights.type.shape[other.index(label)] for label in within])
    flipped = reverse(weights, [other.index(label) for label in within])
    labels = ((*held, *within), other)
    operands = (windows, flipped)
    if signal == 1:
        labels, operands = labels[::-1], operands[::-1]
    return Contract(labels, output[:ndim])(*operands)


def _padded_windows(back: OverlapAdd, delta: Node, axes: Labels, sizes: Sequence[Dim]) -> Node:
    """Return windows of padded δ, one for each element of the input, in which the kernel index is reversed."""
    low: list[Dim] = [0] * delta.type.ndim
    high: list[Dim] = [0] * delta.type.ndim
    interior = [0] * delta.type.ndim
    for axis, whole, size, stride, dilation in zip(axes, back.wholes, sizes, back.strides, back.dilations, strict=True):
        low[axis] = (size - 1) * dilation
        high[axis] = whole - 1 - (delta.type.shape[axis] - 1) * stride
        interior[axis] = stride - 1
    padded = Pad(tuple(low), tuple(high), tuple(interior))(delta)
    return Windows(axes, back.wholes, tuple(sizes), (1,) * len(axes), back.dilations)(padded)


def _correlation(signal: str, low: int, high: int, count: int) -> Node:
    """Return windows of size 3 of a padded array, contracted with a kernel."""
    padded = Pad((0, low), (0, high), (0, 1))(some_x(signal))
    windows = Windows((1,), (count,), (3,), (1,), (1,))(padded)
    return Contract(((0, 1, 2), (3, 2)), (0, 1, 3))(windows, some_y("m 3"))


@rule("cut a correlation → less padding", Slice, examples=lambda: [
    take_slices(_correlation("n 5", 2, 1, 10), (slice(None), slice(1, 9))),
    take_slices(_correlation("n 5", 2, 1, 9), (slice(None), slice(2, 9), slice(None))),
])  # fmt: skip
def _cut_correlation(node: Apply) -> Node | None:
    """Reduce the padding instead of cutting off windows, if that removes only zeros."""
    match node:
        case Apply(Slice() as cut, (Apply(Contract(inputs, output) as contract, factors) as product,)):
            slid = next((factor for factor in factors if applies(factor, Windows)), None)
        case _:
            return None
    match slid:
        case Apply(Windows() as windows, (Apply(Pad() as pad, (x,)),)) if {*cut.strides, *windows.strides} == {1}:
            labels = inputs[factors.index(slid)]
        case _:
            return None
    low, high, counts = list(pad.low), list(pad.high), list(windows.counts)
    for axis, (start, size) in enumerate(zip(cut.starts, cut.sizes, strict=True)):
        whole, label = product.type.shape[axis], output[axis]
        if (start, size) == (0, whole):
            continue
        place = labels.index(label) if label in labels else -1
        if place not in windows.axes or sum(label in others for others in inputs) > 1:
            return None
        low[place], high[place] = low[place] - start, high[place] - (whole - start - size)
        if any(not isinstance(width, int) or width < 0 for width in (low[place], high[place])):
            return None
        counts[windows.axes.index(place)] = size
    fewer = replace(windows, counts=tuple(counts))(Pad(tuple(low), tuple(high), pad.interior)(x))
    return contract(*(fewer if factor is slid else factor for factor in factors))
