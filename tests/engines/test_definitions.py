"""Values that generated code leaves to NumPy: in batches, in teams and from the disk cache, and their errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.calculus import backward
from chainrule.engines import EngineError, Loop, Outcome, Run, get_engine, wasm_module
from chainrule.engines.native import NativeEngine
from chainrule.engines.native.compilation import CompiledProgram, write_loop
from chainrule.ir import Program
from chainrule.primitives import Inverse
from chainrule.trace import trace

SIZE = 27
ROWS = 3 * SIZE + 7
_draw = np.random.default_rng(5)
DATA = {"X": _draw.normal(size=(ROWS, SIZE)), "y": _draw.normal(size=ROWS)}
START = {"W": np.zeros(SIZE)}


def loss(W: Any, X: Any, y: Any) -> Any:
    return np.mean((X @ np.linalg.inv(X.T @ X + 9 * np.eye(SIZE)) @ W - y) ** 2)


def step(count: int) -> Program:
    program = trace(loss, (SIZE,), (count, SIZE), (count,))
    W = program.inputs[0]
    (gradient,) = backward(program, [W]).gradients
    return Program(program.inputs, (*program.outputs, W - 0.5 * gradient))


def loop(shuffle: bool) -> Loop:
    counts = SIZE + 2, ROWS % (SIZE + 2)
    return Loop(("W",), ("X", "y"), (), {count: step(count) for count in counts}, ROWS, counts[0], shuffle)


def run(shuffle: bool, team: int) -> Outcome:
    return NativeEngine("loops", team=team).run(Run(loop(shuffle), START, DATA, 3), 3)


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_are_trained_alike_by_any_number_of_threads_and_as_by_definition(shuffle: bool) -> None:
    outcome = run(shuffle, 1)
    for team in (2, 3):
        other = run(shuffle, team)
        np.testing.assert_array_equal(other.losses, outcome.losses)
        np.testing.assert_array_equal(other.state["W"], outcome.state["W"])
    reference = get_engine("reference").run(Run(loop(shuffle), START, DATA, 3), 3)
    np.testing.assert_allclose(outcome.losses, reference.losses, rtol=1e-12)
    np.testing.assert_allclose(outcome.state["W"], reference.state["W"], rtol=1e-10)


def test_code_contains_no_address() -> None:
    assert write_loop(loop(True)).text == write_loop(loop(True)).text


def test_no_array_is_too_small_or_too_strange_to_be_passed() -> None:
    """Operands that are computed, given, literal and uniform; results returned twice, and empty ones."""
    literal = np.asfortranarray(_draw.normal(size=(SIZE, SIZE)))

    def function(a: Any) -> Any:
        first = np.linalg.inv(a)
        uniform = np.linalg.slogdet(np.full((SIZE, SIZE), 2.0) + np.zeros_like(a))
        empty = np.linalg.inv(np.zeros((0, SIZE, SIZE)) + a[0, 0])
        return first, first, np.linalg.inv(2 * a.T)[1], np.linalg.det(literal * a), uniform.sign, empty

    program = trace(function, (SIZE, SIZE))
    values = {"a": _draw.normal(size=(SIZE, SIZE))}
    found, wanted = (get_engine(engine).compile(program)(values) for engine in ("native", "reference"))
    for native, reference in zip(found, wanted, strict=True):
        np.testing.assert_allclose(native, reference, rtol=1e-12)
        assert native.shape == reference.shape


def test_an_error_of_a_definition_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def value(self: Inverse, *operands: NDArray[Any]) -> NDArray[Any]:
        raise MemoryError("no memory")

    monkeypatch.setattr(Inverse, "value", value)
    with pytest.raises(MemoryError, match="no memory"):
        CompiledProgram(trace(np.linalg.inv, (SIZE, SIZE)))({"a": np.eye(SIZE)})
    with pytest.raises(MemoryError, match="no memory"):
        run(shuffle=False, team=2)


def test_a_page_says_what_it_lacks() -> None:
    with pytest.raises(EngineError, match="Inverse is computed by NumPy here, which WebAssembly does not have"):
        wasm_module(loop(False))
