"""Where an answer goes wrong: the statement of which one change makes wrong gradients right and none wrong.

A statement whose value is a true quantity is above suspicion, unless nothing else explains what is wrong at once. Of
mistakes that do not depend on each other the first is found first; it is mended and the rest is looked at again.
"""

from __future__ import annotations

import ast
import itertools
import marshal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any, TypeVar

import numpy as np

from chainrule.cage import GIVEN, Trial, called
from chainrule.grading.answers import Answer, GradeError, Unit, prepare, with_name
from chainrule.grading.arguments import Binding
from chainrule.grading.comparison import agree, as_arrays
from chainrule.grading.edits import DERIVATIVE, FACTOR, OTHER, Edit, Scope, edits
from chainrule.grading.equations import read_equations
from chainrule.grading.execution import LostError, Run, Session, columns
from chainrule.grading.faults import spared
from chainrule.grading.names import gradient_of, is_numbered_gradient
from chainrule.grading.outcomes import Final, Outcomes
from chainrule.grading.truth import Match, Quantity, Truth

TIME_BUDGET = 20.0
"""Seconds of computing after which the search for an explanation ends with what it has, however busy the machine is."""
MISTAKES = 6
"""How many mistakes in one answer are looked for."""
_BATCH = 48
"""How many changes are tried in one request."""

_OF_MULTIPLES = frozenset(
    {"factor", "sign", "transposed", "order", "extra operand", "missing operand", "rate", "direction", "shape"}
)
"""What can be wrong with a value that is a truth but for a factor, a transpose or an axis of size 1."""


@dataclass(frozen=True, eq=False)
class Identity:
    """What the value of a unit is: `match` if it is something true; `each` if only round by round of a loop.

    `is_misshaped` holds for a gradient that is asked for, in another shape than its parameter has.
    """

    match: Match | None
    claim: str | None
    each: tuple[Match, ...] = ()
    name: str = ""
    forward: bool = False
    is_misshaped: bool = False

    @property
    def _is_itself(self) -> bool:
        """Whether the value is that of the forward pass that its name says."""
        return self.match is not None and self.match.is_exact and self.match.quantity.symbol == self.name

    @property
    def trust(self) -> int:
        """3 for what is what its name says, 2 for another truth, 1 for a multiple of one, 0 for anything else.

        A gradient with its sign turned is a truth: errors are often written y − a.

        −1 for what is called like a value of the forward pass and is another.
        """
        if self.each:
            strange = any(match.quantity.kind != "gradient" for match in self.each)
            return 0 if self.claim is not None and strange else 2
        quantity = None if self.match is None else self.match.quantity
        if self.forward and (quantity is None or not self._is_itself):
            return -1
        if self.match is None or quantity is None:
            return 0
        if self.claim is not None and (quantity.symbol != self.claim or quantity.kind != "gradient"):
            return 0
        if self.is_misshaped:
            return 1
        if not self.match.is_exact:
            return 2 if self.claim is None and self.match.factor == "−" else 1
        if quantity.kind == "gradient" and quantity.symbol is not None and quantity.symbol == self.claim:
            return 3
        if quantity.kind in ("forward", "input"):
            return 3 if quantity.symbol == self.name else 2
        return 3 if quantity.kind == "size" else 2


@dataclass(eq=False)
class Attempt:
    """An answer with its runs at all points, and which of its gradients are right.

    `given` are the candidates that stand for statements that were mended by their right value, by name.
    """

    answer: Answer
    runs: list[Run]
    right: frozenset[str]
    given: Mapping[str, int] = field(default_factory=dict)

    @property
    def places(self) -> list[Sequence[Any]]:
        """What the answer gave at each point where its gradients are."""
        return [run.places for run in self.runs]


@dataclass(frozen=True, eq=False)
class Mend:
    """A change of one unit that makes the gradients `gain` right; `needed` is the value that it gives the unit."""

    unit: Unit
    edit: Edit | None
    gain: frozenset[str]
    after: Attempt
    quantity: Quantity | None = None

    @property
    def rank(self) -> tuple[int, int]:
        return self.edit.rank if self.edit is not None else (99, 0)


