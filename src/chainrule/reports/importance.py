"""Permutation importance: how much predictions worsen when the values of a column are shuffled among the rows."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Importance:
    """The drop of the score without the column, averaged over several shuffles, and its standard deviation."""

    name: str
    drop: float
    deviation: float


def permutation_importance(
    score: Callable[[Array, Array], float], X: Array, y: Array, groups: Mapping[str, slice], seed: int = 0
) -> tuple[Importance, ...]:
    """Return the importance of each column of a table, the largest first (Breiman 2001, section 10).

    Parameters
    ----------
    score
        A function of encoded rows (rows, width) and targets (rows, ...); larger values are better.
    X, y
        Held-out rows. At most `MOST_ROWS` of them are used; for many columns fewer, with fewer shuffles.
    groups
        The encoded columns of each column of the table, which are shuffled together.
    seed
        The seed for sampling and shuffling rows.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((200, 2))
    >>> def score(X, y):
    ...     return -float(np.mean((X[:, 0] - y) ** 2))
    >>> [each.name for each in permutation_importance(score, X, X[:, 0], {"a": slice(1, 2), "b": slice(0, 1)})]
    ['b', 'a']

    """
    random = np.random.default_rng([seed, 1])
    room = min(PREDICTED, PREDICTED_NUMBERS // max(1, X.shape[1])) // max(1, len(groups))
    rows = random.permutation(len(X))[: max(50, min(MOST_ROWS, room))]
    repeats = max(1, min(REPEATS, room // len(rows)))
    X, y = np.array(X[rows]), y[rows]
    whole = score(X, y)
    found = []
    for name, columns in groups.items():
        kept = X[:, columns].copy()
        drops = []
        for _ in range(repeats):
            X[:, columns] = kept[random.permutation(len(X))]
            drops.append(whole - score(X, y))
        X[:, columns] = kept
        found.append(Importance(name, float(np.mean(drops)), float(np.std(drops))))
    return tuple(sorted(found, key=lambda each: -each.drop))
