"""Restoring an estimator from a saved model."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np

from chainrule.estimators.errors import ParameterError
from chainrule.estimators.settings import RULES
from chainrule.models import Model
from chainrule.tables import ClassTarget, Number


def parameters_of(cls: type[Any], model: Model) -> dict[str, Any]:
    """Return the estimator's parameters, except for those that a file cannot contain.

    Raises ParameterError for another kind of model.
    """
    title = cls.__name__
    made = model.settings.get("estimator")
    if made != title:
        of = f"of {made}" if isinstance(made, str) else "not of an estimator"
        raise ParameterError(f"the model is {of}, and {title}.load reads those of {title}; load_model(path) reads any")
    known = inspect.signature(cls).parameters
    given = {name: _parameter(value) for name, value in model.settings.items() if name in known}
    weights = given.get("class_weight")
    if isinstance(weights, tuple):
        given["class_weight"] = _pairs(weights)
    return {name: value for name, value in given.items() if RULES[name].holds(value)}


def _pairs(items: tuple[Any, ...]) -> dict[Any, Any] | None:
    """Return the dict with these items, or None."""
    try:
        return dict(items)
    except (TypeError, ValueError):
        return None


def attributes_of(model: Model) -> dict[str, Any]:
    """Return the attributes set by fitting, as far as the model contains them, except for the network's parameters."""
    network = model.network()
    found: dict[str, Any] = {
        "_network": network,
        "n_features_in_": network.inputs,
        "n_outputs_": network.outputs,
        "n_layers_": network.depth + 1,
        "n_iter_": model.metrics.get("epochs", 0),
        "loss_": model.metrics.get("loss", math.nan),
        "best_loss_": None,
        "best_validation_score_": model.metrics.get("best_validation_score"),
        "loss_curve_": [],
        "validation_scores_": None,
        "validation_loss_curve_": None,
        "restart_scores_": None,
        "t_": 0,
        "_no_improvement_count": 0,
        "_memory": {"optimizer": {}, "epoch": 0, "learning_rate": None, "seed": 0},
    }
    if model.target is not None:
        found["_target_name"] = model.target.name
    if model.preprocessing is not None:
        columns = [feature for feature in model.preprocessing.features if isinstance(feature, Number)]
        found["feature_names_in_"] = np.array([column.name for column in columns], object)
        found["_column_means"] = [column.fill for column in columns]
    return found


def classes_of(model: Model) -> Any:
    """Return the labels of a classifier; for several labels zeros and ones, (outputs, outputs)."""
    if isinstance(model.target, ClassTarget):
        return model.target.labels
    return np.eye(model.outputs, dtype=int)


def _parameter(value: Any) -> Any:
    """Restore a parameter: JSON stores non-finite numbers as text, and tuples as lists."""
    if isinstance(value, list):
        return tuple(value)
    return float(value) if value in ("inf", "nan", "-inf") else value
