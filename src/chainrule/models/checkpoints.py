"""Checkpoints: a model with the state of its training, from which a run resumes with bitwise identical results."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.interrupts import deferred
from chainrule.models.container import FILE_BYTES, read_file, write_file
from chainrule.models.errors import ModelError
from chainrule.models.model import Model, package_versions
from chainrule.models.saving import Opened, description_of
from chainrule.networks import MomentumSGD, TrainingSettings, TrainingState, UncorrectedAdam
from chainrule.schema import JSON, Schema, Tensors
from chainrule.training import LBFGS, SGD, Adam, AdamW, BlockOrder, NAdam, RMSprop, schedules
from chainrule.words import ChainruleError

KNOWN = Schema(
    {
        kind.__name__: kind
        for kind in (
            TrainingSettings,
            TrainingState,
            SGD,
            Adam,
            AdamW,
            NAdam,
            RMSprop,
            LBFGS,
            BlockOrder,
            MomentumSGD,
            UncorrectedAdam,
            *(kind for kind in vars(schedules).values() if isinstance(kind, type) and dataclasses.is_dataclass(kind)),
        )
    },
    error=ModelError,
)
"""The dataclasses that a checkpoint may contain."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The result of `load_checkpoint`: `model` predicts; `train(…, resume=state)` with `settings` resumes."""

    model: Model
    state: TrainingState
    settings: TrainingSettings

    def check_data(self, fingerprint: str, path: str = "the table", parts: bool = False) -> None:
        """Raise ModelError if the fingerprint is not that of the data of the run.

        `parts` says whether each process has its own part of the table.
        """
        known = self.model.fingerprint
        if known and fingerprint and known != fingerprint:
            if parts:
                raise ModelError(
                    f"the run was on other parts than {path}: their SHA-256 is {fingerprint[:12]}…, and was "
                    f"{known[:12]}…; give the files as they were, in the same order from process to process, or begin "
                    "a new run"
                )
            raise ModelError(
                f"the run was on other data than {path}: its SHA-256 is {fingerprint[:12]}…, and was {known[:12]}…; "
                "give the table as it was, or begin a new run"
            )


def save_checkpoint(path: str, model: Model, state: TrainingState, settings: TrainingSettings) -> None:
    """Write a model with the state of its training, atomically; the file is a model file too.

    Raises ModelError if it cannot be written, and for settings with a user-defined function, which a file cannot hold.
    """
    tensors: Tensors = {}
    description = description_of(model, tensors)
    description["checkpoint"] = {
        "settings": KNOWN.written(settings, "settings", tensors),
        "state": KNOWN.written(state, "state", tensors),
    }
    write_file(path, description, tensors)


def load_checkpoint(path: str, limit: int = FILE_BYTES) -> Checkpoint:
    """Read a file of `save_checkpoint`, validated as by `load_model`; raise ModelError for other files."""
    opened = Opened(path, read_file(path, limit))
    model = opened.model()
    if opened.checkpoint is None:
        raise ModelError(
            f"{path} is a finished model without a checkpoint, from which no run can resume; give one that was written "
            "with checkpoints"
        )
    return read_checkpoint(opened, model)


def read_checkpoint(opened: Opened, model: Model) -> Checkpoint:
    """Return the checkpoint in a file; raise ModelError if this version cannot resume from it."""
    try:
        given = KNOWN.entries(opened.checkpoint, ("settings", "state"), "checkpoint")
        settings: TrainingSettings = KNOWN.read(TrainingSettings, given["settings"], "settings", opened.tensors)
        state: TrainingState = KNOWN.read(TrainingState, given["state"], "state", opened.tensors)
        _check_state(state, model)
    except ChainruleError as error:
        there, here = model.versions.get("chainrule", ""), package_versions().get("chainrule", "")
        wrote = "this version" if there == here else f"version {there or 'unknown'}"
        raise ModelError(
            f"{opened.path} has a checkpoint, written by {wrote} of chainrule, from which version {here} does not go "
            f"on: {error}; the model in it still predicts"
        ) from None
    opened.check_all_used()
    return Checkpoint(model, _writable(state), settings)


