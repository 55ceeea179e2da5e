"""Arrays rearranged: reversed, padded, joined, looked up, added at places; sizes may be unknown."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from chainrule.derivation.readback.values import (
    Meaning,
    Open,
    ReadingError,
    UnknownNotationError,
    Value,
    known,
)


def taken_along(x: Meaning, places: Meaning, axis: int) -> Meaning:
    """Return the elements at places along an axis."""
    value, index = known(x), known(places)
    if value.letters or index.letters:
        raise UnknownNotationError("take_along at an index")
    if value.ndim != index.ndim or value.free or index.free:
        raise ReadingError(f"places of shape {index.shape} along an axis of shape {value.shape}")
    return Value(np.take_along_axis(value.data, index.data.astype(int), axis))


def flipped(x: Meaning, axes: Sequence[int]) -> Meaning:
    """Reverse the elements along `axes`."""
    if isinstance(x, Open):
        return x.then(lambda value: known(flipped(value, axes)))
    value = known(x)
    return Value(np.flip(value.data, tuple(axis + value.letters for axis in axes)), value.letters, value.free)


def permuted(x: Meaning, order: Sequence[int]) -> Meaning:
    """Permute the axes."""
    if isinstance(x, Open):
        return x.then(lambda value: known(permuted(value, order)))
    value = x
    if sorted(order) != list(range(value.ndim)):
        raise ReadingError(f"not a permutation of {value.ndim} axes: {order}")
    front = tuple(range(value.letters))
    data = np.transpose(value.data, front + tuple(axis + value.letters for axis in order))
    return Value(data, value.letters, frozenset(k for k, axis in enumerate(order) if axis in value.free))


def reshaped(x: Meaning, sizes: Sequence[int]) -> Meaning:
    """Reshape in row-major order."""
    if isinstance(x, Open):
        return reshaped(x.fitted(lambda value: math.prod(value.shape) == math.prod(sizes), [math.prod(sizes)]), sizes)
    value = x
    if value.free == {0} and value.ndim == 1:
        value = _along(value, 0, (math.prod(sizes),))
    if value.free or math.prod(sizes) != math.prod(value.shape):
        raise ReadingError(f"shape {value.shape} reshaped to {tuple(sizes)}")
    return Value(value.data.reshape(value.data.shape[: value.letters] + tuple(sizes)), value.letters)


def padded(x: Meaning, ranges: Sequence[slice]) -> Meaning:
    """Return zeros with `x` at `ranges`; a closed range does not determine the number of zeros after it."""
    if x.ndim != len(ranges):
        raise ReadingError(f"{x.ndim} axes are padded along {len(ranges)}")
    inner = x.unknown if isinstance(x, Open) else 0
    ended = [axis for axis, each in enumerate(ranges) if each.stop is not None or each.step is not None]

    def make(*sizes: int) -> Value:
        value = x.make(*sizes[:inner]) if isinstance(x, Open) else x
        whole = [(each.start or 0) + size for each, size in zip(ranges, value.shape, strict=True)]
        for axis, size in zip(ended, sizes[inner:], strict=True):
            whole[axis] = size
        return _placed(value, ranges, whole)

    if not inner and not ended:
        return make()
    return Open(make, inner + len(ended), x.ndim, x.inside if isinstance(x, Open) else frozenset(x.shape))


def _placed(value: Value, ranges: Sequence[slice], shape: Sequence[int]) -> Value:
    if value.free:
        raise ReadingError("an array of any length is padded")
    taken = tuple(len(range(*each.indices(size))) for each, size in zip(ranges, shape, strict=True))
    if taken != value.shape:
        raise ReadingError(f"shape {value.shape} padded to {tuple(shape)}")
    result = np.zeros(value.data.shape[: value.letters] + tuple(shape))
    result[(slice(None),) * value.letters + tuple(ranges)] = value.data
    return Value(result, value.letters)


def bordered(x: Meaning, widths: Sequence[int], axes: Sequence[int]) -> Meaning:
    """Pad `axes`, by default all, with zeros on both sides: one width for all, or one for each."""
    if isinstance(x, Open):
        return x.then(lambda value: known(bordered(value, widths, axes)))
    over = tuple(axes) or tuple(range(x.ndim))
    if len(widths) == 1:
        widths = [*widths] * len(over)
    if len(widths) != len(over) or any(axis >= x.ndim for axis in over) or x.free:
        raise ReadingError(f"{len(widths)} widths of a border for shape {x.shape}")
    border = [(0, 0)] * x.data.ndim
    for axis, width in zip(over, widths, strict=True):
        border[axis + x.letters] = (width, width)
    return Value(np.pad(x.data, border), x.letters)


def one_hot(labels: Meaning) -> Meaning:
    """Return a row for each label, with a column for each class."""
    value = known(labels)

    def make(size: int) -> Value:
        if np.any(value.data >= size) or np.any(value.data < -size):
            raise ReadingError("a label beyond the classes")
        return Value(np.asarray(np.arange(size) == value.data[..., None] % size, float), value.letters)

    return Open(make, 1, value.ndim + 1, frozenset({int(np.max(np.abs(value.data), initial=0)) + 1}))


def scatter_add(x: Meaning, places: Sequence[Meaning], axis: int) -> Meaning:
    """Add the slices of `x` to zeros, where `places` has the place along each of several axes, from `axis` on."""
    indices = [known(place) for place in places]
    index = indices[0]
    if any(each.shape != index.shape for each in indices):
        raise ReadingError("scatter_add to places of different shapes")
    if isinstance(x, Open):  # the indices determine its sizes along these axes
        opened = x.restricted(lambda value: value.shape[axis : axis + index.ndim] == index.shape)
        fitting = opened.fitting(lambda value: True, index.shape)
        if len(fitting) != 1:  # and what is around it those along others
            return _scattered_open(opened, indices, axis)
        x = fitting[0]
    value = x
    if value.letters:
        raise UnknownNotationError("scatter_add at an index")
    indexed = [each.data.astype(int) for each in indices]
    if value.ndim == 0:
        value = Value(np.broadcast_to(value.data, index.shape))
    value = _along(value, axis, index.shape)
    if value.shape[axis : axis + index.ndim] != index.shape:
        raise ReadingError(f"scatter_add of shape {value.shape} to places of shape {index.shape}")

    more = len(indices) - index.ndim

    def make(*sizes: int) -> Value:
        if any(np.any(place >= size) for place, size in zip(indexed, sizes, strict=True)):
            raise ReadingError("a place beyond the end")
        result = np.zeros((*value.shape[:axis], *sizes, *value.shape[axis + index.ndim :]))
        for place in itertools.product(*map(range, index.shape)):
            target = tuple(int(each[place]) for each in indexed)
            result[(slice(None),) * axis + target] += value.data[(slice(None),) * axis + place]
        return Value(result, free=frozenset(k if k < axis else k + more for k in value.free))

    total = None if value.free else Value(np.asarray(np.sum(value.data)))
    return Open(make, len(indices), value.ndim + more, frozenset(value.shape), total)


def _scattered_open(x: Open, indices: Sequence[Value], axis: int) -> Open:
    """Add the slices of `x`, of which sizes are undetermined, as `scatter_add` does."""

    def make(*sizes: int) -> Value:
        added = scatter_add(x.make(*sizes[: x.unknown]), indices, axis)
        assert isinstance(added, Open)
        return added.make(*sizes[x.unknown :])

    more = len(indices) - indices[0].ndim
    return Open(make, x.unknown + len(indices), x.ndim + more, x.inside.union(indices[0].shape))


def _along(value: Value, axis: int, shape: tuple[int, ...]) -> Value:
    """Give the free axes of a value, from `axis` on, the sizes in `shape`."""
    data = value.data
    for k, size in enumerate(shape, axis):
        if k in value.free:
            data = np.repeat(data, size, axis=k)
    return Value(data, value.letters, value.free - set(range(axis, axis + len(shape))))


def concatenated(parts: Sequence[Meaning], axes: Sequence[int]) -> Meaning:
    """Concatenate arrays along an axis."""
    if any(isinstance(part, Open) for part in parts):
        return lifted(lambda values: concatenated(values, axes), parts, parts[0].ndim)
    values = [known(part) for part in parts]
    axis = axes[0] if axes else 0
    if not axes and any(value.ndim != 1 for value in values):
        raise ReadingError("joined along which axis?")
    shapes = {tuple(n for k, n in enumerate(value.shape) if k != axis) for value in values}
    if len(shapes) > 1 or any(value.free for value in values):
        raise ReadingError("parts that do not fit are joined")
    letters = values[0].letters
    front = np.broadcast_shapes(*(value.data.shape[:letters] for value in values))
    data = [np.broadcast_to(value.data, front + value.shape) for value in values]
    return Value(np.concatenate(data, axis + letters), letters)


def blocks(parts: Sequence[Meaning], axis: int) -> Meaning:
    """Join numbers or vectors below each other, vectors beside each other, or matrices."""
    ndims = {part.ndim for part in parts}
    if ndims in ({0}, {1}) and axis == ndims.pop():
        return stacked(parts, (axis,))
    return concatenated(parts, (axis,))


def stacked(parts: Sequence[Meaning], axes: Sequence[int]) -> Meaning:
    """Join arrays along a new axis."""
    if not axes and parts[0].ndim == 0:
        axes = (0,)
    if len(axes) != 1 or axes[0] > parts[0].ndim:
        raise ReadingError("stacked along which axis?")
    if any(isinstance(part, Open) for part in parts):
        return lifted(lambda values: stacked(values, axes), parts, parts[0].ndim + 1)
    values = [known(part) for part in parts]
    if any(value.free for value in values):
        raise ReadingError("parts of any length are stacked")
    wider = [Value(np.expand_dims(value.data, axes[0] + value.letters), value.letters) for value in values]
    return concatenated(wider, axes)


def einsum(spec: str, operands: Sequence[Meaning]) -> Meaning:
    """Contract by letters, which determine some unknown sizes."""
    if any(isinstance(operand, Open) for operand in operands):
        return lifted(lambda values: einsum(spec, values), operands, len(spec.partition("→")[2]))
    values = [known(operand) for operand in operands]
    inputs, _, output = spec.partition("→")
    if any(value.free for value in values) or [len(x) for x in inputs.split(",")] != [v.ndim for v in values]:
        raise ReadingError(f"einsum({spec}) of shapes {[value.shape for value in values]}")
    sizes: dict[str, int] = {}
    for labels, value in zip(inputs.split(","), values, strict=True):
        for label, size in zip(labels, value.shape, strict=True):
            if sizes.setdefault(label, size) != size:
                raise ReadingError(f"einsum({spec}): {label} has two sizes")
    subscripts = ",".join("..." + labels for labels in inputs.split(",")) + "->..." + output
    return Value(np.einsum(subscripts, *(value.data.astype(float) for value in values)), values[0].letters)


def lifted(operation: Callable[[Sequence[Value]], Meaning], operands: Sequence[Meaning], ndim: int) -> Open:
    """Apply `operation` to operands of which some have unknown sizes; its result has `ndim` axes."""
    unknown = [operand.unknown if isinstance(operand, Open) else 0 for operand in operands]
    sizes = [each.inside if isinstance(each, Open) else each.shape for each in operands]

    def make(*chosen: int) -> Value:
        left = iter(chosen)
        values = [
            operand.make(*itertools.islice(left, count)) if isinstance(operand, Open) else operand
            for operand, count in zip(operands, unknown, strict=True)
        ]
        return known(operation(values))

    return Open(make, sum(unknown), ndim, frozenset(itertools.chain(*sizes)))


def repeated(x: Meaning, sizes: Sequence[int]) -> Meaning:
    """Broadcast a number, or a value of any length along its other axes, to the given sizes."""
    if isinstance(x, Open):
        return repeated(x.fitted(lambda value: _takes(value, sizes), sizes), sizes)
    value = x
    shape = value.data.shape[: value.letters] + tuple(sizes)
    if not value.free and set(value.shape) <= {1}:
        number = Value(value.data.reshape(value.data.shape[: value.letters]), value.letters)
        return Value(np.broadcast_to(number.with_axes((), len(sizes)), shape), value.letters)
    if not _takes(value, sizes):
        raise ReadingError(f"shape {value.shape} repeated to {tuple(sizes)}")
    return Value(np.broadcast_to(value.data, shape), value.letters)


def _takes(value: Value, sizes: Sequence[int]) -> bool:
    """Whether a value has these sizes, or any, along each of its axes."""
    fits = [m == n or axis in value.free for axis, (m, n) in enumerate(zip(value.shape, sizes, strict=False))]
    return value.ndim == len(sizes) and all(fits)
