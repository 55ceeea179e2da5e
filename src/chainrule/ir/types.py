"""What a value is: a shape of sized or named dimensions, and a dtype."""

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
    """The element types of the language. Integers are labels, indices and masks; they carry no derivative."""

    FLOAT64 = "float64"
    FLOAT32 = "float32"
    INT64 = "int64"
    BOOL = "bool"

    numpy: np.dtype[Any]
    is_float: bool

    def __init__(self, name: str) -> None:
        self.numpy = np.dtype(name)
        self.is_float = self.numpy.kind == "f"

    __hash__ = object.__hash__  # types are hashed all the time, and the one of Enum is written in Python

    @staticmethod
    def of(dtype: np.dtype[Any]) -> DType:
        """The element type that holds a NumPy dtype, in either byte order; every integer type becomes int64."""
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
        """The shape as numbers; raises ShapeError while a size is still a name."""
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
    """`dim` as a number; raises ShapeError while it is still a name."""
    if isinstance(dim, SymbolicDim):
        raise ShapeError(f"the size {dim} has no value here; bind it to a number first")
    return dim


def shape_text(shape: Shape) -> str:
    """`(n, d)`; a scalar prints as `()`."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def sizes_text(sizes: Sequence[Dim]) -> str:
    """`n×d`, a sum in brackets where it does not stand alone: `n×(l-k+1)`."""

    def is_sum(size: Dim) -> bool:
        return isinstance(size, SymbolicDim) and len(size.terms) > 1

    return "×".join(f"({size})" if is_sum(size) and len(sizes) > 1 else str(size) for size in sizes)


def parse_shape(text: str) -> Shape:
    """Read `"n d"` or `"4 2"`: names and numbers parted by spaces or commas, or products of them as in `"2*n"`.

    `""` is a scalar.

    >>> parse_shape("n 2")
    (n, 2)
    """
    words = text.replace(",", " ").split()
    return tuple(dim_product(_size(factor) for factor in word.split("*")) for word in words)


def _size(text: str) -> Dim:
    return int(text) if text.isdigit() else named_dim(text)
