"""Agreement of processes: rows of a few numbers, one of each process, gathered by a collective of XLA."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.processes import ProcessError, Processes
from chainrule.engines.xla.dependency import jax, wide
from chainrule.engines.xla.placement import Placement, read
from chainrule.interrupts import deferred

WIDTH = 8
"""The numbers of a row: how the process is, where it is, and up to six more."""

SENT = 2**22
"""The maximum number of bytes that one process sends to the others at a time."""

GOING, FAILED, ENDED = 0.0, 1.0, 2.0


class Agreement(Processes):
    """The processes to which the devices of a placement belong; all make the same exchanges in the same order.

    Ctrl-C is deferred to the end of an exchange, and to that of several which follow one another without a row: what a
    process that is interrupted tells the others would otherwise meet an exchange of other data.
    A process that fails makes one exchange more, in which the others learn it wherever they are; so does one that ends.
    """

    def __init__(self, placement: Placement, disconnect: Callable[[], object] = lambda: None) -> None:
        self._disconnect = disconnect
        self.count, self.number, self.devices = placement.processes, placement.process, placement.count
        self._placement = placement
        self._gathered = jax.jit(lambda rows: rows, out_shardings=placement.replicated)
        self._told: BaseException | None = None
        self._over = self.count == 1

    def agreed(self, what: str, *numbers: float) -> list[float]:
        return self.rows(what, numbers)[0] if self.count > 1 else list(numbers)

    def each(self, what: str, number: float) -> list[float]:
        return [row[0] for row in self.rows(what, [number])] if self.count > 1 else [number]

    def anywhere(self, what: str, flag: bool) -> bool:
        return any(row[0] for row in self.rows(what, [flag])) if self.count > 1 else flag

    def gathered(self, what: str, data: bytes) -> list[bytes]:
        if self.count == 1:
            return [data]
        with deferred():
            sizes = [int(row[0]) for row in self.rows(what, [len(data)])]
            return [self._given(giver, data if giver == self.number else b"", size) for giver, size in enumerate(sizes)]

    def _given(self, giver: int, data: bytes, size: int) -> bytes:
        """Return the bytes that one process gives to all."""
        # In few different lengths, since each is compiled.
        length = min(SENT, 1 << (size - 1).bit_length()) if size else 0
        pieces = [self._placement.sent(giver, data[k : k + length], length) for k in range(0, size, max(1, length))]
        return b"".join(pieces)[:size]

    def rows(self, what: str, numbers: Sequence[float]) -> list[list[float]]:
        """Return the numbers of every process, in the order of the processes."""
        if self._over:
            raise ProcessError("a process of this run has ended, and the others cannot go on; start all of them again")
        place = float(zlib.crc32(what.encode()))
        rows = self._exchanged(GOING, place, numbers)
        for number, row in enumerate(rows):
            if row[0] == FAILED:
                raise ProcessError(
                    f"process {number} of {self.count} has ended the run by an error or interrupt, which it shows "
                    "itself"
                )
            if row[0] == ENDED:
                self._over = True
                raise ProcessError(f"process {number} of {self.count} has ended, and this run has not; start all again")
        for number, row in enumerate(rows):
            if row[1] != place:
                raise ProcessError(
                    f"process {number} of {self.count} makes another call than process {self.number}, which is at "
                    f"{what!r}; let all of them execute the same program with the same arguments"
                )
        return [row[2 : 2 + len(numbers)] for row in rows]

    @contextmanager
    def together(self) -> Iterator[None]:
        try:
            yield
        except ProcessError:
            raise
        except BaseException as error:
            if error is not self._told and not self._over:
                self._told = error
                self._exchanged(FAILED, 0.0, [])
            raise

    def leave(self) -> None:
        if not self._over:
            self._over = True
            self._exchanged(ENDED, 0.0, [])
        self._disconnect()

    def _exchanged(self, how: float, place: float, numbers: Sequence[float]) -> list[list[float]]:
        row = np.zeros(WIDTH)
        row[: 2 + len(numbers)] = how, place, *numbers
        # As pairs of 32-bit words, since not every device has float64.
        words = row.view(np.uint32)
        with deferred(), wide(), self._placement.calling():
            found: NDArray[np.uint32] = read(self._gathered(self._placement.own(words)))
        gathered: list[list[float]] = found[:: self._placement.devices_here].view(np.float64).tolist()
        return gathered
