"""The methods of arrays that are functions of NumPy under the same name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

METHODS: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "var": np.var,
    "std": np.std,
    "ravel": np.ravel,
    "swapaxes": np.swapaxes,
    "squeeze": np.squeeze,
    "dot": np.dot,
    "clip": np.clip,
    "take": np.take,
    "choose": np.choose,
    "conj": np.conjugate,
    "conjugate": np.conjugate,
    "compress": lambda x, condition, **options: np.compress(condition, x, **options),
    "repeat": np.repeat,
    "cumprod": np.cumprod,
    "cumsum": np.cumsum,
    "prod": np.prod,
    "all": np.all,
    "any": np.any,
    "argmax": np.argmax,
    "argmin": np.argmin,
    "argpartition": np.argpartition,
    "argsort": np.argsort,
    "searchsorted": np.searchsorted,
    "round": np.round,
    "diagonal": np.diagonal,
    "trace": np.trace,
}
