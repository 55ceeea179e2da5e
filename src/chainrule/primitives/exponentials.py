"""Exponentials, logarithms, roots and powers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, final

import numpy as np

from chainrule.ir import OPERATORS, ArrayType, Const, Node, Operand, named_dim
from chainrule.primitives.arithmetic import Square, divide, divide_no_nan, square
from chainrule.primitives.base import Array, Elementwise, Example
from chainrule.primitives.emitter import Scalars
from chainrule.primitives.notation import Call, Infix, Notation, Number, Prefix
from chainrule.primitives.notation import Power as PowerNotation
from chainrule.primitives.replication import as_floats, broadcast_together
from chainrule.primitives.ufunc import Ufunc

S = TypeVar("S")


@final
@dataclass(frozen=True, eq=False, repr=False)
class Exp(Ufunc):
    """eˣ."""

    name: ClassVar[str] = "exp"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (result,)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Log(Ufunc):
    """The natural logarithm."""

    name: ClassVar[str] = "log"
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((0.1, 5.0),)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (1 / x,)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("ln", tuple(operands))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Expm1(Ufunc):
    """eˣ − 1, accurate for small x."""

    name: ClassVar[str] = "expm1"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (exp(x),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Infix("−", (Call("exp", tuple(operands)), Number(1)))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Log1p(Ufunc):
    """ln(1 + x), accurate for small x."""

    name: ClassVar[str] = "log1p"
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((-0.8, 4.0),)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (1 / (1 + x),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("ln", (Infix("+", (Number(1), operands[0])),))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Sqrt(Ufunc):
    """√x."""

    name: ClassVar[str] = "sqrt"
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((0.1, 5.0),)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (1 / (2 * result),)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Cbrt(Ufunc):
    """The cube root, also of negative numbers. The derivative is infinite at 0."""

    name: ClassVar[str] = "cbrt"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        operand = ArrayType((named_dim("n"), named_dim("m")))
        return [Example(cls(), (operand,), (side,)) for side in ((0.1, 5.0), (-5.0, -0.1))]

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (1 / (3 * square(result)),)

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        zero, third, size = emit.constant_like(0, x), emit.constant_like(1 / 3, x), emit.math("abs", x)
        near = emit.math("exp", emit.multiply(third, emit.math("log", size)))
        # One step of Newton's method, which squares the relative error of the logarithm's multiple.
        step = emit.multiply(third, emit.subtract(near, emit.divide(emit.divide(size, near), near)))
        root = emit.subtract(near, step)
        root = emit.select(emit.compare("<", x, zero), emit.negate(root), root)
        finite = emit.compare("<", size, emit.constant_like(math.inf, x))
        return emit.select(emit.logical_and(finite, emit.compare("!=", x, zero)), root, x)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Hypot(Ufunc):
    """√(x² + y²), without overflow. At the origin the subgradient is 0, as that of a norm."""

    name: ClassVar[str] = "hypot"
    arity: ClassVar[int] = 2
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((-3.0, 3.0), (0.2, 3.0))

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return [divide_no_nan(operand, result) for operand in operands]

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        squares = [Square().notation([x], [type]) for x, type in zip(operands, types, strict=True)]
        return Call("sqrt", (Infix("+", tuple(squares)),))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        x, y = (emit.math("abs", operand) for operand in operands)
        zero, one, endless = (emit.constant_like(number, x) for number in (0, 1, math.inf))
        larger = emit.compare(">", x, y)
        high, low = emit.select(larger, x, y), emit.select(larger, y, x)
        ratio = emit.divide(low, high)
        root = emit.multiply(high, emit.math("sqrt", emit.add(one, emit.multiply(ratio, ratio))))
        root = emit.select(emit.compare("==", high, zero), low, root)
        is_endless = emit.logical_or(emit.compare("==", x, endless), emit.compare("==", y, endless))
        return emit.select(is_endless, endless, root)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Power(Ufunc):
    """x ** y, for x ≥ 0 or constant y. At x = 0 the derivatives are those of y > 0; at y = 0 that in x is 0."""

    name: ClassVar[str] = "power"
    arity: ClassVar[int] = 2
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((0.2, 3.0), (-2.0, 3.0))

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        x, y = operands
        return y * power(x, _less_one(y)), None if isinstance(y, Const) else result * LogNoNan()(x)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return PowerNotation(operands[0], operands[1])


@final
@dataclass(frozen=True, eq=False, repr=False)
class LessOne(Elementwise):
    """y − 1, and 1 where y is 0: the exponent in y x^(y − 1), so that 0 · ∞ at x = y = 0 becomes 0."""

    domain: ClassVar[tuple[tuple[float, float], ...]] = ((0.2, 3.0),)

    def value(self, *operands: Array) -> Array:
        (y,) = operands
        return np.where(y == 0, np.ones((), y.dtype), y - 1)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (Const(1, result.type),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        match operands[0]:
            case Infix("−", (Number(1), y)):
                return Prefix("−", y)
            case Infix("−", (y, Number(float(less) | int(less)))) if less > 0:
                return Infix("−", (y, Number(less + 1)))
        return Infix("−", (operands[0], Number(1)))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (y,) = operands
        one = emit.constant_like(1, y)
        return emit.select(emit.compare("==", y, emit.constant_like(0, y)), one, emit.subtract(y, one))


@final
@dataclass(frozen=True, eq=False, repr=False)
class LogNoNan(Elementwise):
    """ln x, and 0 where x is 0: the factor in xʸ ln x, whose limit there is 0 for y > 0."""

    domain: ClassVar[tuple[tuple[float, float], ...]] = ((0.1, 5.0),)

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        with np.errstate(all="ignore"):
            return np.where(x == 0, np.zeros((), x.dtype), np.log(x))

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (divide_no_nan(1, x),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("ln", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        zero = emit.constant_like(0, x)
        return emit.select(emit.compare("==", x, zero), zero, emit.math("log", x))


def exp(x: Node) -> Node:
    """eˣ."""
    return Exp()(as_floats(x))


def expm1(x: Node) -> Node:
    """eˣ − 1."""
    return Expm1()(as_floats(x))


def log(x: Node) -> Node:
    """`ln x`."""
    return Log()(as_floats(x))


def log1p(x: Node) -> Node:
    """ln(1 + x)."""
    return Log1p()(as_floats(x))


def sqrt(x: Node) -> Node:
    """√x."""
    return Sqrt()(as_floats(x))


def _less_one(exponent: Node) -> Node:
    if isinstance(exponent, Const) and isinstance(exponent.value, float):
        return Const(exponent.value - 1, exponent.type)
    if isinstance(exponent, Const) and isinstance(exponent.value, np.ndarray):
        return Const(np.where(exponent.value == 0, 1, exponent.value - 1), exponent.type)
    return LessOne()(exponent)


def power(x: Operand, y: Operand) -> Node:
    """`x ** y`, broadcast; the constant exponents 0, 1, 2 and −1 are simplified."""
    base, exponent = broadcast_together(x, y, floats=True)
    if isinstance(exponent, Const):
        if exponent.filled_with(2):
            return square(base)
        if exponent.filled_with(1):
            return base
        if exponent.filled_with(0):
            return Const(1, base.type)
        if exponent.filled_with(-1):
            return divide(1, base)
    return Power()(base, exponent)


OPERATORS["**"] = power
