"""Where arrays are kept: a mesh with one axis, the rows of a batch, over all devices of all processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from chainrule.engines.loop import Array, EngineError
from chainrule.engines.xla.dependency import jax
from chainrule.engines.xla.ending import end_process

ROWS = "rows"
T = TypeVar("T")


class Placement:
    """The devices of an engine; by default all that JAX knows, of all processes.

    Raises EngineError if the processes have different numbers of devices.
    """

    def __init__(self, devices: Any = None) -> None:
        self.mesh = jax.sharding.Mesh(np.array(jax.devices() if devices is None else devices), (ROWS,))
        self.replicated = self._sharding()
        self.divided = self._sharding(ROWS)
        """The first axis in equal parts, one for each device."""
        self.second_divided = self._sharding(None, ROWS)
        owners = [device.process_index for device in self.mesh.devices.flat]
        self.processes, self.process = len(set(owners)), jax.process_index()
        self.devices_here = owners.count(self.process)
        self._chosen = jax.jit(lambda rows, place: rows[place], out_shardings=self.replicated)
        if self.devices_here * self.processes != self.count:
            raise EngineError(
                f"process {self.process} has {self.devices_here} of {self.count} devices of {self.processes} "
                "processes; give each process the same number"
            )

    def _sharding(self, *axes: str | None) -> Any:
        return jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec(*axes))

    @property
    def count(self) -> int:
        """The number of devices."""
        return int(self.mesh.devices.size)

    def copied(self, array: Array) -> Any:
        """Return the array on every device; every process must give the same."""
        return jax.make_array_from_callback(np.shape(array), self.replicated, lambda index: np.asarray(array)[index])

    def own(self, row: Array) -> Any:
        """Return an array of one row for each device, of which every process gives that of its own devices."""
        rows = np.broadcast_to(row, (self.devices_here, *row.shape))
        return jax.make_array_from_process_local_data(self.divided, rows)

    def put(self, sharding: Any, local: Array) -> Any:
        """Return an array of which every process gives the part of its own devices."""
        return jax.make_array_from_process_local_data(sharding, local)

    def here(self, each: Sequence[T]) -> Sequence[T]:
        """Return those of the devices of this process, of one for each device."""
        first = self.process * self.devices_here
        return each[first : first + self.devices_here]

    def sent(self, giver: int, data: bytes, size: int) -> bytes:
        """Return at most `size` bytes that one process gives to all; the others give none."""
        words = np.zeros(-(-size // 4), np.uint32)
        words.view(np.uint8)[: len(data)] = np.frombuffer(data, np.uint8)
        with self.calling():
            gathered = read(self._chosen(self.own(words), np.int32(giver * self.devices_here)))
        return bytes(gathered.tobytes())

    def of_batch(self, rows: int) -> Any:
        """Return how a batch of that many rows is kept."""
        return self.divided if rows % self.count == 0 else self.replicated

    @contextmanager
    def calling(self) -> Iterator[None]:
        """In this block, end the process if a call that several make together fails.

        The others wait in that call for this one, or have ended.
        """
        try:
            yield
        except (RuntimeError, ValueError) as error:
            if self.processes == 1:
                raise
            first = (str(error).splitlines() or [""])[0]
            end_process(str(_failure(self.process, self.processes, first)))


def _failure(number: int, count: int, what: str) -> EngineError:
    if any(sign in what for sign in ("Gloo", "NCCL", "onnect", "peer")):
        return EngineError(
            f"process {number} of {count} ends, because another one has ended or cannot be reached; train again, from "
            "a checkpoint if there is one"
        )
    return EngineError(f"process {number} of {count} ends, because a call of XLA failed in it: {what}")


def read(array: Any) -> Array:
    """Return a copy of an array that every device has."""
    return np.array(array.addressable_data(0))
