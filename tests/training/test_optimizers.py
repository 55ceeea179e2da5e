from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.update_rules import PEERS, by_hand, gradients

import chainrule as cr
from chainrule.engines import get_engine
from chainrule.training import TrainingError, schedules
from chainrule.training.implicit import SEED, STEP

Array = NDArray[Any]
EPS = float(np.finfo(np.float64).eps)
AGREED = 1e-12
BATCH, BATCHES = 5, 4

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"learning_rate": 0.1}),
    ("SGD", {"learning_rate": 0.1, "weight_decay": 0.1}),
    ("SGD", {"learning_rate": 0.02, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.02, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True}),
    ("SGD", {"learning_rate": 0.02, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.5, "clip_norm": 0.05}),
    ("Adam", {}),
    ("Adam", {"learning_rate": 0.01, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.01}),
    ("Adam", {"learning_rate": 0.01, "amsgrad": True}),
    ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1, "clip_norm": 0.05}),
    ("AdamW", {"learning_rate": schedules.LinearWarmup(50, schedules.Cosine(0.02, 900, 1e-4))}),
    ("NAdam", {}),
    ("NAdam", {"learning_rate": 0.01, "weight_decay": 0.01}),
    ("NAdam", {"learning_rate": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "momentum_decay": 0.01}),
    ("RMSprop", {"learning_rate": 0.001}),
    ("RMSprop", {"learning_rate": 0.001, "alpha": 0.9, "eps": 1e-4, "centered": True}),
    ("RMSprop", {"learning_rate": 0.001, "momentum": 0.9, "centered": True, "weight_decay": 0.01}),
]
IDS = [name + "".join(f" {key}" for key in settings) for name, settings in SETTINGS]


def loss(X: Any, y: Any, W: Any, b: Any) -> Any:
    p = np.tanh(X @ W + b)
    return np.mean((p - y) ** 2)


def data() -> dict[str, Array]:
    random = np.random.default_rng(0)
    return {
        "X": random.standard_normal((BATCH * BATCHES, 3)),
        "y": random.uniform(-1, 1, (BATCH * BATCHES, 2)),
    }


def start() -> dict[str, Array]:
    return {"W": np.random.default_rng(1).standard_normal((3, 2)), "b": np.zeros(2)}


def trained(optimizer: Any, epochs: int, engine: str = "native", **options: Any) -> cr.FitResult:
    settings: dict[str, Any] = {"params": start(), "data": data(), "batch_size": BATCH, "shuffle": False, **options}
    return cr.fit(loss, optimizer=optimizer, epochs=epochs, engine=engine, **settings)


def distance(found: Mapping[str, Array], expected: Mapping[str, Array]) -> float:
    """The largest difference, against the largest number of each array."""
    return max(float(np.abs(found[key] - value).max() / np.abs(value).max()) for key, value in expected.items())


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=IDS)
def test_a_thousand_steps_agree(name: str, settings: dict[str, Any], peer: str) -> None:
    found = trained(getattr(cr, name)(**settings), 1000 // BATCHES)
    assert found.steps == 1000
    assert distance(found.params, PEERS[peer](name, settings, data(), start(), 1000, BATCH)) < AGREED


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=IDS)
def test_the_reference_engine_agrees(name: str, settings: dict[str, Any]) -> None:
    found = trained(getattr(cr, name)(**settings), 10, "reference").params
    assert distance(found, by_hand(name, settings, data(), start(), 40, BATCH)) < AGREED


@pytest.mark.parametrize("name", ["Adam", "NAdam", "RMSprop"])
def test_float32_parameters_keep_their_dtype(name: str) -> None:
    params = {key: value.astype(np.float32) for key, value in start().items()}
    found = trained(getattr(cr, name)(0.01), 25, params=params)
    assert {array.dtype for array in found.params.values()} == {np.dtype(np.float32)}
    expected = by_hand(name, {"learning_rate": 0.01}, data(), start(), 100, BATCH)
    assert distance(found.params, expected) < 1000 * np.finfo(np.float32).eps


def test_the_norm_of_large_float32_gradients_does_not_overflow() -> None:
    def steep(w: Any) -> Any:
        return np.sum(w) * 1e30

    found = cr.fit(steep, {"w": np.zeros(4, np.float32)}, {}, cr.SGD(0.5, clip_norm=1.0), epochs=1)
    np.testing.assert_allclose(found.params["w"], -0.25, rtol=4 * float(np.finfo(np.float32).eps))


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_gradient_within_the_norm_is_not_clipped(engine: str) -> None:
    free, clipped = (trained(cr.SGD(0.1, clip_norm=bound), 2, engine).params for bound in (None, 1e9))
    np.testing.assert_array_equal(free["W"], clipped["W"])


