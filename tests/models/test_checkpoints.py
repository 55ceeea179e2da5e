"""A run resumes from any of its checkpoints with the same bits, and a checkpoint is a model."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.interrupting import interrupted_after
from support.killed_training import hunt

from chainrule.models import (
    Checkpointer,
    Model,
    ModelError,
    described_settings,
    inspect_model,
    load_checkpoint,
    load_model,
    save_checkpoint,
    save_model,
)
from chainrule.models.checkpoints import KNOWN
from chainrule.models.container import read_file, write_file
from chainrule.networks import Architecture, TrainingSettings, TrainingState, Validation, predict_rows, train
from chainrule.training import LBFGS, SGD, Adam, AdamW, NAdam, Optimizer, RMSprop, schedules

DRAWS = np.random.default_rng(0)
X = DRAWS.standard_normal((60, 4))
LABELS = DRAWS.integers(0, 3, 60)
VALUES = np.abs(X[:, :1]) + 0.1 * DRAWS.standard_normal((60, 1))
VALIDATION = Validation(X[:20], LABELS[:20])

CLASSES = Architecture(4, (8,), 3, loss="cross_entropy")
NUMBERS = Architecture(4, (8,), 1, activations="tanh")
VALIDATED = {"monitor": "validation_score", "restore_best": True, "patience": 50}

RUNS: dict[str, tuple[Architecture, TrainingSettings]] = {
    "sgd": (NUMBERS, TrainingSettings(SGD(0.05), batch_size=16)),
    "momentum": (NUMBERS, TrainingSettings(SGD(0.05, momentum=0.9, nesterov=True), batch_size=16, seed=5)),
    "adam": (CLASSES, TrainingSettings(Adam(0.01, amsgrad=True), batch_size=7)),
    "adamw": (CLASSES, TrainingSettings(AdamW(0.01, clip_norm=0.5), batch_size=16)),
    "nadam": (CLASSES, TrainingSettings(NAdam(0.01), batch_size=16, weight_decay=0.0)),
    "rmsprop": (NUMBERS, TrainingSettings(RMSprop(0.01), batch_size=16, shuffle=False)),
    "lbfgs": (NUMBERS, TrainingSettings(LBFGS(), tolerance=0.0)),
    "a schedule": (NUMBERS, TrainingSettings(SGD(schedules.LinearWarmup(5, schedules.Cosine(0.1, 40))), batch_size=16)),
    "a rate that is divided": (
        NUMBERS,
        TrainingSettings(SGD(0.5), batch_size=16, tolerance=0.1, patience=1, plateau="divide"),
    ),
    "a rate that falls": (NUMBERS, TrainingSettings(SGD(0.1), batch_size=16, learning_rate_power=0.5)),
    "validation": (CLASSES, TrainingSettings(Adam(0.02), batch_size=16, **VALIDATED)),  # type: ignore[arg-type]
    "dropout": (dataclasses.replace(CLASSES, dropout=0.3), TrainingSettings(Adam(0.01), batch_size=16)),
    "batch norm": (
        dataclasses.replace(CLASSES, normalization="batch", alpha=0.1),
        TrainingSettings(Adam(0.01), batch_size=16),
    ),
    "single precision": (dataclasses.replace(CLASSES, dtype="float32"), TrainingSettings(Adam(0.01), batch_size=16)),
    "the whole batch": (CLASSES, TrainingSettings(Adam(0.01))),
    "formulas": (
        Architecture(4, (8,), 1, activations="z / (1 + abs(z))", loss="abs(p - y)^1.5"),
        TrainingSettings(Adam(0.01), batch_size=16),
    ),
}
EPOCHS = 9


def run(name: str, **more: Any) -> TrainingState:
    network, settings = RUNS[name]
    settings = dataclasses.replace(settings, epochs=EPOCHS)
    y = LABELS if network.loss.kind == "labels" else VALUES
    validation = VALIDATION if settings.monitor != "loss" else None
    return train(network, network.initial(1), X, y, settings=settings, validation=validation, **more)


def model_of(network: Architecture) -> Model:
    statistics = {name: np.ones(shape, network.dtype) for name, shape in network.statistics.items()}
    return Model.of(network, {**network.initial(1), **statistics})


def keeper(name: str, path: Path, **more: Any) -> Checkpointer:
    network, settings = RUNS[name]
    return Checkpointer(str(path), model_of(network), dataclasses.replace(settings, epochs=EPOCHS), **more)


def plain(state: TrainingState) -> dict[str, Any]:
    """A state as what can be compared to the bit, without the time that it took."""

    def bits(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.dtype.str, value.shape, value.tobytes()
        return {key: bits(each) for key, each in value.items()} if isinstance(value, dict) else value

    fields = {spec.name: bits(getattr(state, spec.name)) for spec in dataclasses.fields(state)}
    return {name: value for name, value in fields.items() if name not in ("seconds", "threads", "reason")}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_goes_on_from_each_checkpoint_to_the_same_bits(tmp_path: Path, name: str) -> None:
    whole = run(name)
    path = tmp_path / "model.safetensors"
    kept: list[bytes] = []
    keep = keeper(name, path, seconds=None, epochs=4)

    def on_epoch(state: TrainingState) -> None:
        keep(state)
        kept.append(path.read_bytes() if path.exists() else b"")

    assert plain(run(name, on_epoch=on_epoch)) == plain(whole)
    files = sorted({content for content in kept if content}, key=kept.index)
    assert len(files) >= 2
    for content in files:
        path.write_bytes(content)
        checkpoint = load_checkpoint(str(path))
        assert checkpoint.settings == keep.settings
        assert checkpoint.model.network().describe() == RUNS[name][0].describe()
        assert plain(run(name, resume=checkpoint.state)) == plain(whole)


def test_a_checkpoint_is_a_model_of_the_best_that_was_learnt(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    state = run("validation", on_epoch=keeper("validation", path, seconds=None))
    assert state.best_params is not None
    network = RUNS["validation"][0]
    expected = predict_rows(network, state.best_params, X)
    for model in (load_model(str(path)), load_checkpoint(str(path)).model):
        assert model.predict_encoded(X).tobytes() == expected.tobytes()


def test_what_a_checkpoint_says_of_itself(tmp_path: Path) -> None:
    path = str(tmp_path / "model.safetensors")
    state = run("adam", on_epoch=keeper("adam", Path(path), seconds=None))
    progress = inspect_model(path).progress
    assert progress is not None
    assert (progress.epoch, progress.epochs) == (EPOCHS, EPOCHS)
    assert progress.loss == state.loss_curve[-1]
    save_model(path, load_model(path))
    assert inspect_model(path).progress is None
    with pytest.raises(ModelError, match="is a finished model without a checkpoint"):
        load_checkpoint(path)


def test_a_state_comes_back_whole(tmp_path: Path) -> None:
    """Every field, also one that is drawn from NumPy's own generator."""
    network, settings = RUNS["adam"]
    state = run("adam")
    state.order_state = np.random.RandomState(3).get_state()
    state.step, state.loss, state.culprit, state.reason = 3, 0.25, "z1", "ü"
    path = str(tmp_path / "model.safetensors")
    save_checkpoint(path, Model.of(network, state.params), state, settings)
    found = load_checkpoint(path).state
    kind, keys, *others = found.order_state
    assert (kind, others) == (state.order_state[0], list(state.order_state[2:]))
    assert np.array_equal(keys, state.order_state[1])
    found.order_state = state.order_state = None
    assert plain(found) == plain(state)
    assert found.reason == "ü"
    assert all(array.flags.writeable for array in found.params.values())


