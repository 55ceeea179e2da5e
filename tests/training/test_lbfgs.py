from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.training import DivergenceWarning, TrainingError, lbfgs
from chainrule.words import MissingDependencyError

Array = NDArray[Any]


def linear_loss(X: Any, y: Any, w: Any, b: Any) -> Any:
    return np.mean((X @ w + b - y) ** 2)


def linear_data() -> dict[str, Array]:
    random = np.random.default_rng(0)
    X = random.standard_normal((50, 3)) * [1.0, 10.0, 0.1]
    return {"X": X, "y": X @ [1.0, -2.0, 0.5] + 0.25 + 0.1 * random.standard_normal(50)}


def start() -> dict[str, Any]:
    return {"w": np.zeros(3), "b": 0.0}


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_least_squares(engine: str) -> None:
    data = linear_data()
    result = cr.fit(linear_loss, start(), data, cr.LBFGS(tolerance=1e-10), epochs=200, engine=engine)
    expected = np.linalg.lstsq(np.column_stack([data["X"], np.ones(50)]), data["y"], rcond=None)[0]
    np.testing.assert_allclose([*result.params["w"], result.params["b"]], expected, rtol=1e-7)
    assert result.status == "finished"
    assert result.epochs == result.steps == len(result.history["loss"]) < 200
    assert result.params["b"].shape == ()
    assert result.optimizer_state == {}


def test_the_history_has_the_loss_before_each_iteration() -> None:
    data = linear_data()
    heard: list[int] = []
    result = cr.fit(linear_loss, start(), data, cr.LBFGS(), epochs=4, callback=lambda done, losses: heard.append(done))
    losses = result.history["loss"]
    assert len(losses) == 4
    assert losses[0] == pytest.approx(np.mean(data["y"] ** 2), rel=1e-14)
    assert (np.diff(losses) < 0).all()
    assert linear_loss(**data, **result.params) < losses[-1]
    assert heard[-1] == 4


def test_a_loose_tolerance_ends_sooner() -> None:
    loose, tight = (
        cr.fit(linear_loss, start(), linear_data(), cr.LBFGS(tolerance=tolerance)).epochs for tolerance in (1, 1e-9)
    )
    assert loose < tight


def test_float32_parameters_keep_their_dtype() -> None:
    params = {"w": np.zeros(3, np.float32), "b": np.float32(0)}
    result = cr.fit(linear_loss, params, linear_data(), cr.LBFGS())
    assert {array.dtype for array in result.params.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(result.params["w"][:2], [1, -2], atol=0.1)


def test_integer_labels() -> None:
    def loss(X: Any, labels: Any, W: Any) -> Any:
        return cr.cross_entropy(X @ W, labels) + 0.01 * np.sum(W**2)

    data = linear_data()
    labels = (data["y"] > 0).astype(np.int64)
    result = cr.fit(loss, {"W": np.zeros((3, 2))}, {"X": data["X"], "labels": labels}, cr.LBFGS())
    assert np.mean((data["X"] @ result.params["W"]).argmax(axis=1) == labels) > 0.9


def test_an_interrupt_keeps_what_was_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lbfgs, "_REPORT_INTERVAL", 0.0)

    def interrupt(epochs_done: int, losses: Array) -> None:
        if epochs_done == 3:
            raise KeyboardInterrupt

    data = linear_data()
    result = cr.fit(linear_loss, start(), data, cr.LBFGS(), callback=interrupt)
    assert result.status == "interrupted"
    assert result.epochs == 3
    assert linear_loss(**data, **result.params) < result.history["loss"][-1]


def test_divergence_names_the_value_and_keeps_the_last_finite_point() -> None:
    def falling(x: Any) -> Any:
        root = np.sqrt(x)
        return np.sum(root)

    with pytest.warns(DivergenceWarning, match=r"root is no(t| longer) finite"):
        result = cr.fit(falling, {"x": np.full(2, 4.0)}, {}, cr.LBFGS())
    assert result.status == "diverged"
    assert result.culprit == "root"
    assert np.isfinite(result.params["x"]).all()


def test_random_numbers_stay_the_same_within_a_run() -> None:
    def loss(X: Any, w: Any) -> Any:
        return np.mean((cr.dropout(X, 0.5) @ w - 1) ** 2)

    X = linear_data()["X"]
    runs = [
        cr.fit(loss, {"w": np.zeros(3)}, {"X": X}, cr.LBFGS(), seed=seed, engine="reference").params["w"]
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 10}, "batch_size is 10; LBFGS uses all rows at once"),
        ({"optimizer_state": {"rng step": 3}}, "LBFGS cannot resume from an optimizer_state"),
        ({"optimizer": cr.LBFGS}, "optimizer is the class LBFGS"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"optimizer": cr.LBFGS(), **options}
    with pytest.raises(TrainingError, match=re.escape(message)):
        cr.fit(linear_loss, start(), linear_data(), **arguments)


@pytest.mark.parametrize("settings", [{"memory": 0}, {"tolerance": -1.0}, {"tolerance": float("nan")}])
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="of LBFGS is"):
        cr.LBFGS(**settings)


def test_without_scipy_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingDependencyError, match=re.escape("pip install 'chainrule[scipy]'")):
        cr.fit(linear_loss, start(), linear_data(), cr.LBFGS())
