"""Scores for early stopping, equal to scikit-learn's metrics but without validation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.scikit import d2_pinball_score

Array = NDArray[Any]


def accuracy(kind: str, target: Array, output: Array, weights: Array | None) -> float:
    """The fraction of rows with correct classes, for probabilities `output` (rows, outputs).

    `kind` is that of `Labels`: for "multiclass" `target` contains class indices, (rows,), or one column per class,
    (rows, outputs), and the most likely class is compared; otherwise it contains zeros and ones, (rows, outputs), all
    of which must match.
    """
    if kind == "multiclass":
        right = output.argmax(axis=1) == (target if target.ndim == 1 else target.argmax(axis=1))
    else:
        right = np.all((output > 0.5) == (target > 0.5), axis=1)
    return float(np.average(right, weights=weights))


def r_squared(target: Array, output: Array, weights: Array | None) -> float:
    """The fraction of the variance of `target` (rows, outputs) that is explained, averaged over the outputs.

    For an output without variance it is 1 for a perfect prediction, else 0.
    """
    with np.errstate(over="ignore"):  # of a diverging network
        residual = np.average((target - output) ** 2, axis=0, weights=weights)
    variance = np.average((target - np.average(target, axis=0, weights=weights)) ** 2, axis=0, weights=weights)
    constant = variance == 0
    shares = np.where(constant, residual == 0, 1 - residual / np.where(constant, 1, variance))
    return float(np.mean(shares))


def quantile_score(levels: Any, target: Array, output: Array, weights: Array | None) -> float:
    """The relative reduction of the pinball loss of constant quantiles by predictions (rows, levels), averaged.

    `target` has the shape (rows, 1).
    """
    shares = [
        d2_pinball_score(target[:, 0], output[:, k], sample_weight=weights, alpha=level)
        for k, level in enumerate(levels)
    ]
    return float(np.mean(shares))
