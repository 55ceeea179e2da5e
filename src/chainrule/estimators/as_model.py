"""A fitted estimator as a model of this package, which is saved, inspected and exported as others are."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.models import Model
from chainrule.networks import Architecture
from chainrule.tables import ClassTarget, Number, NumberTarget, Preprocessing, Target


def model_of(
    network: Architecture,
    learnt: Mapping[str, Any],
    columns: Mapping[str, float] | None,
    target: Target | None,
    settings: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> Model:
    """The model of a network; `columns` are the names of the columns of X with what an empty cell counts as.

    Without `columns` the model takes arrays, and no tables.
    """
    preprocessing = None
    if columns is not None:
        preprocessing = Preprocessing(
            tuple(Number(name, fill=fill, mean=0.0, scale=1.0) for name, fill in columns.items())
        )
    return Model.of(
        network,
        learnt,
        preprocessing,
        target,
        {name: _plain(value) for name, value in settings.items()},
        {name: _plain(value) for name, value in metrics.items()},
    )


def class_target(name: str, classes: Any) -> ClassTarget:
    """The target whose classes are the labels `classes`."""
    labels = np.asarray(classes)
    kind = labels.dtype.kind
    dtype = {"U": "str", "S": "bytes", "O": "object"}.get(kind, labels.dtype.name)
    if kind == "S":
        texts = tuple(label.decode("latin-1") for label in labels.tolist())
    else:
        texts = tuple(str(label) for label in (labels if kind == "M" else labels.tolist()))
    # Spellings of a number are told apart as floats.
    numeric = kind in "iuf" and all(abs(label) < 2**53 for label in labels.tolist())
    return ClassTarget(name, texts, numeric, dtype)


def number_target(name: str) -> NumberTarget:
    """The target of numbers that are predicted as they are."""
    return NumberTarget(name)


def _plain(value: Any) -> Any:
    """A setting as JSON has it; what JSON has not, as its text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        value = list(value.items())  # JSON would make texts of its keys
    if isinstance(value, list | tuple | np.ndarray) and len(value) <= 1000:
        return [_plain(each) for each in value]
    return getattr(value, "__name__", type(value).__name__)
