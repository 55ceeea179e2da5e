"""Sliding windows along axes, and overlap-add; they transpose to each other.

Convolutions and pooling are built from them: a window is x[p·stride + k·dilation], with p its position and k a place in
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, Dim, DTypeError, Node, ShapeError, concrete, dim_quotient, named_dim, shape_text
from chainrule.primitives.base import Array, Example, Linear
from chainrule.primitives.emitter import Accessor, Emitter
from chainrule.primitives.notation import Call, Mark, Notation

S = TypeVar("S")
I = TypeVar("I")


def _is_below(dim: Dim, bound: Dim) -> bool:
    """Whether a size is too small; a symbolic size is assumed to fit."""
    difference = dim - bound
    return isinstance(difference, int) and difference < 0


def _reach(count: Dim, size: Dim, stride: int, dilation: int) -> Dim:
    """The minimum length of an axis for `count` windows of `size` places."""
    return 0 if count == 0 or size == 0 else (count - 1) * stride + (size - 1) * dilation + 1


def _check_geometry(name: str, axes: Sequence[int], ndim: int, *others: Sequence[object]) -> None:
    if len(set(axes)) != len(axes) or any(len(other) != len(axes) for other in others):
        raise ShapeError(f"{name} need one entry for each of their axes, all different, not {tuple(axes)}")
    if any(not 0 <= axis < ndim for axis in axes):
        raise ShapeError(f"{name} along axes {tuple(axes)} do not fit an array of {ndim} dimensions")


def _steps_text(sizes: Sequence[Dim], strides: Sequence[int], dilations: Sequence[int]) -> tuple[Notation, ...]:
    """`3×3`, followed by strides and dilations other than 1 as `::2`, `dilated 2`."""
    parts = ["×".join(map(str, sizes))]
    if any(stride != 1 for stride in strides):
        parts.append("::" + "×".join(map(str, strides if len(set(strides)) > 1 else strides[:1])))
    if any(dilation != 1 for dilation in dilations):
        parts.append("/" + "×".join(map(str, dilations if len(set(dilations)) > 1 else dilations[:1])))
    return tuple(map(Mark, parts))


@final
@dataclass(frozen=True)
class Windows(Linear):
    """Along `axes[j]`, `counts[j]` windows of `sizes[j]` places, with a new last axis for the place within each.

    Adjacent windows are `strides[j]` apart, adjacent places in a window `dilations[j]`.
    """

    axes: tuple[int, ...]
    counts: tuple[Dim, ...]
    sizes: tuple[Dim, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m, k = map(named_dim, "nmk")
        return [
            Example(cls((0,), (n,), (k,), (1,), (1,)), (ArrayType((n + k - 1,)),)),
            Example(cls((1,), (n,), (3,), (2,), (1,)), (ArrayType((m, 2 * n + 2)),)),
            Example(cls((1, 2), (n, m), (2, k), (1, 1), (1, 1)), (ArrayType((2, n + 1, m + k - 1)),)),
            Example(cls((2, 0), (m, n), (2, 2), (3, 2), (1, 3)), (ArrayType((2 * n + 3, 2, 3 * m)),)),
        ]

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        _check_geometry("windows", self.axes, operand.ndim, self.counts, self.sizes, self.strides, self.dilations)
        shape = list(operand.shape)
        for axis, count, size, stride, dilation in zip(
            self.axes, self.counts, self.sizes, self.strides, self.dilations, strict=True
        ):
            if stride < 1 or dilation < 1 or _is_below(count, 0) or _is_below(size, 1):
                raise ShapeError(f"{self} has a window, a step or a dilation that is not positive")
            if _is_below(shape[axis], _reach(count, size, stride, dilation)):
                raise ShapeError(
                    f"{count} windows of size {size} do not fit on an axis of size {shape[axis]}, in an array of shape "
                    f"{shape_text(operand.shape)}"
                )
            shape[axis] = count
        return operand.with_shape((*shape, *self.sizes))

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        parts = zip(self.axes, self.counts, self.sizes, self.strides, self.dilations, strict=True)
        for axis, count, size, stride, dilation in parts:
            count, size = concrete(count), concrete(size)
            positions = stride * np.arange(count)[:, None] + dilation * np.arange(size)
            x = np.moveaxis(np.take(x, positions, axis=axis), axis + 1, -1)
        return np.ascontiguousarray(x)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("windows", tuple(operands), subscript=_steps_text(self.sizes, self.strides, self.dilations))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        wholes = tuple(operands[0].type.shape[axis] for axis in self.axes)
        return OverlapAdd(self.axes, wholes, self.strides, self.dilations)(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        place = list(index[: types[0].ndim])
        parts = zip(self.axes, self.strides, self.dilations, index[types[0].ndim :], strict=True)
        for axis, stride, dilation, within in parts:
            position = emit.index_multiply(place[axis], emit.index(stride))
            place[axis] = emit.index_add(position, emit.index_multiply(within, emit.index(dilation)))
        return operands[0](place)


@final
@dataclass(frozen=True)
class OverlapAdd(Linear):
    """Adds windows at the places from which `Windows` takes them, in an array of length `wholes[j]` along `axes[j]`.

    Where windows overlap, their elements are summed.
    """

    axes: tuple[int, ...]
    wholes: tuple[Dim, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m, k = map(named_dim, "nmk")
        return [
            Example(cls((0,), (n + k - 1,), (1,), (1,)), (ArrayType((n, k)),)),
            Example(cls((1,), (2 * n + 2,), (2,), (1,)), (ArrayType((m, n, 3)),)),
            Example(cls((1,), (2 * n + 1,), (2,), (1,)), (ArrayType((m, n, 2)),)),
            Example(cls((0,), (3 * n + 2,), (3,), (1,)), (ArrayType((n, 2)),)),
            Example(cls((1, 2), (n + 1, m + k - 1), (1, 1), (1, 1)), (ArrayType((2, n, m, 2, k)),)),
            Example(cls((2, 0), (3 * m, 2 * n + 3), (3, 2), (1, 3)), (ArrayType((n, 2, m, 2, 2)),)),
        ]

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        if not operand.dtype.is_float:
            raise DTypeError(f"overlap-add takes floats, not {operand.dtype.value}; convert with astype(float)")
        ndim = operand.ndim - len(self.axes)
        _check_geometry("windows", self.axes, ndim, self.wholes, self.strides, self.dilations)
        shape = list(operand.shape[:ndim])
        parts = zip(self.axes, self.wholes, operand.shape[ndim:], self.strides, self.dilations, strict=True)
        for axis, whole, size, stride, dilation in parts:
            if stride < 1 or dilation < 1 or _is_below(size, 1):
                raise ShapeError(f"{self} has a window, a step or a dilation that is not positive")
            if _is_below(whole, _reach(shape[axis], size, stride, dilation)):
                raise ShapeError(f"{shape[axis]} windows of size {size} do not fit on an axis of size {whole}")
            shape[axis] = whole
        return operand.with_shape(shape)

    def value(self, *operands: Array) -> Array:
        (g,) = operands
        ndim = g.ndim - len(self.axes)
        shape = list(g.shape[:ndim])
        for axis, whole in zip(self.axes, self.wholes, strict=True):
            shape[axis] = concrete(whole)
        result = np.zeros(shape, g.dtype)
        for within in np.ndindex(*g.shape[ndim:]):
            place = [slice(None)] * ndim
            for axis, k, stride, dilation in zip(self.axes, within, self.strides, self.dilations, strict=True):
                place[axis] = slice(k * dilation, k * dilation + stride * g.shape[axis], stride)
            result[tuple(place)] += g[(..., *within)]
        return result

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("overlap_add", tuple(operands))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        shape = operands[0].type.shape
        counts = tuple(shape[axis] for axis in self.axes)
        sizes = shape[len(shape) - len(self.axes) :]
        return Windows(self.axes, counts, sizes, self.strides, self.dilations)(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        """A sum over the places that an element has in windows; without overlap there is at most one."""
        (operand,) = types
        sizes = operand.shape[len(index) :]
        overlapping = [j for j, size in enumerate(sizes) if not self._is_apart(j, size)]

        def contribution(inner: Sequence[I]) -> S:
            place, within, tests = list(index), list[I](), list[S]()
            for j, (axis, size) in enumerate(zip(self.axes, sizes, strict=True)):
                if j in overlapping:
                    k = inner[overlapping.index(j)]
                    window = self._window_with(emit, index[axis], k, j, operand.shape[axis], tests)
                else:
                    window, k = self._window_around(emit, index[axis], j, operand.shape[axis], size, tests)
                place[axis] = window
                within.append(k)
            if not tests:
                return operands[0]([*place, *within])
            inside = tests[0]
            for test in tests[1:]:
                inside = emit.logical_and(inside, test)
            return emit.select(inside, lambda: operands[0]([*place, *within]), emit.constant(0, operand.dtype))

        return emit.reduce("sum", [sizes[j] for j in overlapping], contribution) if overlapping else contribution([])

    def _is_apart(self, j: int, size: Dim) -> bool:
        return self.dilations[j] == 1 and isinstance(size, int) and size <= self.strides[j]

    def _window_with(self, emit: Emitter[S, I], position: I, k: I, j: int, count: Dim, tests: list[S]) -> I:
        """The window in which an element has the place k; the conditions for its existence are appended to `tests`."""
        stride = self.strides[j]
        back = emit.index_multiply(k, emit.index(-self.dilations[j]))
        start = emit.index_add(position, back)
        tests.append(emit.index_compare(">=", start, emit.index(0)))
        if stride != 1:
            tests.append(emit.index_compare("==", emit.index_remainder(start, emit.index(stride)), emit.index(0)))
            start = emit.index_divide(start, emit.index(stride))
        tests.append(emit.index_compare("<", start, emit.index(count)))
        return start

    def _window_around(
        self, emit: Emitter[S, I], position: I, j: int, count: Dim, size: Dim, tests: list[S]
    ) -> tuple[I, I]:
        """The only window that can contain an element, and its place there; conditions are appended to `tests`."""
        stride = self.strides[j]
        window = emit.index_divide(position, emit.index(stride))
        k = emit.index_remainder(position, emit.index(stride))
        if size != stride:
            tests.append(emit.index_compare("<", k, emit.index(size)))
        covered = count * stride - self.wholes[j]
        if not isinstance(covered, int) or covered < 0:
            tests.append(emit.index_compare("<", window, emit.index(count)))
        return window, k


def window_count(whole: Dim, size: Dim, stride: int = 1, dilation: int = 1) -> Dim:
    """Return how many windows fit on an axis; raise ShapeError if none does or it depends on a symbolic size."""
    room = whole - (size - 1) * dilation - 1
    if isinstance(room, int):
        if room < 0:
            raise ShapeError(f"a window of size {size} does not fit on an axis of size {whole}")
        return room // stride + 1
    for rest in range(stride):
        steps = dim_quotient(room - rest, stride)
        if steps is not None:
            return steps + 1
    raise ShapeError(
        f"how many windows of size {size}, {stride} apart, fit on an axis of size {whole} depends on {whole}; give "
        "that axis a number as its size"
    )


def sliding_windows(
    x: Node,
    sizes: Sequence[Dim],
    axes: Sequence[int],
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
) -> Node:
    """Return all windows that fit, as `sliding_window_view`: positions on `axes`, places on new last axes."""
    strides = [1] * len(axes) if strides is None else strides
    dilations = [1] * len(axes) if dilations is None else dilations
    for axis in axes:
        if not -x.type.ndim <= axis < x.type.ndim:
            raise ShapeError(f"axis {axis} does not exist in an array of {x.type.ndim} dimensions")
    if any(
        isinstance(step, bool) or not isinstance(step, int | np.integer) or step < 1 for step in (*strides, *dilations)
    ):
        raise ShapeError(f"steps and dilations are whole numbers from 1 on, not {[*strides, *dilations]}")
    if any(_is_below(size, 1) for size in sizes):
        raise ShapeError(f"a window has at least one place, not the sizes {shape_text(tuple(sizes))}")
    if not len(sizes) == len(axes) == len(strides) == len(dilations):
        raise ShapeError(f"{len(sizes)} window sizes do not go with {len(axes)} axes")
    places = [axis % x.type.ndim for axis in axes]
    if len(set(places)) < len(places):  # an axis given twice has windows of its windows
        first = sliding_windows(x, sizes[:1], axes[:1], strides[:1], dilations[:1])
        return sliding_windows(first, sizes[1:], places[1:], strides[1:], dilations[1:])
    parts = zip(places, sizes, strides, dilations, strict=True)
    counts = tuple(window_count(x.type.shape[axis], size, stride, dilation) for axis, size, stride, dilation in parts)
    return Windows(tuple(places), counts, tuple(sizes), tuple(map(int, strides)), tuple(map(int, dilations)))(x)
