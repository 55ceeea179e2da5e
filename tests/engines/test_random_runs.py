"""Training of random networks: the same in every engine, however the data lies in memory, and where it ends early."""

from __future__ import annotations

import itertools
import signal
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.handwritten import initial, network_loop, random_data
from support.subprocesses import script

from chainrule import primitives as p
from chainrule.calculus import backward
from chainrule.engines import Loop, Outcome, Run, evaluate, get_engine
from chainrule.engines.loop import packed
from chainrule.engines.native import NativeEngine, compilation, memory, session
from chainrule.engines.native.schedule import Arena
from chainrule.ir import ArrayType, DType, Input, Node, Program

Array = NDArray[Any]
ACTIVATIONS: list[Callable[[Node], Node]] = [p.sigmoid, p.tanh, p.relu, p.softplus, p.gelu, p.silu, p.elu]
REFERENCE = get_engine("reference")


class Network:
    """A random network: its loss for any number of rows, its parameters and its data."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.dtype = DType.FLOAT32 if rng.random() < 0.3 else DType.FLOAT64
        self.count = int(rng.integers(1, 14))
        self.layers = [int(size) for size in rng.integers(1, 7, int(rng.integers(2, 5)))]
        if rng.random() < 0.3:
            self.layers[-2] = int(rng.integers(20, 40))
        self.activations = [ACTIVATIONS[int(k)] for k in rng.integers(len(ACTIVATIONS), size=len(self.layers))]
        self.classifies = rng.random() < 0.5
        self.batch_size = int(rng.choice([1, self.count, max(self.count - 1, 1), self.count + 3, 2, 3, 5]))
        self.shuffle = bool(rng.random() < 0.6)
        n, (d, *_, o) = self.count, self.layers
        y = rng.integers(0, o, n) if self.classifies else rng.normal(size=(n, o))
        self.data = {"X": rng.normal(size=(n, d)), "y": y, "rate": np.array(0.02)}
        weights = {f"W{k}": rng.normal(size=pair) / 2 for k, pair in enumerate(itertools.pairwise(self.layers))}
        biases = {f"b{k}": rng.normal(size=size) for k, size in enumerate(self.layers[1:])}
        self.state = {**weights, **biases, "scale": np.array(0.9), "mix": rng.normal(size=(2, o, 2)) / 2}

    def program(self, rows: int) -> Program:
        """One step of gradient descent on that many rows, with several named values."""
        X = Input("X", ArrayType((rows, self.layers[0]), self.dtype))
        label_type = ArrayType((rows,), DType.INT64) if self.classifies else ArrayType((rows, self.layers[-1]))
        y = Input("y", label_type if self.classifies else label_type.with_dtype(self.dtype))
        rate = Input("rate", ArrayType((), self.dtype))
        parameters = {name: Input(name, ArrayType(value.shape, self.dtype)) for name, value in self.state.items()}
        names: dict[Node, str] = {}
        h: Node = X
        for k in range(len(self.layers) - 1):
            z = h @ parameters[f"W{k}"] + parameters[f"b{k}"]
            h = self.activations[k](z)
            names.update({z: f"z{k}", h: f"h{k}"})
        mixed = p.einsum("iab,na->ib", parameters["mix"], h)
        scores = h * parameters["scale"]
        names[scores] = "scores"
        if self.classifies:
            chosen = p.log_softmax(scores) * p.one_hot(y, self.layers[-1], self.dtype)
            loss = -p.mean(p.sum_(chosen, 1))
        else:
            loss = p.mean(p.square(scores - y))
        loss = loss + 0.01 * p.mean(p.square(mixed))
        names[loss] = "loss"
        wrt = tuple(parameters.values())
        gradients = backward(Program((X, y, rate, *wrt), (loss,), names), wrt).gradients
        following = [value - rate * gradient for value, gradient in zip(wrt, gradients, strict=True)]
        return Program((X, y, rate, *wrt), (loss, *following), names)

    def loop(self) -> Loop:
        counts = {min(self.batch_size, self.count), self.count % self.batch_size} - {0}
        steps = {count: self.program(count) for count in counts}
        return Loop(tuple(self.state), ("X", "y"), ("rate",), steps, self.count, self.batch_size, self.shuffle)


def assert_same(found: Outcome, expected: Outcome, tolerance: float) -> None:
    assert (found.status, found.epochs_done, found.steps_done) == (
        expected.status,
        expected.epochs_done,
        expected.steps_done,
    )
    np.testing.assert_allclose(found.losses, expected.losses, rtol=tolerance, atol=tolerance)
    for name, value in expected.state.items():
        assert found.state[name].shape == value.shape
        np.testing.assert_allclose(found.state[name], value, rtol=tolerance, atol=tolerance, err_msg=name)


def assert_identical(found: Outcome, expected: Outcome) -> None:
    np.testing.assert_array_equal(found.losses, expected.losses)
    for name, value in expected.state.items():
        np.testing.assert_array_equal(found.state[name], value)


def check_network(seed: int) -> None:
    network = Network(seed)
    loop = network.loop()
    expected = REFERENCE.run(Run(loop, network.state, network.data, seed), 4)
    tolerance = 5000 * float(np.finfo(network.dtype.numpy).eps)
    for engine in (NativeEngine(), NativeEngine("loops"), get_engine("xla")):
        assert_same(engine.run(Run(loop, network.state, network.data, seed), 4), expected, tolerance)


@pytest.mark.parametrize("first", range(0, 8, 2))
def test_random_networks(first: int) -> None:
    for seed in range(first, first + 2):
        check_network(seed)


def read_only(array: Array, _: Path) -> Array:
    result = array.copy()
    result.flags.writeable = False
    return result


def strided(array: Array, _: Path) -> Array:
    result = np.full(tuple(2 * size + 1 for size in array.shape), np.nan).astype(array.dtype)
    view = result[tuple(slice(1, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def backwards(array: Array, _: Path) -> Array:
    return array[::-1].copy()[::-1]


def mapped(array: Array, folder: Path) -> Array:
    file = folder / f"{len(list(folder.iterdir()))}.npy"
    np.save(file, array)
    result: Array = np.load(file, mmap_mode="r")
    return result


def unaligned(array: Array, _: Path) -> Array:
    raw = np.zeros(array.nbytes + 1, np.uint8)
    result = raw[1:].view(array.dtype).reshape(array.shape)
    result[...] = array
    assert not result.flags.aligned
    return result


def swapped(array: Array, _: Path) -> Array:
    return array.astype(array.dtype.newbyteorder())


LAYOUTS = [read_only, lambda array, _: np.asfortranarray(array), strided, backwards, mapped, unaligned, swapped]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", ["unrolled", "loops"])
def test_data_may_lie_anyhow(mode: Any, layout: Callable[[Array, Path], Array], tmp_path: Path) -> None:
    loop, engine, data = network_loop(10, 3, True), NativeEngine(mode), random_data(10)
    expected = engine.run(Run(loop, initial(0), data, 0), 3)
    laid = {name: layout(data[name], tmp_path) for name in ("X",)}
    state = {name: layout(value, tmp_path) for name, value in initial(0).items()}
    assert_identical(engine.run(Run(loop, state, {**data, **laid}, 0), 3), expected)
    np.testing.assert_array_equal(laid["X"], data["X"])


def test_generated_code_is_given_aligned_memory_only() -> None:
    """Every load is declared aligned, and LLVM may rely on it."""
    array = unaligned(np.ones(5), Path())
    assert packed(array, array.dtype).flags.aligned
    assert packed(array.copy(), array.dtype).flags.aligned


FENCE = 0xA5


class FencedArena(Arena):
    """An arena that reuses no memory and leaves a gap after every allocation."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps: list[tuple[int, int]] = []

    def take(self, count: int) -> int:
        start = super().take(count)
        self.gaps.append((start + count, super().take(64) + 64))
        return start

    def give_back(self, start: int, count: int) -> None:
        pass


