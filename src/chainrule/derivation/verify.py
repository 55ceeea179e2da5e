"""Verification: both sides of every claim are evaluated, in float64, at random points.

The left sides need no calculus: values come from the forward pass, derivatives from its finite differences. Central
differences are extrapolated (Ridders, Advances in Engineering Software 4, 1982), with an error of about 1e-11 for
smooth functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from chainrule.calculus import TANGENT
from chainrule.charts import escape
from chainrule.derivation.elements import element_value
from chainrule.derivation.forms import Form
from chainrule.derivation.points import Array, Evaluator, NoPointError, Points, Values, bind_nodes
from chainrule.derivation.proofreading import Misreading, Proofreader, Reading, Script
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
from chainrule.derivation.small_sizes import small_sizes
from chainrule.derivation.ties import TIE_TOLERANCE, Ties
from chainrule.derivation.words import say
from chainrule.ir import (
    Apply,
    Input,
    Node,
    substitute,
    topological_order,
)
from chainrule.words import Language, used_language

EXACT_TOLERANCE = 1e-9
DIFFERENCE_TOLERANCE = 1e-6
REDRAWS = 20
"""The number of points next to a kink or a pole that are replaced in one verification."""
PATIENCE = 10
"""The number of such points for one line."""
STEPS = (2.0**-6, 2.0**-10, 2.0**-16, 2.0**-2, 2.0**-24, 2.0**-32)
"""The steps of extrapolated differences, tried in this order until one suits the function."""
TINY = 1e-3
"""The size relative to the gradients below which a value counts as 0."""
SAMPLES = 4
"""The number of evaluations with randomized rounding of a claim that exceeds its tolerance."""
SAFETY = 16
"""The ratio of an error to their spread up to which it counts as a rounding error."""
DROWNED = 2.0**-43
"""The derivative that is hidden by the rounding of a value of 1."""
RESOLUTION = 1e-3
"""The relative rounding error above which a point is not informative."""
PRINTED: tuple[tuple[Form, Script], ...] = (("matrix", "text"), ("matrix", "latex"))
"""The printed pages that a verification reads back."""
ELEMENTS = 3
"""The number of elements of each index form that are evaluated at each point."""


@dataclass(frozen=True)
class Failure:
    """A claim that does not hold."""

    line: int
    claim: Claim
    relative_error: float


@dataclass(frozen=True)
class Outcome:
    """Whether a claim holds at a point (None if it cannot be decided there), its error and the allowed error.

    `vanishes` is whether both sides are 0 but for rounding, compared with what they are computed from.
    """

    holds: bool | None
    error: float
    tolerance: float
    vanishes: bool = False


@dataclass(frozen=True, repr=False)
class Verification:
    """The result of `verify`: the numbers of lines and points, and the largest relative errors.

    Examples
    --------
    >>> import chainrule as cr
    >>> verification = cr.derive("sum(sin(x))", x="n").verify()
    >>> verification.ok, verification.lines_checked == verification.lines, verification.failures
    (True, True, ())
    >>> verification.finite_difference_error < 1e-6
    True

    """

    lines: int
    lines_checked: int
    points: int
    worst_relative_error: float
    finite_difference_error: float
    failures: tuple[Failure, ...]
    unchecked: tuple[int, ...] = ()
    """The lines that could not be decided at any point."""
    lines_read: int = 0
    """The number of printed lines that were read back, in text and in LaTeX."""
    misreadings: tuple[Misreading, ...] = ()
    """The printed lines that read as something else, or cannot be read."""
    unread: tuple[str, ...] = ()
    """The printed lines in a notation that is not read back, such as that of sliding windows."""
    further: bool = False
    """Whether the lines are those of a Hessian or of Jacobians, with the backward pass behind them."""

    @property
    def holds(self) -> bool:
        """Whether every line holds at every point, regardless of how it is printed."""
        return not self.failures and self.lines_checked == self.lines

    @property
    def ok(self) -> bool:
        """Whether every line holds at every point, and reads as its claim."""
        return self.holds and not self.misreadings

    def joined(self, other: Verification) -> Verification:
        """Combine the result with that of further lines."""
        return Verification(
            self.lines + other.lines,
            self.lines_checked + other.lines_checked,
            self.points,
            max(self.worst_relative_error, other.worst_relative_error),
            max(self.finite_difference_error, other.finite_difference_error),
            self.failures + tuple(replace(each, line=self.lines + each.line) for each in other.failures),
            self.unchecked + tuple(self.lines + line for line in other.unchecked),
            self.lines_read + other.lines_read,
            self.misreadings + other.misreadings,
            self.unread + other.unread,
            self.further or other.further,
        )

    def text(self, lang: Language | None = None) -> str:
        """Return the result as a sentence, in English or Chinese."""
        lang = used_language(lang)
        if self.failures:
            first = self.failures[0]
            words = say(lang, "refuted", str(first.line), f"{first.relative_error:.1e}")
        elif self.misreadings:
            misread = self.misreadings[0]
            words = say(lang, "misread", misread.line, misread.reason)
        elif len(self.unchecked) == self.lines and self.lines:
            words = say(lang, "no point")
        elif self.unchecked:
            words = say(lang, "unchecked", str(self.unchecked[0]))
        else:
            errors = (f"{self.worst_relative_error:.1e}", f"{self.finite_difference_error:.1e}")
            words = say(
                lang, "verified further" if self.further else "verified", str(self.lines), str(self.points), *errors
            )
        return "".join(map(str, words))

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Verification: {self.text('en')}>"

    def _repr_html_(self) -> str:
        return f"<p>{'✓' if self.ok else '✗'} {escape(self.text())}</p>"


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
        sizes = self._sizes = small_sizes(record.program)
        self._differences: list[tuple[Callable[[float], Array], Array, float]] = []
        self._bound = _bind_all(record, self.claims, sizes)
        self._evaluate = Evaluator()
        self._points = Points(record, self._bound, self._evaluate, self._random)
        wrt = set(record.backward.wrt)
        self._gradient_symbols = [entry.cotangent for entry in record.backward.accumulations if entry.symbol in wrt]
        self._unit = 1.0

    def run(self, points: int = 3) -> Verification:
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
            len(self.claims),
            sum(count > 0 for count in told.values()),
            points,
            worst[EXACT_TOLERANCE],
            worst[DIFFERENCE_TOLERANCE],
            tuple(failures[number] for number in sorted(failures)),
            tuple(number for number, count in told.items() if count == 0),
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
        ties = Ties(self._record, self._sizes, self._random)
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

        return Proofreader(self._record, self._sizes, lambda node: self.value_of(node, values))

    def point(self) -> Values:
        """Return every symbol's value at a new point; raise NoPointError if the function is finite nowhere."""
        values = self._points.draw()
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
            self._evaluate.rounding = np.random.default_rng(sample)
            try:
                shaken = self._points.again(values)
            finally:
                self._evaluate.rounding = None
            for k, node in enumerate(wanted if shaken is not None else ()):
                assert shaken is not None
                change = np.abs(_minus(self._value(node, shaken), found[k]))
                spreads[k] = np.maximum(spreads[k], change)
        return values, found, [SAFETY * spread for spread in spreads]

    def value_of(self, node: Node, values: Values) -> Array:
        """Evaluate any expression over the symbols of the derivation at a point."""
        if node not in self._bound:
            self._bound.update(bind_nodes([node], self._sizes))
        return self._value(node, values)

    def _size_of_gradients(self, values: Values) -> float:
        """Return the largest element of the gradients, at least 1, relative to which small values count as 0."""
        gradients = [values[self._bound[symbol]] for symbol in self._gradient_symbols]
        size = max((float(np.max(np.abs(g), initial=0.0)) for g in gradients), default=0.0)
        return min(size, 1.0) if size > 0 and math.isfinite(size) else 1.0

    def _judged(self, claim: Claim, values: Values) -> Outcome:
        """Decide whether a claim holds at a point, if possible."""
        self._differences.clear()
        state = self._random.bit_generator.state
        found, stated, scale, tolerance = self._sides(claim, values)
        if found.shape != stated.shape:
            return Outcome(False, math.inf, tolerance)
        difference = np.abs(_minus(found, stated))
        size = self._size(found, stated, scale)
        error = float(np.max(difference, initial=0.0)) / size
        if error <= tolerance:
            return Outcome(True, error, tolerance)
        if not np.all(np.isfinite(stated)):
            return Outcome(None, error, tolerance)
        differences = list(self._differences)
        rounding = SAFETY * self._spread(claim, values, found, stated, state) + _drowned(found, differences)
        told = np.isfinite(difference) & (rounding <= RESOLUTION * size)
        if not np.any(told):
            noise = float(np.max(difference + rounding)) / self._size_of_symbols(claim, values)
            return Outcome(None, error, tolerance, vanishes=noise <= EXACT_TOLERANCE)
        error = float(np.max(difference[told])) / size
        if np.all(difference[told] <= tolerance * size + rounding[told]):
            return Outcome(True, error, tolerance)
        return Outcome(False if all(_is_smooth(*each) for each in differences) else None, error, tolerance)

    def _spread(self, claim: Claim, values: Values, found: Array, stated: Array, state: Any) -> Array:
        """Return the spread of the difference of the sides under randomized rounding, with the same random numbers."""
        after = self._random.bit_generator.state
        spread = np.zeros_like(_minus(found, stated))
        for sample in range(SAMPLES):
            self._evaluate.rounding = np.random.default_rng(sample)
            try:
                self._random.bit_generator.state = state
                shaken = self._points.again(values)
                if shaken is None:
                    return np.full_like(spread, math.inf)
                other_found, other_stated, *_ = self._sides(claim, shaken)
            finally:
                self._evaluate.rounding = None
                self._random.bit_generator.state = after
            change = np.abs(_minus(_minus(other_found, other_stated), _minus(found, stated)))
            spread = np.maximum(spread, np.where(np.isnan(change), math.inf, change))
        return spread

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
            found = self._directional(left.stage.expression, tangents, values)
        elif isinstance(left, StageDerivative):
            operand = self._bound[left.operand]
            ones = np.ones(operand.type.concrete_shape)
            found = self._directional(left.stage.expression, {operand: ones}, values)
        else:
            direction = self._normal(stated.shape)
            stated = np.asarray(np.sum(stated * direction))
            if isinstance(left, LossDerivative):
                found = self._loss_change(left.symbol, direction, values)
            else:
                assert isinstance(left, PathDerivative)
                found = self._path_change(left, direction, values)
        return found, stated, 0.0, DIFFERENCE_TOLERANCE

    def _element_sides(self, node: Node, values: Values) -> tuple[Array, Array]:
        """Return a few elements of the index form and of the whole array, with the largest of the latter."""
        bound = self._bound[node]
        whole = np.asarray(self._value(node, values))
        found: list[Any] = []
        stated: list[Any] = []
        for _ in range(ELEMENTS if whole.size else 0):
            index = tuple(int(self._random.integers(0, size)) for size in whole.shape)
            with np.errstate(all="ignore"):
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

    def _directional(self, expression: Node, direction: Mapping[Node, Array], values: Values) -> Array:
        node = self._bound[expression]

        part = self._evaluate.moving(node, direction, values)

        def along(step: float) -> Array:
            return part({x: values[x] + step * dx for x, dx in direction.items()})

        return self._derivative(along, [values[x] for x in direction])

    def _derivative(self, along: Callable[[float], Array], moved: Sequence[Array]) -> Array:
        """Return the derivative of `along` at 0 in the arrays `moved`; it is recorded for checks of smoothness."""
        sizes = [float(np.max(np.abs(x), where=np.isfinite(x), initial=0.0)) for x in moved]
        with np.errstate(all="ignore"):
            found, error = _ridders(along, max(sizes, default=1.0))
        self._differences.append((along, found, error))
        return found

    def _loss_change(self, symbol: Input, direction: Array, values: Values) -> Array:
        """Return the derivative of the loss along `direction` in `symbol`, with all later values recomputed."""
        if symbol is self._record.loss:
            return direction
        loss = self._bound[self._record.loss]
        reached = {symbol: self._bound[symbol]}
        later: list[tuple[Node, Callable[[Values], Array]]] = []
        for stage in self._record.backward.stages:
            if stage.symbol is not symbol and not reached.keys().isdisjoint(stage.operands):
                moving = self._evaluate.moving(self._bound[stage.expression], set(reached.values()), values)
                reached[stage.symbol] = self._bound[stage.symbol]
                later.append((self._bound[stage.symbol], moving))

        def along(step: float) -> Array:
            moved: Values = {self._bound[symbol]: values[self._bound[symbol]] + step * direction}
            for node, value in later:
                moved[node] = value(moved)
            return moved.get(loss, values[loss])  # the loss may not depend on `symbol`

        return self._derivative(along, [values[self._bound[symbol]]])

    def _path_change(self, quantity: PathDerivative, direction: Array, values: Values) -> Array:
        """Return the image of `direction` under one chain: finite differences from parameter to loss."""
        change = direction
        for contribution in reversed(quantity.path):
            change = self._directional(
                contribution.stage.expression, {self._bound[contribution.operand]: change}, values
            )
        return change


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


