"""The history of a run that is needed to return to the beginning of its best epoch.

Nothing is copied per epoch. A run is determined by its state and its data, so it is enough to keep the state at the
beginning of the call that contains the best epoch and to repeat the steps from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.loop import Array, Position


@dataclass(frozen=True, eq=False)
class Mark:
    """The state and data at the beginning of a call; `order` as in `Session.advance`, or None."""

    state: dict[str, Array]
    position: Position
    data: dict[str, Array]
    order: NDArray[np.int64] | None


@dataclass(frozen=True, eq=False)
class Best:
    """The epoch with the lowest loss so far, and a mark at or before its beginning. The loss is initially infinite."""

    mark: Mark
    epoch: int
    loss: float = np.inf


class Trail:
    """The marks of a session's calls."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.best: Best | None = None
        self._before: Best | None = None
        """The best epoch before the last call."""
        self._last: Mark | None = None
        self._first: Mark | None = None
        """The mark of the call in which the first epoch of the last call began."""

    def begin(self, mark: Mark) -> None:
        """Record the beginning of a call."""
        self._first = self._origin(mark.position) or mark
        self._last = mark
        self._before = self.best
        if self.best is None:
            self.best = Best(self._first, mark.position.epoch)

    def _origin(self, position: Position) -> Mark | None:
        """Return the mark of the earlier call in which the current unfinished epoch began, or None if unknown."""
        last = self._last
        if not position.step or last is None:
            return None
        return last if last.position.epoch < position.epoch or not last.position.step else self._first

    def note(self, losses: NDArray[np.float64]) -> None:
        """Record the losses of the epochs that the last call finished."""
        if losses.size and self._last is not None and self._first is not None and self.best is not None:
            place = int(np.argmin(losses))
            if losses[place] < self.best.loss:
                mark = self._last if place else self._first
                self.best = Best(mark, self._last.position.epoch + place, float(losses[place]))

    def restored(self, state: Mapping[str, Array], position: Position) -> None:
        """Record that the run continues from another state. If that is where the last call began, discard that call."""
        last = self._last
        undone = last is not None and position == last.position and _equal(state, last.state)
        if undone:
            self.best = self._before
        else:
            self._clear()


def _equal(state: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    return all(np.array_equal(state[name], value) for name, value in other.items())
