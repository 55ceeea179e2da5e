"""Runs in pieces: however a run is split, the results are bitwise the same."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.handwritten import initial, network_loop, random_data
from support.interrupting import interrupted_after
from support.subprocesses import HANG, script

from chainrule.engines import Engine, EngineError, Loop, Outcome, Position, Run, get_engine, permutation
from chainrule.engines.native import NativeEngine, compilation, session
from chainrule.ir import ArrayType, DType, Input, Program, ProgramError, ShapeError
from chainrule.primitives import cast, one_hot, sum_

Array = NDArray[Any]
WIDE = (21, 70, 35)
Sizes = tuple[int, int, int]
ENGINES: dict[str, Callable[[], tuple[Engine, Sizes]]] = {
    "reference": lambda: (get_engine("reference"), (2, 4, 1)),
    "unrolled": lambda: (NativeEngine("unrolled"), (2, 4, 1)),
    "loops": lambda: (NativeEngine("loops"), (2, 4, 1)),
    "team": lambda: (NativeEngine("loops", team=3), WIDE),
    "xla": lambda: (get_engine("xla"), (2, 4, 1)),
}
Engines = pytest.mark.parametrize("name", ENGINES)


@cache
def chosen(name: str) -> tuple[Engine, Sizes]:
    """An engine, made when the first test runs that uses it, and the sizes of a network for it."""
    return ENGINES[name]()


Natives = pytest.mark.parametrize("name", ["unrolled", "loops", "team"])
Batches = pytest.mark.parametrize(
    ("n", "batch_size", "shuffle"),
    [(10, 3, True), (10, 5, True), (10, 3, False), (10, 10, True), (10, 1, True), (13, 8, True)],
)
SEED = 3


def assert_state(found: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def whole(name: str, n: int, batch_size: int, shuffle: bool, epochs: int) -> tuple[Loop, dict[str, Array], Outcome]:
    """A loop, its data, and the run in one piece."""
    engine, sizes = chosen(name)
    loop, data = network_loop(n, batch_size, shuffle, sizes), random_data(n, sizes)
    return loop, data, engine.run(Run(loop, initial(0, sizes), data, SEED), epochs)


@Engines
@Batches
def test_a_session_comes_to_the_same_bits_as_a_run(name: str, n: int, batch_size: int, shuffle: bool) -> None:
    engine, sizes = chosen(name)
    loop, data, expected = whole(name, n, batch_size, shuffle, 7)
    begun = engine.begin(Run(loop, initial(0, sizes), data, SEED))
    assert_state(begun.state, initial(0, sizes))
    outcomes = [begun.advance(count) for count in (1, 1, 2, 0, 3)]
    np.testing.assert_array_equal(np.concatenate([outcome.losses for outcome in outcomes]), expected.losses)
    assert [outcome.epochs_done for outcome in outcomes] == [1, 1, 2, 0, 3]
    assert sum(outcome.steps_done for outcome in outcomes) == expected.steps_done
    assert_state(begun.state, expected.state)
    assert_state(outcomes[-1].state, expected.state)
    assert begun.position == outcomes[-1].position == expected.position == Position(7)


@Engines
@Batches
def test_a_new_session_goes_on_where_an_old_one_stopped(name: str, n: int, batch_size: int, shuffle: bool) -> None:
    engine, sizes = chosen(name)
    loop, data, expected = whole(name, n, batch_size, shuffle, 7)
    part = engine.run(Run(loop, initial(0, sizes), data, SEED), 3)
    rest = engine.begin(Run(loop, part.state, data, SEED, part.position)).advance(4)
    assert_state(rest.state, expected.state)
    np.testing.assert_array_equal(rest.losses, expected.losses[3:])
    assert rest.position == expected.position


@Engines
@pytest.mark.parametrize(("n", "batch_size"), [(10, 3), (10, 5), (10, 1), (13, 8)])
def test_orders_that_are_given_count_as_those_drawn(name: str, n: int, batch_size: int) -> None:
    engine, sizes = chosen(name)
    loop, data, expected = whole(name, n, batch_size, True, 6)
    order = np.array([permutation(SEED, epoch, n) for epoch in range(6)])
    begun = engine.begin(Run(loop, initial(0, sizes), data, SEED))
    begun.advance(2, order=order[:2])
    begun.advance(1)
    outcome = begun.advance(3, order=np.asfortranarray(order[3:]))
    assert_state(outcome.state, expected.state)
    other = engine.begin(Run(loop, initial(0, sizes), data, SEED + 1)).advance(6, order=order)
    assert_state(other.state, expected.state)


@Engines
def test_rows_may_come_more_than_once(name: str) -> None:
    engine, sizes = chosen(name)
    loop, data = network_loop(10, 4, True, sizes), random_data(10, sizes)
    order = np.random.default_rng(0).integers(0, 10, (2, 10))
    found = engine.begin(Run(loop, initial(0, sizes), data, 0)).advance(2, order=order)
    reference = get_engine("reference").begin(Run(loop, initial(0, sizes), data, 0))
    for drawn, loss in zip(order, found.losses, strict=True):
        assert reference.advance(1, order=drawn[None]).losses[0] == pytest.approx(loss, rel=1e-12)


@Engines
def test_an_order_has_no_effect_where_a_batch_is_the_whole_data(name: str) -> None:
    engine, sizes = chosen(name)
    loop, data, expected = whole(name, 10, 10, True, 1)
    found = engine.begin(Run(loop, initial(0, sizes), data, SEED)).advance(1, order=np.arange(10)[None, ::-1])
    assert_state(found.state, expected.state)


@Engines
@pytest.mark.parametrize(
    ("order", "error", "message"),
    [
        (np.zeros((2, 10), int), ShapeError, r"the order has the shape \(2, 10\); it should be \(1, 10\)"),
        (np.zeros((1, 10)), ProgramError, "the order holds float64; it should hold the numbers of rows"),
        (np.full((1, 10), 10), ProgramError, "the order holds 10 to 10; rows are numbered 0 to 9"),
        (np.arange(10)[None] - 1, ProgramError, "the order holds -1 to 8"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(name: str, order: Array, error: type[Exception], message: str) -> None:
    engine, sizes = chosen(name)
    begun = engine.begin(Run(network_loop(10, 3, True, sizes), initial(0, sizes), random_data(10, sizes), 0))
    with pytest.raises(error, match=message):
        begun.advance(1, order=order)
    assert_state(begun.state, initial(0, sizes))


@Engines
def test_an_order_for_a_loop_that_does_not_shuffle_is_refused(name: str) -> None:
    engine, sizes = chosen(name)
    begun = engine.begin(Run(network_loop(10, 3, False, sizes), initial(0, sizes), random_data(10, sizes), 0))
    with pytest.raises(EngineError, match="does not shuffle"):
        begun.advance(1, order=np.arange(10)[None])


@Engines
@pytest.mark.parametrize(
    ("start", "message"),
    [((-1, 0, 0.0), "first epoch is -1"), ((0, 4, 0.0), "has 4$"), ((2**62, 0, 0.0), "first epoch is")],
)
def test_a_position_that_cannot_be_is_refused(name: str, start: Any, message: str) -> None:
    engine, sizes = chosen(name)
    with pytest.raises(ProgramError, match=message):
        engine.begin(Run(network_loop(10, 3, True, sizes), initial(0, sizes), random_data(10, sizes), 0, start))


@Engines
def test_epochs_are_counted_forwards(name: str) -> None:
    engine, sizes = chosen(name)
    begun = engine.begin(Run(network_loop(10, 3, True, sizes), initial(0, sizes), random_data(10, sizes), 0))
    for epochs in (-1, 2**62):
        with pytest.raises(ProgramError, match="cannot advance by"):
            begun.advance(epochs)


@Engines
def test_what_is_fixed_changes_without_compiling(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, sizes = chosen(name)
    loop, data, part = whole(name, 10, 3, True, 2)
    begun = engine.begin(Run(loop, initial(0, sizes), data, SEED))
    begun.advance(2)
    expected = engine.begin(Run(loop, part.state, {**data, "rate": np.array(0.5)}, SEED, part.position)).advance(2)
    monkeypatch.setattr("chainrule.engines.native.engine.compile_loop", None)
    begun.set("rate", 0.5)
    assert_state(begun.advance(2).state, expected.state)
    assert data["rate"] == 0.1
    begun.set("rate", 0.0)
    assert_state(begun.advance(1).state, expected.state)


@Engines
def test_what_is_not_fixed_is_named(name: str) -> None:
    engine, sizes = chosen(name)
    begun = engine.begin(Run(network_loop(10, 3, True, sizes), initial(0, sizes), random_data(10, sizes), 0))
    with pytest.raises(ProgramError, match="'X' is not a constant of this run; rate is"):
        begun.set("X", 1.0)
    with pytest.raises(ShapeError, match="rate has the shape"):
        begun.set("rate", [1.0])


def weighing(n: int) -> Loop:
    """A state that runs after a fixed matrix, a column of which a fixed number chooses."""
    w, x, M = Input("w", ArrayType((400, 500))), Input("x", ArrayType((n,))), Input("M", ArrayType((400, 500)))
    k = Input("k", ArrayType((), DType.INT64))
    shift = sum_(cast(one_hot(k, 3), DType.FLOAT64))
    program = Program((w, x, M, k), (sum_(x) + shift, w + (M - w) * 0.5))
    return Loop(("w",), ("x",), ("M", "k"), {n: program}, n, n, False)


@pytest.mark.parametrize("engine", [get_engine("reference"), NativeEngine("loops")], ids=["reference", "loops"])
@pytest.mark.parametrize("layout", ["C", "F", "gaps"])
def test_fixed_arrays_change_too_however_they_lie(engine: Engine, layout: str) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 400, 500))
    given = {"C": first, "F": np.asfortranarray(first), "gaps": np.repeat(first, 2, axis=1)[:, ::2]}[layout]
    begun = engine.begin(
        Run(weighing(2), {"w": np.zeros((400, 500))}, {"x": np.ones(2), "M": given, "k": np.array(1)}, 0)
    )
    begun.advance(1)
    begun.set("M", second)
    np.testing.assert_array_equal(begun.advance(1).state["w"], first / 2 + (second - first / 2) * 0.5)
    np.testing.assert_array_equal(given, first)
    with pytest.raises(ProgramError, match="k holds 3 to 3"):
        begun.set("k", 3)


@Engines
def test_a_state_is_restored_with_its_place(name: str) -> None:
    engine, sizes = chosen(name)
    loop, data, expected = whole(name, 10, 3, True, 5)
    begun = engine.begin(Run(loop, initial(0, sizes), data, SEED))
    begun.advance(2)
    kept, place = begun.state, begun.position
    begun.advance(4)
    begun.restore(kept, place)
    assert_state(begun.advance(3).state, expected.state)
    begun.restore(kept)
    assert begun.position == Position(5)
    with pytest.raises(ShapeError, match="W1 has the shape"):
        begun.restore({**kept, "W1": np.zeros(3)})
    with pytest.raises(ProgramError, match="the state lacks 'b1'"):
        begun.restore({"W1": kept["W1"]})
    assert_state(begun.state, kept)


@Engines
def test_copies_are_given_out(name: str) -> None:
    engine, sizes = chosen(name)
    begun = engine.begin(Run(network_loop(10, 3, True, sizes), initial(0, sizes), random_data(10, sizes), 0))
    outcome = begun.advance(1)
    first = {key: value.copy() for key, value in outcome.state.items()}
    begun.state["W1"][...] = 7
    begun.advance(1)
    assert_state(outcome.state, first)


@Engines
def test_only_a_report_finds_a_session_busy(name: str) -> None:
    engine, sizes = chosen(name)
    begun = engine.begin(Run(network_loop(10, 3, True, sizes), initial(0, sizes), random_data(10, sizes), 0))
    with pytest.raises(EngineError, match="the session is running"):
        begun.advance(3, lambda done, losses: begun.restore({}))
    assert begun.position.epoch >= 1
    assert begun.advance(1).status == "finished"


@Natives
def test_a_report_that_raises_leaves_the_session_where_it_was(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "REPORT_INTERVAL", 1e-3)  # few epochs, which are run again below
    engine, sizes = chosen(name)
    loop, data = network_loop(10, 3, True, sizes), random_data(10, sizes)
    begun = engine.begin(Run(loop, initial(0, sizes), data, SEED))

    def enough(done: int, losses: Array) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        begun.advance(10**8, enough)
    place = begun.position
    assert place.epoch > 0
    begun.advance(2)
    assert_state(begun.state, engine.run(Run(loop, initial(0, sizes), data, SEED), place.epoch + 2).state)


def cut(begun: Any, snapshots: int) -> Outcome:
    """An advance that is interrupted once it has taken so many snapshots."""
    outcome: Outcome
    with interrupted_after(snapshots=snapshots):
        outcome = begun.advance(10**7)
    assert outcome.status == "interrupted"
    assert outcome.position == begun.position
    assert_state(outcome.state, begun.state)
    return outcome


@pytest.mark.parametrize("team", [1, 3])
@pytest.mark.parametrize("every_step", [False, True])
def test_an_interrupted_session_goes_on_from_within_its_epoch(
    team: int, every_step: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps here are few and long, so that a run is nearly always stopped in the middle of an epoch."""
    if every_step:
        monkeypatch.setattr(compilation, "LONG_STEP", 0.0)
        monkeypatch.setattr(session, "PATIENCE", 0.0)
    engine = NativeEngine("loops", team=team)
    loop, data = network_loop(2000, 190, True, WIDE), random_data(2000, WIDE)
    engine.compiled_loop(loop, data)
    begun = engine.begin(Run(loop, initial(0, WIDE), data, SEED))
    outcomes = [cut(begun, count) for count in (3, 1, 2)]
    fresh = engine.begin(Run(loop, begun.state, data, SEED, begun.position))
    losses = [*(outcome.losses for outcome in outcomes), begun.advance(2).losses]
    expected = engine.run(Run(loop, initial(0, WIDE), data, SEED), begun.position.epoch)
    assert_state(begun.state, expected.state)
    np.testing.assert_array_equal(np.concatenate(losses), expected.losses)
    np.testing.assert_array_equal(fresh.advance(2).losses, expected.losses[-2:])
    assert_state(fresh.state, expected.state)


