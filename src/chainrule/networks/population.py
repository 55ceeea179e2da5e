"""Population statistics of batch normalization, for prediction.

Ioffe and Szegedy 2015, algorithm 2: layer by layer, the mean and the unbiased variance of the values to be normalized,
with the previous layers normalized by their population statistics. All training rows are one batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.networks import forward
from chainrule.networks.architecture import Architecture

Array: TypeAlias = NDArray[Any]

BLOCK = 4096
"""Number of rows processed at a time."""


def population(architecture: Architecture, params: Mapping[str, Array], X: Array) -> dict[str, Array]:
    """Return `mean1`, `variance1`, … over the rows of `X`; empty without batch normalization."""
    found: dict[str, Array] = {}
    if architecture.normalization != "batch":
        return found
    for k in range(1, architecture.depth):
        mean, variance = _moments(architecture, {**params, **found}, X, k)
        found[f"mean{k}"] = mean.astype(architecture.dtype)
        found[f"variance{k}"] = variance.astype(architecture.dtype)
    return found


def _moments(architecture: Architecture, params: Mapping[str, Array], X: Array, layer: int) -> tuple[Array, Array]:
    """Mean and unbiased variance of a layer's values; blocks are combined as in Chan et al. 1983, equation 2.1."""
    count = 0
    shape = architecture.statistics[f"mean{layer}"]
    mean, squares = np.zeros(shape), np.zeros(shape)
    for start in range(0, len(X), BLOCK):
        a: Array = X[start : start + BLOCK].astype(architecture.dtype)
        for k in range(1, layer):
            a = forward.activated(architecture, k, forward.linear(k, a, params), params, training=False)
        z = np.asarray(forward.linear(layer, a, params), float)
        rows = z.shape[-2]
        own = z.mean(axis=-2).reshape(shape)
        shift = own - mean
        total = count + rows
        squares += ((z - own) ** 2).sum(axis=-2).reshape(shape) + shift**2 * (count * rows / total)
        mean += shift * (rows / total)
        count = total
    return mean, squares / max(count - 1, 1)
