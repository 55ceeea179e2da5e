"""Small random expressions of two arrays, drawn by Hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import chainrule as cr

UNARY: dict[str, Callable[[Any], Any]] = {
    "tanh": np.tanh,
    "arctan": np.arctan,
    "tan": lambda x: np.tan(np.tanh(x)),
    "sinh": lambda x: np.sinh(np.tanh(x)),
    "cosh": lambda x: np.cosh(np.tanh(x)),
    "sigmoid": cr.sigmoid,
    "softplus": cr.softplus,
    "silu": cr.silu,
    "gelu": cr.gelu,
    "elu": cr.elu,
    "leaky relu": cr.leaky_relu,
    "square": lambda x: x**2,
    "negative": lambda x: -x,
    "softmax": cr.softmax,
    "log_softmax": lambda x: cr.log_softmax(x, axis=0),
    "centred": lambda x: x - np.mean(x, axis=1, keepdims=True),
    "transposed twice": lambda x: (x.T * 2.0).T,
    "sums": lambda x: x * np.sum(x, axis=0),
    "reversed": lambda x: x[::-1],
    "padded": lambda x: np.concatenate([x[1:], 0.5 * x[:1]], axis=0),
    "logsumexp": lambda x: x - cr.logsumexp(x, axis=1, keepdims=True),
    "cumulative": lambda x: np.cumsum(x, axis=0),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / (1.5 + y**2),
    "maximum": np.maximum,
    "arctan2": lambda x, y: np.arctan2(x, 2.5 + np.tanh(y)),
    "where": lambda x, y: np.where(x > y, x * y, y),
    "product": lambda x, y: x @ (y.T @ x),
    "row": lambda x, y: x * y[0],
    "column": lambda x, y: x + y[:, 1:2],
}


@st.composite
def recipes(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Steps, each an operation on earlier values."""
    steps: list[tuple[str, int, int]] = []
    for place in range(draw(st.integers(1, 6))):
        name = draw(st.sampled_from([*UNARY, *BINARY]))
        steps.append((name, draw(st.integers(0, place + 1)), draw(st.integers(0, place + 1))))
    return steps


def expression(steps: list[tuple[str, int, int]]) -> Callable[..., Any]:
    """Return a function of A and B, both 4×3, that returns one number."""

    def f(A: Any, B: Any) -> Any:
        values = [A, B]
        for name, first, second in steps:
            if name in UNARY:
                values.append(UNARY[name](values[first]))
            else:
                values.append(BINARY[name](values[first], values[second]))
        return np.sum(np.tanh(values[-1]) * 0.3) + 0.1 * np.sum(A * B)

    return f
