"""How good predictions are: several scores by name, the first of which decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Scores: TypeAlias = Mapping[str, float]

LARGER_IS_BETTER: Final = frozenset({"accuracy", "balanced accuracy", "auc", "r2", "coverage"})
MEDIAN: Final = 0.5
SCORES: Final = LARGER_IS_BETTER | {"log loss", "rmse", "mae", "loss"}
_SMALLEST: Final = 1e-15

_SHARES: Final = frozenset({"accuracy", "balanced accuracy", "coverage"})
_NEAR: Final = {"accuracy": 0.005, "balanced accuracy": 0.005, "coverage": 0.005, "auc": 0.005, "r2": 0.01}
"""Scores that differ by no more than this are about the same."""

_NEAR_LOSS: Final = 0.01
"""Losses that differ by no more than this part of them are about the same."""


def class_scores(actual: Array, probabilities: Array) -> dict[str, float]:
    """Scores of class probabilities (rows, classes) for the class numbers `actual` (rows,).

    `accuracy`; `balanced accuracy`, the mean over classes of the share of its rows that are found (Brodersen et al.
    2010); `log loss`, −log of the probability of the actual class, averaged; and for two classes `auc`, the chance that
    a row of the second has a larger probability of it than a row of the first (Hanley and McNeil 1982).

    >>> found = class_scores(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]))
    >>> {name: round(score, 3) for name, score in found.items()}
    {'accuracy': 0.667, 'balanced accuracy': 0.75, 'log loss': 0.415, 'auc': 1.0}
    """
    classes = probabilities.shape[1]
    right = probabilities.argmax(axis=1) == actual
    counts = np.bincount(actual, minlength=classes)
    found = np.bincount(actual, weights=right, minlength=classes)
    seen = counts > 0
    chances = probabilities[np.arange(len(actual)), actual]
    scores = {
        "accuracy": float(right.mean()),
        "balanced accuracy": float((found[seen] / counts[seen]).mean()),
        "log loss": float(-np.log(np.clip(chances, _SMALLEST, 1)).mean()),
    }
    if classes == 2 and seen.all():
        scores["auc"] = _area(probabilities[:, 1], actual == 1)
    return scores


def _area(values: Array, positive: NDArray[np.bool_]) -> float:
    """The area under the curve from the ranks of the positives (Mann and Whitney 1947), ties with their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    many, others = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * others))


def number_scores(actual: Array, predicted: Array, levels: Sequence[float] = ()) -> dict[str, float]:
    """Scores of `predicted` numbers (rows,) or quantiles (rows, levels) for the numbers `actual` (rows,).

    `r2`, 1 − the squared error over that of the mean; `rmse`, the root of the mean squared error; `mae`, the mean
    absolute error. With quantiles these are those of the median, left out where it is none of them; and `coverage` is
    the share of rows between the lowest and the highest.

    >>> number_scores(np.array([0.0, 2.0]), np.array([0.0, 1.0]))
    {'r2': 0.5, 'rmse': 0.7071067811865476, 'mae': 0.5}
    """
    columns = predicted if predicted.ndim == 2 else predicted[:, None]
    scores: dict[str, float] = {}
    if not levels or MEDIAN in levels:
        errors = columns[:, list(levels).index(MEDIAN) if levels else 0] - actual
        with np.errstate(over="ignore"):
            squares, variance = float(np.mean(errors**2)), float(actual.var())
        r2 = 1 - squares / variance if variance else -np.inf if squares else 1.0
        scores = {"r2": r2, "rmse": squares**0.5, "mae": float(np.abs(errors).mean())}
    if len(levels) > 1:
        inside = (columns.min(axis=1) <= actual) & (actual <= columns.max(axis=1))
        scores["coverage"] = float(inside.mean())
    return scores


def decisive(scores: Scores) -> float:
    """A number that says which of two predictions is better, larger where it is: the first score, its sign turned if
    smaller ones are better; −inf for none.
    """
    for name, value in scores.items():
        if value != value:
            return -np.inf
        return value if name in LARGER_IS_BETTER else -value
    return -np.inf


def better(first: Scores, second: Scores) -> bool:
    """Whether the first prediction is better than the second."""
    return decisive(first) > decisive(second)


def worth(name: str, scores: Scores) -> float:
    """The score of that name, larger where it is better; −inf where there is none."""
    return decisive({name: scores.get(name, np.nan)})


def ahead(name: str, first: Scores, second: Scores, rows: int) -> int:
    """1 if the first prediction has clearly the better score of that name, −1 if the second, 0 if they are about equal.

    `rows` is on how many rows they were scored: one row more or less is no difference.

    >>> ahead("r2", {"r2": 0.082}, {"r2": 0.081}, 1000), ahead("log loss", {"log loss": 0.2}, {"log loss": 0.3}, 1000)
    (0, 1)
    """
    mine, theirs = worth(name, first), worth(name, second)
    near = _NEAR.get(name, _NEAR_LOSS * abs(theirs) if abs(theirs) < np.inf else 0.0)
    if name in _SHARES:
        near = max(near, 1 / max(1, rows))
    return 0 if mine == theirs or abs(mine - theirs) <= near * (1 + 1e-9) else 1 if mine > theirs else -1
