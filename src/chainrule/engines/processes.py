"""What the processes that execute one run together have to do alike; of most runs there is one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.words import ChainruleError


class ProcessError(ChainruleError, RuntimeError):
    """Another process of a run that several execute together has ended it."""


class Processes:
    """The processes of a run: here this one alone, which agrees with itself.

    Several have to make the same calls in the same order: whatever a clock, a signal or the rows of one process may
    decide differently passes through `agreed` or `anywhere`.
    """

    count = 1
    number = 0
    devices = 1
    """The number of devices of all of them."""

    @property
    def leads(self) -> bool:
        """Whether this process is the first one, which alone validates, prints and writes files."""
        return self.number == 0

    def agreed(self, what: str, *numbers: float) -> list[float]:
        """Return the numbers of the leader; `what` they are is the same text in all processes.

        Raises ProcessError if a process has ended, or is elsewhere.
        """
        return list(numbers)

    def each(self, what: str, number: float) -> list[float]:
        """Return the number of every process; raises what `agreed` raises."""
        return [number]

    def anywhere(self, what: str, flag: bool) -> bool:
        """Return whether `flag` is true in any process; raises what `agreed` raises."""
        return flag

    def gathered(self, what: str, data: bytes) -> list[bytes]:
        """Return the bytes of every process, which may be of different lengths; raises what `agreed` raises."""
        return [data]

    def total(self, what: str, number: int) -> int:
        """Return the sum of the numbers of all processes; raises what `agreed` raises."""
        return int(sum(self.each(what, number)))

    def pooled(self, what: str, rows: NDArray[Any], most: int) -> NDArray[Any]:
        """Return the rows of all processes, in their order.

        If there are more than `most`, these are the first ones of each, in proportion to what it has. Raises what
        `agreed` raises.
        """
        if self.count == 1:
            return rows[:most]
        total = self.total(what, len(rows))
        given = rows if total <= most else rows[: most * len(rows) // total]
        parts = self.gathered(what, given.tobytes())
        return np.concatenate([np.frombuffer(part, rows.dtype).reshape(-1, *rows.shape[1:]) for part in parts])

    @contextmanager
    def together(self) -> Iterator[None]:
        """In this block, let an exception in one process end the run in all."""
        yield

    def leave(self) -> None:
        """Wait until all processes have done their work; this one cannot train together with others afterwards."""

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


ALONE = Processes()
