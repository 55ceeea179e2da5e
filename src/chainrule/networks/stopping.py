"""Early stopping and plateau detection, with scikit-learn's criterion."""

from __future__ import annotations

import math
from dataclasses import dataclass

from chainrule.networks.settings import TrainingSettings
from chainrule.networks.state import TrainingState


@dataclass
class Watch:
    """The best value so far and the number of epochs since an improvement by the tolerance."""

    sign: float
    tolerance: float
    patience: float
    best: float
    waiting: int

    @classmethod
    def of(cls, settings: TrainingSettings, state: TrainingState) -> Watch:
        """Return the watch of a run in its current state."""
        sign = -1.0 if settings.monitor == "validation_score" else 1.0
        patience = math.inf if settings.patience is None else settings.patience
        best = math.inf if state.best is None else sign * state.best
        return cls(sign, settings.tolerance, patience, best, state.waiting)

    def see(self, value: float) -> tuple[bool, bool]:
        """Record a value; return whether it is the best so far, and whether patience is exhausted.

        NaN is neither better nor worse.
        """
        loss = self.sign * value
        self.waiting = self.waiting + 1 if loss > self.best - self.tolerance else 0
        better = loss < self.best
        if better:
            self.best = loss
        return better, self.waiting > self.patience

    @property
    def least(self) -> float:
        """The minimum number of epochs until patience can be exhausted."""
        return self.patience + 1 - self.waiting
