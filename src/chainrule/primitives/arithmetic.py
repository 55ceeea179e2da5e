"""Arithmetic: addition and subtraction (linear), the elementwise product (multilinear), division and squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, final

import numpy as np

from chainrule.ir import OPERATORS, ArrayType, DTypeError, Node, Operand, named_dim
from chainrule.primitives.base import Array, Elementwise, Example, Linear, Multilinear, same_type
from chainrule.primitives.comparison import logical_and, logical_or
from chainrule.primitives.contraction import matmul
from chainrule.primitives.emitter import Accessor, Emitter, Scalars
from chainrule.primitives.integers import are_booleans, are_integers, integer_power, integers
from chainrule.primitives.notation import Call, Fraction, Infix, Notation, Number, Prefix
from chainrule.primitives.notation import Power as PowerNotation
from chainrule.primitives.replication import as_floats, broadcast_together

S = TypeVar("S")
I = TypeVar("I")

_OPERAND = ArrayType((named_dim("n"), named_dim("m")))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Add(Linear):
    """x + y. The transpose passes the cotangent to both operands."""

    is_pointwise: ClassVar[bool] = True

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls(), (_OPERAND, _OPERAND))]

    def type(self, *operands: ArrayType) -> ArrayType:
        return same_type(self, operands, 2)

    def value(self, *operands: Array) -> Array:
        return np.asarray(operands[0] + operands[1])

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Infix("+", tuple(operands))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return cotangent

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        return emit.add(operands[0](index), operands[1](index))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Subtract(Linear):
    """x − y. The transpose passes the cotangent to the first operand, and its negative to the second."""

    is_pointwise: ClassVar[bool] = True

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls(), (_OPERAND, _OPERAND))]

    def type(self, *operands: ArrayType) -> ArrayType:
        return same_type(self, operands, 2)

    def value(self, *operands: Array) -> Array:
        return np.asarray(operands[0] - operands[1])

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Infix("−", tuple(operands))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return cotangent if operand == 0 else Negate()(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        return emit.subtract(operands[0](index), operands[1](index))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Negate(Linear):
    """−x, its own transpose."""

    is_pointwise: ClassVar[bool] = True

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls(), (_OPERAND,))]

    def type(self, *operands: ArrayType) -> ArrayType:
        return same_type(self, operands, 1)

    def value(self, *operands: Array) -> Array:
        return np.negative(operands[0])

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        match operands[0]:
            case Call("softplus", (Prefix("−", x),)):  # ln σ(x), as it is computed
                return Call("ln", (Call("σ", (x,)),))
        return Prefix("−", operands[0])

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return Negate()(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        return emit.negate(operands[0](index))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Multiply(Multilinear):
    """x ⊙ y, elementwise. A diagonal map in either operand, so self-adjoint."""

    is_pointwise: ClassVar[bool] = True

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls(), (_OPERAND, _OPERAND))]

    def type(self, *operands: ArrayType) -> ArrayType:
        return same_type(self, operands, 2)

    def value(self, *operands: Array) -> Array:
        return np.asarray(operands[0] * operands[1])

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        scalar = types[0].ndim == 0 or any(isinstance(operand, Number) for operand in operands)
        return Infix("·" if scalar else "⊙", tuple(operands))

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return cotangent * operands[1 - operand]

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        return emit.multiply(operands[0](index), operands[1](index))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Divide(Elementwise):
    """x / y."""

    arity: ClassVar[int] = 2
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((-3.0, 3.0), (0.5, 3.0))

    def value(self, *operands: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(operands[0] / operands[1])

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        _, y = operands
        return 1 / y, -(result / y)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return quotient_of(operands[0], operands[1])

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.divide(operands[0], operands[1])


@final
@dataclass(frozen=True, eq=False, repr=False)
class DivideNoNan(Elementwise):
    """x / y, and 0 where y is 0, for the derivative of a norm, whose subgradient at 0 is 0."""

    arity: ClassVar[int] = 2
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((-3.0, 3.0), (0.5, 3.0))

    def value(self, *operands: Array) -> Array:
        x, y = operands
        with np.errstate(all="ignore"):
            return np.where(y == 0, np.zeros((), x.dtype), x / y)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        _, y = operands
        return divide_no_nan(1, y), -divide_no_nan(result, y)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return quotient_of(operands[0], operands[1])

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        x, y = operands
        zero = emit.constant_like(0, y)
        return emit.select(emit.compare("==", y, zero), zero, emit.divide(x, y))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Square(Elementwise):
    """x²."""

    def value(self, *operands: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(np.square(operands[0]))

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (2 * x,)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        (x,), (type_,) = operands, types
        if type_.ndim > 1 and type_.shape[-1] == type_.shape[-2] != 1:  # A² would be A A
            return Infix("⊙", (x, x))
        return PowerNotation(x, Number(2))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.multiply(operands[0], operands[0])


def quotient_of(above: Notation, below: Notation) -> Notation:
    """Write a quotient; half of x over y is x / (2 y)."""
    match above, below:
        case _, Number():
            return Fraction(above, below)
        case Number(float(number)), _ if number > 0 and number % 1 == 0.5:
            return Fraction(Number(2 * number), Infix("·", (Number(2), below)))
        case Infix("·", (Number(0.5), x)), _:
            return Fraction(x, Infix("·", (Number(2), below)))
    return Fraction(above, below)


def add(x: Operand, y: Operand) -> Node:
    """`x + y`, broadcast; of booleans `x ∨ y`, as in NumPy."""
    if are_booleans(x, y):
        return logical_or(x, y)
    if are_integers(x, y):
        return integers("add", x, y)
    return Add()(*broadcast_together(x, y))


def subtract(x: Operand, y: Operand) -> Node:
    """`x − y`, broadcast. Raises DTypeError for booleans, as NumPy does."""
    if are_booleans(x, y):
        raise DTypeError(
            "booleans have no difference in NumPy; write x ^ y for where they differ, x & ~y for x without y"
        )
    if are_integers(x, y):
        return integers("subtract", x, y)
    return Subtract()(*broadcast_together(x, y))


def multiply(x: Operand, y: Operand) -> Node:
    """`x ⊙ y`, broadcast; of booleans `x ∧ y`, as in NumPy."""
    if are_booleans(x, y):
        return logical_and(x, y)
    if are_integers(x, y):
        return integers("multiply", x, y)
    return Multiply()(*broadcast_together(x, y))


def divide(x: Operand, y: Operand) -> Node:
    """`x / y`, broadcast; integers divide as floats."""
    return Divide()(*broadcast_together(x, y, floats=True))


def divide_no_nan(x: Operand, y: Operand) -> Node:
    """`x / y`, and 0 where y is 0, broadcast."""
    return DivideNoNan()(*broadcast_together(x, y, floats=True))


def negate(x: Node) -> Node:
    """−x. Raises DTypeError for booleans, as NumPy does."""
    if are_booleans(x):
        raise DTypeError("booleans have no negative in NumPy; write ~x")
    return integers("subtract", 0, x) if are_integers(x) else Negate()(x)


def square(x: Node) -> Node:
    """x²; of integers an integer."""
    return integer_power(x, 2) if are_integers(x) else Square()(as_floats(x))


OPERATORS.update({"+": add, "-": subtract, "*": multiply, "/": divide, "@": matmul, "neg": negate})