def _check_state(state: TrainingState, model: Model) -> None:
    """Raise ModelError unless the arrays of a state fit the model."""
    for name in ("loss_curve", "validation_losses", "validation_scores"):
        curve = getattr(state, name)
        if curve.dtype != np.float64 or curve.ndim != 1 or len(curve) not in {state.epoch, 0}:
            raise ModelError(f"state.{name} has the shape {curve.shape} after {state.epoch} epochs")
    if len(state.loss_curve) != state.epoch:
        raise ModelError(f"state.loss_curve lacks its {state.epoch} epochs")
    for place, given in (("params", state.params), ("best_params", state.best_params)):
        if given is None:
            continue
        if set(given) != set(model.params):
            raise ModelError(f"state.{place} does not have the parameters of the model")
        for name, array in given.items():
            wanted = model.params[name]
            if array.shape != wanted.shape or array.dtype != wanted.dtype:
                raise ModelError(f"state.{place}.{name} has another shape or dtype than the model's")
            if not np.isfinite(array).all():
                raise ModelError(f"state.{place}.{name} holds numbers that are not finite")
    for name, array in state.optimizer_state.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelError(f"state.optimizer_state.{name} holds numbers that are not finite")


def _writable(state: TrainingState) -> TrainingState:
    """Return the state with writable arrays, as those of a run are."""

    def own(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.copy()
        return {key: own(each) for key, each in value.items()} if isinstance(value, dict) else value

    fields = {spec.name: own(getattr(state, spec.name)) for spec in dataclasses.fields(state)}
    return TrainingState(**fields)


@dataclass(eq=False)
class Checkpointer:
    """Callback that writes checkpoints of a run; the argument `on_epoch` of `train`.

    Parameters
    ----------
    path
        The file, which holds a complete checkpoint at any time after the first.
    model
        The model before the run; its parameters are replaced by the trained ones. Alternatively a function from the
        state to a model, for a model whose metrics change.
    settings
        The settings of the run.
    seconds
        The minimum time between two checkpoints; None for a checkpoint at every call that `epochs` allows.
    epochs
        Checkpoints are written only after multiples of this number of epochs.

    When a run ends, by itself or by Ctrl-C, its state is written regardless of the time. After a divergence it is not,
    so the last good state remains. Raises ModelError, immediately, for settings that a file cannot hold, and later if
    the file cannot be written.

    >>> import os, tempfile
    >>> from chainrule.networks import Architecture, train
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> network, settings = Architecture(1, (8,), 1), TrainingSettings(Adam(0.01), epochs=20, batch_size=16)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     model = Model.of(network, network.initial(0))
    ...     keeper = Checkpointer(path, model, settings, seconds=None, epochs=10)
    ...     whole = train(network, network.initial(0), X, X**2, settings=settings, on_epoch=keeper)
    ...     again = load_checkpoint(path)
    >>> print(keeper.written, again.state.epoch, (again.state.params["W1"] == whole.params["W1"]).all())
    2 20 True

    """

    path: str
    model: Model | Callable[[TrainingState], Model]
    settings: TrainingSettings
    seconds: float | None = 30.0
    epochs: int | None = None
    clock: Callable[[], float] = time.monotonic
    written: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        KNOWN.written(self.settings, "settings", {})
        self._last = self.clock()

    def __call__(self, state: TrainingState) -> None:
        """Write a checkpoint if it is due."""
        if self._is_due(state):
            self.save(state)

    def _is_due(self, state: TrainingState) -> bool:
        if state.status == "diverged":
            return False
        if state.status != "running" or state.epoch >= self.settings.epochs:
            return True
        if self.epochs is not None and state.epoch % self.epochs:
            return False
        return self.seconds is None or self.clock() - self._last >= self.seconds

    def save(self, state: TrainingState) -> None:
        """Write a checkpoint now. Ctrl-C during the write takes effect after it."""
        model = self.model(state) if callable(self.model) else self.model.with_parameters(state.learnt)
        try:
            with deferred():
                save_checkpoint(self.path, model, state, self.settings)
        finally:
            self._last = self.clock()
        self.written += 1


def described_settings(settings: TrainingSettings) -> dict[str, JSON]:
    """Return settings as readable plain data; functions by their names."""
    fields: Mapping[str, Any] = {spec.name: getattr(settings, spec.name) for spec in dataclasses.fields(settings)}
    described: dict[str, JSON] = {}
    for name, value in fields.items():
        if callable(value) and not dataclasses.is_dataclass(value):
            described[name] = f"function {getattr(value, '__name__', type(value).__name__)}"
        else:
            described[name] = KNOWN.written(value, name, {})
    return described
