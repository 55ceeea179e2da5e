"""Permutation importance: how much predictions worsen when the values of a column are shuffled among the rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

MOST_ROWS = 2_000
REPEATS = 5
PREDICTED = 1_500_000
PREDICTED_NUMBERS = 400_000_000
"""Approximate limits on the rows, and on the numbers in them, that are predicted in total."""

PARTS = 10
"""The number of parts of the rows, each of which is left out once to estimate the margin."""

T_QUANTILE = 2.262
"""The 97.5 % quantile of Student's t with `PARTS` − 1 degrees of freedom."""

SHUFFLES_QUANTILE = 2.776
"""The same for `REPEATS` shuffles."""

JACKKNIFED = 2
"""The number of shuffles of which the margin is estimated."""

MOST_MARGINS = 200
"""The maximum number of columns for which it is."""


@dataclass(frozen=True)
class Importance:
    """The drop of the score without the column, averaged over several shuffles, and its standard deviation.

    The drop in the score of other rows lies within `margin` of it with a probability of about 95 %; nan if it was not
    estimated.
    """

    name: str
    drop: float
    deviation: float
    margin: float = math.nan


def permutation_importance(
    predict: Callable[[Array], Array],
    score: Callable[[Array, Array], float],
    X: Array,
    y: Array,
    groups: Mapping[str, slice],
    seed: int = 0,
) -> tuple[Importance, ...]:
    """Return the importance of each column of a table, the largest first (Breiman 2001, section 10).

    Parameters
    ----------
    predict
        A function from encoded rows (rows, width) to predictions (rows, ...).
    score
        A function of predictions and targets (rows, ...); larger values are better.
    X, y
        Held-out rows. At most `MOST_ROWS` of them are used; for many columns fewer, with fewer shuffles.
    groups
        The encoded columns of each column of the table, which are shuffled together.
    seed
        The seed for sampling and shuffling rows.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((200, 2))
    >>> def score(p, y):
    ...     return -float(np.mean((p - y) ** 2))
    >>> groups = {"a": slice(1, 2), "b": slice(0, 1)}
    >>> [each.name for each in permutation_importance(lambda X: X[:, 0], score, X, X[:, 0], groups)]
    ['b', 'a']

    """
    random = np.random.default_rng([seed, 1])
    room = min(PREDICTED, PREDICTED_NUMBERS // max(1, X.shape[1])) // max(1, len(groups))
    rows = random.permutation(len(X))[: max(50, min(MOST_ROWS, room))]
    repeats = max(1, min(REPEATS, room // len(rows)))
    X, y = np.array(X[rows]), y[rows]
    parts = [np.flatnonzero(np.arange(len(rows)) % PARTS != part) for part in range(PARTS)]
    jackknife = len(rows) >= PARTS * 2 and len(groups) <= MOST_MARGINS
    p = predict(X)
    whole, wholes = score(p, y), [score(p[part], y[part]) for part in parts] if jackknife else []
    found = []
    for name, columns in groups.items():
        kept = X[:, columns].copy()
        drops, others = [], []
        for repeat in range(repeats):
            X[:, columns] = kept[random.permutation(len(X))]
            p = predict(X)
            drops.append(whole - score(p, y))
            if jackknife and repeat < JACKKNIFED:
                others.append([left - score(p[part], y[part]) for left, part in zip(wholes, parts, strict=True)])
        X[:, columns] = kept
        shuffled = SHUFFLES_QUANTILE * float(np.std(drops)) / math.sqrt(repeats)
        margin = math.hypot(_margin(np.mean(others, axis=0)), shuffled) if others else math.nan
        found.append(Importance(name, float(np.mean(drops)), float(np.std(drops)), margin))
    return tuple(sorted(found, key=lambda each: -each.drop))


def _margin(drops: Array) -> float:
    """Return half the width of a 95 % interval from the drops without each part of the rows.

    It is the jackknife of groups (Efron and Tibshirani 1993, section 11.5).
    """
    deviations = drops - drops.mean()
    return T_QUANTILE * math.sqrt((len(drops) - 1) / len(drops) * float((deviations**2).sum()))
