"""Losses by name, with their parameters, and custom losses; reduction over rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.networks.errors import NetworkError
from chainrule.networks.losses.base import Kind, Loss, Score
from chainrule.networks.losses.classification import BinaryCrossEntropy, BinaryFocal, CrossEntropy, Focal
from chainrule.networks.losses.custom import VARIABLES, FormulaLoss, FunctionLoss, check_custom
from chainrule.networks.losses.regression import (
    Absolute,
    Gamma,
    Huber,
    LogCosh,
    Poisson,
    Quantile,
    Squared,
    Tweedie,
)
from chainrule.schema import checked, one_of

LossLike: TypeAlias = "str | Loss | Mapping[str, Any] | Callable[[Any, Any], Any]"
"""A name in `LOSS_TYPES`, a loss, a result of `describe`, a formula, or a NumPy function."""

LOSS_TYPES: Final[Mapping[str, type[Loss]]] = {
    loss.name: loss
    for loss in (
        Squared,
        Absolute,
        Huber,
        LogCosh,
        Quantile,
        Poisson,
        Gamma,
        Tweedie,
        CrossEntropy,
        BinaryCrossEntropy,
        Focal,
        BinaryFocal,
    )
}
"""The named losses."""

_WORD: Final = re.compile(r"[^\W\d]\w*")


def read_loss(given: LossLike) -> Loss:
    """Return the loss given by name, instance, description, formula or function.

    Raises NetworkError for an unknown name and for parameters out of range; FormulaError for text that cannot be
    parsed.

    >>> read_loss("huber")
    Huber(delta=1.0)
    >>> read_loss({"name": "quantile", "levels": [0.1, 0.9]})
    Quantile(levels=(0.1, 0.9))
    >>> read_loss("abs(p - y)^1.5").after(np.array([[3.0]]), np.array([[-1.0]]))
    array([[8.]])
    """
    if isinstance(given, Loss):
        return given
    if isinstance(given, Mapping):
        return _described(given)
    if isinstance(given, str):
        if given in LOSS_TYPES:
            return LOSS_TYPES[given]()
        if not given.strip() or _WORD.fullmatch(given.strip()):
            try:
                checked("loss", given, one_of(*LOSS_TYPES), NetworkError)
            except NetworkError as error:
                raise NetworkError(f"{error} (or a formula in p and y, such as 'abs(p - y)^1.5')") from None
        return FormulaLoss(given)
    if isinstance(given, type) and issubclass(given, Loss):
        raise NetworkError(f"loss is the class {given.__name__}; give an instance, as in {given.__name__}()")
    if callable(given):
        return FunctionLoss(given)
    raise NetworkError(
        f"loss is a {type(given).__name__}; give a name such as 'squared', a formula in p and y, or a NumPy function"
    )


def _described(given: Mapping[str, Any]) -> Loss:
    settings = dict(given)
    name = settings.pop("name", None)
    if name == FormulaLoss.name and set(settings) == {"text"} and isinstance(settings["text"], str):
        return FormulaLoss(settings["text"])
    if isinstance(name, str) and name.startswith("function "):
        raise NetworkError(f"the loss was the {name}, which a description does not hold; give the function itself")
    loss = LOSS_TYPES[checked("loss", name, one_of(*LOSS_TYPES), NetworkError)]
    known = [field.name for field in fields(loss)]
    for key in settings:
        checked(f"a parameter of {name}", key, one_of(*known), NetworkError)
    return loss(**settings)


def mean_over_rows(values: Any, weights: Any, rows: Any) -> Any:
    """The mean over `rows` of a loss summed over outputs, weighted if there are `weights` (rows,).

    A loss that is one number for a whole batch is returned unchanged; NetworkError is raised if there are weights.
    """
    if np.ndim(values) == 0:
        if weights is not None:
            raise NetworkError(
                "the loss gives one number for a whole batch, whose rows cannot be weighted; let it give one for each "
                "row, without mean or sum over rows"
            )
        return values
    if weights is None:
        return np.sum(values) / rows
    per_row = np.sum(values, axis=-1) if np.ndim(values) == 2 else values
    return np.sum(weights * per_row) / total_weight(weights, rows)


def total_weight(weights: Any, rows: Any) -> Any:
    """The total weight of a batch; its number of rows if there are no weights, or all are 0."""
    if weights is None:
        return rows
    total = np.sum(weights)
    return np.where(total > 0, total, rows)


__all__ = [
    "LOSS_TYPES",
    "VARIABLES",
    "Absolute",
    "BinaryCrossEntropy",
    "BinaryFocal",
    "CrossEntropy",
    "Focal",
    "FormulaLoss",
    "FunctionLoss",
    "Gamma",
    "Huber",
    "Kind",
    "LogCosh",
    "Loss",
    "LossLike",
    "Poisson",
    "Quantile",
    "Score",
    "Squared",
    "Tweedie",
    "check_custom",
    "mean_over_rows",
    "read_loss",
    "total_weight",
]
