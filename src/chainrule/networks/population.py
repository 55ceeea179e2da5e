"""What batch normalization knows of the training rows as a whole, for prediction.

Ioffe and Szegedy 2015, algorithm 2: layer by layer, the mean and the unbiased variance of the values that are
normalized, where the layers before are normalized by theirs already. All rows are one batch here.
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
"""Rows that are looked at together."""


def population(architecture: Architecture, params: Mapping[str, Array], X: Array) -> dict[str, Array]:
    """`mean1`, `variance1`, … over the rows of `X`; empty unless batches are normalized."""
    found: dict[str, Array] = {}
    if architecture.normalization != "batch":
        return found
    for k in range(1, architecture.depth):
        mean, variance = _moments(architecture, {**params, **found}, X, k)
        found[f"mean{k}"] = mean.astype(architecture.dtype)
        found[f"variance{k}"] = variance.astype(architecture.dtype)
    return found


def _moments(architecture: Architecture, params: Mapping[str, Array], X: Array, layer: int) -> tuple[Array, Array]:
    """Mean and unbiased variance of the values of a layer; blocks are joined as in Chan et al. 1983, equation 2.1."""
    count = 0
    mean = np.zeros(architecture.widths[layer])
    squares = np.zeros(architecture.widths[layer])
    for start in range(0, len(X), BLOCK):
        a: Array = X[start : start + BLOCK].astype(architecture.dtype)
        for k in range(1, layer):
            a = forward.activated(architecture, k, forward.linear(k, a, params), params, training=False)
        z = np.asarray(forward.linear(layer, a, params), float)
        own = z.mean(axis=0)
        shift = own - mean
        total = count + len(z)
        squares += ((z - own) ** 2).sum(axis=0) + shift**2 * (count * len(z) / total)
        mean += shift * (len(z) / total)
        count = total
    return mean, squares / max(count - 1, 1)
