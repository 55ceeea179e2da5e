"""Sine and cosine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, Node
from chainrule.primitives.arithmetic import negate
from chainrule.primitives.base import Array, Elementwise
from chainrule.primitives.emitter import Emitter
from chainrule.primitives.notation import Call, Notation
from chainrule.primitives.replication import as_floats

S = TypeVar("S")
I = TypeVar("I")


@final
@dataclass(frozen=True, eq=False, repr=False)
class Sin(Elementwise):
    """sin x, x in radians."""

    def value(self, *operands: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(np.sin(operands[0]))

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (cos(x),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("sin", tuple(operands))

    def lower(self, emit: Emitter[S, I], *operands: S) -> S:
        return emit.math("sin", operands[0])


@final
@dataclass(frozen=True, eq=False, repr=False)
class Cos(Elementwise):
    """cos x, x in radians."""

    def value(self, *operands: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(np.cos(operands[0]))

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (negate(sin(x)),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("cos", tuple(operands))

    def lower(self, emit: Emitter[S, I], *operands: S) -> S:
        return emit.math("cos", operands[0])


def sin(x: Node) -> Node:
    """`sin x`."""
    return Sin()(as_floats(x))


def cos(x: Node) -> Node:
    """`cos x`."""
    return Cos()(as_floats(x))
