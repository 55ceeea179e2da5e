"""Rows that are held out, of all processes that have rows of their own: numbered through, chosen from, and taken."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import Processes
from chainrule.tables import ClassTarget, Prepared

Array: TypeAlias = NDArray[Any]


class HeldOut:
    """The rows that are held out, with numbers from 0 in the order of the processes.

    Every process makes the same calls, and gets the same rows, which do not depend on how they are divided.

    >>> from types import SimpleNamespace
    >>> from chainrule.engines import ALONE
    >>> held = HeldOut(SimpleNamespace(y_held=np.array([1.0, 2.0, 3.0])), ALONE)
    >>> held.taken("targets", np.array([5.0, 6.0, 7.0]), np.array([2, 0]))
    array([7., 5.])
    """

    def __init__(self, prepared: Prepared, processes: Processes) -> None:
        self._prepared, self._processes = prepared, processes
        own = prepared.y_held
        each = processes.gathered("the targets of rows that are held out", own.tobytes())
        self._y = own if processes.count == 1 else np.frombuffer(b"".join(each), own.dtype)
        self._first = sum(len(part) for part in each[: processes.number]) // own.itemsize
        self._own = len(own)

    def numbers(self) -> NDArray[np.int64]:
        """Return the numbers of all of them."""
        return np.arange(len(self._y))

    def stratified(self, share: float, seed: int) -> NDArray[np.int64]:
        """Return the numbers of a random fraction, of each class if there are classes."""
        random = np.random.default_rng([seed, 2])
        classes = isinstance(self._prepared.target, ClassTarget)
        groups = [np.flatnonzero(self._y == k) for k in np.unique(self._y)] if classes else [self.numbers()]
        chosen = [random.permutation(group)[: int(share * len(group) + random.random())] for group in groups]
        return random.permutation(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)

    def here(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the chosen rows that this process has, in its own numbers."""
        own = chosen[(chosen >= self._first) & (chosen < self._first + self._own)]
        return own - self._first

    def taken(self, what: str, rows: Array, chosen: NDArray[np.int64]) -> Array:
        """Return the chosen rows of all processes, in the order in which they are chosen; `rows` are the own ones."""
        if self._processes.count == 1:
            return rows[chosen]
        order = np.argsort(chosen)
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        return self._processes.pooled(what, rows[self.here(chosen[order])], len(chosen))[places]
