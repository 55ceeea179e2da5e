"""The layout of arrays in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chainrule.engines.native.symbolic import Expression, Index, SymbolicEmitter, add, scale
from chainrule.ir import ArrayType, DType

LINE: Final = 64
"""The size of a cache line in bytes."""

WIDE_ROW: Final = 256
"""Row size in bytes above which rows are padded.

Shorter rows stay contiguous, so that one loop of an elementwise operation covers many of them.
"""


class _Order:
    """The row numbers of the current batch, as a source of loads."""


ORDER: Final = _Order()


@dataclass(frozen=True)
class Storage:
    """The layout of an array: `strides` count elements. If `ordered`, row i is row `ORDER[i]` of the array."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: DType
    ordered: bool = False

    @property
    def size(self) -> int:
        """The number of elements from the first to the last, including gaps."""
        if 0 in self.shape:
            return 0
        return 1 + sum((extent - 1) * stride for extent, stride in zip(self.shape, self.strides, strict=True))

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.numpy.itemsize

    def offset(self, emit: SymbolicEmitter, index: Sequence[Index]) -> Index:
        """The offset of the element at `index`."""
        total: Index = 0
        for axis, (i, stride) in enumerate(zip(index, self.strides, strict=True)):
            if axis == 0 and self.ordered:
                i = emit.index_of(emit.load(ORDER, i, DType.INT64))
            total = add(total, scale(i, stride))
        return total


def row_major(type: ArrayType) -> Storage:
    """Return the contiguous layout with the last axis innermost."""
    shape = type.concrete_shape
    return Storage(shape, tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape))), type.dtype)


def padded(type: ArrayType) -> Storage:
    """Return a row-major layout with long rows an odd number of cache lines apart.

    Rows then begin at a cache line, and consecutive elements of a column fall into different cache sets, which they do
    not if the distance is a power of two.
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
    """Whether the expression loads a row number."""
    return expression.kind == "load" and expression.payload[0] is ORDER
