"""Initial weights, drawn from a RandomState with the same calls as in scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.networks import Architecture


def draw_parameters(network: Architecture, random: np.random.RandomState, logistic: bool) -> dict[str, NDArray[Any]]:
    """Draw initial parameters by name: gains of 1, shifts of 0, and weights and biases layer by layer.

    These are uniform within ±√(6 / (inputs + outputs)) (Glorot and Bengio 2010, equation 16), with 2 instead of 6 if
    the hidden units are `logistic`.
    """
    drawn: dict[str, NDArray[Any]] = {}
    for name, shape in network.params.items():
        if name.startswith("W"):
            bound = np.sqrt((2.0 if logistic else 6.0) / sum(shape))
            drawn[name] = random.uniform(-bound, bound, shape)
        elif name.startswith("b"):
            drawn[name] = random.uniform(-bound, bound, shape)
        else:
            drawn[name] = np.ones(shape) if name.startswith("gain") else np.zeros(shape)
    return {name: array.astype(network.dtype, copy=False) for name, array in drawn.items()}
