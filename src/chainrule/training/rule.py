"""What is asked of an optimizer: array code for one parameter, of which the program of a step is made."""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from chainrule.training.schedules import Hyperparameter, field_values

Array = NDArray[Any]


class UpdateRule(ABC):
    """Array code for one parameter, and what it needs; `Optimizer` is the public one."""

    clip_norm: Hyperparameter | None = None

    @property
    def hyperparameters(self) -> Mapping[str, Hyperparameter]:
        """Numbers, and functions of the step, by name; the fields of a dataclass that are such, unless overridden."""
        fields = field_values(self).items()
        return {name: value for name, value in fields if name != "clip_norm" and _is_hyperparameter(value)}

    @property
    def running(self) -> Mapping[str, float]:
        """Numbers that `scalars` is given and gives the next value of, with their first value; none by default."""
        return {}

    def scalars(self, step: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Further numbers that all parameters share, by name; computed once in each step, in float64.

        `step` counts the updates made before, from 0. `given` has the hyperparameters at this step, and the `running`
        numbers; for each of the latter the result has the next value, which is also what `update` sees.
        """
        return {}

    def state(self, parameter: Array) -> Mapping[str, Array]:
        """The initial value of what is remembered for one parameter, by name; nothing, by default."""
        return {}

    @abstractmethod
    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        """The next parameter, and the next value of everything in `state`, each of unchanged shape.

        `scalars` has the hyperparameters at this step and what `scalars` gave, in the dtype of the parameter. What is
        elementwise is computed in one pass with the gradient; numbers that all parameters share are cheaper and, for
        float32, more exact in `scalars`.
        """


def _is_hyperparameter(value: object) -> bool:
    return callable(value) or (isinstance(value, numbers.Real) and not isinstance(value, bool))


def is_zero(value: Hyperparameter) -> bool:
    """Whether a hyperparameter is the number 0, and what it multiplies can be left out of the program."""
    return not callable(value) and value == 0