def _drowned(found: Array, differences: Sequence[tuple[Callable[[float], Array], Array, float]]) -> Array:
    """Return the error of a derivative due to the rounding of the function's values."""
    hidden = [DROWNED * np.abs(np.asarray(along(0.0), float)) for along, _, _ in differences]
    if len(hidden) == 1 and hidden[0].shape == found.shape:
        return np.where(np.isfinite(hidden[0]), hidden[0], math.inf)
    total = 0.0  # summed over the factors of a chain
    for noise, (_, change, _) in zip(hidden, differences, strict=True):
        largest = float(np.max(np.abs(change), initial=0.0))
        total += SAFETY * float(np.max(noise, initial=0.0)) / largest if largest else math.inf
    return np.full(found.shape, total * float(np.max(np.abs(found), initial=0.0)) if total else 0.0)


def _minus(left: Array, right: Array) -> Array:
    """Return `left - right`, 0 if both are the same infinity; conditions count as 0 and 1."""
    left, right = np.asarray(left, float), np.asarray(right, float)
    with np.errstate(invalid="ignore"):
        return np.where(left == right, 0.0, left - right)


def _is_smooth(along: Callable[[float], Array], derivative: Array, error: float) -> bool:
    """Whether the extrapolation converged, and `along` has no kink at 0: a bend that does not shrink with the step."""
    size = max(float(np.max(np.abs(derivative), where=np.isfinite(derivative), initial=0.0)), 1e-3)
    base = np.asarray(along(0.0), float)
    largest = float(np.max(np.abs(base), where=np.isfinite(base), initial=0.0))
    bends = []
    for step in (2.0**-20, 2.0**-24):
        with np.errstate(all="ignore"):
            bend = _bend(along, step) / step
        bends.append(max(float(np.max(bend, initial=0.0)) - 2.0**-48 * largest / step, 0.0))
    settled = error <= DIFFERENCE_TOLERANCE * size + DROWNED * largest
    return settled and (bends[0] <= 1e-4 * size or bends[1] <= bends[0] / 4)


