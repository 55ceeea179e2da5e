"""The lower and the upper triangle of matrices on the last two axes; leading axes are batch axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, DTypeError, Node, ShapeError, named_dim, shape_text
from chainrule.primitives.base import Array, Example, Linear
from chainrule.primitives.emitter import Accessor, Emitter
from chainrule.primitives.notation import Call, Notation, Number
from chainrule.primitives.replication import as_floats

S = TypeVar("S")
I = TypeVar("I")


@final
@dataclass(frozen=True)
class Triangle(Linear):
    """Keeps the entries on and below the diagonal with number `offset`, or on and above it; the others become zero.

    It is its own transpose.
    """

    upper: bool = False
    offset: int = 0

    @classmethod
    def examples(cls) -> Sequence[Example]:
        n, m = named_dim("n"), named_dim("m")
        return [
            Example(cls(), (ArrayType((n, n)),)),
            Example(cls(upper=True), (ArrayType((n, m)),)),
            Example(cls(offset=-1), (ArrayType((2, n, 3)),)),
            Example(cls(upper=True, offset=1), (ArrayType((n, n)),)),
        ]

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        name = "triu" if self.upper else "tril"
        if not operand.dtype.is_float:
            raise DTypeError(f"{name} takes floats, not {operand.dtype.value}; convert with astype(float)")
        if operand.ndim < 2:
            raise ShapeError(f"{name} takes matrices on the last two axes, not shape {shape_text(operand.shape)}")
        return operand

    def value(self, *operands: Array) -> Array:
        return np.triu(operands[0], self.offset) if self.upper else np.tril(operands[0], self.offset)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        subscript = (Number(self.offset),) if self.offset else ()
        return Call("triu" if self.upper else "tril", tuple(operands), subscript=subscript)

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        return self(cotangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        row, column = index[-2:]
        if self.offset > 0:
            row = emit.index_add(row, emit.index(self.offset))
        elif self.offset < 0:
            column = emit.index_add(column, emit.index(-self.offset))
        kept = emit.index_compare(">=" if self.upper else "<=", column, row)
        return emit.select(kept, lambda: operands[0](index), emit.constant(0, types[0].dtype))


def tril(x: Node, offset: int = 0) -> Node:
    """`np.tril` of matrices, as floats."""
    return Triangle(offset=offset)(as_floats(x))


def triu(x: Node, offset: int = 0) -> Node:
    """`np.triu` of matrices, as floats."""
    return Triangle(upper=True, offset=offset)(as_floats(x))
