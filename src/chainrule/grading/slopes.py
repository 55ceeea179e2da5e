"""The derivatives of activations that equations name, as in σ'(z1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule import functions

PRIMES: Mapping[str, Callable[[Any], Any]] = {
    "sigmoid": lambda z: functions.sigmoid(z) * (1 - functions.sigmoid(z)),
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "relu": lambda z: (np.asarray(z) > 0) * 1.0,
    "exp": np.exp,
    "softplus": functions.sigmoid,
    "silu": lambda z: functions.sigmoid(z) * (1 + z * (1 - functions.sigmoid(z))),
}
SPELLINGS = {"σ": "sigmoid", "sigma": "sigmoid", "ReLU": "relu", "swish": "silu"}


def equation_names() -> dict[str, Any]:
    """Return the global names that the statements of equations use."""
    return {"np": np, "cr": functions, **{f"{name}_prime": prime for name, prime in PRIMES.items()}}
