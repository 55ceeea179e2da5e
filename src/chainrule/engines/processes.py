"""What the processes that execute one run together have to do alike; of most runs there is one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
