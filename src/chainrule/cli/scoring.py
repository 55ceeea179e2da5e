"""What decides how good a network of a plan is, and its scores in the units of the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.cli.learning import Data
from chainrule.networks import CrossEntropy, Gamma, Huber, LogCosh, Loss, Quantile, Squared, Tweedie
from chainrule.reports import MEDIAN, class_scores, number_scores
from chainrule.tables import ClassTarget

Array: TypeAlias = NDArray[Any]

COMMON: Final = 0.65
"""Where one class has a larger share of the rows, accuracy says little: always answering it is hard to beat."""

_SMALLEST: Final = 1e-30


@dataclass(frozen=True, eq=False)
class Scorer:
    """Predictions of a network's kind as scores, in the units of the target.

    The first score decides: of numbers R², or the loss that was asked for, since the squared error does not say how
    well it is served; of classes `deciding`.
    """

    data: Data
    loss: Loss

    @property
    def deciding(self) -> str:
        """The score of classes that decides: where rows were weighted all classes count the same; where one is common,
        probabilities do, or their order if the loss does not make them true.
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
        """The levels of quantiles, if they are not the median alone."""
        if not isinstance(self.loss, Quantile) or self.loss.levels == (MEDIAN,):
            return ()
        return tuple(self.loss.levels)

    def __call__(self, p: Array, y: Array) -> dict[str, float]:
        """Scores of outputs `p` (rows, outputs) for targets `y` as the loss takes them."""
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
        """Class numbers (rows,) from targets, which may be rows of 0 and 1."""
        return y if y.ndim == 1 else y.argmax(axis=1)

    def mean_loss(self, p: Array, y: Array) -> float:
        """The loss summed over outputs and averaged over rows; in the units of the target where it has any."""
        values = np.asarray(p, float)
        if isinstance(self.data.target, ClassTarget):
            values = np.clip(values, _SMALLEST, 1)
        lost = np.asarray(self.loss.after(values, y if y.dtype.kind == "i" else np.asarray(y, float)))
        return self._unit() * (float(lost.sum() / len(y)) if lost.ndim else float(lost))

    def _unit(self) -> float:
        """What the loss is multiplied by where the target is `scale` times as large: losses are homogeneous."""
        if isinstance(self.data.target, ClassTarget) or isinstance(self.loss, Gamma | Huber | LogCosh):
            return 1.0
        scale = self.data.target.scale
        if isinstance(self.loss, Squared):
            return scale**2
        return scale ** (2 - self.loss.power) if isinstance(self.loss, Tweedie) else scale

    @property
    def divisor(self) -> float | None:
        """What the target is divided by in the loss that is trained on."""
        target = self.data.target
        if isinstance(target, ClassTarget) or isinstance(self.loss, Gamma) or target.scale == 1:
            return None
        return target.scale
