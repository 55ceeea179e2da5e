"""Columns that alone predict the target almost perfectly, as one that is known only after it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

ALMOST: Final = 0.99
"""The R² or accuracy from which a prediction is almost perfect."""

COMMON: Final = 0.95
"""If one class has more than this fraction of the rows, an accuracy says nothing."""

FEWEST: Final = 30
"""The minimum number of held-out rows."""

BINS: Final = 64
MOST_CLASSES: Final = 50


def alone(X: Array, y: Array, X_held: Array, y_held: Array, groups: Mapping[str, slice]) -> tuple[str, ...]:
    """Return the columns of a table from each of which alone `y_held` is predicted almost perfectly.

    Parameters
    ----------
    X, X_held
        Encoded rows (rows, width) to learn from and to predict.
    y, y_held
        Their targets (rows,), whole numbers for classes.
    groups
        The encoded columns of each column of the table.

    The prediction is the mean, or the most frequent class, of the rows with a similar value: by levels of a category,
    and of a number by its quantiles, between whose means it is linear.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((400, 2))
    >>> alone(X[:300], X[:300, 0] ** 3, X[300:], X[300:, 0] ** 3, {"a": slice(0, 1), "b": slice(1, 2)})
    ('a',)

    """
    if len(y_held) < FEWEST or len(y) < FEWEST:
        return ()
    if y.dtype.kind in "iu":
        counts = np.bincount(y_held)
        if counts.max() > COMMON * len(y_held) or max(y.max(), y_held.max()) >= MOST_CLASSES:
            return ()
        targets = np.eye(int(max(y.max(), y_held.max())) + 1)[y]
    else:
        targets = np.asarray(y, float)[:, None]
        if not np.var(y_held) > 0:
            return ()
    found = []
    for name, columns in groups.items():
        p = _predicted(X[:, columns], targets, X_held[:, columns])
        if y.dtype.kind in "iu":
            score = float(np.mean(p.argmax(axis=1) == y_held))
        else:
            score = max(_r2(p[:, 0], y_held), _r2(_ranks(p[:, 0]), _ranks(y_held)))
        if score >= ALMOST:
            found.append(name)
    return tuple(found)


def _r2(p: Array, y: Array) -> float:
    return 1 - float(np.mean((p - y) ** 2) / np.var(y))


def _ranks(values: Array) -> Array:
    """Return the ranks of values, which their extremes do not spoil; those of equal values are the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[places])


def _predicted(X: Array, targets: Array, X_held: Array) -> Array:
    """Return the prediction (held rows, targets) of each held-out row."""
    first = X[:, 0]
    if len(np.unique(first)) <= 2:  # a category, or a truth value
        weights = np.arange(1, X.shape[1] + 1)
        values, held = X @ weights, X_held @ weights
        edges = np.unique(values)
    else:
        values, held = first, X_held[:, 0]
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[:-1]))
    places = np.searchsorted(edges, values, side="right") - 1
    counts = np.maximum(np.bincount(places, minlength=len(edges)), 1)
    means = np.stack([np.bincount(places, column, len(edges)) / counts for column in targets.T], axis=1)
    if targets.shape[1] > 1 or len(edges) < BINS // 2:
        return np.asarray(means[np.clip(np.searchsorted(edges, held, side="right") - 1, 0, None)])
    centres = np.bincount(places, values, len(edges)) / counts
    return np.asarray(np.interp(held, centres, means[:, 0])[:, None])
