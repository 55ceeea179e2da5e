"""Population statistics of batch normalization, for prediction.

Ioffe and Szegedy 2015, algorithm 2: layer by layer, the mean and the unbiased variance of the values to be normalized,
with the previous layers normalized by their population statistics. All training rows are one batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import ALONE, Processes
from chainrule.networks import forward
from chainrule.networks.architecture import Architecture

Array: TypeAlias = NDArray[Any]

BLOCK = 4096
"""Number of rows processed at a time."""


def population(
    architecture: Architecture, params: Mapping[str, Array], X: Array, processes: Processes = ALONE
) -> dict[str, Array]:
    """Return `mean1`, `variance1`, … over the rows of `X`, of all `processes`; empty without batch normalization."""
    found: dict[str, Array] = {}
    if architecture.normalization != "batch":
        return found
    for k in range(1, architecture.depth):
        mean, variance = _moments(architecture, {**params, **found}, X, k, processes)
        found[f"mean{k}"] = mean.astype(architecture.dtype)
        found[f"variance{k}"] = variance.astype(architecture.dtype)
    return found


def _moments(
    architecture: Architecture, params: Mapping[str, Array], X: Array, layer: int, processes: Processes
) -> tuple[Array, Array]:
    """Mean and unbiased variance of a layer's values; blocks are combined as in Chan et al. 1983, equation 2.1."""
    count = 0
    shape = architecture.statistics[f"mean{layer}"]
    mean, squares = np.zeros(shape), np.zeros(shape)
    for start in range(0, len(X), BLOCK):
        a: Array = X[start : start + BLOCK].astype(architecture.dtype)
        for k in range(1, layer):
            a = forward.activated(architecture, k, forward.linear(k, a, params), params, training=False)
        z = np.asarray(forward.linear(layer, a, params), float)
        own = z.mean(axis=-2).reshape(shape)
        count, mean, squares = _together(
            count, mean, squares, z.shape[-2], own, ((z - own) ** 2).sum(axis=-2).reshape(shape)
        )
    if processes.count > 1:
        moments = np.stack([np.full(shape, count), mean, squares])[None]
        parts = processes.pooled("the moments of a layer", moments, processes.count)
        count, mean, squares = int(parts[0, 0].flat[0]), parts[0, 1], parts[0, 2]
        for rows, own, sums in parts[1:]:
            count, mean, squares = _together(count, mean, squares, int(rows.flat[0]), own, sums)
    return mean, squares / max(count - 1, 1)


def _together(count: int, mean: Array, squares: Array, rows: int, own: Array, sums: Array) -> tuple[int, Array, Array]:
    """Return the number, the mean and the sum of squared deviations of two sets of rows together."""
    total = count + rows
    shift = own - mean
    return total, mean + shift * (rows / total), squares + (sums + shift**2 * (count * rows / total))
