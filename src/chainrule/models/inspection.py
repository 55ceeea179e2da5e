"""Readable descriptions of model files: target, columns, network, training and scores."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from chainrule.models.checkpoints import read_checkpoint
from chainrule.models.container import FILE_BYTES, read_file
from chainrule.models.errors import ModelError
from chainrule.models.model import Model
from chainrule.models.saving import Opened
from chainrule.tables import Boolean, Category, Date, Feature, LevelNumbers, Number, Preprocessing, Text

LISTED = 8
"""The number of levels listed for a column that has many."""


@dataclass(frozen=True)
class Column:
    """A feature: its kind, its encoding, and the names of the encoded columns."""

    name: str
    kind: str
    encoding: str
    encoded: tuple[str, ...]


@dataclass(frozen=True)
class Progress:
    """The progress of a checkpoint: finished and planned epochs, and the status of the run."""

    epoch: int
    epochs: int
    status: str
    reason: str
    loss: float | None
    best_epoch: int
    seconds: float


@dataclass(frozen=True)
class ModelDescription:
    """The description of a model file, from `inspect_model`.

    Attributes
    ----------
    path, size
        The file, and its size in bytes.
    task, target, classes
        `"classification"` or `"regression"`, the target and its classes; empty for a model of plain arrays.
    columns, left_out
        The features; the columns left out, each with the reason.
    inputs, outputs, parameters
        The numbers of encoded columns, of outputs and of trained parameters.
    network
        The layers in a line, as in `4 → 32 tanh → 3 softmax`.
    loss
        The training loss, as in `cross_entropy` or `huber, delta 2`.
    regularization
        Dropout, normalization and penalty, each as a phrase.
    architecture, settings, metrics
        As stored in the file.
    versions, fingerprint, trained
        The versions of packages, the SHA-256 of the table, and the time of training.
    progress
        The progress of a checkpoint, otherwise None.
    unread
        A sentence that says why this version cannot resume from the checkpoint in the file; empty if it can.

    """

    path: str
    size: int
    task: str
    target: str
    classes: tuple[str, ...]
    columns: tuple[Column, ...]
    left_out: tuple[tuple[str, str], ...]
    inputs: int
    outputs: int
    parameters: int
    dtype: str
    network: str
    loss: str
    regularization: tuple[str, ...]
    architecture: Mapping[str, Any]
    settings: Mapping[str, Any]
    metrics: Mapping[str, Any]
    versions: Mapping[str, str]
    fingerprint: str
    trained: str
    progress: Progress | None = None
    unread: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the description as plain data, for JSON."""
        return asdict(self)


def inspect_model(path: str, limit: int = FILE_BYTES) -> ModelDescription:
    """Describe the file at `path`; raises ModelError as `load_model` does.

    If this version cannot resume from the checkpoint in it, `unread` says why.

    >>> import os, tempfile
    >>> from chainrule.models import save_model
    >>> from chainrule.networks import Architecture
    >>> network = Architecture(4, (8,), 3, activations="tanh", loss="cross_entropy", dropout=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     save_model(path, Model.of(network, network.initial(0)))
    ...     found = inspect_model(path)
    >>> found.network, found.loss, found.parameters, found.regularization
    ('4 → 8 tanh → 3 softmax', 'cross_entropy', 67, ('dropout 0.1',))
    """
    opened = Opened(path, read_file(path, limit))
    model = opened.model()
    if opened.checkpoint is None:
        return described(model, path)
    try:
        checkpoint = read_checkpoint(opened, model)
    except ModelError as error:
        return replace(described(model, path), unread=str(error))
    state = checkpoint.state
    progress = Progress(
        state.epoch,
        checkpoint.settings.epochs,
        state.status,
        state.reason,
        float(state.loss_curve[-1]) if len(state.loss_curve) else None,
        state.best_epoch,
        state.seconds,
    )
    return described(checkpoint.model, path, progress)


