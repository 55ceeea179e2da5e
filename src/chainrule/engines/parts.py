"""Rows in parts, one for each device: which part has which rows, and in which order a run uses them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.loop import EngineError
from chainrule.engines.shuffle import permutation

_WORD = 2**64 - 1


def part_bounds(rows: int, parts: int) -> list[tuple[int, int]]:
    """Return the first row of each part and the row after its last; sizes differ by at most one.

    >>> part_bounds(10, 4)
    [(0, 2), (2, 5), (5, 7), (7, 10)]
    """
    return [(part * rows // parts, (part + 1) * rows // parts) for part in range(parts)]


def undivided(rows: int, parts: int) -> str | None:
    """Return a sentence about batches of which each part computes all rows, or None if they are divided.

    >>> undivided(32, 4)
    >>> print(undivided(30, 4))
    batches of 30 rows do not divide over 4 devices, and each computes all of them; take a multiple of 4, such as 28
    """
    if rows % parts == 0:
        return None
    return (
        f"batches of {rows} rows do not divide over {parts} devices, and each computes all of them; take a multiple of "
        f"{parts}, such as {max(1, rows // parts) * parts}"
    )


def check_divided(batch_size: int, rows: int, devices: int) -> None:
    """Raise EngineError unless each batch, apart from the last one, has equally many of the `rows` of each device."""
    if batch_size < rows and batch_size % devices:
        raise EngineError(
            f"batches of {batch_size} rows do not divide over {devices} devices that have their own rows; give a "
            f"batch_size that is a multiple of {devices}, such as {-(-batch_size // devices) * devices}"
        )
    if rows < devices:
        raise EngineError(f"{rows} rows are fewer than the {devices} devices; give each process more")


def part_order(seed: int, part: int, epoch: int, rows: int) -> NDArray[np.int64]:
    """Return the order of the rows of one part, numbered from 0; that of part 0 is as of rows that have no parts."""
    return permutation((seed ^ (part << 48)) & _WORD, epoch, rows)


def leftover(rows: int, batch_size: int, parts: int) -> list[int]:
    """Return how many rows of each part are in the last batch, the one with fewer rows than the others."""
    used = rows // batch_size * (batch_size // parts)
    return [stop - start - used for start, stop in part_bounds(rows, parts)]


def joint_order(seed: int, epoch: int, rows: int, batch_size: int, parts: int) -> NDArray[np.int64]:
    """Return the order of all rows: each batch has equally many of each part, the last one what is left.

    >>> joint_order(0, 0, 10, 4, 2)
    array([3, 0, 9, 8, 1, 2, 5, 6, 4, 7])
    """
    share = batch_size // parts
    used = rows // batch_size * share
    bounds = enumerate(part_bounds(rows, parts))
    orders = [start + part_order(seed, part, epoch, stop - start) for part, (start, stop) in bounds]
    full = [order[:used].reshape(-1, share) for order in orders]
    return np.concatenate([np.concatenate(full, axis=1).ravel(), *(order[used:] for order in orders)])
