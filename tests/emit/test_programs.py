"""Programs of the suite, written as NumPy and as C, against the native engine; and small random expressions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from support.emitted import assert_close, case, run_c, run_numpy
from support.programs import PROGRAMS
from support.recipes import expression, recipes

import chainrule as cr
from chainrule.deriving import derive

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@pytest.mark.parametrize("name", PROGRAMS)
def test_numpy_equals_the_native_engine(name: str) -> None:
    factory, shapes = PROGRAMS[name]
    program = cr.trace(factory(np), *shapes)
    drawn = case(derive(program, [node.name for node in program.inputs]))
    outputs, gradients = run_numpy(drawn.derivation.source("numpy"), drawn)
    assert_close(outputs[0], drawn.outputs[0], "the value", 1e-10)
    for key, expected in drawn.gradients.items():
        assert_close(gradients[key], expected, f"the gradient by {key}", 1e-9)


@pytest.mark.parametrize("name", PROGRAMS)
def test_c_equals_the_native_engine(name: str, tmp_path: Path) -> None:
    factory, shapes = PROGRAMS[name]
    program = cr.trace(factory(np), *shapes)
    drawn = case(derive(program, [node.name for node in program.inputs]))
    source = drawn.derivation.source("c", "f", drawn.sizes, "float64")
    assert source.count("{") == source.count("}")
    if COMPILER is None:
        return
    loss, gradients = run_c(source, drawn, "f", tmp_path, compiler=COMPILER)
    assert_close(loss, drawn.outputs[0], "the value", 1e-10)
    for key, expected in drawn.gradients.items():
        assert_close(gradients[key], expected, f"the gradient by {key}", 1e-9)


def test_a_stack_of_a_product_with_a_reduction() -> None:
    """The reduction has room for a new axis in front, the other factor has none."""

    def f(x: Any, y: Any) -> Any:
        return np.sum(np.max(np.stack([np.max(np.stack([y, x]), axis=0) * x, y]), axis=0))

    drawn = case(derive(f, ["x", "y"], x="n", y="n"))
    outputs, gradients = run_numpy(drawn.derivation.source("numpy"), drawn)
    assert_close(outputs[0], drawn.outputs[0], "the value", 1e-10)
    for key, expected in drawn.gradients.items():
        assert_close(gradients[key], expected, f"the gradient by {key}", 1e-9)


@settings(max_examples=40)
@given(recipes())
def test_random_expressions_in_numpy(steps: list[tuple[str, int, int]]) -> None:
    drawn = case(derive(expression(steps), ["A", "B"], A="4 3", B="4 3"))
    outputs, gradients = run_numpy(drawn.derivation.source("numpy"), drawn)
    assert_close(outputs[0], drawn.outputs[0], "the value", 1e-9)
    for key, expected in drawn.gradients.items():
        assert_close(gradients[key], expected, f"the gradient by {key}", 1e-8)
