"""Bitwise operations on integers: and, or, exclusive or. Their derivatives are zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, DType, DTypeError, Node, Operand, named_dim
from chainrule.primitives.base import Array, Elementwise, Example
from chainrule.primitives.comparison import logical_and, logical_not, logical_or, not_equal
from chainrule.primitives.emitter import BitOperation, Scalars
from chainrule.primitives.notation import Call, Notation
from chainrule.primitives.replication import as_node, broadcast_together, common_dtype

S = TypeVar("S")

_FUNCTIONS: dict[BitOperation, Callable[[Any, Any], Any]] = {
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}


@final
@dataclass(frozen=True)
class Bitwise(Elementwise):
    """A bitwise operation on two integers; ¬x is x xor −1."""

    operation: BitOperation
    arity: ClassVar[int] = 2

    @classmethod
    def examples(cls) -> Sequence[Example]:
        operand = ArrayType((named_dim("n"), named_dim("m")), DType.INT64)
        return [Example(cls(operation), (operand, operand), ((-9, 9),) * 2) for operation in _FUNCTIONS]

    def result_dtype(self, dtypes: Sequence[DType]) -> DType:
        for dtype in dtypes:
            if dtype is not DType.INT64:
                raise DTypeError(f"the operation {self.operation!r} on bits takes integers, not {dtype.value}")
        return DType.INT64

    def value(self, *operands: Array) -> Array:
        return np.asarray(_FUNCTIONS[self.operation](*operands))

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return None, None

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call(f"bit{self.operation}", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.bitwise(self.operation, operands[0], operands[1])


def _operation(operation: BitOperation, logical: Callable[[Operand, Operand], Node]) -> Callable[..., Node]:
    def combined(x: Operand, y: Operand) -> Node:
        dtype = common_dtype([x, y])
        if dtype is DType.BOOL:
            return logical(x, y)
        return Bitwise(operation)(*broadcast_together(x, y))

    return combined


bitwise_and = _operation("and", logical_and)
"""`np.bitwise_and`, broadcast: logical for booleans, bitwise for integers."""

bitwise_or = _operation("or", logical_or)
"""`np.bitwise_or`, broadcast."""

bitwise_xor = _operation("xor", not_equal)
"""`np.bitwise_xor`, broadcast."""


def invert(x: Operand) -> Node:
    """`np.invert`: the negation of booleans; for integers all bits flipped, −x − 1."""
    node = as_node(x, common_dtype([x]))
    return logical_not(node) if node.type.dtype is DType.BOOL else bitwise_xor(node, -1)
