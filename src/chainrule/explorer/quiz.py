"""What the page asks: the gradients of a derivation, and the points at which answers are compared with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chainrule.derivation import Json, Notator, Record, Valuation, text_of
from chainrule.explorer.lines import Line
from chainrule.explorer.start import starting_values
from chainrule.grading import PRIORITY, batch_size, mistake_sentences
from chainrule.ir import Input
from chainrule.words import ChainruleError

SIZES: Final = (3, 5, 4, 6, 7, 8, 9, 10, 11, 12)
"""Distinct sizes, none of them 1 or 2, so that axes and factors are not confused."""
_POINTS = 2


def mistakes() -> dict[str, Json]:
    """Return the sentences on mistakes in both languages, and the order in which mistakes are looked for."""
    sentences: dict[str, Json] = {key: [english, chinese] for key, (english, chinese) in mistake_sentences().items()}
    return {"priority": list(PRIORITY), "sentences": sentences}


class Arrays:
    """Arrays of numbers, of which equal ones are stored once."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[float, ...], int] = {}

    @property
    def all(self) -> list[Json]:
        """Every array, flat, at its number."""
        return [list(numbers) for numbers in self._numbers]

    def quiz(self, record: Record) -> Json:
        """Return the sizes of a quiz on a derivation, and its points: the number of the array of each input."""
        points = _points(record)
        if not points:
            return None
        batch = batch_size(record.traced, [node.name for node in record.backward.wrt])
        inputs = record.program.inputs
        return {
            "sizes": dict(points[0].sizes),
            "batch": batch,
            "points": [{node.name: self._number(point, node) for node in inputs} for point in points],
        }

    def _number(self, point: Valuation, node: Input) -> int:
        return self._numbers.setdefault(tuple(float(value) for value in point(node).ravel()), len(self._numbers))


def _points(record: Record) -> tuple[Valuation, ...]:
    """Return points of distinct sizes where the function admits them; none if it is finite nowhere."""
    distinct = dict(zip(record.program.dim_names, SIZES, strict=False))
    attempts: tuple[Mapping[str, int] | None, ...] = (distinct, None)
    for sizes in attempts:
        try:
            return tuple(
                starting_values(record, sizes=sizes, seed=seed, spread_out=True) for seed in range(1, _POINTS + 1)
            )
        except (ChainruleError, ValueError, IndexError):
            continue
    return ()


def asked(record: Record, line: Line) -> str:
    """Return the right side of a gradient's line as it is printed, "" for other lines."""
    return text_of(Notator(record).of(line.claim.right)) if line.kind == "gradient" else ""
