"""Rounding to whole numbers, and quotients and remainders of division.

They are constant, or linear, between their steps: the derivative of ⌊x⌋ and its kin is zero, also at a step, and that
of x mod y is 1 in x and −⌊x / y⌋ in y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, final

from chainrule.ir import ArrayType, Const, Node, Operand, named_dim
from chainrule.primitives.arithmetic import divide, multiply, negate
from chainrule.primitives.base import Example
from chainrule.primitives.emitter import Scalars
from chainrule.primitives.notation import Call, Fraction, Notation
from chainrule.primitives.replication import as_floats
from chainrule.primitives.ufunc import Ufunc

S = TypeVar("S")

_OPERAND = ArrayType((named_dim("n"), named_dim("m")))
_ABOVE, _BELOW, _DIVISOR = (2.2, 2.4), (-2.8, -2.6), (1.0, 1.05)


class _Rounding(Ufunc, abstract=True):
    """A function whose values are whole numbers; the examples stay between its steps."""

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls(), (_OPERAND,), (side,)) for side in (_ABOVE, _BELOW)]

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (None,)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Floor(_Rounding):
    """The greatest whole number that is not above x. The derivative is zero.

    Of whole numbers in float64 with |x| + |y| ≤ 2⁵³, ⌊x / y⌋ is the quotient and x − y ⌊x / y⌋ the remainder, exactly:
    a quotient that is not whole is too far from the next whole number to be rounded to it.
    """

    name: ClassVar[str] = "floor"


@final
@dataclass(frozen=True, eq=False, repr=False)
class Ceil(_Rounding):
    """The least whole number that is not below x. The derivative is zero."""

    name: ClassVar[str] = "ceil"

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.negate(emit.math("floor", emit.negate(operands[0])))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Trunc(_Rounding):
    """The whole number next to x in the direction of 0. The derivative is zero."""

    name: ClassVar[str] = "trunc"

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        negative = emit.compare("<", x, emit.constant_like(0, x))
        up = emit.negate(emit.math("floor", emit.negate(x)))
        return emit.select(negative, up, emit.math("floor", x))


@final
@dataclass(frozen=True, eq=False, repr=False)
class Rint(_Rounding):
    """The whole number nearest to x, the even one of two. The derivative is zero."""

    name: ClassVar[str] = "rint"

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("round", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        (x,) = operands
        zero, half, one, two = (emit.constant_like(number, x) for number in (0, 0.5, 1, 2))
        below = emit.math("floor", x)
        beyond = emit.subtract(x, below)
        odd = emit.subtract(below, emit.multiply(two, emit.math("floor", emit.multiply(half, below))))
        is_tie = emit.logical_and(emit.compare("==", beyond, half), emit.compare("==", odd, one))
        up = emit.logical_or(emit.compare(">", beyond, half), is_tie)
        nearest = emit.select(up, emit.add(below, one), below)
        return emit.select(emit.compare("==", nearest, zero), emit.multiply(zero, x), nearest)  # −0 for x < 0


class _Division(Ufunc, abstract=True):
    """A quotient or a remainder; the examples stay between the steps."""

    arity: ClassVar[int] = 2

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls(), (_OPERAND, _OPERAND), (side, _DIVISOR)) for side in (_ABOVE, _BELOW)]


@final
@dataclass(frozen=True, eq=False, repr=False)
class FloorDivide(_Division):
    """⌊x / y⌋ of the exact quotient. The derivatives are zero."""

    name: ClassVar[str] = "floor_divide"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return None, None

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("floor", (Fraction(operands[0], operands[1]),))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        x, y = operands
        zero, half, one = (emit.constant_like(number, x) for number in (0, 0.5, 1))
        ratio, rest = emit.divide(x, y), emit.math("fmod", x, y)
        whole = emit.divide(emit.subtract(x, rest), y)  # x / y rounded towards 0, up to rounding errors
        whole = emit.select(_is_opposite(emit, rest, y), emit.subtract(whole, one), whole)
        below = emit.math("floor", whole)
        nearest = emit.select(emit.compare(">", emit.subtract(whole, below), half), emit.add(below, one), below)
        nearest = emit.select(emit.compare("==", whole, zero), emit.multiply(ratio, zero), nearest)
        return emit.select(emit.compare("==", y, zero), ratio, nearest)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Remainder(_Division):
    """x mod y = x − y ⌊x / y⌋ of the exact quotient, with the sign of y."""

    name: ClassVar[str] = "remainder"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return Const(1, result.type), negate(FloorDivide()(*operands))

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("mod", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        x, y = operands
        zero = emit.constant_like(0, x)
        rest = emit.math("fmod", x, y)
        signed = emit.select(emit.compare("<", y, zero), emit.negate(zero), zero)
        rest = emit.select(_is_opposite(emit, rest, y), emit.add(rest, y), rest)
        return emit.select(emit.compare("==", rest, zero), signed, rest)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Fmod(_Division):
    """x − y trunc(x / y) of the exact quotient, with the sign of x, as in C."""

    name: ClassVar[str] = "fmod"

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return Const(1, result.type), negate(Trunc()(divide(*operands)))


def _is_opposite(emit: Scalars[S], rest: S, y: S) -> S:
    """Whether a remainder other than 0 has another sign than the divisor."""
    zero = emit.constant_like(0, y)
    above = emit.logical_and(emit.compare(">", rest, zero), emit.compare("<", y, zero))
    return emit.logical_or(above, emit.logical_and(emit.compare("<", rest, zero), emit.compare(">", y, zero)))


def round_(x: Operand, decimals: int = 0) -> Node:
    """`np.round`: to `decimals` digits behind the point, or tens, hundreds, … for negative ones, as floats."""
    number = as_floats(x)
    if decimals == 0:
        return Rint()(number)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return divide(Rint()(multiply(number, scale)), scale)
    return multiply(Rint()(divide(number, scale)), scale)
