"""Losses over the epochs of a run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Curve:
    """Numbers, one per epoch; `values` is a view that later numbers do not change."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        self.count = len(values)
        self._held = np.array(values, float)

    def append(self, value: float) -> None:
        if self.count == len(self._held):
            self._held = np.concatenate([self._held, np.empty(max(64, self.count))])
        self._held[self.count] = value
        self.count += 1

    @property
    def values(self) -> NDArray[np.float64]:
        return self._held[: self.count]
