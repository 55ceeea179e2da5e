"""Activation functions. At a step of a derivative, its value is the left limit, as in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, Const, Node, named_dim
from chainrule.primitives.arithmetic import square
from chainrule.primitives.base import Array, Elementwise, Example
from chainrule.primitives.comparison import greater, indicator, where
from chainrule.primitives.emitter import Scalars
from chainrule.primitives.exponentials import exp
from chainrule.primitives.notation import Call, Notation, Number
from chainrule.primitives.piecewise import minimum
from chainrule.primitives.replication import as_floats
from chainrule.primitives.special import erfc, erfc_of_array
from chainrule.primitives.ufunc import Ufunc

S = TypeVar("S")

_OPERAND = ArrayType((named_dim("n"), named_dim("m")))
_SIDES = ((0.2, 3.0), (-3.0, -0.2))
_GELU_SCALE = math.sqrt(2 / math.pi)
_GELU_CUBIC = 0.044715


@final
@dataclass(frozen=True, eq=False, repr=False)
class Sigmoid(Elementwise):
    """The logistic function σ(x) = 1 / (1 + e⁻ˣ)."""

    is_activation: ClassVar[bool] = True

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        with np.errstate(all="ignore"):
            small = np.exp(-np.abs(x))  # never overflows; the other half follows from σ(x) = 1 − σ(−x)
            return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small))).astype(x.dtype, copy=False)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (result * (1 - result),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("σ", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.math("sigmoid", operands[0])


@final
@dataclass(frozen=True, eq=False, repr=False)
class Tanh(Ufunc):
    """The hyperbolic tangent."""

    name: ClassVar[str] = "tanh"
    is_activation: ClassVar[bool] = True

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (1 - square(result),)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Softplus(Elementwise):
    """ln(1 + eˣ), the integral of σ."""

    is_activation: ClassVar[bool] = True

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        with np.errstate(all="ignore"):
            return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), dtype=x.dtype)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (sigmoid(x),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("softplus", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.math("softplus", operands[0])


@final
@dataclass(frozen=True, eq=False, repr=False)
class Relu(Elementwise):
    """max(x, 0); the derivative at 0 is 0."""

    is_activation: ClassVar[bool] = True

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls(), (_OPERAND,), (side,)) for side in _SIDES]

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        return np.asarray(np.maximum(x, 0), dtype=x.dtype)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (indicator(greater(x, 0), x),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("relu", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        zero = emit.constant_like(0, x)
        return emit.select(emit.compare("<=", x, zero), zero, x)  # in this order NaN propagates


@final
@dataclass(frozen=True)
class LeakyRelu(Elementwise):
    """x where x > 0, else slope · x."""

    is_activation: ClassVar[bool] = True

    slope: float = 0.01

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls(slope), (_OPERAND,), (side,)) for slope in (0.01, 0.3) for side in _SIDES]

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        return np.asarray(np.where(x > 0, x, self.slope * x), dtype=x.dtype)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (where(greater(x, 0), _filled(1, x), _filled(self.slope, x)),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("leaky_relu", tuple(operands), subscript=(Number(self.slope),))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        positive = emit.compare(">", x, emit.constant_like(0, x))
        return emit.select(positive, x, emit.multiply(emit.constant_like(self.slope, x), x))


@final
@dataclass(frozen=True)
class Elu(Elementwise):
    """x where x > 0, else α (eˣ − 1) (Clevert et al. 2015, equation 15)."""

    is_activation: ClassVar[bool] = True

    alpha: float = 1.0

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls(alpha), (_OPERAND,), (side,)) for alpha in (1.0, 0.5) for side in _SIDES]

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        with np.errstate(all="ignore"):
            return np.asarray(np.where(x > 0, x, self.alpha * np.expm1(x)), dtype=x.dtype)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands  # clips positive x: an overflowing exponential would make second derivatives NaN
        return (where(greater(x, 0), _filled(1, x), self.alpha * exp(minimum(x, 0))),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("elu", tuple(operands), subscript=() if self.alpha == 1 else (Number(self.alpha),))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        positive = emit.compare(">", x, emit.constant_like(0, x))
        return emit.select(positive, x, emit.multiply(emit.constant_like(self.alpha, x), emit.math("expm1", x)))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Silu(Elementwise):
    """x σ(x), also called swish."""

    is_activation: ClassVar[bool] = True

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        with np.errstate(all="ignore"):
            return np.asarray(x * Sigmoid().value(x), dtype=x.dtype)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        s = sigmoid(x)
        return (s * (1 + x * (1 - s)),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("silu", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        return emit.multiply(x, emit.math("sigmoid", x))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Gelu(Elementwise):
    """x Φ(x), Φ the standard normal distribution function (Hendrycks and Gimpel 2016)."""

    is_activation: ClassVar[bool] = True

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        with np.errstate(all="ignore"):
            distribution = 0.5 * erfc_of_array(x.astype(np.float64) * -math.sqrt(0.5))  # 1 + erf cancels in the tail
            return np.asarray(x * distribution, dtype=x.dtype)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        distribution = 0.5 * erfc(-x / math.sqrt(2))
        density = exp(-0.5 * square(x)) / math.sqrt(2 * math.pi)
        return (distribution + x * density,)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("gelu", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        erfc_of_x = emit.math("erfc", emit.divide(emit.negate(x), emit.constant_like(math.sqrt(2), x)))
        return emit.multiply(emit.multiply(emit.constant_like(0.5, x), x), erfc_of_x)


@final
@dataclass(frozen=True, eq=False, repr=False)
class GeluTanh(Elementwise):
    """½ x (1 + tanh u) = x σ(2u), u = √(2/π) (x + 0.044715 x³) (Hendrycks and Gimpel 2016, section 2)."""

    is_activation: ClassVar[bool] = True

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        with np.errstate(all="ignore"):
            inner = 2 * _GELU_SCALE * x * (1 + _GELU_CUBIC * np.square(x))
            return np.asarray(x * Sigmoid().value(inner), dtype=x.dtype)  # 1 + tanh cancels in the tail

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        s = sigmoid(2 * _GELU_SCALE * x * (1 + _GELU_CUBIC * square(x)))
        slope = 2 * _GELU_SCALE * (1 + 3 * _GELU_CUBIC * square(x))
        return (s * (1 + x * (1 - s) * slope),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("gelu_tanh", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        one = emit.constant_like(1, x)
        cubic = emit.add(one, emit.multiply(emit.constant_like(_GELU_CUBIC, x), emit.multiply(x, x)))
        inner = emit.multiply(emit.multiply(emit.constant_like(2 * _GELU_SCALE, x), x), cubic)
        return emit.multiply(x, emit.math("sigmoid", inner))


def _filled(value: float, like: Node) -> Node:
    return Const(value, like.type)


def sigmoid(x: Node) -> Node:
    """σ(x) = 1 / (1 + e⁻ˣ)."""
    return Sigmoid()(as_floats(x))


def tanh(x: Node) -> Node:
    """`np.tanh`."""
    return Tanh()(as_floats(x))


def softplus(x: Node) -> Node:
    """ln(1 + eˣ)."""
    return Softplus()(as_floats(x))


def relu(x: Node) -> Node:
    """max(x, 0)."""
    return Relu()(as_floats(x))


def leaky_relu(x: Node, negative_slope: float = 0.01) -> Node:
    """Return `x` if it is positive, else `negative_slope * x`."""
    return LeakyRelu(float(negative_slope))(as_floats(x))


def elu(x: Node, alpha: float = 1.0) -> Node:
    """Return `x` if it is positive, else α (eˣ − 1)."""
    return Elu(float(alpha))(as_floats(x))


def silu(x: Node) -> Node:
    """`x σ(x)`."""
    return Silu()(as_floats(x))


def gelu(x: Node, approximate: bool = False) -> Node:
    """Return `x Φ(x)`; with `approximate`, the tanh approximation."""
    return (GeluTanh() if approximate else Gelu())(as_floats(x))
