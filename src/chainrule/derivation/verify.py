"""Evaluate both sides of every claim, in float64, at random points.

The left sides need no calculus: values come from the forward pass, derivatives from finite differences of it. Central
differences are extrapolated (Ridders, Advances in Engineering Software 4, 1982), which on smooth functions leaves an
error of about 1e-11.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import TANGENT, Stage
from chainrule.derivation.elements import element_value
from chainrule.derivation.record import (
    Claim,
    Expression,
    LossDerivative,
    PathDerivative,
    Record,
    StageDerivative,
    StageDifferential,
    StageValue,
)
from chainrule.derivation.words import Language, say
from chainrule.ir import (
    Apply,
    Dim,
    DType,
    Input,
    Node,
    Program,
    ProgramError,
    SymbolicDim,
    bind_dim,
    concrete,
    substitute,
    topological_order,
)
from chainrule.primitives import evaluate_nodes, index_bounds

Array = NDArray[Any]
Values = dict[Node, Array]

EXACT_TOLERANCE = 1e-9
DIFFERENCE_TOLERANCE = 1e-6
REDRAWS = 20
"""How many points next to a kink or a pole are replaced, in one verification."""
FEW = 8
"""The elements of a row or column from which on the values drawn for an array become smaller."""
ELEMENTS = 3
"""How many elements of each index form are evaluated at each point."""


@dataclass(frozen=True)
class Failure:
    """A claim that did not hold."""

    line: int
    claim: Claim
    relative_error: float


@dataclass(frozen=True)
class Verification:
    """The outcome of `verify`: how many lines, at how many points, and the largest relative errors."""

    lines: int
    lines_checked: int
    points: int
    worst_relative_error: float
    finite_difference_error: float
    failures: tuple[Failure, ...]

    @property
    def ok(self) -> bool:
        """Whether every line held at every point."""
        return not self.failures and self.lines_checked == self.lines

    def text(self, lang: Language = "en") -> str:
        """The outcome as a sentence, in English or Chinese."""
        if self.failures:
            first = self.failures[0]
            words = say(lang, "refuted", str(first.line), f"{first.relative_error:.1e}")
        else:
            errors = (f"{self.worst_relative_error:.1e}", f"{self.finite_difference_error:.1e}")
            words = say(lang, "verified", str(self.lines), str(self.points), *errors)
        return "".join(map(str, words))

    def __str__(self) -> str:
        return self.text()


class Verifier:
    """Checks the claims of one record; named sizes are bound to small distinct numbers."""

    def __init__(self, record: Record, seed: int = 0) -> None:
        self._record = record
        self._random = np.random.default_rng(seed)
        self.claims = list(record.claims)
        sizes = small_sizes(record.program)
        self._differences: list[tuple[Callable[[float], Array], Array, float]] = []
        self._blurred: dict[int, bool] = {}
        self._orders: dict[Node, list[Node]] = {}
        self._bound = _bind_all(record, self.claims, sizes)
        bounds = index_bounds([self._bound[stage.node] for stage in record.backward.stages])
        self._index_bounds: dict[Node, Dim] = dict(bounds.items())

    def run(self, points: int = 3) -> Verification:
        """Evaluate every claim at `points` random points.

        A point where a claim fails next to a kink or a pole says nothing, since finite differences mean nothing there;
        another is drawn in its place, up to a limit.
        """
        worst_exact = worst_difference = 0.0
        failures: dict[int, Failure] = {}
        checked: set[int] = set()
        redraws = REDRAWS
        for _ in range(points):
            errors = self._errors(self._point())
            while redraws and any(self._blurred.values()):
                redraws -= 1
                errors = self._errors(self._point())
            for number, (error, tolerance) in errors.items():
                checked.add(number)
                if tolerance == EXACT_TOLERANCE:
                    worst_exact = max(worst_exact, error)
                else:
                    worst_difference = max(worst_difference, error)
                if not error <= tolerance and number not in failures:
                    failures[number] = Failure(number, self.claims[number - 1], error)
        return Verification(
            len(self.claims), len(checked), points, worst_exact, worst_difference, tuple(failures.values())
        )

    def _errors(self, values: Values) -> dict[int, tuple[float, float]]:
        """The error of each claim at one point, and what it may be."""
        self._blurred = {}
        errors: dict[int, tuple[float, float]] = {}
        for number, claim in enumerate(self.claims, start=1):
            self._differences.clear()
            error, tolerance = self._error(claim, values)
            errors[number] = error, tolerance
            self._blurred[number] = not error <= tolerance and not all(_is_smooth(*d) for d in self._differences)
        return errors

    # Values at one random point

    def _point(self) -> Values:
        """Every symbol's value: inputs drawn, forward values computed, tangents drawn, cotangents from the record."""
        for spread in ("normal", "positive", "small") * 4:  # a determinant is negative at half of all points
            values: Values = {self._bound[node]: self._draw(node, spread) for node in self._record.program.inputs}
            inputs = dict(values)
            for stage in self._record.backward.stages:
                values[self._bound[stage.symbol]] = self._evaluate(self._bound[stage.node], inputs)
            if all(np.all(np.isfinite(value)) for value in values.values()):
                break
        else:
            raise ProgramError("the forward pass is not finite at random points, so its derivation cannot be checked")
        for stage, factor in self._record.activation_factors.items():
            values[self._bound[self._record.derivative_symbols[stage]]] = self._value(factor, values)
        for entry in self._record.backward.accumulations:
            tangent = Input(TANGENT + entry.symbol.name, entry.symbol.type)
            values[self._bound_input(tangent)] = self._normal(self._bound[entry.symbol].type.concrete_shape)
            values[self._bound[entry.cotangent]] = self._value(entry.result, values)
        return self._with_abbreviations(values)

    def _with_abbreviations(self, values: Values) -> Values:
        """`values`, and those of the abbreviations: of the whole of what each stands for."""
        whole: dict[Node, Node] = {}
        for entry in self._record.abbreviations:
            (whole[entry.symbol],) = substitute([entry.value], whole)
            values[self._bound[entry.symbol]] = self._value(whole[entry.symbol], values)
        return values

    def _bound_input(self, node: Input) -> Node:
        return self._bound.get(node, node)

    def _normal(self, shape: tuple[int, ...]) -> Array:
        return np.asarray(self._random.standard_normal(shape))

    def _draw(self, node: Input, spread: str) -> Array:
        type_ = self._bound[node].type
        shape = type_.concrete_shape
        if type_.dtype is DType.BOOL:
            return self._random.integers(0, 2, shape).astype(bool)
        if type_.dtype is DType.INT64:
            return self._random.integers(0, concrete(self._index_bounds.get(self._bound[node], 4)), shape)
        # Sums over many elements stay of the size of a few, so that exp of them neither overflows nor drowns the rest.
        share = FEW / max(FEW, *shape, 1)
        if spread == "normal":
            return self._normal(shape) * math.sqrt(share)
        low, high = (0.2, 1.5) if spread == "positive" else (0.05, 0.95)
        return self._random.uniform(low, high, shape) * share

    def _value(self, node: Node, values: Mapping[Node, Array]) -> Array:
        return self._evaluate(self._bound[node], values)

    def _evaluate(self, node: Node, values: Mapping[Node, Array]) -> Array:
        """`evaluate_nodes` for one node, which is evaluated many times: its order is worked out once."""
        order = self._orders.get(node)
        if order is None:
            order = self._orders[node] = [part for part in topological_order([node]) if not isinstance(part, Input)]
        known: Values = {}
        for part in order:
            if isinstance(part, Apply):
                operands = (values[o] if isinstance(o, Input) else known[o] for o in part.operands)
                known[part] = part.primitive.value(*operands)
            else:
                known[part] = evaluate_nodes([part], {})[part]
        return values[node] if isinstance(node, Input) else known[node]

    # The two sides of a claim

    def _error(self, claim: Claim, values: Values) -> tuple[float, float]:
        """The relative error of a claim at a point, and what it may be."""
        left, right = claim.left, claim.right
        if claim.kind == "element":
            return self._element_error(right, values), EXACT_TOLERANCE
        if isinstance(left, Expression):
            if claim.kind == "pairing":
                values = self._with_random_cotangents(values)
            exact = self._value(right, values)
            return _relative(self._value(left.node, values), exact, self._scale(claim, values)), EXACT_TOLERANCE
        if isinstance(left, StageValue):
            return _relative(values[self._bound[left.stage.symbol]], self._value(right, values)), EXACT_TOLERANCE
        stated = self._value(right, values)
        if isinstance(left, StageDifferential):
            tangents = {self._bound[o]: values[self._bound_tangent(o)] for o in left.operands}
            found = self._directional(left.stage.expression, tangents, values)
        elif isinstance(left, StageDerivative):
            (operand,) = left.stage.operands
            ones = np.ones(self._bound[operand].type.concrete_shape)
            found = self._directional(left.stage.expression, {self._bound[operand]: ones}, values)
        else:
            direction = self._normal(stated.shape)
            stated = np.asarray(np.sum(stated * direction))
            if isinstance(left, LossDerivative):
                found = self._loss_change(left.symbol, direction, values)
            else:
                assert isinstance(left, PathDerivative)
                found = self._path_change(left, direction, values)
        return _relative(found, stated), DIFFERENCE_TOLERANCE

    def _element_error(self, node: Node, values: Values) -> float:
        """What the index form says of a few elements, against the value as a whole array."""
        bound = self._bound[node]
        whole = np.asarray(self._value(node, values))
        worst = 0.0
        for _ in range(ELEMENTS if whole.size else 0):
            index = tuple(int(self._random.integers(0, size)) for size in whole.shape)
            found = np.asarray(element_value(bound, index, values), float)
            worst = max(worst, _relative(found, np.asarray(whole[index], float)))
        return worst

    def _bound_tangent(self, symbol: Input) -> Node:
        return self._bound_input(Input(TANGENT + symbol.name, symbol.type))

    def _with_random_cotangents(self, values: Values) -> Values:
        """Pairings hold for every δ, so they are checked at one that owes nothing to the derivation."""
        drawn = dict(values)
        for entry in self._record.backward.accumulations:
            cotangent = self._bound[entry.cotangent]
            drawn[cotangent] = self._normal(cotangent.type.concrete_shape)
        return self._with_abbreviations(drawn)

    def _scale(self, claim: Claim, values: Values) -> float:
        """The size of the terms of a pairing, against which its rounding error is measured."""
        if claim.kind != "pairing" or not isinstance(claim.left, Expression):
            return 0.0
        scale = 0.0
        for side in (self._bound[claim.left.node], self._bound[claim.right]):
            product = side.operands[0] if isinstance(side, Apply) and len(side.operands) == 1 else side
            scale = max(scale, float(np.sum(np.abs(self._evaluate(product, values)))))
        return scale

    def _directional(self, expression: Node, direction: Mapping[Node, Array], values: Values) -> Array:
        node = self._bound[expression]

        def along(step: float) -> Array:
            moved = {**values, **{x: values[x] + step * dx for x, dx in direction.items()}}
            return self._evaluate(node, moved)

        return self._derivative(along)

    def _derivative(self, along: Callable[[float], Array]) -> Array:
        """The derivative of `along` at 0, noted for the case that it is doubted."""
        found, error = _ridders(along)
        self._differences.append((along, found, error))
        return found

    def _loss_change(self, symbol: Input, direction: Array, values: Values) -> Array:
        """The derivative of the loss along `direction` in `symbol`, everything after `symbol` recomputed."""
        reached = {symbol}
        later: list[Stage] = []
        for stage in self._record.backward.stages:
            if stage.symbol is not symbol and not reached.isdisjoint(stage.operands):
                reached.add(stage.symbol)
                later.append(stage)

        def along(step: float) -> Array:
            moved = {**values, self._bound[symbol]: values[self._bound[symbol]] + step * direction}
            for stage in later:
                moved[self._bound[stage.symbol]] = self._evaluate(self._bound[stage.expression], moved)
            return moved[self._bound[self._record.loss]]

        return self._derivative(along)

    def _path_change(self, quantity: PathDerivative, direction: Array, values: Values) -> Array:
        """What one chain makes of `direction`: each factor by finite differences, from the parameter to the loss."""
        change = direction
        for contribution in reversed(quantity.path):
            change = self._directional(
                contribution.stage.expression, {self._bound[contribution.operand]: change}, values
            )
        return change


