"""Windows, inverses, determinants, diagonals and cumulative sums in every target, beside the native engine."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from support.emitted import assert_close, case, run_jax, run_numpy, run_torch

import chainrule as cr

RUN: dict[str, Callable[..., Any]] = {
    "numpy": lambda source, drawn, name: run_numpy(source, drawn),
    "torch": run_torch,
    "jax": run_jax,
}
TARGETS = [name for name in RUN if importlib.util.find_spec(name) is not None]


def regular(x: Any) -> Any:
    return x @ x.swapaxes(-1, -2) + 3 * np.eye(4)


LAYERS: dict[str, tuple[Callable[..., Any], dict[str, str]]] = {
    "strided": (lambda x, W: cr.conv2d(x, W, stride=(2, 3), padding=1), {"x": "n c 8 9", "W": "o c 3 2"}),
    "dilated": (lambda x, W: cr.conv1d(x, W, dilation=3, stride=2), {"x": "n c 14", "W": "o c 3"}),
    "some of the windows": (lambda x: sliding_window_view(x, 3, axis=0)[1:7:2] ** 2, {"x": "11 n"}),
    "overlapping maxima": (lambda x: cr.max_pool2d(x, (3, 2), stride=(1, 2)), {"x": "n c 6 7"}),
    "inverse": (lambda x: np.linalg.inv(regular(x)), {"x": "4 k"}),
    "inverses": (lambda x: np.linalg.inv(regular(x)), {"x": "n 4 k"}),
    "determinants": (lambda x: np.linalg.det(regular(x)) + cr.logdet(regular(x)), {"x": "n 4 k"}),
    "traces": (lambda x: np.trace(x, axis1=1, axis2=2) + np.trace(x[0]), {"x": "n k k"}),
    "diagonals": (lambda x: np.diagonal(x, axis1=1, axis2=2) ** 2 + np.diag(x[0]), {"x": "n k k"}),
    "on a diagonal": (lambda x: np.diag(x) @ np.diag(x**2), {"x": "k"}),
    "sums so far": (lambda x: np.cumsum(np.cumsum(x, axis=1) ** 2, axis=0), {"x": "n k"}),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", LAYERS)
def test_every_target_agrees_with_the_native_engine(name: str, target: str) -> None:
    function, shapes = LAYERS[name]
    drawn = case(cr.derive(function, **shapes))
    outputs, gradients = RUN[target](drawn.derivation.source(target, "layer"), drawn, "layer")
    assert_close(outputs[0], drawn.outputs[0], "the output", 1e-9)
    for key, expected in drawn.gradients.items():
        assert_close(gradients[key], expected, f"the gradient by {key}", 1e-9)
