"""Runs in which each process has its own rows: every device gets equally many, and puts its share in each batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.divergence import first_non_finite
from chainrule.engines.loop import Array, EngineError, Loop, Outcome, Position, Run
from chainrule.engines.parts import leftover, part_bounds, part_order
from chainrule.engines.xla.agreement import SENT, Agreement
from chainrule.engines.xla.dependency import jax, jnp, lax, wide
from chainrule.engines.xla.loop import MOST_STEPS, Arrays, Progress
from chainrule.engines.xla.placement import ROWS, Placement, read
from chainrule.engines.xla.session import ORDERED, Ahead, XlaSession
from chainrule.interrupts import deferred


def own_batch(loop: Loop, placement: Placement) -> Callable[[Arrays, Any, Any, int], Sequence[Any]]:
    """Return a function that gives the rows of a batch of `size` rows, the first of which has a number in its epoch."""
    parts, count = part_bounds(loop.row_count, placement.count), placement.count

    def counts(size: int) -> list[int]:
        """Return how many rows each device puts in."""
        if size < loop.batch_size:
            return leftover(loop.row_count, loop.batch_size, count)
        return [size // count] * count if size % count == 0 else [stop - start for start, stop in parts]

    def chosen_here(rows: Any, order: Any) -> Any:
        return jnp.take(rows, order[0], axis=0, mode="clip")

    divided = jax.sharding.PartitionSpec(ROWS)
    local = jax.shard_map(chosen_here, mesh=placement.mesh, in_specs=(divided, divided), out_specs=divided)

    def batch(arrays: Arrays, epoch: Any, start: Any, size: int) -> Sequence[Any]:
        shares = counts(size)
        most = max(shares)
        order = lax.dynamic_slice(arrays.order, (epoch, 0, start // count), (1, count, most))[0]
        rows = [local(each, order) for each in arrays.rows]
        if min(shares) == most:
            return rows
        # Some devices have one row less; that in its place is not of the batch.
        kept = np.concatenate([part * most + np.arange(share) for part, share in enumerate(shares)])
        return [lax.with_sharding_constraint(each, placement.replicated)[kept] for each in rows]

    return batch


class OwnRowsSession(XlaSession):
    """A session on rows of which each process has a part."""

    def __init__(
        self,
        execute: Callable[[tuple[Any, ...], Arrays, Any, Any], Progress],
        run: Run,
        placement: Placement,
        processes: Agreement,
    ) -> None:
        super().__init__(execute, run, placement, processes)
        self._batch = jax.jit(own_batch(run.loop, placement), static_argnums=3, out_shardings=placement.replicated)

    def _placed_rows(self) -> tuple[Any, ...]:
        loop, placement = self.loop, self._placement
        assert self._parts is not None
        own = {name: self._data[name] for name in loop.rows}
        with deferred():
            self._agreement.agreed("the exchange of rows")  # one that has been interrupted before tells it here
            balanced = exchanged(own, self._parts, loop.row_count, placement)
        bounds = placement.here(part_bounds(loop.row_count, placement.count))
        most, first = -(-loop.row_count // placement.count), bounds[0][0]
        places = np.concatenate([np.minimum(np.arange(low, low + most), high - 1) for low, high in bounds]) - first
        return tuple(placement.put(placement.divided, balanced[name][places]) for name in loop.rows)

    def _ahead(self, end: int, begun: int, order: NDArray[np.int64] | None) -> Ahead:
        if order is not None:
            raise EngineError("an order is for rows that all processes have; leave it out, or give all rows to all")
        loop, placement, epoch = self.loop, self._placement, self._position.epoch
        all_bounds = part_bounds(loop.row_count, placement.count)
        most = -(-loop.row_count // placement.count)
        span = max(1, min(ORDERED // loop.row_count, MOST_STEPS // loop.steps_per_epoch)) if loop.shuffles else 1
        count = min(span, end - epoch, 2 + self._length // loop.steps_per_epoch) if loop.shuffles else end - epoch
        orders = np.zeros((span, placement.devices_here, most), np.int32)
        for place, (part, (low, high)) in enumerate(placement.here(list(enumerate(all_bounds)))):
            for ahead in range(min(span, count)):
                rows = high - low
                drawn = part_order(self.seed, part, epoch + ahead, rows) if loop.shuffles else np.arange(rows)
                orders[ahead, place, :rows] = drawn
        with wide():
            placed = placement.put(placement.second_divided, orders)
        return Ahead(epoch, count, Arrays(self._rows, self._constants, placed))

    def _diverged(self, start: Position, losses: NDArray[np.float64], order: NDArray[np.int64] | None) -> Outcome:
        epoch, step, _ = self._position
        place = step * self.loop.batch_sizes[0]
        size = min(self.loop.batch_sizes[0], self.loop.row_count - place)
        arrays = self._ahead(epoch + 1, epoch, None).arrays
        with wide(), self._placement.calling():
            batch = [read(each) for each in self._batch(arrays, 0, place, size)]
        inputs = {**self._read(), **self._data, **dict(zip(self.loop.rows, batch, strict=True))}
        return self._outcome("diverged", start, losses, first_non_finite(self.loop.steps[size], inputs))


def exchanged(own: dict[str, Array], parts: Sequence[int], rows: int, placement: Placement) -> dict[str, Array]:
    """Return the rows that the devices of this process are to have; those that others have are sent by them."""
    ends = np.cumsum(parts).tolist()
    have = [(end - count, end) for end, count in zip(ends, parts, strict=True)]
    bounds, each = part_bounds(rows, placement.count), placement.devices_here
    need = [(bounds[k * each][0], bounds[(k + 1) * each - 1][1]) for k in range(placement.processes)]
    me = placement.process
    pieces: list[tuple[int, dict[str, Array]]] = []
    first, last = max(have[me][0], need[me][0]), min(have[me][1], need[me][1])
    if first < last:
        start = first - have[me][0]
        pieces.append((first, {name: array[start : start + last - first] for name, array in own.items()}))
    width = sum(array[:1].nbytes for array in own.values())
    many = max(1, SENT // max(1, width))
    for giver, (giver_first, giver_last) in enumerate(have):
        for taker, (taker_first, taker_last) in enumerate(need):
            first, last = max(giver_first, taker_first), min(giver_last, taker_last)
            if giver == taker:
                continue
            for start in range(first, last, many):
                stop = min(start + many, last)
                sent = b""
                if giver == me:
                    offset = giver_first
                    sent = b"".join(array[start - offset : stop - offset].tobytes() for array in own.values())
                found = placement.sent(giver, sent, many * width)
                if taker == me:
                    pieces.append((start, _unpacked(found, own, stop - start)))
    pieces.sort(key=lambda piece: piece[0])
    return {name: np.concatenate([piece[name] for _, piece in pieces]) for name in own}


def _unpacked(sent: bytes, like: dict[str, Array], rows: int) -> dict[str, Array]:
    found, place = {}, 0
    for name, array in like.items():
        size = rows * array[:1].nbytes
        found[name] = np.frombuffer(sent[place : place + size], array.dtype).reshape(rows, *array.shape[1:])
        place += size
    return found
