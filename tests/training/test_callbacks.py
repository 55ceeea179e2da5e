"""The arguments of a callback of `fit`, and how it ends training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.training import LBFGS, SGD, FitResult, Optimizer

Losses = NDArray[np.float64]
DATA = {"x": np.arange(4.0), "y": 3 * np.arange(4.0)}
SOLVERS: dict[str, Optimizer | LBFGS] = {"sgd": SGD(1e-4), "lbfgs": LBFGS(tolerance=0, least_gain=0)}
Ways = pytest.mark.parametrize(
    ("solver", "engine"), [("sgd", "native"), ("sgd", "reference"), ("lbfgs", "native"), ("lbfgs", "reference")]
)


def loss(x: Any, y: Any, slope: Any, curve: Any) -> Any:
    return np.mean((slope * x - y) ** 2) + np.mean((10 * curve - slope**2) ** 2)


def train(callback: Any, solver: str, engine: str, **settings: Any) -> FitResult:
    settings = {"epochs": 1000, **settings}
    params = {"slope": -1.0, "curve": 0.0}
    return cr.fit(loss, params, DATA, SOLVERS[solver], engine=engine, callback=callback, **settings)


@Ways
def test_it_is_called_often_at_first_and_at_the_end(solver: str, engine: str) -> None:
    heard: list[tuple[int, int]] = []
    result = train(lambda done, losses: heard.append((done, len(losses))), solver, engine, epochs=21)
    assert [done for done, _ in heard][:2] == [1, 2] or engine == "native"
    assert all(done == count for done, count in heard)
    assert heard[-1][0] == result.epochs
    assert result.status == "finished"


@Ways
@pytest.mark.parametrize("answer", [False, np.False_])
def test_training_stops_where_it_returns_false(solver: str, engine: str, answer: Any) -> None:
    result = train(lambda done, losses: answer if done >= 3 else True, solver, engine)
    assert result.status == "stopped"
    assert 3 <= result.epochs < 12
    assert result.epochs == len(result.history["loss"])


@pytest.mark.parametrize("answer", [None, True, 0, "", np.True_])
def test_other_answers_are_none(answer: Any) -> None:
    assert train(lambda done, losses: answer, "sgd", "native", epochs=20).status == "finished"


@Ways
def test_training_stops_where_it_raises_stop_iteration(solver: str, engine: str) -> None:
    waited = iter(range(3))
    result = train(lambda done, losses: next(waited), solver, engine)
    assert result.status == "stopped"
    assert result.epochs < 20


@Ways
def test_what_it_raises_carries_what_was_learnt(solver: str, engine: str) -> None:
    def fail(done: int, losses: Losses) -> None:
        if done >= 3:
            raise LookupError("disk")

    with pytest.raises(LookupError, match="disk") as caught:
        train(fail, solver, engine)
    result = getattr(caught.value, "result")  # noqa: B009 (no attribute of LookupError)
    assert isinstance(result, FitResult)
    assert 3 <= result.epochs < 12
    expected = train(None, solver, engine, epochs=result.epochs).params
    for name, value in expected.items():
        np.testing.assert_array_equal(result.params[name], value)
    assert "`result`" in caught.value.__notes__[0]


@Ways
def test_an_interrupt_within_it_keeps_what_was_learnt(solver: str, engine: str) -> None:
    def interrupt(done: int, losses: Losses) -> None:
        if done >= 3:
            raise KeyboardInterrupt

    assert train(interrupt, solver, engine).status == "interrupted"


def test_at_the_last_epoch_there_is_nothing_to_stop() -> None:
    assert train(lambda done, losses: done < 8, "sgd", "native", epochs=8).status == "finished"


def test_a_run_that_was_stopped_goes_on_to_the_same_bits() -> None:
    part = train(lambda done, losses: done < 20, "sgd", "native", batch_size=3)
    rest = cr.fit(
        loss, part.params, DATA, SOLVERS["sgd"], 50 - part.epochs, 3,
        optimizer_state=part.optimizer_state, start=part.position,
    )  # fmt: skip
    whole = train(None, "sgd", "native", epochs=50, batch_size=3)
    np.testing.assert_array_equal(rest.params["slope"], whole.params["slope"])


def test_it_cannot_change_the_losses() -> None:
    def spoil(done: int, losses: Losses) -> None:
        losses[:] = 0

    with pytest.raises(ValueError, match="read-only"):
        train(spoil, "sgd", "native")
