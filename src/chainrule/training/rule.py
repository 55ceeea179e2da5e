"""The interface of optimizers: array code for one parameter, from which the step program is built."""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from chainrule.training.schedules import Hyperparameter, field_values
from chainrule.words import Named

Array = NDArray[Any]


class UpdateRule(Named, ABC):
    """Array code that updates one parameter, with its requirements; `Optimizer` is the public class."""

    clip_norm: Hyperparameter | None = None

    @property
    def hyperparameters(self) -> Mapping[str, Hyperparameter]:
        """Numbers, and functions of the step, by name; by default the fields of a dataclass of these types."""
        fields = field_values(self).items()
        return {name: value for name, value in fields if name != "clip_norm" and _is_hyperparameter(value)}

    @property
    def running(self) -> Mapping[str, float]:
        """Initial values of the running numbers, which `scalars` updates in each step; none by default."""
        return {}

    def scalars(self, step: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Numbers shared by all parameters, by name; computed once per step, in float64.

        `step` is the number of previous updates. `given` contains the hyperparameters at this step and the `running`
        numbers. The result must contain the next value of each of the latter, which `update` then receives.
        """
        return {}

    def state(self, parameter: Array) -> Mapping[str, Array]:
        """The initial state of one parameter, by name; none by default."""
        return {}

    @abstractmethod
    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        """Return the next parameter and the next value of everything in `state`, with unchanged shapes.

        `scalars` contains the hyperparameters at this step and the result of the method `scalars`, in the dtype of the
        parameter. Elementwise operations are fused with the gradient into one pass; numbers shared by all parameters
        are cheaper and, for float32, more accurate in `scalars`.
        """


def _is_hyperparameter(value: object) -> bool:
    return callable(value) or (isinstance(value, numbers.Real) and not isinstance(value, bool))


def is_zero(value: Hyperparameter) -> bool:
    """Whether a hyperparameter is the number 0, so that its term can be omitted from the program."""
    return not callable(value) and value == 0
