"""Resumed training gives bitwise the same results as uninterrupted training."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.interrupting import interrupted_after

import chainrule as cr
from chainrule.engines.native import session
from chainrule.training import LBFGS, START, Position, TrainingError, TrainingSession, begin_training, schedules

Array = NDArray[Any]
ROWS = 50
DATA = {
    "X": np.random.default_rng(1).normal(size=(ROWS, 6)),
    "y": np.random.default_rng(2).integers(0, 3, ROWS),
}


def loss(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    return cr.cross_entropy(np.tanh(X @ W1 + b1) @ W2 + b2, y)


def noisy(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    return cr.cross_entropy(cr.dropout(cr.relu(X @ W1 + b1), 0.4) @ W2 + b2, y)


def first(dtype: Any = float) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    shapes = {"W1": (6, 9), "b1": (9,), "W2": (9, 3), "b2": (3,)}
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def assert_arrays(found: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def assert_same(found: cr.FitResult, expected: cr.FitResult) -> None:
    assert_arrays(found.params, expected.params)
    assert_arrays(found.optimizer_state, expected.optimizer_state)
    assert found.position == expected.position


RUNS: dict[str, tuple[Callable[..., Any], cr.Optimizer, dict[str, Any]]] = {
    "plain, remainder": (loss, cr.SGD(0.1), {"batch_size": 16}),
    "plain, in order": (loss, cr.SGD(0.1), {"batch_size": 16, "shuffle": False}),
    "momentum": (loss, cr.SGD(0.1, momentum=0.9, nesterov=True), {"batch_size": 16}),
    "adam": (loss, cr.Adam(0.01), {"batch_size": 7}),
    "adam, whole batches": (loss, cr.Adam(0.01), {}),
    "amsgrad": (loss, cr.Adam(0.01, amsgrad=True), {"batch_size": 25}),
    "nadam": (loss, cr.NAdam(0.01), {"batch_size": 16}),
    "rmsprop": (loss, cr.RMSprop(0.01), {"batch_size": 1}),
    "dropout": (noisy, cr.SGD(0.1), {"batch_size": 16}),
    "dropout, adamw, clipped": (noisy, cr.AdamW(0.01, weight_decay=0.1, clip_norm=1.0), {"batch_size": 16}),
    "schedule": (loss, cr.SGD(schedules.Cosine(0.2, 30)), {"batch_size": 16}),
    "schedule of one's own": (noisy, cr.Adam(lambda step: 0.02 * 0.97**step), {"batch_size": 16}),
    "warm-up": (
        loss, cr.SGD(schedules.LinearWarmup(9, then=schedules.InverseScaling(0.2)), momentum=0.9), {"batch_size": 16}
    ),
}  # fmt: skip
Runs = pytest.mark.parametrize("name", RUNS)


@Runs
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_fit_goes_on_to_the_same_bits(name: str, engine: str) -> None:
    function, optimizer, settings = RUNS[name]
    settings = {**settings, "seed": 5, "engine": engine}
    expected = cr.fit(function, first(), DATA, optimizer, epochs=7, **settings)
    params, losses = first(), []
    rest: dict[str, Any] = {}
    for epochs in (3, 1, 3):
        part = cr.fit(function, params, DATA, optimizer, epochs=epochs, **settings, **rest)
        params, rest = part.params, {"optimizer_state": part.optimizer_state, "start": part.position}
        losses += list(part.history["loss"])
    assert_same(part, expected)
    assert (part.epochs, part.position) == (3, Position(7))
    np.testing.assert_array_equal(losses, expected.history["loss"])


@Runs
@pytest.mark.parametrize("stop_at", [1, 5, 8])
def test_fit_goes_on_from_within_an_epoch(name: str, stop_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    function, optimizer, settings = RUNS[name]
    expected = cr.fit(function, first(np.float32), DATA, optimizer, epochs=9, **settings)
    with monkeypatch.context() as patch:
        patch.setattr(session, "UNLIMITED", stop_at)
        part = cr.fit(function, first(np.float32), DATA, optimizer, epochs=9, **settings)
    assert (part.status, part.steps) == ("stopped", stop_at)
    written = json.loads(json.dumps(part.position))
    rest = cr.fit(
        function, part.params, DATA, optimizer, epochs=9 - part.position.epoch,
        optimizer_state=part.optimizer_state, start=written, **settings,
    )  # fmt: skip
    assert_same(rest, expected)
    assert part.steps + rest.steps == expected.steps
    np.testing.assert_array_equal([*part.history["loss"], *rest.history["loss"]], expected.history["loss"])


def test_training_goes_on_after_an_interrupt_without_loss() -> None:
    settings: dict[str, Any] = {"batch_size": 7, "seed": 3}
    training = begin_training(noisy, first(), DATA, cr.Adam(1e-4), **settings)
    training.advance(1)
    with interrupted_after(epochs=50):
        part = cr.fit(noisy, first(), DATA, cr.Adam(1e-4), epochs=10**8, **settings)
    assert part.status == "interrupted"
    rest = cr.fit(
        noisy, part.params, DATA, cr.Adam(1e-4), epochs=2, optimizer_state=part.optimizer_state, start=part.position,
        **settings,
    )  # fmt: skip
    training.advance(part.epochs + 1)
    assert_arrays(training.params, rest.params)
    assert_arrays(training.optimizer_state, rest.optimizer_state)


@Runs
def test_a_session_comes_to_the_bits_of_a_fit(name: str) -> None:
    function, optimizer, settings = RUNS[name]
    expected = cr.fit(function, first(), DATA, optimizer, epochs=5, seed=5, **settings)
    training = begin_training(function, first(), DATA, optimizer, seed=5, **settings)
    losses = [training.advance(count).losses for count in (1, 1, 3)]
    assert_arrays(training.params, expected.params)
    assert_arrays(training.optimizer_state, expected.optimizer_state)
    np.testing.assert_array_equal(np.concatenate(losses), expected.history["loss"])
    assert training.steps_per_epoch * 5 == expected.steps


def test_a_session_goes_back() -> None:
    training = begin_training(noisy, first(), DATA, cr.Adam(0.01), batch_size=16)
    training.advance(2)
    kept = training.params, training.optimizer_state, training.position
    later = training.advance(3).losses
    training.restore(*kept)
    assert training.position == Position(2)
    np.testing.assert_array_equal(training.advance(3).losses, later)
    with pytest.raises(TrainingError, match="the state lacks 'b1'"):
        training.restore({"W1": kept[0]["W1"]}, kept[1])
    with pytest.raises(TrainingError, match="W1 has the shape"):
        training.restore({**kept[0], "W1": np.zeros(2)}, kept[1])
    with pytest.raises(TrainingError, match="give the position of an earlier result"):
        training.restore(kept[0], kept[1], (1.5, 0, 0.0))


def weighted(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any, alpha: Any) -> Any:
    return loss(X, y, W1, b1, W2, b2) + alpha * (np.sum(W1**2) + np.sum(W2**2))


def test_numbers_change_in_between() -> None:
    """As in two runs, of which the second has other numbers."""
    training = begin_training(weighted, first(), DATA, cr.SGD(0.1, momentum=0.9), 16, constants={"alpha": 0.01})
    training.advance(2)
    part = cr.fit(weighted, first(), DATA, cr.SGD(0.1, momentum=0.9), 2, 16, constants={"alpha": 0.01})
    training.set_hyperparameter("learning_rate", 0.02)
    training.set_hyperparameter("momentum", 0.5)
    training.set_constant("alpha", 0.5)
    training.advance(2)
    rest = cr.fit(
        weighted, part.params, DATA, cr.SGD(0.02, momentum=0.5), 2, 16, constants={"alpha": 0.5},
        optimizer_state=part.optimizer_state, start=part.position,
    )  # fmt: skip
    assert_arrays(training.params, rest.params)


def test_the_numbers_of_a_schedule_have_names() -> None:
    training = begin_training(loss, first(), DATA, cr.SGD(schedules.Cosine(0.2, 30)), 16)
    training.set_hyperparameter("learning_rate learning_rate", 0.05)
    training.advance(2)
    expected = cr.fit(loss, first(), DATA, cr.SGD(schedules.Cosine(0.05, 30)), 2, 16)
    assert_arrays(training.params, expected.params)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.set_hyperparameter("momentun", 0.5),
            "SGD has no number 'momentun'; it has learning_rate, momentum; did",
        ),
        (lambda t: t.set_hyperparameter("learning_rate", np.nan), "learning_rate is nan; it should be a finite number"),
        (
            lambda t: t.set_hyperparameter("learning_rate", "high"),
            "learning_rate is 'high'; it should be a finite number",
        ),
        (lambda t: t.set_constant("alphas", 1.0), "'alphas' is not in constants; did you mean 'alpha'"),
        (lambda t: t.set_constant("learning_rate", 1.0), "'learning_rate' is not in constants"),
        (lambda t: t.set_constant("alpha", [1.0]), r"alpha has the shape \(1,\)"),
        (lambda t: t.advance(-1), "cannot advance by -1 epochs"),
        (lambda t: t.advance(1, order=np.zeros((1, 3), int)), "the order has the shape"),
    ],
)
def test_a_change_that_does_not_fit_is_refused(change: Callable[[TrainingSession], None], message: str) -> None:
    training = begin_training(weighted, first(), DATA, cr.SGD(0.1, momentum=0.9), 16, constants={"alpha": 0.01})
    with pytest.raises(TrainingError, match=message):
        change(training)
    assert training.position == START


@pytest.mark.parametrize("start", [5, None, "now", (1, 2), (1.5, 0, 0.0), (-1, 0, 0.0), (0, -1, 0.0), (0, 1, np.nan)])
def test_a_start_that_is_no_position_is_refused(start: Any) -> None:
    with pytest.raises(TrainingError, match="give the position of an earlier result"):
        cr.fit(loss, first(), DATA, epochs=1, batch_size=16, start=start)


def test_a_start_of_other_batches_is_refused() -> None:
    with pytest.raises(TrainingError, match="start is in step 3 of an epoch, which has only 2 here"):
        cr.fit(loss, first(), DATA, epochs=1, batch_size=25, start=(1, 3, 0.5))


def test_a_start_without_what_was_remembered_is_refused() -> None:
    message = r"resumes in epoch 2 needs the optimizer_state of the earlier result, which holds \['W1 velocity'"
    with pytest.raises(TrainingError, match=message):
        cr.fit(loss, first(), DATA, cr.SGD(0.1, momentum=0.9), epochs=1, start=(2, 0, 0.0))


def test_lbfgs_does_not_go_on() -> None:
    with pytest.raises(TrainingError, match="LBFGS cannot resume an earlier run"):
        cr.fit(loss, first(), DATA, LBFGS(), epochs=1, start=(2, 0, 0.0))
    optimizer: Any = LBFGS()
    with pytest.raises(TrainingError, match="LBFGS uses all rows at once and has no steps"):
        begin_training(loss, first(), DATA, optimizer)


def test_warnings_name_the_line_of_the_caller() -> None:
    def crossing(X: Any, y: Any, W1: Any) -> Any:
        return np.mean((X @ W1 - y) ** 2)

    params, data = {"W1": np.zeros((6, 1))}, {"X": DATA["X"], "y": DATA["X"][:, 0]}
    begun: list[Callable[..., Any]] = [begin_training, cr.fit]
    for function in begun:
        with pytest.warns(cr.BroadcastWarning, match="every row against every other") as caught:
            function(crossing, params, data)
        assert caught[0].filename == __file__
