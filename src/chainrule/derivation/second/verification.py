"""Verification of claims of second order: by differences of the gradient, and of the forward pass for Jacobians."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, TypeAlias

import numpy as np

from chainrule.derivation.claims import Claim, Expression
from chainrule.derivation.differences import DIFFERENCE_TOLERANCE
from chainrule.derivation.points import Array, Values, bind_nodes
from chainrule.derivation.proofreading import Proofreader
from chainrule.derivation.record import Record
from chainrule.derivation.second.quantities import (
    ChainDerivative,
    CotangentDifferential,
    GradientDifferential,
    SecondDerivative,
    StageChange,
    StageJacobian,
)
from chainrule.derivation.verify import EXACT_TOLERANCE, Outcome, Verifier
from chainrule.ir import Input, Node, substitute, topological_order

Solve: TypeAlias = Callable[[Callable[[Node], Array]], Mapping[Input, Array]]
"""Returns the values of symbols that solve an equation, given the values of expressions."""

Reads: TypeAlias = Callable[[Mapping[str, int], Callable[[Node], Array]], Proofreader]
"""Returns a proofreader of the printed page, given sizes and the values of expressions."""


class SecondVerifier(Verifier):
    """Checks claims of second order beside those of a record.

    `defined` are symbols with a value of their own, and `solve` finds those that an equation defines. Other symbols
    that the record does not have are directions, which are drawn. Where the page is read back, tangents have the values
    in `consistent`.
    """

    further: ClassVar[bool] = True

    def __init__(
        self,
        record: Record,
        claims: Sequence[Claim],
        defined: Mapping[Input, Node] | None = None,
        solve: Solve | None = None,
        consistent: Sequence[tuple[Input, Node]] = (),
        reads: Reads | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(record, seed, claims)
        self._defined = dict(defined or {})
        self._solve = solve
        self._consistent = consistent
        self._composed = {claim: node for claim in claims if (node := _composed(record, claim)) is not None}
        symbols = dict.fromkeys(node for claim in claims for node in _symbols(claim))
        self._bind([*self._composed.values(), *self._defined, *self._defined.values(), *symbols])
        self._own = [node for node in symbols if node not in self._defined]
        self._drawn: Values = {}
        self._solved = True
        self._reads = reads
        self._whole = reads is not None

    def proofreader(self, values: Values) -> Proofreader:
        """Return a proofreader at one point, where the tangents of all quantities are those of the parameters'."""
        assert self._reads is not None
        known = dict(values)
        for tangent, change in self._consistent:
            self._bind([tangent, change])
            known[self._bound[tangent]] = self._value(change, known)
        for claim in self.claims:
            if isinstance(claim.left, GradientDifferential | StageChange):  # dw = v, so that dg and H v are the same
                for symbol, direction in claim.left.directions.items():
                    if direction in self._own:
                        known[self._bound[direction]] = known[self._bound_tangent(symbol)]
        return self._reads(self.sizes, lambda node: self.value_of(node, known))

    def point(self) -> Values:
        """Return every symbol's value at a new point, with random directions."""
        values = super().point()
        self._drawn = {}
        for node in self._own:
            bound = self._bound[node]
            if bound not in values:
                self._drawn[bound] = self._normal(bound.type.concrete_shape)
        values = self._completed(values)
        if self._solve is not None:
            found = self._solve(lambda node: self.value_of(node, values))
            self._solved = bool(found)
            self._drawn |= {self._bound[symbol]: value for symbol, value in found.items() if symbol in self._bound}
            values |= self._drawn
        return values

    def _completed(self, values: Values) -> Values:
        """Add the values of the symbols that the record does not have."""
        values = {**values, **self._drawn}
        for symbol, value in self._defined.items():
            values[self._bound[symbol]] = self._value(value, values)
        return values

    def _bind(self, nodes: Sequence[Node]) -> None:
        self._bound.update(bind_nodes([node for node in nodes if node not in self._bound], self.sizes))

    def _judged(self, claim: Claim, values: Values) -> Outcome:
        """Decide whether a claim holds at a point; one on the solution of an equation, where there is a solution."""
        if claim.kind == "Newton" and not self._solved:
            return Outcome(None, 0.0, EXACT_TOLERANCE)
        return super()._judged(claim, values)

    def _sides(self, claim: Claim, values: Values) -> tuple[Array, Array, float, float]:
        left = claim.left
        values = self._completed(values)
        if claim not in self._composed:
            return super()._sides(claim, values)
        whole, stated = self._composed[claim], self._value(claim.right, values)
        if isinstance(left, CotangentDifferential):
            used = set(topological_order([whole]))
            moved = {x: tangent for x, tangent in left.tangents.items() if x in used}
        elif isinstance(left, GradientDifferential | StageChange):
            moved = dict(left.directions)
        elif isinstance(left, ChainDerivative):
            by = self._bound[left.by[-1]]
            direction = self._normal(by.type.concrete_shape)
            change = np.tensordot(stated, direction, axes=direction.ndim)
            return self._differences.of(whole, {by: direction}, values), change, 0.0, DIFFERENCE_TOLERANCE
        else:
            assert isinstance(left, SecondDerivative | StageJacobian)
            by = self._bound[left.by]
            direction = self._normal(by.type.concrete_shape)
            found = self._differences.of(whole, {by: direction}, values)
            return *_applied(left, found, stated, direction), 0.0, DIFFERENCE_TOLERANCE
        along = {self._bound[x]: values[self._bound[tangent]] for x, tangent in moved.items()}
        return self._differences.of(whole, along, values), stated, 0.0, DIFFERENCE_TOLERANCE