def small_sizes(program: Program) -> dict[str, int]:
    """Distinct small numbers for the named sizes, so that a transposed or swapped axis cannot go unnoticed.

    A size that is taken off another, as a window's is, gets one of the smallest; what it is taken off is made longer
    until at least two positions are left.
    """
    names = program.dim_names
    shortened = {dim for node in program.nodes for dim in node.type.shape if isinstance(dim, SymbolicDim)}
    shortened = {dim for dim in shortened if any(number < 0 for _, number in dim.terms)}
    taken_off = {name for dim in shortened for monomial, number in dim.terms if number < 0 for name in monomial}
    if not taken_off:
        return dict(zip(names, itertools.chain((3, 4, 5, 2), itertools.count(6)), strict=False))
    numbers = itertools.chain((3, 2), itertools.count(4))
    sizes = dict(
        zip([*(n for n in names if n in taken_off), *(n for n in names if n not in taken_off)], numbers, strict=False)
    )
    for _ in range(len(shortened) * len(names)):
        tight = next((dim for dim in shortened if concrete(bind_dim(dim, sizes)) < 2), None)
        if tight is None:
            break
        longest = [name for monomial, number in tight.terms if number > 0 for name in monomial]
        if not longest:
            break
        sizes[longest[-1]] = max(sizes.values()) + 1
    return sizes


