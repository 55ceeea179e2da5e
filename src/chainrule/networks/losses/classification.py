"""Classification losses from logits: cross-entropies, label smoothing and focal losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from chainrule.functions import log_softmax, logsumexp, one_hot, softplus
from chainrule.networks.errors import NetworkError
from chainrule.networks.losses.base import Array, Kind, Loss, Score, refuse_targets
from chainrule.schema import NOT_NEGATIVE, SHARE


class _Classes(Loss):
    """The common part of losses for mutually exclusive classes."""

    output: ClassVar[str] = "softmax"
    kind: ClassVar[Kind] = "labels"
    score: ClassVar[Score] = "accuracy"

    def after(self, p: Any, y: Any) -> Any:
        return self.before(np.log(p), y)

    def check(self, y: Array, outputs: int) -> None:
        if y.ndim == 1 and y.size and not (y.min() >= 0 and y.max() < outputs):
            raise NetworkError(
                f"y has labels from {y.min()} to {y.max()}; a network with {outputs} outputs takes 0 to {outputs - 1}"
            )


@dataclass(frozen=True)
class CrossEntropy(_Classes):
    """Cross-entropy, `−Σ t ln p` over classes, for one-hot labels t smoothed to `(1 − ε) t + ε / classes`.

    Smoothing: Szegedy et al. 2016, section 7.
    """

    smoothing: Annotated[float, SHARE, "the smoothing of cross_entropy"] = 0.0
    name: ClassVar[str] = "cross_entropy"

    def before(self, z: Any, y: Any) -> Any:
        classes = z.shape[-1]
        t = one_hot(y, classes) if np.ndim(y) == 1 else y
        if self.smoothing:
            t = (1 - self.smoothing) * t + self.smoothing / classes
        return -np.sum(t * log_softmax(z), axis=-1)

    def check(self, y: Array, outputs: int) -> None:
        super().check(y, outputs)
        if y.ndim == 2:
            refuse_targets("cross_entropy", y, (y < 0) | (y > 1), "from 0 to 1")


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Binary cross-entropy, `−y ln p − (1 − y) ln(1 − p)` per output, with y smoothed to `(1 − ε) y + ½ ε`."""

    smoothing: Annotated[float, SHARE, "the smoothing of binary_cross_entropy"] = 0.0
    name: ClassVar[str] = "binary_cross_entropy"
    output: ClassVar[str] = "sigmoid"
    kind: ClassVar[Kind] = "shares"
    score: ClassVar[Score] = "accuracy"

    def after(self, p: Any, y: Any) -> Any:
        t = self._smoothed(y)
        return -t * np.log(p) - (1 - t) * np.log1p(-p)

    def before(self, z: Any, y: Any) -> Any:
        return softplus(z) - self._smoothed(y) * z

    def check(self, y: Array, outputs: int) -> None:
        refuse_targets("binary_cross_entropy", y, (y < 0) | (y > 1), "from 0 to 1")

    def _smoothed(self, y: Any) -> Any:
        return (1 - self.smoothing) * y + 0.5 * self.smoothing if self.smoothing else y


@dataclass(frozen=True)
class Focal(_Classes):
    """Focal loss, `−(1 − p_y)^γ ln p_y`, p_y the probability of the true class (Lin et al. 2017, equation 4).

    Computed with the logarithms of p_y and of 1 − p_y from the logits, which makes it smooth for every γ ≥ 0.
    """

    gamma: Annotated[float, NOT_NEGATIVE, "gamma of focal"] = 2.0
    name: ClassVar[str] = "focal"

    def before(self, z: Any, y: Any) -> Any:
        true = one_hot(y, z.shape[-1])
        total = logsumexp(z, axis=-1)
        others = logsumexp(np.where(true > 0, -np.inf, z), axis=-1)
        return np.exp(self.gamma * (others - total)) * (total - np.sum(true * z, axis=-1))


@dataclass(frozen=True)
class BinaryFocal(Loss):
    """`focal` for each output independently, with y 0 or 1."""

    gamma: Annotated[float, NOT_NEGATIVE, "gamma of binary_focal"] = 2.0
    name: ClassVar[str] = "binary_focal"
    output: ClassVar[str] = "sigmoid"
    kind: ClassVar[Kind] = "shares"
    score: ClassVar[Score] = "accuracy"

    def after(self, p: Any, y: Any) -> Any:
        return self.before(np.log(p) - np.log1p(-p), y)

    def before(self, z: Any, y: Any) -> Any:
        towards = (2 * y - 1) * z
        return np.exp(-self.gamma * softplus(towards)) * softplus(-towards)

    def check(self, y: Array, outputs: int) -> None:
        refuse_targets("binary_focal", y, (y != 0) & (y != 1), "that are 0 or 1")
