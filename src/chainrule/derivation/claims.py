"""Claims, the equations of a record, whose two sides can be evaluated, and the quantities on their left sides.

A quantity can be computed without the calculus: it is a value of the forward pass, or a finite difference of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from chainrule.calculus import (
    Accumulation,
    Contribution,
    Stage,
)
from chainrule.derivation.second.quantities import SecondQuantity
from chainrule.ir import Input, Node, cached_property


@dataclass(frozen=True, eq=False)
class StageValue:
    """The value of a named quantity in the forward pass."""

    stage: Stage


@dataclass(frozen=True, eq=False)
class StageDifferential:
    """`dz`: the differential of an equation's result in the tangents of its operands."""

    stage: Stage
    operands: tuple[Input, ...]


@dataclass(frozen=True, eq=False)
class StageDerivative:
    """`σ′(z)` or `∂u/∂v`: the elementwise derivative of an equation by one operand, denoted by `symbol`."""

    stage: Stage
    operand: Input
    symbol: Input | None = None


@dataclass(frozen=True, eq=False)
class LossDerivative:
    """`∂L/∂x`: the gradient of the loss with respect to any quantity, with all later quantities recomputed."""

    symbol: Input
    cotangent: Input


@dataclass(frozen=True, eq=False)
class PathDerivative:
    """The contribution to `∂L/∂x` along one chain of equations: the product of the chain's factors."""

    path: tuple[Contribution, ...]


@dataclass(frozen=True, eq=False)
class Expression:
    """An expression over the symbols of the derivation."""

    node: Node


Quantity: TypeAlias = (
    StageValue | StageDifferential | StageDerivative | LossDerivative | PathDerivative | Expression | SecondQuantity
)

Kind: TypeAlias = Literal[
    "abbreviation",
    "forward",
    "differential",
    "derivative",
    "pairing",
    "chain",
    "merge",
    "rewrite",
    "path",
    "gradient",
    "recurrence",
    "element",
    "remark",
    "second differential",
    "Hessian",
    "Hessian elements",
    "Hessian product",
    "Newton",
    "residual",
    "Jacobian",
    "Jacobian elements",
    "Jacobian product",
    "Gauss-Newton",
    "derivative of equation",
    "derivative of chain",
]


@dataclass(frozen=True, eq=False)
class Claim:
    """`left = right`, of a kind that selects the reason; `rule` is the name of a rewrite's rule."""

    kind: Kind
    left: Quantity
    right: Node
    rule: str = ""


@dataclass(frozen=True, eq=False)
class StageRecord:
    """The claims on one equation of the forward pass."""

    stage: Stage
    forward: Claim
    differential: Claim | None
    derivative: Claim | None
    derivative_symbol: Input | None


@dataclass(frozen=True, eq=False)
class StepRecord:
    """The claims on one cotangent: its chain, the pairing of each contribution, and the cancellation."""

    accumulation: Accumulation
    pairings: tuple[Claim, ...]
    chain: Claim
    merge: Claim | None
    rewrites: tuple[Claim, ...]


@dataclass(frozen=True, eq=False)
class PathRecord:
    """One chain from the loss to a parameter."""

    contributions: tuple[Contribution, ...]
    claim: Claim


@dataclass(frozen=True, eq=False)
class GradientRecord:
    """The claims on one parameter: its gradient in full, and every chain that leads to it.

    `unfolded` is the gradient without the names of arguments, where it has any.
    """

    symbol: Input
    written_out: Claim
    unfolded: Claim | None
    path_count: int
    find_paths: Callable[[Input], tuple[PathRecord, ...]]

    @cached_property
    def paths(self) -> tuple[PathRecord, ...]:
        """Every chain to the parameter; empty if there are more than `PATH_LIMIT`."""
        return self.find_paths(self.symbol)

    @cached_property
    def path_sum(self) -> Claim | None:
        """The claim that the chains add up to the gradient, where there are several."""
        if len(self.paths) < 2:
            return None
        total = self.paths[0].claim.right
        for record in self.paths[1:]:
            total = total + record.claim.right
        return Claim("gradient", self.written_out.left, total)