# Schedules


def rates(rate: Any, steps: int, engine: str = "native") -> Array:
    """What gradient descent multiplies a gradient of 1 by, at each step."""
    found = cr.fit(lambda w: w * 1.0, {"w": 0.0}, {}, cr.SGD(rate), epochs=steps + 1, engine=engine)
    return -np.diff(found.history["loss"])


BY_HAND = [
    (schedules.StepDecay(0.5, every=3, factor=0.1), lambda t: 0.5 * 0.1 ** (t // 3)),
    (schedules.StepDecay(0.5, every=1, factor=0.5), lambda t: 0.5 / 2**t),
    (schedules.InverseScaling(0.5, power=0.75), lambda t: 0.5 / (t + 1) ** 0.75),
    (schedules.Cosine(0.5, steps=6, final=0.1), lambda t: 0.1 + 0.2 * (1 + np.cos(np.pi * min(t, 6) / 6))),
    (schedules.LinearWarmup(4, then=0.5), lambda t: 0.5 * min(1, (t + 1) / 5)),
    (
        schedules.LinearWarmup(4, then=schedules.Cosine(0.5, steps=5)),
        lambda t: 0.5 * (t + 1) / 5 if t < 4 else 0.25 * (1 + np.cos(np.pi * min(t - 4, 5) / 5)),
    ),
    (schedules.LinearWarmup(2, then=lambda step: 0.5 / (step + 1)), lambda t: (t + 1) / 6 if t < 2 else 0.5 / (t - 1)),
    (lambda step: 0.1 * 0.99**step, lambda t: 0.1 * 0.99**t),
    (lambda step: np.where(step < 3, 0.5, 0.25), lambda t: 0.5 if t < 3 else 0.25),
    (lambda step: 0.125, lambda t: 0.125),
    (0.125, lambda t: 0.125),
]


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(
    ("schedule", "expected"), BY_HAND, ids=[f"{k} {type(schedule).__name__}" for k, (schedule, _) in enumerate(BY_HAND)]
)
def test_schedules(schedule: Any, expected: Any, engine: str) -> None:
    wanted = [expected(t) for t in range(12)]
    np.testing.assert_allclose(rates(schedule, 12, engine), wanted, rtol=1e-12, atol=100 * EPS)
    if callable(schedule):
        np.testing.assert_allclose([schedule(t) for t in range(12)], wanted, rtol=10 * EPS, atol=10 * EPS)


def test_any_hyperparameter_may_depend_on_the_step() -> None:
    settings: dict[str, Any] = {
        "learning_rate": 0.1,
        "momentum": lambda t: 0.9 - 0.5 / (t + 1),
        "weight_decay": lambda t: 0.1 * 0.9**t,
    }
    found = trained(cr.SGD(**settings), 5).params
    w = start()
    memory: dict[str, Array] = {}
    for t in range(20):
        rows = slice(t % BATCHES * BATCH, (t % BATCHES + 1) * BATCH)
        g = gradients(data()["X"][rows], data()["y"][rows], **w)
        for key in w:
            fresh = g[key] + 0.1 * 0.9**t * w[key]
            memory[key] = fresh if t == 0 else (0.9 - 0.5 / (t + 1)) * memory[key] + fresh
        w = {key: value - 0.1 * memory[key] for key, value in w.items()}
    assert distance(found, w) < AGREED


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (cr.SGD(0.1, 0.9), cr.SGD(0.2, 0.8)),
        (cr.Adam(0.1, clip_norm=1.0), cr.Adam(0.2, (0.8, 0.9), 1e-3, clip_norm=2.0)),
        (
            cr.RMSprop(schedules.LinearWarmup(3, schedules.Cosine(0.1, 50))),
            cr.RMSprop(schedules.LinearWarmup(4, schedules.Cosine(0.2, 60, 0.1))),
        ),
    ],
)
def test_other_numbers_need_no_other_program(first: Any, second: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    once = trained(first, 1)

    def refuse(*args: Any) -> Any:
        raise AssertionError("a step was built again")

    monkeypatch.setattr("chainrule.training.runs.step_program", refuse)
    assert distance(trained(second, 1).params, once.params) > 1e-6


@pytest.mark.parametrize("second", [cr.SGD(0.1, 0.9, nesterov=True), cr.SGD(0.1, 0.9, 0.1), cr.SGD(lambda t: 0.1 + t)])
def test_what_changes_the_program_is_not_overlooked(second: Any) -> None:
    assert distance(trained(second, 3).params, trained(cr.SGD(0.1, 0.9), 3).params) > 1e-6


# Going on where a run stopped


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(
    "optimizer", [cr.SGD(0.1), cr.SGD(0.1, 0.9), cr.NAdam(schedules.InverseScaling(0.1)), cr.RMSprop(momentum=0.5)]
)
def test_two_runs_with_the_state_carried_over_are_one(optimizer: Any, engine: str) -> None:
    whole, half = trained(optimizer, 10, engine), trained(optimizer, 5, engine)
    rest = trained(optimizer, 5, engine, params=half.params, optimizer_state=half.optimizer_state)
    for key, value in whole.params.items():
        np.testing.assert_array_equal(rest.params[key], value)
    assert rest.optimizer_state.keys() == whole.optimizer_state.keys()
    for key, value in whole.optimizer_state.items():
        np.testing.assert_array_equal(rest.optimizer_state[key], value)


def test_a_state_that_does_not_belong_is_refused() -> None:
    state = trained(cr.SGD(0.1, 0.9), 1).optimizer_state
    assert set(state) == {"W velocity", "b velocity"}
    for wrong, message in [
        ({}, "optimizer_state has []"),
        ({**state, "W velocity": np.zeros(3)}, "'W velocity' in optimizer_state has the shape (3,)"),
        ({**state, "b velocity": np.array([np.inf, 0])}, "should be finite"),
        (3, "optimizer_state has int"),
    ]:
        with pytest.raises(TrainingError, match=re.escape(message)):
            trained(cr.SGD(0.1, 0.9), 1, optimizer_state=wrong)


# Optimizers of one's own


@dataclass(frozen=True)
class Lion(cr.Optimizer):
    learning_rate: Any = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    clip_norm: float | None = None

    def state(self, parameter: Array) -> Mapping[str, Array]:
        return {"momentum": np.zeros_like(parameter)}

    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        rate, beta1, beta2 = (scalars[name] for name in ("learning_rate", "beta1", "beta2"))
        direction = np.sign(beta1 * state["momentum"] + (1 - beta1) * gradient)
        return parameter - rate * direction, {"momentum": beta2 * state["momentum"] + (1 - beta2) * gradient}


class SignSGD(cr.Optimizer):
    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        return parameter - 0.01 * np.sign(gradient), {}


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_lion_in_a_dozen_lines(engine: str) -> None:
    w, m = start(), {key: np.zeros_like(value) for key, value in start().items()}
    for t in range(40):
        rows = slice(t % BATCHES * BATCH, (t % BATCHES + 1) * BATCH)
        g = gradients(data()["X"][rows], data()["y"][rows], **w)
        w = {key: w[key] - 0.01 / (t + 1) * np.sign(0.9 * m[key] + 0.1 * g[key]) for key in w}
        m = {key: 0.99 * m[key] + 0.01 * g[key] for key in w}
    assert distance(trained(Lion(lambda t: 0.01 / (t + 1)), 10, engine).params, w) < AGREED


def test_an_optimizer_without_hyperparameters() -> None:
    found = cr.fit(lambda w: np.sum(np.abs(w)), {"w": np.array([1.0, -2.0])}, {}, SignSGD(), epochs=10)
    np.testing.assert_allclose(found.params["w"], [0.9, -1.9], rtol=10 * EPS)


class Wrong(cr.Optimizer):
    def __init__(self, after: Any, kept: Any = None, running: Any = None) -> None:
        self.after, self.kept, self.start = after, kept, running or {}

    @property
    def running(self) -> Mapping[str, float]:
        return self.start

    def state(self, parameter: Array) -> Mapping[str, Array]:
        return {} if self.kept is None else {"kept": np.zeros_like(parameter)}

    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        return self.after(parameter), {} if self.kept is None else self.kept(state)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (Wrong(lambda w: np.sum(w)), "Wrong.update gives W as float64[]; its next value should be float64[3, 2]"),
        (Wrong(lambda w: w, lambda state: {}), "gives the state [] of W; it began as ['kept']"),
        (Wrong(lambda w: w, lambda state: {"kept": np.sum(state["kept"])}), "Wrong.update gives W kept as float64[]"),
        (Wrong(lambda w: w, running={"count": 0.0}), "Wrong.scalars gives no 'count'"),
        (cr.SGD(lambda step: np.ones(2) * step), "learning_rate of SGD has the shape (2,)"),
    ],
)
def test_array_code_that_does_not_fit_is_named(optimizer: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=re.escape(message)):
        trained(optimizer, 1)


