"""How good predictions are: several scores by name, the first of which decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Scores: TypeAlias = Mapping[str, float]

LARGER_IS_BETTER: Final = frozenset({"accuracy", "balanced accuracy", "auc", "r2", "coverage"})
_SMALLEST: Final = 1e-15


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
    absolute error. With quantiles these are those of the one nearest to the median, and `coverage` is the share of rows
    between the lowest and the highest.

    >>> number_scores(np.array([0.0, 2.0]), np.array([0.0, 1.0]))
    {'r2': 0.5, 'rmse': 0.7071067811865476, 'mae': 0.5}
    """
    columns = predicted if predicted.ndim == 2 else predicted[:, None]
    middle = columns[:, int(np.argmin(np.abs(np.asarray(levels) - 0.5))) if len(levels) > 1 else 0]
    errors = middle - actual
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