def described(model: Model, path: str = "", progress: Progress | None = None) -> ModelDescription:
    """Describe a model; `path` is its file, if it has one."""
    preprocessing, target = model.preprocessing, model.target
    return ModelDescription(
        path,
        _size(path),
        target.task if target is not None else "",
        target.name if target is not None else "",
        model.classes,
        tuple(_column(feature) for feature in preprocessing.features) if preprocessing is not None else (),
        _left_out(preprocessing),
        model.width,
        model.outputs,
        model.parameter_count,
        model.dtype.name,
        _network(model),
        _loss(model.architecture),
        _regularization(model.architecture),
        dict(model.architecture),
        dict(model.settings),
        dict(model.metrics),
        dict(model.versions),
        model.fingerprint,
        model.trained,
        progress,
    )


def _size(path: str) -> int:
    if not path:
        return 0
    try:
        return os.path.getsize(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from None


def _left_out(preprocessing: Preprocessing | None) -> tuple[tuple[str, str], ...]:
    return tuple((column.name, column.reason) for column in preprocessing.left_out) if preprocessing else ()


def _column(feature: Feature) -> Column:
    kind = Category.kind if isinstance(feature, LevelNumbers) else feature.kind
    return Column(feature.name, kind, _encoding(feature), feature.columns)


def _encoding(feature: Feature) -> str:
    """Describe the encoding of a column in a phrase."""
    if isinstance(feature, Number):
        value = "x" if feature.unit is None else f"sign(x) log(1 + |x| / {feature.unit:g})"
        missing = f"missing as {feature.fill:g}" + (", and flagged" if feature.flag_missing else "")
        sign = "+" if feature.mean < 0 else "−"
        return f"({value} {sign} {abs(feature.mean):.4g}) / {feature.scale:.4g}, {missing}"
    if isinstance(feature, Boolean):
        missing = f"missing as {feature.words[int(feature.fill)]}" + (", and flagged" if feature.flag_missing else "")
        return f"1 for {feature.words[1]}, 0 for {feature.words[0]}, {missing}"
    if isinstance(feature, Category):
        others = (["any other"] if feature.other else []) + (["missing"] if feature.missing else [])
        levels = list(feature.levels[:LISTED])
        if len(feature.levels) > LISTED:
            levels.append(f"{len(feature.levels) - LISTED:,} more")
        return f"0 or 1 for each of {', '.join([*levels, *others])}"
    if isinstance(feature, Text):
        named = " and ".join(each.name for each in feature.scalings[:3])
        return f"{named} from {len(feature.weights)} hashed counts of trigrams, scaled"
    if isinstance(feature, LevelNumbers):
        named = " and ".join(each.name for each in feature.scalings[:3])
        return f"{named} of each of {len(feature.levels):,} levels, scaled"
    assert isinstance(feature, Date)
    parts = ", ".join(part.name for part in feature.parts)
    return parts + (", missing flagged" if feature.flag_missing else "")


def _network(model: Model) -> str:
    layers = model.architecture
    if not layers:
        return f"{model.width} → {model.outputs}"
    hidden = [f"{width} {name}" for width, name in zip(layers["hidden"], layers["activations"], strict=True)]
    sizes = " → ".join([str(layers["inputs"]), *hidden, f"{layers['outputs']} {layers['output_activation']}"])
    members = layers.get("members", 1)
    return sizes if members == 1 else f"{sizes}, the mean of {members} networks"


def _loss(architecture: Mapping[str, Any]) -> str:
    loss = dict(architecture.get("loss", {}))
    name = str(loss.pop("name", ""))
    if name == "formula":
        return str(loss.get("text", name))
    return ", ".join([name, *(f"{key} {_value(value)}" for key, value in loss.items() if value)])


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " and ".join(_value(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _regularization(architecture: Mapping[str, Any]) -> tuple[str, ...]:
    found = []
    if any(architecture.get("dropout", ())):
        found.append("dropout " + ", ".join(dict.fromkeys(f"{rate:g}" for rate in architecture["dropout"])))
    if architecture.get("normalization"):
        found.append(f"{architecture['normalization']} normalization")
    if architecture.get("alpha"):
        rows = architecture.get("penalty_rows")
        found.append(f"½ · {architecture['alpha']:g} · ΣW² / {'rows' if rows is None else f'{rows:,}'}")
    return tuple(found)
