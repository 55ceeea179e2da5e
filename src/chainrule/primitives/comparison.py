"""Comparisons, logical operations, and selection by a condition."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, Const, DType, DTypeError, Node, Operand, ProgramError, ShapeError, named_dim
from chainrule.ir import shape_text as text
from chainrule.primitives.base import Array, Elementwise, Example, Linear, zeros
from chainrule.primitives.emitter import Accessor, Comparison, Emitter, Scalars
from chainrule.primitives.notation import Cases, Infix, Notation, Prefix
from chainrule.primitives.replication import (
    as_node,
    broadcast_shape,
    broadcast_to,
    broadcast_together,
    cast,
    common_dtype,
)

S = TypeVar("S")
I = TypeVar("I")

_FUNCTIONS: dict[Comparison, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_SYMBOLS: dict[Comparison, str] = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠"}


@final
@dataclass(frozen=True)
class Compare(Elementwise):
    """x < y, or another comparison, as booleans. With NaN only `!=` is true; the derivative is zero."""

    comparison: Comparison
    arity: ClassVar[int] = 2

    @classmethod
    def examples(cls) -> Sequence[Example]:
        shape = (named_dim("n"), named_dim("m"))
        floats, integers = ArrayType(shape), ArrayType(shape, DType.INT64)
        return [
            *(Example(cls(comparison), (floats, floats), ((-3.0, 3.0),) * 2) for comparison in _FUNCTIONS),
            *(Example(cls(comparison), (integers, integers), ((-2, 3),) * 2) for comparison in _FUNCTIONS),
        ]

    def result_dtype(self, dtypes: Sequence[DType]) -> DType:
        if dtypes[0] != dtypes[1]:
            raise DTypeError(f"a comparison mixes {dtypes[0].value} and {dtypes[1].value}; convert one with astype")
        if dtypes[0] is DType.BOOL:
            raise DTypeError("a comparison takes numbers, not booleans; convert with astype(float)")
        return DType.BOOL

    def value(self, *operands: Array) -> Array:
        return np.asarray(_FUNCTIONS[self.comparison](*operands))

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return None, None

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Infix(_SYMBOLS[self.comparison], tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.compare(self.comparison, operands[0], operands[1])


class _Logical(Elementwise, abstract=True):
    """A function of booleans."""

    domain: ClassVar[tuple[tuple[float, float], ...]] = ((0, 2),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        operand = ArrayType((named_dim("n"), named_dim("m")), DType.BOOL)
        return [Example(cls(), (operand,) * cls.arity)]

    def result_dtype(self, dtypes: Sequence[DType]) -> DType:
        for dtype in dtypes:
            if dtype is not DType.BOOL:
                raise DTypeError(f"a logical operation takes booleans, not {dtype.value}; compare first, as in x > 0")
        return DType.BOOL

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (None,) * self.arity


@final
@dataclass(frozen=True, eq=False, repr=False)
class LogicalAnd(_Logical):
    """Logical and."""

    arity: ClassVar[int] = 2

    def value(self, *operands: Array) -> Array:
        return np.asarray(np.logical_and(*operands))

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Infix("∧", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.logical_and(operands[0], operands[1])


@final
@dataclass(frozen=True, eq=False, repr=False)
class LogicalOr(_Logical):
    """Logical or."""

    arity: ClassVar[int] = 2

    def value(self, *operands: Array) -> Array:
        return np.asarray(np.logical_or(*operands))

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Infix("∨", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.logical_or(operands[0], operands[1])


@final
@dataclass(frozen=True, eq=False, repr=False)
class LogicalNot(_Logical):
    """Logical not."""

    def value(self, *operands: Array) -> Array:
        return np.asarray(np.logical_not(operands[0]))

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Prefix("¬", operands[0])

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.logical_not(operands[0])


@final
@dataclass(frozen=True, eq=False, repr=False)
class Where(Linear):
    """x if the condition holds, else y. Linear in both; the transpose routes the cotangent to the operand taken."""

    is_pointwise: ClassVar[bool] = True

    @classmethod
    def examples(cls) -> Sequence[Example]:
        shape = (named_dim("n"), named_dim("m"))
        return [Example(cls(), (ArrayType(shape, DType.BOOL), ArrayType(shape), ArrayType(shape)))]

    def linear_operands(self, count: int) -> Sequence[int]:
        return 1, 2

    def type(self, *operands: ArrayType) -> ArrayType:
        if len(operands) != 3:
            raise ProgramError(f"Where takes a condition and two arrays, not {len(operands)} operands")
        condition, x, y = operands
        if condition.dtype is not DType.BOOL:
            raise DTypeError(f"the condition of where is {condition.dtype.value}, not bool; compare first, as in x > 0")
        if x.dtype != y.dtype:
            raise DTypeError(f"where mixes {x.dtype.value} and {y.dtype.value}; convert one with astype")
        if not condition.shape == x.shape == y.shape:
            raise ShapeError(f"where takes one shape, not {text(condition.shape)}, {text(x.shape)} and {text(y.shape)}")
        return x

    def value(self, *operands: Array) -> Array:
        return np.where(*operands)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Cases(operands[0], operands[1], operands[2])

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        condition, zero = operands[0], zeros(cotangent.type)
        return Where()(condition, cotangent, zero) if operand == 1 else Where()(condition, zero, cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        condition, x, y = operands
        return emit.select(condition(index), lambda: x(index), lambda: y(index))


def compare(comparison: Comparison, x: Operand, y: Operand) -> Node:
    """`x < y`, or another comparison, broadcast."""
    x, y = broadcast_together(x, y)
    if x.type.dtype is DType.BOOL:
        x, y = cast(x, DType.INT64), cast(y, DType.INT64)
    return Compare(comparison)(x, y)


def less(x: Operand, y: Operand) -> Node:
    """`x < y`, broadcast."""
    return compare("<", x, y)


def less_equal(x: Operand, y: Operand) -> Node:
    """`x <= y`, broadcast."""
    return compare("<=", x, y)


def greater(x: Operand, y: Operand) -> Node:
    """`x > y`, broadcast."""
    return compare(">", x, y)


def greater_equal(x: Operand, y: Operand) -> Node:
    """`x >= y`, broadcast."""
    return compare(">=", x, y)


def equal(x: Operand, y: Operand) -> Node:
    """`x == y`, broadcast."""
    return compare("==", x, y)


def not_equal(x: Operand, y: Operand) -> Node:
    """`x != y`, broadcast."""
    return compare("!=", x, y)


def as_condition(x: Operand) -> Node:
    """Return booleans unchanged, numbers as `x != 0`."""
    node = as_node(x, common_dtype([x]))
    return node if node.type.dtype is DType.BOOL else not_equal(node, Const(0, ArrayType((), node.type.dtype)))


def logical_and(x: Operand, y: Operand) -> Node:
    """`np.logical_and`, broadcast."""
    return LogicalAnd()(*broadcast_together(as_condition(x), as_condition(y)))


def logical_or(x: Operand, y: Operand) -> Node:
    """`np.logical_or`, broadcast."""
    return LogicalOr()(*broadcast_together(as_condition(x), as_condition(y)))


def logical_xor(x: Operand, y: Operand) -> Node:
    """`np.logical_xor`, broadcast."""
    return not_equal(as_condition(x), as_condition(y))


def logical_not(x: Operand) -> Node:
    """`np.logical_not`."""
    return LogicalNot()(as_condition(x))


def where(condition: Operand, x: Operand, y: Operand) -> Node:
    """`np.where` with three arguments, broadcast."""
    test = as_condition(condition)
    chosen, other = broadcast_together(x, y)
    shape = broadcast_shape(test.type.shape, chosen.type.shape)
    return Where()(*(broadcast_to(node, shape) for node in (test, chosen, other)))


def indicator(condition: Node, like: Node) -> Node:
    """Return 1 where the condition holds, else 0, in the dtype of `like`."""
    return cast(condition, like.type.dtype)
