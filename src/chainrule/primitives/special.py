"""The error function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, Node
from chainrule.primitives.arithmetic import negate, square
from chainrule.primitives.base import Array, Elementwise
from chainrule.primitives.emitter import Emitter
from chainrule.primitives.exponentials import exp
from chainrule.primitives.notation import Call, Notation
from chainrule.primitives.replication import as_floats

S = TypeVar("S")
I = TypeVar("I")


@final
@dataclass(frozen=True, eq=False, repr=False)
class Erf(Elementwise):
    """erf x = 2/√π · ∫₀ˣ exp(−t²) dt (Abramowitz and Stegun 7.1.1)."""

    def value(self, *operands: Array) -> Array:
        return erf_of_array(operands[0])

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (2 / math.sqrt(math.pi) * exp(negate(square(x))),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("erf", tuple(operands))

    def lower(self, emit: Emitter[S, I], *operands: S) -> S:
        return emit.math("erf", operands[0])


def erf_of_array(x: Array) -> Array:
    """The error function of every element, in the dtype of `x`."""
    return np.asarray(np.vectorize(math.erf, otypes=[x.dtype])(x))


def erf(x: Node) -> Node:
    """`erf x`."""
    return Erf()(as_floats(x))
