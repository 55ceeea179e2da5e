"""Quantities of second order, which a verification computes by differences of the gradient, and Jacobians."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from chainrule.calculus import Accumulation
from chainrule.ir import Input, Node


@dataclass(frozen=True, eq=False)
class CotangentDifferential:
    """`dδ`: the differential of a line of the backward pass in the tangents of the symbols in it."""

    accumulation: Accumulation
    tangents: Mapping[Input, Input]


@dataclass(frozen=True, eq=False)
class GradientDifferential:
    """`dg` or `H v`: the change of ∂L/∂x where each parameter changes along its direction."""

    symbol: Input
    directions: Mapping[Input, Input]


@dataclass(frozen=True, eq=False)
class SecondDerivative:
    """`∂²L/∂x∂y`: a matrix between vectors, or with `by_axes` an array with the axes of x, then those of y.

    `transposed` says that the rows belong to y.
    """

    symbol: Input
    by: Input
    by_axes: bool = False
    transposed: bool = False


@dataclass(frozen=True, eq=False)
class StageJacobian:
    """`∂Y/∂x`: the Jacobian of `value`, a quantity of the forward pass called `symbol`, as in `SecondDerivative`."""

    symbol: Input
    value: Node
    by: Input
    by_axes: bool = False
    transposed: bool = False


@dataclass(frozen=True, eq=False)
class StageChange:
    """`J v`: the change of a quantity of the forward pass where each parameter changes along its direction."""

    symbol: Input
    directions: Mapping[Input, Input]


@dataclass(frozen=True, eq=False)
class ChainDerivative:
    """`∂u/∂v` between numbers or vectors, `∂²u/∂v∂w` between numbers: the derivative of `value` by the last of `by`.

    If `held`, it is that of the equation u = … alone, whose other operands are held; otherwise all earlier quantities
    change with what they depend on.
    """

    symbol: Input
    by: tuple[Input, ...]
    value: Node
    held: bool = False


SecondQuantity: TypeAlias = (
    CotangentDifferential | GradientDifferential | SecondDerivative | StageJacobian | StageChange | ChainDerivative
)
