"""Errors and warnings of training, and validators of numbers."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable

import numpy as np

from chainrule.words import ChainruleError


class TrainingError(ChainruleError, ValueError):
    """Parameters, data or settings of a run are invalid or inconsistent."""


class DivergenceWarning(UserWarning):
    """A value became non-finite, or the loss grew far beyond its initial scale."""


class BroadcastWarning(UserWarning):
    """Shapes (rows, 1) and (rows,) were broadcast to (rows, rows), which is rarely intended."""


def positive_integer(name: str, value: object) -> int:
    """Return `value` as an int; raise TrainingError unless it is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise TrainingError(f"{name} is {value!r}; it should be a whole number of at least 1")
    return int(value)


def positive_number(name: str, value: object) -> float:
    """Return `value` as a float; raise TrainingError unless it is positive and finite."""
    return _number(name, value, lambda number: 0 < number < math.inf, "a positive, finite number, such as 0.1")


def finite_number(name: str, value: object) -> float:
    """Return `value` as a float; raise TrainingError unless it is finite."""
    return _number(name, value, math.isfinite, "a finite number")


def non_negative_number(name: str, value: object) -> float:
    """Return `value` as a float; raise TrainingError unless it is finite and at least 0."""
    return _number(name, value, lambda number: 0 <= number < math.inf, "a finite number of at least 0")


def decay_factor(name: str, value: object) -> float:
    """Return `value` as a float; raise TrainingError unless it is at least 0 and less than 1."""
    return _number(name, value, lambda number: 0 <= number < 1, "a number from 0 to below 1, such as 0.9")


def fraction(name: str, value: object) -> float:
    """Return `value` as a float; raise TrainingError unless it is from 0 to 1."""
    return _number(name, value, lambda number: 0 <= number <= 1, "a number from 0 to 1, such as 0.9")


def _number(name: str, value: object, fits: Callable[[float], bool], wanted: str) -> float:
    number = math.nan if isinstance(value, bool) or not isinstance(value, numbers.Real) else float(value)
    if not fits(number):
        raise TrainingError(f"{name} is {value!r}; it should be {wanted}")
    return number


def is_false(answer: object) -> bool:
    """Whether a callback returned False, as a Python or NumPy bool."""
    return isinstance(answer, bool | np.bool_) and not answer


def carrying(error: BaseException, result: object) -> BaseException:
    """Attach the partial result of training to `error`, as its attribute `result`."""
    error.result = result  # type: ignore[attr-defined]
    error.add_note("What training had learnt until then is in the attribute `result` of this exception.")
    return error
