"""Where the elements of an array lie in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chainrule.engines.native.symbolic import Expression, Index, SymbolicEmitter, add, scale
from chainrule.ir import ArrayType, DType

LINE: Final = 64
"""Bytes of a cache line."""

WIDE_ROW: Final = 256
"""Bytes from which on the distance between rows matters. Shorter rows stay next to each other, so that elementwise
work passes over many of them in one loop."""


class _Order:
    """The table of row numbers of the present batch, as a source of loads."""


ORDER: Final = _Order()


@dataclass(frozen=True)
class Storage:
    """An array in memory: `strides` count elements. With `ordered`, row i is the one that `ORDER` has at place i."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: DType
    ordered: bool = False

    @property
    def size(self) -> int:
        """The elements from the first to the last, with the gaps between them."""
        if 0 in self.shape:
            return 0
        return 1 + sum((extent - 1) * stride for extent, stride in zip(self.shape, self.strides, strict=True))

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.numpy.itemsize

    def offset(self, emit: SymbolicEmitter, index: Sequence[Index]) -> Index:
        """The place of the element at `index`, counted from the first."""
        total: Index = 0
        for axis, (i, stride) in enumerate(zip(index, self.strides, strict=True)):
            if axis == 0 and self.ordered:
                i = emit.index_of(emit.load(ORDER, i, DType.INT64))
            total = add(total, scale(i, stride))
        return total


def row_major(type: ArrayType) -> Storage:
    """Without gaps, the last axis innermost."""
    shape = type.concrete_shape
    return Storage(shape, tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape))), type.dtype)


def padded(type: ArrayType) -> Storage:
    """Row-major, long rows an odd number of cache lines apart.

    Vectors then begin at the beginning of a line, and a walk down a column meets every set of the cache, not a few of
    them again and again, as it does where the distance is a power of two.
    """
    packed = row_major(type)
    itemsize = type.dtype.numpy.itemsize
    if len(packed.shape) < 2 or packed.shape[-1] * itemsize < WIDE_ROW:
        return packed
    lines = -(-packed.shape[-1] * itemsize // LINE)
    width = (lines | 1) * LINE // itemsize
    strides = [1]
    for extent in (width, *packed.shape[-2:0:-1]):
        strides.insert(0, strides[0] * extent)
    return Storage(packed.shape, tuple(strides), type.dtype)


def is_ordered_load(expression: Expression) -> bool:
    """Whether it reads the table of row numbers."""
    return expression.kind == "load" and expression.payload[0] is ORDER