def _bind_all(record: Record, claims: Sequence[Claim], sizes: Mapping[str, int]) -> dict[Node, Node]:
    """Every node of the record with named sizes replaced by numbers and floats in float64."""
    roots: dict[Node, None] = {}
    for claim in claims:
        roots[claim.right] = None
        if isinstance(claim.left, Expression):
            roots[claim.left.node] = None
    for stage in record.backward.stages:
        roots.update(dict.fromkeys((stage.node, stage.expression, stage.symbol)))
    for entry in record.backward.accumulations:
        tangent = Input(TANGENT + entry.symbol.name, entry.symbol.type)
        roots.update(dict.fromkeys((entry.symbol, entry.cotangent, entry.result, tangent)))
    roots.update(dict.fromkeys((*record.derivative_symbols.values(), *record.activation_factors.values())))
    whole: dict[Node, Node] = {}
    for abbreviation in record.abbreviations:
        (whole[abbreviation.symbol],) = substitute([abbreviation.value], whole)
        roots.update(dict.fromkeys((abbreviation.symbol, whole[abbreviation.symbol])))
    roots.update(dict.fromkeys(record.program.inputs))
    return bind_nodes(list(roots), sizes)


def bind_nodes(roots: Sequence[Node], sizes: Mapping[str, int]) -> dict[Node, Node]:
    """Each node that `roots` need with the node it becomes when sizes are bound."""
    nodes = topological_order(roots)
    inputs = tuple(dict.fromkeys(node for node in nodes if isinstance(node, Input)))
    bound = Program(inputs, tuple(nodes)).bind(sizes, DType.FLOAT64)
    return dict(zip(nodes, bound.outputs, strict=True))


