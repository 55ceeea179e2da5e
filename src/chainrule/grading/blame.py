"""Whether a helper is to blame or the line that calls it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from chainrule.grading.answers import Unit
from chainrule.grading.attempts import Attempt
from chainrule.grading.building import OTHER
from chainrule.grading.changes import ACTIVATED, DERIVATIVE
from chainrule.grading.edits import Edit
from chainrule.grading.faults import spared
from chainrule.grading.identities import Identity
from chainrule.grading.mending import Mend, Mender
from chainrule.grading.names import is_gradient_name
from chainrule.grading.updates import step_of

SCALES = frozenset({"sign", "factor", "missing operand", "missing term", "missing derivative", "shape", "other"})
"""Kinds of changes that correct the mistake of an earlier line too."""
_OF_RESULTS = frozenset({"derivative", "missing derivative", "extra derivative", "extra operand"}) | SCALES
"""Kinds of changes that correct the result of a call."""


class Blame:
    """Decides between a helper and its calls, of which changes may correct the same gradients."""

    def __init__(self, mender: Mender) -> None:
        self._mender, self._outcomes = mender, mender.outcomes

    def turned_inside(self, attempt: Attempt, main: Mend, tried: Mapping[int, list[Mend]]) -> Mend | None:
        """Return the line of a helper, called by the line of `main`, at which the sign is inverted."""
        if main.edit is None or main.edit.kind != "sign" or any(final.is_update for final in self._outcomes.finals):
            return None
        called = self._called(attempt, main.unit)
        turned = [unit for unit in called if is_negative(self._mender.identities.of(attempt, unit))]
        mends = [mend for unit in turned for mend in self.mends(attempt, unit, tried)]
        signs = [m for m in mends if m.edit is not None and m.edit.kind == "sign" and m.gain == main.gain]
        return min(signs, key=lambda mend: (mend.unit.order, mend.rank), default=None)

    def odd_inside(self, attempt: Attempt, main: Mend, tried: Mapping[int, list[Mend]]) -> Mend | None:
        """Return a mend of a helper that gives nothing known or no derivative, if that of its call multiplies it."""
        if main.edit is None or main.edit.kind != "missing operand":
            return None
        found = []
        for unit in self._called(attempt, main.unit):
            mends = [mend for mend in self.mends(attempt, unit, tried) if mend.gain >= main.gain]
            unknown = self._mender.identities.of(attempt, unit).trust <= 0
            found += [m for m in mends if m.edit is not None and (unknown or m.edit.kind == "derivative")]
        return min(found, key=lambda mend: (mend.rank, mend.unit.order), default=None)

    def _called(self, attempt: Attempt, unit: Unit) -> list[Unit]:
        """Return the lines of the helpers that a line calls."""
        names = {n.id for n in ast.walk(unit.statement) if isinstance(n, ast.Name)}
        names |= {n.attr for n in ast.walk(unit.statement) if isinstance(n, ast.Attribute)}
        units = attempt.answer.units
        return [inner for inner in units if inner.helper is not None and inner.helper.rpartition(".")[2] in names]

    def inside(self, attempt: Attempt, unit: Unit, wrong: int, tried: Mapping[int, list[Mend]]) -> list[Mend]:
        """Return the mends of the helpers that a unit calls, if one of them corrects everything as well.

        A wrong value that a helper returns can be corrected where it is called, but the mistake is in the helper.
        """
        kinds = {mend.edit.kind for mend in tried[unit.number] if mend.edit is not None}
        if not kinds & _OF_RESULTS:
            return []
        for inner in self._called(attempt, unit):
            found = [mend for mend in self.mends(attempt, inner, tried) if self.fits_every_call(mend)]
            if any(mend.edit is not None and len(mend.gain) == wrong for mend in found):
                return found
        return []

    def fits_every_call(self, mend: Mend) -> bool:
        """Whether a changed line of a helper that is called several times is a known quantity at each call.

        Otherwise it corrects what a single call is given.
        """
        runs, number = mend.after.runs, mend.unit.number
        rounds = [run.rounds.get(number, ()) for run in runs]
        if mend.unit.helper is None or any(len(values) < 2 for values in rounds):
            return True
        body = mend.after.answer.helpers[mend.unit.helper].body
        if all(statement.lineno != mend.unit.line for statement in body):  # in a loop, there are partial sums
            return True
        matches = [self._mender.identities.known(list(values)) for values in zip(*rounds, strict=False)]
        return all(match is not None and match.is_exact for match in matches)

    def of_helpers(self, mends: Sequence[Mend]) -> list[Mend]:
        """Return the mends of helpers without those that do not fit every call, if others do as much."""
        fitting = {id(mend) for mend in mends if self.fits_every_call(mend)}
        others = [mend for mend in mends if id(mend) in fitting and mend.edit is not None]
        return [m for m in mends if id(m) in fitting or not any(other.gain >= m.gain for other in others)]

    def at_its_call(self, attempt: Attempt, mend: Mend) -> Mend:
        """Return the exchange of an argument where a helper is called, if a mend gives the helper a value instead."""
        if mend.unit.helper is None or mend.edit is None or not mend.edit.name.startswith(DERIVATIVE):
            return mend
        return self._of_arguments(attempt, mend) or mend

    def at_its_making(self, attempt: Attempt, mend: Mend) -> Mend:
        """Return the line that makes the gradient of an update, if a mend only scales the step."""
        step = step_of(mend.unit.statement)
        scales = mend.edit is not None and mend.edit.kind in ("factor", "missing operand")
        if step is None or not scales or not any(final.is_update for final in self._outcomes.finals):
            return mend
        nodes = list(ast.walk(step[1].right))
        read = {n.id for n in nodes if isinstance(n, ast.Name)} | {
            n.value for n in nodes if isinstance(n, ast.Constant)
        }
        makers = [u for u in attempt.answer.units if u.names and u.names[0] in read and is_gradient_name(u.names[0])]
        found = [each for unit in makers for each in spared(self._mender.mends, [], attempt, unit, _scales)]
        return min((each for each in found if each.gain >= mend.gain), key=lambda each: each.rank, default=mend)

    def _of_arguments(self, attempt: Attempt, mend: Mend) -> Mend | None:
        """Return the exchange of an argument of the helper that a mend changes, if that corrects as much."""
        like = partial(_is_argument_of, _function(mend.unit))
        callers = [unit for unit in attempt.answer.units if mend.unit in self._called(attempt, unit)]
        found = [each for unit in callers for each in spared(self._mender.mends, [], attempt, unit, like)]
        return min((each for each in found if each.gain >= mend.gain), key=lambda each: each.rank, default=None)

    def with_other(self, attempt: Attempt, mend: Mend) -> Mend:
        """Return a mend with the one that does as much if a helper and its argument do not fit each other."""
        if mend.edit is None or mend.edit.kind != "operand":
            return mend
        other: Mend | None = None
        if _puts_activation(mend.edit):
            other = self._of_arguments(attempt, mend)
        elif isinstance(mend.edit.subject, ast.Name):
            inner = [u for u in self._called(attempt, mend.unit) if _is_argument_of(_function(u), mend.edit)]
            found = [m for u in inner for m in spared(self._mender.mends, [], attempt, u, _puts_activation)]
            other = min((m for m in found if m.gain >= mend.gain), key=lambda each: each.rank, default=None)
        return replace(mend, other=other)

    def mends(self, attempt: Attempt, unit: Unit, tried: Mapping[int, list[Mend]]) -> list[Mend]:
        if unit.number in tried:
            return tried[unit.number]
        return spared(self._mender.mends, [], attempt, unit)


def _is_argument_of(function: str, edit: Edit) -> bool:
    """Whether a change exchanges a variable that a function is called with."""
    if edit.kind != "operand" or not isinstance(edit.subject, ast.Name):
        return False
    nodes = [node for node in ast.walk(edit.pattern) if isinstance(node, ast.Call)]
    called = (n for n in nodes if getattr(n.func, "id", getattr(n.func, "attr", "")) == function)
    return any(isinstance(argument, ast.Name) and argument.id == OTHER for n in called for argument in n.args)


def _scales(edit: Edit) -> bool:
    """Whether a change multiplies or divides a value, or takes a mean for a sum."""
    return edit.kind in ("factor", "missing operand", "extra operand")


def _puts_activation(edit: Edit) -> bool:
    """Whether a change puts an activation around what a helper is given."""
    return edit.kind == "operand" and edit.cost == ACTIVATED and not edit.name


def _function(unit: Unit) -> str:
    """Return the name by which the helper of a unit is called."""
    return (unit.helper or "").rpartition(".")[2]


def is_negative(identity: Identity) -> bool:
    """Whether a value is a known quantity with the opposite sign."""
    return identity.match is not None and identity.match.factor == "−"
