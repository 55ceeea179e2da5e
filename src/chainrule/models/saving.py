"""Saving and loading of models; files are validated, and an error is one sentence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from numpy.typing import NDArray

from chainrule.interchange import program_from_json, program_to_json
from chainrule.models.container import FILE_BYTES, FORMAT, VERSION, Contents, read_file, write_file
from chainrule.models.errors import ModelError
from chainrule.models.limits import check_work
from chainrule.models.model import Model, package_versions
from chainrule.networks import BLOCK, MLP, NeuralNetwork, TrainingState
from chainrule.schema import JSON, DescriptionError, Rule, Schema, Tensors, different, shown, whole
from chainrule.tables import Preprocessing, describe_target, target_from_json
from chainrule.training import FitResult
from chainrule.words import ChainruleError, MissingDependencyError

LONGEST_TEXT = 1_000
_SHORT = Rule((f"text of at most {LONGEST_TEXT:,} letters",), lambda text: len(text) <= LONGEST_TEXT)
_WIDTH = whole(at_least=1, at_most=2**31 - 1)

PLAIN = Schema(error=ModelError)
"""Settings and metrics: numbers, texts, and nested lists and objects of them."""
_TOP = Schema(error=ModelError, within="{name}")


@dataclass(frozen=True)
class _Description:
    """The description in a file; fields of type `object` are read separately, or kept unchanged."""

    format: str
    version: int
    program: object
    loss: object
    parameters: Annotated[tuple[str, ...], different("names")]
    preprocessing: dict[str, object] | None
    target: dict[str, object] | None
    architecture: dict[str, object]
    settings: dict[str, object]
    metrics: dict[str, object]
    versions: dict[str, Annotated[str, _SHORT]]
    fingerprint: Annotated[str, _SHORT]
    trained: Annotated[str, _SHORT]
    checkpoint: object


@dataclass(frozen=True)
class _Layers:
    """The fields of `Architecture.describe`, with their types in JSON."""

    inputs: Annotated[int, _WIDTH]
    hidden: tuple[Annotated[int, _WIDTH], ...]
    outputs: Annotated[int, _WIDTH]
    activations: tuple[str, ...]
    output_activation: str
    loss: dict[str, str | float | tuple[float, ...]]
    dropout: tuple[float, ...]
    normalization: Literal["layer", "batch"] | None
    alpha: float
    dtype: Literal["float64", "float32"]
    penalty_rows: Annotated[int, _WIDTH] | None = None
    members: Annotated[int, _WIDTH] = 1


def save_model(path: str | os.PathLike[str], model: Any) -> None:
    """Write a model to `path`, atomically.

    `model` is a `Model`, an `MLP`, a `NeuralNetwork`, or a fitted estimator; `load_model` returns a `Model` with the
    same predictions. A result of `fit` has parameters but no prediction; save these with
    `np.savez(path, **result.params)`.

    Raises ModelError if the file cannot be written, and for objects that cannot be saved, with an alternative.

    >>> import os, tempfile
    >>> from chainrule.networks import Architecture
    >>> network = Architecture(2, (3,), 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     save_model(path, Model.of(network, network.initial(0)))
    ...     model = load_model(path)
    >>> sorted(model.params)
    ['W1', 'W2', 'b1', 'b2']

    >>> from chainrule.networks import MLP
    >>> trained = MLP([2, 3, 1], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(os.path.join(folder, "mlp.safetensors"), trained)
    ...     model = load_model(os.path.join(folder, "mlp.safetensors"))
    >>> import numpy as np
    >>> X = np.eye(2)
    >>> bool(np.allclose(model.predict(X), trained.predict(X)[:, 0]))
    True
    """
    if isinstance(model, str | os.PathLike) and not isinstance(path, str | os.PathLike):
        raise ModelError("the path is the first argument, the model the second: save_model(path, model)")
    tensors: Tensors = {}
    write_file(os.fspath(path), description_of(as_model(model), tensors), tensors)


def as_model(given: Any) -> Model:
    """Convert an object that predicts to a `Model`; raise ModelError, with an alternative, for others."""
    if isinstance(given, Model):
        return given
    if isinstance(given, MLP | NeuralNetwork):
        return Model.of(given.architecture, given.params)
    if hasattr(given, "to_model"):
        made: Model = given.to_model()
        return made
    what = type(given).__name__
    if isinstance(given, FitResult):
        raise ModelError(
            "a FitResult holds parameters, and not how to predict with them; keep these with "
            "np.savez(path, **result.params), or save the MLP, the NeuralNetwork or the estimator that was trained"
        )
    if isinstance(given, TrainingState):
        raise ModelError("a TrainingState holds no network; save Model.of(architecture, state.learnt)")
    if isinstance(given, Mapping):
        raise ModelError(
            f"a {what} of arrays does not say how to predict with them; keep these with np.savez(path, **arrays), or "
            "save Model.of(architecture, arrays)"
        )
    raise ModelError(
        f"a value of the type {what} cannot be saved as a model; give a Model, an MLP, a NeuralNetwork or an estimator "
        "of this package"
    )


def load_model(path: str | os.PathLike[str], limit: int = FILE_BYTES) -> Model:
    """Read a file of `save_model`, of `save_checkpoint`, or of the method `save` of an estimator.

    The file is not trusted: programs are type-checked, names, shapes and types must be consistent, weights must be
    finite, and memory is allocated only for data in the file. Raises ModelError, a sentence that begins with the path,
    for other files, for one of more than `limit` bytes, and for a model that takes more work than `limit` allows: for
    each of these bytes 64 multiplications in a block of 128 rows, and for every 2¹⁷ of them one compiled operation.

    Examples
    --------
    >>> import os, tempfile
    >>> import chainrule as cr
    >>> import numpy as np
    >>> network = cr.MLP([2, 4, 1], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "network.model")
    ...     cr.save_model(path, network)
    ...     model = cr.load_model(path)
    >>> X = np.ones((3, 2))
    >>> np.allclose(model.predict(X), network.predict(X)[:, 0])
    True

    """
    path = os.fspath(path)
    return Opened(path, read_file(path, limit)).model()


def description_of(model: Model, tensors: Tensors) -> dict[str, JSON]:
    """Return a model as JSON; its arrays are added to `tensors`."""
    for name, array in model.params.items():
        if "." in name or "[" in name or not name:
            raise ModelError(f"a parameter is called {name!r}; give it a name without dots and brackets")
        tensors[name] = array
    preprocessing, target = _described_tables(model)
    return {
        "format": FORMAT,
        "version": VERSION,
        "program": program_to_json(model.program, tensors, "program"),
        "loss": None if model.loss is None else program_to_json(model.loss, tensors, "loss"),
        "parameters": list(model.params),
        "preprocessing": preprocessing,
        "target": target,
        "architecture": PLAIN.written(model.architecture, "architecture"),
        "settings": PLAIN.written(model.settings, "settings"),
        "metrics": PLAIN.written(model.metrics, "metrics"),
        "versions": dict(model.versions),
        "fingerprint": model.fingerprint,
        "trained": model.trained,
        "checkpoint": None,
    }


def _described_tables(model: Model) -> tuple[JSON, JSON]:
    """Return preprocessing and target as JSON; raise ModelError for data that could not be read again."""
    preprocessing, target = None, None
    try:
        if model.preprocessing is not None:
            preprocessing = model.preprocessing.description()
            Preprocessing.from_json(preprocessing)
        if model.target is not None:
            target = describe_target(model.target)
            target_from_json(target)
    except ChainruleError as error:
        raise ModelError(f"the model cannot be written: {error}") from None
    return preprocessing, target


class Opened:
    """The contents of a file, for conversion to a model; errors begin with the path."""

    def __init__(self, path: str, contents: Contents) -> None:
        self.path = path
        self.description = contents.description
        self.tensors = Taken(contents.tensors)
        self.limit = contents.limit
        try:
            self.given: _Description = _TOP.instance(_Description, self.description, "the description")
        except ModelError as error:
            raise self.unread(error) from None

    def check_work(self, model: Model) -> None:
        """Raise ModelError for programs that take too much work to compute or to compile."""
        for program in (model.program, model.loss):
            if program is None:
                continue
            try:
                check_work(program, dict.fromkeys(program.dim_names, BLOCK), self.limit)
            except DescriptionError as error:
                raise ModelError(
                    f"{self.path} {error}; if it is to be trusted, allow more with load_model(path, limit=...), which "
                    f"is {self.limit:,}"
                ) from None
            except ChainruleError as error:
                raise self.unread(error) from None

    @property
    def checkpoint(self) -> JSON:
        """The state of training, as JSON; None in a finished model."""
        return self.given.checkpoint

    def unread(self, error: Exception) -> ModelError:
        """Return `error` as a sentence about the file.

        The digest has shown that the file is not damaged, so the cause is that this version does not support it.
        """
        versions = self.description.get("versions")
        there = versions.get("chainrule") if isinstance(versions, dict) else None
        here = package_versions().get("chainrule", "")
        if isinstance(there, str) and there != here:
            return ModelError(
                f"{self.path} was written by version {shown(there)[1:-1]} of chainrule, and version {here} cannot "
                f"read it: {error}; use the version that wrote it"
            )
        return ModelError(f"{self.path} is whole, but this version of chainrule ({here}) cannot read it: {error}")

    def model(self) -> Model:
        """Return the model of the file, or of its checkpoint; raise ModelError for unused tensors."""
        given = self.given
        try:
            if given.architecture:
                _check_layers(given.architecture)
            model = Model(
                program_from_json(given.program, self.tensors),
                {name: self._tensor(name) for name in given.parameters},
                None if given.preprocessing is None else Preprocessing.from_json(given.preprocessing),
                None if given.target is None else target_from_json(given.target),
                None if given.loss is None else program_from_json(given.loss, self.tensors, "loss"),
                given.architecture,
                given.settings,
                given.metrics,
                given.versions,
                given.fingerprint,
                given.trained,
            )
        except MissingDependencyError:
            raise
        except ChainruleError as error:
            raise self.unread(error) from None
        self.check_all_used(() if self.checkpoint is None else ("state.", "settings."))
        self.check_work(model)
        return model

    def check_all_used(self, others: tuple[str, ...] = ()) -> None:
        """Raise ModelError if the file has an unused tensor, except for names that begin with `others`."""
        unused = sorted(name for name in set(self.tensors.tensors) - self.tensors.taken if not name.startswith(others))
        if unused:
            raise self.unread(ModelError(f"nothing uses its tensor {shown(unused[0])}"))

    def _tensor(self, name: str) -> NDArray[Any]:
        if name not in self.tensors:
            raise ModelError(f"parameters names the tensor {shown(name)}, which the file lacks")
        return self.tensors[name]


class Taken(Mapping[str, NDArray[Any]]):
    """Tensors by name, which records the names that were accessed."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        self.tensors = tensors
        self.taken: set[str] = set()

    def __getitem__(self, name: str) -> NDArray[Any]:
        self.taken.add(name)
        return self.tensors[name]

    def __iter__(self) -> Any:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def __contains__(self, name: object) -> bool:
        return name in self.tensors


def _check_layers(architecture: dict[str, Any]) -> None:
    """Raise ModelError unless the description of an architecture has the right fields with the right types."""
    layers: _Layers = PLAIN.instance(_Layers, architecture, "architecture")
    if not len(layers.hidden) == len(layers.activations) == len(layers.dropout):
        raise ModelError("architecture does not have one activation and one dropout for each hidden layer")
    PLAIN.read(str, layers.loss.get("name"), "architecture.loss.name")
