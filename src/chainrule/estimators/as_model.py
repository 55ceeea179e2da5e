"""Conversion of a fitted estimator to a model, which can be saved, inspected and exported."""

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
    """Return the model of a network; `columns` are the names of the columns of X with the value of an empty cell.

    Without `columns` the model takes arrays, not tables.
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
    """Return the target of a classifier with the labels `classes`."""
    labels = np.asarray(classes)
    kind = labels.dtype.kind
    dtype = {"U": "str", "S": "bytes", "O": "object"}.get(kind, labels.dtype.name)
    if kind == "S":
        texts = tuple(label.decode("latin-1") for label in labels.tolist())
    else:
        texts = tuple(str(label) for label in (labels if kind == "M" else labels.tolist()))
    # Different spellings of a number are compared as floats.
    numeric = kind in "iuf" and all(abs(label) < 2**53 for label in labels.tolist())
    return ClassTarget(name, texts, numeric, dtype)


def number_target(name: str) -> NumberTarget:
    """Return the target of numbers that are predicted without transformation."""
    return NumberTarget(name)


def _plain(value: Any) -> Any:
    """Convert a setting to JSON; values that JSON lacks become their text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        value = list(value.items())  # JSON would convert its keys to strings
    if isinstance(value, list | tuple | np.ndarray) and len(value) <= 1000:
        return [_plain(each) for each in value]
    return getattr(value, "__name__", type(value).__name__)
