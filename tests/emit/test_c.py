"""The C header: compiled with warnings as errors, run, and compared with the native engine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.emitted import Case, assert_close, case, case_of, members, run_c, signature

from chainrule.deriving import derive
from chainrule.emit import EmitError
from chainrule.gallery import GALLERY
from chainrule.ir import DType

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
TOLERANCE = {DType.FLOAT64: 1e-10, DType.FLOAT32: 3e-5}


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=lambda dtype: dtype.value)
@pytest.mark.parametrize("name", GALLERY)
def test_gradients_are_those_of_the_native_engine(name: str, dtype: DType, tmp_path: Path) -> None:
    drawn = case_of(name, dtype)
    source = drawn.derivation.source("c", name, drawn.sizes, dtype.value)
    assert_well_formed(source, drawn, name)
    if COMPILER is None:  # where there is no compiler, what can be read off the text is all there is to check
        return
    loss, gradients = run_c(source, drawn, name, tmp_path, compiler=COMPILER)
    assert set(gradients) == set(drawn.gradients)
    for key, expected in drawn.gradients.items():
        assert_close(gradients[key], expected, f"the gradient by {key}", TOLERANCE[dtype])
    if not drawn.seeds:
        assert_close(loss, drawn.outputs[0], "the loss", TOLERANCE[dtype])


def assert_well_formed(source: str, drawn: Case, name: str) -> None:
    """Assert that brackets match, every gradient has a member, nothing is allocated, and lines are not too long."""
    depth = 0
    for letter in source:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    # The block that opens for C++ is within conditions of the preprocessor, and closes there.
    assert depth == 0
    assert len(members(source, name, "grads")) == len(drawn.gradients)
    for word in ("malloc(", "alloca(", "goto "):
        assert word not in source
    if drawn.seeds:
        assert set(signature(source, f"{name}_backward")) >= {"grads"}
    assert max(map(len, source.splitlines())) <= 100


def test_static_sizes_are_asked_for() -> None:
    derivation = derive(GALLERY["linear_regression"].function)
    with pytest.raises(EmitError, match="static sizes: give n, d numbers"):
        derivation.source("c")
    with pytest.raises(EmitError, match="no size named m"):
        derivation.source("c", sizes={"n": 2, "d": 3, "m": 4})
    with pytest.raises(EmitError, match="size n is 0"):
        derivation.source("c", sizes={"n": 0, "d": 3})


def test_names_that_c_keeps_for_itself(tmp_path: Path) -> None:
    def loss(register: Any, gamma: Any, λ: Any, exp: Any) -> Any:
        double = register * gamma + λ
        return np.sum(double * exp)

    shapes = dict.fromkeys(("register", "gamma", "λ", "exp"), "n")
    drawn = case(derive(loss, ["register", "λ", "exp"], **shapes))
    source = drawn.derivation.source("c", "static", drawn.sizes, "float64")
    assert "double register_[" in source
    if COMPILER is not None:
        _, gradients = run_c(source, drawn, "static_", tmp_path, compiler=COMPILER)
        for key, expected in drawn.gradients.items():
            assert_close(gradients[key], expected, key, 1e-12)
