"""Validation, patience and optimizers by name in `fit`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr

RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 4))
Y = X @ RNG.normal(size=4) + RNG.normal(size=60)
ROWS, HELD = {"X": X[:40], "y": Y[:40]}, {"X": X[40:], "y": Y[40:]}


def loss(w: Any, X: Any, y: Any) -> Any:
    return np.mean((np.tanh(X @ w) @ np.ones(30) - y) ** 2)


def start() -> dict[str, Any]:
    return {"w": np.random.default_rng(0).normal(size=(4, 30)) * 0.1}


def fitted(epochs: int, **settings: Any) -> cr.FitResult:
    settings = {"optimizer": cr.SGD(0.01), "batch_size": 16, "seed": 1, **settings}
    return cr.fit(loss, start(), ROWS, epochs=epochs, **settings)


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("batch_size", [None, 16, 7])
def test_the_validation_loss_is_that_of_the_parameters_after_each_epoch(engine: str, batch_size: int | None) -> None:
    result = fitted(5, validation=HELD, batch_size=batch_size, engine=engine)
    assert result.status == "finished"
    for epochs in range(1, 6):
        w = fitted(epochs, batch_size=batch_size, engine=engine).params["w"]
        expected = loss(w, HELD["X"], HELD["y"])  # the mean over batches of the mean over rows
        assert result.history["validation_loss"][epochs - 1] == pytest.approx(expected, rel=1e-12)
    assert result.best_epoch == 1 + int(np.argmin(result.history["validation_loss"]))


def test_a_validation_does_not_change_the_run() -> None:
    np.testing.assert_array_equal(fitted(6).params["w"], fitted(6, validation=HELD).params["w"])
    np.testing.assert_array_equal(fitted(6).history["loss"], fitted(6, validation=HELD).history["loss"])


def test_patience_ends_the_run_and_returns_the_best_epoch() -> None:
    result = fitted(2000, validation=HELD, patience=5, optimizer=cr.SGD(0.03))
    losses = result.history["validation_loss"]
    assert result.status == "converged"
    assert result.best_epoch == 1 + int(np.argmin(losses))
    assert len(losses) == result.epochs == result.best_epoch + 6
    assert result.history["loss"].shape == losses.shape
    again = fitted(result.best_epoch, optimizer=cr.SGD(0.03))
    np.testing.assert_array_equal(result.params["w"], again.params["w"])


def test_patience_without_a_validation_watches_the_training_loss() -> None:
    plain = fitted(400, optimizer=cr.SGD(0.05)).history["loss"]
    result = fitted(400, optimizer=cr.SGD(0.05), patience=4)
    waiting, best, count = 0, np.inf, 0
    while waiting <= 4:
        waiting = waiting + 1 if plain[count] > best else 0
        best, count = min(best, plain[count]), count + 1
    assert (result.status, result.epochs) == ("converged", count)
    np.testing.assert_array_equal(result.history["loss"], plain[:count])
    assert "validation_loss" not in result.history
    assert result.best_epoch is None


def test_dropout_is_off_in_validation() -> None:
    def noisy(w: Any, X: Any, y: Any) -> Any:
        return np.mean((cr.dropout(X, 0.5) @ w - y) ** 2)

    result = cr.fit(noisy, {"w": np.zeros(4)}, ROWS, cr.SGD(0.01), epochs=3, validation=HELD)
    residual = HELD["X"] @ result.params["w"] - HELD["y"]
    assert result.history["validation_loss"][-1] == pytest.approx(np.mean(residual**2), rel=1e-12)


def test_lbfgs_is_monitored_too() -> None:
    result = fitted(500, validation=HELD, patience=3, optimizer="lbfgs", batch_size=None)
    losses = result.history["validation_loss"]
    assert result.best_epoch == 1 + int(np.argmin(losses))
    assert loss(result.params["w"], HELD["X"], HELD["y"]) == pytest.approx(losses.min(), rel=1e-9)


def test_the_callback_sees_all_losses_and_can_stop() -> None:
    seen: list[int] = []

    def callback(done: int, losses: Any) -> bool:
        assert len(losses) == done
        assert not losses.flags.writeable
        seen.append(done)
        return done < 4

    for settings in ({"validation": HELD}, {"patience": 50}):
        seen.clear()
        result = fitted(100, callback=callback, **settings)
        assert (result.status, result.epochs) == ("stopped", seen[-1])
        assert seen[0] == 1
        assert 4 <= seen[-1] < 8


def test_a_callback_that_fails_leaves_the_result() -> None:
    def callback(done: int, losses: Any) -> None:
        if done == 2:
            raise LookupError("enough")

    with pytest.raises(LookupError) as caught:
        fitted(100, callback=callback, validation=HELD)
    assert caught.value.result.epochs == 2  # type: ignore[attr-defined]


def test_a_divergence_under_a_monitor_is_one() -> None:
    with pytest.warns(cr.DivergenceWarning):
        result = cr.fit(
            "mean((X @ w - y)^2)", {"w": np.zeros(4)}, ROWS, cr.SGD(9.0), 2000, validation=HELD, patience=5000
        )
    assert result.status == "diverged"
    np.testing.assert_array_equal(result.params["w"], 0)


def test_what_does_not_fit_is_named() -> None:
    for settings, message in (
        ({"validation": {"X": HELD["X"]}}, "takes 'y', which is not in params, validation or constants"),
        ({"validation": {"X": HELD["X"], "y": HELD["y"][:3]}}, "validation 'X' has 20 rows and 'y' has 3"),
        ({"validation": {"X": HELD["X"] * np.nan, "y": HELD["y"]}}, "validation 'X' is not finite"),
        ({"patience": -1}, "patience is -1"),
        ({"optimizer": "adamm"}, "optimizer is 'adamm'; did you mean 'adam'"),
        ({"optimizer": "momentum"}, "there are 'sgd', 'adam'"),
    ):
        with pytest.raises(cr.TrainingError, match=message):
            fitted(2, **settings)


def test_an_optimizer_by_name_has_its_defaults() -> None:
    for name, optimizer in (("adam", cr.Adam()), ("SGD", cr.SGD(0.1)), ("rmsprop", cr.RMSprop())):
        np.testing.assert_array_equal(fitted(3, optimizer=name).params["w"], fitted(3, optimizer=optimizer).params["w"])
