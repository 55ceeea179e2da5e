"""Search for changes of one statement that correct wrong gradients and break none, by running them."""

from __future__ import annotations

import ast
import contextlib
import itertools
import marshal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any, TypeVar

import numpy as np

from chainrule.cage import GIVEN, Probe, Trial
from chainrule.grading.answers import Answer, Unit
from chainrule.grading.arguments import Binding
from chainrule.grading.attempts import Attempt, same_values
from chainrule.grading.building import OTHER
from chainrule.grading.candidates import candidates, given, whole_of
from chainrule.grading.chances import is_one_of_equals, whole_number, without_changed
from chainrule.grading.changes import DERIVATIVE, FACTOR, WHOLE
from chainrule.grading.comparison import agree, as_arrays
from chainrule.grading.edits import Edit, edits, pairs
from chainrule.grading.equations import read_equations, with_equation
from chainrule.grading.execution import LostError, Session, columns
from chainrule.grading.heads import head_edits, head_of
from chainrule.grading.identities import Identities
from chainrule.grading.instruments import GradeError, filling_code, with_name
from chainrule.grading.numbers import CONSTANTS
from chainrule.grading.outcomes import Outcomes
from chainrule.grading.quantities import Quantity
from chainrule.grading.scopes import Scopes, of_comprehensions
from chainrule.grading.statements import prepare
from chainrule.grading.truth import Truth

WORK = 400_000
"""The number of statements to run in the search for an explanation, which ends with its results so far.

Statements are counted rather than time, so that a verdict does not depend on the machine.
"""
TIME_BUDGET = 30.0
"""Seconds of computation after which the search ends in any case."""
_OVERHEAD = 12
"""The cost of a trial besides its statements."""
_MOST_PAIRS = 4000
"""The number of pairs of changes that are tried in one statement."""
_BATCH = 48
"""The number of changes per request."""

_HALVES = (("2", 2.0), ("½", 0.5))
"""Factors that are forgotten together with a sign."""
_INEXACT = 98
"""The rank of changes that correct gradients up to the reference's ε."""

_OF_MULTIPLES = frozenset(
    {"factor", "sign", "transposed", "order", "extra operand", "missing operand", "rate", "direction", "shape"}
)
"""Kinds of mistakes in a value that is correct up to a factor, a transpose or an axis of size 1."""


@dataclass(frozen=True, eq=False)
class Mend:
    """A change of one unit that corrects the gradients `gain`; `needed` is the resulting value of the unit."""

    unit: Unit
    edit: Edit | None
    gain: frozenset[str]
    after: Attempt
    quantity: Quantity | None = None
    first: Edit | None = None
    """The change that precedes `edit` in the same unit, if a line has two mistakes."""
    other: Mend | None = None
    """Another that does as much, where a helper and its argument do not fit each other."""
    is_exact: bool = True
    """Whether the gradients are correct beyond the effect of the reference's ε."""

    @property
    def rank(self) -> tuple[int, int]:
        if self.edit is None:
            return 99, 0
        place, cost = self.edit.rank
        place = place if self.is_exact else _INEXACT
        return place, cost + (0 if self.first is None else sum(self.first.rank))


