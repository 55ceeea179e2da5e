"""Functions of other libraries that are called on traced values: which one, and what to write instead."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

LIBRARIES: Final = frozenset(
    {"autograd", "cupy", "flax", "jax", "keras", "numba", "pandas", "scipy", "sklearn", "statsmodels", "tensorflow"}
    | {"torch"}
)
"""Packages whose functions need numbers, and whose frames are not user code."""

_EQUIVALENTS: Final[dict[str, str]] = {
    **{
        name: f"cr.{name}" for name in ("sigmoid", "softmax", "log_softmax", "logsumexp", "relu", "gelu", "silu", "elu")
    },
    **{name: f"cr.{name}" for name in ("softplus", "leaky_relu", "log_sigmoid", "cross_entropy", "layer_norm", "erf")},
    **{name: f"cr.{name}" for name in ("one_hot", "dropout", "conv1d", "conv2d", "avg_pool1d", "avg_pool2d", "logdet")},
    **{name: f"cr.{name}" for name in ("max_pool1d", "max_pool2d", "rms_norm", "binary_cross_entropy")},
    **dict.fromkeys(("mse_loss", "mean_squared_error", "MSELoss", "mse"), "cr.mean_squared_error"),
    **dict.fromkeys(("logsigmoid", "log_expit"), "cr.log_sigmoid"),
    **dict.fromkeys(("expit", "logistic"), "cr.sigmoid"),
    **dict.fromkeys(("swish",), "cr.silu"),
    **dict.fromkeys(
        ("sparse_categorical_crossentropy", "softmax_cross_entropy_with_integer_labels", "log_loss"), "cr.cross_entropy"
    ),
    **dict.fromkeys(
        ("binary_cross_entropy_with_logits", "sigmoid_cross_entropy_with_logits", "sigmoid_binary_cross_entropy"),
        "cr.binary_cross_entropy",
    ),
    "polygamma": "cr.polygamma",
    **{"expm": "cr.expm", "solve_triangular": "cr.solve_triangular"},
    **{"logdet": "cr.logdet", "slogdet": "np.linalg.slogdet", "inv": "np.linalg.inv", "solve": "np.linalg.solve"},
    **{
        "det": "np.linalg.det",
        "norm": "np.linalg.norm",
        "mm": "np.matmul",
        "bmm": "np.matmul",
        "cat": "np.concatenate",
    },
    **{"reduce_mean": "np.mean", "reduce_sum": "np.sum", "concat": "np.concatenate", "pow": "np.power"},
}
"""By the last part of a function's name."""

_IN_OTHER_TERMS: Final[dict[str, str]] = {
    "cholesky": "write np.linalg.cholesky(A), which is lower, and its transpose for the upper factor",
    "cho_factor": "write np.linalg.cholesky(A), which is lower",
    "cho_solve": "write cr.solve_triangular(L, cr.solve_triangular(L, b, lower=True), trans=1, lower=True)",
    "sqrtm": "write E, Q = np.linalg.eigh(A) and (Q * np.sqrt(E)) @ Q.T for a symmetric A",
    "logm": "write E, Q = np.linalg.eigh(A) and (Q * np.log(E)) @ Q.T for a symmetric A",
}
"""By the last part of a function's name: what to write where no single function is the same."""


def other_function(library: str, expression: str) -> str:
    """Return the message for a call of a function of `library` in `expression`, the user's code.

    >>> other_function("scipy", "special.expit(X @ W)")
    'special.expit is a function of scipy, which needs numbers, and there are none yet; write cr.sigmoid'
    """
    found = re.match(r"\s*([\w.]+)\(", expression)
    name = found[1] if found else ""
    last = name.rpartition(".")[2]
    if last in _IN_OTHER_TERMS:
        mend = _IN_OTHER_TERMS[last]
    elif last in _EQUIVALENTS:
        mend = f"write {_EQUIVALENTS[last]}"
    elif last and callable(getattr(np, last, None)):
        mend = f"write np.{last}"
    elif last and callable(getattr(np.linalg, last, None)):
        mend = f"write np.linalg.{last}"
    else:
        mend = "write it with NumPy's functions, and cr.sigmoid, cr.softmax, … where NumPy has none"
    what = f"{name} is a function of {library}, which needs" if name else f"a function of {library} needs"
    return f"{what} numbers, and there are none yet; {mend}"
