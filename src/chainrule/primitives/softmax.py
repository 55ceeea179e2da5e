"""Softmax, log-softmax and log-sum-exp over any axes, and of two arrays; without overflow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, Node, Operand
from chainrule.primitives.activations import sigmoid
from chainrule.primitives.base import Array, Composite, Example
from chainrule.primitives.comparison import less, where
from chainrule.primitives.emitter import Scalars
from chainrule.primitives.exponentials import exp, log
from chainrule.primitives.notation import Notation
from chainrule.primitives.piecewise import abs_
from chainrule.primitives.reductions import (
    Axis,
    Max,
    axes_examples,
    reduced_over,
    reduced_type,
    reduction_notation,
    repeat_along,
)
from chainrule.primitives.replication import Sum, as_floats, broadcast_together, normalize_axes
from chainrule.primitives.ufunc import Ufunc

S = TypeVar("S")


def _shift(x: Node, axes: tuple[int, ...]) -> Node:
    """Return the maximum over `axes`, or 0 if it is not finite: the shift before exponentiation."""
    largest = Max(axes)(x)
    return where(less(abs_(largest), math.inf), largest, 0)


def _shift_value(x: Array, axes: tuple[int, ...]) -> Array:
    largest = np.max(x, axis=axes, keepdims=True)
    return np.asarray(np.where(np.isfinite(largest), largest, 0), dtype=x.dtype)


@dataclass(frozen=True)
class _SoftmaxLike(Composite, abstract=True):
    """A function normalized by Σ eˣ over `axes`, by default the last one; it keeps the type of its operand."""

    function: ClassVar[str]

    axes: tuple[int, ...]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return axes_examples(cls)

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        reduced_type(self.function, operand, self.axes)
        return operand

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return reduction_notation(self.function, self.axes, operands[0], types[0], default=1)


@final
@dataclass(frozen=True)
class LogSumExp(Composite):
    """ln Σ eˣ over `axes` (sorted, non-negative), which are removed; its derivative is the softmax."""

    axes: tuple[int, ...]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return axes_examples(cls)

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        return reduced_type("logsumexp", operand, self.axes)

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        with np.errstate(all="ignore"):
            shift = _shift_value(x, self.axes)
            total = np.sum(np.exp(x - shift), axis=self.axes)
            return np.asarray(np.squeeze(shift, self.axes) + np.log(total), dtype=x.dtype)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return reduction_notation("logsumexp", self.axes, operands[0], types[0])

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        return None if tangent is None else Sum(self.axes)(Softmax(self.axes)(x) * tangent)

    def expand(self, *operands: Node) -> Node:
        (x,) = operands
        shift = _shift(x, self.axes)
        return shift + log(Sum(self.axes)(exp(x - repeat_along(shift, x, self.axes))))


@final
@dataclass(frozen=True, eq=False, repr=False)
class LogAddExp(Ufunc):
    """ln(eˣ + eʸ), elementwise; smooth, with the derivatives σ(x − y) and σ(y − x)."""

    name: ClassVar[str] = "logaddexp"
    arity: ClassVar[int] = 2
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((-3.0, 3.0), (-3.0, 3.0))

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        x, y = operands
        return sigmoid(x - y), sigmoid(y - x)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        x, y = operands
        difference = emit.subtract(x, y)
        positive = emit.compare(">", difference, emit.constant_like(0, x))
        smaller = emit.select(positive, emit.negate(difference), difference)
        above = emit.add(emit.select(positive, x, y), emit.math("softplus", smaller))
        # The difference of two equal infinities is NaN.
        return emit.select(emit.compare("==", x, y), emit.add(x, emit.constant_like(math.log(2), x)), above)


@final
@dataclass(frozen=True)
class Softmax(_SoftmaxLike):
    """eˣ / Σ eˣ, with the sum over `axes` (sorted, non-negative)."""

    function: ClassVar[str] = "softmax"

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        with np.errstate(all="ignore"):
            powers = np.exp(x - _shift_value(x, self.axes))
            return np.asarray(powers / np.sum(powers, axis=self.axes, keepdims=True), dtype=x.dtype)

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        """The differential p ⊙ (dx − Σ p ⊙ dx), p the softmax."""
        (tangent,) = tangents
        if tangent is None:
            return None
        return result * (tangent - repeat_along(Sum(self.axes)(result * tangent), tangent, self.axes))

    def expand(self, *operands: Node) -> Node:
        (x,) = operands
        powers = exp(x - repeat_along(_shift(x, self.axes), x, self.axes))
        return powers / repeat_along(Sum(self.axes)(powers), x, self.axes)


@final
@dataclass(frozen=True)
class LogSoftmax(_SoftmaxLike):
    """x − ln Σ eˣ, with the sum over `axes` (sorted, non-negative)."""

    function: ClassVar[str] = "log_softmax"

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        with np.errstate(all="ignore"):
            shifted = x - _shift_value(x, self.axes)
            total = np.sum(np.exp(shifted), axis=self.axes, keepdims=True)
            return np.asarray(shifted - np.log(total), dtype=x.dtype)

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        """The differential dx − Σ p ⊙ dx, p the softmax."""
        (x,), (tangent,) = operands, tangents
        if tangent is None:
            return None
        return tangent - repeat_along(Sum(self.axes)(Softmax(self.axes)(x) * tangent), tangent, self.axes)

    def expand(self, *operands: Node) -> Node:
        (x,) = operands
        shifted = x - repeat_along(_shift(x, self.axes), x, self.axes)
        return shifted - repeat_along(log(Sum(self.axes)(exp(shifted))), x, self.axes)


def logsumexp(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """`ln Σ eˣ` over `axis`; None means all axes."""
    return reduced_over(LogSumExp, x, axis, keepdims)


def logaddexp(x: Operand, y: Operand) -> Node:
    """ln(eˣ + eʸ), broadcast, as floats."""
    return LogAddExp()(*broadcast_together(x, y, floats=True))


def softmax(x: Node, axis: Axis = -1) -> Node:
    """eˣ / Σ eˣ, with the sum over `axis`; None means all axes."""
    x = as_floats(x)
    return Softmax(normalize_axes(axis, x.type.ndim))(x)


def log_softmax(x: Node, axis: Axis = -1) -> Node:
    """The logarithm of `softmax`."""
    x = as_floats(x)
    return LogSoftmax(normalize_axes(axis, x.type.ndim))(x)
