"""Return to the beginning of the epoch with the lowest loss, however the run is split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.engines import Loop, Run, Session, exploded, get_engine
from chainrule.engines import session as sessions
from chainrule.engines.native import session as native
from chainrule.engines.native.engine import NativeEngine
from chainrule.ir import ArrayType, Input, Program
from chainrule.primitives import square, sum_

ENGINES: dict[str, Any] = {
    "reference": get_engine("reference"),
    "unrolled": NativeEngine("unrolled"),
    "loops": NativeEngine("loops"),
    "team": NativeEngine("loops", team=2),
}
Engines = pytest.mark.parametrize("name", ENGINES)
EPOCHS, ROWS, SEED = 40, 10, 14


def swinging() -> tuple[Loop, dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """w falls by `rate` of itself and rises by a row in each step, so that the loss falls and rises with the order."""

    def program(rows: int) -> Program:
        w, x, rate = Input("w", ArrayType((3,))), Input("x", ArrayType((rows, 3))), Input("rate", ArrayType(()))
        return Program((w, x, rate), (sum_(square(w)), w * rate + sum_(x, (0,))))

    rows = np.random.default_rng(0).standard_normal((ROWS, 3))
    loop = Loop(("w",), ("x",), ("rate",), {3: program(3), 1: program(1)}, ROWS, 3, True)
    return loop, {"w": np.full(3, 2.0)}, {"x": rows, "rate": np.array(0.5)}


def curve_and_states(rates: dict[int, float]) -> tuple[list[float], list[NDArray[Any]]]:
    """The loss of each epoch and the state with which it began, epoch by epoch; rates that change before an epoch."""
    session = ENGINES["reference"].begin(Run(*swinging(), SEED))
    losses, states = [], []
    for epoch in range(EPOCHS):
        if epoch in rates:
            session.set("rate", np.array(rates[epoch]))
        states.append(session.state["w"])
        losses += session.advance(1).losses.tolist()
    return losses, states


def check(session: Session, losses: list[float], states: list[NDArray[Any]], first: int = 0) -> None:
    best = first + int(np.argmin(losses[first:]))
    assert session.retreat()[:2] == (best, 0)
    np.testing.assert_allclose(session.state["w"], states[best], rtol=1e-12)
    assert session.advance(1).losses[0] == pytest.approx(losses[best], rel=1e-12)


@Engines
@pytest.mark.parametrize("cuts", [(40,), (1,) * 40, (13, 27), (7,) * 6])
def test_the_best_epoch_is_found_however_the_run_is_cut(name: str, cuts: tuple[int, ...]) -> None:
    losses, states = curve_and_states({})
    assert 5 < int(np.argmin(losses)) < EPOCHS - 1
    session = ENGINES[name].begin(Run(*swinging(), SEED))
    for count in cuts:
        session.advance(min(count, EPOCHS - session.position.epoch))
    check(session, losses, states)
    session.advance(EPOCHS - session.position.epoch)
    check(session, losses, states)


@Engines
def test_cut_by_time_as_long_runs_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    losses, states = curve_and_states({})
    monkeypatch.setattr(sessions, "PIECE", 0.0)
    monkeypatch.setattr(native, "REPORT_INTERVAL", 0.0)
    monkeypatch.setattr(native, "LONG_CALL", 0.0)
    session = ENGINES[name].begin(Run(*swinging(), SEED))
    outcome = session.advance(EPOCHS)
    assert (outcome.status, outcome.epochs_done, outcome.steps_done) == ("finished", EPOCHS, 4 * EPOCHS)
    np.testing.assert_allclose(outcome.losses, losses, rtol=1e-12)
    check(session, losses, states)


@pytest.mark.parametrize("name", ["unrolled", "loops", "team"])
@pytest.mark.parametrize("limit", [1, 6, 15])
def test_cut_within_epochs(name: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    losses, states = curve_and_states({})
    session = ENGINES[name].begin(Run(*swinging(), SEED))
    with monkeypatch.context() as patch:
        patch.setattr(native, "UNLIMITED", limit)
        while session.position.epoch < EPOCHS:
            session.advance(EPOCHS - session.position.epoch)
    check(session, losses, states)


@Engines
def test_what_is_set_between_calls_is_set_again_for_the_way_back(name: str) -> None:
    rates = {3: 0.4, 20: 0.6}
    losses, states = curve_and_states(rates)
    session = ENGINES[name].begin(Run(*swinging(), SEED))
    for first, last in ((0, 3), (3, 20), (20, EPOCHS)):
        if first in rates:
            session.set("rate", np.array(rates[first]))
        session.advance(last - first)
    session.set("rate", np.array(0.9))
    best = int(np.argmin(losses))
    assert session.retreat()[:2] == (best, 0)
    np.testing.assert_allclose(session.state["w"], states[best], rtol=1e-12)


@Engines
def test_rows_come_in_the_given_order_on_the_way_back(name: str) -> None:
    orders = np.stack([np.random.default_rng(epoch).permutation(ROWS) for epoch in range(EPOCHS)])
    session, losses, states = ENGINES["reference"].begin(Run(*swinging(), SEED)), [], []
    for order in orders:
        states.append(session.state["w"])
        losses += session.advance(1, order=order[None]).losses.tolist()
    best = int(np.argmin(losses))
    assert 0 < best < EPOCHS - 1
    session = ENGINES[name].begin(Run(*swinging(), SEED))
    session.advance(EPOCHS, order=orders)
    assert session.retreat()[:2] == (best, 0)
    np.testing.assert_allclose(session.state["w"], states[best], rtol=1e-12)


@Engines
def test_epochs_that_were_undone_do_not_count(name: str) -> None:
    losses, states = curve_and_states({})
    best = int(np.argmin(losses))
    session = ENGINES[name].begin(Run(*swinging(), SEED))
    session.advance(best - 2)
    begun, place = session.state, session.position
    session.advance(10)
    session.restore(begun, place)
    session.advance(1)
    check(session, losses[: best - 1], states)


@Engines
def test_a_state_from_elsewhere_is_a_new_beginning(name: str) -> None:
    losses, states = curve_and_states({})
    best = int(np.argmin(losses))
    session = ENGINES[name].begin(Run(*swinging(), SEED))
    session.advance(best + 1)
    session.restore(session.state, session.position)
    session.advance(EPOCHS - best - 1)
    check(session, losses, states, best + 1)


@Engines
def test_before_an_epoch_is_finished_it_is_the_beginning(name: str) -> None:
    loop, state, data = swinging()
    session = ENGINES[name].begin(Run(loop, state, data, SEED))
    assert session.retreat()[:2] == (0, 0)
    data = {**data, "rate": np.array(np.inf)}
    session = ENGINES[name].begin(Run(loop, state, data, SEED))
    assert session.advance(3).status == "diverged"
    assert session.retreat()[:2] == (0, 0)
    np.testing.assert_array_equal(session.state["w"], state["w"])


@pytest.mark.parametrize(
    ("losses", "beginning", "verdict"),
    [
        ([0.7, 1e3, 1e262], 0.7, True),
        ([1e20, 1e262], 0.7, True),
        ([1e262], 0.7, True),
        ([1e262, 1e262], 0.7, True),  # it exploded within its first epoch
        ([1e-30, 1e7], 1e-30, True),
        ([1e-30, 1e-2], 1e-30, False),
        ([0.0, 100.0], 0.0, False),
        ([0.7, 1e100, 0.5], 0.7, False),  # it came back
        ([1e9, 1e9, 2e9], 1e9, False),  # the target is in large units
        ([1e9, 1e17], 1e9, True),
        ([-1e3, -1e6, -1e12], 0.0, False),
        ([-5.0, 3.0], 2.0, False),
        ([-5.0, 1e8], 2.0, True),
        ([], 1.0, False),
    ],
)
def test_a_loss_that_grew_beyond_any_scale_of_its_beginning(
    losses: list[float], beginning: float, verdict: bool
) -> None:
    assert exploded(np.array(losses), lambda: beginning) is verdict