def test_arrays_are_written_once(tmp_path: Path) -> None:
    network, settings = RUNS["adam"]
    state = run("adam")
    once, twice = tmp_path / "once", tmp_path / "twice"
    save_checkpoint(str(once), Model.of(network, state.params), state, settings)
    copied = dataclasses.replace(state, params={name: array.copy() for name, array in state.params.items()})
    save_checkpoint(str(twice), Model.of(network, state.params), copied, settings)
    learnt = sum(array.nbytes for array in state.params.values())
    assert twice.stat().st_size - once.stat().st_size > learnt


def test_time_and_epochs_say_when(tmp_path: Path) -> None:
    now = [0.0]
    state = run("adam")
    path = tmp_path / "model.safetensors"

    def written(seconds: float | None, epochs: int | None, calls: list[tuple[float, int]]) -> list[int]:
        now[0] = 0.0
        keep = keeper("adam", path, seconds=seconds, epochs=epochs, clock=lambda: now[0])
        found = []
        for at, epoch in calls:
            now[0] = at
            before = keep.written
            keep(dataclasses.replace(state, epoch=epoch, status="running", loss_curve=np.zeros(epoch)))
            if keep.written > before:
                found.append(epoch)
        return found

    calls = [(float(k), k) for k in range(1, 9)]
    assert written(3.0, None, calls) == [3, 6]
    assert written(None, 3, calls) == [3, 6]
    assert written(None, None, calls) == list(range(1, 9))
    assert written(5.0, 2, calls) == [6]
    assert written(1e9, None, [*calls, (9.0, EPOCHS)]) == [EPOCHS]


@pytest.mark.parametrize(("status", "count"), [("interrupted", 1), ("stopped", 1), ("converged", 1), ("diverged", 0)])
def test_a_run_that_ends_is_written_unless_it_diverged(tmp_path: Path, status: Any, count: int) -> None:
    keep = keeper("adam", tmp_path / "model.safetensors", seconds=1e9)
    keep(dataclasses.replace(run("adam"), epoch=5, status=status, loss_curve=np.zeros(5)))
    assert keep.written == count


