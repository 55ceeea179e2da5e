"""Arithmetic of integers, in 64 bits as in NumPy: sums overflow around, ⌊x / 0⌋ and x mod 0 are 0.

Integers are constants of a derivation: labels, indices, counts. Their operations have the derivative zero, and are kept
apart from those of floats, so that no identity of real numbers is applied to them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, Const, DType, DTypeError, Node, Operand, named_dim
from chainrule.primitives.base import Array, Elementwise, Example
from chainrule.primitives.comparison import greater, less, logical_and, logical_not, logical_or, not_equal
from chainrule.primitives.emitter import IntegerOperation, Scalars
from chainrule.primitives.notation import Call, Fraction, Infix, Notation, Number, Prefix
from chainrule.primitives.replication import as_node, broadcast_together, cast, common_dtype

S = TypeVar("S")

_FUNCTIONS: dict[IntegerOperation, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}

_LARGEST_POWER = 64
"""The largest exponent that is written out as products; 2⁶⁴ is beyond the range."""


@final
@dataclass(frozen=True)
class IntegerArithmetic(Elementwise):
    """An operation on two integers; −x is 0 − x, and ¬x is x xor −1."""

    operation: IntegerOperation
    arity: ClassVar[int] = 2

    @classmethod
    def examples(cls) -> Sequence[Example]:
        operand = ArrayType((named_dim("n"), named_dim("m")), DType.INT64)
        return [Example(cls(operation), (operand, operand), ((-9, 9),) * 2) for operation in _FUNCTIONS]

    def result_dtype(self, dtypes: Sequence[DType]) -> DType:
        for dtype in dtypes:
            if dtype is not DType.INT64:
                raise DTypeError(f"the operation {self.operation!r} takes integers, not {dtype.value}")
        return DType.INT64

    def value(self, *operands: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(_FUNCTIONS[self.operation](*operands))

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return None, None

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        is_scalar = types[0].ndim == 0 or any(isinstance(operand, Number) for operand in operands)
        return integer_notation(self.operation, operands[0], operands[1], "·" if is_scalar else "⊙")

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.integer(self.operation, operands[0], operands[1])


def integer_notation(operation: IntegerOperation, x: Notation, y: Notation, product: str) -> Notation:
    """Write an operation on two integers, with the sign of their `product`."""
    match operation:
        case "add":
            return Infix("+", (x, y))
        case "subtract":
            return Prefix("−", y) if x == Number(0) else Infix("−", (x, y))
        case "multiply":
            return Infix(product, (x, y))
        case "floor_divide":
            return Call("floor", (Fraction(x, y),))
        case "remainder":
            return Call("mod", (x, y))
        case "maximum" | "minimum":
            return Call(operation[:3], (x, y))
    return Call(f"bit{operation}", (x, y))


def are_integers(*operands: Operand) -> bool:
    """Whether an operation on `operands` is one on integers: none is a float, and not all are booleans."""
    return common_dtype(operands) is DType.INT64


def are_booleans(*operands: Operand) -> bool:
    """Whether all `operands` are booleans."""
    return common_dtype(operands) is DType.BOOL


def integers(operation: IntegerOperation, x: Operand, y: Operand) -> Node:
    """Apply an operation to integers, or integers and booleans, broadcast."""
    return IntegerArithmetic(operation)(*broadcast_together(x, y))


def integer_power(x: Operand, exponent: int) -> Node:
    """The power of integers with an exponent from 0 to 64, as products."""
    base = _as_integers(x)
    if not 0 <= exponent <= _LARGEST_POWER:
        raise DTypeError(f"the exponent of a power of integers is from 0 to {_LARGEST_POWER} here, not {exponent}")
    result = Const(1, base.type) if exponent == 0 else base
    for digit in f"{exponent:b}"[1:]:
        result = integers("multiply", result, result)
        result = integers("multiply", result, base) if digit == "1" else result
    return result


def integer_sign(x: Operand) -> Node:
    """−1, 0 or 1 as integers."""
    base = _as_integers(x)
    return integers("subtract", cast(greater(base, 0), DType.INT64), cast(less(base, 0), DType.INT64))


def integer_absolute(x: Operand) -> Node:
    """|x| of integers."""
    base = _as_integers(x)
    return integers("maximum", base, integers("subtract", 0, base))


def _as_integers(x: Operand) -> Node:
    return cast(as_node(x, DType.INT64), DType.INT64)


def _bitwise(operation: IntegerOperation, logical: Callable[[Operand, Operand], Node]) -> Callable[..., Node]:
    def combined(x: Operand, y: Operand) -> Node:
        return logical(x, y) if are_booleans(x, y) else integers(operation, x, y)

    return combined


bitwise_and = _bitwise("and", logical_and)
"""`np.bitwise_and`, broadcast: logical for booleans, bitwise for integers."""

bitwise_or = _bitwise("or", logical_or)
"""`np.bitwise_or`, broadcast."""

bitwise_xor = _bitwise("xor", not_equal)
"""`np.bitwise_xor`, broadcast."""


def invert(x: Operand) -> Node:
    """`np.invert`: the negation of booleans; for integers all bits flipped, −x − 1."""
    node = as_node(x, common_dtype([x]))
    return logical_not(node) if node.type.dtype is DType.BOOL else bitwise_xor(node, -1)


INTEGER_RULES: dict[IntegerOperation, Callable[[int, int], int]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "floor_divide": lambda x, y: x // y if y else 0,
    "remainder": lambda x, y: x % y if y else 0,
    "maximum": max,
    "minimum": min,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
}
"""On Python's integers."""
