"""Columns of free text, encoded by what their trigrams predict of the target.

A ridge regression on the hashed counts of trigrams predicts the outcomes of the target; its predictions are the encoded
columns. As with averages of levels, a training row is encoded by the regression on the other folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.tables.arithmetic import Floats
from chainrule.tables.averages import FOLDS, Outcomes
from chainrule.tables.cells import texts
from chainrule.tables.features import Scaling, Text, scaled
from chainrule.tables.fitting import mean_and_scale
from chainrule.tables.trigrams import hashed

if TYPE_CHECKING:
    import polars as pl

COUNTS = 256
FEWEST_ROWS = 100
MOST_ROWS = 20_000
"""The training rows to which a regression is fitted, from the first on."""

PENALTY = 3.0
EXPLAINED = 0.02
"""The share of the variance that must be predicted in rows that were not seen, unless the user asks for the column.

Of 16 real columns, at least 0.1 is predicted from titles, product names and reviews, and less than 0 from names of
people, counties, schools and companies.
"""


@dataclass(frozen=True, eq=False)
class FoldedText:
    """The regressions of a feature without each fold: `weights` (folds, counts, outcomes), `bias` (folds, outcomes)."""

    feature: Text
    weights: Floats
    bias: Floats

    def encoded(self, values: Floats, folds: NDArray[np.int64]) -> Floats:
        """Encode training rows, given as hashed counts and numbers of folds, as (rows, outcomes)."""
        return scaled(self.predicted(values, folds), self.feature.scalings)

    def predicted(self, values: Floats, folds: NDArray[np.int64]) -> Floats:
        """Predict the outcomes (rows, outcomes) of rows from the other folds."""
        result = np.empty((len(values), self.bias.shape[1]))
        for fold in range(FOLDS):
            of_fold = folds == fold
            result[of_fold] = values[of_fold] @ self.weights[fold] + self.bias[fold]
        return result


def fit_text(name: str, series: pl.Series, outcomes: Outcomes, asked: bool) -> FoldedText | None:
    """Fit the encoding of a column of texts to its training rows; None if it says nothing of the target."""
    cells = texts(series.head(MOST_ROWS)).to_list()
    X, y, folds = hashed(cells, COUNTS), outcomes.values[: len(cells)], outcomes.folds[: len(cells)]
    if len(set(folds.tolist())) < FOLDS or (len(cells) < FEWEST_ROWS and not asked):
        return None
    weights, bias = zip(*(_ridge(X[folds != fold], y[folds != fold]) for fold in range(FOLDS)), strict=True)
    scalings = tuple(Scaling(f"predicted {title}".strip()) for title in outcomes.names)
    whole, whole_bias = _ridge(X, y)
    feature = Text(name, tuple(map(tuple, whole.tolist())), tuple(whole_bias.tolist()), scalings)
    found = FoldedText(feature, np.stack(weights), np.stack(bias))
    predicted = found.predicted(X, folds)
    variance = y.var(axis=0)
    shares = 1 - ((y - predicted) ** 2).mean(axis=0)[variance > 0] / variance[variance > 0]
    if shares.max(initial=0) <= EXPLAINED and not asked:
        return None
    fitted = (Scaling(each.name, *mean_and_scale(predicted[:, k])) for k, each in enumerate(scalings))
    return FoldedText(Text(name, feature.weights, feature.bias, tuple(fitted)), found.weights, found.bias)


def _ridge(X: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return weights (counts, outcomes) and bias (outcomes,) of the regularized regression."""
    middle, mean = X.mean(axis=0), y.mean(axis=0)
    rows = X - middle
    weights: Floats = np.linalg.solve(rows.T @ rows + PENALTY * np.eye(X.shape[1]), rows.T @ (y - mean))
    return weights, mean - middle @ weights
