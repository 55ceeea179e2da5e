"""Gradients of `kink_functions` from native code and from emitted source."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.deriving import Derivation
from chainrule.engines import get_engine
from chainrule.ir import DType
from support.emitted import Case, run_c, run_jax, run_numpy, run_torch

Array = NDArray[Any]

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def _native(case: Case, folder: Path) -> dict[str, Array]:
    program = case.derivation.record.backward.gradient_program().bind(case.sizes, DType.FLOAT64)
    _, *found = get_engine("native").compile(program)(case.arguments)
    return dict(zip(case.gradients, found, strict=True))


def _numpy(case: Case, folder: Path) -> dict[str, Array]:
    return run_numpy(case.derivation.source("numpy", "f"), case)[1]


def _torch(case: Case, folder: Path) -> dict[str, Array]:
    return run_torch(case.derivation.source("torch", "f"), case, "f")[1]


def _jax(case: Case, folder: Path) -> dict[str, Array]:
    return run_jax(case.derivation.source("jax", "f"), case, "f", jit=False)[1]


def _c(case: Case, folder: Path) -> dict[str, Array]:
    assert COMPILER is not None
    source = case.derivation.source("c", "f", case.sizes, "float64")
    return run_c(source, case, "f", folder, ("-O0",), COMPILER)[1]


TARGETS: dict[str, Callable[[Case, Path], dict[str, Array]]] = {
    "native": _native,
    "numpy": _numpy,
    "torch": _torch,
    "jax": _jax,
    "c": _c,
}


def is_installed(target: str) -> bool:
    """Whether the software for a target is installed."""
    if target == "c":
        return COMPILER is not None
    return target in ("native", "numpy") or importlib.util.find_spec(target) is not None


def gradients(target: str, derivation: Derivation, x: Array, y: Array, folder: Path) -> Array:
    """Return the gradients by x and y from `target`, of shape (2, points)."""
    arguments = {"x": x, "y": y}
    case = Case(derivation, arguments, [], [], arguments, {"n": len(x)})
    found = TARGETS[target](case, folder)
    return np.array([np.broadcast_to(found[name], x.shape) for name in arguments])