def _relative(found: Array, stated: Array, scale: float = 0.0) -> float:
    """The largest difference relative to the largest entry; inf where either is not finite."""
    if found.shape != stated.shape or not (np.all(np.isfinite(found)) and np.all(np.isfinite(stated))):
        return math.inf
    if found.size == 0:
        return 0.0
    found, stated = found.astype(float, copy=False), stated.astype(float, copy=False)  # conditions are 0 and 1
    size = max(float(np.max(np.abs(found))), float(np.max(np.abs(stated))), scale, 1e-3)
    return float(np.max(np.abs(found - stated))) / size


def _is_smooth(along: Callable[[float], Array], derivative: Array, error: float) -> bool:
    """Whether the extrapolation settled, and `along` has no kink at 0."""
    size = max(float(np.max(np.abs(derivative), initial=0.0)), 1e-3)
    step = 2.0**-20
    bend = (along(step) - 2 * along(0.0) + along(-step)) / step
    return error <= DIFFERENCE_TOLERANCE * size and float(np.max(np.abs(bend), initial=0.0)) <= 1e-4 * size


def _ridders(along: Callable[[float], Array]) -> tuple[Array, float]:
    """The derivative of `along` at 0 by extrapolated central differences, and an estimate of its error.

    The step is shortened where a kink may be near.
    """
    best, least = np.asarray(np.nan), math.inf
    for start in (2.0**-6, 2.0**-10, 2.0**-16):
        columns: list[Array] = []
        for level in range(4):
            step = start / 2**level
            row = [np.asarray((along(step) - along(-step)) / (2 * step))]
            for order, previous in enumerate(columns, start=1):
                row.append(row[-1] + (row[-1] - previous) / (4.0**order - 1))
            error = math.inf if level == 0 else float(np.max(np.abs(row[-1] - columns[-1]), initial=0.0))
            if error < least:
                best, least = row[-1], error
            columns = row
        size = float(np.max(np.abs(best), initial=0.0))
        if least <= 1e-9 * max(size, 1e-3):
            break
    return best, least
