"""The XLA engine against the NumPy definition of every primitive; interrupts, and what it leaves alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.examples import EXTREME, SPECIAL, example_program, names_in, values_for
from support.handwritten import XOR, initial, network_loop
from support.subprocesses import HANG

from chainrule.engines import EngineError, Run, get_engine, permutation
from chainrule.engines.native import permutations
from chainrule.ir import DType, Node, Program
from chainrule.primitives import REGISTRY, Abstract, AbstractMap, Elementwise, Example, evaluate_nodes

Array = NDArray[Any]
NORMAL = [x for x in EXTREME if not 0 < abs(x) < 1e-300]
"""XLA replaces subnormal numbers, as operands and as results, by 0."""


LOWERED = {
    f"{kind.__name__}-{k}": each
    for kind in REGISTRY
    if kind is not AbstractMap
    for k, each in enumerate(kind.examples())
}
Lowered = pytest.mark.parametrize("example", list(LOWERED.values()), ids=list(LOWERED))


def defined(program: Program, values: dict[str, Array]) -> Array:
    known: dict[Node, Array] = {node: values[node.name] for node in program.inputs}
    with np.errstate(all="ignore"):
        return evaluate_nodes(program.outputs, known)[program.outputs[0]]


def compiled(program: Program, values: dict[str, Array]) -> Array:
    return get_engine("xla").compile(program)(values)[0]


@Lowered
@settings(max_examples=1, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_primitive_agrees_with_its_definition(example: Example, data: st.DataObject) -> None:
    names = sorted({*names_in(example.operands), *names_in(tuple(vars(example.primitive).values()))})
    sizes = {name: data.draw(st.integers(1, 5), label=name) for name in names}
    program = example_program(example, sizes, data.draw(st.sampled_from([DType.FLOAT64, DType.FLOAT32])))
    values = values_for(program, example, sum(sizes.values()), [])
    expected, found = defined(program, values), compiled(program, values)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
    elif expected.size:
        # Sums of up to 125 terms between -3 and 3, in another order.
        tolerance = 64 * np.finfo(expected.dtype).eps
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * max(1, np.abs(expected).max()))


@Lowered
@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32])
def test_a_primitive_agrees_at_special_values(example: Example, dtype: DType) -> None:
    names = sorted({*names_in(example.operands), *names_in(tuple(vars(example.primitive).values()))})
    program = example_program(example, dict.fromkeys(names, 3), dtype)
    elementwise = isinstance(example.primitive, Elementwise) and not isinstance(example.primitive, Abstract)
    values = values_for(program, example, 7, NORMAL if elementwise else SPECIAL)
    expected, found = defined(program, values), compiled(program, values)
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
        return
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))
    if elementwise:
        kind = np.finfo(expected.dtype)
        with np.errstate(invalid="ignore", over="ignore"):
            allowed = 8 * kind.eps * np.abs(expected) + kind.smallest_normal
            assert np.all((found == expected) | np.isnan(expected) | (np.abs(found - expected) <= allowed))


def test_a_map_without_a_definition_is_refused() -> None:
    example = AbstractMap.examples()[0]
    names = sorted({*names_in(example.operands), *names_in(tuple(vars(example.primitive).values()))})
    program = example_program(example, dict.fromkeys(names, 3), DType.FLOAT64)
    with pytest.raises(EngineError, match='engine="xla" has no AbstractMap'):
        compiled(program, values_for(program, example, 0, []))


def test_an_interrupt_ends_the_run_and_keeps_what_was_learnt() -> None:
    engine, run = get_engine("xla"), Run(network_loop(4, 4), initial(0), XOR, 0)

    def report(done: int, _: Array) -> None:
        if done > 1000:
            os.kill(os.getpid(), signal.SIGINT)

    outcome = engine.run(run, 10**8, report)  # hours, if it were not interrupted
    assert outcome.status == "interrupted"
    assert 1000 < outcome.epochs_done == outcome.steps_done < 10**8
    again = engine.run(run, outcome.epochs_done)
    np.testing.assert_array_equal(again.losses, outcome.losses)
    for name, value in again.state.items():
        np.testing.assert_array_equal(outcome.state[name], value)


def test_threads_are_refused() -> None:
    with pytest.raises(EngineError, match='threads=2 is for engine="native"'):
        get_engine("xla").begin(Run(network_loop(4, 4), initial(0), XOR, 0), threads=2)


def test_the_settings_of_jax_are_left_alone() -> None:
    """A user's own code in JAX computes in float32 as before, also after a run."""
    code = """
import jax, jax.numpy as jnp, numpy as np
import chainrule as cr
found = cr.fit(lambda w: np.sum((w - 1) ** 2), {"w": np.zeros(3)}, {}, cr.SGD(0.1), epochs=9, engine="xla")
assert found.params["w"].dtype == np.float64
assert jnp.ones(3).dtype == jnp.float32 and not jax.config.jax_enable_x64
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=HANG)


def test_jax_is_not_imported_without_need() -> None:
    code = "import sys, chainrule, chainrule.estimators; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=HANG)


def test_without_jax_the_engine_names_the_command_that_installs_it() -> None:
    code = """
import sys; sys.modules["jax"] = None
import chainrule as cr
from chainrule.engines import get_engine
try:
    get_engine("xla")
except cr.ChainruleError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], check=True, timeout=HANG, capture_output=True, text=True)
    assert "pip install 'chainrule[xla]'" in found.stdout


@pytest.mark.parametrize("count", [1, 2, 7, 200])
@pytest.mark.parametrize("axes", [0, 1])
def test_entries_are_added_in_a_fixed_order_where_a_scatter_is_not(count: int, axes: int) -> None:
    rng = np.random.default_rng(count)
    entries, places = rng.normal(size=(count, *[3] * axes)), rng.integers(0, 5, count)
    expected = np.zeros((5, *[3] * axes))
    np.add.at(expected, places, entries)
    from chainrule.engines.xla.library import jnp, wide  # imports JAX
    from chainrule.engines.xla.lowerings import _added_in_order

    with wide():
        np.testing.assert_allclose(_added_in_order(jnp.asarray(entries), jnp.asarray(places), 5), expected, rtol=1e-13)


@pytest.mark.parametrize("seed", [0, 3, -1, 2**64 - 1])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 9, 1001])
def test_machine_code_shuffles_as_defined(seed: int, rows: int) -> None:
    expected = [permutation(seed & (2**64 - 1), epoch, rows) for epoch in (7, 8)]
    np.testing.assert_array_equal(permutations(seed, range(7, 9), rows), expected)