def _bend(along: Callable[[float], Array], step: float) -> Array:
    """Return twice the distance from the mean of both sides to the middle, where it is finite."""
    base = np.asarray(along(0.0), float)
    return np.where(np.isfinite(base), np.abs(along(step) - 2 * base + along(-step)), 0.0)


def _ridders(along: Callable[[float], Array], size: float = 1.0) -> tuple[Array, float]:
    """Return the derivative of `along` at 0 by extrapolated central differences, and an estimate of its error.

    The step is reduced near a possible kink, and increased if rounding dominates the difference; `size` is that of the
    moved values.
    """
    best, least = np.asarray(np.nan), math.inf
    values = np.abs(np.asarray(along(0.0), float))
    finite = np.isfinite(values)
    rounding = 2.0**-52 * float(np.max(values, where=finite, initial=0.0))
    # Steps far larger than the values lead to where a function may be flat, as one of directions alone is.
    for start in (*((2.0**-6 * size, 2.0**-16 * size) if 0 < size < 2.0**-6 else ()), *STEPS):
        columns: list[Array] = []
        for level in range(4):
            step = start / 2**level
            after, before = along(step), along(-step)
            lost = finite & ~(np.isfinite(after) & np.isfinite(before))
            row = [np.where(lost, math.nan, _minus(after, before) / (2 * step))]
            for order, previous in enumerate(columns, start=1):
                row.append(row[-1] + (row[-1] - previous) / (4.0**order - 1))
            change = math.inf if level == 0 else float(np.max(np.abs(row[-1] - columns[-1]), initial=0.0))
            error = max(change, rounding / step)
            if not np.any(row[-1]):  # equal on both sides, also if a step leads to another basin of attraction
                error = max(error, float(np.max(_bend(along, step), initial=0.0)) / (2 * step))
            if error < least:
                best, least = row[-1], error
            columns = row
            largest = float(np.max(np.abs(best), initial=0.0))
            if level and least <= 1e-9 * largest:
                break
        noise = 8 * rounding / step
        if least <= 1e-9 * largest or (change <= noise and least <= max(1e-7 * largest, 0.0 if largest else noise)):
            break
    return best, least