class Search:
    """Runs variants of one answer at the points of a truth, which are called `key` where the answer runs."""

    def __init__(self, truth: Truth, key: str, binding: Binding, outcomes: Outcomes, session: Session) -> None:
        self._truth = truth
        self._key = key
        self._binding = binding
        self._session = session
        self.outcomes = outcomes
        self._derivatives = truth.derivatives()
        self._factors = {label: numbers for label, numbers in truth._numbers() if label != "1"}
        self._factors.update({"η": outcomes.rates, "1/η": [1 / rate for rate in outcomes.rates]})
        self._factors["−"] = [-1.0] * len(truth.points)
        self._names = {label: f"{FACTOR}{k}" for k, label in enumerate(self._factors)}
        self._candidates = list(self._truths())
        self._deadline = session.clock + TIME_BUDGET
        self._identities: dict[tuple[int, int], Identity] = {}
        self._attempts: list[Attempt] = []

    # Running

    def begin(self) -> None:
        """Send what a search needs. Until then the place where the answer runs has seen nothing of the truth."""
        more = []
        for number in range(len(self._truth.points)):
            names: dict[str, Any] = {f"{DERIVATIVE}{k}": q.values[number] for k, q in enumerate(self._derivatives)}
            names.update({name: self._factors[label][number] for label, name in self._names.items()})
            more.append(names)
        self._session.give_candidates(self._key, [quantity.values for quantity in self._candidates], more)
        self._deadline = self._session.clock + TIME_BUDGET

    def _is_late(self) -> bool:
        return self._session.clock > self._deadline

    def attempt(self, answer: Answer, given: Mapping[str, int] | None = None) -> Attempt:
        """Run `answer` at all points."""
        runs = self._session.run(answer, self._key, given)
        right = self.outcomes.right([run.places for run in runs], self._truth)
        return Attempt(answer, runs, right, given or {})

    def value_of(self, attempt: Attempt, top: int, node: ast.expr) -> list[Any] | None:
        """The value of an expression at each point, before the statement `top` runs; None where it fails."""
        return self._session.evaluate(attempt.answer, self._key, attempt.given, top, node)

    def identity(self, attempt: Attempt, unit: Unit) -> Identity:
        """What the value of a unit is."""
        key = id(attempt), unit.number
        if key not in self._identities:
            self._attempts.append(attempt)  # an attempt that is alive has its number to itself
            self._identities[key] = self._identified(attempt, unit)
        return self._identities[key]

    def _identified(self, attempt: Attempt, unit: Unit) -> Identity:
        name = unit.names[0] if unit.names else ""
        claim = self.claim(name)
        found = columns(attempt.runs, unit.number)
        if not found:
            return Identity(None, claim)
        match = self._truth.identify(found[0], claim, name)
        if match is not None or not unit.nested:
            misshaped = match is not None and self._is_misshaped(match, found[0])
            forward = name in self._truth.stages
            return Identity(match, claim, name=name, forward=forward, is_misshaped=misshaped)
        return self._by_rounds(attempt, unit, claim, name)

    def _is_misshaped(self, match: Match, values: Sequence[Any]) -> bool:
        quantity = match.quantity
        final = next((f for f in self.outcomes.finals if f.symbol == quantity.symbol and not f.is_update), None)
        if final is None or quantity.kind != "gradient" or match.transposed or self.outcomes.is_text:
            return False
        found, expected = as_arrays(values), self.outcomes.expected(final, self._truth)
        return found is not None and found[0].shape != expected[0].shape

    def _by_rounds(self, attempt: Attempt, unit: Unit, claim: str | None, name: str) -> Identity:
        """What a unit in a loop is, when its values are stacked, else round by round."""
        stacks: list[Any] = []
        rounds: list[Sequence[Any]] = []
        for run in attempt.runs:
            arrays = as_arrays(run.rounds.get(unit.number, ()))
            if arrays is None or len({array.shape for array in arrays}) != 1:
                return Identity(None, claim)
            rounds.append(arrays)
            stacks.append(np.stack(arrays))
        if len({float(x) for stack in stacks for x in stack.flat}) == 1:  # one number, whatever it is equal to
            return Identity(None, claim)
        match = self._truth.identify([np.squeeze(s) for s in stacks], claim, name)
        if match is not None:
            return Identity(None, claim, (match,))
        if len({len(values) for values in rounds}) != 1:
            return Identity(None, claim)
        each = [self._truth.identify(list(values), None, "") for values in zip(*rounds, strict=True)]
        found = [match for match in each if match is not None]
        return Identity(None, claim, tuple(found) if len(found) == len(each) else ())

    def claim(self, name: str) -> str | None:
        """The symbol whose gradient a variable of this name is said to be."""
        inner = name.partition("[")[2].strip("]'\"") if "[" in name else name.rpartition(".")[2]
        known = [q.symbol for q in self._truth.quantities if q.kind == "gradient" and q.symbol is not None]
        forward = [*self._truth.inputs, *self._truth.stages]
        if called(inner, forward) is not None:
            return None
        return gradient_of(inner, known)

    def holds(self, attempt: Attempt, mend: Mend, code: str) -> bool:
        """Whether the answer with `code` as the source of a mend's line is right where the mend says so.

        It is read and run as it stands, at all points.
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
        if after.answer.is_text:  # the reader may write a product otherwise
            return after.right >= attempt.right | mend.gain
        same = same_values(after.runs, mend.after.runs, mend.unit)
        return same and after.right >= attempt.right | mend.gain

    def _statement_of(self, answer: Answer, mend: Mend, code: str) -> ast.stmt | None:
        """The statement that the source of a mended line is, as it is read where the answer was."""
        if mend.unit.top is not None and answer.is_text:
            lines = list(answer.lines)
            lines[mend.unit.line - 1] = code
            try:
                again = prepare(read_equations("\n".join(lines), self._truth), ())
            except GradeError:
                return None
            return again.units[mend.unit.number].statement
        try:
            (statement,) = ast.parse(code).body
        except (SyntaxError, ValueError):
            return None
        whole = mend.unit.statement
        if isinstance(statement, ast.Expr) and isinstance(whole, ast.Assign):
            statement = ast.Assign(whole.targets, statement.value)
        return ast.fix_missing_locations(ast.copy_location(statement, whole))

    # Searching

    def mistakes(self, attempt: Attempt) -> tuple[list[Mend], Attempt]:
        """The mistakes of an answer in the order in which they are found, and the answer with all of them mended."""
        found: list[Mend] = []
        while len(attempt.right) < len(self.outcomes.finals) and len(found) < MISTAKES:
            best = spared(self._first, None, attempt)
            if best is None:
                break
            found.append(best)
            attempt = best.after
        return found, attempt

    def _first(self, attempt: Attempt) -> Mend | None:
        mends: list[Mend] = []
        for unit in attempt.answer.units:
            if unit.top is not None and (unit.hidden or self.identity(attempt, unit).trust < 3):
                mends += spared(self._mends, [], attempt, unit)
        main = self._chosen(attempt, mends)
        wrong = len(self.outcomes.finals) - len(attempt.right)
        if main is not None and len(main.gain) == wrong and main.edit is not None:
            return main
        helpers: list[Mend] = []
        for unit in attempt.answer.units:
            if unit.top is None:
                helpers += spared(self._mends, [], attempt, unit)
        helper = self._chosen(attempt, helpers)
        if helper is not None and (
            main is None or helper.gain > main.gain or (main.edit is None and helper.gain >= main.gain)
        ):
            return helper
        return main

    def _chosen(self, attempt: Attempt, mends: Sequence[Mend]) -> Mend | None:
        """The mend of the first mistake."""
        if not mends:
            return None
        trusts = {mend.unit.number: self._trust(attempt, mend.unit) for mend in mends}
        doubted = [mend for mend in mends if trusts[mend.unit.number] < 2]
        trusted = [mend for mend in mends if trusts[mend.unit.number] >= 2]
        if trusted and not self._all_directions(doubted):
            widest = max(trusted, key=lambda mend: (len(mend.gain), mend.edit is not None))
            most = max((len(mend.gain) for mend in doubted), default=0)
            explained = any(mend.edit is not None and len(mend.gain) == most for mend in doubted)
            wider = len(widest.gain) > most or (len(widest.gain) == most and widest.edit is not None and not explained)
            if wider and not self._is_scale_of_later(attempt, widest, doubted):
                return self._best_of_trusted(trusted)
        if not doubted:
            return self._best_of_trusted(trusted)
        maximal = [m for m in doubted if not any(m.gain < other.gain for other in doubted)]
        gains = {mend.gain for mend in maximal}
        firsts = []
        for gain in gains:
            same = [mend for mend in maximal if mend.gain == gain]
            unit = min((mend.unit for mend in same), key=lambda u: (_doubt(trusts[u.number]), u.order))
            firsts.append(min((mend for mend in same if mend.unit is unit), key=lambda mend: mend.rank))
        # Of one line's mends the one that makes most right: another may only hide a later mistake.
        first = min(firsts, key=lambda mend: (mend.unit.order, -len(mend.gain), mend.rank))
        if first.edit is not None and first.edit.kind == "sign" and not any(f.is_update for f in self.outcomes.finals):
            return self._first_sign(attempt, first, trusted)
        return self._at_its_source(attempt, first, trusted)

    def _is_scale_of_later(self, attempt: Attempt, mend: Mend, doubted: Sequence[Mend]) -> bool:
        """Whether a mend only scales a part of the reference, and the lines after it explain all that it would.

        What is called nothing in particular, such as r = y_hat - y, is right as it is; the factor is missing later.
        """
        if mend.edit is None or mend.edit.kind not in ("factor", "missing operand"):
            return False
        identity = self.identity(attempt, mend.unit)
        claims = identity.claim is not None or any(is_numbered_gradient(name) for name in mend.unit.names)
        explained = frozenset().union(*(other.gain for other in doubted if other.edit is not None))
        return not claims and _is_part(identity) and mend.gain <= explained

    def _all_directions(self, mends: Sequence[Mend]) -> bool:
        """Whether every update goes in the wrong direction."""
        turned = [mend.gain for mend in mends if mend.edit is not None and mend.edit.kind == "direction"]
        updated = {final.symbol for final in self.outcomes.finals if final.is_update}
        return bool(turned) and frozenset().union(*turned) >= updated

    def _first_sign(self, attempt: Attempt, mend: Mend, trusted: Sequence[Mend]) -> Mend:
        """The first line at which the sign is turned."""
        turned = [
            other
            for other in trusted
            if other.edit is not None and other.edit.kind == "sign" and other.gain == mend.gain
            if not other.unit.hidden and _is_negative(self.identity(attempt, other.unit))
        ]
        return min([*turned, mend], key=lambda other: (other.unit.order, other.rank))

    def _trust(self, attempt: Attempt, unit: Unit) -> float:
        """What is returned under a name is looked at after the line that gave the name its value."""
        trust = self.identity(attempt, unit).trust
        return trust + 0.5 if unit.hidden and trust < 2 else trust

    def _at_its_source(self, attempt: Attempt, mend: Mend, trusted: Sequence[Mend]) -> Mend:
        """Where a mend only wraps a variable, such as a sum that should be a mean, the line that assigned it."""
        if mend.edit is None or not mend.edit.before:
            return mend
        try:
            names = {n.id for n in ast.walk(ast.parse(mend.edit.before)) if isinstance(n, ast.Name)}
        except SyntaxError:
            return mend
        wraps = mend.edit.kind in ("factor", "missing sum")
        earlier = [
            other
            for other in trusted
            if wraps and other.gain == mend.gain and other.edit is not None and names & set(other.unit.names)
            if not other.unit.hidden and _is_part(self.identity(attempt, other.unit))
        ]
        return min(earlier, key=lambda other: other.rank, default=mend)

    def _best_of_trusted(self, mends: Sequence[Mend]) -> Mend:
        """Of statements whose values are all true, the last could have been meant to be more than it is."""
        most = max(len(mend.gain) for mend in mends)
        widest = [mend for mend in mends if len(mend.gain) == most]
        widest = [mend for mend in widest if mend.edit is not None] or widest
        widest = [mend for mend in widest if not mend.unit.hidden] or widest
        unit = max((mend.unit for mend in widest), key=lambda u: u.order)
        return min((mend for mend in widest if mend.unit is unit), key=lambda mend: mend.rank)

    def _matters(self, attempt: Attempt, unit: Unit) -> bool:
        """Whether anything that is wrong depends on the value of a unit or on its shape; else no change mends anything.

        It does unless it stays the same when the value becomes another, and when it gets one more axis.
        """
        statement = unit.statement
        if unit.top is None or unit.nested or not isinstance(statement, ast.Assign):
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

    def _mends(self, attempt: Attempt, unit: Unit) -> list[Mend]:
        mends: list[Mend] = []
        if not self._matters(attempt, unit):
            return mends
        scope = self._scope(attempt, unit)
        multiple = unit.top is not None and self.identity(attempt, unit).trust == 1
        changes = (e for e in edits(unit.statement, scope) if not multiple or e.kind in _OF_MULTIPLES)
        for batch in _batches(self._changed(attempt, unit, changes)):
            if self._is_late():
                return mends
            gains = self._gains(attempt, [trial for _, trial in batch])
            for (edit, _), gain in zip(batch, gains, strict=True):
                mend = self._tried(attempt, unit, edit) if gain else None
                if mend is not None:
                    mends.append(mend)
        if unit.top is not None:
            mends += self._replacements(attempt, unit)
        return mends

    def _changed(self, attempt: Attempt, unit: Unit, changes: Iterable[Edit]) -> Iterator[tuple[Edit, Trial]]:
        """Each change with the trial that makes it; a pattern that many of them share is compiled once."""
        patterns: dict[ast.stmt, CodeType | None] = {}
        for edit in changes:
            if edit.pattern not in patterns:
                patterns[edit.pattern] = self._code(attempt, unit, edit.pattern)
            code = patterns[edit.pattern]
            if code is not None and edit.name:
                code = with_name(code, OTHER, edit.name) if unit.top is not None else None
                code = code or self._code(attempt, unit, edit.statement)
            if code is not None:
                yield edit, _trial(marshal.dumps(code), unit)

    def _code(self, attempt: Attempt, unit: Unit, statement: ast.stmt) -> CodeType | None:
        """The code of a changed statement; None where it is none."""
        try:
            return attempt.answer.code_with(unit.number, statement)
        except (SyntaxError, ValueError, TypeError, GradeError):
            return None

    def _tried(self, attempt: Attempt, unit: Unit, edit: Edit) -> Mend | None:
        """The mend that a change is, if it makes at every point what it makes at the first one."""
        try:
            after = self.attempt(attempt.answer.with_statement(unit.number, edit.statement), attempt.given)
        except LostError:
            raise
        except GradeError:  # at another point it does not end
            return None
        gain = after.right - attempt.right
        return Mend(unit, edit, gain, after) if gain and self._breaks_nothing(attempt, after) else None

    def _breaks_nothing(self, attempt: Attempt, after: Attempt) -> bool:
        """Whether what was right is right after a change, and no statement fails that did not."""
        pairs = zip(after.runs, attempt.runs, strict=True)
        return after.right >= attempt.right and all(a.problems.keys() <= b.problems.keys() for a, b in pairs)

    def _gains(self, attempt: Attempt, trials: Sequence[Trial]) -> list[frozenset[str]]:
        """What each change makes right at the first point; nothing where it makes something wrong."""
        gains = []
        for places in self._outcomes(attempt, trials):
            gain: frozenset[str] = frozenset()
            if places is not None:
                gain = self.outcomes.right([places], self._truth, but=attempt.right)
            if gain and attempt.right - self.outcomes.right([places], self._truth, but=gain):
                gain = frozenset()
            gains.append(gain)
        return gains

    def _outcomes(self, attempt: Attempt, trials: Sequence[Trial]) -> list[Any]:
        """What is at the places after each change; one that takes too much gives nothing."""
        try:
            return self._session.trial(attempt.answer, self._key, attempt.given, trials)
        except LostError:
            raise
        except GradeError:
            if len(trials) == 1:
                return [None]
        return [places for trial in trials for places in self._outcomes(attempt, [trial])]

    def _replacements(self, attempt: Attempt, unit: Unit) -> Iterator[Mend]:
        """The unit's value exchanged for every truth that it could have been meant to be."""
        statement = unit.statement
        if unit.nested or not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return
        if not isinstance(statement.targets[0], ast.Name | ast.Subscript | ast.Attribute) or _selects(statement.value):
            return
        columns_ = columns(attempt.runs, unit.number)
        found = None if columns_ is None else as_arrays(columns_[0])
        claim = self.identity(attempt, unit).claim
        trial = _trial(marshal.dumps(attempt.answer.code_with(unit.number, self._given(statement, GIVEN))), unit)
        shape = found[0].shape if found else None
        fitting = (
            index
            for index, quantity in enumerate(self._candidates)
            if (quantity.kind in ("gradient", "derivative", "forward") and quantity.label and shape is None)
            or (quantity.kind == "gradient" and quantity.symbol is not None and quantity.symbol == claim)
            or quantity.values[0].shape == shape
        )
        for batch in _batches(fitting):
            if self._is_late():
                return
            gains = self._gains(attempt, [replace(trial, given=index) for index in batch])
            for index in itertools.compress(batch, gains):
                quantity = self._candidates[index]
                name = f"{GIVEN}{unit.number}"
                answer = attempt.answer.with_statement(unit.number, self._given(statement, name))
                after = self.attempt(answer, {**attempt.given, name: index})
                if not after.right - attempt.right or not self._breaks_nothing(attempt, after):
                    continue
                yield Mend(unit, None, after.right - attempt.right, after, quantity)
                if claim is not None and quantity.symbol == claim:
                    return

    def _given(self, statement: ast.Assign, name: str) -> ast.stmt:
        """The assignment of the value that is given under a name."""
        new = ast.copy_location(ast.Assign(statement.targets, ast.Name(name, ast.Load())), statement)
        return ast.fix_missing_locations(new)

    def _truths(self) -> Iterator[Quantity]:
        """Every truth, and gradients with their sign turned after that."""
        yield from self._truth.quantities
        for quantity in self._truth.quantities:
            if quantity.kind == "gradient" and quantity.label:
                yield Quantity(f"−{quantity.label}", "gradient", quantity.symbol, tuple(-v for v in quantity.values))

    def _scope(self, attempt: Attempt, unit: Unit) -> Scope:
        derivatives = [f"{DERIVATIVE}{k}" for k in range(len(self._derivatives))]
        final = next((f for f in self.outcomes.finals if f.is_update and updates(f, unit)), None)
        if unit.top is None:
            assert unit.helper is not None
            arguments = attempt.answer.helpers[unit.helper].args.args
            names = [argument.arg for argument in arguments]
            return Scope(names, (), {}, None, False)
        top = None if unit.nested else unit.top
        variables = self._session.variables(attempt.answer, self._key, attempt.given, top)
        return Scope(
            variables, derivatives, self._names, self._binding.rate or ("η" if final else None), final is not None
        )


