from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.interrupting import interrupted_after

from chainrule import functions
from chainrule.engines import EngineError, permutation
from chainrule.training import SGD, BroadcastWarning, Optimizer, TrainingError, fit
from chainrule.words import ChainruleError

Array = NDArray[Any]
EPS = float(np.finfo(np.float64).eps)


def linear_loss(X: Any, y: Any, w: Any, b: Any) -> Any:
    residual = X @ w + b - y
    return np.mean(residual**2)


def linear_data(rows: int = 20, seed: int = 0) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    X = random.standard_normal((rows, 3))
    return {"X": X, "y": X @ [1.0, -2.0, 0.5] + 0.25 + 0.1 * random.standard_normal(rows)}


def start() -> dict[str, Any]:
    return {"w": np.zeros(3), "b": np.array(0.0)}


def by_hand(data: Mapping[str, Array], epochs: int, batch_size: int, rate: float, seed: int) -> tuple[Array, float]:
    w, b = np.zeros(3), 0.0
    rows = len(data["X"])
    for epoch in range(epochs):
        order = permutation(seed, epoch, rows) if batch_size < rows else np.arange(rows)
        for first in range(0, rows, batch_size):
            chosen = order[first : first + batch_size]
            X, y = data["X"][chosen], data["y"][chosen]
            residual = 2 * (X @ w + b - y) / len(chosen)
            w, b = w - rate * X.T @ residual, b - rate * residual.sum()
    return w, float(b)


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("batch_size", [None, 20, 8, 1])
def test_fit_equals_gradient_descent_by_hand(engine: str, batch_size: int | None) -> None:
    data = linear_data()
    result = fit(linear_loss, start(), data, SGD(0.05), 7, batch_size, seed=3, engine=engine)
    w, b = by_hand(data, 7, batch_size or 20, 0.05, 3)
    np.testing.assert_allclose(result.params["w"], w, rtol=1e4 * EPS)
    np.testing.assert_allclose(result.params["b"], b, rtol=1e4 * EPS)
    assert result.status == "finished"
    assert result.epochs == 7
    assert result.steps == 7 * (1 if batch_size is None else -(-20 // batch_size))


def test_history_starts_with_the_loss_of_the_initial_parameters() -> None:
    data = linear_data()
    result = fit(linear_loss, start(), data, epochs=5)
    assert result.history["loss"].shape == (5,)
    assert result.history["loss"][0] == pytest.approx(np.mean(data["y"] ** 2), rel=10 * EPS)
    assert (np.diff(result.history["loss"]) < 0).all()


def test_nothing_of_the_callers_is_modified() -> None:
    data, params = linear_data(), start()
    copies = {name: array.copy() for name, array in {**data, **params}.items()}
    fit(linear_loss, params, data, epochs=3, batch_size=4)
    for name, array in {**data, **params}.items():
        np.testing.assert_array_equal(array, copies[name])


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    runs = [
        fit(linear_loss, start(), linear_data(), epochs=3, batch_size=4, seed=seed).params["w"] for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_without_shuffling_batches_are_taken_in_order() -> None:
    seeds = [fit(linear_loss, start(), linear_data(), epochs=3, batch_size=4, seed=s, shuffle=False) for s in (1, 2)]
    np.testing.assert_array_equal(seeds[0].params["w"], seeds[1].params["w"])


def test_float32_parameters_make_a_float32_run() -> None:
    params = {"w": np.zeros(3, np.float32), "b": np.float32(0)}
    result = fit(linear_loss, params, linear_data(), epochs=50)
    assert {array.dtype for array in result.params.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(result.params["w"], [1, -2, 0.5], atol=0.1)


def test_one_float64_parameter_makes_a_float64_run() -> None:
    result = fit(linear_loss, {"w": np.zeros(3, np.float32), "b": 0.0}, linear_data(), epochs=1)
    assert {array.dtype for array in result.params.values()} == {np.dtype(np.float64)}


def test_integer_labels_and_constants() -> None:
    def loss(X: Any, labels: Any, W: Any, penalty: Any) -> Any:
        return functions.cross_entropy(X @ W, labels) + penalty * np.sum(W**2)

    data = linear_data(30)
    labels = (data["y"] > 0).astype(np.int32)
    trained = [
        fit(loss, {"W": np.zeros((3, 2))}, {"X": data["X"], "labels": labels}, constants={"penalty": penalty})
        for penalty in (0.0, 1.0)
    ]
    assert np.linalg.norm(trained[1].params["W"]) < 0.5 * np.linalg.norm(trained[0].params["W"])
    chosen = (data["X"] @ trained[0].params["W"]).argmax(axis=1)
    assert np.mean(chosen == labels) > 0.9


def test_a_loss_without_data() -> None:
    def bowl(x: Any) -> Any:
        return np.sum((x - 3) ** 2)

    np.testing.assert_allclose(fit(bowl, {"x": np.zeros(2)}, {}).params["x"], 3, rtol=1e-8)


def test_a_parameter_that_the_loss_ignores_stays() -> None:
    def loss(X: Any, w: Any, unused: Any) -> Any:
        return np.sum((X @ w - 1) ** 2)

    result = fit(loss, {"w": np.zeros(3), "unused": np.ones(2)}, {"X": np.eye(3)}, epochs=2)
    np.testing.assert_array_equal(result.params["unused"], [1, 1])


def test_a_variable_outside_of_the_loss_is_read_anew() -> None:
    aim = 1.0

    def loss(x: Any) -> Any:
        return (x - aim) ** 2

    first = fit(loss, {"x": 0.0}, {}).params["x"]
    aim = 5.0
    second = fit(loss, {"x": 0.0}, {}).params["x"]
    assert first == pytest.approx(1)
    assert second == pytest.approx(5)


def test_a_second_run_of_the_same_kind_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fit(linear_loss, start(), linear_data(), SGD(0.1), epochs=1, batch_size=6)

    def refuse(*args: Any) -> Any:
        raise AssertionError("a step was built again")

    monkeypatch.setattr("chainrule.training.runs.step_program", refuse)
    fit(linear_loss, start(), linear_data(seed=5), SGD(0.2), epochs=2, batch_size=6)


def test_an_interrupt_keeps_what_was_learnt() -> None:
    data = linear_data(2000)
    with interrupted_after(epochs=5):
        result = fit(linear_loss, start(), data, SGD(1e-3), epochs=10_000_000, batch_size=1)
    assert result.status == "interrupted"
    assert 0 < result.epochs < 10_000_000
    np.testing.assert_allclose(result.params["w"], [1, -2, 0.5], atol=0.05)


def test_the_callback_hears_of_the_end() -> None:
    heard: list[tuple[int, int]] = []
    fit(linear_loss, start(), linear_data(), epochs=4, callback=lambda done, losses: heard.append((done, len(losses))))
    assert heard[-1] == (4, 4)


class Momentum(Optimizer):
    """An optimizer with a memory, to hold the contract to."""

    @property
    def hyperparameters(self) -> Mapping[str, float]:
        return {"learning_rate": 0.05, "momentum": 0.9}

    def state(self, parameter: Array) -> Mapping[str, Array]:
        return {"velocity": np.zeros_like(parameter)}

    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        velocity = scalars["momentum"] * state["velocity"] + gradient
        return parameter - scalars["learning_rate"] * velocity, {"velocity": velocity}


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_an_optimizer_with_a_memory(engine: str) -> None:
    data = linear_data()
    result = fit(linear_loss, start(), data, Momentum(), epochs=10, engine=engine)
    w, b, velocity_w, velocity_b = np.zeros(3), 0.0, np.zeros(3), 0.0
    for _ in range(10):
        residual = 2 * (data["X"] @ w + b - data["y"]) / 20
        velocity_w, velocity_b = 0.9 * velocity_w + data["X"].T @ residual, 0.9 * velocity_b + residual.sum()
        w, b = w - 0.05 * velocity_w, b - 0.05 * velocity_b
    np.testing.assert_allclose(result.params["w"], w, rtol=1e4 * EPS)
    assert set(result.params) == {"w", "b"}


def with_nan() -> dict[str, Array]:
    data = linear_data()
    data["X"][4, 1] = np.nan
    return data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"params": {"w": np.zeros(3)}}, "takes 'b', which is not in params"),
        ({"params": {**start(), "bias": 0.0}}, "takes no 'bias', which is in params"),
        ({"params": {"w": np.zeros(3), "bb": 0.0}}, "did you mean 'bb'"),
        ({"params": {}}, "params is empty"),
        ({"params": {"w": np.zeros(3, int), "b": 0.0}}, "parameter 'w' holds int64"),
        ({"params": {"w": np.array([0, np.inf, 0]), "b": 0.0}}, r"w\[1\] is inf"),
        ({"params": {"w": ["a", "b", "c"], "b": 0.0}}, "parameter 'w': dtype"),
        ({"params": {**start(), "X": np.zeros(3)}}, "'X' is in params and in data"),
        ({"params": [1, 2]}, "give a dict"),
        ({"data": {"X": np.zeros((4, 3)), "y": np.zeros(5)}}, "'X' has 4 rows and 'y' has 5"),
        ({"data": {"X": np.zeros((0, 3)), "y": np.zeros(0)}}, "data 'X' is empty"),
        ({"data": {"X": np.zeros((4, 3)), "y": 1.0}}, "give it in constants"),
        ({"data": with_nan()}, r"data 'X' is not finite: X\[4, 1\] is nan"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 2.5}, "epochs is 2.5"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"threads": 0}, "threads is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"optimizer": 0.1}, "give one such as SGD"),
        ({"loss": lambda X, y, w, b: X @ w + b - y}, r"array of shape \(20,\)"),
        ({"loss": lambda X, y, w, b: (np.sum(X @ w), b)}, "returns 2 values"),
        ({"loss": 3}, "give a function"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"loss": linear_loss, "params": start(), "data": linear_data(), "epochs": 1}
    with pytest.raises(TrainingError, match=message):
        fit(**{**arguments, **change})


def test_shapes_that_do_not_fit_are_refused_with_the_line() -> None:
    with pytest.raises(ChainruleError, match=r"test_fit\.py"):
        fit(linear_loss, {"w": np.zeros(4), "b": 0.0}, linear_data())


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(EngineError, match="quantum"):
        fit(linear_loss, start(), linear_data(), engine="quantum")


@pytest.mark.parametrize("rate", [0, -0.1, float("nan"), float("inf"), "fast", True, None])
def test_a_rate_that_is_not_positive_is_refused(rate: Any) -> None:
    with pytest.raises(TrainingError, match="learning rate"):
        SGD(rate)


def test_a_loss_with_an_input_called_learning_rate() -> None:
    def loss(x: Any, learning_rate: Any) -> Any:
        return (x - learning_rate) ** 2

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = fit(loss, {"x": 0.0}, {}, constants={"learning_rate": 2.0})
    assert result.params["x"] == pytest.approx(2)


def test_methods_and_keyword_only_parameters() -> None:
    class Model:
        def loss(self, X: Any, *, w: Any, scale: float = 2.0) -> Any:
            return np.mean((scale * X @ w - 1) ** 2)

    model: Callable[..., Any] = Model().loss
    np.testing.assert_allclose(fit(model, {"w": np.zeros(2)}, {"X": np.eye(2)}).params["w"], 0.5, rtol=1e-6)


def trap(X: Any, y: Any, W: Any) -> Any:
    p = X @ W
    return np.mean((p - y) ** 2)


@pytest.mark.parametrize("batch_size", [None, 7, 1])
def test_predictions_broadcast_against_targets_are_doubted(batch_size: int | None) -> None:
    """`X @ W` is (rows, 1) and `y` is (rows,), so that their difference is (rows, rows)."""
    message = r"meets p of shape \(rows, 1\) with y of shape \(rows,\).*y\[:, None\]"
    for _ in range(2):  # the second time the plan is remembered
        with pytest.warns(BroadcastWarning, match=message):
            fit(trap, {"W": np.zeros((3, 1))}, linear_data(), batch_size=batch_size, epochs=2)


@pytest.mark.parametrize(
    "loss",
    [
        lambda X, y, W: np.mean((X @ W - y[:, None]) ** 2),
        lambda X, y, W: np.mean(((X @ W)[:, 0] - y) ** 2),
        lambda X, y, W: np.mean(((X @ W) - (X @ W)[:, 0]) ** 2) + 0 * np.sum(y),
        lambda X, y, W: np.mean((X @ X.T) @ (X @ W)) + 0 * np.sum(y),
        lambda X, y, W: np.mean((X @ W) ** 2) + 0 * np.sum(y[:, None] - y),
        lambda X, y, W: np.mean((X @ W) * np.arange(20.0)) + 0 * np.sum(y),
    ],
)
def test_what_is_meant_is_not_doubted(loss: Any) -> None:
    """The last one meets predictions with as many numbers as there are rows, which belong to no row."""
    fit(loss, {"W": np.zeros((3, 1))}, linear_data(), epochs=1)


@pytest.mark.parametrize(("batch_size", "count"), [(None, 1), (10, 1), (7, 2)])
def test_a_loss_is_called_once_for_each_size_of_batch(batch_size: int | None, count: int) -> None:
    calls = []

    def loss(X: Any, y: Any, w: Any, b: Any) -> Any:
        calls.append(X.shape)
        return linear_loss(X, y, w, b)

    fit(loss, start(), linear_data(), batch_size=batch_size, epochs=3)
    assert len(calls) == count


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": {"X": {"a": np.zeros(3)}, "y": np.zeros(3)}}, "data 'X' should be an array, and is a dict"),
        ({"params": {"w": None, "b": np.array(0.0)}}, "parameter 'w' should be an array, and is None"),
        ({"params": {1: np.zeros(3)}}, "params has the key 1"),
        ({"loss": max}, "the parameters of max are not known"),
        ({"optimizer": SGD}, "optimizer is the class SGD"),
        ({"epochs": 10**20}, "it should be at most"),
    ],
)
def test_slips_are_named(changes: dict[str, Any], words: str) -> None:
    arguments = {"loss": linear_loss, "params": start(), "data": linear_data(), **changes}
    with pytest.raises(TrainingError, match=words):
        fit(**arguments)


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (np.ma.masked_greater(linear_data()["X"], 0.5), "'X': a masked array would lose"),
        (np.full((20, 3), 2**63, np.uint64), "'X': integers above"),
    ],
)
def test_data_that_would_be_misread_are_refused(X: Array, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        fit(linear_loss, start(), {**linear_data(), "X": X})


def test_data_of_the_other_byte_order_are_read() -> None:
    data = linear_data()
    swapped = {name: array.astype(array.dtype.newbyteorder()) for name, array in data.items()}
    native, other = (fit(linear_loss, start(), each, epochs=5) for each in (data, swapped))
    np.testing.assert_array_equal(native.params["w"], other.params["w"])
