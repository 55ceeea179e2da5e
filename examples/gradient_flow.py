"""Why the gradients of a deep sigmoid network vanish, and what helps.

python examples/gradient_flow.py
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr

rng = np.random.default_rng(0)
X, y = rng.normal(size=(200, 8)), rng.normal(size=(200, 1))
DEPTH = 8


def deep(activation: Callable[[Any], Any], scale: float) -> cr.GradientReport:
    """Report on a network of `DEPTH` layers of 16 units."""

    def loss(X: Any, y: Any, layers: Any, last: Any) -> Any:
        h = X
        for W in layers:
            h = activation(h @ W)
        return np.mean((h @ last - y) ** 2)

    sizes = [8, *[16] * DEPTH]
    layers = [rng.normal(size=pair) * scale / np.sqrt(pair[0]) for pair in itertools.pairwise(sizes)]
    return cr.gradient_report(loss, {"layers": layers, "last": rng.normal(size=(16, 1))}, {"X": X, "y": y})


for name, activation, scale in (("sigmoid", cr.sigmoid, 1.0), ("tanh", np.tanh, 1.0), ("relu", cr.relu, 2**0.5)):
    report = deep(activation, scale)
    print(f"{name:<8} {report.status:<10} first layer / last layer: {report.total:.0e}")
print()
print(deep(cr.sigmoid, 1.0).sentences()[0])
