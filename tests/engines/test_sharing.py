"""Nests of one form share a kernel, whatever arrays they read and write and wherever their slices begin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.native.compilation import CompiledProgram
from chainrule.engines.native.memory import ProgramWriter
from chainrule.engines.native.nests import copying
from chainrule.engines.native.prepare import prepare
from chainrule.engines.native.sharing import form_of
from chainrule.engines.native.storage import row_major
from chainrule.engines.native.target import current_target
from chainrule.engines.native.text import Module
from chainrule.engines.reference import evaluate
from chainrule.ir import ArrayType, Program
from chainrule.trace import trace


def kernels(program: Program) -> int:
    module = Module()
    ProgramWriter(module, prepare(program), current_target())
    return sum("@kernel_" in text.partition("(")[0] for text in module.functions)


def rounds(steps: int) -> Program:
    def states(X: Any, W: Any, U: Any) -> Any:
        h = np.zeros((4, 32))
        for t in range(steps):
            h = np.tanh(X[:, t] @ W + h @ U)
        return h

    return trace(states, X=f"4 {steps} 24", W="24 32", U="32 32")


def test_the_code_of_a_recurrence_does_not_grow_with_its_length() -> None:
    assert kernels(rounds(4)) == kernels(rounds(40)) <= 4


CASES = {
    "rows": lambda x, y: np.concatenate([np.exp(x[k : k + 3] @ y) for k in (0, 2, 4)]),
    "columns": lambda x, y: np.stack([np.sum(x[:, k : k + 2] * 3, axis=1) for k in range(5)]),
    "backwards": lambda x, y: np.stack([np.cumsum(x[::-1][k : k + 2].sum(axis=0)) for k in range(5)]),
    "strides": lambda x, y: np.stack([x[k::4].sum(axis=0) ** 2 for k in range(3)]),
    "padded": lambda x, y: sum(np.pad(np.tanh(x[k : k + 4] @ y), ((k, 3 - k), (0, 0))) for k in range(3)),
    "alike but for a number": lambda x, y: np.stack([np.tanh(k * (x @ y)).sum() for k in range(3)]),
    "alike but for an operand": lambda x, y: np.stack(
        [(x @ y).sum(), (x @ (y * 2)).sum(), (x * x).sum(), (x * x[::-1]).sum()]
    ),
    "alike but for which operand": lambda x, y: np.stack(
        [np.exp(x[:5] * x[1:6] + y[:5]).sum(axis=0), np.exp(x[:5] * y[1:6] + y[:5]).sum(axis=0)]
    ),
    "of other sizes": lambda x, y: np.stack([np.sum(np.exp(x[:k] @ y)) for k in (2, 4, 7)]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_shared_kernels_compute_what_the_reference_does(name: str, dtype: Any) -> None:
    generator = np.random.default_rng(2)
    values = {
        "x": generator.standard_normal((7, 6)).astype(dtype),
        "y": generator.standard_normal((6, 6)).astype(dtype),
    }
    program = trace(CASES[name], **values)
    (found,) = CompiledProgram(program, "loops")(values)
    (expected,) = evaluate(program, values)
    np.testing.assert_allclose(found, expected, rtol=1e-4 if dtype is np.float32 else 1e-12)


def test_what_is_in_place_has_another_form() -> None:
    storage = row_major(ArrayType((8,)))
    nest = copying("target", storage, "source", storage)
    apart = form_of(nest, None, ["A", "B"], {"target": "A", "source": "B"}, {})
    assert form_of(nest, None, ["C", "D"], {"target": "C", "source": "D"}, {}) == apart
    assert form_of(nest, None, ["A"], {"target": "A", "source": "A"}, {}) != apart


def test_an_unrolled_network_trains_as_the_reference_does() -> None:
    def loss(X: Any, y: Any, W: Any, U: Any, V: Any) -> Any:
        h = np.zeros((X.shape[0], 20))
        for t in range(6):
            h = np.tanh(X[:, t] @ W + h @ U)
        return cr.cross_entropy(h @ V, y)

    generator = np.random.default_rng(4)
    data = {"X": generator.standard_normal((30, 6, 5)), "y": generator.integers(0, 3, 30)}
    params = {
        name: generator.standard_normal(shape) * 0.3
        for name, shape in (("W", (5, 20)), ("U", (20, 20)), ("V", (20, 3)))
    }
    results = [
        cr.fit(
            loss, params, data, optimizer=cr.SGD(0.1), epochs=2, batch_size=8, seed=1, engine=engine, threads=threads
        )
        for engine, threads in (("native", 1), ("native", 2), ("reference", None))
    ]
    for name in params:
        np.testing.assert_array_equal(results[0].params[name], results[1].params[name])
        np.testing.assert_allclose(results[0].params[name], results[2].params[name], rtol=1e-9)