# Settings


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (cr.Adam, {"learning_rate": 0}, "the learning rate is 0"),
        (cr.Adam, {"learning_rate": schedules.Cosine}, "the learning rate is the class Cosine; give an instance"),
        (cr.Adam, {"betas": (0.9, 1.0)}, "betas[1] is 1.0"),
        (cr.Adam, {"betas": 0.9}, "betas is 0.9; it should be two numbers"),
        (cr.Adam, {"eps": -1}, "eps is -1"),
        (cr.AdamW, {"weight_decay": -1}, "weight_decay is -1"),
        (cr.NAdam, {"clip_norm": 0}, "clip_norm is 0"),
        (cr.NAdam, {"momentum_decay": -1}, "momentum_decay is -1"),
        (cr.RMSprop, {"alpha": 1}, "alpha is 1"),
        (cr.RMSprop, {"momentum": "high"}, "momentum is 'high'"),
        (cr.SGD, {"learning_rate": 0.1, "momentum": 1.5}, "momentum is 1.5"),
        (cr.SGD, {"learning_rate": 0.1, "momentum": True}, "momentum is True"),
        (cr.SGD, {"learning_rate": 0.1, "nesterov": True}, "nesterov needs a momentum"),
        (cr.SGD, {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "dampening": 0.5}, "and a dampening of 0"),
        (schedules.StepDecay, {"learning_rate": 0.1, "every": 0}, "every, the steps between decays, is 0"),
        (schedules.Cosine, {"learning_rate": 0.1, "steps": 2.5}, "the steps of a Cosine is 2.5"),
        (
            schedules.Cosine,
            {"learning_rate": 0.1, "steps": 10, "final": -1},
            "the final learning rate of a Cosine is -1",
        ),
        (schedules.InverseScaling, {"learning_rate": -1}, "the learning rate of an InverseScaling is -1"),
        (schedules.LinearWarmup, {"steps": 5, "then": None}, "what follows a LinearWarmup is None"),
    ],
)
def test_settings_out_of_range_are_refused(make: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=re.escape(message)):
        make(**settings)


