"""Diverging runs, with non-finite or growing losses: their messages, and the parameters that are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.training import START, DivergenceWarning, begin_training

Array = NDArray[Any]
Engines = pytest.mark.parametrize("engine", ["native", "reference"])
RANDOM = np.random.default_rng(0)
DATA: dict[str, Array] = {"x": RANDOM.standard_normal(40)}
DATA["y"] = 3 * DATA["x"]


def squares(x: Any, y: Any, slope: Any) -> Any:
    return np.mean((slope * x - y) ** 2)


def repeated(x: Any, W: Any) -> Any:
    h = x
    for _ in range(12):
        h = np.exp(h @ W)
    return np.sum(h**2)


@Engines
def test_the_message_names_the_round_of_a_loop_that_is_not_finite(engine: str) -> None:
    with pytest.warns(DivergenceWarning, match="h4 is not finite in the very first step"):
        result = cr.fit(repeated, {"W": np.eye(3)}, {"x": np.ones((4, 3))}, cr.SGD(0.1), epochs=3, engine=engine)
    assert result.culprit == "h4"


def growing_rate(step: Any) -> Any:
    """Small enough at first, so that the run comes near the minimum before it is thrown out."""
    return 1e-3 * 1.05**step


@Engines
@pytest.mark.parametrize("epochs", [100, 2000])  # it ends at a finite loss, or not
def test_a_run_that_only_ever_got_worse_gives_back_what_it_began_with(engine: str, epochs: int) -> None:
    with pytest.warns(DivergenceWarning, match="those that it began with; try a smaller learning rate"):
        result = cr.fit(squares, {"slope": 2.0}, DATA, cr.SGD(2.0), epochs=epochs, engine=engine)
    assert (result.status, result.culprit is None) == ("diverged", epochs == 100)
    assert result.params["slope"] == 2
    assert result.position == START
    assert result.epochs == len(result.history["loss"]) > 50
    assert np.isfinite(result.history["loss"]).all()


@Engines
def test_the_message_says_how_the_loss_grew(engine: str) -> None:
    with pytest.warns(DivergenceWarning, match=r"the loss grew from 0\.6\S* to \d.*e\+\d+ after 100 steps"):
        cr.fit(squares, {"slope": 2.0}, DATA, cr.SGD(2.0), epochs=100, engine=engine)


@Engines
@pytest.mark.parametrize("epochs", [195, 5000])
@pytest.mark.parametrize("batch_size", [None, 13])
def test_the_parameters_are_those_of_the_best_epoch(engine: str, epochs: int, batch_size: int | None) -> None:
    data = {**DATA, "y": DATA["y"] + np.random.default_rng(1).standard_normal(40)}
    settings: dict[str, Any] = {"optimizer": cr.SGD(growing_rate), "engine": engine, "batch_size": batch_size}
    with pytest.warns(DivergenceWarning, match=r"those with which epoch \d+, that of the least loss, \d\.\d+, began"):
        result = cr.fit(squares, {"slope": 0.0}, data, epochs=epochs, **settings)
    losses = result.history["loss"]
    best = int(losses.argmin())
    assert 10 < best == result.position.epoch < len(losses) - 1
    if batch_size is None:
        assert squares(**data, **result.params) == pytest.approx(losses[best], rel=1e-12)
    there = cr.fit(squares, {"slope": 0.0}, data, epochs=best, **settings)
    np.testing.assert_array_equal(result.params["slope"], there.params["slope"])
    assert result.optimizer_state == there.optimizer_state


@Engines
def test_an_explosion_within_the_first_epoch_is_noticed(engine: str) -> None:
    with pytest.warns(DivergenceWarning, match=r"the loss grew to \d.*e\+\d+ after 40 steps \(1 whole epochs\)"):
        result = cr.fit(squares, {"slope": 2.0}, DATA, cr.SGD(3.0), epochs=1, batch_size=1, engine=engine)
    assert result.status == "diverged"
    assert result.params["slope"] == 2


@pytest.mark.parametrize(
    ("loss", "start", "scale"),
    [
        (lambda x, y, slope: np.mean((slope * x - y) ** 2), 3.0, 1.0),  # from a perfect fit
        (lambda x, y, slope: np.mean((slope * x - y) ** 2), 0.0, 1e6),  # of a target in large units
        (lambda x, y, slope: -1e9 * np.mean(np.exp(-((slope * x - y) ** 2))), 2.0, 1.0),  # below 0
        (lambda x, y, slope: np.mean(slope * x - y) ** 2 - slope, 2.0, 1.0),  # falls without end
    ],
)
def test_runs_that_are_as_they_should_be_are_not_called_diverged(loss: Any, start: float, scale: float) -> None:
    data = {"x": DATA["x"], "y": scale * DATA["y"]}
    for settings in ({}, {"batch_size": 7}, {"optimizer": cr.Adam(0.1)}):
        assert cr.fit(loss, {"slope": start}, data, epochs=30, **settings).status == "finished"


def test_an_outlier_in_few_batches_is_no_explosion() -> None:
    y = DATA["y"].copy()
    y[-1] = 1e6
    assert cr.fit(squares, {"slope": 0.0}, {**DATA, "y": y}, cr.SGD(1e-3), epochs=2, batch_size=2).status == "finished"


def test_a_session_goes_back_where_a_value_is_no_longer_finite() -> None:
    training = begin_training(squares, {"slope": 2.0}, DATA, cr.SGD(2.0))
    while (outcome := training.advance(7)).status == "finished":
        pass
    assert outcome.status == "diverged"
    assert outcome.state["slope"] == training.params["slope"] == 2
    assert training.position == outcome.position == START


@Engines
def test_a_smaller_rate_goes_on_from_there(engine: str) -> None:
    with pytest.warns(DivergenceWarning):
        result = cr.fit(squares, {"slope": 2.0}, DATA, cr.SGD(2.0), epochs=5000, engine=engine)
    assert cr.fit(squares, result.params, DATA, cr.SGD(0.2), epochs=100, engine=engine).history["loss"][-1] < 1e-6