@pytest.mark.parametrize("seed", range(6))
def test_no_kernel_writes_beside_its_buffer(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    arenas: list[FencedArena] = []
    memories: list[Array] = []

    def arena() -> FencedArena:
        arenas.append(FencedArena())
        return arenas[-1]

    def workspace(size: int) -> Array:
        memories.append(np.full(size, FENCE, np.uint8))
        return memories[-1]

    monkeypatch.setattr(memory, "Arena", arena)
    monkeypatch.setattr(compilation, "workspace", workspace)
    network = Network(seed)
    program = network.program(network.count)
    inputs = {**network.state, **network.data}
    for found, expected in zip(
        compilation.CompiledProgram(program, "loops")(inputs), evaluate(program, inputs), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    assert len(arenas[0].gaps) >= 3
    for start, stop in arenas[0].gaps:
        assert (memories[0][start:stop] == FENCE).all()


@pytest.mark.parametrize("mode", ["unrolled", "loops"])
def test_the_same_seed_gives_the_same_bits(mode: Any) -> None:
    """Again, after compiling anew, and in two threads that share compiled code and data."""
    loop, data = network_loop(10, 3, True), random_data(10)
    engine = NativeEngine(mode)
    expected = engine.run(Run(loop, initial(0), data, 3), 200)
    assert_identical(engine.run(Run(loop, initial(0), data, 3), 200), expected)
    assert_identical(NativeEngine(mode).run(Run(loop, initial(0), data, 3), 200), expected)
    outcomes: list[Outcome] = []

    def train() -> None:
        outcomes.extend(engine.run(Run(loop, initial(0), data, 3), 200) for _ in range(20))

    threads = [threading.Thread(target=train) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 40
    for outcome in outcomes:
        assert_identical(outcome, expected)


CHILDREN = """
    import multiprocessing, sys
    from support.handwritten import XOR, initial, network_loop
    from chainrule.engines import Run
    from chainrule.engines.native import NativeEngine

    engine = NativeEngine()

    def train(rows):
        outcome = engine.run(Run(network_loop(4, rows, True), initial(0), XOR, 0), 50)
        return outcome.losses.tobytes().hex()
    """


@pytest.mark.parametrize("again", [4, 3])
def test_a_forked_child_runs_what_was_compiled_and_compiles_anew(again: int) -> None:
    text = textwrap.dedent(CHILDREN) + textwrap.dedent("""
        first = train(4)
        context = multiprocessing.get_context("fork")
        with context.Pool(2) as pool:
            print(len({train(int(sys.argv[1])), *pool.map(train, [int(sys.argv[1])] * 2)}), first == train(4))
        """)
    assert script(text, str(again)).split() == ["1", "True"]


INTERRUPTED = """
    import sys
    import numpy as np
    from support.handwritten import initial, network_loop, random_data
    from support.interrupting import interrupted_after
    from chainrule.engines import Run
    from chainrule.engines.native import NativeEngine

    engine = NativeEngine(sys.argv[1])
    loop, data = network_loop(10, 3, True), random_data(10)
    engine.run(Run(loop, initial(0), data, 0), 1)
    with interrupted_after(epochs=100):
        outcome = engine.run(Run(loop, initial(0), data, 0), 10**8)
    whole, part = divmod(outcome.steps_done, loop.steps_per_epoch)
    state = engine.run(Run(loop, initial(0), data, 0), whole).state
    if part:
        from chainrule.engines import permutation
        from chainrule.engines.native.compilation import CompiledProgram
        order = permutation(0, whole, 10)
        for k in range(part):
            rows = order[3 * k : 3 * k + 3]
            program = loop.steps[len(rows)]
            inputs = {**state, **data, "X": data["X"][rows], "y": data["y"][rows]}
            state = dict(zip(loop.state, CompiledProgram(program, sys.argv[1])(inputs)[1:]))
    same = all(np.allclose(outcome.state[name], state[name], rtol=1e-13, atol=1e-15) for name in loop.state)
    print(outcome.status, outcome.epochs_done == whole, len(outcome.losses) == whole, same, whole > 10)
    """


@pytest.mark.parametrize("mode", ["unrolled", "loops"])
def test_an_interrupt_leaves_the_state_of_the_last_finished_step(mode: str) -> None:
    assert script(INTERRUPTED, mode).split() == ["interrupted"] + ["True"] * 4


def diverging(kind: str) -> tuple[Loop, dict[str, Array]]:
    """Runs of one parameter that end each in another way, in the seventh and last batch of an epoch of 13 rows."""
    x = np.full((13, 1), 0.01)

    def program(rows: int) -> Program:
        w, X = Input("w", ArrayType((1, 2))), Input("X", ArrayType((rows, 1)))
        z = X @ w
        names: dict[Node, str] = {z: "z"}
        if kind == "exp":
            value: Node = p.exp(z)
            grown = w * 8.0
        elif kind == "log":
            value = p.log(z)
            grown = w - 0.4
        elif kind == "rate":
            value = p.tanh(z)
            grown = w - 1e30 * (p.sum_(X) * w)
            names[grown] = "w after"
        else:
            value = p.divide(z, p.mean(X))
            grown = w * 0.9
        names[value] = "value"
        loss = p.sum_(value)
        names[loss] = "loss"
        return Program((w, X), (loss, grown), names)

    if kind == "remainder":
        x[12] = 0
    return Loop(("w",), ("X",), (), {2: program(2), 1: program(1)}, 13, 2, False), {"X": x}


@pytest.mark.parametrize("mode", ["unrolled", "loops"])
@pytest.mark.parametrize(
    ("kind", "culprit"),
    [("exp", "value"), ("log", "value"), ("rate", "w after, by multiply(1e+30, …)"), ("remainder", "value")],
)
def test_a_divergence_is_named_and_the_last_finite_state_kept(mode: Any, kind: str, culprit: str) -> None:
    loop, data = diverging(kind)
    state = {"w": np.array([[3.0, 2.0]])}
    expected = REFERENCE.run(Run(loop, state, data, 0), 50)
    found = NativeEngine(mode).run(Run(loop, state, data, 0), 50)
    assert (found.status, found.culprit) == (expected.status, expected.culprit) == ("diverged", culprit)
    assert found.culprit_step == expected.culprit_step == found.steps_done == expected.steps_done
    assert found.epochs_done == expected.epochs_done
    # But for the fused update of the third, updates are rounded once, so that the bits agree.
    np.testing.assert_allclose(found.state["w"], expected.state["w"], rtol=1e-13 if kind == "rate" else 0)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-13)


@pytest.mark.parametrize("mode", ["unrolled", "loops"])
def test_an_interrupt_while_a_divergence_is_traced_back_keeps_a_finite_state(
    mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, data = diverging("exp")
    called: list[int] = []

    def call_in_threads(*_: object) -> None:
        called.append(1)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(session.NativeSession, "_do_in_workers", call_in_threads)
    outcome = NativeEngine(mode).run(Run(loop, {"w": np.array([[3.0, 2.0]])}, data, 0), 50)
    assert called
    assert outcome.status == "interrupted"
    assert outcome.steps_done == outcome.epochs_done * loop.steps_per_epoch
    again = NativeEngine(mode).run(Run(loop, {"w": np.array([[3.0, 2.0]])}, data, 0), outcome.epochs_done)
    assert_identical(outcome, again)