# Random numbers in the loss


def dropped(X: Any, y: Any, W: Any, b: Any) -> Any:
    p = cr.dropout(np.tanh(X @ W + b), 0.5)
    return np.mean((p - y) ** 2)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_random_numbers_follow_from_the_seed_and_the_step(engine: str) -> None:
    def run(seed: int) -> Array:
        settings: dict[str, Any] = {"epochs": 3, "batch_size": 8, "shuffle": False, "engine": engine}
        found = cr.fit(dropped, start(), data(), cr.SGD(1e-9), seed=seed, **settings)
        assert found.optimizer_state == {STEP.name: 3 * 3}
        return found.history["loss"]

    np.testing.assert_array_equal(run(1), run(1))
    assert (np.abs(run(1) - run(2)) > 1e-3).any()
    assert len(set(np.round(run(1), 6))) == 3, "each step draws anew"


def test_a_program_with_random_numbers_is_a_loss_too() -> None:
    shapes = {key: value.shape for key, value in {**data(), **start()}.items()}
    program = cr.trace(dropped, **shapes)
    assert {SEED.name, STEP.name} <= {node.name for node in program.inputs}
    function, given = (cr.fit(each, start(), data(), cr.Adam(), epochs=3, seed=5) for each in (dropped, program))
    np.testing.assert_array_equal(function.params["W"], given.params["W"])


def test_threads_reach_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = get_engine("reference")
    begin = engine.begin
    heard: list[object] = []

    def listening(run: Any, threads: int | None) -> Any:
        heard.append(threads)
        return begin(run, threads)

    monkeypatch.setattr(engine, "begin", listening)
    for threads in (None, 3):
        trained(cr.SGD(0.1), 1, "reference", threads=threads)
    assert heard == [None, 3]


class Mistaken(cr.Optimizer):
    """Its update does what it is told to."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        result: tuple[Any, Mapping[str, Any]] = self.result(parameter, scalars)
        return result


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda w, scalars: w, r"Mistaken.update gives a single array; it should return two things"),
        (lambda w, scalars: np.sum(w), r"Mistaken.update gives a single array; it should return two things"),
        (lambda w, scalars: None, r"Mistaken.update gives a NoneType; it should return two things"),
        (lambda w, scalars: (w, w), r"Mistaken.update gives a tuple; it should return two things"),
        (lambda w, scalars: (w - scalars["lr"], {}), r"asks for scalars\['lr'\]; it is given none"),
    ],
)
def test_an_update_that_is_mistaken_is_told_so(result: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        cr.fit(lambda w: np.sum(w * w), {"w": np.ones(2)}, {}, optimizer=Mistaken(result), epochs=1)


def test_a_schedule_takes_the_step_alone() -> None:
    schedule: Any = lambda: 1.0  # noqa: E731
    with pytest.raises(TrainingError, match="learning_rate is a function that does not take the step alone"):
        cr.fit(lambda w: np.sum(w * w), {"w": np.ones(2)}, {}, optimizer=cr.Adam(schedule), epochs=1)