@Natives
@pytest.mark.parametrize("stop_at", [0, 1, 3, 4, 7, 9, 11])
def test_a_run_stopped_after_any_step_goes_on_to_the_same_bits(
    name: str, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, sizes = chosen(name)
    loop, data, expected = whole(name, 10, 3, True, 4)
    begun = engine.begin(Run(loop, initial(0, sizes), data, SEED))
    monkeypatch.setattr(session, "UNLIMITED", stop_at)
    first = begun.advance(4)
    assert (first.status, first.steps_done) == ("stopped", stop_at)
    assert begun.position[:2] == divmod(stop_at, 4)
    monkeypatch.undo()
    epochs = 4 - begun.position.epoch
    other = engine.begin(Run(loop, begun.state, data, SEED, begun.position))
    order = np.array([permutation(SEED, begun.position.epoch + k, 10) for k in range(epochs)])
    for again in (begun.advance(epochs), other.advance(epochs, order=order)):
        assert_state(again.state, expected.state)
        np.testing.assert_array_equal([*first.losses, *again.losses], expected.losses)


@Natives
def test_an_interrupt_between_two_instructions_loses_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes before the outcome is made of what the generated code has done."""
    engine, sizes = chosen(name)
    loop, data, expected = whole(name, 10, 3, True, 5)
    begun = engine.begin(Run(loop, initial(0, sizes), data, SEED))
    ended = session.NativeSession._ended
    torn: list[int] = []

    def tearing(*args: Any) -> Outcome:
        if not torn:
            torn.append(1)
            signal.raise_signal(signal.SIGINT)
        return ended(*args)

    monkeypatch.setattr(session.NativeSession, "_ended", tearing)
    outcome = begun.advance(2)
    assert (outcome.status, outcome.epochs_done, outcome.steps_done) == ("interrupted", 2, 8)
    np.testing.assert_array_equal(outcome.losses, expected.losses[:2])
    assert outcome.position == begun.position == Position(2)
    assert_state(begun.advance(3).state, expected.state)


def growing(size: int, seen: bool) -> tuple[Loop, dict[str, Array], dict[str, Array]]:
    """A state that grows past the largest number in the fourth step of the fourth epoch; `seen`, the loss does too."""

    def program(rows: int) -> Program:
        w, x = Input("w", ArrayType((size,))), Input("x", ArrayType((rows, 2)))
        scale = sum_(x) * 0.0 + 1e20
        loss = sum_(w) * scale if seen else sum_(x)
        return Program((w, x), (loss, w * scale), {loss: "L"})

    loop = Loop(("w",), ("x",), (), {3: program(3), 1: program(1)}, 10, 3, True)
    return loop, {"w": np.full(size, 1e3)}, random_data(10) | {"x": random_data(10)["X"]}


@Engines
@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize(("cuts", "stop_at"), [((9,), 0), ((1,) * 9, 0), ((2, 7), 0), ((9, 9), 1), ((9, 9), 14)])
def test_a_divergence_is_the_same_however_the_run_is_cut(
    name: str, seen: bool, every_step: bool, cuts: tuple[int, ...], stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut between epochs, or after so many steps; with orders drawn and given."""
    if every_step:
        monkeypatch.setattr(compilation, "LONG_STEP", 0.0)
    kind, sizes = chosen(name)
    engine = NativeEngine(kind.mode, team=kind.team) if isinstance(kind, NativeEngine) else kind
    loop, state, data = growing(5 if sizes != WIDE else 3000, seen)
    expected = get_engine("reference").run(Run(loop, state, data, SEED), 9)
    assert (expected.status, expected.position[:2]) == ("diverged", (3, 3))
    order = np.array([permutation(SEED, epoch, 10) for epoch in range(9)])
    for ordered in (False, True):
        begun, losses, steps = engine.begin(Run(loop, state, data, SEED)), [], 0
        for number, count in enumerate(cuts):
            with monkeypatch.context() as patch:
                if stop_at and not number:
                    patch.setattr(session, "UNLIMITED", stop_at)
                first = begun.position.epoch
                outcome = begun.advance(min(count, 9 - first), order=order[first : first + count] if ordered else None)
            steps += outcome.steps_done
            losses += list(outcome.losses)
            if outcome.status == "diverged":
                break
        assert (outcome.status, outcome.culprit, steps) == ("diverged", expected.culprit, expected.steps_done)
        assert begun.position == outcome.position
        assert outcome.position == pytest.approx(expected.position, rel=1e-12)
        np.testing.assert_allclose(losses, expected.losses, rtol=1e-12)
        np.testing.assert_allclose(outcome.state["w"], expected.state["w"], rtol=1e-12)
        assert_state(begun.state, outcome.state)
        again = begun.advance(1)
        assert (again.status, again.steps_done, again.culprit) == ("diverged", 0, expected.culprit)


@Engines
def test_bad_rows_are_named_in_whatever_order_they_come(name: str) -> None:
    engine, sizes = chosen(name)
    loop, data = network_loop(10, 3, True, sizes), random_data(10, sizes)
    data["X"][7, 0] = np.nan
    order = np.array([np.r_[np.arange(7), np.zeros(3, int)], np.r_[0:3, 7, 3:9]])
    outcome = engine.begin(Run(loop, initial(0, sizes), data, SEED)).advance(2, order=order)
    assert (outcome.status, outcome.culprit, outcome.position[:2]) == ("diverged", "X", (1, 1))


@Engines
def test_a_state_restored_spoilt_is_named(name: str) -> None:
    engine, sizes = chosen(name)
    begun = engine.begin(Run(network_loop(10, 3, True, sizes), initial(0, sizes), random_data(10, sizes), 0))
    begun.advance(1)
    state = begun.state
    begun.restore({**state, "W2": state["W2"] * np.inf})
    outcome = begun.advance(2)
    assert (outcome.status, outcome.culprit, outcome.steps_done) == ("diverged", "W2", 0)
    begun.restore(state)
    assert begun.advance(1).status == "finished"


TEAMS = {team: NativeEngine("loops", team=team) for team in (1, 2, 4)}


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(1, 5), min_size=1, max_size=6), team=st.sampled_from([2, 4]), seed=st.integers(0))
def test_any_cut_with_any_number_of_threads(cuts: list[int], team: int, seed: int) -> None:
    loop, data = network_loop(50, 17, True, WIDE), random_data(50, WIDE)
    expected = TEAMS[1].run(Run(loop, initial(0, WIDE), data, seed), sum(cuts))
    begun = TEAMS[team].begin(Run(loop, initial(0, WIDE), data, seed))
    losses = np.concatenate([begun.advance(count).losses for count in cuts])
    np.testing.assert_array_equal(losses, expected.losses)
    assert_state(begun.state, expected.state)


