"""The error function and its complement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, Node
from chainrule.primitives.arithmetic import negate, square
from chainrule.primitives.base import Array, Elementwise
from chainrule.primitives.emitter import Scalars
from chainrule.primitives.exponentials import exp
from chainrule.primitives.notation import Call, Notation
from chainrule.primitives.replication import as_floats

S = TypeVar("S")

ERFC_POLYNOMIAL = (
    1.2530080582697296,
    -0.1356211061245812,
    -0.047562294353450725,
    0.12964515870276186,
    -0.11927366341530936,
    0.068308027343952,
    -0.023770514918603526,
    0.0025293918161772644,
    0.0018886903573540564,
    -0.0007798322697371908,
    -0.00010515976803066032,
    0.00012509931602205424,
    4.949212902722556e-06,
    -2.0100328847140068e-05,
    -7.301949889736727e-07,
    3.471495693065036e-06,
    3.5299873592634415e-07,
    -6.144459853141044e-07,
    -1.3474041666726082e-07,
    9.861056795646864e-08,
    3.4557563234277316e-08,
    -1.0598900834367918e-08,
    -4.43519310131689e-09,
)
"""P with erfc x = e^−x² P(t) / (1 + 2x), t = (x − 3) / (x + 3), within 2⁻⁵⁹ from ½ to 27.5.

It interpolates at Chebyshev points of t, computed with 200 bits; lowest power first. Used to compute erfc.
"""


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

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.math("erf", operands[0])


@final
@dataclass(frozen=True, eq=False, repr=False)
class Erfc(Elementwise):
    """1 − erf x, accurate where erf x is nearly 1 (Abramowitz and Stegun 7.1.2)."""

    def value(self, *operands: Array) -> Array:
        return erfc_of_array(operands[0])

    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        (x,) = operands
        return (-2 / math.sqrt(math.pi) * exp(negate(square(x))),)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("erfc", tuple(operands))

    def lower(self, emit: Scalars[S], *operands: S) -> S:
        return emit.math("erfc", operands[0])


def erf_of_array(x: Array) -> Array:
    """Return the error function of every element, in the dtype of `x`."""
    return np.asarray(np.vectorize(math.erf, otypes=[x.dtype])(x))


def erfc_of_array(x: Array) -> Array:
    """Return the complementary error function of every element, in the dtype of `x`."""
    return np.asarray(np.vectorize(math.erfc, otypes=[x.dtype])(x))


def erf(x: Node) -> Node:
    """`erf x`."""
    return Erf()(as_floats(x))


def erfc(x: Node) -> Node:
    """`1 − erf x`."""
    return Erfc()(as_floats(x))
