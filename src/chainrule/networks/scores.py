"""Scores of predictions; larger is better."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


def r2_score(y: Array, p: Array, weights: Array | None = None) -> float:
    """R², averaged over outputs: 1 − squared error / variance; `y` and `p` of shape (rows, outputs).

    For a constant target it is 1 for a perfect prediction, else 0.

    >>> print(r2_score(np.array([[0.0], [2.0]]), np.array([[0.0], [1.0]])))
    0.5
    """
    y, p = np.asarray(y, float), np.asarray(p, float)
    errors = np.average((y - p) ** 2, axis=0, weights=weights)
    spreads = np.average((y - np.average(y, axis=0, weights=weights)) ** 2, axis=0, weights=weights)
    constant = spreads == 0
    ratios = errors / np.where(constant, 1.0, spreads)
    return float(np.mean(np.where(constant, np.where(errors == 0, 1.0, 0.0), 1 - ratios)))


def class_accuracy(y: Array, p: Array, weights: Array | None = None) -> float:
    """The weighted fraction of rows whose class has the largest `p`; y are labels (rows,), or proportions of classes.

    >>> print(class_accuracy(np.array([0, 1]), np.array([[0.7, 0.3], [0.6, 0.4]])))
    0.5
    """
    labels = np.argmax(y, axis=1) if np.ndim(y) == 2 else y
    return float(np.average(np.argmax(p, axis=1) == labels, weights=weights))


def share_accuracy(y: Array, p: Array, weights: Array | None = None) -> float:
    """The weighted fraction of rows in which every output is on its target's side of one half.

    >>> print(share_accuracy(np.array([[0], [1]]), np.array([[0.7], [0.6]])))
    0.5
    """
    right = np.all((np.asarray(p) > 0.5) == (np.asarray(y) > 0.5), axis=1)
    return float(np.average(right, weights=weights))
