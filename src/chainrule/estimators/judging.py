"""What early stopping watches, as functions of targets, outputs of the network, and weights; larger is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from chainrule.estimators.scores import accuracy, quantile_score, r_squared

Array = NDArray[Any]


@dataclass(frozen=True)
class Accuracy:
    """The share of rows whose classes are right; `kind` is that of `Labels`."""

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
    """The pinball loss that is saved, for several levels."""

    levels: tuple[float, ...]

    def __call__(self, target: Array, output: Array, weights: Array | None) -> float:
        return quantile_score(self.levels, target, output, weights)


@dataclass(frozen=True)
class Scorer:
    """A scorer of scikit-learn's, or a function of (estimator, X, y), on rows whose outputs are known.

    The estimator that it is given predicts these rows only, since its weights change while it trains.
    """

    estimator: Any
    scorer: Callable[..., Any]
    X: Any
    y: Any

    def __call__(self, target: Array, output: Array, weights: Array | None) -> float:
        judged = self.estimator._with_outputs(self.X, output)
        options = {} if weights is None else {"sample_weight": weights}
        return float(self.scorer(judged, self.X, self.y, **options))
