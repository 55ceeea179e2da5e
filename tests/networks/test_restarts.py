"""Parallel runs give the same results as sequential ones, for any number of threads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from support.interrupting import interrupted_when

from chainrule.networks import (
    Architecture,
    NetworkError,
    ShuffledOrder,
    TrainingSettings,
    TrainingState,
    Validation,
    best_restart,
    train,
    train_restarts,
)
from chainrule.training import SGD, Adam

RANDOM = np.random.default_rng(3)
X = RANDOM.standard_normal((80, 3))
Y = np.tanh(X[:, :1]) * X[:, 1:2]
NETWORK = Architecture(3, (6,), 1, activations="tanh", dropout=0.1)
BEGINNINGS = [NETWORK.initial(seed) for seed in range(4)]


@pytest.mark.parametrize("threads", [1, 2])
def test_side_by_side_is_as_one_by_one(threads: int) -> None:
    settings = TrainingSettings(Adam(0.01), 6, 20, seed=5)
    together = train_restarts(NETWORK, BEGINNINGS, X, Y, settings=settings, threads=threads)
    for number, (state, params) in enumerate(zip(together, BEGINNINGS, strict=True)):
        alone = train(NETWORK, params, X, Y, settings=replace(settings, seed=5 + number))
        np.testing.assert_array_equal(state.loss_curve, alone.loss_curve)
        np.testing.assert_array_equal(state.params["W1"], alone.params["W1"])


def test_xla_trains_one_after_the_other() -> None:
    settings = TrainingSettings(Adam(0.01), 2, 40, seed=5, engine="xla")
    states = train_restarts(NETWORK, BEGINNINGS[:2], X, Y, settings=settings)
    native = train_restarts(NETWORK, BEGINNINGS[:2], X, Y, settings=replace(settings, engine="native"))
    for state, expected in zip(states, native, strict=True):
        np.testing.assert_allclose(state.loss_curve, expected.loss_curve, rtol=1e-12)


def test_the_best_is_the_best_on_what_is_monitored() -> None:
    held = Validation(RANDOM.standard_normal((30, 3)), RANDOM.standard_normal(30))
    settings = TrainingSettings(Adam(0.05), 30, 20, monitor="validation_loss", restore_best=True)
    states = train_restarts(NETWORK, BEGINNINGS, X, Y, settings=settings, validation=held)
    losses = [state.validation_losses.min() for state in states]
    assert best_restart(states, settings) == int(np.argmin(losses))
    plain = train_restarts(NETWORK, BEGINNINGS, X, Y, settings=TrainingSettings(Adam(0.05), 5, 20))
    assert best_restart(plain) == int(np.argmin([state.loss_curve[-1] for state in plain]))


def test_one_that_diverged_is_never_the_best() -> None:
    gone = TrainingState({}, status="diverged", loss_curve=np.array([0.1]))
    there = TrainingState({}, status="finished", loss_curve=np.array([0.5]))
    assert best_restart([gone, there]) == 1
    with pytest.raises(NetworkError, match="no states"):
        best_restart([])


def test_each_may_have_settings_of_its_own() -> None:
    each = [
        TrainingSettings(SGD(0.1), 3, 20, order=ShuffledOrder(np.random.RandomState(seed), 80)) for seed in range(4)
    ]
    states = train_restarts(NETWORK, BEGINNINGS, X, Y, settings=each)
    order = ShuffledOrder(np.random.RandomState(2), 80)
    alone = train(NETWORK, BEGINNINGS[2], X, Y, settings=replace(each[2], order=order))
    np.testing.assert_array_equal(states[2].loss_curve, alone.loss_curve)
    with pytest.raises(NetworkError, match="2 settings for 4 runs"):
        train_restarts(NETWORK, BEGINNINGS, X, Y, settings=each[:2])


def test_one_may_be_stopped_and_an_error_ends_all() -> None:
    settings = TrainingSettings(Adam(0.01), 10**6, 20)
    states = train_restarts(NETWORK, BEGINNINGS[:2], X, Y, settings=settings, on_epoch=lambda number, state: False)
    assert {state.status for state in states} == {"stopped"}

    def fails(number: int, state: TrainingState) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train_restarts(NETWORK, BEGINNINGS[:2], X, Y, settings=settings, on_epoch=fails)


def test_an_interrupt_ends_all_and_keeps_what_was_learnt() -> None:
    """Also after polars has run, whose handler has the system restart a wait without an end."""
    pl.DataFrame({"a": [1]}).lazy().select(pl.col("a") + 1).collect()
    settings = TrainingSettings(Adam(0.001), 10**8, 20)
    seen: set[int] = set()
    with interrupted_when(lambda: len(seen) == 2):
        states = train_restarts(
            NETWORK, BEGINNINGS[:2], X, Y, settings=settings, threads=2, on_epoch=lambda number, state: seen.add(number)
        )
    assert [state.status for state in states] == ["interrupted"] * 2
    assert all(state.epoch == len(state.loss_curve) > 0 for state in states)
