"""The trainer: the same bits however it is split, stopping, validation, and invalid arguments."""

from __future__ import annotations

import pickle
import signal
import warnings
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as drawing
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.interrupting import interrupted_after

from chainrule.engines import Session
from chainrule.networks import (
    Architecture,
    MomentumSGD,
    NetworkError,
    ShuffledOrder,
    TrainingSettings,
    TrainingState,
    UncorrectedAdam,
    Validation,
    descent,
    evaluation,
    predict_rows,
    prediction,
    train,
)
from chainrule.training import LBFGS, SGD, Adam, AdamW, NAdam
from chainrule.training.schedules import Cosine

Array = NDArray[Any]
RANDOM = np.random.default_rng(2)
X = RANDOM.standard_normal((90, 4))
Y = np.sin(X[:, :1]) + X[:, 1:2] ** 2
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
NETWORK = Architecture(4, (5,), 1, activations="z * sigmoid(z)", alpha=0.01)
OTHERS = Validation(RANDOM.standard_normal((40, 4)), RANDOM.standard_normal(40))


def assert_same(first: TrainingState, second: TrainingState) -> None:
    """That two states are the same to the last bit, but for the time that they took."""
    for field in fields(TrainingState):
        if field.name in ("seconds", "threads", "reason"):
            continue
        one, other = getattr(first, field.name), getattr(second, field.name)
        assert pickle.dumps(_plain(one)) == pickle.dumps(_plain(other)), field.name


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return value


def orders() -> ShuffledOrder:
    return ShuffledOrder(np.random.RandomState(7), len(X))


