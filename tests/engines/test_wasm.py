"""Runs in WebAssembly, under node, against the native engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.handwritten import XOR, initial, network_loop, random_data

import chainrule as cr
from chainrule.emit.node import find_node, run_in_node
from chainrule.engines import EngineError, Loop, Run, get_engine, wasm_module
from chainrule.engines.native import wasm
from chainrule.engines.native.compilation import write_loop
from chainrule.engines.native.machine import assemble, object_code
from chainrule.ir import ArrayType, DType, Input, Program
from chainrule.primitives import square, sum_
from chainrule.training import SGD, Adam, TrainingSession, open_session

Array = NDArray[Any]
NODE = find_node() or ""
pytestmark = pytest.mark.skipif(not NODE, reason="node is not installed")


def in_wasm(run: Run, *epochs: int) -> dict[str, Array]:
    """Return the losses, the status, and the state after calls of `advance`."""
    loop = run.loop
    given = {name: np.asarray(run.state[name]) for name in loop.state}
    given |= {name: np.asarray(run.data[name]) for name in (*loop.rows, *loop.constants)}
    statements = f"""
    const run = await open({run.seed});
    run.set(given);
    const losses = [];
    for (const epochs of {json.dumps(epochs)}) {{
        const outcome = run.advance(epochs);
        losses.push(...outcome.losses);
        results.finished = outcome.status === "finished" ? 1 : 0;
    }}
    results.losses = losses;
    for (const name of layout.states) results[name] = Float64Array.from(run.get(name), Number);
    """
    return run_in_node(NODE, wasm_module(loop), statements, given)


def assert_equal_runs(run: Run, epochs: int, tolerance: float = 1e-12) -> None:
    expected = get_engine("native").run(run, epochs)
    found = in_wasm(run, epochs // 3, epochs - epochs // 3)
    assert found["finished"].tolist() == [1]
    np.testing.assert_allclose(found["losses"], expected.losses, tolerance)
    assert_states(found, expected.state, tolerance)


def assert_states(found: Mapping[str, Array], expected: Mapping[str, Array], tolerance: float) -> None:
    for name, value in expected.items():
        scale = float(np.max(np.abs(value), initial=1e-3))
        assert np.max(np.abs(found[name] - np.ravel(value)), initial=0.0) <= tolerance * scale, name


def test_xor_in_registers() -> None:
    assert_equal_runs(Run(network_loop(4, 4), initial(1), XOR, 0), 2500, 1e-10)


@pytest.mark.parametrize(("dtype", "tolerance"), [(DType.FLOAT64, 1e-12), (DType.FLOAT32, 2e-5)])
def test_shuffled_batches_with_a_remainder_over_memory(dtype: DType, tolerance: float) -> None:
    sizes = (20, 19, 6)
    loop = network_loop(70, 16, True, sizes, dtype)
    state = {name: (value / 5).astype(dtype.numpy) for name, value in initial(2, sizes).items()}
    data = {name: value.astype(dtype.numpy) for name, value in random_data(70, sizes).items()}
    assert_equal_runs(Run(loop, state, data, 7), 9, tolerance)


SCALES = np.linspace(0.5, 2, 33)


def network(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    z1 = X @ W1 + b1
    a1 = cr.dropout(cr.gelu(z1), 0.3) * SCALES
    z2 = a1 @ W2 + b2
    return cr.cross_entropy(z2, y)


def test_dropout_labels_and_the_memory_of_an_optimizer() -> None:
    random = np.random.default_rng(0)
    params = {
        "W1": random.normal(size=(6, 33)) / 3,
        "b1": np.zeros(33),
        "W2": random.normal(size=(33, 5)) / 6,
        "b2": np.zeros(5),
    }
    data = {"X": random.normal(size=(50, 6)), "y": random.integers(0, 5, 50)}
    session = open_session(network, params, data, Adam(0.01), batch_size=20, seed=3)
    assert isinstance(session, TrainingSession)
    assert_equal_runs(session.run, 6, 1e-9)


def test_arrays_of_three_axes() -> None:
    def loss(x: Any, w: Any) -> Any:
        return np.mean((x * w - 1) ** 2)

    random = np.random.default_rng(4)
    params, data = {"w": random.normal(size=(2, 3, 5))[0]}, {"x": random.normal(size=(14, 3, 5))}
    session = open_session(loss, params, data, SGD(0.3), batch_size=5, seed=1)
    assert isinstance(session, TrainingSession)
    assert_equal_runs(session.run, 4)


def test_every_elementary_function_is_part_of_the_code() -> None:
    def loss(x: Any, w: Any) -> Any:
        u = cr.softmax(x * w)
        v = np.exp(-np.abs(u)) + np.log(2 + np.sin(w)) + np.sqrt(1 + np.cos(w) ** 2) + np.expm1(0.1 * u)
        t = (
            np.tanh(v)
            + cr.sigmoid(v)
            + cr.softplus(v)
            + cr.erf(v)
            + np.log1p(v**2)
            + np.floor(w)
            + (1.5 + u) ** 1.7
            + cr.erf(u)
        )
        return np.mean(t)

    random = np.random.default_rng(1)
    session = open_session(loss, {"w": random.normal(size=40)}, {"x": random.normal(size=(30, 40))}, SGD(0.1))
    assert isinstance(session, TrainingSession)
    assert_equal_runs(session.run, 5, 1e-11)


def test_the_loop_of_a_product_fits_in_the_registers_of_a_browser() -> None:
    """Those for x86 use 15; a loop that needs more moves its accumulators to memory and back in every turn."""
    loop = network_loop(48, 48, sizes=(300, 40, 20))
    text = assemble(write_loop(loop, target=wasm.WASM).text, wasm.WASM)
    innermost = [
        part.split("end_loop")[0] for part in text.split("\tloop ") if "f64x2.mul" in part.split("end_loop")[0]
    ]
    products = [(part.count("f64x2.add"), part.count("v128.load")) for part in innermost]
    assert max(products)[0] == 8
    assert all(sums + loads + 1 <= 15 for sums, loads in products if sums > 1), products


def test_more_epochs_than_one_call_of_the_code_has() -> None:
    run = Run(network_loop(4, 4), initial(0), XOR, 0)
    found = in_wasm(run, wasm._LOSSES + 500)
    np.testing.assert_allclose(found["losses"], get_engine("native").run(run, wasm._LOSSES + 500).losses, 1e-10)


def test_a_run_that_diverges_says_so_and_keeps_a_finite_state() -> None:
    w, x = Input("w", ArrayType((50, 40))), Input("x", ArrayType((4, 40)))
    loop = Loop(("w",), ("x",), (), {4: Program((w, x), (sum_(square(w)), square(w) * 2.0))}, 4, 4, False)
    run = Run(loop, {"w": np.full((50, 40), 1.2)}, {"x": np.ones((4, 40))}, 0)
    found = in_wasm(run, 100)
    assert found["finished"].tolist() == [0]
    assert 0 < len(found["losses"]) < 100
    expected = 1.2
    for _ in found["losses"]:
        expected = 2 * expected**2
    np.testing.assert_allclose(found["w"], np.full(2000, expected))


def test_what_does_not_fit_is_refused() -> None:
    module = wasm_module(network_loop(4, 4))
    statements = """
    const run = await open();
    const message = (values) => { try { run.set(values); } catch (error) { return error.message; } };
    results.refused = [
        message({ Z: [1] }) === "there is no array named Z",
        message({ W1: [1, 2] }) === "W1 has 2 entries, not 8",
        message({ rate: 0.1 }) === undefined,
    ];
    """
    assert run_in_node(NODE, module, statements, {})["refused"].tolist() == [1, 1, 1]


FOREIGN = """
declare double @tgamma(double)
define void @run(ptr %place) {
  %x = load double, ptr %place
  %y = call double @tgamma(double %x)
  store double %y, ptr %place
  ret void
}
"""


def test_code_that_needs_a_library_is_not_linked() -> None:
    code = object_code(FOREIGN, wasm.WASM)
    with pytest.raises(EngineError, match="the code needs tgamma, which a page does not have"):
        wasm.linked(code, "run")
    plain = object_code("define void @run(ptr %x) {\n  store i32 7, ptr %x\n  ret void\n}\n", wasm.WASM)
    with pytest.raises(EngineError, match="the code does not define walk"):
        wasm.linked(plain, "walk")
