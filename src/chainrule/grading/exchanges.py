"""Two gradients that are exchanged: each line computes what the other's name says."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from chainrule.grading.answers import Unit
from chainrule.grading.attempts import Attempt
from chainrule.grading.comparison import Array, agree, same_shapes
from chainrule.grading.finals import Final
from chainrule.grading.names import gradient_of
from chainrule.grading.outcomes import Outcomes
from chainrule.grading.truth import Truth


def exchanged(
    wrong: Sequence[Final], setting: Mapping[str, Unit], attempt: Attempt, outcomes: Outcomes, truth: Truth
) -> list[tuple[Final, Final]]:
    """Return the wrong gradients in pairs of exchanged ones, each before the one that is computed later; else none.

    `setting` are the units that compute them. A line whose name claims what its value is has not been exchanged.
    """
    values = {final.symbol: outcomes.gradients(final, attempt.places, truth) for final in wrong}
    pairs = []
    for pair in itertools.combinations(wrong, 2):
        first, second = sorted(pair, key=lambda final: setting[final.symbol].order)
        units = setting[first.symbol], setting[second.symbol]
        crosswise = all(
            _is_gradient(values[one.symbol], other, outcomes, truth)
            for one, other in ((first, second), (second, first))
        )
        claims = all(
            len(unit.names) == 1
            and not unit.nested
            and gradient_of(unit.names[0], [one.symbol, other.symbol]) != other.symbol
            for unit, one, other in zip(units, (first, second), (second, first), strict=True)
        )
        if crosswise and claims and units[0].number != units[1].number:
            pairs.append((first, second))
    used = [final.symbol for pair in pairs for final in pair]
    return pairs if sorted(used) == sorted(final.symbol for final in wrong) else []


def _is_gradient(values: Sequence[Array] | None, of: Final, outcomes: Outcomes, truth: Truth) -> bool:
    true = outcomes.true(of, truth).values
    return values is not None and same_shapes(values, true) and agree(values, true)
