"""Columns that alone predict the target almost perfectly, as one that is known only after it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

ALMOST: Final = 0.99
"""The R² or accuracy from which a prediction is almost perfect; of classes, one row may always be mistaken."""

COMMON: Final = 0.95
"""If one class has more than this fraction of the rows, an accuracy says nothing."""

FEWEST: Final = 100
"""The minimum number of held-out rows; of fewer, all rows are predicted, each by others than its own."""

FEWEST_IN_ALL: Final = 50
FOLDS: Final = 5

BINS: Final = 64
BINS_OF_CLASSES: Final = 512
"""The maximum number of quantiles; of classes there are more, since only the rows next to a threshold are mistaken."""

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
    and of a number by its quantiles, between whose means it is linear. With few rows held out, all are predicted in
    turn, each fifth by the others.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((400, 2))
    >>> alone(X[:300], X[:300, 0] ** 3, X[300:], X[300:, 0] ** 3, {"a": slice(0, 1), "b": slice(1, 2)})
    ('a',)

    """
    if len(y_held) >= FEWEST and len(y) >= FEWEST:
        parts = [(X, y, X_held, y_held)]
    elif len(y) + len(y_held) >= FEWEST_IN_ALL:
        rows, targets = np.concatenate([X, X_held]), np.concatenate([y, y_held])
        fold = np.random.default_rng(0).permutation(len(rows)) % FOLDS
        parts = [(rows[fold != k], targets[fold != k], rows[fold == k], targets[fold == k]) for k in range(FOLDS)]
    else:
        return ()
    actual = np.concatenate([part[3] for part in parts])
    count = 0
    if y.dtype.kind in "iu":
        count = int(max(y.max(initial=0), actual.max())) + 1
        if np.bincount(actual).max() > COMMON * len(actual) or count > MOST_CLASSES:
            return ()
    elif not np.var(actual) > 0:
        return ()
    found = []
    for name, columns in groups.items():
        predictions = [
            _predicted(X[:, columns], np.eye(count)[y] if count else np.asarray(y, float)[:, None], X_held[:, columns])
            for X, y, X_held, _ in parts
        ]
        p = np.concatenate(predictions)
        if count:
            mistakes = int(np.sum(p.argmax(axis=1) != actual))  # next to a threshold there is often one
            almost = mistakes <= max(1.0, (1 - ALMOST) * len(actual))
        else:
            almost = max(_r2(p[:, 0], actual), _r2(_ranks(p[:, 0]), _ranks(actual))) >= ALMOST
        if almost:
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
        bins = BINS if targets.shape[1] == 1 else BINS_OF_CLASSES
        edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[:-1], method="inverted_cdf"))
    places = np.searchsorted(edges, values, side="right") - 1
    counts = np.maximum(np.bincount(places, minlength=len(edges)), 1)
    means = np.stack([np.bincount(places, column, len(edges)) / counts for column in targets.T], axis=1)
    if targets.shape[1] > 1 or len(edges) < BINS // 2:
        return np.asarray(means[np.clip(np.searchsorted(edges, held, side="right") - 1, 0, None)])
    centres = np.bincount(places, values, len(edges)) / counts
    return np.asarray(np.interp(held, centres, means[:, 0])[:, None])
