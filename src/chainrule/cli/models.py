"""Trained models on disk: arrays and a JSON text in one .npz file; nothing in it is ever executed."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.cli.errors import CommandError
from chainrule.files import file_errors, replacing
from chainrule.ir import ChainruleError
from chainrule.networks import MLP

FORMAT = "chainrule model 1"


@dataclass(frozen=True, eq=False)
class Model:
    """A network with what surrounds it: column names, and the scaling of features and target.

    `classes` has the label of each output in the order of the outputs; it is empty for a regression.
    """

    network: MLP
    features: list[str]
    target: str
    classes: list[str]
    feature_mean: NDArray[np.float64]
    feature_scale: NDArray[np.float64]
    target_mean: float = 0.0
    target_scale: float = 1.0

    def scaled(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Features as the network takes them."""
        return (X - self.feature_mean) / self.feature_scale

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """For features as they are in the table: probabilities (rows, classes), or values (rows,)."""
        with np.errstate(all="ignore"):  # the caller looks for what is not finite
            output = self.network.predict(self.scaled(X))
        if self.classes:
            return output
        return output[:, 0] * self.target_scale + self.target_mean


@dataclass(frozen=True)
class _Header:
    """What is stored as JSON."""

    format: str
    sizes: list[int]
    hidden: list[str]
    output: str
    features: list[str]
    target: str
    classes: list[str]
    target_mean: float
    target_scale: float


def save_model(path: str, model: Model) -> None:
    """Write `model` to `path`, which keeps its old content until the new is complete."""
    network = model.network
    header = _Header(
        FORMAT,
        list(network.sizes),
        list(network.hidden),
        network.output,
        model.features,
        model.target,
        model.classes,
        model.target_mean,
        model.target_scale,
    )
    arrays: dict[str, Any] = dict(network.parameters)
    with replacing(path) as stream:
        np.savez(
            stream,
            header=np.array(json.dumps(asdict(header), ensure_ascii=False)),
            feature_mean=model.feature_mean,
            feature_scale=model.feature_scale,
            **arrays,
        )


def load_model(path: str) -> Model:
    """Read what `save_model` wrote; raises CommandError for any other file."""
    with file_errors(path):
        try:
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        except (ValueError, EOFError, KeyError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error):
            raise CommandError(_foreign(path)) from None
    try:
        header = _Header(**json.loads(str(arrays.pop("header"))))
        if header.format != FORMAT:
            raise CommandError(f"{path} has the format {header.format!r}; this version reads {FORMAT!r}")
        mean, scale = arrays.pop("feature_mean"), arrays.pop("feature_scale")
        network = MLP(header.sizes, header.hidden, header.output, seed=0)
        if {k: v.shape for k, v in arrays.items()} != {k: v.shape for k, v in network.parameters.items()}:
            raise CommandError(f"{path} is damaged: its arrays do not fit a network of sizes {header.sizes}")
    except (KeyError, TypeError, ValueError, ChainruleError):
        raise CommandError(_foreign(path)) from None
    network.parameters = arrays
    return Model(
        network, header.features, header.target, header.classes, mean, scale, header.target_mean, header.target_scale
    )


def _foreign(path: str) -> str:
    return f"{path} is not a model; give a file that `chainrule train --save` wrote"