def test_threads_wait_between_calls_and_end_with_the_session() -> None:
    def running() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name.startswith("chainrule-run")}

    before = running()
    engine, sizes = chosen("team")
    begun = engine.begin(Run(network_loop(100, 30, True, sizes), initial(0, sizes), random_data(100, sizes), 0))
    assert not running() - before
    begun.advance(1)
    team = running() - before
    assert len(team) == 3
    for _ in range(5):
        begun.advance(1)
        assert running() - before == team
    del begun
    gc.collect()
    for thread in team:
        thread.join(HANG)
    assert not running() & team


def test_two_threads_may_share_a_session() -> None:
    engine, sizes = chosen("loops")
    loop, data, expected = whole("loops", 10, 3, True, 40)
    begun = engine.begin(Run(loop, initial(0, sizes), data, SEED))
    threads = [threading.Thread(target=lambda: [begun.advance(1) for _ in range(20)]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert begun.position == Position(40)
    assert_state(begun.state, expected.state)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
def test_a_forked_child_goes_on_with_threads_of_its_own() -> None:
    text = """
    import os, warnings
    import numpy as np
    from support.handwritten import initial, network_loop, random_data
    from chainrule.engines import Run
    from chainrule.engines.native import NativeEngine

    warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forking beside threads
    sizes = (21, 70, 35)
    loop, data = network_loop(100, 30, True, sizes), random_data(100, sizes)
    begun = NativeEngine("loops", team=3).begin(Run(loop, initial(0, sizes), data, 0))
    begun.advance(2)
    child = os.fork()
    losses = begun.advance(2).losses
    expected = NativeEngine("loops", team=1).run(Run(loop, initial(0, sizes), data, 0), 4).losses[2:]
    same = (losses == expected).all()
    if not child:
        os._exit(0 if same else 1)
    print(same, os.waitpid(child, 0)[1] == 0)
    """
    assert script(text).split() == ["True", "True"]