def test_ctrl_c_leaves_a_checkpoint_of_where_the_run_stands(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    network, settings = RUNS["dropout"]
    settings = dataclasses.replace(settings, epochs=10_000_000)
    keep = Checkpointer(str(path), model_of(network), settings, seconds=1e9)
    with interrupted_after(epochs=20):
        state = train(network, network.initial(1), X, LABELS, settings=settings, on_epoch=keep, seconds=0.01)
    assert state.status == "interrupted"
    assert keep.written == 1
    kept = load_checkpoint(str(path)).state
    assert plain(kept) == plain(state)
    longer = dataclasses.replace(settings, epochs=state.epoch + 3)
    resumed = train(network, None, X, LABELS, settings=longer, resume=kept)
    assert plain(resumed) == plain(train(network, network.initial(1), X, LABELS, settings=longer))


def test_ctrl_c_while_a_checkpoint_is_written_takes_effect_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    state, keep = run("adam"), keeper("adam", path, seconds=None)
    real, calls = os.fsync, []

    def interrupted(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGINT)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        keep.save(state)
    monkeypatch.undo()
    assert plain(load_checkpoint(str(path)).state) == plain(state)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_full_disk_ends_the_run_and_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    keep = keeper("adam", path, seconds=None)
    real, epochs = os.fsync, []

    def on_epoch(state: TrainingState) -> None:
        epochs.append(state.epoch)
        keep(state)

    def full(descriptor: int) -> None:
        if len(epochs) > 3:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match="cannot be written: the disk is full"):
        run("adam", on_epoch=on_epoch)
    monkeypatch.undo()
    assert load_checkpoint(str(path)).state.epoch == 3
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


class Odd(Optimizer):
    """An optimizer of the caller's own."""

    def update(self, parameter: Any, gradient: Any, state: Any, scalars: Any) -> Any:
        return parameter - 0.1 * gradient, {}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (TrainingSettings(SGD(lambda step: 0.1 / (step + 1))), "settings.solver.learning_rate is a function"),
        (TrainingSettings(Odd()), "settings.solver is of the type Odd"),
        (TrainingSettings(SGD(0.1), order=lambda epoch: np.arange(60)), "settings.order is a function"),
    ],
)
def test_settings_that_no_file_holds_are_refused_before_the_run(tmp_path: Path, settings: Any, said: str) -> None:
    with pytest.raises(ModelError, match=f"{said}, which a file cannot hold"):
        Checkpointer(str(tmp_path / "model.safetensors"), model_of(NUMBERS), settings)


def test_settings_are_described_with_their_functions_by_name() -> None:
    settings = TrainingSettings(Adam(0.01), order=sorted)  # type: ignore[arg-type]
    described = described_settings(settings)
    assert described["order"] == "function sorted"
    assert described["solver"]["is"] == "Adam"
    assert described["solver"]["learning_rate"] == 0.01


def test_a_checkpoint_of_another_version_says_so(tmp_path: Path) -> None:
    """What a run remembers may change from version to version; what it predicts does not."""
    network, settings = RUNS["adam"]
    state = run("adam")
    path = str(tmp_path / "model.safetensors")
    model = dataclasses.replace(Model.of(network, state.params), versions={"chainrule": "0.0.9"})
    save_checkpoint(path, model, state, settings)
    assert load_checkpoint(path).state.epoch == EPOCHS
    contents = read_file(path)
    contents.description["checkpoint"]["state"]["mood"] = "good"
    write_file(path, contents.description, contents.tensors)
    with pytest.raises(
        ModelError,
        match=r"has a checkpoint, written by version 0\.0\.9 of chainrule, from which version .* does not go on",
    ):
        load_checkpoint(path)
    assert load_model(path).predict_encoded(X).tobytes() == model.predict_encoded(X).tobytes()
    found = inspect_model(path)
    assert found.progress is None
    assert "does not go on: state has the unknown entry 'mood'" in found.unread


def test_other_data_are_noticed(tmp_path: Path) -> None:
    network, settings = RUNS["adam"]
    state = run("adam")
    path = str(tmp_path / "model.safetensors")
    save_checkpoint(path, Model.of(network, state.params, fingerprint="ab" * 32), state, settings)
    checkpoint = load_checkpoint(path)
    checkpoint.check_data("ab" * 32)
    checkpoint.check_data("")
    with pytest.raises(ModelError, match=r"other data than new\.csv"):
        checkpoint.check_data("cd" * 32, "new.csv")


def test_whatever_can_be_asked_for_can_be_kept() -> None:
    """A solver or a schedule that is added to the package can be in a checkpoint."""
    from chainrule import training

    kinds: list[Callable[..., Any]] = [kind for kind in vars(training).values() if isinstance(kind, type)]
    optimizers = [kind for kind in kinds if issubclass(kind, Optimizer) and kind is not Optimizer]  # type: ignore[arg-type]
    every = [*optimizers, *schedules.Schedule.__subclasses__()]
    missing = [kind for kind in every if kind.__module__.startswith("chainrule.") and kind not in KNOWN.kinds.values()]
    assert missing == []


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """The long form of this is `python -m support.killed_training --kills 200`."""
    found = hunt(6, tmp_path, seed=1)
    assert found.kills == 6
    assert found.rounds >= 1
