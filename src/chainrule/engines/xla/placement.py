"""Where arrays are kept: a mesh with one axis, the rows of a batch, over all devices."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.engines.loop import Array
from chainrule.engines.xla.library import jax

ROWS = "rows"


class Placement:
    """The devices of an engine; by default all that JAX knows, of all processes."""

    def __init__(self, devices: Any = None) -> None:
        self.mesh = jax.sharding.Mesh(np.array(jax.devices() if devices is None else devices), (ROWS,))
        self.replicated = self._sharding()
        self.divided = self._sharding(ROWS)
        """The first axis in equal parts, one for each device."""

    def _sharding(self, *axes: str) -> Any:
        return jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec(*axes))

    @property
    def count(self) -> int:
        """The number of devices."""
        return int(self.mesh.devices.size)

    def copied(self, array: Array) -> Any:
        """Return the array on every device; every process must give the same."""
        return jax.make_array_from_callback(np.shape(array), self.replicated, lambda index: np.asarray(array)[index])

    def of_batch(self, rows: int) -> Any:
        """Return how a batch of that many rows is kept."""
        return self.divided if rows % self.count == 0 else self.replicated


def read(array: Any) -> Array:
    """Return a copy of an array that every device has."""
    return np.array(array.addressable_data(0))
