"""Verification: both sides of every claim are evaluated, in float64, at random points.

The left sides need no calculus: values come from the forward pass, derivatives from its finite differences. Central
differences are extrapolated (Ridders, Advances in Engineering Software 4, 1982), with an error of about 1e-11 for
smooth functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chainrule.calculus import TANGENT
from chainrule.derivation.claims import (
    Claim,
    Expression,
    LossDerivative,
    PathDerivative,
    StageDerivative,
    StageDifferential,
    StageValue,
)
from chainrule.derivation.differences import (
    DIFFERENCE_TOLERANCE,
    SAFETY,
    apart,
    drowned,
    is_smooth,
)
from chainrule.derivation.directional import Directional
from chainrule.derivation.elements import element_value
from chainrule.derivation.forms import Form
from chainrule.derivation.points import Array, Evaluator, NoPointError, Points, Values, bind_nodes
from chainrule.derivation.proofreading import Proofreader, Reading, Script
from chainrule.derivation.record import Record
from chainrule.derivation.small_sizes import small_sizes
from chainrule.derivation.ties import TIE_TOLERANCE, Ties
from chainrule.derivation.verification import Failure, Verification
from chainrule.ir import (
    Apply,
    Input,
    Node,
    substitute,
    topological_order,
)

EXACT_TOLERANCE = 1e-9
POINTS = 3
"""The number of points at which lines are evaluated, unless another is asked for."""
REDRAWS = 20
"""The number of points next to a kink or a pole that are replaced in one verification."""
PATIENCE = 10
"""The number of such points for one line."""
TINY = 1e-3
"""The size relative to the gradients below which a value counts as 0."""
SAMPLES = 4
"""The number of evaluations with randomized rounding of a claim that exceeds its tolerance."""
RESOLUTION = 1e-3
"""The relative rounding error above which a point is not informative."""
PRINTED: tuple[tuple[Form, Script], ...] = (("matrix", "text"), ("matrix", "latex"))
"""The printed pages that a verification reads back."""
ELEMENTS = 3
"""The number of elements of each index form that are evaluated at each point."""


@dataclass(frozen=True)
class Outcome:
    """Whether a claim holds at a point (None if it cannot be decided there), its error and the allowed error.

    `vanishes` is whether both sides are 0 but for rounding, compared with what they are computed from.
    """

    holds: bool | None
    error: float
    tolerance: float
    vanishes: bool = False


class Verifier:
    """Checks the claims of one record; named sizes are bound to small distinct numbers."""

    further: ClassVar[bool] = False
    """Whether the claims are those of derivatives beside the backward pass."""

    def __init__(
        self,
        record: Record,
        seed: int = 0,
        claims: Sequence[Claim] | None = None,
        printed: Sequence[tuple[Form, Script]] = PRINTED,
    ) -> None:
        self._record = record
        self._printed = printed
        self._random = np.random.default_rng(seed)
        self.claims = list(record.claims if claims is None else claims)
        self._whole = claims is None
        sizes = self.sizes = small_sizes(record.program)
        self._bound = _bind_all(record, self.claims, sizes)
        self._evaluate = Evaluator()
        self._differences = Directional(record, self._bound, self._evaluate, self._random)
        self._points = Points(record, self._bound, self._evaluate, self._random)
        wrt = set(record.backward.wrt)
        self._gradient_symbols = [entry.cotangent for entry in record.backward.accumulations if entry.symbol in wrt]
        self._unit = 1.0
        self._shaken_point: Values | None = None
        self._shaken_samples: dict[int, tuple[Values | None, Any]] = {}

    def run(self, points: int = POINTS) -> Verification:
        """Evaluate every claim at `points` random points.

        A failure next to a kink or a pole is not counted, since finite differences are meaningless there, nor are
        points where a side is not finite, or known to fewer than three digits; they are replaced by others, up to a
        limit. If both sides are 0 but for rounding at all of them, the claim holds.
        """
        told = dict.fromkeys(range(1, len(self.claims) + 1), 0)
        untold, vanishing = dict(told), dict(told)
        worst = {EXACT_TOLERANCE: 0.0, DIFFERENCE_TOLERANCE: 0.0}
        failures: dict[int, Failure] = {}
        last: Values | None = None
        for _ in range(points + REDRAWS):
            waiting = [n for n in told if told[n] < points and untold[n] < PATIENCE and n not in failures]
            if not waiting:
                break
            try:
                values = last = self.point()
            except NoPointError:
                break
            for number in waiting:
                outcome = self._judged(self.claims[number - 1], values)
                if outcome.holds is None:
                    untold[number] += 1
                    vanishing[number] += outcome.vanishes
                    continue
                told[number] += 1
                worst[outcome.tolerance] = max(worst[outcome.tolerance], outcome.error)
                if not outcome.holds:
                    failures[number] = Failure(number, self.claims[number - 1], outcome.error)
        # What is 0 at every point, such as the gradient of a constant, is known to no digits.
        for number, count in vanishing.items():
            if not told[number] and count == untold[number] >= points:
                told[number] = count
        for number, error in self._wrong_at_ties():
            failures.setdefault(number, Failure(number, self.claims[number - 1], error))
        readings = self._readings(last) if self._whole and last is not None and not failures else []
        return Verification(
            tuple(told.values()),
            points,
            worst[EXACT_TOLERANCE],
            worst[DIFFERENCE_TOLERANCE],
            tuple(failures[number] for number in sorted(failures)),
            sum(reading.read for reading in readings),
            tuple(misread for reading in readings for misread in reading.misreadings),
            tuple(line for reading in readings for line in reading.unread),
            self.further,
        )

    def _wrong_at_ties(self) -> Iterator[tuple[int, float]]:
        """Yield the lines with gradients that are wrong at a kink, which random points do not hit."""
        lines = {
            claim.left.symbol: number
            for number, claim in enumerate(self.claims, start=1)
            if claim.kind == "gradient" and isinstance(claim.left, LossDerivative)
        }
        ties = Ties(self._record, self.sizes, self._random)
        if not lines or not ties.kinks:
            return
        try:
            values = self._points.draw()
        except NoPointError:
            return
        inputs = {node.name: values[self._bound[node]] for node in self._record.program.inputs}
        for symbol, error in ties.errors(inputs).items():
            if error > TIE_TOLERANCE and symbol in lines:
                yield lines[symbol], error

    def _readings(self, values: Values) -> list[Reading]:
        """Read the printed lines back; if a line seems wrong, also at a second point."""
        readings = self._read(values)
        if not any(reading.misreadings for reading in readings):
            return readings
        again = self._read(self.point())
        return [first.confirmed_by(second) for first, second in zip(readings, again, strict=True)]

    def _read(self, values: Values) -> list[Reading]:
        proofreader = self.proofreader(values)
        return [proofreader.read(form, script) for form, script in self._printed]

    def proofreader(self, values: Values) -> Proofreader:
        """Return a proofreader at one point, with consistent tangents."""
        values = dict(values)
        for record in self._record.stages:
            if record.differential is not None:
                tangent = self._bound_tangent(record.stage.symbol)
                values[tangent] = self._value(record.differential.right, values)

        return Proofreader(self._record, self.sizes, lambda node: self.value_of(node, values))

    def point(self) -> Values:
        """Return every symbol's value at a new point; raise NoPointError if the function is finite nowhere."""
        values = self._points.draw()
        self._differences.restart()
        self._unit = self._size_of_gradients(values)
        return values

    def values_with_spread(self, wanted: Sequence[Node]) -> tuple[Values, list[Array], list[Array]]:
        """Return a new point, the value of each of `wanted` there, and its uncertainty.

        Raises NoPointError if the function is finite nowhere.
        """
        values = self.point()
        found = [np.asarray(self._value(node, values), float) for node in wanted]
        spreads = [np.zeros_like(value) for value in found]
        for sample in range(SAMPLES):
            try:
                shaken = self._shaken(values, sample)
            finally:
                self._evaluate.rounding = None
            for k, node in enumerate(wanted if shaken is not None else ()):
                assert shaken is not None
                change = np.abs(apart(self._value(node, shaken), found[k]))
                spreads[k] = np.fmax(spreads[k], change)  # (−1)^2 is NaN once 2 is shaken
        return values, found, [SAFETY * spread for spread in spreads]

    def value_of(self, node: Node, values: Values) -> Array:
        """Evaluate any expression over the symbols of the derivation at a point."""
        if node not in self._bound:
            self._bound.update(bind_nodes([node], self.sizes))
        return self._value(node, values)

    def _size_of_gradients(self, values: Values) -> float:
        """Return the largest element of the gradients, at least 1, relative to which small values count as 0."""
        gradients = [values[self._bound[symbol]] for symbol in self._gradient_symbols]
        size = max((float(np.max(np.abs(g), initial=0.0)) for g in gradients), default=0.0)
        return min(size, 1.0) if size > 0 and math.isfinite(size) else 1.0

    def _judged(self, claim: Claim, values: Values) -> Outcome:
        """Decide whether a claim holds at a point, if possible."""
        self._differences.used.clear()
        state = self._random.bit_generator.state
        found, stated, scale, tolerance = self._sides(claim, values)
        if found.shape != stated.shape:
            return Outcome(False, math.inf, tolerance)
        difference = np.abs(apart(found, stated))
        size = self._size(found, stated, scale)
        error = float(np.max(difference, initial=0.0)) / size
        if error <= tolerance:
            return Outcome(True, error, tolerance)
        if not np.all(np.isfinite(stated)):
            return Outcome(None, error, tolerance)
        differences = list(self._differences.used)
        rounding = SAFETY * self._spread(claim, values, found, stated, state) + drowned(found, differences)
        told = np.isfinite(difference) & (rounding <= RESOLUTION * size)
        if not np.any(told):
            noise = float(np.max(difference + rounding)) / self._size_of_symbols(claim, values)
            return Outcome(None, error, tolerance, vanishes=noise <= EXACT_TOLERANCE)
        error = float(np.max(difference[told])) / size
        if np.all(difference[told] <= tolerance * size + rounding[told]):
            return Outcome(True, error, tolerance)
        return Outcome(False if all(is_smooth(*each) for each in differences) else None, error, tolerance)

    def _spread(self, claim: Claim, values: Values, found: Array, stated: Array, state: Any) -> Array:
        """Return the spread of the difference of the sides under randomized rounding, with the same random numbers."""
        after = self._random.bit_generator.state
        spread = np.zeros_like(apart(found, stated))
        for sample in range(SAMPLES):
            try:
                self._random.bit_generator.state = state
                shaken = self._shaken(values, sample)
                if shaken is None:
                    return np.full_like(spread, math.inf)
                other_found, other_stated, *_ = self._sides(claim, shaken)
            finally:
                self._evaluate.rounding = None
                self._random.bit_generator.state = after
            change = np.abs(apart(apart(other_found, other_stated), apart(found, stated)))
            spread = np.maximum(spread, np.where(np.isnan(change), math.inf, change))
        return spread

    def _shaken(self, values: Values, sample: int) -> Values | None:
        """Start to randomize the rounding, and return a point so computed: once for all the lines that ask for it."""
        if self._shaken_point is not values:
            self._shaken_point = values
            self._shaken_samples.clear()
        rounding = self._evaluate.rounding = np.random.default_rng(sample)
        if sample in self._shaken_samples:
            shaken, rounding.bit_generator.state = self._shaken_samples[sample]
        else:
            shaken = self._points.again(values)
            self._shaken_samples[sample] = shaken, rounding.bit_generator.state
        return shaken

    def _value(self, node: Node, values: Mapping[Node, Array]) -> Array:
        return self._evaluate(self._bound[node], values)

    def _normal(self, shape: tuple[int, ...]) -> Array:
        return np.asarray(self._random.standard_normal(shape))

    def _bound_tangent(self, symbol: Input) -> Node:
        return self._points.bound_input(Input(TANGENT + symbol.name, symbol.type))

    # The two sides of a claim

    def _sides(self, claim: Claim, values: Values) -> tuple[Array, Array, float, float]:
        """Return both sides of a claim at a point, the size of their terms if known, and the allowed error."""
        left, right = claim.left, claim.right
        if claim.kind == "element":
            return *self._element_sides(right, values), 0.0, EXACT_TOLERANCE
        if isinstance(left, Expression):
            if claim.kind == "pairing":
                values = self._with_random_cotangents(values)
            exact = self._value(right, values)
            return self._value(left.node, values), exact, self._scale(claim, values), EXACT_TOLERANCE
        if isinstance(left, StageValue):
            return values[self._bound[left.stage.symbol]], self._value(right, values), 0.0, EXACT_TOLERANCE
        if isinstance(left, StageDifferential):
            values = self._with_small_tangents(left.operands, values)
        stated = self._value(right, values)
        if isinstance(left, StageDifferential):
            tangents = {self._bound[o]: values[self._bound_tangent(o)] for o in left.operands}
            found = self._differences.of(left.stage.expression, tangents, values)
        elif isinstance(left, StageDerivative):
            operand = self._bound[left.operand]
            ones = np.ones(operand.type.concrete_shape)
            found = self._differences.of(left.stage.expression, {operand: ones}, values)
        else:
            assert isinstance(left, LossDerivative | PathDerivative)
            moved = left.symbol if isinstance(left, LossDerivative) else left.path[-1].operand
            if isinstance(left, LossDerivative):
                found = self._differences.of_loss(moved, stated.shape, values)
            else:
                found = self._differences.of_chain(left.path, stated.shape, values)
            stated = np.asarray(np.sum(stated * self._differences.direction(moved, stated.shape)))
        return found, stated, 0.0, DIFFERENCE_TOLERANCE

    def _element_sides(self, node: Node, values: Values) -> tuple[Array, Array]:
        """Return a few elements of the index form and of the whole array, with the largest of the latter."""
        bound = self._bound[node]
        whole = np.asarray(self._value(node, values))
        found: list[Any] = []
        stated: list[Any] = []
        for _ in range(ELEMENTS if whole.size else 0):
            index = tuple(int(self._random.integers(0, size)) for size in whole.shape)
            found.append(element_value(bound, index, values))
            stated.append(whole[index])
        return np.asarray(found, float), np.asarray(stated, float)

    def _with_random_cotangents(self, values: Values) -> Values:
        """Replace cotangents by random ones: pairings hold for every δ, independent of the derivation."""
        drawn = dict(values)
        for entry in self._record.backward.accumulations:
            cotangent = self._bound[entry.cotangent]
            drawn[cotangent] = self._normal(cotangent.type.concrete_shape)
        return self._points.with_abbreviations(drawn)

    def _with_small_tangents(self, operands: Sequence[Input], values: Values) -> Values:
        """Return the values with the tangents of small operands as small, so that one step suits all of them."""
        changed = dict(values)
        for operand in operands:
            size = float(np.max(np.abs(values[self._bound[operand]]), initial=0.0))
            if 0 < size < 1:
                changed[self._bound_tangent(operand)] = size * values[self._bound_tangent(operand)]
        return changed

    def _size(self, found: Array, stated: Array, scale: float) -> float:
        """Return the size relative to which an error is measured."""
        entries = np.abs(np.concatenate([np.ravel(found), np.ravel(stated)]).astype(float))
        return max(float(np.max(entries, where=np.isfinite(entries), initial=0.0)), scale, TINY * self._unit)

    def _size_of_symbols(self, claim: Claim, values: Values) -> float:
        """Return the size of the values that the right side of a claim is computed from."""
        used = [values[node] for node in topological_order([self._bound[claim.right]]) if node in values]
        sizes = [float(np.max(np.abs(each), initial=0.0)) for each in used if each.dtype.kind == "f"]
        return min(max(sizes, default=0.0), 1.0) or math.nan

    def _scale(self, claim: Claim, values: Values) -> float:
        """Return the size of the terms of a pairing, relative to which its rounding error is measured."""
        if claim.kind != "pairing" or not isinstance(claim.left, Expression):
            return 0.0
        scale = 0.0
        for side in (self._bound[claim.left.node], self._bound[claim.right]):
            product = side.operands[0] if isinstance(side, Apply) and len(side.operands) == 1 else side
            scale = max(scale, float(np.sum(np.abs(self._evaluate(product, values)))))
        return scale


def _bind_all(record: Record, claims: Sequence[Claim], sizes: Mapping[str, int]) -> dict[Node, Node]:
    """Return every node of the record with named sizes replaced by numbers and floats in float64."""
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
