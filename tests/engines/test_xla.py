"""The XLA engine against the NumPy definition of every primitive; interrupts, and what it leaves alone."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from click.testing import Result
from numpy.typing import NDArray
from support.examples import EXTREME, SPECIAL, example_program, names_in, values_for
from support.handwritten import XOR, initial, network_loop
from support.subprocesses import HANG

from chainrule.engines import EngineError, Run, engine_name, get_engine, permutation
from chainrule.engines.native import permutations
from chainrule.ir import DType, Node, Program
from chainrule.models import load_checkpoint
from chainrule.primitives import (
    REGISTRY,
    Abstract,
    AbstractMap,
    Comparison,
    Elementwise,
    Example,
    IntegerOperation,
    MathFunction,
    evaluate_nodes,
)

Array = NDArray[Any]
NORMAL = [x for x in EXTREME if not 0 < abs(x) < 1e-300]
"""XLA replaces subnormal numbers, as operands and as results, by 0."""


LOWERED = {
    f"{kind.__name__}-{k}": each
    for kind in REGISTRY
    if kind is not AbstractMap
    for k, each in enumerate(kind.examples())
}


def is_elementwise(example: Example) -> bool:
    """Whether functions of numbers are applied, which JAX computes in another way for each type."""
    return isinstance(example.primitive, Elementwise) and not isinstance(example.primitive, Abstract)


CASES = [
    pytest.param(example, dtype, seed, id=f"{dtype.name.lower()}-{name}")
    for seed, (name, example) in enumerate(LOWERED.items())
    for k, dtype in enumerate((DType.FLOAT64, DType.FLOAT32))
    if is_elementwise(example) or k == seed % 2
]
"""Functions of numbers in both types, the others in one of them in turn, since each is compiled."""


def defined(program: Program, values: dict[str, Array]) -> Array:
    known: dict[Node, Array] = {node: values[node.name] for node in program.inputs}
    with np.errstate(all="ignore"):
        return evaluate_nodes(program.outputs, known)[program.outputs[0]]


def compiled(program: Program, values: dict[str, Array]) -> Array:
    return get_engine("xla").compile(program)(values)[0]


@pytest.mark.parametrize(("example", "dtype", "seed"), CASES)
def test_a_primitive_agrees_with_its_definition(example: Example, dtype: DType, seed: int) -> None:
    """At ordinary values and at special ones, by the same machine code."""
    rng = np.random.default_rng(seed)
    names = sorted({*names_in(example.operands), *names_in(tuple(vars(example.primitive).values()))})
    program = example_program(example, {name: int(rng.integers(1, 6)) for name in names}, dtype)
    agrees(program, values_for(program, example, seed, []))
    agrees_at_special_values(
        program,
        values_for(program, example, seed, NORMAL if is_elementwise(example) else SPECIAL),
        is_elementwise(example),
    )


def agrees(program: Program, values: dict[str, Array]) -> None:
    expected, found = defined(program, values), compiled(program, values)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
    elif expected.size:
        # Sums of up to 125 terms between -3 and 3, in another order.
        tolerance = 64 * np.finfo(expected.dtype).eps
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * max(1, np.abs(expected).max()))


def agrees_at_special_values(program: Program, values: dict[str, Array], elementwise: bool) -> None:
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


def test_every_function_of_scalars_has_its_own_in_jax() -> None:
    from chainrule.engines.xla.lowerings import COMPARISONS, INTEGERS, MATH  # imports JAX

    assert (set(MATH), set(INTEGERS), set(COMPARISONS)) == tuple(
        map(set, map(get_args, (MathFunction, IntegerOperation, Comparison)))
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning", "ignore:.*fork:DeprecationWarning")
def test_a_forked_process_is_refused_where_it_would_wait_for_threads_of_its_parent() -> None:
    engine = get_engine("xla")

    def child() -> None:
        for call in (
            lambda: engine.begin(Run(network_loop(4, 4), initial(0), XOR, 0)),
            lambda: engine.compile(network_loop(4, 4).step),
        ):
            with pytest.raises(EngineError, match="forked from one that has used"):
                call()

    forked = multiprocessing.get_context("fork").Process(target=child)
    forked.start()
    forked.join(HANG)
    assert forked.exitcode == 0


def test_threads_are_refused() -> None:
    with pytest.raises(EngineError, match='threads=2 is for engine="native"'):
        get_engine("xla").begin(Run(network_loop(4, 4), initial(0), XOR, 0), threads=2)


def test_jax_is_not_imported_without_need_and_its_settings_are_left_alone() -> None:
    """A user's own code in JAX computes in float32 as before, also after a run."""
    code = """
import sys
import numpy as np
import chainrule as cr, chainrule.estimators
assert "jax" not in sys.modules
import jax, jax.numpy as jnp
found = cr.fit(lambda w: np.sum((w - 1) ** 2), {"w": np.zeros(3)}, {}, cr.SGD(0.1), epochs=9, engine="xla")
assert found.params["w"].dtype == np.float64
assert jnp.ones(3).dtype == jnp.float32 and not jax.config.jax_enable_x64
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=HANG)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-4)])
def test_a_thousand_steps_agree_with_those_of_the_native_engine(dtype: str, tolerance: float) -> None:
    """Adam, dropout and clipped gradients; the same bits however the run is cut."""
    import chainrule as cr

    def loss(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        return cr.cross_entropy(cr.dropout(np.tanh(X @ W1 + b1), 0.2) @ W2 + b2, y)

    rng = np.random.default_rng(0)
    data = {"X": rng.normal(size=(100, 5)).astype(dtype), "y": rng.integers(0, 3, 100)}
    params = {"W1": rng.normal(size=(5, 8)), "b1": np.zeros(8), "W2": rng.normal(size=(8, 3)) / 3, "b2": np.zeros(3)}
    given = loss, {name: value.astype(dtype) for name, value in params.items()}, data, cr.Adam(0.003, clip_norm=1.0)
    native = cr.begin_training(*given, batch_size=20, seed=1)
    whole, cut = (cr.begin_training(*given, batch_size=20, seed=1, engine="xla") for _ in range(2))
    native.advance(200)
    whole.advance(200)
    for epochs in (1, 2, 60, 137):
        cut.advance(epochs)
    for name, value in native.state.items():
        largest = max(1.0, np.abs(value).max())
        assert np.abs(whole.state[name] - value).max() <= tolerance * largest
        np.testing.assert_array_equal(cut.state[name], whole.state[name])


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
    from chainrule.engines.xla.dependency import jax, jnp, wide  # imports JAX
    from chainrule.engines.xla.lowerings import _added_in_order

    with wide():
        added = jax.jit(_added_in_order, static_argnums=2)(jnp.asarray(entries), jnp.asarray(places), 5)
        np.testing.assert_allclose(added, expected, rtol=1e-13)


def test_products_are_computed_in_the_precision_of_their_type() -> None:
    """By default a GPU takes TF32 for float32, and a TPU bfloat16."""
    import chainrule as cr
    from chainrule.engines.xla.dependency import jax, wide  # imports JAX
    from chainrule.engines.xla.lowerings import evaluated

    def f(X: Any, K: Any, A: Any) -> Any:
        return cr.conv2d(X, K).sum() + np.einsum("ij,kj,k->i", A, A @ A, A[0]).sum()

    program = cr.trace(f, X="2 1 5 5:float32", K="3 1 2 2:float32", A="4 4:float32")
    with wide():
        given = [np.zeros(node.type.concrete_shape, np.float32) for node in program.inputs]
        lowered = jax.jit(lambda *values: evaluated(program.outputs, dict(zip(program.inputs, values, strict=True))))
        products = [line for line in lowered.lower(*given).as_text().splitlines() if "dot_general" in line]
    assert len(products) >= 3
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)


@pytest.mark.parametrize("seed", [0, 3, -1, 2**64 - 1])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 9, 1001])
def test_machine_code_shuffles_as_defined(seed: int, rows: int) -> None:
    expected = [permutation(seed & (2**64 - 1), epoch, rows) for epoch in (7, 8)]
    np.testing.assert_array_equal(permutations(seed, range(7, 9), rows), expected)


FOUR_DEVICES = """
import sys
import numpy as np
import chainrule as cr

