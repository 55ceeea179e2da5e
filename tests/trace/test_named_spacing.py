"""`np.linspace` and the windows of as many elements as an axis has whose size has only a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.primitives import evaluate_nodes
from chainrule.trace import trace

MADE: dict[str, Callable[[Any], Any]] = {
    "linspace": lambda x: np.linspace(0, 1, len(x)),
    "without the end": lambda x: np.linspace(2.0, -1.0, x.shape[0], endpoint=False),
    "between arrays": lambda x: np.linspace([0.0, 1.0], [3.0, 5.0], len(x), axis=1)[1],
    "from a traced end": lambda x: np.linspace(x[0], 4.0, len(x)),
    "distance": lambda x: np.linspace(0, 1, len(x) + 1, retstep=True)[1],
    "hanning": lambda x: np.hanning(len(x)),
    "hamming": lambda x: np.hamming(len(x)),
    "blackman": lambda x: np.blackman(len(x)),
    "bartlett": lambda x: np.bartlett(len(x)),
}


@pytest.mark.parametrize("name", MADE)
def test_they_are_those_of_numpy_for_every_size(name: str) -> None:
    program = trace(lambda x: x * MADE[name](x), x="n")
    for size in (1, 2, 5, 8):
        x = 1 + np.arange(float(size))
        bound = program.bind({"n": size})
        found = evaluate_nodes(bound.outputs, {bound.inputs[0]: x})[bound.outputs[0]]
        np.testing.assert_allclose(found, x * MADE[name](x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["linspace", "hanning", "from a traced end"])
def test_derivations_and_source_contain_them(name: str) -> None:
    derivation = cr.derive(lambda x: np.sum(x**2 * MADE[name](x)), x="n")
    assert derivation.verify().ok
    space: dict[str, Any] = {}
    exec(derivation.source("numpy"), space)
    x = 1 + np.arange(4.0)
    _, kept = space["forward"](x)
    found = space["backward"](kept)
    expected = cr.grad(lambda x: np.sum(x**2 * MADE[name](x)))(x)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (
            lambda x: x.reshape(2, -1),
            r"has the shape \(2, -1\) for some sizes only",
        ),
        (lambda x: np.split(x, 2)[0], "splits into 2 equal pieces for some n only"),
    ],
)
def test_what_fits_some_sizes_is_refused_with_the_mend(function: Any, told: str) -> None:
    with pytest.raises(cr.ShapeError, match=told):
        trace(function, x="n")
