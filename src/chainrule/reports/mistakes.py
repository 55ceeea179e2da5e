"""Analysis of errors: confusion of classes, and the distribution of residuals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

PERCENTS: Final = (0, 5, 25, 50, 75, 95, 100)
POINTS: Final = 400
"""The number of rows that are shown as points."""


@dataclass(frozen=True)
class Confusion:
    """The numbers of rows of each actual class (first axis) that were predicted as each class (second axis)."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, classes: tuple[str, ...], actual: Array, predicted: Array) -> Confusion:
        """Count class numbers (rows,)."""
        size = len(classes)
        counts = np.bincount(actual * size + predicted, minlength=size * size).reshape(size, size)
        return cls(classes, tuple(tuple(row) for row in counts.tolist()))

    @property
    def recalls(self) -> tuple[float, ...]:
        """Return the recall of each class; nan for a class without rows."""
        return tuple(row[k] / sum(row) if sum(row) else float("nan") for k, row in enumerate(self.counts))

    def worst(self, most: int = 3) -> list[tuple[str, str, int]]:
        """Return the most frequent mistakes: the actual class, the predicted class, and the count.

        >>> Confusion(("cat", "dog"), ((8, 1), (3, 5))).worst()
        [('dog', 'cat', 3), ('cat', 'dog', 1)]
        """
        wrong = [
            (count, self.classes[i], self.classes[j])
            for i, row in enumerate(self.counts)
            for j, count in enumerate(row)
            if i != j and count
        ]
        return [(actual, taken, count) for count, actual, taken in sorted(wrong, key=lambda each: -each[0])[:most]]


@dataclass(frozen=True)
class Level:
    """The evaluation of a predicted quantile: pinball loss, that of the best constant, the fraction of rows below."""

    level: float
    loss: float
    constant: float
    below: float

    @classmethod
    def of(cls, level: float, actual: Array, predicted: Array, constant: float) -> Level:
        """Evaluate numbers (rows,).

        >>> Level.of(0.5, np.array([1.0, 2.0]), np.array([2.0, 2.0]), 1.5)
        Level(level=0.5, loss=0.25, constant=0.25, below=0.5)
        """
        return cls(
            level,
            _pinball(level, actual - predicted),
            _pinball(level, actual - constant),
            float((actual < predicted).mean()),
        )


def _pinball(level: float, errors: Array) -> float:
    return float(np.maximum(level * errors, (level - 1) * errors).mean())


@dataclass(frozen=True)
class Residuals:
    """Predictions minus actual values: their quantiles, and some rows as (actual, predicted)."""

    quantiles: tuple[tuple[int, float], ...]
    mean: float
    points: tuple[tuple[float, float], ...]
    counts: tuple[int, ...]
    edges: tuple[float, ...]
    """The edges of a histogram, whose counts lie between adjacent edges."""

    @classmethod
    def of(cls, actual: Array, predicted: Array) -> Residuals:
        """Evaluate numbers (rows,); the points are evenly spaced rows."""
        errors = predicted - actual
        rows = np.linspace(0, len(errors) - 1, min(POINTS, len(errors))).astype(int)
        low, high = np.percentile(errors, [0.5, 99.5])
        if low == high:
            low, high = low - 0.5, high + 0.5
        bins = int(np.clip(np.sqrt(len(errors)), 5, 31))
        counts, edges = np.histogram(np.clip(errors, low, high), bins=bins, range=(low, high))
        return cls(
            tuple(zip(PERCENTS, np.percentile(errors, PERCENTS).tolist(), strict=True)),
            float(errors.mean()),
            tuple(zip(actual[rows].tolist(), predicted[rows].tolist(), strict=True)),
            tuple(counts.tolist()),
            tuple(edges.tolist()),
        )
