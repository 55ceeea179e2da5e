"""A user's script passes mypy and pyright, both strict, and the types are those that an editor shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import chainrule

SCRIPT = """
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from chainrule.estimators import MLPClassifier

Array = NDArray[np.float64]


def loss(X: Array, y: Array, W1: Array, b1: Array, W2: Array) -> np.floating[Any]:
    z1 = X @ W1 + b1
    a1 = cr.relu(cr.layer_norm(z1))
    p = cr.sigmoid(cr.dropout(a1, 0.1) @ W2)
    return np.mean((p - y) ** 2)


def cost(w: Array) -> float:
    return float(np.sum(w**2))


X, y = np.ones((4, 2)), np.ones((4, 1))
params = {"W1": np.ones((2, 3)), "b1": np.zeros(3), "W2": np.ones((3, 1))}

derivation = cr.derive(loss, X="n d", y=("n", 1), W1="d h", b1="h", W2="h 1")
result = cr.fit(loss, params, {"X": X, "y": y}, cr.Adam(learning_rate=0.01), epochs=3, validation=(X, y), patience=2)
network = cr.MLP([2, 4, 1], activation=cr.relu, output="sigmoid", seed=0)
history = network.fit(X, [0, 1, 1, 0], epochs=3, learning_rate=0.1).history["loss"]
network.save("network")
axes = cr.plot_decision_boundary(network, X, y)
estimator = MLPClassifier((8,), learning_rate_init=0.1)
two = cr.NeuralNetwork(2, 4, 1, seed=0)
two.train(X, y, epochs=10, learning_rate=0.1)


@dataclass(frozen=True)
class Signed(cr.Optimizer):
    learning_rate: float = 0.1

    def update(self, parameter: Any, gradient: Any, state: Any, scalars: Any) -> Any:
        return parameter - scalars["learning_rate"] * np.sign(gradient), {}


reveal_type(cr.sigmoid(0.5))  # np.float64
reveal_type(cr.sigmoid(X))  # Array of float64
reveal_type(cr.softmax([1.0, 2.0], axis=-1))  # Array of floating
reveal_type(cr.softmax(X.astype(np.float32)))  # Array of 32
reveal_type(cr.cross_entropy(X, [0, 1, 0, 1]))  # floating
reveal_type(cr.one_hot([0, 1], 2))  # Array of float64
reveal_type(cr.grad(cost))  # Callable of w
reveal_type(cr.grad(cost)(X))  # Array of float64
reveal_type(cr.grad(loss, argnums=(2, 3)))  # Callable of X, y, … to tuple
reveal_type(cr.value_and_grad(cost)(X))  # tuple
reveal_type(cr.vjp(cost, X))  # tuple with a function
reveal_type(network.predict(X))  # Array
reveal_type(network.predict_proba(X))  # Array of floating
reveal_type(network.derive().text())  # str
reveal_type(two.feedforward(X))  # Array of float64
reveal_type(estimator.predict_proba(X))  # Array
reveal_type(result.history["loss"])  # Array of float64
reveal_type(Signed(learning_rate=0.2))  # Signed
"""

REVEALED = [
    "float64",
    "ndarray[…, dtype[float64]]",
    "ndarray[…, dtype[floating[Any]]]",
    "ndarray[…, dtype[floating[_32Bit]]]",
    "floating[Any]",
    "ndarray[…, dtype[float64]]",
    "def (ndarray[…, dtype[float64]]) -> ndarray[…, dtype[float64]]",
    "ndarray[…, dtype[float64]]",
    "def (X: ndarray[…, dtype[float64]], y: ndarray[…, dtype[float64]], W1: ndarray[…, dtype[float64]], "
    "b1: ndarray[…, dtype[float64]], W2: ndarray[…, dtype[float64]]) -> tuple[Any, ...]",
    "tuple[float, ndarray[…, dtype[float64]]]",
    "tuple[float, def (Any) -> tuple[Any, ...]]",
    "ndarray[…, dtype[Any]]",
    "ndarray[…, dtype[floating[Any]]]",
    "str",
    "ndarray[…, dtype[float64]]",
    "ndarray[…, dtype[Any]]",
    "ndarray[…, dtype[float64]]",
    "Signed",
]


WRONG = (
    "import chainrule as cr\ncr.Adam(lr=0.1)\ncr.MLP([2, 1], hidden='relu')\ncr.sigmoid(3, 'x')\ncr.sigmoid(object())\n"
)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What mypy says about two scripts, with short names of types; one run, since it reads the whole package."""
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "right.py").write_text(SCRIPT, encoding="utf-8")
    (folder / "wrong.py").write_text(WRONG, encoding="utf-8")
    root = Path(chainrule.__file__).parents[1]
    installed = root.name == "site-packages"  # where mypy finds the package by itself, and refuses to be told
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "right.py", "wrong.py"],
        cwd=folder,
        env={**os.environ, **({} if installed else {"MYPYPATH": str(root)})},
        capture_output=True,
        text=True,
        timeout=500,
    )
    names = re.sub(r"(?:builtins|numpy|chainrule|right)\.(?!py)(?:\w+\.)*", "", found.stdout + found.stderr)
    return re.sub(r"tuple\[(?:Any|int)(?:, (?:\.\.\.|int))*\], dtype", "…, dtype", names).splitlines()


def test_a_users_script_passes_mypy(said: list[str]) -> None:
    lines = [line for line in said if line.startswith("right.py")]
    assert [line for line in lines if ": error:" in line] == []
    assert [line.partition('Revealed type is "')[2].rstrip('"') for line in lines] == REVEALED


def test_a_wrong_keyword_is_seen_by_mypy(said: list[str]) -> None:
    errors = [line.split(":")[1] for line in said if line.startswith("wrong.py") and ": error:" in line]
    assert errors == ["2", "3", "4", "5"]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[Mapping[str, Any]]:
    """What pyright, which editors use, says about the same scripts."""
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "right.py").write_text(SCRIPT, encoding="utf-8")
    (folder / "wrong.py").write_text(WRONG, encoding="utf-8")
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(Path(chainrule.__file__).parents[1])]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=500,
    )
    said: list[Mapping[str, Any]] = json.loads(found.stdout)["generalDiagnostics"]
    return said


def test_a_users_script_passes_pyright(seen: list[Mapping[str, Any]]) -> None:
    said = [each for each in seen if each["file"].endswith("right.py")]
    assert [each["message"] for each in said if each["severity"] != "information"] == []
    assert len(said) == len(REVEALED)


def test_a_wrong_keyword_is_seen_by_pyright(seen: list[Mapping[str, Any]]) -> None:
    errors = [each for each in seen if each["file"].endswith("wrong.py") and each["severity"] == "error"]
    assert sorted({each["range"]["start"]["line"] + 1 for each in errors}) == [2, 3, 4, 5]
