"""Numbers in place of arrays, and sizes that are known only from given values."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.emitted import assert_close, case, run_c, run_jax, run_numpy, run_torch

import chainrule as cr
from chainrule.deriving import Derivation
from chainrule.emit import EmitError

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

FUNCTIONS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "element": (lambda z, o: -(z[o] - np.log(np.sum(np.exp(z)))), {"wrt": "z", "z": "v", "o": ":int"}),
    "elements": (lambda z, o: -np.sum(z[o]), {"wrt": "z", "z": "v", "o": "n:int"}),
    "mean of elements": (lambda z, o: np.mean(z[o]), {"wrt": "z", "z": "v", "o": "n:int"}),
    "columns": (lambda z, o: np.mean(z[:, o]), {"wrt": "z", "z": "v w", "o": "n:int"}),
    "ends": (lambda z: z[0] + 2 * z[-1], {"z": "n"}),
    "a part": (lambda z: 3 * np.sum(z[1:3]), {"z": (6,)}),
    "diagonal": (lambda z: 3 * np.trace(z), {"z": "n n"}),
    "cumulative": (lambda z: np.mean(np.cumsum(z)), {"z": "n"}),
}


def made(name: str) -> Derivation:
    function, shapes = FUNCTIONS[name]
    derivation: Derivation = cr.derive(function, **shapes)
    return derivation


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("target", ["numpy", "torch", "jax", "c"])
def test_a_constant_gradient_is_written_where_it_goes(name: str, target: str, tmp_path: Path) -> None:
    if target in ("torch", "jax") and importlib.util.find_spec(target) is None:
        pytest.skip(f"{target} is not installed")
    drawn = case(made(name))
    source = drawn.derivation.source(target, "f", drawn.sizes if target == "c" else None, "float64")
    if target == "c":
        if COMPILER is None:
            pytest.skip("there is no C compiler")
        _, gradients = run_c(source, drawn, "f", tmp_path, compiler=COMPILER)
    elif target == "numpy":
        _, gradients = run_numpy(source, drawn)
    else:
        _, gradients = (run_torch if target == "torch" else run_jax)(source, drawn, "f")
    for key, expected in drawn.gradients.items():
        assert_close(gradients[key], expected, f"the gradient by {key}", 1e-6 if target == "jax" else 1e-12)


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
@pytest.mark.parametrize("formula", ["sum(inv(S)) + ln(det(S' * S))", "sum(S * inv(S' * S))"])
def test_matrices_of_a_named_size_have_code_where_the_size_has_a_number(formula: str, tmp_path: Path) -> None:
    drawn = case(cr.derive(formula, wrt="S", S="d d"), sizes={"d": 3})
    source = drawn.derivation.source("c", "f", {"d": 3}, "float64")
    _, gradients = run_c(source, drawn, "f", tmp_path, compiler=COMPILER or "cc")
    assert_close(gradients["S"], drawn.gradients["S"], "the gradient", 1e-8)


def test_what_is_too_large_to_be_written_out_is_refused_with_its_number() -> None:
    with pytest.raises(EmitError, match="of size 30 is not written out"):
        cr.derive("log(det(S))", S="d d").source("c", sizes={"d": 30})


def test_arrays_without_elements_are_refused_in_c() -> None:
    with pytest.raises(EmitError, match="a has no elements"):
        cr.derive(lambda a, b: np.sum(a) + b**2, a=(0,), b="").source("c")
