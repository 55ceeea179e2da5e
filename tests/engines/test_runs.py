"""Training runs: the same in every engine, and right where they end early."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.handwritten import XOR, initial, network_loop, random_data, step
from support.interrupting import interrupted_after

from chainrule.engines import Engine, Loop, Outcome, Run, get_engine
from chainrule.engines.native import NativeEngine
from chainrule.ir import ArrayType, DType, Input, Program, ProgramError, ShapeError
from chainrule.primitives import cast, exp, log, mean, one_hot, permute, relu, square, sum_

Array = NDArray[Any]
REFERENCE = get_engine("reference")
COMPILED = ["unrolled", "loops", "xla"]
Natives = pytest.mark.parametrize("native", COMPILED, indirect=True)
Engines = pytest.mark.parametrize("engine", ["reference", *COMPILED], indirect=True)


@cache
def engine_called(name: str) -> Engine:
    """The engine, made when the first test runs that uses it: importing JAX takes seconds."""
    return get_engine(name) if name in ("reference", "xla") else NativeEngine(name)  # type: ignore[arg-type]


@pytest.fixture(name="native")
def native_engine(request: pytest.FixtureRequest) -> Engine:
    return engine_called(request.param)


@pytest.fixture(name="engine")
def any_engine(request: pytest.FixtureRequest) -> Engine:
    return engine_called(request.param)


def assert_same_run(left: Outcome, right: Outcome, tolerance: float) -> None:
    assert (left.status, left.epochs_done, left.steps_done) == (right.status, right.epochs_done, right.steps_done)
    assert left.culprit_step == right.culprit_step
    np.testing.assert_allclose(left.losses, right.losses, rtol=tolerance)
    for name, value in right.state.items():
        assert left.state[name].dtype == value.dtype
        np.testing.assert_allclose(left.state[name], value, rtol=tolerance, atol=tolerance)


@Natives
def test_xor_is_learnt_as_by_numpy(native: Engine) -> None:
    loop = network_loop(4, 4)
    expected = REFERENCE.run(Run(loop, initial(1), XOR, 0), 1500)
    assert_same_run(native.run(Run(loop, initial(1), XOR, 0), 1500), expected, 1e-12)


@Natives
@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32])
@pytest.mark.parametrize(
    ("n", "batch_size", "shuffle"),
    [(10, 3, True), (10, 3, False), (10, 5, True), (9, 9, True), (3, 20, True), (7, 1, True), (1, 1, False)],
)
def test_batches(native: Engine, n: int, batch_size: int, shuffle: bool, dtype: DType) -> None:
    loop = network_loop(n, batch_size, shuffle, dtype=dtype)
    expected = REFERENCE.run(Run(loop, initial(0), random_data(n), 7), 6)
    assert expected.steps_done == 6 * -(-n // batch_size)
    result = native.run(Run(loop, initial(0), random_data(n), 7), 6)
    assert_same_run(result, expected, 1000 * float(np.finfo(dtype.numpy).eps))


@pytest.mark.parametrize("sizes", [(20, 33, 2), (5, 70, 10)])
def test_a_network_too_large_for_registers(sizes: tuple[int, int, int]) -> None:
    loop = network_loop(50, 16, True, sizes)
    expected = REFERENCE.run(Run(loop, initial(0, sizes), random_data(50, sizes), 1), 3)
    assert_same_run(NativeEngine().run(Run(loop, initial(0, sizes), random_data(50, sizes), 1), 3), expected, 1e-11)


@Engines
def test_the_arrays_of_the_caller_are_left_alone(engine: Engine) -> None:
    state, data = initial(0), random_data(10)
    kept = {name: array.copy() for name, array in {**state, **data}.items()}
    outcome = engine.run(Run(network_loop(10, 3, True), state, data, 0), 2)
    for name, array in {**state, **data}.items():
        np.testing.assert_array_equal(array, kept[name])
    assert not any(np.shares_memory(outcome.state[name], state[name]) for name in state)


@Engines
def test_no_epochs_change_nothing(engine: Engine) -> None:
    outcome = engine.run(Run(network_loop(4, 4), initial(0), XOR, 0), 0)
    assert (outcome.status, outcome.epochs_done, outcome.losses.size) == ("finished", 0, 0)
    np.testing.assert_array_equal(outcome.state["W1"], initial(0)["W1"])


@Engines
def test_the_loss_is_that_before_the_update_weighted_by_rows(engine: Engine) -> None:
    w, x = Input("w", ArrayType(())), Input("x", ArrayType((2,)))
    last = Input("x", ArrayType((1,)))
    steps = {2: Program((w, x), (sum_(x) * w, w + 1)), 1: Program((w, last), (sum_(last) * w, w + 1))}
    loop = Loop(("w",), ("x",), (), steps, 3, 2, False)
    outcome = engine.run(Run(loop, {"w": np.array(1.0)}, {"x": np.array([1.0, 2, 5])}, 0), 2)
    np.testing.assert_allclose(outcome.losses, [(3 * 1 * 2 + 5 * 2 * 1) / 3, (3 * 3 * 2 + 5 * 4 * 1) / 3], rtol=1e-15)
    assert outcome.state["w"] == 5


@Engines
def test_states_may_swap_stay_and_count(engine: Engine) -> None:
    """Next values that are other inputs, themselves, literals and one another, and integers among the states."""
    a, b, c, d = (Input(name, ArrayType((3,))) for name in "abcd")
    count = Input("count", ArrayType((), DType.INT64))
    x = Input("x", ArrayType((1, 3)))
    later = a + sum_(x, 0)
    program = Program((a, b, c, d, count, x), (sum_(later), b, later, c, later, count))
    loop = Loop(("a", "b", "c", "d", "count"), ("x",), (), {1: program}, 2, 1, False)
    state = {name: np.arange(3.0) + k for k, name in enumerate("abcd")} | {"count": np.array(9)}
    outcome = engine.run(Run(loop, state, {"x": np.ones((2, 3))}, 0), 3)
    expected = REFERENCE.run(Run(loop, state, {"x": np.ones((2, 3))}, 0), 3)
    for name, value in expected.state.items():
        np.testing.assert_array_equal(outcome.state[name], value)
    assert outcome.state["count"] == 9


def classifier(n: int) -> Loop:
    """Softmax regression on integer labels."""
    x, labels = Input("x", ArrayType((n, 2))), Input("labels", ArrayType((n,), DType.INT64))
    w, rate = Input("w", ArrayType((2, 3))), Input("rate", ArrayType(()))
    powers = exp(x @ w)
    shares = powers / sum_(powers, 1, True)
    wanted = one_hot(labels, 3)
    loss = -mean(sum_(wanted * log(shares), 1))
    gradient = permute(x) @ (shares - wanted) / n
    program = Program((x, labels, w, rate), (loss, w - rate * gradient))
    return Loop(("w",), ("x", "labels"), ("rate",), {n: program}, n, n, False)


@Natives
def test_integer_labels(native: Engine) -> None:
    loop, rng = classifier(6), np.random.default_rng(0)
    data = {"x": rng.normal(size=(6, 2)), "labels": np.array([0, 1, 2, -1, 1, 0]), "rate": np.array(0.5)}
    expected = REFERENCE.run(Run(loop, {"w": np.zeros((2, 3))}, data, 0), 20)
    assert_same_run(native.run(Run(loop, {"w": np.zeros((2, 3))}, data, 0), 20), expected, 1e-12)


@Engines
def test_a_label_out_of_range_is_refused(engine: Engine) -> None:
    data = {"x": np.zeros((6, 2)), "labels": np.array([0, 1, 2, 3, 1, 0]), "rate": np.array(0.5)}
    with pytest.raises(ProgramError, match="labels holds 0 to 3"):
        engine.run(Run(classifier(6), {"w": np.zeros((2, 3))}, data, 0), 1)


def growing(n: int, batch_size: int, shuffle: bool) -> Loop:
    """A state that is squared at every step, and so passes the largest number soon; relu hides it from the loss."""

    def program(rows: int) -> Program:
        w, x = Input("w", ArrayType((2,))), Input("x", ArrayType((rows, 2)))
        seen = x * 1.0
        shrunk = relu(-w)
        return Program((w, x), (sum_(shrunk) + sum_(seen), square(w) * 2.0), {seen: "seen", shrunk: "shrunk"})

    steps = {rows: program(rows) for rows in {min(batch_size, n), n % batch_size} - {0}}
    return Loop(("w",), ("x",), (), steps, n, batch_size, shuffle)


@Engines
@pytest.mark.parametrize(("n", "batch_size"), [(1, 1), (3, 3), (5, 2), (64, 1)])
def test_a_state_that_overflows_unseen_ends_the_run_at_its_last_finite_value(
    engine: Engine, n: int, batch_size: int
) -> None:
    loop, data = growing(n, batch_size, True), {"x": np.zeros((n, 2))}
    outcome = engine.run(Run(loop, {"w": np.array([3.0, 1.0])}, data, 0), 30)
    expected = REFERENCE.run(Run(loop, {"w": np.array([3.0, 1.0])}, data, 0), 30)
    assert outcome.status == "diverged"
    assert outcome.culprit == "square(w)"
    assert np.isfinite(outcome.state["w"]).all()
    assert outcome.state["w"][0] > 1e150
    assert outcome.steps_done == outcome.culprit_step
    assert_same_run(outcome, expected, 1e-12)


@Engines
def test_a_state_that_overflows_at_the_last_update_counts(engine: Engine) -> None:
    loop, data = growing(1, 1, False), {"x": np.zeros((1, 2))}
    whole = REFERENCE.run(Run(loop, {"w": np.array([3.0, 1.0])}, data, 0), 30)
    assert whole.culprit_step is not None
    outcome = engine.run(Run(loop, {"w": np.array([3.0, 1.0])}, data, 0), whole.culprit_step + 1)
    assert (outcome.status, outcome.epochs_done) == ("diverged", whole.culprit_step)
    assert engine.run(Run(loop, {"w": np.array([3.0, 1.0])}, data, 0), whole.culprit_step).status == "finished"


@Engines
def test_a_loss_that_is_not_finite_ends_the_run_there(engine: Engine) -> None:
    loop, x = growing(5, 1, False), np.zeros((5, 2))
    x[3] = 1e308
    outcome = engine.run(Run(loop, {"w": np.array([0.5, 0.5])}, {"x": x}, 0), 10)
    assert (outcome.status, outcome.steps_done, outcome.culprit_step, outcome.epochs_done) == ("diverged", 3, 3, 0)
    assert outcome.culprit == "sum(seen)"
    np.testing.assert_array_equal(outcome.state["w"], [0.5, 0.5])


@Engines
def test_bad_data_is_named(engine: Engine) -> None:
    data = random_data(10)
    data["X"][4, 0] = np.nan
    outcome = engine.run(Run(network_loop(10, 3, True), initial(0), data, 5), 10)
    assert (outcome.status, outcome.culprit) == ("diverged", "X")
    assert all(np.isfinite(value).all() for value in outcome.state.values())


@Engines
def test_a_state_that_starts_bad_is_named(engine: Engine) -> None:
    state = initial(0)
    state["W2"][0, 0] = np.inf
    outcome = engine.run(Run(network_loop(4, 4), state, XOR, 5), 10)
    assert (outcome.status, outcome.culprit, outcome.epochs_done) == ("diverged", "W2", 0)


@Engines
def test_a_value_without_a_name_goes_by_the_one_that_it_spoils(engine: Engine) -> None:
    w, x = Input("w", ArrayType(())), Input("x", ArrayType((1,)))
    scores = log(x) + 1.0
    loss = sum_(scores * 2.0)
    loop = Loop(
        ("w",), ("x",), (), {1: Program((w, x), (loss, w + 1.0), {scores: "scores", loss: "loss"})}, 3, 1, False
    )
    outcome = engine.run(Run(loop, {"w": np.array(0.0)}, {"x": np.array([1.0, 2.0, -1.0])}, 0), 5)
    assert (outcome.status, outcome.culprit, outcome.culprit_step) == ("diverged", "scores, by log(x)", 2)
    assert outcome.state["w"] == 2


@pytest.mark.parametrize("native", ["unrolled", "loops"], indirect=True)
def test_an_interrupt_ends_the_run_and_keeps_what_was_learnt(native: Engine) -> None:
    loop = network_loop(4, 4)
    native.run(Run(loop, initial(0), XOR, 0), 1)
    with interrupted_after(epochs=1000):
        outcome = native.run(Run(loop, initial(0), XOR, 0), 10**8)  # hours, if it were not interrupted
    assert outcome.status == "interrupted"
    assert 0 < outcome.epochs_done == outcome.steps_done < 10**8
    again = native.run(Run(loop, initial(0), XOR, 0), outcome.epochs_done)
    assert_same_run(outcome, Outcome(again.state, again.losses, again.epochs_done, again.steps_done, "interrupted"), 0)


@Natives
def test_progress_is_reported_and_an_error_there_ends_the_run(native: Engine) -> None:
    seen: list[tuple[int, float]] = []

    class EnoughError(Exception):
        pass

    def report(done: int, losses: NDArray[np.float64]) -> None:
        assert len(losses) == done
        seen.append((done, float(losses[-1])))
        if len(seen) == 2:
            raise EnoughError

    with pytest.raises(EnoughError):
        native.run(Run(network_loop(4, 4), initial(0), XOR, 0), 10**8, report)  # hours, if the error did not end it
    assert seen[0][0] < seen[1][0]
    assert seen[0][1] > seen[1][1] > 0


@Engines
def test_a_short_run_is_reported_at_its_end(engine: Engine) -> None:
    seen: list[int] = []
    engine.run(Run(network_loop(4, 4), initial(0), XOR, 0), 3, lambda done, losses: seen.append(done))
    assert seen[-1] == 3


@Natives
def test_runs_in_two_threads_at_once_are_right(native: Engine) -> None:
    loop, epochs = network_loop(10, 3, True), 30_000
    data, outcomes = random_data(10), {}

    def train(seed: int) -> Callable[[], None]:
        return lambda: outcomes.update({seed: native.run(Run(loop, initial(seed), data, seed), epochs)})

    threads = [threading.Thread(target=train(seed)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, outcome in outcomes.items():
        assert_same_run(outcome, native.run(Run(loop, initial(seed), data, seed), epochs), 0)
    assert len(outcomes) == 2


def test_a_repeated_run_is_compiled_once() -> None:
    engine = NativeEngine()
    data = random_data(4)
    first = engine.compiled_loop(network_loop(4, 4), data)
    assert engine.compiled_loop(network_loop(4, 4), data) is first
    assert engine.compiled_loop(network_loop(4, 2), data) is not first
    assert engine.compiled_program(step(4)) is engine.compiled_program(step(4))


@Engines
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X": np.zeros((5, 2))}, ShapeError, r"X has the shape \(5, 2\); the run expects \(4, 2\)"),
        ({"rate": np.zeros(1)}, ShapeError, "rate has the shape"),
        ({"X": None}, ProgramError, "the data lacks 'X'"),
    ],
)
def test_data_that_does_not_fit_is_named(
    engine: Engine, change: dict[str, Array | None], error: type[Exception], message: str
) -> None:
    data = {name: value for name, value in {**XOR, **change}.items() if value is not None}
    with pytest.raises(error, match=message):
        engine.run(Run(network_loop(4, 4), initial(0), data, 0), 1)


def test_a_loop_is_checked_when_it_is_made() -> None:
    program = step(4)
    with pytest.raises(ProgramError, match="no step for a batch of 2 rows"):
        Loop(("W1", "b1", "W2", "b2"), ("X", "y"), ("rate",), {4: program}, 6, 4, False)
    with pytest.raises(ProgramError, match="the run names"):
        Loop(("W1", "b1"), ("X", "y"), ("rate",), {4: program}, 4, 4, False)
    with pytest.raises(ShapeError, match="no leading axis of 3 rows"):
        Loop(("W1", "b1", "W2", "b2"), ("X", "y"), ("rate",), {3: program}, 3, 3, False)
    x = Input("x", ArrayType((4,)))
    with pytest.raises(ProgramError, match="next value has float32"):
        Loop(("x",), (), (), {4: Program((x,), (sum_(x), cast(x, DType.FLOAT32)))}, 4, 4, False)
