"""Programs from files that are small but expensive to compute: rejected when read, with the option to allow them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.models import Model, ModelError, inspect_model, load_model
from chainrule.models import saving as models_saving
from chainrule.networks import Architecture
from chainrule.trace import trace


def saved(function: Callable[..., Any], path: Path) -> None:
    model = Model(trace(function, X="n 3", W1=(3, 3)), {"W1": np.eye(3)})
    models_saving.save_model(path, model)


def chained(function: Callable[[Any], Any], count: int) -> Callable[..., Any]:
    def prediction(X: Any, W1: Any) -> Any:
        values = X @ W1
        for _ in range(count):
            values = function(values)
        return values

    return prediction


def wide(X: Any, W1: Any) -> Any:
    weights = np.broadcast_to(W1[0, 0], (30_000, 30_000))
    return (np.broadcast_to((X @ W1)[:, :1], (X.shape[0], 30_000)) @ weights)[:, :1]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (chained(cr.softmax, 3_900), "takes more operations to compile than the 8,192"),
        (chained(cr.log_softmax, 1_000), "takes more operations to compile"),
        (chained(np.tanh, 600), "takes more operations to compile"),
        (chained(cr.gelu, 600), "takes more operations to compile"),
        (wide, r"takes 115,\d+,\d+,\d+ multiplications for 128 rows, more than the 68,719,476,736"),
    ],
)
def test_work_without_an_end_is_refused(function: Callable[..., Any], words: str, tmp_path: Path) -> None:
    path = tmp_path / "model"
    saved(function, path)
    for reading in (load_model, inspect_model):
        with pytest.raises(ModelError, match=rf"{words}.*allow more with load_model\(path, limit=\.\.\.\)"):
            reading(str(path))
    load_model(path, limit=2**34)


@pytest.mark.parametrize(
    "network",
    [
        Architecture(10, (64,) * 100, 3, activations="gelu", loss="cross_entropy"),
        Architecture(10, (32,) * 60, 3, activations="tanh", normalization="layer"),
        Architecture(500, (1_000, 1_000), 500),
    ],
)
def test_large_networks_are_read(network: Architecture, tmp_path: Path) -> None:
    zeros = {name: np.zeros(shape) for name, shape in {**network.params, **network.statistics}.items()}
    models_saving.save_model(tmp_path / "model", Model.of(network, zeros))
    assert load_model(tmp_path / "model").network() == network


def test_little_work_is_read(tmp_path: Path) -> None:
    for function in (chained(cr.softmax, 20), chained(np.abs, 2_000), chained(lambda z: np.cumsum(z, 1), 200)):
        saved(function, tmp_path / "model")
        load_model(tmp_path / "model")
