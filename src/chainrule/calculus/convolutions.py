"""Simplifications of sliding windows: steps taken in, and the transpose of a convolution read as a convolution.

With y[p] = Σₖ x[p·s + k·d] w[k], what y sends back to x is the product δ[p] w[k], added up where windows overlap. It is
the correlation of δ, zeros put around it (and between its elements, for s > 1), with w turned round.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.calculus.rules import applied, rule
from chainrule.ir import Apply, ArrayType, Dim, Input, Node, parse_shape
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


def _input(name: str, shape: str) -> Node:
    return Input(name, ArrayType(parse_shape(shape)))


@rule("steps between windows", Slice, examples=lambda: [
    take_slices(sliding_windows(_input("x", "7 n"), (3,), (0,)), slice(None, None, 2)),
    take_slices(sliding_windows(_input("x", "n 9"), (2,), (1,), (2,)), (slice(None), slice(1, None, 3))),
    take_slices(sliding_windows(_input("x", "n 7 8"), (2, 3), (1, 2)), (slice(None), slice(0, 4, 2), slice(1, 4))),
])  # fmt: skip
def _steps_between_windows(node: Apply) -> Node | None:
    """A slice of the positions of windows is windows further apart, of what is left from the first on."""
    windows = applied(node.operands[0], Windows)
    if windows is None:
        return None
    (x,), slices = windows.operands, node.primitive
    sliced = [
        axis
        for axis, part in enumerate(zip(slices.starts, slices.sizes, slices.strides, strict=True))
        if part != (0, windows.type.shape[axis], 1)
    ]
    if not set(sliced) <= set(windows.primitive.axes) or min(slices.strides) < 1:
        return None
    counts, strides = list(windows.primitive.counts), list(windows.primitive.strides)
    starts: list[Dim] = [0] * x.type.ndim
    sizes = list(x.type.shape)
    for axis in sliced:
        j = windows.primitive.axes.index(axis)
        starts[axis] = slices.starts[axis] * strides[j]
        sizes[axis] = sizes[axis] - starts[axis]
        counts[j], strides[j] = slices.sizes[axis], strides[j] * slices.strides[axis]
    if any(start != 0 for start in starts):
        x = Slice(tuple(starts), tuple(sizes), (1,) * x.type.ndim)(x)
    old = windows.primitive
    return Windows(old.axes, tuple(counts), old.sizes, tuple(strides), old.dilations)(x)


@rule("products of repeated factors in windows", OverlapAdd, examples=lambda: [
    OverlapAdd((0,), (7,), (1,), (1,))(
        Multiply()(
            Broadcast(parse_shape("5 3"), (0,))(_input("x", "5")), Broadcast(parse_shape("5 3"), (1,))(_input("y", "3"))
        )
    ),
])  # fmt: skip
def _product_in_windows(node: Apply) -> Node | None:
    """A product of what is repeated along windows with what is repeated along positions, as one contraction."""
    product = applied(node.operands[0], Multiply)
    if product is None:
        return None
    first, second = (applied(operand, Broadcast) for operand in product.operands)
    if first is None or second is None:
        return None
    axes = first.primitive.axes, second.primitive.axes
    if set(axes[0]) | set(axes[1]) != set(range(product.type.ndim)):
        return None
    contraction = Contract(axes, tuple(range(product.type.ndim)))(first.operands[0], second.operands[0])
    return Apply(node.primitive, (contraction,))


def _product(signal: str, kernel: str, inputs: tuple[Labels, Labels], output: Labels) -> Node:
    return Contract(inputs, output)(_input("x", signal), _input("y", kernel))


@rule("transposed correlation → correlation with the flipped kernel", OverlapAdd, examples=lambda: [
    OverlapAdd((0,), (7,), (1,), (1,))(_product("5", "3", ((0,), (1,)), (0, 1))),
    OverlapAdd((2,), (7,), (2,), (1,))(_product("n k 3", "k m 2", ((0, 1, 2), (1, 3, 4)), (0, 3, 2, 4))),
    OverlapAdd((2,), (12,), (3,), (2,))(_product("k m 2", "n k 3", ((1, 3, 4), (0, 1, 2)), (0, 3, 2, 4))),
    OverlapAdd((2, 3), (6, 5), (1, 2), (1, 1))(
        _product("n k 5 2", "k m 2 3", ((0, 1, 2, 3), (1, 4, 5, 6)), (0, 4, 2, 3, 5, 6))
    ),
])  # fmt: skip
def _transposed_correlation(node: Apply) -> Node | None:
    product = applied(node.operands[0], Contract)
    if product is None or len(product.operands) != 2:
        return None
    back, output = node.primitive, product.primitive.output
    ndim = len(output) - len(back.axes)
    places, within = [output[axis] for axis in back.axes], list(output[ndim:])
    for signal, kernel in ((0, 1), (1, 0)):
        held, other = product.primitive.inputs[signal], product.primitive.inputs[kernel]
        if set(places) <= set(held) - set(other) and set(within) <= set(other) - set(held):
            break
    else:
        return None
    delta, weights = product.operands[signal], product.operands[kernel]
    axes = tuple(held.index(label) for label in places)
    windows = _padded_windows(back, delta, axes, [weights.type.shape[other.index(label)] for label in within])
    flipped = reverse(weights, [other.index(label) for label in within])
    labels = ((*held, *within), other)
    operands = (windows, flipped)
    if signal == 1:
        labels, operands = labels[::-1], operands[::-1]
    return Contract(labels, output[:ndim])(*operands)


def _padded_windows(back: OverlapAdd, delta: Node, axes: Labels, sizes: Sequence[Dim]) -> Node:
    """Windows of δ, one for each element that the windows were taken from, the last place of each where it began."""
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
    """Windows of three places of a padded array, with a kernel."""
    padded = Pad((0, low), (0, high), (0, 1))(_input("x", signal))
    windows = Windows((1,), (count,), (3,), (1,), (1,))(padded)
    return Contract(((0, 1, 2), (3, 2)), (0, 1, 3))(windows, _input("y", "m 3"))


@rule("cut a correlation → less padding", Slice, examples=lambda: [
    take_slices(_correlation("n 5", 2, 1, 10), (slice(None), slice(1, 9))),
    take_slices(_correlation("n 5", 2, 1, 9), (slice(None), slice(2, 9), slice(None))),
])  # fmt: skip
def _cut_correlation(node: Apply) -> Node | None:
    """The windows that are cut off at the ends reach into zeros alone, or more of them than those that are kept."""
    product, cut = applied(node.operands[0], Contract), node.primitive
    windows = None if product is None else next((w for w in product.operands if applied(w, Windows)), None)
    if product is None or not isinstance(windows, Apply):
        return None
    padded = applied(windows.operands[0], Pad)
    if padded is None or set(cut.strides) != {1} or set(windows.primitive.strides) != {1}:
        return None
    labels = product.primitive.inputs[product.operands.index(windows)]
    low, high, counts = list(padded.primitive.low), list(padded.primitive.high), list(windows.primitive.counts)
    for axis, (start, size) in enumerate(zip(cut.starts, cut.sizes, strict=True)):
        whole, label = product.type.shape[axis], product.primitive.output[axis]
        if (start, size) == (0, whole):
            continue
        place = labels.index(label) if label in labels else -1
        if place not in windows.primitive.axes or sum(label in others for others in product.primitive.inputs) > 1:
            return None
        low[place], high[place] = low[place] - start, high[place] - (whole - start - size)
        if any(not isinstance(width, int) or width < 0 for width in (low[place], high[place])):
            return None
        counts[windows.primitive.axes.index(place)] = size
    shorter = Pad(tuple(low), tuple(high), padded.primitive.interior)(padded.operands[0])
    old = windows.primitive
    fewer = Windows(old.axes, tuple(counts), old.sizes, old.strides, old.dilations)(shorter)
    return Apply(product.primitive, tuple(fewer if x is windows else x for x in product.operands))