class Mender:
    """Runs variants of one answer at the points of a reference, which the session knows as `key`."""

    def __init__(self, truth: Truth, key: str, binding: Binding, outcomes: Outcomes, session: Session) -> None:
        self._truth = truth
        self._key = key
        self._session = session
        self.outcomes = outcomes
        self.identities = Identities(truth, outcomes)
        self._derivatives = truth.derivatives()
        self._factors = {label: numbers for label, numbers in truth.numbers.named() if label != "1"}
        self._factors.update({"η": outcomes.rates, "1/η": [1 / rate for rate in outcomes.rates]})
        self._factors.update({f"−{label}": [-number] * len(truth.points) for label, number in _HALVES})
        self._factors["−"] = [-1.0] * len(truth.points)
        self._names = {label: f"{FACTOR}{k}" for k, label in enumerate(self._factors)}
        self.labels = {name: label for label, name in self._names.items()}
        constants = {label: number for label, number in CONSTANTS if label != "1"}
        constants.update({f"−{label}": -number for label, number in _HALVES})
        self.numbers = {name: constants[label] for label, name in self._names.items() if label in constants}
        self._candidates = list(candidates(truth))
        derivatives = [f"{DERIVATIVE}{k}" for k in range(len(self._derivatives))]
        self._scopes = Scopes(truth.record.program, binding, outcomes, session, key, derivatives, self._names)
        self._deadline = session.clock + TIME_BUDGET
        self._work, self._most = 0, WORK

    def begin(self, work: int) -> None:
        """Send the data for a search of limited work. Until then the session has received no correct values."""
        more = []
        for number in range(len(self._truth.points)):
            names: dict[str, Any] = {f"{DERIVATIVE}{k}": q.values[number] for k, q in enumerate(self._derivatives)}
            names.update({name: self._factors[label][number] for label, name in self._names.items()})
            more.append(names)
        self._session.give_candidates(self._key, [quantity.values for quantity in self._candidates], more)
        self._work, self._most = 0, work
        self._deadline = self._session.clock + TIME_BUDGET

    def _is_late(self) -> bool:
        return self._work > self._most or self._session.clock > self._deadline

    def cost(self, attempt: Attempt, unit: Unit) -> int:
        """Return the number of statements that a trial of a unit runs."""
        start = 0 if unit.helper is not None or unit.top is None else unit.top
        counts = attempt.runs[0].counts
        later = (u.number for u in attempt.answer.units if u.top is None or u.top >= start)
        return _OVERHEAD + sum(counts.get(number, 0) for number in later)

    def attempt(self, answer: Answer, given: Mapping[str, int] | None = None) -> Attempt:
        """Run `answer` at all points."""
        runs = self._session.run(answer, self._key, given)
        right = self.outcomes.right([run.places for run in runs], self._truth)
        return Attempt(answer, runs, right, given or {})

    def ascends(self, attempt: Attempt) -> bool:
        """Whether every gradient is an update, and each one adds what it should subtract."""
        return self.outcomes.ascend(attempt.places, self._truth)

    def value_of(self, attempt: Attempt, top: int, node: ast.expr) -> list[Any] | None:
        """Evaluate an expression at each point, before the statement `top` runs; None for a failure."""
        return self._session.evaluate(attempt.answer, self._key, attempt.given, top, node)

    def holds(self, attempt: Attempt, mend: Mend, code: str) -> bool:
        """Whether the answer with `code` as the source of a mend's line is correct to the extent of the mend.

        It is parsed and run unchanged, at all points.
        """
        statement = self._statement_of(attempt.answer, mend, code)
        if statement is None:
            return False
        try:
            after = self.attempt(attempt.answer.with_statement(mend.unit.number, statement), attempt.given)
        except LostError:
            raise
        except GradeError:
            return False
        if after.answer.is_text:  # the parser of equations may write a product differently
            return after.right >= attempt.right | mend.gain
        same = same_values(after.runs, mend.after.runs, mend.unit)
        return same and after.right >= attempt.right | mend.gain

    def _statement_of(self, answer: Answer, mend: Mend, code: str) -> ast.stmt | None:
        """Parse the source of a corrected line in its context."""
        if mend.unit.top is not None and answer.is_text:
            beside = [unit.number for unit in answer.units if unit.line == mend.unit.line]
            try:
                text = with_equation(answer.lines, mend.unit.line, beside.index(mend.unit.number), code)
                again = prepare(read_equations(text, self._truth), ())
            except GradeError:
                return None
            return again.units[mend.unit.number].statement if len(again.units) == len(answer.units) else None
        if mend.unit.is_head:
            return mend.edit.statement if mend.edit is not None and code == head_of(mend.edit.statement) else None
        try:
            (statement,) = ast.parse(code).body
        except (SyntaxError, ValueError):
            return None
        whole = mend.unit.statement
        if isinstance(statement, ast.Expr) and isinstance(whole, ast.Assign):
            statement = ast.Assign(whole.targets, statement.value)
        return ast.fix_missing_locations(ast.copy_location(statement, whole))

    def mends(self, attempt: Attempt, unit: Unit, like: Callable[[Edit], bool] | None = None) -> list[Mend]:
        """Return every single change of a unit, or those `like` it, that corrects a gradient and breaks none."""
        mends: list[Mend] = []
        if unit.is_head:
            return list(self._of_head(attempt, unit))
        if (self._is_late() and like is None) or not self._matters(attempt, unit):
            return mends
        scope, cost = self._scopes.of(attempt, unit), self.cost(attempt, unit)
        multiple = unit.top is not None and self.identities.of(attempt, unit).trust == 1
        every = edits(unit.statement, scope)
        changes = (e for e in every if not multiple or e.kind in _OF_MULTIPLES or e.before == "=")
        if like is not None:
            changes = (e for e in changes if like(e))
        if unit.helper is not None:  # what a helper returns may be a derivative: which one is no finding
            changes = (e for e in changes if e.kind != "derivative" or e.cost > WHOLE or not e.name)
        for batch in _batches(self._changed(attempt, unit, changes)):
            if self._is_late() and like is None:
                return mends
            gains = self._gains(attempt, [trial for _, trial in batch])
            self._work += len(batch) * cost
            for (edit, _), gain in zip(batch, gains, strict=True):
                mend = self._tried(attempt, unit, edit) if gain else None
                if mend is not None:
                    mends.append(mend)
        if unit.top is not None and like is None:
            mends += self._replacements(attempt, unit)
        return mends

    def pairs(self, attempt: Attempt, unit: Unit, gain: frozenset[str]) -> list[Mend]:
        """Return the likely pairs of changes of a unit of the body that correct the gradients `gain` at least."""
        mends: list[Mend] = []
        if (
            unit.top is None
            or unit.nested
            or unit.is_head
            or not isinstance(unit.statement, ast.Assign | ast.AugAssign)
        ):
            return mends
        cost = self.cost(attempt, unit)
        firsts: dict[int, Edit] = {}
        seconds = []
        for first, second in itertools.islice(pairs(unit.statement, self._scopes.of(attempt, unit)), _MOST_PAIRS):
            firsts[id(second)] = first
            seconds.append(second)
        for batch in _batches(self._changed(attempt, unit, seconds)):
            if self._is_late():
                break
            gains = self._gains(attempt, [trial for _, trial in batch])
            self._work += len(batch) * cost
            for (edit, _), found in zip(batch, gains, strict=True):
                mend = self._tried(attempt, unit, edit) if found >= gain and found else None
                if mend is not None and mend.gain >= gain:
                    mends.append(replace(mend, first=firsts[id(edit)]))
        return mends

    def _of_head(self, attempt: Attempt, unit: Unit) -> Iterator[Mend]:
        """Yield the changes of the head of a loop or condition; each runs as an answer of its own."""
        for edit in head_edits(attempt.answer.statement(unit.number)):
            if self._is_late():
                return
            self._work += self.cost(attempt, unit)
            mend = self._tried(attempt, unit, edit)
            if mend is not None:
                yield mend

    def _matters(self, attempt: Attempt, unit: Unit) -> bool:
        """Whether a wrong gradient depends on the value of a unit or on its shape; otherwise no change can correct it.

        It does unless it is unaffected by a changed value and by an additional axis.
        """
        statement = unit.statement
        if unit.top is None or unit.nested or not isinstance(statement, ast.Assign):
            return True
        problems = attempt.runs[0].problems
        failing = (node for top in problems for node in ast.walk(attempt.answer.body[top]))
        if unit.top in problems or any(isinstance(node, ast.Name) and node.id in unit.names for node in failing):
            return True
        scaled = ast.BinOp(ast.Constant(1.83), ast.Mult(), statement.value)
        others = (
            ast.BinOp(ast.Constant(0.37), ast.Sub(), scaled),
            ast.Subscript(statement.value, ast.Constant(None), ast.Load()),
        )
        changes = (Edit("other", ast.copy_location(ast.Assign(statement.targets, new), statement)) for new in others)
        trials = [trial for _, trial in self._changed(attempt, unit, changes)]
        before = attempt.runs[0].places
        wrong = [k for k, final in enumerate(self.outcomes.finals) if final.symbol not in attempt.right]
        return len(trials) < len(others) or any(
            places is None or not all(_are_same(before[k], places[k]) for k in wrong)
            for places in self._outcomes(attempt, trials)
        )

    def _changed(self, attempt: Attempt, unit: Unit, changes: Iterable[Edit]) -> Iterator[tuple[Edit, Trial]]:
        """Yield each change with its trial; a shared pattern is compiled once."""
        patterns: dict[ast.stmt, CodeType | None] = {}
        inner = of_comprehensions(unit.statement)
        if unit.closure:  # what it has of the function around it, it has by name: there is no hole for it
            yield from self._enclosed(attempt, unit, changes)
            return
        around = marshal.dumps(attempt.answer.holed_code(unit.number)) if unit.nested else b""
        for edit in changes:
            if edit.pattern not in patterns:
                patterns[edit.pattern] = self._code(attempt, edit.pattern)
            code = patterns[edit.pattern]
            if code is not None and edit.name in inner:
                code = self._code(attempt, edit.statement)
            elif code is not None and edit.name:
                code = with_name(code, OTHER, edit.name) or self._code(attempt, edit.statement)
            if code is not None:
                filling = marshal.dumps(code)
                place = unit.top, unit.helper or ""
                yield edit, Trial(around, *place, hole=filling) if unit.nested else Trial(filling, *place)

    def _enclosed(self, attempt: Attempt, unit: Unit, changes: Iterable[Edit]) -> Iterator[tuple[Edit, Trial]]:
        """Yield each change of a function within another with its trial, which has all of the code around it."""
        for edit in changes:
            with contextlib.suppress(SyntaxError, ValueError, TypeError, GradeError):
                yield edit, _trial(marshal.dumps(attempt.answer.code_with(unit.number, edit.statement)), unit)

    def _code(self, attempt: Attempt, statement: ast.stmt) -> CodeType | None:
        """Compile a changed statement; None if it is invalid."""
        try:
            return filling_code(statement, attempt.answer.filename)
        except (SyntaxError, ValueError, TypeError, GradeError):
            return None

    def _tried(self, attempt: Attempt, unit: Unit, edit: Edit) -> Mend | None:
        """Return the mend of a change, if it has the same effect at every point as at the first."""
        try:
            after = self.attempt(attempt.answer.with_statement(unit.number, edit.statement), attempt.given)
        except LostError:
            raise
        except GradeError:  # it does not terminate at another point
            return None
        gain = after.right - attempt.right
        if not gain or not self._breaks_nothing(attempt, after) or self._is_by_chance(attempt, unit, edit, after):
            return None
        is_exact = not self.outcomes.epsilons([run.places for run in after.runs], self._truth)
        if edit.kind == "missing sum" and self._is_misshaped_alone(attempt, gain):
            edit = edit._replace(kind="shape")
        return Mend(unit, edit, gain, after, is_exact=is_exact)

    def _is_by_chance(self, attempt: Attempt, unit: Unit, edit: Edit, after: Attempt) -> bool:
        """Whether a change is right by a factor that it makes 1, or by one of several sizes that are equal."""
        if edit.name and unit.top is not None:
            names, _ = self._session.variables(attempt.answer, self._key, attempt.given, unit.top)
            own = self.value_of(attempt, unit.top, _read(edit.name)) if edit.name in names else None
            if whole_number(own) is not None:
                values = {name: self.value_of(attempt, unit.top, _read(name)) for name in names}
                if is_one_of_equals(edit.name, values, self._truth.points[0].held):
                    return True
        return any(
            self._is_right(attempt, unit, less, after) for less in without_changed(unit.statement, edit.statement)
        )

    def _is_right(self, attempt: Attempt, unit: Unit, statement: ast.stmt, after: Attempt) -> bool:
        """Whether another statement of a unit has all gradients right that are so after a change."""
        try:
            less = self.attempt(attempt.answer.with_statement(unit.number, statement), attempt.given)
        except LostError:
            raise
        except GradeError:
            return False
        return less.right >= after.right

    def _is_misshaped_alone(self, attempt: Attempt, symbols: frozenset[str]) -> bool:
        """Whether gradients have the right values and another shape: a sum over an axis of one entry takes it away."""
        for final in (each for each in self.outcomes.finals if each.symbol in symbols):
            found = self.outcomes.gradients(final, attempt.places, self._truth)
            if found is None or not agree(found, self.outcomes.true(final, self._truth).values):
                return False
        return True

    def _breaks_nothing(self, attempt: Attempt, after: Attempt) -> bool:
        """Whether correct gradients remain correct after a change, and no further statement fails."""
        pairs = zip(after.runs, attempt.runs, strict=True)
        return after.right >= attempt.right and all(a.problems.keys() <= b.problems.keys() for a, b in pairs)

    def _gains(self, attempt: Attempt, trials: Sequence[Trial]) -> list[frozenset[str]]:
        """Return the gradients that each change corrects at the first point; none if it breaks one."""
        gains = []
        probes = self.outcomes.probes(self._truth, but=attempt.right)
        for places in self._outcomes(attempt, trials, probes):
            gain: frozenset[str] = frozenset()
            if places is not None:
                gain = self.outcomes.right([places], self._truth, but=attempt.right)
            if gain and attempt.right - self.outcomes.right([places], self._truth, but=gain):
                gain = frozenset()
            gains.append(gain)
        return gains

    def _outcomes(self, attempt: Attempt, trials: Sequence[Trial], probes: Sequence[Probe] = ()) -> list[Any]:
        """Return the values at the places after each change; None for one that exceeds the limits or fails a probe."""
        try:
            return self._session.trial(attempt.answer, self._key, attempt.given, trials, probes)
        except LostError:
            raise
        except GradeError:
            if len(trials) == 1:
                return [None]
        return [places for trial in trials for places in self._outcomes(attempt, [trial], probes)]

    def _replacements(self, attempt: Attempt, unit: Unit) -> Iterator[Mend]:
        """Yield replacements of the unit's value by every quantity that it may have been intended to be."""
        statement = whole_of(attempt, unit)
        if statement is None:
            return
        columns_ = columns(attempt.runs, unit.number)
        found = None if columns_ is None else as_arrays(columns_[0])
        claim = self.identities.of(attempt, unit).claim
        trial = _trial(marshal.dumps(attempt.answer.code_with(unit.number, given(statement, GIVEN))), unit)
        shape = found[0].shape if found else None
        fitting = (
            index
            for index, quantity in enumerate(self._candidates)
            if (quantity.kind in ("gradient", "derivative", "forward") and quantity.label and shape is None)
            or (quantity.kind == "gradient" and quantity.symbol is not None and quantity.symbol == claim)
            or quantity.values[0].shape == shape
            or (quantity.kind == "forward" and shape is not None and len(shape) < quantity.values[0].ndim)
        )
        for batch in _batches(fitting):
            if self._is_late():
                return
            gains = self._gains(attempt, [trial._replace(given=index) for index in batch])
            self._work += len(batch) * self.cost(attempt, unit)
            for index in itertools.compress(batch, gains):
                quantity = self._candidates[index]
                name = f"{GIVEN}{unit.number}"
                answer = attempt.answer.with_statement(unit.number, given(statement, name))
                after = self.attempt(answer, {**attempt.given, name: index})
                if not after.right - attempt.right or not self._breaks_nothing(attempt, after):
                    continue
                yield Mend(unit, None, after.right - attempt.right, after, quantity)
                if claim is not None and quantity.symbol == claim:
                    return

    def updated_in(self, attempt: Attempt, unit: Unit, edit: Edit) -> int:
        """Return the line of the last update, before a unit, of the parameter that an edit reads as it was."""
        before = [u for u in attempt.answer.units if u.helper == unit.helper and u.order < unit.order]
        lines = [
            each.line
            for each in before
            if self.outcomes.updated_by(each) is not None or unit.helper is not None
            if any(name.startswith(edit.before) or edit.before.startswith(name) for name in each.names)
        ]
        return max(lines, default=unit.line)


def _read(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _are_same(first: Any, second: Any) -> bool:
    """Whether two values are the same array of numbers."""
    a, b = as_arrays([first]), as_arrays([second])
    return a is not None and b is not None and np.array_equal(a[0], b[0])


def _trial(code: bytes, unit: Unit) -> Trial:
    return Trial(code, unit.top, unit.helper or "")


_T = TypeVar("_T")


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    """Yield items in order, in batches."""
    rest = iter(items)
    while batch := list(itertools.islice(rest, _BATCH)):
        yield batch
