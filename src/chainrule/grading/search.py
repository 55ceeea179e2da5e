"""Localization of mistakes: the statement of which one change corrects wrong gradients and breaks none.

Statements with a known quantity as their value are considered only if no other single change explains the mistake.
Independent mistakes are found in order: after the correction of the first the search is repeated.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from chainrule.grading.answers import Unit
from chainrule.grading.attempts import Attempt
from chainrule.grading.blame import SCALES, Blame, is_negative
from chainrule.grading.faults import spared
from chainrule.grading.identities import Identity
from chainrule.grading.mending import Mend, Mender
from chainrule.grading.names import is_numbered_gradient
from chainrule.grading.scales import (
    at_its_seed,
    beside_its_kin,
    beside_penalties,
    has_error_of_target,
    is_error,
    is_sum,
    where_claimed,
)
from chainrule.grading.slips import is_of_name, is_of_shape, is_slip, slip
from chainrule.grading.updates import step_of

_MAKERS = frozenset({"zeros", "zeros_like", "ones", "ones_like", "empty_like", "copy", "array", "len", "eye", "range"})
_HEAVY = 60
"""The number of statements per trial above which not every other line is tried as well."""
_LACKING = frozenset({"missing term", "missing derivative"})
_PAIRED = 3
"""The number of lines in which two mistakes are sought if nothing else is found."""
MISTAKES = 6
"""The maximum number of mistakes that are sought in one answer."""


class Search:
    """Selects among the mends of an answer."""

    def __init__(self, mender: Mender) -> None:
        self._mender, self._outcomes = mender, mender.outcomes
        self._blame = Blame(mender)

    def mistakes(self, attempt: Attempt) -> tuple[list[Mend], Attempt]:
        """Return the mistakes of an answer in order, and the answer with all of them corrected."""
        start = attempt
        found, attempt = spared(self._uphill, (list[Mend](), attempt), attempt)
        while len(attempt.right) < len(self._outcomes.finals) and len(found) < MISTAKES:
            best = spared(self._again, None, attempt, found) or spared(self._first, None, attempt)
            if best is None:
                break
            above = self._above(start, best, found)
            found = [above] if above is not None else [*found, best]
            attempt = found[-1].after
        return found, attempt

    def _above(self, start: Attempt, mend: Mend, found: Sequence[Mend]) -> Mend | None:
        """Return a mend as the first of all, if another value stood in for all lines that are found, below its line.

        What is wrong in those lines may be found once what they read is right.
        """
        if not found or any(each.edit is not None or each.unit.order < mend.unit.order for each in found):
            return None
        statement = mend.after.answer.statement(mend.unit.number)
        after = self._mender.attempt(start.answer.with_statement(mend.unit.number, statement), mend.after.given)
        gain = after.right - start.right
        return replace(mend, gain=gain, after=after) if gain and after.right >= start.right else None

    def _uphill(self, attempt: Attempt) -> tuple[list[Mend], Attempt]:
        """Return the updates, if every one adds its gradient and no other line is wrong, and the answer that subtracts.

        A sign that is wrong earlier would have the same effect, but then gradients have the opposite sign there. An
        error y − a is no such gradient: it is added.
        """
        found: list[Mend] = []
        if not self._mender.ascends(attempt) or not self._is_downhill(attempt):
            return found, attempt
        after = attempt
        for number in [unit.number for unit in attempt.answer.units]:
            unit = after.answer.units[number]
            if step_of(unit.statement) is not None:
                turned = self._mender.mends(after, unit, lambda edit: edit.kind == "direction")
                found += turned[:1]
                after = turned[0].after if turned else after
        return (found, after) if len(after.right) == len(self._outcomes.finals) else ([], attempt)

    def _is_downhill(self, attempt: Attempt) -> bool:
        """Whether an answer has gradients, with the opposite sign only those of an error that is written y − a."""
        found = {unit.number: self._mender.identities.of(attempt, unit) for unit in attempt.answer.units}
        matches = [(n, match) for n, each in found.items() for match in (each.each or (each.match,)) if match]
        signs = {(number, self._mender.identities.direction(match)) for number, match in matches}
        negative = {number for number, sign in signs if sign < 0}
        errors = all(is_error(attempt.answer.unit(number)) for number in negative)
        return any(sign for _, sign in signs) and (not negative or (errors and has_error_of_target(attempt.answer)))

    def _again(self, attempt: Attempt, found: Sequence[Mend]) -> Mend | None:
        """Return the next line with the mistake of one that is found already."""
        known = [mend for mend in found if mend.edit is not None and mend.first is None and not mend.unit.is_head]
        for mend in known:
            like, kind = partial(is_slip, slip(mend.edit)), type(mend.unit.statement)
            for unit in attempt.answer.units:
                alike = unit.order > mend.unit.order and unit.helper == mend.unit.helper and not unit.is_head
                alike = alike and is_error(unit) == is_error(mend.unit)
                if alike and isinstance(unit.statement, kind) and self._trust(attempt, unit) < 2:
                    again = spared(self._mender.mends, [], attempt, unit, like)
                    if again:
                        return min(again, key=lambda each: (-len(each.gain), each.rank))
        return None

    def _first(self, attempt: Attempt) -> Mend | None:
        """Return the first mistake; two in one line if no single change of it is found."""
        found = self._of_shapes(attempt) or self._single(attempt)
        found = None if found is None else self._blame.at_its_making(attempt, found)
        found = None if found is None else self._blame.with_other(attempt, self._blame.at_its_call(attempt, found))
        if found is not None and found.edit is not None:
            return found
        units = self._suspects(attempt)[:_PAIRED] if found is None else [found.unit]
        least = frozenset() if found is None else found.gain
        two = [mend for unit in units for mend in spared(self._mender.pairs, [], attempt, unit, least)]
        return min(two, key=lambda mend: (-len(mend.gain), mend.rank), default=found)

    def _of_shapes(self, attempt: Attempt) -> Mend | None:
        """Return a change of a gradient of another shape than its parameter that corrects everything."""
        identity, wrong = self._mender.identities.of, len(self._outcomes.finals) - len(attempt.right)
        for unit in attempt.answer.units:
            if identity(attempt, unit).is_misshaped and not unit.hidden:
                mends = spared(self._mender.mends, [], attempt, unit, is_of_shape)
                if whole := [mend for mend in mends if len(mend.gain) == wrong]:
                    return min(whole, key=lambda mend: mend.rank)
        return None

    def _single(self, attempt: Attempt) -> Mend | None:
        wrong = len(self._outcomes.finals) - len(attempt.right)
        tried: dict[int, list[Mend]] = {}
        unread, due = self._unread(attempt), self._due(attempt)
        for unit in attempt.answer.units:
            part = "[" in "".join(unit.names) or not due.isdisjoint(unit.names)
            if unit.nested and isinstance(unit.statement, ast.Assign) and part:
                summed = spared(self._mender.mends, [], attempt, unit, lambda edit: edit.before == "=")
                whole = [mend for mend in summed if len(mend.gain) == wrong]
                if whole:
                    return whole[0]
        for unit in self._suspects(attempt):
            tried[unit.number] = spared(self._mender.mends, [], attempt, unit)
            renamed = [m for m in tried[unit.number] if m.edit is not None and m.edit.kind == "target"]
            if renamed and unit in unread:
                return self._reading(attempt, min(renamed, key=lambda mend: (-len(mend.gain), mend.rank)))
            whole = [m for m in tried[unit.number] if m.edit is not None and len(m.gain) == wrong]
            whole = [m for m in whole if self._blame.fits_every_call(m)]
            heavy = self._mender.cost(attempt, unit) > _HEAVY and not unit.sets_attribute
            kinds = {mend.edit.kind for mend in whole if mend.edit is not None}
            if whole and (heavy or not kinds & SCALES or self._is_settled(attempt, unit, whole)):
                inside = self._blame.inside(attempt, unit, wrong, tried)
                return self._chosen(attempt, inside or tried[unit.number])
        mends: list[Mend] = []
        units = self._likely_first(attempt)
        for unit in units:
            if unit.top is not None and (unit.hidden or self._mender.identities.of(attempt, unit).trust < 3):
                mends += self._blame.mends(attempt, unit, tried)
        main = self._chosen(attempt, mends)
        hidden = main is not None and main.unit.hidden and not main.unit.is_head
        hands_on = main is not None and (hidden or self._hands_on(main.unit))
        if main is not None and len(main.gain) == wrong and main.edit is not None and not hands_on:
            return (
                self._blame.turned_inside(attempt, main, tried) or self._blame.odd_inside(attempt, main, tried) or main
            )
        helpers: list[Mend] = []
        for unit in units:
            number = isinstance(getattr(unit.statement, "value", None), ast.Constant)  # equal to a size by chance
            if unit.top is None and (unit.hidden or number or self._mender.identities.of(attempt, unit).trust < 3):
                helpers += self._blame.mends(attempt, unit, tried)
        helper = self._chosen(attempt, self._blame.of_helpers(helpers))
        if helper is not None and main is not None and self._is_slip_of_each(attempt, main, helper):
            return main
        if helper is not None and (
            main is None or helper.gain > main.gain or ((main.edit is None or hands_on) and helper.gain >= main.gain)
        ):
            return helper
        return main

    def _reading(self, attempt: Attempt, renamed: Mend) -> Mend:
        """Return the line that reads another variable than a line assigns, if that is the only one that should.

        Then the value has its own name, and is not read where it should be: `err = z - y` after `a = sigmoid(z)`.
        """
        assert renamed.edit is not None
        name, own = renamed.edit.name, renamed.unit.names[0]
        found: list[Mend] = []
        for unit in attempt.answer.units if name in _read(renamed.unit) else ():
            if unit.order > renamed.unit.order and name in _read(unit):
                like = partial(is_of_name, own)
                found += [m for m in spared(self._mender.mends, [], attempt, unit, like) if m.gain >= renamed.gain]
        return min(found, key=lambda mend: mend.rank, default=renamed)

    def _is_settled(self, attempt: Attempt, unit: Unit, whole: Sequence[Mend]) -> bool:
        """Whether a term or derivative that a line lacks makes it what its name says, and no line above is in doubt."""
        mend, identities = min(whole, key=lambda each: each.rank), self._mender.identities
        if mend.edit is None or mend.edit.kind not in _LACKING or isinstance(mend.edit.subject, ast.Name):
            return False
        above = (u for u in attempt.answer.units if u.order < unit.order and not self._is_plain(u))
        return identities.of(mend.after, unit).trust == 3 and all(identities.of(attempt, u).trust >= 2 for u in above)

    def _likely_first(self, attempt: Attempt) -> list[Unit]:
        """Return the units in the order in which changes of them are tried, since the work is limited.

        What the first wrong lines read comes before the rest, and initial zeros and the like come last.
        """
        identity, read = self._mender.identities.of, {name for unit in self._suspects(attempt) for name in _read(unit)}
        read |= self._due(attempt)

        def place(unit: Unit) -> tuple[bool, bool, bool, bool]:
            far = not any(name.partition("[")[0] in read for name in unit.names)
            return self._is_plain(unit) and not unit.nested, far, identity(attempt, unit).trust > 0, unit.hidden

        return sorted(attempt.answer.units, key=place)

    def _due(self, attempt: Attempt) -> set[str]:
        """Return the variables that hold wrong gradients."""
        wrong = (final for final in self._outcomes.finals if final.symbol not in attempt.right)
        return {self._outcomes.in_variable(final).place.root for final in wrong if not final.is_update}

    def _is_slip_of_each(self, attempt: Attempt, main: Mend, helper: Mend) -> bool:
        """Whether several lines have the mistake of `main`, so that a helper that returns a gradient is right."""
        identity = self._mender.identities.of(attempt, helper.unit)
        exact = identity.match is not None and identity.match.is_exact and identity.match.quantity.kind == "gradient"
        if main.edit is None or not exact or main.gain >= helper.gain:
            return False
        after, kinds = main.after, {main.edit.kind, "missing operand", "factor"}
        for _ in range(MISTAKES):
            if after.right >= attempt.right | helper.gain:
                return True
            units = [u for u in after.answer.units if u.top is not None and not u.hidden and not u.nested]
            trusts = {u.number: self._mender.identities.of(after, u).trust for u in units}
            later = [m for u in units if trusts[u.number] < 3 for m in spared(self._mender.mends, [], after, u)]
            again = [m for m in later if m.edit is not None and m.edit.kind in kinds]
            if not again:
                return False
            after = min(again, key=lambda mend: mend.unit.order).after
        return False

    def _suspects(self, attempt: Attempt) -> list[Unit]:
        """Return the units with unknown values that are computed from known ones: the first wrong one is among them."""
        answer, identities = attempt.answer, self._mender.identities
        failing = {problem.line for problem in attempt.runs[0].problems.values() if not problem.caused}
        first = [unit for unit in answer.units if unit.line in failing and unit.nested and not unit.hidden]
        suspects = [unit for unit in self._unread(attempt) if unit not in first]
        unsound: set[tuple[str | None, str]] = set()
        rounds: dict[int, int] = {}
        for number in attempt.runs[0].order:
            unit = answer.units[number]
            k = rounds.get(number, 0)
            rounds[number] = k + 1
            founded = not any((unit.helper, name) in unsound for name in _read(unit))
            known = spared(identities.is_known, None, attempt, unit, k if unit.nested else 0)
            identity = identities.of(attempt, unit)
            settled = identity.is_entry if unit.nested else identity.trust > 0
            is_wrong = known is not None and not settled and (not known or not unit.nested)
            if is_wrong and founded and not unit.hidden and not self._is_plain(unit) and unit not in suspects:
                suspects.append(unit)
            for name in unit.names:
                key = unit.helper, name.partition("[")[0]
                if is_wrong:
                    unsound.add(key)
                elif isinstance(unit.statement, ast.Assign) and "[" not in name:
                    unsound.discard(key)
        constant = [
            unit
            for unit in answer.units
            if unit.nested and isinstance(unit.statement, ast.AugAssign) and unit not in (*first, *suspects)
            if identities.is_known(attempt, unit, 0) is None
        ]
        suspects = [unit for unit in suspects if unit not in first]
        return [*first, *constant, *suspects]  # a sum in a loop to which nothing is added is looked at first

    def _unread(self, attempt: Attempt) -> list[Unit]:
        """Return the units that assign to a variable that nothing reads, although loops go on."""
        answer = attempt.answer
        nodes = [node for top in (*answer.body, *answer.helpers.values()) for node in ast.walk(top)]
        read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        read |= {final.place.root for final in self._outcomes.finals}
        return [
            unit
            for unit in answer.units
            if unit.nested and unit.names and all(name.isidentifier() and name not in read for name in unit.names)
        ]

    def _hands_on(self, unit: Unit) -> bool:
        """Whether a statement assigns a value that another has computed."""
        value = getattr(unit.statement, "value", None)
        while isinstance(value, ast.Attribute | ast.Subscript):
            value = value.value
        return isinstance(value, ast.Name) and not isinstance(unit.statement, ast.AugAssign)

    def _is_plain(self, unit: Unit) -> bool:
        """Whether a statement only hands on a value, or makes an array of one number or a container."""
        value = getattr(unit.statement, "value", None)
        if isinstance(unit.statement, ast.AugAssign) or "[" in "".join(unit.names):
            return False
        if isinstance(value, ast.Call):
            function = value.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            return name in _MAKERS
        return isinstance(value, ast.Name | ast.Constant | ast.Attribute | ast.Subscript | ast.Dict | ast.List)

    def _chosen(self, attempt: Attempt, mends: Sequence[Mend]) -> Mend | None:
        """Return the mend of the first mistake."""
        mends = self._of_claims(attempt, self._unsettled(attempt, mends))
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
        # Of the mends of one line the one that corrects most: another may only hide a later mistake.
        first = min(firsts, key=lambda mend: (mend.unit.order, -len(mend.gain), mend.rank))
        first = self._signed(attempt, first, maximal)
        first = beside_its_kin(attempt, first, maximal)
        first = where_claimed(self._mender.identities, attempt, first, mends)
        first = at_its_seed(beside_penalties(first, mends), mends)
        if first.edit is not None and first.edit.kind == "sign" and not any(f.is_update for f in self._outcomes.finals):
            return self._first_sign(attempt, first, trusted)
        return self._at_its_source(attempt, first, trusted)

    def _unsettled(self, attempt: Attempt, mends: Sequence[Mend]) -> Sequence[Mend]:
        """Return the mends without those of values that a later statement makes right, if others do as much."""
        identities, units = self._mender.identities, attempt.answer.units
        right = {
            (u.helper, u.names[0].partition("[")[0]): u.order
            for u in units
            if u.names and not u.hidden
            if isinstance(u.statement, ast.AugAssign) or "[" in u.names[0]
            if identities.of(attempt, u).trust == 3
        }
        kept = []
        for mend in mends:
            unit = mend.unit
            scales = mend.edit is not None and mend.edit.kind in ("sign", "factor")
            if scales and isinstance(getattr(unit.statement, "value", None), ast.Compare):  # a mask has no sign
                continue
            name = unit.names[0].partition("[")[0] if unit.names else ""
            settled = right.get((unit.helper, name), unit.order) > unit.order
            others = (m for m in mends if m.unit.order > right.get((unit.helper, name), unit.order))
            if not settled or not any(m.gain >= mend.gain and m.edit is not None for m in others):
                kept.append(mend)
        return kept

    def _of_claims(self, attempt: Attempt, mends: Sequence[Mend]) -> Sequence[Mend]:
        """Return the mends without other values for what is known, if a change elsewhere does as much.

        Known are gradients, perhaps scaled, and initial zeros and the like.
        """
        known = {mend.unit.number: self._is_plain(mend.unit) for mend in mends}
        known.update({m.unit.number: True for m in mends if self._mender.identities.of(attempt, m.unit).trust > 0})
        return [
            mend
            for mend in mends
            if mend.edit is not None
            or not known[mend.unit.number]
            or not any(m.edit is not None and m.unit is not mend.unit and m.gain >= mend.gain for m in mends)
        ]

    def _is_scale_of_later(self, attempt: Attempt, mend: Mend, doubted: Sequence[Mend]) -> bool:
        """Whether a mend only scales a part of the reference, and later lines explain as much.

        A variable without a claiming name, such as r = y_hat - y, is correct as it is; the factor is missing later. So
        is an error of each sample where the later lines add penalties.
        """
        if mend.edit is None or mend.edit.kind not in ("factor", "missing operand"):
            return False
        identity = self._mender.identities.of(attempt, mend.unit)
        claims = identity.claim is not None or any(is_numbered_gradient(name) for name in mend.unit.names)
        explained = frozenset().union(*(other.gain for other in doubted if other.edit is not None))
        is_own = (not claims and _is_part(identity)) or beside_penalties(mend, doubted) is not mend
        return is_own and mend.gain <= explained

    def _all_directions(self, mends: Sequence[Mend]) -> bool:
        """Whether every update has the wrong direction."""
        turned = [mend.gain for mend in mends if mend.edit is not None and mend.edit.kind == "direction"]
        updated = {final.symbol for final in self._outcomes.finals if final.is_update}
        return bool(turned) and frozenset().union(*turned) >= updated

    def _signed(self, attempt: Attempt, mend: Mend, others: Sequence[Mend]) -> Mend:
        """Return a later line that has the sign, if a mend turns that of a value, such as a count, that claims none."""
        identity = self._mender.identities.of(attempt, mend.unit)
        claims = identity.claim is not None or any(is_numbered_gradient(name) for name in mend.unit.names)
        positive = identity.match is not None and not identity.match.factor.startswith("−")
        if mend.edit is None or mend.edit.kind != "sign" or identity.trust != 1 or (claims and not positive):
            return mend
        identities = {id(other): self._mender.identities.of(attempt, other.unit) for other in others}
        later = [
            other
            for other in others
            if other.edit is not None and other.edit.kind == "sign" and other.gain >= mend.gain
            if other.unit.order > mend.unit.order
            if (positive and _is_turned(identities[id(other)])) or (not claims and not identities[id(other)].trust)
        ]
        return min(later, key=lambda other: (other.unit.order, other.rank), default=mend)

    def _first_sign(self, attempt: Attempt, mend: Mend, trusted: Sequence[Mend]) -> Mend:
        """Return the first line at which the sign is inverted."""
        turned = [
            other
            for other in trusted
            if other.edit is not None and other.edit.kind == "sign" and other.gain == mend.gain
            if not other.unit.hidden and is_negative(self._mender.identities.of(attempt, other.unit))
        ]
        return min([*turned, mend], key=lambda other: (other.unit.order, other.rank))

    def _trust(self, attempt: Attempt, unit: Unit) -> float:
        """Return the trust of a unit, raised for a returned variable, so that its assignment is considered first."""
        trust = self._mender.identities.of(attempt, unit).trust
        return trust + 0.5 if unit.hidden and trust < 2 and not unit.is_head else trust

    def _at_its_source(self, attempt: Attempt, mend: Mend, trusted: Sequence[Mend]) -> Mend:
        """Return the line that assigned a variable, if a mend only wraps it, as with a sum that should be a mean."""
        if mend.edit is None:
            return mend
        if mend.edit.kind == "missing term" and isinstance(mend.edit.subject, ast.Name):
            name = mend.edit.subject.id
            named = [
                m for m in trusted if m.edit is not None and m.edit.kind == "missing term" and name in m.unit.names
            ]
            return min((m for m in named if m.gain == mend.gain), key=lambda other: other.rank, default=mend)
        if not mend.edit.before:
            plain = [m for m in trusted if m.edit is not None and m.edit.kind == mend.edit.kind and not m.edit.name]
            plain = [m for m in plain if m.gain == mend.gain and set(m.unit.names) & _read(mend.unit)]
            scales = mend.edit.kind == "factor" and mend.unit.helper is not None
            return min(plain, key=lambda other: other.rank, default=mend) if scales else mend
        try:
            names = {n.id for n in ast.walk(ast.parse(mend.edit.before)) if isinstance(n, ast.Name)}
        except SyntaxError:
            return mend
        wraps = mend.edit.kind in ("factor", "missing sum")
        earlier = [
            other
            for other in trusted
            if wraps and other.gain == mend.gain and other.edit is not None and names & set(other.unit.names)
            if not other.unit.hidden and _is_part(self._mender.identities.of(attempt, other.unit))
            if not (is_error(other.unit) and is_sum(mend.edit.statement))  # beside a penalty, the mean is taken there
        ]
        return min(earlier, key=lambda other: other.rank, default=mend)

    def _best_of_trusted(self, mends: Sequence[Mend]) -> Mend:
        """Return the last of the statements whose values are known quantities, since it may be incomplete."""
        most = max(len(mend.gain) for mend in mends)
        widest = [mend for mend in mends if len(mend.gain) == most]
        widest = [mend for mend in widest if mend.edit is not None] or widest
        widest = [mend for mend in widest if not mend.unit.hidden] or widest
        unit = max((mend.unit for mend in widest), key=lambda u: u.order)
        return min((mend for mend in widest if mend.unit is unit), key=lambda mend: mend.rank)


def _read(unit: Unit) -> set[str]:
    """Return the variables that a unit reads."""
    nodes = ast.walk(unit.statement)
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _is_turned(identity: Identity) -> bool:
    """Whether a value is a known quantity with the opposite sign, perhaps scaled."""
    return identity.match is not None and identity.match.factor.startswith("−")


def _doubt(trust: float) -> float:
    """Return a sort key for doubted units: those that contradict their names come first."""
    return min(trust, 0.0) if trust == int(trust) else 0.5


def _is_part(identity: Identity) -> bool:
    return identity.match is not None and identity.match.quantity.kind == "part"
