"""Schedules: a learning rate, or another hyperparameter, as a function of the step.

A step is one update, so an epoch has as many steps as batches; steps are counted from 0. Wherever an optimizer takes a
number, it also takes a schedule, or any function of the step in array code, such as `lambda step: 0.1 * 0.99**step`.
The schedule becomes part of the program. The numbers of a `Schedule` are inputs of that program, so changing them needs
no compilation; those in a user-defined function are literals.

Examples
--------
>>> import chainrule as cr
>>> schedule = cr.schedules.Cosine(0.01, steps=1000)
>>> print([round(float(schedule(step)), 4) for step in (0, 500, 1000)])
[0.01, 0.005, 0.0]
>>> optimizer = cr.Adam(schedule)

"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import numpy as np

from chainrule.schema import COUNT, NOT_NEGATIVE, POSITIVE, Rule, keep
from chainrule.training.errors import TrainingError
from chainrule.words import Named


class Schedule(Named, ABC):
    """A function of the step, as a dataclass whose fields are numbers and further schedules.

    `__call__` is array code on scalars. Called with a number, it returns a number, for example to plot the schedule.
    While a program is built, it is called with traced values for the step and the numeric fields.

    >>> @dataclass(frozen=True)
    ... class Exponential(Schedule):
    ...     learning_rate: float
    ...     factor: float
    ...
    ...     def __call__(self, step):
    ...         return self.learning_rate * self.factor**step
    >>> Exponential(0.1, factor=0.5)(3)
    0.0125
    """

    @abstractmethod
    def __call__(self, step: Any) -> Any:
        """Return the value at `step`, which is 0 for the first update."""


Hyperparameter: TypeAlias = float | Schedule | Callable[[Any], Any]
"""A number, or a function from the step to one."""


def over_steps(rule: Rule) -> Rule:
    """Extend a rule for numbers to accept functions of the step."""
    return rule | Rule(("a function of the step",), lambda value: callable(value) and not isinstance(value, type))


@dataclass(frozen=True)
class StepDecay(Schedule):
    """`learning_rate · factor^⌊step / every⌋`.

    >>> print(*(StepDecay(0.5, every=2, factor=0.5)(step) for step in range(5)))
    0.5 0.5 0.25 0.25 0.125
    """

    learning_rate: Annotated[float, POSITIVE, "the learning rate of a StepDecay"]
    every: Annotated[int, COUNT, "every, the steps between decays,"]
    factor: Annotated[float, POSITIVE, "the factor of a StepDecay"] = 0.1

    def __post_init__(self) -> None:
        keep(self, TrainingError)

    def __call__(self, step: Any) -> Any:
        return self.learning_rate * self.factor ** np.floor(step / self.every)


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """`learning_rate / (step + 1)^power`.

    >>> [InverseScaling(1.0)(step) for step in (0, 3, 99)]
    [1.0, 0.5, 0.1]
    """

    learning_rate: Annotated[float, POSITIVE, "the learning rate of an InverseScaling"]
    power: Annotated[float, POSITIVE, "the power of an InverseScaling"] = 0.5

    def __post_init__(self) -> None:
        keep(self, TrainingError)

    def __call__(self, step: Any) -> Any:
        return self.learning_rate / (step + 1) ** self.power


@dataclass(frozen=True)
class Cosine(Schedule):
    """Cosine annealing from `learning_rate` to `final` in `steps` steps, constant afterwards.

    Loshchilov and Hutter 2017, equation 5, without restarts.

    >>> print(*(f"{Cosine(1.0, steps=4)(step):.3f}" for step in (0, 1, 2, 4, 100)))
    1.000 0.854 0.500 0.000 0.000
    """

    learning_rate: Annotated[float, POSITIVE, "the learning rate of a Cosine"]
    steps: Annotated[int, COUNT, "the steps of a Cosine"]
    final: Annotated[float, NOT_NEGATIVE, "the final learning rate of a Cosine"] = 0.0

    def __post_init__(self) -> None:
        keep(self, TrainingError)

    def __call__(self, step: Any) -> Any:
        passed = np.minimum(step / self.steps, 1.0)
        return self.final + (self.learning_rate - self.final) * (1 + np.cos(math.pi * passed)) / 2


@dataclass(frozen=True)
class LinearWarmup(Schedule):
    """Linear warmup, `then(0) · (step + 1) / (steps + 1)`, followed by `then`.

    `then` is a number, or a schedule whose step 0 is this schedule's step `steps`.

    >>> print(*(f"{LinearWarmup(3, then=StepDecay(0.4, every=2))(step):.2f}" for step in range(6)))
    0.10 0.20 0.30 0.40 0.40 0.04
    """

    steps: Annotated[int, COUNT, "the steps of a LinearWarmup"]
    then: Annotated[Hyperparameter, over_steps(POSITIVE), "what follows a LinearWarmup"]

    def __post_init__(self) -> None:
        keep(self, TrainingError)

    def __call__(self, step: Any) -> Any:
        later = np.maximum(step - self.steps, 0)
        following = self.then(later) if callable(self.then) else self.then
        return following * np.minimum((step + 1) / (self.steps + 1), 1.0)


def numbers_of(name: str, value: Hyperparameter) -> dict[str, float]:
    """Return the numbers in a hyperparameter, by name: its own, or of a schedule `learning_rate steps` and so on."""
    if not isinstance(value, Schedule):
        return {} if callable(value) else {name: float(value)}
    return {
        key: number
        for field, entry in field_values(value).items()
        for key, number in numbers_of(f"{name} {field}", entry).items()
    }


def value_at(name: str, value: Hyperparameter, step: Any, numbers: Mapping[str, Any]) -> Any:
    """Return the hyperparameter at a traced `step`, with `numbers` replacing those that `numbers_of` returns."""
    if not callable(value):
        return numbers[name]
    function = _with_numbers(name, value, numbers)
    try:
        inspect.signature(function).bind(step)
    except TypeError:
        raise TrainingError(
            f"{name} is a function that does not take the step alone; give one such as `lambda step: 0.1 * 0.99**step`"
        ) from None
    except ValueError:
        pass  # implemented in C, without a signature
    return function(step)


def _with_numbers(name: str, value: Callable[[Any], Any], numbers: Mapping[str, Any]) -> Callable[[Any], Any]:
    if not isinstance(value, Schedule):
        return value
    clone = copy.copy(value)
    for field, entry in field_values(value).items():
        key = f"{name} {field}"
        replaced = _with_numbers(key, entry, numbers) if callable(entry) else numbers[key]
        object.__setattr__(clone, field, replaced)  # bypasses the frozen dataclass and its checks
    return clone


def field_values(instance: Any) -> dict[str, Any]:
    """Return the fields of a dataclass; nothing for other objects."""
    fields = dataclasses.fields(instance) if dataclasses.is_dataclass(instance) else ()
    return {field.name: getattr(instance, field.name) for field in fields}
