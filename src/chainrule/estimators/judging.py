"""Scores for early stopping, as functions of targets, network outputs and weights; larger is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from chainrule.estimators.scores import accuracy, quantile_score, r_squared

Array = NDArray[Any]


@dataclass(frozen=True)
class Accuracy:
    """The fraction of rows with correct classes; `kind` is that of `Labels`."""

    kind: str

    def __call__(self, target: Array, output: Array, weights: Array | None) -> float:
        return accuracy(self.kind, target, output, weights)


@dataclass(frozen=True)
class Variance:
    """R²."""

    def __call__(self, target: Array, output: Array, weights: Array | None) -> float:
        return r_squared(target, output, weights)


@dataclass(frozen=True)
class Quantiles:
    """The relative reduction of the pinball loss, for several levels."""

    levels: tuple[float, ...]

    def __call__(self, target: Array, output: Array, weights: Array | None) -> float:
        return quantile_score(self.levels, target, output, weights)


@dataclass(frozen=True)
class Scorer:
    """A scorer of scikit-learn, or a function of (estimator, X, y), on rows with known outputs.

    The estimator passed to it predicts only these rows, since its weights change during training.
    """

    estimator: Any
    scorer: Callable[..., Any]
    X: Any
    y: Any

    def __call__(self, target: Array, output: Array, weights: Array | None) -> float:
        judged = self.estimator._with_outputs(self.X, output)
        options = {} if weights is None else {"sample_weight": weights}
        return float(self.scorer(judged, self.X, self.y, **options))
