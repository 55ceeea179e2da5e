"""Programs of the suite, written as NumPy and as C, against the native engine; and small random expressions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emitted import assert_close, case, run_c, run_numpy
from support.programs import PROGRAMS

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


UNARY: dict[str, Callable[[Any], Any]] = {
    "tanh": np.tanh,
    "arctan": np.arctan,
    "sinh": lambda x: np.sinh(np.tanh(x)),
    "cosh": lambda x: np.cosh(np.tanh(x)),
    "sigmoid": cr.sigmoid,
    "softplus": cr.softplus,
    "silu": cr.silu,
    "gelu": cr.gelu,
    "elu": cr.elu,
    "leaky relu": cr.leaky_relu,
    "square": lambda x: x**2,
    "negative": lambda x: -x,
    "softmax": cr.softmax,
    "log_softmax": lambda x: cr.log_softmax(x, axis=0),
    "centred": lambda x: x - np.mean(x, axis=1, keepdims=True),
    "transposed twice": lambda x: (x.T * 2.0).T,
    "sums": lambda x: x * np.sum(x, axis=0),
    "reversed": lambda x: x[::-1],
    "padded": lambda x: np.concatenate([x[1:], 0.5 * x[:1]], axis=0),
    "logsumexp": lambda x: x - cr.logsumexp(x, axis=1, keepdims=True),
    "cumulative": lambda x: np.cumsum(x, axis=0),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / (1.5 + y**2),
    "maximum": np.maximum,
    "arctan2": lambda x, y: np.arctan2(x, 2.5 + np.tanh(y)),
    "where": lambda x, y: np.where(x > y, x * y, y),
    "product": lambda x, y: x @ (y.T @ x),
    "row": lambda x, y: x * y[0],
    "column": lambda x, y: x + y[:, 1:2],
}


@st.composite
def recipes(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Steps, each an operation on earlier values."""
    steps: list[tuple[str, int, int]] = []
    for place in range(draw(st.integers(1, 6))):
        name = draw(st.sampled_from([*UNARY, *BINARY]))
        steps.append((name, draw(st.integers(0, place + 1)), draw(st.integers(0, place + 1))))
    return steps


@settings(max_examples=120)
@given(recipes())
def test_random_expressions_in_numpy(steps: list[tuple[str, int, int]]) -> None:
    def f(A: Any, B: Any) -> Any:
        values = [A, B]
        for name, first, second in steps:
            if name in UNARY:
                values.append(UNARY[name](values[first]))
            else:
                values.append(BINARY[name](values[first], values[second]))
        return np.sum(np.tanh(values[-1]) * 0.3) + 0.1 * np.sum(A * B)

    drawn = case(derive(f, ["A", "B"], A="4 3", B="4 3"))
    outputs, gradients = run_numpy(drawn.derivation.source("numpy"), drawn)
    assert_close(outputs[0], drawn.outputs[0], "the value", 1e-9)
    for key, expected in drawn.gradients.items():
        assert_close(gradients[key], expected, f"the gradient by {key}", 1e-8)
