"""Gradient descent steps with handwritten gradients, to test engines independent of differentiation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import Loop
from chainrule.ir import ArrayType, DType, Input, Program
from chainrule.primitives import mean, permute, sigmoid, square, sum_

Array = NDArray[Any]
XOR: dict[str, Array] = {
    "X": np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]),
    "y": np.array([[0.0], [1], [1], [0]]),
    "rate": np.array(0.1),
}


def step(n: int, sizes: tuple[int, int, int] = (2, 4, 1), dtype: DType = DType.FLOAT64) -> Program:
    """Return a step on n rows for ½ Σ (a2 − y)² and two sigmoid layers, with rows as samples."""
    d, h, o = sizes
    shapes = {"X": (n, d), "y": (n, o), "W1": (d, h), "b1": (1, h), "W2": (h, o), "b2": (1, o), "rate": ()}
    X, y, W1, b1, W2, b2, rate = inputs = tuple(Input(name, ArrayType(shape, dtype)) for name, shape in shapes.items())
    z1 = X @ W1 + b1
    a1 = sigmoid(z1)
    z2 = a1 @ W2 + b2
    a2 = sigmoid(z2)
    loss = 0.5 * sum_(square(a2 - y))
    delta2 = (a2 - y) * (a2 * (1 - a2))
    delta1 = (delta2 @ permute(W2)) * (a1 * (1 - a1))
    gradients = (permute(X) @ delta1, sum_(delta1, 0, True), permute(a1) @ delta2, sum_(delta2, 0, True))
    following = [p - rate * g for p, g in zip((W1, b1, W2, b2), gradients, strict=True)]
    return Program(inputs, (loss, *following), {z1: "z1", a1: "a1", z2: "z2", a2: "a2"})


def network_loop(
    n: int,
    batch_size: int,
    shuffle: bool = False,
    sizes: tuple[int, int, int] = (2, 4, 1),
    dtype: DType = DType.FLOAT64,
) -> Loop:
    """Return the training of that network on n rows."""
    counts = {min(batch_size, n), n % batch_size} - {0}
    steps = {count: step(count, sizes, dtype) for count in counts}
    return Loop(("W1", "b1", "W2", "b2"), ("X", "y"), ("rate",), steps, n, batch_size, shuffle)


def initial(seed: int, sizes: tuple[int, int, int] = (2, 4, 1)) -> dict[str, Array]:
    """Return random weights and zero biases."""
    d, h, o = sizes
    random = np.random.RandomState(seed)
    W1, W2 = random.randn(d, h), random.randn(h, o)
    return {"W1": W1, "b1": np.zeros((1, h)), "W2": W2, "b2": np.zeros((1, o))}


def random_data(n: int, sizes: tuple[int, int, int] = (2, 4, 1)) -> dict[str, Array]:
    """Return rows for that network."""
    random = np.random.RandomState(n)
    return {"X": random.randn(n, sizes[0]), "y": random.rand(n, sizes[2]), "rate": np.array(0.1)}


def squaring(n: int, batch_size: int) -> tuple[Loop, dict[str, Array], dict[str, Array]]:
    """Return a run whose state overflows in the middle of an epoch, while the loss remains finite."""
    w, x = Input("w", ArrayType((50, 40))), Input("x", ArrayType((batch_size, 40)))
    loop = Loop(("w",), ("x",), (), {batch_size: Program((w, x), (mean(x), square(w) * 2.0))}, n, batch_size, True)
    return loop, {"w": np.linspace(0.1, 1.2, 2000).reshape(50, 40)}, {"x": np.ones((n, 40))}
