"""Initialization of weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.networks.activations import RECTIFIERS

Array: TypeAlias = NDArray[Any]
Random: TypeAlias = "np.random.Generator | np.random.RandomState"


def _normal(variance: float, random: Random, shape: tuple[int, int]) -> Array:
    drawn: Array = random.standard_normal(shape) * np.sqrt(variance)
    return drawn


def _uniform(variance: float, random: Random, shape: tuple[int, int]) -> Array:
    bound = np.sqrt(3 * variance)
    drawn: Array = random.uniform(-bound, bound, shape)
    return drawn


def _orthogonal(random: Random, shape: tuple[int, int]) -> Array:
    """Rows or columns of a uniformly random orthogonal matrix (Saxe et al. 2014)."""
    rows, columns = max(shape), min(shape)
    basis, triangle = np.linalg.qr(random.standard_normal((rows, columns)))
    basis = basis * np.where(np.diag(triangle) < 0, -1.0, 1.0)
    return basis if shape == (rows, columns) else basis.T


def _automatic(random: Random, shape: tuple[int, int], activation: str) -> Array:
    inputs, outputs = shape
    if activation == "selu":
        return _normal(1 / inputs, random, shape)
    return _normal(2 / inputs if activation in RECTIFIERS else 2 / (inputs + outputs), random, shape)


SCHEMES: Final[Mapping[str, Callable[[Random, tuple[int, int], str], Array]]] = {
    "auto": _automatic,
    "he_normal": lambda random, shape, _: _normal(2 / shape[0], random, shape),
    "he_uniform": lambda random, shape, _: _uniform(2 / shape[0], random, shape),
    "glorot_normal": lambda random, shape, _: _normal(2 / sum(shape), random, shape),
    "glorot_uniform": lambda random, shape, _: _uniform(2 / sum(shape), random, shape),
    "lecun_normal": lambda random, shape, _: _normal(1 / shape[0], random, shape),
    "orthogonal": lambda random, shape, _: _orthogonal(random, shape),
}
"""Schemes by name: functions from a random generator, the shape (inputs, outputs) and the activation to weights.

`auto` is normal with variance 2 / inputs before a rectifier (He et al. 2015, equation 10), 1 / inputs before selu
(Klambauer et al. 2017), else 2 / (inputs + outputs) (Glorot and Bengio 2010, equation 12).
"""


def uniform_layer(random: Random, inputs: int, outputs: int, logistic: bool) -> tuple[Array, Array]:
    """Draw weights and biases as scikit-learn does: uniform in ±√(6 / (inputs + outputs)), factor √2 for σ."""
    bound = np.sqrt((2.0 if logistic else 6.0) / (inputs + outputs))
    return random.uniform(-bound, bound, (inputs, outputs)), random.uniform(-bound, bound, outputs)
