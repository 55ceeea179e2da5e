"""Row orders: for tables larger than memory, and of rows of which each process has its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import joint_order, permutation
from chainrule.schema import COUNT, NOT_BELOW_0, keep
from chainrule.training.errors import TrainingError

STREAM = 0x626C6F636B73
"""The second word of the key; separates these draws from other uses of the same seed."""

_WORD = 2**64 - 1


@dataclass(frozen=True)
class BlockOrder:
    """A random order of rows per epoch that reads a file in blocks, for memory-mapped data larger than memory.

    Blocks of `block` rows are read in random order, and the rows of each `window` consecutive blocks are shuffled
    together, so that only one window must fit in memory. The order is a function of the seed and the epoch alone; use
    it as the `order` of a session or of a trainer.

    A full permutation reads every row from a random place: on a virtual disk, an uncached row of 80 bytes took 139 µs,
    and 0.8 µs in blocks. For a table that fits in memory there is no gain.

    Parameters
    ----------
    rows
        The rows of the table.
    seed
        Of the order.
    block, window
        Rows in a block, and blocks that are mixed. The least that should fit in memory is `block · window` rows.

    Raises
    ------
    TrainingError
        For arguments that are not whole numbers in range.

    Examples
    --------
    >>> order = BlockOrder(10, seed=1, block=2, window=2)
    >>> order(0)
    array([6, 2, 3, 7, 1, 4, 5, 0, 9, 8])

    """

    rows: Annotated[int, COUNT, "rows of a BlockOrder"]
    seed: Annotated[int, NOT_BELOW_0] = 0
    block: Annotated[int, COUNT, "block of a BlockOrder"] = 4096
    window: Annotated[int, COUNT, "window of a BlockOrder"] = 64

    def __post_init__(self) -> None:
        keep(self, TrainingError)

    def __call__(self, epoch: int) -> NDArray[np.int64]:
        """Return the numbers of all rows, int64 of shape (rows,), in the order of this epoch."""
        key = np.array([self.seed & _WORD, STREAM], np.uint64)  # a list with a word of at least 2⁶³ would be rounded
        draws = np.random.Philox(key=key, counter=[0, 0, 0, epoch])
        blocks = permutation(self.seed, epoch, -(-self.rows // self.block))
        order = np.empty(self.rows, np.int64)
        filled = 0
        for start in range(0, len(blocks), self.window):
            chosen = blocks[start : start + self.window, None] * self.block + np.arange(self.block)
            numbers = chosen[chosen < self.rows]
            order[filled : filled + len(numbers)] = numbers[_mixed(draws, len(numbers))]
            filled += len(numbers)
        return order


@dataclass(frozen=True)
class OwnRows:
    """Data of which each of several processes has its own rows, for `fit` and `begin_training` with engine="xla".

    Give it as `data`, in every process with the rows of this one: a file of a table in parts, or a slice of a
    memory-mapped array. The parts may be of different lengths, but for one row at least; none is dropped or repeated.
    Before the first step, rows are sent such that every device has equally many. In each epoch a device mixes its own
    rows, and puts an equal share in each batch, so `batch_size` must be a multiple of the number of devices;
    the last batch, of what is left, is computed by all. `DividedOrder` is the resulting order of all rows. In a single
    process these are ordinary data.

    Parameters
    ----------
    data
        The rows of this process, in the form of the `data` of `fit`: in all processes arrays of the same names, with
        rows of the same shapes and dtypes, of which all integers are one. Otherwise `fit` raises ProcessError in all.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> x = np.arange(4.0)
    >>> cr.fit("mean((w * x - y)^2)", {"w": 0.0}, cr.OwnRows({"x": x, "y": 3 * x}), epochs=50).status
    'finished'

    """

    data: Any


@dataclass(frozen=True)
class DividedOrder:
    """The order of all rows in a run on `OwnRows`, by which it can be repeated in one process.

    Rows are numbered through all processes, those of process 0 first. The order is a function of these arguments and
    the epoch alone.

    Parameters
    ----------
    rows
        The number of rows of all processes.
    batch_size
        As in `fit`.
    devices
        The number of devices of all processes; on CPUs, that of the processes.
    seed
        As in `fit`.

    Raises
    ------
    TrainingError
        For arguments that are not whole numbers in range.

    Examples
    --------
    >>> DividedOrder(10, batch_size=4, devices=2)(0)
    array([3, 0, 9, 8, 1, 2, 5, 6, 4, 7])

    """

    rows: Annotated[int, COUNT, "rows of a DividedOrder"]
    batch_size: Annotated[int, COUNT, "batch_size of a DividedOrder"]
    devices: Annotated[int, COUNT, "devices of a DividedOrder"]
    seed: Annotated[int, NOT_BELOW_0] = 0

    def __post_init__(self) -> None:
        keep(self, TrainingError)

    def __call__(self, epoch: int) -> NDArray[np.int64]:
        """Return the numbers of all rows, int64 of shape (rows,), in the order of this epoch."""
        return joint_order(self.seed, epoch, self.rows, self.batch_size, self.devices)


def _mixed(draws: np.random.Philox, count: int) -> NDArray[np.uint64]:
    """Return a random permutation of `count` items, by sorting random words that hold a place in their lowest bits."""
    mask = np.uint64((1 << (count - 1).bit_length()) - 1)
    words = draws.random_raw(count) & ~mask | np.arange(count, dtype=np.uint64)
    words.sort()
    places: NDArray[np.uint64] = words & mask
    return places
