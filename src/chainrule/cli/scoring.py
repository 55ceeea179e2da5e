"""The score that ranks the networks of a plan, and its values in the units of the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.learners import Data
from chainrule.networks import CrossEntropy, Gamma, Huber, LogCosh, Loss, Quantile, Squared, Tweedie
from chainrule.reports import MEDIAN, class_scores, number_scores
from chainrule.tables import ClassTarget

Array: TypeAlias = NDArray[Any]

COMMON: Final = 0.65
"""If one class exceeds this fraction of the rows, accuracy is uninformative: predicting it always is hard to beat."""

_SMALLEST: Final = 1e-30


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores of predictions, in the units of the target.

    The first score decides: for numbers R², or the given loss if it is not the squared error; for classes `deciding`.
    """

    data: Data
    loss: Loss

    @property
    def deciding(self) -> str:
        """The deciding score of classes.

        It is balanced accuracy if rows are weighted; if one class is common, log loss, or a ranking score if the loss
        does not give calibrated probabilities.
        """
        counts = self.data.prepared.class_counts
        if self.data.weights is not None:
            return "balanced accuracy"
        if not counts or max(counts.values()) <= COMMON * sum(counts.values()):
            return "accuracy"
        if isinstance(self.loss, CrossEntropy):
            return "log loss"
        return "auc" if len(counts) == 2 else "balanced accuracy"

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantile levels, unless the median alone."""
        if not isinstance(self.loss, Quantile) or self.loss.levels == (MEDIAN,):
            return ()
        return tuple(self.loss.levels)

    def __call__(self, p: Array, y: Array) -> dict[str, float]:
        """Return the scores of outputs `p` (rows, outputs) for targets `y` in the form the loss takes."""
        with np.errstate(all="ignore"):
            scores = self._scores(p, y)
            if isinstance(self.data.target, ClassTarget) and self.deciding in scores:
                scores = {self.deciding: scores[self.deciding], **scores}
            if isinstance(self.loss, Squared | CrossEntropy):
                return scores
            loss = {"loss": self.mean_loss(p, y)}
            return {**scores, **loss} if isinstance(self.data.target, ClassTarget) else {**loss, **scores}

    def _scores(self, p: Array, y: Array) -> dict[str, float]:
        target = self.data.target
        if isinstance(target, ClassTarget):
            return class_scores(self.labels(y), np.asarray(p, float))
        predicted, actual = target.decode(p), target.decode(y[:, 0])
        return number_scores(actual, predicted, self.levels)

    @staticmethod
    def labels(y: Array) -> Array:
        """Return class indices (rows,) from targets, which may be one-hot rows."""
        return y if y.ndim == 1 else y.argmax(axis=1)

    def mean_loss(self, p: Array, y: Array) -> float:
        """Return the loss summed over outputs and averaged over rows, in the units of the target if possible."""
        values = np.asarray(p, float)
        if isinstance(self.data.target, ClassTarget):
            values = np.clip(values, _SMALLEST, 1)
        lost = np.asarray(self.loss.after(values, y if y.dtype.kind == "i" else np.asarray(y, float)))
        return self._unit() * (float(lost.sum() / len(y)) if lost.ndim else float(lost))

    def _unit(self) -> float:
        """The factor of the loss for a target `scale` times as large: losses are homogeneous."""
        if isinstance(self.data.target, ClassTarget) or isinstance(self.loss, Gamma | Huber | LogCosh):
            return 1.0
        scale = self.data.target.scale
        if isinstance(self.loss, Squared):
            return scale**2
        return scale ** (2 - self.loss.power) if isinstance(self.loss, Tweedie) else scale

    @property
    def divisor(self) -> float | None:
        """The divisor of the target in the training loss."""
        target = self.data.target
        if isinstance(target, ClassTarget) or isinstance(self.loss, Gamma) or target.scale == 1:
            return None
        return target.scale