def _are_same(first: Any, second: Any) -> bool:
    """Whether two values are the same array of numbers."""
    a, b = as_arrays([first]), as_arrays([second])
    return a is not None and b is not None and np.array_equal(a[0], b[0])


def _is_negative(identity: Identity) -> bool:
    return identity.match is not None and identity.match.factor == "−"


def _doubt(trust: float) -> float:
    """What the first of several doubted units is looked for by: those called like something else go before."""
    return min(trust, 0.0) if trust == int(trust) else 0.5


def _is_part(identity: Identity) -> bool:
    return identity.match is not None and identity.match.quantity.kind == "part"


def _selects(node: ast.expr) -> bool:
    """Whether an expression only says where a value is: what is wrong with it was wrong before."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _trial(code: bytes, unit: Unit) -> Trial:
    return Trial(code, unit.top, unit.helper or "")


_T = TypeVar("_T")


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    """Items in the order they have, some at a time."""
    rest = iter(items)
    while batch := list(itertools.islice(rest, _BATCH)):
        yield batch


def updates(final: Final, unit: Unit) -> bool:
    """Whether a unit assigns to the parameter whose update a final is."""
    place = f"self.{final.place}" if final.source == "attribute" else final.place
    if final.source == "entry":
        container, key = final.place
        return any(name in (f"{container}[{key!r}]", f"{container}.{key}") for name in unit.names)
    return place in unit.names


def same_values(first: Sequence[Run], second: Sequence[Run], unit: Unit) -> bool:
    """Whether a unit has the same values in the runs of two variants of an answer."""
    a, b = columns(first, unit.number), columns(second, unit.number)
    if a is None or b is None:
        return a is None and b is None
    for left, right in zip(a, b, strict=True):
        x, y = as_arrays(left), as_arrays(right)
        if x is None or y is None:
            continue
        if any(p.shape != q.shape for p, q in zip(x, y, strict=True)) or not agree(x, y):
            return False
    return True
