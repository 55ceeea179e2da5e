"""Whether predicted probabilities are true, and what each threshold on them finds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

BINS: Final = 10
FEWEST: Final = 20
"""The minimum number of rows of a bin."""

POINTS: Final = 101
"""The maximum number of points of a curve."""

_SUM: Final = 1e-3
_CLEAR: Final = 0.01
"""A difference of confidence and accuracy up to this is none."""

_BEYOND: Final = 2.0
"""An error above this many times that of chance is no chance."""

_RARE: Final = 0.05
"""What chance alone gives less often than this is taken for no chance."""

_DRAWS: Final = 1000
_DRAWN_ROWS: Final = 4_000
"""Of up to this many rows, what chance gives is drawn; of more, the normal distribution says it."""

_KNOWN: Final = 0.05
"""An accuracy is known if its interval reaches this far at most."""


@dataclass(frozen=True)
class Bin:
    """Rows with similar probabilities: their mean, and the fraction of rows for which the prediction came true."""

    expected: float
    observed: float
    rows: int


@dataclass(frozen=True)
class Calibration:
    """How predicted probabilities compare to what happened.

    For two classes they are those of the second class, for more those of the predicted class, for which `of` is None.

    Attributes
    ----------
    bins
        Rows in the order of their probabilities, in bins of equal numbers of rows.
    error
        The expected calibration error: the mean |expected − observed| over rows (Naeini, Cooper and Hauskrecht 2015).
    chance
        What `error` would be on average for so many rows if all probabilities were true.
    confidence, accuracy
        The mean probability of the predicted class, and the fraction of rows that are of it.
    deviation
        The standard deviation of the accuracy if all probabilities were true.
    gap_chance, error_chance
        How often an accuracy so far from `confidence`, or so large an `error`, would be seen if they were.

    """

    of: str | None
    bins: tuple[Bin, ...]
    error: float
    chance: float
    confidence: float
    accuracy: float
    deviation: float
    gap_chance: float
    error_chance: float

    @classmethod
    def of_rows(cls, classes: tuple[str, ...], actual: Array, probabilities: Array) -> Calibration | None:
        """Evaluate probabilities (rows, classes) for class numbers (rows,); None if they are no probabilities.

        >>> p = np.array([0.2] * 50 + [0.8] * 50)
        >>> y = np.array([1] * 10 + [0] * 40 + [1] * 30 + [0] * 20)
        >>> found = Calibration.of_rows(("no", "yes"), y, np.column_stack([1 - p, p]))
        >>> [(round(each.expected, 3), each.observed, each.rows) for each in found.bins][::3]
        [(0.2, 0.5, 20), (0.8, 1.0, 20)]
        """
        p = np.asarray(probabilities, float)
        if not len(p) or not _are_probabilities(p):
            return None
        best, right = p.max(axis=1), p.argmax(axis=1) == actual
        two = len(classes) == 2
        chances, happened = (p[:, 1], actual == 1) if two else (best, right)
        order = np.argsort(chances, kind="stable")
        parts = np.array_split(order, min(BINS, max(1, len(p) // FEWEST)))
        bins, error, chance = [], 0.0, 0.0
        for rows in parts:
            inside, share = chances[rows], len(rows) / len(p)
            found = Bin(float(inside.mean()), float(happened[rows].mean()), len(rows))
            bins.append(found)
            error += share * abs(found.expected - found.observed)
            # The mean of |x| for a normal x is its standard deviation times √(2/π).
            chance += share * math.sqrt(2 / math.pi * float((inside * (1 - inside)).sum())) / len(rows)
        deviation = math.sqrt(float((best * (1 - best)).sum())) / len(p)
        of = classes[1] if two else None
        gap = float(best.mean() - right.mean())
        if len(p) <= _DRAWN_ROWS:
            foreseen = p.argmax(axis=1) == 1 if two else np.full(len(p), True)
            gap_chance, error_chance = _drawn(chances, foreseen, parts, abs(gap), error)
        else:
            gap_chance = math.erfc(abs(gap) / (math.sqrt(2) * deviation)) if deviation else float(gap == 0)
            error_chance = float(error <= _BEYOND * chance)
        return cls(
            of,
            tuple(bins),
            error,
            chance,
            float(best.mean()),
            float(right.mean()),
            deviation,
            gap_chance,
            error_chance,
        )

    @property
    def trust(self) -> str:
        """`sure` if the network is surer than it is right, `unsure` if it is less so, and if neither is clear, `true`;
        `uneven` if single bins differ by more than chance explains, and `open` if so few rows do not tell.
        """
        gap = self.confidence - self.accuracy
        if abs(gap) > max(2 * self.deviation, _CLEAR) and self.gap_chance < _RARE:
            return "sure" if gap > 0 else "unsure"
        differs = self.error > max(_BEYOND * self.chance, 2 * _CLEAR) and self.error_chance < _RARE
        if len(self.bins) > 1 and differs:
            return "uneven"
        return "true" if _reach(self.accuracy, sum(each.rows for each in self.bins)) <= _KNOWN else "open"


def _drawn(chances: Array, foreseen: Array, parts: list[Array], gap: float, error: float) -> tuple[float, float]:
    """Return how often events with the probabilities `chances` give so large a gap, and so large an error.

    `foreseen` are the rows in which the event, rather than its absence, is predicted.
    """
    happened = np.random.default_rng(0).random((_DRAWS, len(chances))) < chances
    expected = np.where(foreseen, chances, 1 - chances).mean()
    gaps = np.abs(expected - (happened == foreseen).mean(axis=1))
    errors = np.zeros(_DRAWS)
    for rows in parts:
        errors += len(rows) / len(chances) * np.abs(chances[rows].mean() - happened[:, rows].mean(axis=1))
    return float(np.mean(gaps >= gap - 1e-12)), float(np.mean(errors >= error - 1e-12))


def _reach(share: float, rows: int, quantile: float = 1.96) -> float:
    """Return half the width of the 95 % interval of a share (Wilson 1927), which has a width where all are right."""
    square = quantile**2 / rows
    return quantile * math.sqrt((share * (1 - share) + square / 4) / rows) / (1 + square)


def _are_probabilities(p: Array) -> bool:
    if not np.isfinite(p).all() or p.min() < -_SUM or p.max() > 1 + _SUM:
        return False
    return bool(np.abs(p.sum(axis=1) - 1).max() <= _SUM)


@dataclass(frozen=True)
class Thresholds:
    """What is found of the class `of`, the second of two, at each threshold on its probability; `other` is the first.

    Attributes
    ----------
    roc
        Points (fraction of the other class that is taken for it, fraction of it that is found).
    precision
        Points (fraction of it that is found, fraction of it among the rows taken for it).
    average_precision
        The mean of the precision over what is found, ∑ₖ (Rₖ − Rₖ₋₁) Pₖ.
    share
        The fraction of its rows, which is the precision of a random order.

    """

    of: str
    other: str
    roc: tuple[tuple[float, float], ...]
    precision: tuple[tuple[float, float], ...]
    average_precision: float
    share: float

    @classmethod
    def of_rows(cls, classes: tuple[str, ...], actual: Array, probabilities: Array) -> Thresholds | None:
        """Evaluate probabilities (rows, 2) for class numbers (rows,); None without both of two classes.

        >>> p = np.array([0.1, 0.4, 0.35, 0.8])
        >>> found = Thresholds.of_rows(("no", "yes"), np.array([0, 0, 1, 1]), np.column_stack([1 - p, p]))
        >>> found.roc
        ((0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0))
        >>> round(found.average_precision, 3)
        0.833
        """
        positive = actual == 1
        total, others = int(positive.sum()), int((~positive).sum())
        if len(classes) != 2 or not total or not others or not np.isfinite(probabilities).all():
            return None
        chances = np.asarray(probabilities[:, 1], float)
        order = np.argsort(-chances, kind="stable")
        last = np.flatnonzero(np.append(np.diff(chances[order]) != 0, True))  # of equal probabilities
        found = np.cumsum(positive[order])[last]
        taken = last + 1
        recall, precision, mistaken = found / total, found / taken, (taken - found) / others
        average = float((np.diff(recall, prepend=0.0) * precision).sum())
        return cls(
            classes[1],
            classes[0],
            ((0.0, 0.0), *_thinned(mistaken, recall)),
            _thinned(recall, precision),
            average,
            total / (total + others),
        )


def _thinned(first: Array, second: Array) -> tuple[tuple[float, float], ...]:
    """Return points, at most `POINTS` of them, evenly along the curve."""
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(first)) + np.abs(np.diff(second)))])
    wanted = np.searchsorted(along, np.linspace(0.0, along[-1], POINTS - 1))
    places = np.unique(np.append(wanted, len(first) - 1)) if len(first) > POINTS else np.arange(len(first))
    return tuple(zip(first[places].tolist(), second[places].tolist(), strict=True))
