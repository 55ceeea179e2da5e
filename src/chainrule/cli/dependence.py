"""The values of a column for which partial dependence is shown, and the outputs of which."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.cli.scoring import Scorer
from chainrule.learners import Data
from chainrule.reports import MEDIAN, Dependence, Grid, Importance, partial_dependence
from chainrule.tables import Boolean, Category, ClassTarget, Date, LevelNumbers, Number, Preprocessing

Array: TypeAlias = NDArray[Any]

COLUMNS: Final = 6
"""The number of columns, the most important ones."""

CLASSES: Final = 4
LEVELS: Final = 12
VALUES: Final = 24
"""The maximum numbers of classes, of levels of a category, and of values of numbers that are shown."""

_EXTREME: Final = 0.02
"""The fraction of the rows with the smallest, and with the largest values, that are left out."""

_DAY: Final = 86_400


def dependence_of(
    data: Data, predict: Callable[[Array], Array], scorer: Scorer, importances: Sequence[Importance]
) -> tuple[Dependence, ...]:
    """Return the partial dependence on the most important columns, in the units of the target.

    Of several classes it is that of the most frequent ones, of two that of the second; of quantiles that of the median,
    and of all without one.
    """
    preprocessing = data.prepared.preprocessing
    target, levels = data.target, scorer.levels
    if isinstance(target, ClassTarget):
        counts = [data.prepared.class_counts.get(name, 0) for name in target.classes]
        chosen = [1] if len(counts) == 2 else sorted(np.argsort(counts, kind="stable")[::-1][:CLASSES].tolist())
        outputs = [target.classes[k] for k in chosen]
    elif levels:
        chosen = [levels.index(MEDIAN)] if MEDIAN in levels else list(range(len(levels)))[:CLASSES]
        outputs = [f"{levels[k]:g}" for k in chosen]
    else:
        chosen, outputs = [0], [""]

    def wanted(X: Array) -> Array:
        p = np.asarray(predict(X), float)[:, chosen]
        return p if isinstance(target, ClassTarget) else target.decode(p)

    important = [each.name for each in importances if each.drop > 0][:COLUMNS]
    grids = [found for name in important if (found := grid(preprocessing, name, data.X_held))]
    return partial_dependence(wanted, data.X_held, grids, outputs)


def grid(preprocessing: Preprocessing, name: str, X: Array) -> Grid | None:
    """Return values of a column, from encoded rows, and their encoding; None for a kind that has none."""
    feature, columns = preprocessing.by_column[name], preprocessing.groups[name]
    X = X[:, columns]
    values: tuple[float | str, ...]
    match feature:
        case Boolean():
            values, encoded = (feature.words[0], feature.words[1]), feature.arithmetic(np.array([0.0, 1.0]))
        case Category() | LevelNumbers():
            places = np.arange(len(feature.levels))
            if isinstance(feature, Category):
                places = np.argsort(-X[:, : len(feature.levels)].sum(axis=0), kind="stable")
            values = tuple(feature.levels[k] for k in np.sort(places[:LEVELS]))
            together = tuple(each for each in preprocessing.features if each.name == name)
            encoded = Preprocessing(together).encode({name: list(values)}, dtype=float)
        case Number():
            numbers = _spread(_decoded(feature, X[:, 0]))
            values, encoded = tuple(numbers.tolist()), feature.arithmetic(numbers)
        case Date() if feature.parts and feature.parts[0].name == "time":
            (time, *_) = feature.parts
            days = _spread(np.asarray(X[:, 0], float) * time.scale + time.mean)
            values, encoded = tuple(days.tolist()), feature.arithmetic((days * _DAY).astype(np.int64))
            return Grid(name, values, encoded, columns, dates=True) if len(values) > 1 else None
        case _:
            return None
    return Grid(name, values, encoded, columns) if len(values) > 1 else None


def _decoded(feature: Number, encoded: Array) -> Array:
    values = np.asarray(encoded, float) * feature.scale + feature.mean
    if feature.unit is None:
        return values
    return np.asarray(np.sign(values) * feature.unit * np.expm1(np.abs(values)))


def _spread(values: Array) -> Array:
    """Return values between the extremes: all of few, else quantiles; rounded, so that 3 is not 2.9999998."""
    values = np.array([_rounded(value) for value in np.unique(values)])
    different = np.unique(values)
    if len(different) <= VALUES:
        return different
    low, high = np.quantile(values, [_EXTREME, 1 - _EXTREME])
    return np.unique([_rounded(value) for value in np.linspace(low, high, VALUES)])


def _rounded(value: float) -> float:
    return float(f"{value:.6g}") if math.isfinite(value) else 0.0
