"""The result of `fit`: parameters, losses and the reason for the end, which shows and saves itself."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.charts import CHART_STYLE, curves, escape
from chainrule.engines import START, Position
from chainrule.files import file_errors, replacing
from chainrule.plots import axes_for
from chainrule.schema import Schema
from chainrule.trace import TreeStructure
from chainrule.training.errors import TrainingError
from chainrule.training.structure import ParameterTree, structure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array: TypeAlias = NDArray[Any]
Status: TypeAlias = Literal["finished", "converged", "stopped", "interrupted", "diverged"]

_DESCRIPTION = "chainrule result"
_VERSION = 1


@dataclass(frozen=True, eq=False)
class FitResult:
    """The result of a training run.

    Attributes
    ----------
    params : dict or other container
        The trained parameters, arranged as they were given. After a divergence, those at the beginning of the epoch
        with the lowest loss; with `validation` and `patience`, those after the epoch `best_epoch`.
    history : dict
        `"loss"`: for each finished epoch the mean of the batch losses, each computed before its update and weighted by
        the rows of its batch. With a validation also `"validation_loss"`: the mean over the batches of its rows, after
        each epoch.
    epochs : int
        Number of finished epochs.
    steps : int
        Number of updates.
    status : str
        `"finished"`, `"converged"` (no improvement for more than `patience` epochs), `"stopped"` (by the callback),
        `"interrupted"` (by Ctrl-C) or `"diverged"`: a value became non-finite, or the final loss is more than a million
        times the initial loss, or than 1 if that is larger.
    seconds : float
        Total time of tracing, differentiation, compilation and training.
    culprit : str or None
        After a divergence, the first non-finite value; None if only the loss grew.
    threads : int
        Number of threads used.
    workspace_bytes : int
        Memory allocated besides the data and this result: parameters, optimizer state and two copies of both, the order
        of the rows, and intermediate values. All of it is allocated before the first step. Up to four further copies of
        parameters and optimizer state, needed to return to the best epoch, are not included. 0 if unknown, as for the
        reference engine and `LBFGS`.
    optimizer_state : dict
        The optimizer's state, such as a velocity, and the step count if something depends on it; used to resume with
        `fit`. Empty for plain gradient descent.
    position : Position
        The number of finished epochs since the first run, and the position within the next one, used as the `start` to
        resume with `fit`: a named tuple of two ints and a float. After a divergence, it and `optimizer_state` belong to
        the returned parameters.
    best_epoch : int or None
        With a validation, the epoch with the lowest validation loss, counted from 1.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> result = cr.fit("mean((slope * x - y)^2)", {"slope": 0.0}, {"x": np.arange(4.0), "y": np.arange(4.0)})
    >>> result.status, result.epochs, float(result.params["slope"].round(3))
    ('finished', 100, 1.0)

    """

    params: Any
    history: dict[str, NDArray[np.float64]]
    epochs: int
    steps: int
    status: Status
    seconds: float
    culprit: str | None = None
    optimizer_state: dict[str, Array] = field(default_factory=dict)
    threads: int = 1
    workspace_bytes: int = 0
    position: Position = START
    best_epoch: int | None = None

    def save(self, path: str) -> None:
        """Write the result to `path`, a NumPy `.npz` file without pickled objects, which `load` reads.

        Raises FileError if it cannot be written, TrainingError for parameters in containers other than dicts with
        string keys, lists and tuples.

        >>> import os, tempfile
        >>> result = FitResult({"w": np.ones(2)}, {"loss": np.array([0.5])}, 1, 1, "finished", 0.1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result.save(os.path.join(folder, "result.npz"))
        ...     FitResult.load(os.path.join(folder, "result.npz")).params
        {'w': array([1., 1.])}
        """
        tree, named = structure_of(self.params)
        kept = _Saved(
            named,
            _container(tree.structure),
            self.history,
            self.epochs,
            self.steps,
            self.status,
            self.seconds,
            self.culprit,
            self.optimizer_state,
            self.threads,
            self.workspace_bytes,
            (self.position.epoch, self.position.step, self.position.loss),
            self.best_epoch,
        )
        tensors: dict[str, Array] = {}
        described = {"version": _VERSION, **_SCHEMA.fields_of(kept, "result", tensors)}
        stored = {f"array {k}": array for k, array in enumerate(tensors.values())}
        names = dict(zip(stored, tensors, strict=True))
        text = json.dumps({_DESCRIPTION: described, "names": names}).encode()
        with replacing(path) as stream:
            np.savez(stream, allow_pickle=False, description=np.frombuffer(text, np.uint8), **stored)

    @classmethod
    def load(cls, path: str) -> FitResult:
        """Read a result from a file written by `save`; its contents are validated, never executed.

        Raises FileError if it cannot be read, TrainingError for any other file.
        """
        with file_errors(path), open(path, "rb") as stream:
            content = stream.read()
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                stored = {name: arrays[name] for name in arrays.files}
            text = json.loads(stored["description"].tobytes())
            described, names = dict(text[_DESCRIPTION]), dict(text["names"])
            tensors = {name: stored[key] for key, name in names.items()}
            version = described.pop("version")
        except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
            raise TrainingError(f"{path} is not a result of fit; give a file that FitResult.save wrote") from None
        if version != _VERSION:
            raise TrainingError(f"{path} has version {version} of the format, and this package reads {_VERSION}")
        kept: _Saved = _SCHEMA.instance(_Saved, described, "result", tensors)
        params = ParameterTree(tuple(kept.params), _structure(kept.tree)).arranged(kept.params)
        return cls(
            params,
            kept.history,
            kept.epochs,
            kept.steps,
            kept.status,
            kept.seconds,
            kept.culprit,
            kept.optimizer_state,
            kept.threads,
            kept.workspace_bytes,
            Position(*kept.position),
            kept.best_epoch,
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot the losses over the epochs on `ax`, by default on new axes; return the axes.

        Raises MissingDependencyError without matplotlib.
        """
        ax = axes_for(ax)
        for label, losses in self._curves:
            ax.plot(np.arange(1, len(losses) + 1), losses, label=label)
        values = np.concatenate([losses for _, losses in self._curves]) if self._curves else np.empty(0)
        values = values[np.isfinite(values)]
        if values.size and values.min() > 0 and values.max() / values.min() > 20:
            ax.set_yscale("log")
        ax.set_xlabel("epoch")
        ax.set_ylabel("loss")
        if len(self._curves) > 1:
            ax.legend()
        return ax

    @property
    def _curves(self) -> list[tuple[str, NDArray[np.float64]]]:
        return [(name.replace("_", " "), losses) for name, losses in self.history.items() if len(losses)]

    def __repr__(self) -> str:
        parts = [f"{self.status} after {self.epochs} epoch{'' if self.epochs == 1 else 's'} in {self.seconds:.3g} s"]
        parts += [f"{label} {losses[0]:.4g} → {losses[-1]:.4g}" for label, losses in self._curves]
        if self.best_epoch is not None:
            parts.append(f"best epoch {self.best_epoch}")
        if self.culprit is not None:
            parts.append(f"{self.culprit} is not finite")
        return f"<FitResult: {'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        series = [(label, losses.tolist()) for label, losses in self._curves]
        chart = curves(series, self.best_epoch or 0, "epoch", "loss")
        return f"<style>{CHART_STYLE}</style>\n<p>{escape(repr(self)[1:-1])}</p>\n{chart}"


@dataclass(frozen=True)
class _Container:
    """The structure of nested parameters; a child that is None is an array."""

    kind: Literal["dict", "list", "tuple"]
    keys: tuple[str, ...]
    children: tuple[_Container | None, ...]


@dataclass(frozen=True)
class _Saved:
    """The contents of a file."""

    params: dict[str, Array]
    tree: _Container | None
    history: dict[str, Array]
    epochs: int
    steps: int
    status: Status
    seconds: float
    culprit: str | None
    optimizer_state: dict[str, Array]
    threads: int
    workspace_bytes: int
    position: tuple[int, int, float]
    best_epoch: int | None


_SCHEMA = Schema(parts=(_Container,), error=TrainingError)
_KINDS: dict[str, type] = {"dict": dict, "list": list, "tuple": tuple}


def _container(structure: TreeStructure | None) -> _Container | None:
    if structure is None or structure.kind is None:
        return None
    for name, kind in _KINDS.items():
        if structure.kind is kind and (kind is not dict or all(isinstance(key, str) for key in structure.keys)):
            keys = structure.keys if kind is dict else ()
            return _Container(name, keys, tuple(map(_container, structure.children)))  # type: ignore[arg-type]
    raise TrainingError(
        f"params hold a {structure.kind.__name__}, which a file cannot hold; save dicts with string keys, lists and "
        "tuples of arrays"
    )


def _structure(container: _Container | None) -> TreeStructure | None:
    return None if container is None else _node(container)


def _node(container: _Container | None) -> TreeStructure:
    if container is None:
        return TreeStructure(None)
    children = tuple(map(_node, container.children))
    keys = container.keys if container.kind == "dict" else tuple(range(len(children)))
    if len(keys) != len(children):
        raise TrainingError(f"the structure of the parameters has {len(keys)} keys for {len(children)} entries")
    return TreeStructure(_KINDS[container.kind], keys, children)
