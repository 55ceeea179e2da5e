"""Types of values: a shape of numeric or symbolic sizes, and a dtype."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule.ir.dims import Dim, SymbolicDim, bind_dim, dim_product, named_dim
from chainrule.ir.errors import DTypeError, ShapeError

Shape: TypeAlias = tuple[Dim, ...]


class DType(enum.Enum):
    """The supported element types. Integers are labels, indices and masks; they have no derivative."""

    FLOAT64 = "float64"
    FLOAT32 = "float32"
    INT64 = "int64"
    BOOL = "bool"

    numpy: np.dtype[Any]
    is_float: bool

    def __init__(self, name: str) -> None:
        self.numpy = np.dtype(name)
        self.is_float = self.numpy.kind == "f"

    __hash__ = object.__hash__  # types are hashed frequently, and Enum's hash is implemented in Python

    @staticmethod
    def of(dtype: np.dtype[Any]) -> DType:
        """Return the element type of a NumPy dtype, in either byte order; every integer dtype maps to int64."""
        found = _HELD_IN.get(dtype.newbyteorder("="), DType.INT64 if dtype.kind in "iu" else None)
        if found is None:
            raise DTypeError(f"dtype {dtype} is not supported; use float64, float32, an integer type or bool")
        return found


_HELD_IN = {dtype.numpy: dtype for dtype in DType}


@dataclass(frozen=True, slots=True)
class ArrayType:
    """Shape and dtype of a value; a scalar has shape ()."""

    shape: Shape
    dtype: DType = DType.FLOAT64

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Dim:
        return dim_product(self.shape)

    @property
    def is_concrete(self) -> bool:
        return all(isinstance(dim, int) for dim in self.shape)

    @property
    def concrete_shape(self) -> tuple[int, ...]:
        """The shape as numbers; raises ShapeError if a size is symbolic."""
        return tuple(concrete(dim) for dim in self.shape)

    def with_shape(self, shape: Iterable[Dim]) -> ArrayType:
        return ArrayType(tuple(shape), self.dtype)

    def with_dtype(self, dtype: DType) -> ArrayType:
        return ArrayType(self.shape, dtype)

    def bind(self, sizes: Mapping[str, Dim]) -> ArrayType:
        return self.with_shape(bind_dim(dim, sizes) for dim in self.shape)

    def __str__(self) -> str:
        return f"{self.dtype.value}[{', '.join(map(str, self.shape))}]"


def concrete(dim: Dim) -> int:
    """Return `dim` as a number; raise ShapeError if it is symbolic."""
    if isinstance(dim, SymbolicDim):
        raise ShapeError(f"the size {dim} has no value here; bind it to a number first")
    return dim


def shape_text(shape: Shape) -> str:
    """Format a shape as `(n, d)`; a scalar is `()`."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def sizes_text(sizes: Sequence[Dim]) -> str:
    """Format sizes as `n×d`, with parentheses around a sum among several: `n×(l-k+1)`."""

    def is_sum(size: Dim) -> bool:
        return isinstance(size, SymbolicDim) and len(size.terms) > 1

    return "×".join(f"({size})" if is_sum(size) and len(sizes) > 1 else str(size) for size in sizes)


def parse_shape(text: str) -> Shape:
    """Parse `"n d"` or `"4 2"`: names and numbers separated by spaces or commas, or products such as `"2*n"`.

    `""` is a scalar.

    >>> parse_shape("n 2")
    (n, 2)
    """
    words = text.replace(",", " ").split()
    return tuple(dim_product(_size(factor) for factor in word.split("*")) for word in words)


def _size(text: str) -> Dim:
    return int(text) if text.isdigit() else named_dim(text)
