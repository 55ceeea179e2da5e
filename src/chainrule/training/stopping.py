"""Early stopping and plateau detection, with scikit-learn's criterion."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Watch:
    """The best value so far and the number of epochs since an improvement by the tolerance.

    `sign` is −1 for a value of which more is better.
    """

    patience: float
    sign: float = 1.0
    tolerance: float = 0.0
    best: float = math.inf
    waiting: int = 0

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
