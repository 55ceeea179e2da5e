"""The constructor parameters, checked when fitting begins: each has a rule, and a sentence that says what is right."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.estimators.errors import ParameterError
from chainrule.words import suggestion


@dataclass(frozen=True)
class Rule:
    """Which values a parameter may have; `says` completes "it should be …"."""

    says: str
    holds: Callable[[Any], bool]


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _between(low: float, high: float, ends: str) -> Callable[[Any], bool]:
    """A number in an interval; `ends` is written as in mathematics, "[)" without the upper end."""

    def holds(value: Any) -> bool:
        if not _is_real(value) or math.isnan(value):
            return False
        above = value >= low if ends[0] == "[" else value > low
        return bool(above and (value <= high if ends[1] == "]" else value < high))

    return holds


def _counts(value: Any) -> bool:
    return _is_whole(value) and value >= 1


def _one_of(*names: str) -> Rule:
    return Rule(f"one of {', '.join(map(repr, names))}", lambda value: isinstance(value, str) and value in names)


def _is_sizes(value: Any) -> bool:
    if _counts(value):
        return True
    listed = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)
    return listed and all(_counts(size) for size in value)


def _is_seed(value: Any) -> bool:
    return (
        value is None
        or value is np.random
        or isinstance(value, np.random.RandomState)
        or (_is_whole(value) and 0 <= value < 2**32)
    )


def _is_dropout(value: Any) -> bool:
    probability = _between(0, 1, "[)")
    if isinstance(value, list | tuple | np.ndarray):
        return all(probability(each) for each in value)
    return probability(value)


def _is_held_out(value: Any) -> bool:
    return value is None or (isinstance(value, list | tuple) and len(value) in (2, 3))


def _is_words(value: Any) -> bool:
    return callable(value) or (isinstance(value, str) and bool(value.strip()))


def _is_activation(value: Any) -> bool:
    return _is_words(value) or (isinstance(value, list | tuple) and all(map(_is_words, value)))


def _is_class_weight(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, Mapping) for each in value)
    return value is None or isinstance(value, Mapping) or (isinstance(value, str) and value == "balanced")


def _is_levels(value: Any) -> bool:
    inside = _between(0, 1, "()")
    if isinstance(value, list | tuple | np.ndarray):
        return len(value) > 0 and all(inside(each) for each in value)
    return inside(value)


_FLAG = Rule("True or False", _is_flag)
_COUNT = Rule("a whole number of at least 1", _counts)
_NOT_NEGATIVE = Rule("a number of at least 0", _between(0, math.inf, "[)"))
_POSITIVE = Rule("a number above 0", _between(0, math.inf, "()"))
_SHARE = Rule("a number from 0 to below 1", _between(0, 1, "[)"))

_FORMULA = "a name, a formula or a function"

RULES: Mapping[str, Rule] = {
    "hidden_layer_sizes": Rule("a whole number of at least 1, or a list of such", _is_sizes),
    "activation": Rule(f"{_FORMULA}, or a list with one for each hidden layer", _is_activation),
    "solver": _one_of("lbfgs", "sgd", "adam"),
    "alpha": _NOT_NEGATIVE,
    "batch_size": Rule(
        "'auto' or a whole number of at least 1",
        lambda value: _counts(value) or (isinstance(value, str) and value == "auto"),
    ),
    "learning_rate": _one_of("constant", "invscaling", "adaptive"),
    "learning_rate_init": _POSITIVE,
    "power_t": _NOT_NEGATIVE,
    "max_iter": _COUNT,
    "shuffle": _FLAG,
    "random_state": Rule("None, a whole number of at least 0, or a RandomState", _is_seed),
    "tol": Rule("a number of at least 0", _between(0, math.inf, "[]")),
    "verbose": Rule(
        "True, False, a whole number of at least 0, or 'progress'",
        lambda value: _is_flag(value) or (_is_whole(value) and value >= 0) or _is_progress(value),
    ),
    "warm_start": _FLAG,
    "momentum": Rule("a number from 0 to 1", _between(0, 1, "[]")),
    "nesterovs_momentum": _FLAG,
    "early_stopping": _FLAG,
    "validation_fraction": _SHARE,
    "beta_1": _SHARE,
    "beta_2": _SHARE,
    "epsilon": _POSITIVE,
    "n_iter_no_change": Rule(
        "a whole number of at least 1, or infinity",
        lambda value: _counts(value) or (_is_real(value) and value == math.inf),
    ),
    "max_fun": _COUNT,
    "loss": Rule(_FORMULA, _is_words),
    "output_activation": Rule(f"None, {_FORMULA}", lambda value: value is None or _is_words(value)),
    "class_weight": Rule("None, 'balanced', a dict, or a list of dicts", _is_class_weight),
    "dropout": Rule("a number from 0 to below 1, or a list with one for each hidden layer", _is_dropout),
    "weight_decay": _NOT_NEGATIVE,
    "normalization": Rule(
        "None, 'layer' or 'batch'",
        lambda value: value is None or (isinstance(value, str) and value in ("layer", "batch")),
    ),
    "clip_norm": Rule("None or a number above 0", lambda value: value is None or _POSITIVE.holds(value)),
    "validation_data": Rule("None, (X, y) or (X, y, sample_weight)", _is_held_out),
    "scoring": Rule(
        "None, 'loss', the name of a scorer, or a function of (estimator, X, y)",
        lambda value: value is None or _is_words(value),
    ),
    "threads": Rule("None or a whole number of at least 1", lambda value: value is None or _counts(value)),
    "dtype": Rule(
        "None, 'float64' or 'float32'",
        lambda value: value is None or value in ("float64", "float32", np.float64, np.float32),
    ),
    "n_restarts": _COUNT,
    "n_jobs": Rule(
        "None or a whole number other than 0", lambda value: value is None or (_is_whole(value) and value != 0)
    ),
    "quantile": Rule("a number between 0 and 1, or a list of such", _is_levels),
    "delta": _POSITIVE,
    "power": Rule("a number of at least 1", lambda value: _is_real(value) and value >= 1),
    "label_smoothing": _SHARE,
    "gamma": _NOT_NEGATIVE,
}


def _is_progress(value: Any) -> bool:
    return isinstance(value, str) and value == "progress"


def check_parameters(title: str, parameters: Mapping[str, Any]) -> None:
    """Raise ParameterError for the first of the `parameters` of the estimator `title` that its rule does not allow."""
    for name, value in parameters.items():
        rule = RULES[name]
        if not rule.holds(value):
            raise ParameterError(f"{name} of {title} is {_shown(value)}; it should be {rule.says}{_hint(rule, value)}")
    for name in ("activation", "dropout"):
        _check_one_for_each_layer(title, name, parameters)
    for name in ("clip_norm", "weight_decay"):
        if parameters["solver"] == "lbfgs" and parameters[name]:
            raise ParameterError(
                f"{name} of {title} is {parameters[name]}, and the solver 'lbfgs' has no steps that it could change; "
                "leave it out, or choose 'sgd' or 'adam'"
            )


def hidden_sizes(value: Any) -> tuple[int, ...]:
    """`hidden_layer_sizes` as a tuple."""
    return (int(value),) if isinstance(value, numbers.Integral) else tuple(int(size) for size in value)


def _check_one_for_each_layer(title: str, name: str, parameters: Mapping[str, Any]) -> None:
    given, layers = parameters[name], len(hidden_sizes(parameters["hidden_layer_sizes"]))
    if isinstance(given, list | tuple | np.ndarray) and len(given) != layers:
        raise ParameterError(
            f"{name} of {title} has {len(given)} entries for {layers} hidden layers; give one for each, or a single one"
        )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _hint(rule: Rule, value: Any) -> str:
    if not isinstance(value, str) or not rule.says.startswith("one of"):
        return ""
    return suggestion(value, [name.strip("'") for name in rule.says.removeprefix("one of ").split(", ")])
