"""The way that a run has come, as far as is needed to go back to where the epoch of the least loss began.

Nothing is copied in each epoch. A run is determined by its state and its data, so that the beginning of the call in
which an epoch began is enough: from there the same steps lead to it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.loop import Array, Position


@dataclass(frozen=True, eq=False)
class Mark:
    """Where a call began, and all that its steps follow from; `order` as in `Session.advance`, or None."""

    state: dict[str, Array]
    position: Position
    data: dict[str, Array]
    order: NDArray[np.int64] | None


@dataclass(frozen=True, eq=False)
class Best:
    """The epoch of the least loss so far, and a mark at or before its beginning; the loss is infinite before one."""

    mark: Mark
    epoch: int
    loss: float = np.inf


class Trail:
    """What is remembered of the calls of a session."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.best: Best | None = None
        self._before: Best | None = None
        """The best before the last call."""
        self._last: Mark | None = None
        self._first: Mark | None = None
        """Of the last call: the mark of the call in which its first epoch began."""

    def begin(self, mark: Mark) -> None:
        """A call begins."""
        self._first = self._origin(mark.position) or mark
        self._last = mark
        self._before = self.best
        if self.best is None:
            self.best = Best(self._first, mark.position.epoch)

    def _origin(self, position: Position) -> Mark | None:
        """The mark of the earlier call in which the epoch began that is unfinished here; None where none is known."""
        last = self._last
        if not position.step or last is None:
            return None
        return last if last.position.epoch < position.epoch or not last.position.step else self._first

    def note(self, losses: NDArray[np.float64]) -> None:
        """The last call has finished epochs with these losses."""
        if losses.size and self._last is not None and self._first is not None and self.best is not None:
            place = int(np.argmin(losses))
            if losses[place] < self.best.loss:
                mark = self._last if place else self._first
                self.best = Best(mark, self._last.position.epoch + place, float(losses[place]))

    def restored(self, state: Mapping[str, Array], position: Position) -> None:
        """The run goes on from elsewhere; what a call did is forgotten where that is the place at which it began."""
        last = self._last
        undone = last is not None and position == last.position and _equal(state, last.state)
        if undone:
            self.best = self._before
        else:
            self._clear()


def _equal(state: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    return all(np.array_equal(state[name], value) for name, value in other.items())
