"""Teams of threads: the same bits with any number of them, in any process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.handwritten import initial, network_loop, random_data, squaring
from support.programs import PROGRAMS
from support.subprocesses import script

import chainrule as cr
from chainrule.calculus import backward
from chainrule.engines import EngineError, Loop, Outcome, Run, get_engine
from chainrule.engines.native import NativeEngine, team
from chainrule.engines.native.compilation import write_loop
from chainrule.ir import DType, Program
from chainrule.trace import trace

Array = NDArray[Any]
TEAMS = (1, 2, 3, 4, 8)
SIZES = (21, 70, 35)

FIXED = {"reshaped", "recurrent", "lstm_cell"}
"""Programs that are written for one size; the others are made large enough to be divided."""


def assert_identical(found: Outcome, expected: Outcome) -> None:
    assert (found.status, found.epochs_done, found.steps_done, found.culprit, found.culprit_step) == (
        expected.status,
        expected.epochs_done,
        expected.steps_done,
        expected.culprit,
        expected.culprit_step,
    )
    np.testing.assert_array_equal(found.losses, expected.losses)
    assert found.state.keys() == expected.state.keys()
    for name, value in expected.state.items():
        np.testing.assert_array_equal(found.state[name], value, err_msg=name)


def check_teams(
    loop: Loop, state: Mapping[str, Array], data: Mapping[str, Array], epochs: int, teams: tuple[int, ...] = TEAMS
) -> Outcome:
    """Run with each number of threads; gives the outcome that all have in common."""
    engine = NativeEngine("loops")
    outcomes = []
    for engine.team in teams:
        outcomes.append(engine.run(Run(loop, state, data, 3), epochs))
        assert outcomes[-1].threads == engine.team
    for outcome in outcomes[1:]:
        assert_identical(outcome, outcomes[0])
    return outcomes[0]


@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32])
@pytest.mark.parametrize(
    ("n", "batch_size", "shuffle"),
    [(100, 40, True), (100, 33, False), (77, 77, True), (17, 16, True), (130, 65, True), (49, 7, False)],
)
def test_batches(n: int, batch_size: int, shuffle: bool, dtype: DType) -> None:
    loop = network_loop(n, batch_size, shuffle, SIZES, dtype)
    outcome = check_teams(loop, initial(0, SIZES), random_data(n, SIZES), 3)
    assert outcome.status == "finished"
    assert outcome.losses[-1] < outcome.losses[0]


def descent(name: str) -> tuple[Loop, dict[str, Array]]:
    """Gradient descent on all arguments of one of the composed programs, and where it starts."""
    factory, shapes = PROGRAMS[name]
    factor = 1 if name in FIXED else 7
    loss = trace(factory(np), *(tuple(factor * extent for extent in shape) for shape in shapes))
    gradients = backward(loss, list(loss.inputs)).gradients
    following = [value - 1e-4 * gradient for value, gradient in zip(loss.inputs, gradients, strict=True)]
    names = tuple(node.name for node in loss.inputs)
    rng = np.random.default_rng(0)
    state = {node.name: rng.uniform(0.1, 0.5, node.type.concrete_shape) / factor**0.5 for node in loss.inputs}
    return Loop(names, (), (), {1: Program(loss.inputs, (*loss.outputs, *following))}, 1, 1, False), state


@pytest.mark.parametrize("name", PROGRAMS)
def test_composed_programs(name: str) -> None:
    loop, state = descent(name)
    outcome = check_teams(loop, state, {}, 3, teams=(1, 3, 8))
    assert outcome.status == "finished"
    assert any((outcome.state[name] != value).any() for name, value in state.items())


def noisy_loss(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    hidden = cr.dropout(cr.relu(X @ W1 + b1), 0.3)
    return cr.cross_entropy(hidden @ W2 + b2, y)


def noisy_fit(optimizer: Any, **settings: Any) -> cr.FitResult:
    """Fit a classifier with dropout on 150 rows, with the shared engine."""
    rng = np.random.default_rng(1)
    params = {"W1": 0.3 * rng.normal(size=(30, 40)), "b1": np.zeros(40), "W2": 0.3 * rng.normal(size=(40, 19))}
    data = {"X": rng.normal(size=(150, 30)), "y": rng.integers(0, 19, 150)}
    return cr.fit(
        noisy_loss, {**params, "b2": np.zeros(19)}, data, optimizer, epochs=3, batch_size=64, seed=5, **settings
    )


@pytest.mark.parametrize("optimizer", [cr.SGD(0.1, momentum=0.9), cr.Adam(0.01)], ids=["momentum", "adam"])
def test_dropout_and_optimizers_with_a_memory(optimizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for count in TEAMS:
        monkeypatch.setattr(get_engine("native"), "team", count)
        results.append(noisy_fit(optimizer))
        assert results[-1].threads == count
        assert results[-1].workspace_bytes > 3 * sum(array.nbytes for array in results[-1].params.values())
    for result in results[1:]:
        np.testing.assert_array_equal(result.history["loss"], results[0].history["loss"])
        for name, value in {**results[0].params, **results[0].optimizer_state}.items():
            np.testing.assert_array_equal({**result.params, **result.optimizer_state}[name], value, err_msg=name)


@pytest.mark.parametrize("kind", ["loss", "state"])
def test_a_divergence_is_found_at_the_same_step_with_the_same_state(kind: str) -> None:
    loop, data = network_loop(100, 17, True, SIZES), random_data(100, SIZES)
    state = initial(0, SIZES)
    if kind == "loss":
        data["y"][60, 3] = 1e200
    else:
        loop, state, data = squaring(64, 8)
    outcome = check_teams(loop, state, data, 4)
    expected = get_engine("reference").run(Run(loop, state, data, 3), 4)
    assert outcome.status == expected.status == "diverged"
    assert (outcome.culprit, outcome.culprit_step) == (expected.culprit, expected.culprit_step)
    assert expected.culprit_step is not None
    assert expected.culprit_step % loop.steps_per_epoch
    for name, value in expected.state.items():
        np.testing.assert_allclose(outcome.state[name], value, rtol=1e-12)


def test_fits_in_two_threads_at_once() -> None:
    engine = NativeEngine("loops", team=3)
    loop, data = network_loop(100, 40, True, SIZES), random_data(100, SIZES)
    outcomes: dict[int, list[Outcome]] = {0: [], 1: []}

    def train(seed: int) -> None:
        outcomes[seed] += [engine.run(Run(loop, initial(seed, SIZES), data, seed), 20) for _ in range(5)]

    threads = [threading.Thread(target=train, args=(seed,)) for seed in outcomes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, found in outcomes.items():
        expected = NativeEngine("loops", team=1).run(Run(loop, initial(seed, SIZES), data, seed), 20)
        assert len(found) == 5
        for outcome in found:
            assert_identical(outcome, expected)


def test_more_threads_than_processors_and_rows_come_to_an_end() -> None:
    loop, data = network_loop(40, 20, True, SIZES), random_data(40, SIZES)
    check_teams(loop, initial(0, SIZES), data, 30, (1, 40))


def test_a_team_is_as_large_as_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, data = network_loop(100, 40, True, SIZES), random_data(100, SIZES)
    engine = NativeEngine("loops", team=4)
    expected = engine.run(Run(loop, initial(0, SIZES), data, 0), 3)
    start, started = threading.Thread.start, [0]

    def refuse_after(most: int) -> Callable[[threading.Thread], None]:
        def limited(self: threading.Thread) -> None:
            started[0] += 1
            if started[0] > most:
                raise RuntimeError("can't start new thread")
            start(self)

        return limited

    for most in range(4):
        started[0] = 0
        monkeypatch.setattr(threading.Thread, "start", refuse_after(most))
        outcome = engine.run(Run(loop, initial(0, SIZES), data, 0), 3)
        monkeypatch.setattr(threading.Thread, "start", start)
        assert outcome.threads == max(most, 1)
        assert_identical(outcome, expected)


HEAVY = 10.0**12
"""Operations that are worth any number of threads."""


def test_the_number_of_threads_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = NativeEngine("loops")
    compiled = engine.compiled_loop(network_loop(20, 20, False, SIZES), random_data(20, SIZES))
    compiled = replace(compiled, written=replace(compiled.written, work=HEAVY))
    monkeypatch.setattr("chainrule.engines.native.engine.available", lambda: 6)
    assert [engine._threads(compiled, most) for most in (None, 1, 5, 6, 7)] == [6, 1, 5, 6, 6]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the platform has no affinity masks")
def test_the_affinity_mask_and_the_environment_cap_the_number_of_threads() -> None:
    text = """
        import os
        from chainrule.engines.native.team import available
        whole = sorted(os.sched_getaffinity(0))
        print(available() == len(whole), end=" ")
        os.environ["CHAINRULE_NUM_THREADS"] = "1"
        print(available(), end=" ")
        os.environ["CHAINRULE_NUM_THREADS"] = "1000000"
        print(available() == len(whole), end=" ")
        os.environ["CHAINRULE_NUM_THREADS"] = ""
        os.sched_setaffinity(0, whole[:1])
        print(available())
        """
    assert script(text, CHAINRULE_NUM_THREADS="").split() == ["True", "1", "True", "1"]


@pytest.mark.parametrize("nonsense", ["0", "-1", "two", "1.5", "1,2"])
def test_nonsense_in_the_environment_is_named(nonsense: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", nonsense)
    message = f"^CHAINRULE_NUM_THREADS is {nonsense!r}; it should be a whole number of at least 1$"
    with pytest.raises(EngineError, match=message):
        noisy_fit(cr.SGD(0.1))


def test_a_tiny_network_has_one_thread() -> None:
    compiled = NativeEngine("loops").compiled_loop(network_loop(4, 4), random_data(4))
    assert team.threads_for(compiled.written.work, compiled.written.phases, 64) == 1


def test_fit_passes_the_number_on(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []

    def threads_for(work: float, phases: int, limit: int) -> int:
        limits.append(limit)
        return limit

    monkeypatch.setattr("chainrule.engines.native.engine.available", lambda: 3)
    monkeypatch.setattr("chainrule.engines.native.engine.threads_for", threads_for)
    assert [noisy_fit(cr.SGD(0.1), threads=most).threads for most in (1, 2, 8, None)] == [1, 2, 3, 3]
    assert limits == [1, 2, 3, 3]


@given(work=st.floats(0, 1e13), growth=st.floats(1, 1.02), phases=st.integers(0, 50), limit=st.integers(1, 64))
def test_the_number_of_threads_grows_with_the_work_without_jumps(
    work: float, growth: float, phases: int, limit: int
) -> None:
    before, after = (team.threads_for(w, phases, limit) for w in (work, work * growth))
    assert 1 <= before <= after <= limit
    assert after - before <= 1 + 0.02 * before
    assert team.threads_for(work, phases, 1) == 1
    assert team.threads_for(work, phases + 1, limit) <= before


@pytest.mark.parametrize("hidden", [16, 32, 64, 128, 200])
def test_a_network_that_grows_by_one_unit_gets_at_most_one_thread_more_or_less(hidden: int) -> None:
    counts = []
    for width in range(hidden - 1, hidden + 3):
        written = write_loop(network_loop(256, 256, False, (64, width, 10)), "loops")
        counts.append(team.threads_for(written.work, written.phases, 64))
    assert max(counts) - min(counts) <= 1
    assert counts[0] > 1 or hidden == 16


TRAINING = """
    import multiprocessing, os, sys, threading, time, warnings
    from support.handwritten import initial, network_loop, random_data
    from chainrule.engines import Run
    from chainrule.engines.native import NativeEngine

    SIZES = (21, 70, 35)
    engine = NativeEngine("loops", team=3)

    def train(seed, hidden=70):
        sizes = (21, hidden, 35)
        loop, data = network_loop(100, 40, True, sizes), random_data(100, sizes)
        return engine.run(Run(loop, initial(seed, sizes), data, seed), 20).losses.tobytes().hex()

    warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forking beside threads
    """


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # where another test has brought in JAX
def test_children_forked_while_another_thread_trains_and_compiles() -> None:
    text = (
        TRAINING
        + """
    expected = [train(0), train(1)]
    ending, begun = threading.Event(), threading.Semaphore(0)

    def busy():
        hidden = 71
        while not ending.is_set():
            begun.release()
            train(0, hidden)
            hidden += 1

    thread = threading.Thread(target=busy)
    thread.start()
    context = multiprocessing.get_context("fork")
    for _ in range(2):
        begun.acquire()
        with context.Pool(2) as pool:
            print(pool.map(train, [0, 1]) == expected, pool.starmap(train, [(0, 60), (0, 60)])[0] == train(0, 60))
    ending.set()
    thread.join()
    """
    )
    assert set(script(text).split()) == {"True"}


def test_spawned_children_and_workers_of_joblib(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(
        "import os\nos.environ['CHAINRULE_CACHE'] = 'off'\n" + "\n".join(line[4:] for line in TRAINING.splitlines())
    )
    text = """
    import multiprocessing, sys
    sys.path.insert(0, sys.argv[1])
    import joblib
    from work import train

    expected = [train(0), train(1)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(pool.map(train, [0, 1]) == expected)
    for backend in ("loky", "threading"):
        print(joblib.Parallel(2, backend)(joblib.delayed(train)(seed) for seed in (0, 1)) == expected)
    """
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    assert script(text, str(tmp_path), PYTHONPATH=paths).split() == ["True"] * 3
