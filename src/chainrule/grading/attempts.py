"""The results of running an answer, or a variant of it, at all points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chainrule.grading.answers import Answer, Unit
from chainrule.grading.comparison import Array, agree, as_arrays
from chainrule.grading.execution import Run, columns


@dataclass(eq=False)
class Attempt:
    """An answer with its runs at all points, and the set of its correct gradients.

    `given` are the candidates that replace corrected statements by their correct values, by name.
    """

    answer: Answer
    runs: list[Run]
    right: frozenset[str]
    given: Mapping[str, int] = field(default_factory=dict)

    @property
    def places(self) -> list[Sequence[Any]]:
        """Return the values of the gradients at each point."""
        return [run.places for run in self.runs]


def same_values(first: Sequence[Run], second: Sequence[Run], unit: Unit) -> bool:
    """Whether a unit has the same values in the runs of two variants of an answer, in every round of a loop.

    What functions within others do to attributes is not compared: the nodes of a graph come in the order of a set.
    """
    if unit.sets_attribute:
        return True
    for one, other in zip(first, second, strict=True):
        rounds = one.rounds.get(unit.number, ()), other.rounds.get(unit.number, ())
        if rounds[0] and len(rounds[0]) == len(rounds[1]):
            x, y = as_arrays(rounds[0]), as_arrays(rounds[1])
            if x is not None and y is not None and not _same(x, y):
                return False
    a, b = columns(first, unit.number), columns(second, unit.number)
    if a is None or b is None:
        return a is None and b is None
    for left, right in zip(a, b, strict=True):
        x, y = as_arrays(left), as_arrays(right)
        if x is None or y is None:
            continue
        if not _same(x, y):
            return False
    return True


def _same(first: Sequence[Array], second: Sequence[Array]) -> bool:
    return all(p.shape == q.shape for p, q in zip(first, second, strict=True)) and agree(first, second)
