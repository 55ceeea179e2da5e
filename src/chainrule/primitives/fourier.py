"""The discrete Fourier transform of real arrays, by its real and its imaginary part.

Each is linear with a symmetric matrix, cos(2π j k / n) and −sin(2π j k / n), and so its own transpose.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from chainrule.ir import ArrayType, Const, DTypeError, Node, ShapeError, named_dim, shape_text
from chainrule.primitives.arithmetic import add, multiply
from chainrule.primitives.base import Array, Example, LinearComposite, NotExpandableError
from chainrule.primitives.contraction import Contract
from chainrule.primitives.notation import Call, Notation, Number
from chainrule.primitives.replication import as_floats, normalize_axes, sum_

EXPANDED_SIZE = 64
"""The number of elements up to which generated code multiplies by the matrix; above, NumPy transforms."""


@dataclass(frozen=True)
class _Fourier(LinearComposite, abstract=True):
    """A part of Σ_j x_j exp(−2πi j k / n) along `axis`."""

    axis: int

    function: ClassVar[str]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [
            Example(cls(0), (ArrayType((n,)),)),
            Example(cls(1), (ArrayType((2, n, m)),)),
        ]

    @staticmethod
    @abstractmethod
    def part(x: Array) -> Array:
        """Return the part of complex numbers that is meant."""

    def linear_operands(self, count: int) -> Sequence[int]:
        return range(count)

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        if not operand.dtype.is_float:
            raise DTypeError(f"a Fourier transform takes floats, not {operand.dtype.value}; convert with astype(float)")
        if not 0 <= self.axis < operand.ndim:
            raise ShapeError(f"axis {self.axis} does not exist in an array of shape {shape_text(operand.shape)}")
        return operand

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        if not x.size:
            return x.copy()
        with np.errstate(all="ignore"):
            found = np.fft.fft(x, axis=self.axis)
            told = np.isfinite(x).all(self.axis, keepdims=True)
        return np.where(told, self.part(found), math.nan).astype(x.dtype)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        axes = (Number(self.axis),) if types[0].ndim > 1 else ()
        return Call(self.function, tuple(operands), subscript=axes)

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None if tangents[0] is None else self(tangents[0])

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return self(cotangent)

    def expand(self, *operands: Node) -> Node:
        """Multiply by the matrix."""
        (x,) = operands
        size, rank = x.type.shape[self.axis], x.type.ndim
        if not isinstance(size, int) or size > EXPANDED_SIZE:
            raise NotExpandableError(
                f"a Fourier transform is written out for up to {EXPANDED_SIZE} numbers, and {size} are transformed here"
            )
        places = np.arange(size)
        turns = np.outer(places, places) % max(size, 1)
        entries = self.part(np.exp(-2j * math.pi * turns / max(size, 1)))
        entries = np.where(np.abs(entries) < 1e-12, 0.0, entries).astype(x.type.dtype.numpy)  # sin π is 0
        matrix = Const(entries, ArrayType((size, size), x.type.dtype))
        labels = tuple(range(rank))
        output = tuple(rank if axis == self.axis else axis for axis in labels)
        nothing = sum_(multiply(x, 0.0), self.axis, keepdims=True)  # NaN if an element is not finite
        return add(Contract((labels, (self.axis, rank)), output)(x, matrix), nothing)


@final
@dataclass(frozen=True)
class RealFourier(_Fourier):
    """Σ_j x_j cos(2π j k / n) along `axis`."""

    function: ClassVar[str] = "refft"

    @staticmethod
    def part(x: Array) -> Array:
        return np.real(x)


@final
@dataclass(frozen=True)
class ImaginaryFourier(_Fourier):
    """−Σ_j x_j sin(2π j k / n) along `axis`."""

    function: ClassVar[str] = "imfft"

    @staticmethod
    def part(x: Array) -> Array:
        return np.imag(x)


def real_fourier(x: Node, axis: int = -1) -> Node:
    """`np.fft.fft(x).real` of a real array."""
    return RealFourier(*normalize_axes(axis, x.type.ndim))(as_floats(x))


def imaginary_fourier(x: Node, axis: int = -1) -> Node:
    """`np.fft.fft(x).imag` of a real array."""
    return ImaginaryFourier(*normalize_axes(axis, x.type.ndim))(as_floats(x))
