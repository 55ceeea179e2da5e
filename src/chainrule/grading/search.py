"""Where an answer goes wrong: the statement of which one change makes wrong gradients right and none wrong.

A statement whose value is a true quantity is above suspicion, unless nothing else explains what is wrong at once. Of
mistakes that do not depend on each other the first is found first; it is mended and the rest is looked at again.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from chainrule.grading.answers import Unit
from chainrule.grading.attempts import Attempt
from chainrule.grading.faults import spared
from chainrule.grading.identities import Identity
from chainrule.grading.mending import Mend, Mender
from chainrule.grading.names import is_numbered_gradient

MISTAKES = 6
"""How many mistakes in one answer are looked for."""


class Search:
    """Chooses among the mends of an answer."""

    def __init__(self, mender: Mender) -> None:
        self._mender, self._outcomes = mender, mender.outcomes

    def mistakes(self, attempt: Attempt) -> tuple[list[Mend], Attempt]:
        """The mistakes of an answer in the order in which they are found, and the answer with all of them mended."""
        found: list[Mend] = []
        while len(attempt.right) < len(self._outcomes.finals) and len(found) < MISTAKES:
            best = spared(self._first, None, attempt)
            if best is None:
                break
            found.append(best)
            attempt = best.after
        return found, attempt

    def _first(self, attempt: Attempt) -> Mend | None:
        mends: list[Mend] = []
        for unit in attempt.answer.units:
            if unit.top is not None and (unit.hidden or self._mender.identities.of(attempt, unit).trust < 3):
                mends += spared(self._mender.mends, [], attempt, unit)
        main = self._chosen(attempt, mends)
        wrong = len(self._outcomes.finals) - len(attempt.right)
        if main is not None and len(main.gain) == wrong and main.edit is not None:
            return main
        helpers: list[Mend] = []
        for unit in attempt.answer.units:
            if unit.top is None:
                helpers += spared(self._mender.mends, [], attempt, unit)
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
        if first.edit is not None and first.edit.kind == "sign" and not any(f.is_update for f in self._outcomes.finals):
            return self._first_sign(attempt, first, trusted)
        return self._at_its_source(attempt, first, trusted)

    def _is_scale_of_later(self, attempt: Attempt, mend: Mend, doubted: Sequence[Mend]) -> bool:
        """Whether a mend only scales a part of the reference, and the lines after it explain all that it would.

        What is called nothing in particular, such as r = y_hat - y, is right as it is; the factor is missing later.
        """
        if mend.edit is None or mend.edit.kind not in ("factor", "missing operand"):
            return False
        identity = self._mender.identities.of(attempt, mend.unit)
        claims = identity.claim is not None or any(is_numbered_gradient(name) for name in mend.unit.names)
        explained = frozenset().union(*(other.gain for other in doubted if other.edit is not None))
        return not claims and _is_part(identity) and mend.gain <= explained

    def _all_directions(self, mends: Sequence[Mend]) -> bool:
        """Whether every update goes in the wrong direction."""
        turned = [mend.gain for mend in mends if mend.edit is not None and mend.edit.kind == "direction"]
        updated = {final.symbol for final in self._outcomes.finals if final.is_update}
        return bool(turned) and frozenset().union(*turned) >= updated

    def _first_sign(self, attempt: Attempt, mend: Mend, trusted: Sequence[Mend]) -> Mend:
        """The first line at which the sign is turned."""
        turned = [
            other
            for other in trusted
            if other.edit is not None and other.edit.kind == "sign" and other.gain == mend.gain
            if not other.unit.hidden and _is_negative(self._mender.identities.of(attempt, other.unit))
        ]
        return min([*turned, mend], key=lambda other: (other.unit.order, other.rank))

    def _trust(self, attempt: Attempt, unit: Unit) -> float:
        """What is returned under a name is looked at after the line that gave the name its value."""
        trust = self._mender.identities.of(attempt, unit).trust
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
            if not other.unit.hidden and _is_part(self._mender.identities.of(attempt, other.unit))
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


def _is_negative(identity: Identity) -> bool:
    return identity.match is not None and identity.match.factor == "−"


def _doubt(trust: float) -> float:
    """What the first of several doubted units is looked for by: those called like something else go before."""
    return min(trust, 0.0) if trust == int(trust) else 0.5


def _is_part(identity: Identity) -> bool:
    return identity.match is not None and identity.match.quantity.kind == "part"