def loss(X, y, table, W, b, W2, key):
    a = np.tanh(cr.dropout(X @ W, 0.3) + table[key] + b)
    a = (a - a.mean(axis=0)) / np.sqrt(a.var(axis=0) + 1e-5)
    return np.mean((a @ W2 - y) ** 2)

rng = np.random.default_rng(0)
data = {"X": rng.normal(size=(45, 3)), "y": rng.normal(size=(45, 1)), "key": rng.integers(0, 6, 45)}
params = {"table": rng.normal(size=(6, 5)), "W": rng.normal(size=(3, 5)), "b": np.zeros(5)}
params["W2"] = rng.normal(size=(5, 1))
given = dict(optimizer=cr.Adam(0.01), epochs=20, batch_size=8, seed=3)
one = cr.fit(loss, params, data, engine="native", **given)
many = cr.fit(loss, params, data, engine="xla", **given)
import jax
assert len(jax.devices()) == 4
half = cr.fit(loss, params, data, engine="xla", **{**given, "epochs": 7})
rest = cr.fit(loss, half.params, data, engine="xla", **{**given, "epochs": 13},
              optimizer_state=half.optimizer_state, start=half.position)
for name, value in one.params.items():
    np.testing.assert_allclose(many.params[name], value, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(rest.params[name], many.params[name])

def drawn(X, w):
    return np.sum(cr.dropout(X, 0.5) * w)

# The gradient has a bit for each element that is kept, wherever it is computed.
bits = {"X": np.tile(2.0 ** np.arange(45)[:, None], (1, 3))}
given = drawn, {"w": np.zeros(3)}, bits, cr.SGD(1.0)
native, xla = (cr.begin_training(*given, batch_size=8, seed=3, engine=engine) for engine in ("native", "xla"))
native.advance(1)
xla.advance(1)
assert len(set(native.state["w"])) == 3
np.testing.assert_array_equal(xla.state["w"], native.state["w"])
"""


def test_batches_are_divided_among_devices_and_resumed_with_the_same_bits() -> None:
    """Batches of 8 rows on 4 devices, with statistics over the batch; the last one, of 5, is not divided."""
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    subprocess.run([sys.executable, "-c", FOUR_DEVICES], check=True, timeout=HANG, env=environment)


@pytest.mark.filterwarnings("ignore:MLPRegressor ended in epoch 30:sklearn.exceptions.ConvergenceWarning")
def test_estimators_and_the_command_train_on_it(run: Callable[..., Result], tmp_path: Path) -> None:
    from chainrule.estimators import MLPRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = X[:, 0] - 2 * X[:, 1]
    fitted = {
        engine: MLPRegressor(hidden_layer_sizes=(4,), random_state=0, max_iter=30, engine=engine).fit(X, y).predict(X)
        for engine in ("native", "xla", "auto")
    }
    np.testing.assert_array_equal(fitted["auto"], fitted["native"])
    np.testing.assert_allclose(fitted["xla"], fitted["native"], rtol=1e-9, atol=1e-9)
    rows = "\n".join(f"{a:.3f},{b:.3f},{c:.3f}" for (a, b), c in zip(X, y, strict=True))
    (tmp_path / "data.csv").write_text(f"a,b,y\n{rows}\n", encoding="utf-8")
    table = str(tmp_path / "data.csv")
    given = ("train", table, "--target", "y", "--hidden", "4", "--ensemble", "1", "--no-refit", "--json")

    def losses(*options: str) -> list[float]:
        result = run(*given, *options)
        assert result.exit_code == 0, result.output
        curve: list[float] = json.loads(result.stdout)["loss_curve"]
        return curve

    whole = losses("--epochs", "6")
    for first, second in (("native", "xla"), ("xla", "native")):
        model = str(tmp_path / first)
        # In float32; a checkpoint of one engine is resumed by the other.
        np.testing.assert_allclose(losses("--engine", first, "--epochs", "3", "--save", model), whole[:3], rtol=1e-5)
        np.testing.assert_allclose(losses("--resume", model, "--engine", second, "--epochs", "6"), whole, rtol=1e-5)
        assert load_checkpoint(model).settings.engine == second
    refused = run(*given, "--engine", "xla", "--threads", "2")
    assert refused.exit_code == 2
    assert "--threads is not for --engine xla" in refused.output


@pytest.mark.parametrize(
    "launcher",
    [
        {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29400"},
        {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"},
        {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"},
    ],
    ids=["torchrun", "mpirun", "srun"],
)
def test_launched_processes_do_not_train_side_by_side_unawares(
    launcher: dict[str, str], tmp_path: Path, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, model = tmp_path / "data.csv", tmp_path / "model"
    table.write_text("a,y\n" + "".join(f"{n / 10},{n / 5}\n" for n in range(40)), encoding="utf-8")
    given = ("train", str(table), "--hidden", "2", "--ensemble", "1", "--no-refit")
    assert run(*given, "--target", "y", "--epochs", "1", "--save", str(model)).exit_code == 0
    before = model.read_bytes()
    for name, value in launcher.items():
        monkeypatch.setenv(name, value)
    for options in (("--resume", str(model)), ("--target", "y", "--save", str(model))):
        refused = run(*given, *options, "--epochs", "2")
        assert refused.exit_code == 2
        assert "give --engine xla to train together, or --engine native" in refused.stderr
        assert model.read_bytes() == before
    alone = run(*given, "--resume", str(model), "--epochs", "2", "--engine", "native")
    assert alone.exit_code == 0, alone.output


def test_auto_is_native_unless_there_are_accelerators_or_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAX_NUM_PROCESSES", raising=False)
    assert get_engine("auto") is get_engine("native")
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert engine_name("auto") == "xla"
    monkeypatch.setattr("jax.default_backend", lambda: "cpu")
    assert engine_name("auto") == "native"
    monkeypatch.setenv("JAX_NUM_PROCESSES", "2")
    assert engine_name("auto") == "xla"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert engine_name("auto") == "native"