def _composed(record: Record, claim: Claim) -> Node | None:
    """Return the expression whose differences are the left side of a claim, over the inputs of the program."""
    left = claim.left
    stages: dict[Node, Node] = {stage.symbol: stage.node for stage in record.backward.stages}
    if isinstance(left, CotangentDifferential):
        factors: dict[Node, Node] = {
            record.derivative_symbols[s]: node for s, node in record.activation_factors.items()
        }
        return substitute([left.accumulation.result], factors)[0]
    if isinstance(left, GradientDifferential | SecondDerivative):
        return record.backward.gradients[record.backward.wrt.index(left.symbol)]
    if isinstance(left, StageJacobian):
        return substitute([left.value], stages)[0]
    if isinstance(left, ChainDerivative):
        own: dict[Node, Node] = {s.symbol: s.expression for s in record.backward.stages if s.symbol is left.symbol}
        return substitute([left.value], own if left.held else stages)[0]
    return stages[left.symbol] if isinstance(left, StageChange) else None


def _symbols(claim: Claim) -> Iterator[Input]:
    """Yield the symbols in a claim."""
    roots = [claim.right, *([claim.left.node] if isinstance(claim.left, Expression) else [])]
    if isinstance(claim.left, GradientDifferential | StageChange):
        roots += claim.left.directions.values()
    if isinstance(claim.left, CotangentDifferential):
        roots += claim.left.tangents.values()
    yield from (node for node in topological_order(roots) if isinstance(node, Input))


def _applied(
    left: SecondDerivative | StageJacobian, change: Array, matrix: Array, direction: Array
) -> tuple[Array, Array]:
    """Return the change of a quantity along a direction, and the product of its stated Jacobian with it."""
    if left.by_axes:
        return change, np.tensordot(matrix, direction, axes=direction.ndim)
    matrix = np.swapaxes(matrix, -1, -2) if left.transposed and matrix.ndim == 2 else matrix
    x, y = direction.flatten(order="F"), change.flatten(order="F")  # vec stacks columns
    if direction.ndim == 0:
        return change, matrix * direction
    return (y if change.ndim else change), (matrix @ x).reshape(np.shape(y) if change.ndim else ())
