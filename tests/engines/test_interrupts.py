"""Ctrl-C: a run returns at once, with the state after its last finished step, however long its steps are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.handwritten import initial, network_loop, random_data, squaring
from support.interrupting import interrupted_after
from support.subprocesses import script

from chainrule.engines import Outcome, Run
from chainrule.engines.native import NativeEngine, compilation, session

Array = NDArray[Any]
SIZES = (21, 70, 35)


def state_after(n: int, batch_size: int, steps: int, dtype: Any = np.float64) -> dict[str, Array]:
    """The state after so many steps in the order of the rows, by runs that end there."""
    native, data = NativeEngine("loops"), random_data(n, SIZES)
    whole, part = divmod(steps, -(-n // batch_size))
    state = native.run(Run(network_loop(n, batch_size, False, SIZES), initial(0, SIZES), data, 0), whole).state
    if part:
        rows = part * batch_size
        first = {name: value[:rows] if value.ndim else value for name, value in data.items()}
        state = native.run(Run(network_loop(rows, batch_size, False, SIZES), state, first, 0), 1).state
    return state


def interrupted(native: NativeEngine, n: int, batch_size: int, epochs: int = 0, snapshots: int = 0) -> Outcome:
    """A run without end that is interrupted once it has come so far."""
    loop, data = network_loop(n, batch_size, False, SIZES), random_data(n, SIZES)
    native.compiled_loop(loop, data)
    with interrupted_after(epochs, snapshots):
        outcome = native.run(Run(loop, initial(0, SIZES), data, 0), 10**7)
    assert outcome.status == "interrupted"
    assert outcome.epochs_done == len(outcome.losses) == outcome.steps_done // loop.steps_per_epoch
    return outcome


@pytest.mark.parametrize("team", [1, 3])
@pytest.mark.parametrize("batch_size", [60, 7])
def test_the_state_is_that_after_the_last_finished_step(batch_size: int, team: int) -> None:
    outcome = interrupted(NativeEngine("loops", team=team), 60, batch_size, epochs=3)
    assert outcome.steps_done > 0
    for name, value in state_after(60, batch_size, outcome.steps_done).items():
        np.testing.assert_array_equal(outcome.state[name], value)


@pytest.mark.parametrize("team", [1, 3])
@pytest.mark.parametrize(("n", "batch_size"), [(3000, 3000), (3100, 1000)])
def test_a_step_that_takes_too_long_is_left_and_the_state_before_it_kept(
    n: int, batch_size: int, team: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation, "LONG_STEP", 0.0)
    monkeypatch.setattr(session, "PATIENCE", 0.0)
    native = NativeEngine("loops", team=team)
    for snapshots in (2, 5):
        outcome = interrupted(native, n, batch_size, snapshots=snapshots)
        assert outcome.steps_done >= snapshots - 1
        for name, value in state_after(n, batch_size, outcome.steps_done).items():
            np.testing.assert_array_equal(outcome.state[name], value)


@pytest.mark.parametrize("kind", ["loss", "state"])
def test_divergence_with_a_snapshot_of_every_step(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, data = network_loop(100, 17, True, SIZES), random_data(100, SIZES)
    state = initial(0, SIZES)
    if kind == "loss":
        data["y"][60, 3] = 1e200
    else:
        loop, state, data = squaring(64, 8)
    expected = NativeEngine("loops").run(Run(loop, state, data, 3), 4)
    monkeypatch.setattr(compilation, "LONG_STEP", 0.0)
    for team in (1, 3):
        found = NativeEngine("loops", team=team).run(Run(loop, state, data, 3), 4)
        assert (found.status, found.culprit, found.culprit_step) == (
            "diverged",
            expected.culprit,
            expected.culprit_step,
        )
        assert (found.epochs_done, found.steps_done) == (expected.epochs_done, expected.steps_done)
        for name, value in expected.state.items():
            np.testing.assert_array_equal(found.state[name], value)


def test_snapshots_of_every_step_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, data = network_loop(100, 17, True, SIZES), random_data(100, SIZES)
    expected = NativeEngine("loops").run(Run(loop, initial(0, SIZES), data, 3), 3)
    monkeypatch.setattr(compilation, "LONG_STEP", 0.0)
    native = NativeEngine("loops", team=2)
    assert native.compiled_loop(loop, data).written.every_step
    found = native.run(Run(loop, initial(0, SIZES), data, 3), 3)
    np.testing.assert_array_equal(found.losses, expected.losses)
    for name, value in expected.state.items():
        np.testing.assert_array_equal(found.state[name], value)


LONG = """
    import signal, sys
    from support.handwritten import initial, network_loop, random_data
    from support.interrupting import interrupted_after
    from chainrule.engines import Run
    from chainrule.engines.native import NativeEngine
    from chainrule.engines.native.session import NativeSession

    class Impatient:
        # The event that a run is over, awaited by somebody who presses Ctrl-C again and again.

        def __init__(self, over):
            self.over, self.presses = over, 2

        def wait(self, seconds):
            while self.presses:
                self.presses -= 1
                signal.raise_signal(signal.SIGINT)
            return self.over.wait(seconds)

    waits, stop = [], NativeSession._stop

    def stopped(self, call, over):
        waits.append(Impatient(over))
        stop(self, call, waits[-1])

    NativeSession._stop = stopped

    n, batch_size, hidden, team = map(int, sys.argv[1:])
    sizes = (784, hidden, 10)
    loop, data = network_loop(n, batch_size, False, sizes), random_data(n, sizes)
    engine = NativeEngine("loops", team=team)
    assert engine.compiled_loop(loop, data).written.snapshot_steps == 1
    with interrupted_after(snapshots=1):
        outcome = engine.run(Run(loop, initial(0, sizes), data, 0), 1000)
    (wait,) = waits
    print(outcome.status, wait.presses, wait.over.is_set(), outcome.steps_done)
    """


@pytest.mark.parametrize(("n", "batch_size"), [(8000, 8000), (8100, 4000)])
def test_steps_of_seconds_are_not_waited_for(n: int, batch_size: int) -> None:
    """Here such a step takes two seconds and more; the interpreter ends in order while it still goes on."""
    assert script(LONG, str(n), str(batch_size), "1000", "2").split() == ["interrupted", "0", "False", "0"]
