"""The cumulative sum along an axis; its transpose is the reverse cumulative sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, Const, Dim, DTypeError, Node, ShapeError, named_dim, shape_text
from chainrule.primitives.base import Array, Example, Linear
from chainrule.primitives.emitter import Accessor, Emitter
from chainrule.primitives.layout import reshape
from chainrule.primitives.notation import Call, Notation, Number
from chainrule.primitives.replication import as_floats, normalize_axes
from chainrule.primitives.slicing import Pad, Slice

S = TypeVar("S")
I = TypeVar("I")

_SHORT = 16
"""Up to this size, separate sums are cheaper than stored partial sums."""


@final
@dataclass(frozen=True)
class CumulativeSum(Linear):
    """The cumulative sum along `axis`; with `reverse`, from the end."""

    axis: int
    reverse: bool = False

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [
            Example(cls(0), (ArrayType((n,)),)),
            Example(cls(1, reverse=True), (ArrayType((n, m)),)),
            Example(cls(1), (ArrayType((2, n, m)),)),
            Example(cls(0), (ArrayType((37, n)),)),
            Example(cls(0, reverse=True), (ArrayType((16 + n,)),)),
        ]

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        if not operand.dtype.is_float:
            raise DTypeError(f"a cumulative sum takes floats, not {operand.dtype.value}; convert with astype(float)")
        if not 0 <= self.axis < operand.ndim:
            raise ShapeError(f"axis {self.axis} does not exist in an array of shape {shape_text(operand.shape)}")
        return operand

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        if self.reverse:
            return np.flip(np.cumsum(np.flip(x, self.axis), axis=self.axis, dtype=x.dtype), self.axis)
        return np.cumsum(x, axis=self.axis, dtype=x.dtype)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        axes = (Number(self.axis),) if types[0].ndim > 1 else ()
        return Call("reverse_cumsum" if self.reverse else "cumsum", tuple(operands), subscript=axes)

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return CumulativeSum(self.axis, not self.reverse)(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        (operand,) = types
        here = index[self.axis]

        def term(inner: Sequence[I]) -> S:
            place = [*index[: self.axis], inner[0], *index[self.axis + 1 :]]
            within = emit.index_compare(">=" if self.reverse else "<=", inner[0], here)
            return emit.select(within, lambda: operands[0](place), emit.constant(0, operand.dtype))

        return emit.reduce("sum", [operand.shape[self.axis]], term)

    def expand(self, *operands: Node) -> Node | None:
        """Add prefixes of length 2, 4, 8, …, each from the last: n·log₂ n additions instead of n²."""
        (x,) = operands
        size = x.type.shape[self.axis]
        if not isinstance(size, int) or size <= _SHORT:
            return None
        step = 1
        while step < size:
            x = x + self._shifted(x, size, step)
            step *= 2
        return x

    def _shifted(self, x: Node, size: int, step: int) -> Node:
        """Shift `x` by `step` along the axis, filling with zeros."""

        def on_axis(value: int) -> tuple[int, ...]:
            return tuple(value if axis == self.axis else 0 for axis in range(x.type.ndim))

        shape = tuple(size - step if axis == self.axis else dim for axis, dim in enumerate(x.type.shape))
        kept = Slice(on_axis(step if self.reverse else 0), shape, (1,) * len(shape))(x)
        widths = on_axis(0), on_axis(step)
        low, high = widths if self.reverse else widths[::-1]
        return Pad(low, high, on_axis(0))(kept)


def cumsum(x: Node, axis: int | None = None) -> Node:
    """`np.cumsum`, as floats; without an axis, over the elements in row-major order."""
    x = as_floats(x)
    if axis is None:
        return CumulativeSum(0)(reshape(x, (x.type.size,)))
    (place,) = normalize_axes(axis, x.type.ndim)
    return CumulativeSum(place)(x)


def positions(count: Dim, start: Dim = 0, step: int = 1) -> Node:
    """Return start, start + step, …, as floats: a vector of length `count`."""
    counted = CumulativeSum(0)(Const(1, ArrayType((count,))))
    if step != 1:
        return step * (counted - 1) + start
    return counted if start == 1 else counted - 1 if start == 0 else counted + (start - 1)