CASES: dict[str, tuple[Architecture, Callable[[], TrainingSettings], Validation | None]] = {
    "adam": (NETWORK, lambda: TrainingSettings(Adam(0.01), epochs=14, batch_size=25), None),
    "plain, whole": (NETWORK, lambda: TrainingSettings(SGD(0.05), epochs=14), None),
    "momentum, order": (NETWORK, lambda: TrainingSettings(MomentumSGD(), 14, 30, order=orders()), None),
    "no shuffle": (NETWORK, lambda: TrainingSettings(MomentumSGD(), 14, 30, shuffle=False), None),
    "dropout": (replace(NETWORK, dropout=0.4), lambda: TrainingSettings(NAdam(0.01), 14, 30, seed=3), None),
    "batch norm": (replace(NETWORK, normalization="batch"), lambda: TrainingSettings(Adam(0.01), 14, 30), None),
    "schedule": (NETWORK, lambda: TrainingSettings(SGD(Cosine(0.1, 30)), 14, 30), None),
    "plateaus": (
        NETWORK,
        lambda: TrainingSettings(MomentumSGD(0.05), 14, 30, tolerance=0.03, patience=1, plateau="divide"),
        None,
    ),
    "falling rate": (NETWORK, lambda: TrainingSettings(MomentumSGD(0.05), 14, 30, learning_rate_power=0.5), None),
    "clipped": (NETWORK, lambda: TrainingSettings(Adam(0.1, clip_norm=0.1), 14, 30, weight_decay=0.02), None),
    "validated": (
        NETWORK,
        lambda: TrainingSettings(Adam(0.01), 14, 30, monitor="validation_score", restore_best=True, patience=20),
        OTHERS,
    ),
    "float32": (replace(NETWORK, dtype="float32"), lambda: TrainingSettings(Adam(0.01), 14, 30), None),
    "search": (NETWORK, lambda: TrainingSettings(LBFGS(), epochs=14), OTHERS),
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(case: str) -> None:
    network, settings, validation = CASES[case]
    whole = train(network, network.initial(0), X, Y, None, settings(), validation)
    part = train(network, network.initial(0), X, Y, None, replace(settings(), epochs=5), validation)
    assert part.epoch == 5
    kept = pickle.loads(pickle.dumps(part))
    resumed = train(network, None, X, Y, None, settings(), validation, resume=kept)
    assert whole.epoch == 14
    assert_same(resumed, whole)


@pytest.mark.parametrize("case", CASES)
def test_looking_on_changes_no_bit(case: str) -> None:
    network, settings, validation = CASES[case]
    seen: list[TrainingState] = []
    whole = train(network, network.initial(0), X, Y, None, settings(), validation)
    watched = train(network, network.initial(0), X, Y, None, settings(), validation, on_epoch=seen.append, every=3)
    assert_same(watched, whole)
    assert [state.epoch for state in seen] == [3, 6, 9, 12, 14]
    assert [len(state.loss_curve) for state in seen] == [3, 6, 9, 12, 14]
    middle = train(network, None, X, Y, None, settings(), validation, resume=seen[1])
    assert_same(middle, whole)


def test_a_run_that_goes_on_keeps_its_seed() -> None:
    network, settings, _ = CASES["dropout"]
    whole = train(network, network.initial(0), X, Y, settings=settings())
    part = train(network, network.initial(0), X, Y, settings=replace(settings(), epochs=5))
    assert part.seed == 3
    assert_same(train(network, None, X, Y, settings=replace(settings(), seed=99), resume=part), whole)
    other = train(network, network.initial(0), X, Y, settings=replace(settings(), seed=99))
    assert (other.loss_curve != whole.loss_curve).all()


@pytest.mark.parametrize("solver", [SGD(0.5), LBFGS()])
def test_what_converged_is_left_as_it_is(solver: Any) -> None:
    settings = TrainingSettings(solver, 400, patience=2, tolerance=0.02)
    state = train(NETWORK, NETWORK.initial(0), X, Y, settings=settings)
    assert state.status == "converged"
    again = train(NETWORK, None, X, Y, settings=settings, resume=state)
    assert_same(again, state)
    longer = train(NETWORK, None, X, Y, settings=replace(settings, patience=9), resume=state)
    assert longer.epoch > state.epoch


def test_a_batch_without_weight_does_no_harm() -> None:
    weights = np.repeat([0.0, 1.0], [30, 60])
    settings = TrainingSettings(SGD(0.1), 3, 30, shuffle=False)
    network = replace(NETWORK, alpha=0.0)
    state = train(network, network.initial(0), X, Y, weights, settings)
    assert np.isfinite(state.loss_curve).all()
    without = train(network, network.initial(0), X[30:], Y[30:], None, settings)
    np.testing.assert_allclose(state.params["W1"], without.params["W1"], rtol=1e-12)


def test_threads_change_no_bit() -> None:
    wide = Architecture(64, (256,), 3, loss="cross_entropy")
    rows = RANDOM.standard_normal((600, 64))
    labels = RANDOM.integers(0, 3, 600)
    settings = TrainingSettings(Adam(), epochs=2, batch_size=300)
    one, two = (train(wide, wide.initial(0), rows, labels, settings=settings, threads=count) for count in (1, 2))
    assert_same(one, two)


@pytest.mark.parametrize("plateau", ["stop", "divide"])
def test_what_stops_within_a_piece_is_made_again(monkeypatch: pytest.MonkeyPatch, plateau: Any) -> None:
    settings = TrainingSettings(
        SGD(0.5), 400, 30, tolerance=0.02, patience=2, plateau=plateau, least_learning_rate=1e-3
    )
    single: list[int] = []
    one_by_one = train(
        NETWORK, NETWORK.initial(0), X, Y, None, settings, on_epoch=lambda state: single.append(state.epoch)
    )
    again: list[int] = []
    restore = Session.restore

    def counted(session: Session, *arguments: Any) -> None:
        again.append(1)
        restore(session, *arguments)

    monkeypatch.setattr(Session, "restore", counted)
    monkeypatch.setattr(descent, "SHORTEST_PIECE", 1e3)
    monkeypatch.setattr(descent, "LONGEST_PIECE", 1e3)
    pieces = train(NETWORK, NETWORK.initial(0), X, Y, None, settings)
    assert_same(pieces, one_by_one)
    assert pieces.status == "converged"
    assert pieces.epoch < 400
    assert again
    assert single == list(range(1, pieces.epoch + 1))


@pytest.mark.parametrize("ordered", [False, True])
def test_what_was_interrupted_goes_on_to_the_same_bits(ordered: bool) -> None:
    network = Architecture(40, (200,), 1, activations="tanh", dropout=0.2)
    rows = RANDOM.standard_normal((6000, 40))
    y = rows[:, 0]
    compiled = TrainingSettings(Adam(), epochs=1, batch_size=20)
    train(network, network.initial(0), rows, y, settings=compiled)

    def settings() -> TrainingSettings:
        order = ShuffledOrder(np.random.RandomState(1), len(rows)) if ordered else None
        return TrainingSettings(Adam(), epochs=40, batch_size=20, order=order)

    with interrupted_after(epochs=2):
        state = train(network, network.initial(0), rows, y, settings=settings())
    assert state.reason.startswith("interrupted")
    assert state.epoch < 40
    parts = 1
    while state.status == "interrupted":
        assert len(state.loss_curve) == state.epoch
        assert any((state.params[name] != start).any() for name, start in network.initial(0).items())
        state = pickle.loads(pickle.dumps(state))
        if parts < 3 and state.epoch < 20:  # on a busy machine Ctrl-C arrives late, and little is left to interrupt
            with interrupted_after(epochs=1):
                state = train(network, None, rows, y, settings=settings(), resume=state)
        else:
            state = train(network, None, rows, y, settings=settings(), resume=state)
        parts += 1
    whole = train(network, network.initial(0), rows, y, settings=settings())
    assert_same(state, whole)


def test_an_interrupt_in_a_validation_loses_no_epoch() -> None:
    calls = []

    def score(y: Array, p: Array, weights: Array | None) -> float:
        calls.append(1)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return float(-np.mean((y - p) ** 2))

    settings = TrainingSettings(Adam(0.01), 9, 32)
    validation = replace(OTHERS, score=score)
    state = train(NETWORK, NETWORK.initial(0), X, Y, None, settings, validation)
    assert (state.status, state.epoch, len(state.validation_scores)) == ("interrupted", 4, 4)
    resumed = train(NETWORK, None, X, Y, None, settings, validation, resume=state)
    assert_same(resumed, train(NETWORK, NETWORK.initial(0), X, Y, None, settings, validation))


def test_a_search_that_is_interrupted_keeps_what_it_found() -> None:
    def on_epoch(state: TrainingState) -> None:
        if state.epoch == 3:
            raise KeyboardInterrupt

    settings = TrainingSettings(LBFGS(), 8)
    state = train(NETWORK, NETWORK.initial(0), X, Y, settings=settings, on_epoch=on_epoch)
    assert (state.status, state.epoch) == ("interrupted", 3)
    resumed = train(NETWORK, None, X, Y, settings=settings, resume=state)
    assert_same(resumed, train(NETWORK, NETWORK.initial(0), X, Y, settings=settings))


def test_a_divergence_names_the_culprit_and_keeps_what_was_finite() -> None:
    exploding = Architecture(4, (6,), 1, activations="relu")
    state = train(exploding, exploding.initial(0), X, Y, settings=TrainingSettings(SGD(10.0), 200, 30))
    assert state.status == "diverged"
    assert state.culprit
    assert state.culprit in state.reason
    assert all(np.isfinite(array).all() for array in state.params.values())
    assert np.isfinite(state.loss_curve).all()
    assert state.epoch == len(state.loss_curve) < 200
    best = int(state.loss_curve.argmin()) if len(state.loss_curve) else 0
    settings = TrainingSettings(SGD(10.0), max(1, best), 30)
    there = train(exploding, exploding.initial(0), X, Y, settings=settings).params if best else exploding.initial(0)
    for name, value in there.items():
        np.testing.assert_array_equal(state.params[name], value)


@pytest.mark.parametrize("watched", [False, True])
def test_a_loss_that_grew_beyond_any_scale_is_a_divergence(watched: bool) -> None:
    network = Architecture(4, (), 1)
    told: list[TrainingState] = []
    start = network.initial(0)
    settings = TrainingSettings(SGD(2.0), 40)
    state = train(network, start, X, Y, settings=settings, on_epoch=told.append if watched else None)
    assert (state.status, state.culprit, state.epoch) == ("diverged", None, 40)
    assert "the loss grew to" in state.reason
    for name, value in start.items():
        np.testing.assert_array_equal(state.params[name], value)
    assert not watched or told[-1].status == "diverged"


def test_validation_curves_are_those_of_the_parameters_after_each_epoch() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    seen: list[TrainingState] = []
    network = Architecture(4, (6,), 3, loss="cross_entropy", dropout=0.3, alpha=1.0)
    rows, labels = RANDOM.standard_normal((77, 4)), RANDOM.integers(0, 3, 77)
    weights = RANDOM.uniform(0, 2, 77)
    settings = TrainingSettings(Adam(0.01), 5, 20)
    state = train(
        network,
        network.initial(0),
        X,
        LABELS,
        settings=settings,
        validation=Validation(rows, labels, weights),
        on_epoch=seen.append,
    )
    for k, each in enumerate(seen):
        p = predict_rows(network, each.params, rows)
        expected = metrics.log_loss(labels, p, sample_weight=weights)
        assert state.validation_losses[k] == pytest.approx(expected)
        accuracy = metrics.accuracy_score(labels, p.argmax(axis=1), sample_weight=weights)
        assert state.validation_scores[k] == pytest.approx(accuracy)


@pytest.mark.parametrize("monitor", ["validation_loss", "validation_score"])
def test_the_best_epoch_is_kept_and_patience_ends_training(monitor: Any) -> None:
    seen: list[TrainingState] = []
    settings = TrainingSettings(MomentumSGD(0.05), 300, 20, monitor=monitor, patience=6, restore_best=True)
    state = train(NETWORK, NETWORK.initial(0), X, Y, None, settings, OTHERS, on_epoch=seen.append)
    assert state.status == "converged"
    curve = state.validation_losses if monitor == "validation_loss" else -state.validation_scores
    assert state.best_epoch == int(curve.argmin()) + 1
    assert state.epoch - state.best_epoch >= 7
    for name, array in seen[state.best_epoch - 1].params.items():
        np.testing.assert_array_equal(state.learnt[name], array)
        assert (state.params[name] != array).any()


def test_whole_weights_count_as_repeated_rows() -> None:
    counts = RANDOM.integers(0, 4, len(X))
    settings = TrainingSettings(SGD(0.1), epochs=20)
    weighted = train(NETWORK, NETWORK.initial(0), X, Y, counts, settings)
    repeated = train(NETWORK, NETWORK.initial(0), X.repeat(counts, axis=0), Y.repeat(counts, axis=0), None, settings)
    np.testing.assert_allclose(weighted.loss_curve, repeated.loss_curve, rtol=1e-10)
    np.testing.assert_allclose(weighted.params["W1"], repeated.params["W1"], rtol=1e-9)


def test_clipping_and_decay_are_as_written() -> None:
    linear = Architecture(4, (), 1)
    start = linear.initial(0)
    settings = TrainingSettings(SGD(0.3, clip_norm=0.5), epochs=3, weight_decay=0.2)
    state = train(linear, start, X, Y, settings=settings)
    W, b = start["W1"], start["b1"]
    for _ in range(3):
        residual = (X @ W + b - Y) / len(X)
        dW, db = X.T @ residual, residual.sum(axis=0)
        norm = np.sqrt((dW**2).sum() + (db**2).sum())
        factor = min(0.5 / (norm + 1e-6), 1.0)
        W, b = (1 - 0.3 * 0.2) * W - 0.3 * factor * dW, b - 0.3 * factor * db
    np.testing.assert_allclose(state.params["W1"], W, rtol=1e-12)
    np.testing.assert_allclose(state.params["b1"], b, rtol=1e-12)


def test_the_search_follows_scikit_learn() -> None:
    neural_network = pytest.importorskip("sklearn.neural_network")
    theirs = neural_network.MLPClassifier(
        (5,), "tanh", solver="lbfgs", random_state=0, max_iter=40, max_fun=60, tol=1e-4
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(X, LABELS)
    ours = Architecture(4, (5,), 3, activations="tanh", loss="cross_entropy", alpha=1e-4)
    solver = LBFGS(tolerance=1e-4, least_gain=2.220446049250313e-09, evaluations=60)
    start = ours.initial(np.random.RandomState(0), "scikit-learn")
    state = train(ours, start, X, LABELS, settings=TrainingSettings(solver, epochs=40))
    assert state.epoch == theirs.n_iter_
    assert state.loss_curve[-1] == pytest.approx(theirs.loss_, rel=1e-7)
    np.testing.assert_allclose(state.params["W1"], theirs.coefs_[0], rtol=1e-3)


def test_on_epoch_may_stop_training_and_may_raise() -> None:
    settings = TrainingSettings(Adam(), 50, 30)
    state = train(NETWORK, None, X, Y, settings=settings, on_epoch=lambda state: state.epoch < 4)
    assert (state.status, state.epoch) == ("stopped", 4)
    assert "stopped" in state.reason

    def fails(state: TrainingState) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(NETWORK, None, X, Y, settings=settings, on_epoch=fails)


def test_what_on_epoch_does_to_its_state_changes_nothing() -> None:
    def spoil(state: TrainingState) -> None:
        state.params.clear()
        state.optimizer_state.clear()
        state.epoch = 99

    settings = TrainingSettings(Adam(), 5, 30)
    assert_same(
        train(NETWORK, None, X, Y, settings=settings, on_epoch=spoil), train(NETWORK, None, X, Y, settings=settings)
    )


def test_the_source_of_an_order_is_drawn_from_once_for_each_epoch() -> None:
    order = orders()
    settings = TrainingSettings(MomentumSGD(0.05), 300, 30, order=order, tolerance=0.01, patience=2)
    state = train(NETWORK, NETWORK.initial(0), X, Y, settings=settings)
    assert state.status == "converged"
    expected = orders()
    for epoch in range(state.epoch):
        expected(epoch)
    assert order.random.randint(2**30) == expected.random.randint(2**30)


def test_a_state_is_plain_data() -> None:
    network, settings, validation = CASES["validated"]
    state = train(network, network.initial(0), X, Y, None, settings(), validation)

    def check(value: Any) -> None:
        if isinstance(value, dict):
            for key, entry in value.items():
                assert isinstance(key, str)
                check(entry)
        else:
            assert value is None or type(value) in (str, int, float, np.ndarray), value

    for field in fields(TrainingState):
        check(getattr(state, field.name))


def test_the_reference_engine_agrees() -> None:
    settings = TrainingSettings(UncorrectedAdam(0.01), 4, 32)
    native = train(NETWORK, NETWORK.initial(0), X, Y, settings=settings)
    reference = train(NETWORK, NETWORK.initial(0), X, Y, settings=replace(settings, engine="reference"))
    np.testing.assert_allclose(native.loss_curve, reference.loss_curve, rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solver": "adam"}, "give an optimizer"),
        ({"epochs": 0}, "epochs is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"monitor": "loos"}, "did you mean 'loss'"),
        ({"plateau": "halve"}, "plateau is 'halve'"),
        ({"tolerance": -1}, "tolerance is -1"),
        ({"restore_best": True}, "needs a validation"),
        ({"order": lambda epoch: np.arange(9), "shuffle": False}, "order is given together with shuffle=False"),
        ({"solver": LBFGS(), "weight_decay": 1.0}, "give the architecture an alpha"),
        ({"solver": SGD(Cosine(0.1, 5)), "plateau": "divide"}, "is a function of the step"),
        ({"plateau": "divide", "learning_rate_power": 0.5}, "leave one out"),
        ({"solver": AdamW(0.1), "weight_decay": 2.0}, "in addition to that of AdamW"),
        ({"monitor": "validation_loss"}, "there is no validation"),
        ({"order": lambda epoch: np.arange(9.0), "batch_size": 3}, "should give the numbers of the rows"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(NETWORK, None, X, Y, settings=TrainingSettings(**settings))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": -np.ones(90)}, r"weights\[0\] is -1"),
        ({"weights": np.zeros(90)}, "all weights are 0"),
        ({"weights": np.ones(5)}, r"give \(90,\) numbers"),
        ({"X": X[:, :3]}, r"takes \(rows, 4\)"),
        ({"X": np.where(X > 2, np.nan, X)}, "not finite"),
        ({"y": Y[:50]}, "should be"),
        ({"params": {"W1": np.zeros((4, 5))}}, "lack 'b1'"),
        ({"params": {**NETWORK.initial(0), "W2": np.zeros((2, 2))}}, "W2 has the shape"),
        ({"every": 0}, "every is 0"),
        ({"validation": Validation(np.full((2, 4), np.inf), np.ones(2))}, r"X of the validation .* X\[0, 0\] is inf"),
        ({"validation": Validation(np.ones((0, 4)), np.ones(0))}, "X is empty"),
    ],
)
def test_rows_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    arguments = {"params": None, "X": X, "y": Y, **change}
    with pytest.raises(ValueError, match=message):
        train(NETWORK, **arguments)


def test_one_number_for_a_batch_cannot_be_weighted() -> None:
    network = Architecture(4, (3,), 1, loss="mean((p - y)^2)")
    with pytest.raises(NetworkError, match="cannot be weighted"):
        train(network, None, X, Y, np.ones(90))
    assert train(network, None, X, Y, settings=TrainingSettings(epochs=2), validation=OTHERS).status == "finished"


def test_many_rows_in_memory_maps_are_read_where_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_KEPT", 1)
    monkeypatch.setattr(prediction, "BLOCK", 16)
    monkeypatch.setattr(evaluation, "BLOCK", 16)
    for name, array in (("X", X), ("y", Y)):
        np.save(tmp_path / f"{name}.npy", array)
    rows, y = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("X", "y"))
    settings = TrainingSettings(Adam(0.01), 4, 30)
    mapped = train(NETWORK, NETWORK.initial(0), rows, y, None, settings, Validation(rows, y))
    held = train(NETWORK, NETWORK.initial(0), X, Y, None, settings, Validation(X, Y))
    assert_same(mapped, held)
    p = predict_rows(NETWORK, mapped.params, X)
    assert mapped.validation_losses[-1] == pytest.approx(0.5 * np.mean((p - Y) ** 2))


@given(
    cuts=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    order=st.booleans(),
    plateau=st.sampled_from(["stop", "divide"]),
    patience=st.integers(0, 3),
    every=st.integers(1, 5),
)
@drawing(max_examples=25)
def test_however_a_run_is_cut_it_comes_to_the_same_bits(
    cuts: list[int], order: bool, plateau: Any, patience: int, every: int
) -> None:
    def chosen(epochs: int = 12) -> TrainingSettings:
        source = orders() if order else None
        solver = MomentumSGD(0.05)
        return TrainingSettings(
            solver,
            epochs,
            30,
            order=source,
            tolerance=0.02,
            patience=patience,
            plateau=plateau,
            least_learning_rate=1e-3,
        )

    whole = train(NETWORK, NETWORK.initial(0), X, Y, settings=chosen())
    state = None
    for cut in [*sorted(cuts), 12]:
        if state is None or state.status in ("running", "finished", "stopped"):
            state = train(
                NETWORK,
                NETWORK.initial(0),
                X,
                Y,
                settings=chosen(cut),
                resume=state,
                on_epoch=lambda state: None,
                every=every,
            )
    assert state is not None
    assert_same(state, whole)


@pytest.mark.parametrize("solver", [SGD(0.01), LBFGS()])
def test_who_is_called_back_may_stop_and_an_exception_carries_what_was_learnt(solver: Any) -> None:
    network, settings = Architecture(4, (6,), 1, activations="tanh"), TrainingSettings(solver, 20)

    def run(on_epoch: Any) -> TrainingState:
        return train(network, network.initial(0), X, Y, settings=settings, on_epoch=on_epoch)

    def stop(state: TrainingState) -> None:
        if state.epoch == 3:
            raise StopIteration

    def fail(state: TrainingState) -> None:
        if state.epoch == 3:
            raise LookupError("disk")

    for ending in (stop, lambda state: np.bool_(state.epoch < 3)):
        state = run(ending)
        assert (state.status, state.epoch) == ("stopped", 3)
    with pytest.raises(LookupError, match="disk") as caught:
        run(fail)
    kept = getattr(caught.value, "result")  # noqa: B009 (no attribute of LookupError)
    assert kept.epoch == 3
    for name, value in state.params.items():
        np.testing.assert_array_equal(kept.params[name], value)
