"""Scores of predictions by name; the first of them decides."""

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
"""Differences of scores up to these are insignificant."""

_NEAR_LOSS: Final = 0.01
"""The relative difference of losses up to which it is insignificant."""


def class_scores(actual: Array, probabilities: Array) -> dict[str, float]:
    """Return scores of class probabilities (rows, classes) for the class numbers `actual` (rows,).

    They are `accuracy`; `balanced accuracy`, the mean recall of the classes (Brodersen et al. 2010); `log loss`, the
    mean of −log of the probability of the actual class; and for two classes `auc`, the probability that a row of the
    second class has a larger score than a row of the first (Hanley and McNeil 1982).

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
    """Return the area under the ROC curve from ranks of positives (Mann and Whitney 1947); ties have a mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    many, others = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * others))


def number_scores(actual: Array, predicted: Array, levels: Sequence[float] = ()) -> dict[str, float]:
    """Return scores of `predicted` numbers (rows,) or quantiles (rows, levels) for the numbers `actual` (rows,).

    They are `r2`, the coefficient of determination; `rmse`, the root mean squared error; and `mae`, the mean absolute
    error. For quantiles these are scores of the median, omitted without a median; and `coverage` is the fraction of
    rows between the lowest and the highest quantile.

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
    """Return a number that is larger for better predictions: the first score, negated if smaller ones are better;
    −inf without scores.
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
    """Return the score of that name, negated if smaller is better; −inf if there is none."""
    return decisive({name: scores.get(name, np.nan)})


def ahead(name: str, first: Scores, second: Scores, rows: int) -> int:
    """Return 1 if the first prediction is significantly better by that score, −1 if the second is, otherwise 0.

    `rows` is the number of scored rows: a difference of one row is insignificant.

    >>> ahead("r2", {"r2": 0.082}, {"r2": 0.081}, 1000), ahead("log loss", {"log loss": 0.2}, {"log loss": 0.3}, 1000)
    (0, 1)
    """
    mine, theirs = worth(name, first), worth(name, second)
    near = _NEAR.get(name, _NEAR_LOSS * abs(theirs) if abs(theirs) < np.inf else 0.0)
    if name in _SHARES:
        near = max(near, 1 / max(1, rows))
    return 0 if mine == theirs or abs(mine - theirs) <= near * (1 + 1e-9) else 1 if mine > theirs else -1
