"""Activation functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, Node
from chainrule.primitives.base import Array, Elementwise
from chainrule.primitives.emitter import Emitter
from chainrule.primitives.notation import Call, Notation

S = TypeVar("S")
I = TypeVar("I")


@final
@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """The logistic function σ(x) = 1 / (1 + e⁻ˣ)."""

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        with np.errstate(all="ignore"):
            small = np.exp(-np.abs(x))  # never overflows; σ(x) = 1 − σ(−x) gives the other half
            return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small))).astype(x.dtype, copy=False)

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        return (result * (1 - result),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("σ", tuple(operands))

    def lower(self, emit: Emitter[S, I], *operands: S) -> S:
        return emit.math("sigmoid", operands[0])


def sigmoid(x: Node) -> Node:
    """σ(x)."""
    return Sigmoid()(x)
