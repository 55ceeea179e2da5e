"""Validation of the constructor parameters at the start of `fit`: each has a rule with a description."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.estimators.errors import ParameterError
from chainrule.schema import (
    COUNT,
    FLAG,
    FRACTION,
    NONE,
    NOT_BELOW_0,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    WITHIN,
    Rule,
    checked,
    number,
    one_of,
    one_or_several,
    whole,
)


def _is_seed(value: Any) -> bool:
    return value is np.random or isinstance(value, np.random.RandomState)


def _is_held_out(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) in (2, 3)


def _is_class_weight(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and all(isinstance(each, Mapping) for each in value))


def _stated(says: str) -> Rule:
    """Return the rule for a name, a formula or a function; the names are checked where they are used."""
    return Rule((says,), lambda value: callable(value) or (isinstance(value, str) and bool(value.strip())))


_BY_LAYER = "a list with one for each hidden layer"
_FORMULA = _stated("a name, a formula or a function")
_SCORER = _stated("the name of a scorer, 'loss', or a function of (estimator, X, y)")
_SEED = Rule(("a RandomState",), _is_seed)
_HELD_OUT = Rule(("(X, y)", "(X, y, sample_weight)"), _is_held_out)
_CLASS_WEIGHT = Rule(("a dict", "a list of dicts"), _is_class_weight)
_DTYPES = Rule(("the dtype float64", "float32"), lambda value: value in (np.float64, np.float32))
_JOBS = Rule(("a whole number other than 0",), lambda value: whole().holds(value) and value != 0)
_INFINITY = Rule(("infinity",), lambda value: number(at_most=math.inf).holds(value) and value == math.inf)

RULES: Mapping[str, Rule] = {
    "hidden_layer_sizes": one_or_several(COUNT),
    "activation": one_or_several(_FORMULA, such=_BY_LAYER),
    "solver": one_of("lbfgs", "sgd", "adam"),
    "alpha": NOT_NEGATIVE,
    "batch_size": one_of("auto") | COUNT,
    "learning_rate": one_of("constant", "invscaling", "adaptive"),
    "learning_rate_init": POSITIVE,
    "power_t": NOT_NEGATIVE,
    "max_iter": COUNT,
    "shuffle": FLAG,
    "random_state": NONE | whole(at_least=0, at_most=2**32 - 1) | _SEED,
    "tol": number(at_least=0, at_most=math.inf),
    "verbose": FLAG | NOT_BELOW_0 | one_of("progress"),
    "warm_start": FLAG,
    "momentum": FRACTION,
    "nesterovs_momentum": FLAG,
    "early_stopping": FLAG,
    "validation_fraction": SHARE,
    "beta_1": SHARE,
    "beta_2": SHARE,
    "epsilon": POSITIVE,
    "n_iter_no_change": COUNT | _INFINITY,
    "max_fun": COUNT,
    "loss": _FORMULA,
    "output_activation": NONE | _FORMULA,
    "class_weight": NONE | one_of("balanced") | _CLASS_WEIGHT,
    "dropout": one_or_several(SHARE, such=_BY_LAYER),
    "weight_decay": NOT_NEGATIVE,
    "normalization": NONE | one_of("layer", "batch"),
    "clip_norm": NONE | POSITIVE,
    "validation_data": NONE | _HELD_OUT,
    "scoring": NONE | _SCORER,
    "threads": NONE | COUNT,
    "engine": one_of("native", "xla", "auto"),
    "dtype": NONE | one_of("float64", "float32") | _DTYPES,
    "n_restarts": COUNT,
    "n_jobs": NONE | _JOBS,
    "quantile": one_or_several(WITHIN, at_least=1),
    "delta": POSITIVE,
    "power": number(at_least=1),
    "label_smoothing": SHARE,
    "gamma": NOT_NEGATIVE,
}


def check_parameters(title: str, parameters: Mapping[str, Any]) -> None:
    """Raise ParameterError for the first of the `parameters` of the estimator `title` that violates its rule."""
    for name, value in parameters.items():
        checked(f"{name} of {title}", value, RULES[name], ParameterError)
    for name in ("activation", "dropout"):
        _check_one_for_each_layer(title, name, parameters)
    for name in ("clip_norm", "weight_decay"):
        if parameters["solver"] == "lbfgs" and parameters[name]:
            raise ParameterError(
                f"{name} of {title} is {parameters[name]}, and the solver 'lbfgs' has no steps to which it applies; "
                "leave it out, or choose 'sgd' or 'adam'"
            )


def hidden_sizes(value: Any) -> tuple[int, ...]:
    """Return `hidden_layer_sizes` as a tuple."""
    return (int(value),) if isinstance(value, numbers.Integral) else tuple(int(size) for size in value)


def _check_one_for_each_layer(title: str, name: str, parameters: Mapping[str, Any]) -> None:
    given, layers = parameters[name], len(hidden_sizes(parameters["hidden_layer_sizes"]))
    if isinstance(given, list | tuple | np.ndarray) and len(given) != layers:
        raise ParameterError(
            f"{name} of {title} has {len(given)} entries for {layers} hidden layers; give one for each, or a single one"
        )
