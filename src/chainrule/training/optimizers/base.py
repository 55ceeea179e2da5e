"""What an optimizer is: array code for one parameter, of which the program that an engine repeats is made."""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import Program
from chainrule.training.schedules import Hyperparameter, field_values
from chainrule.training.updates import shown_program

Array = NDArray[Any]


class Optimizer(ABC):
    """How a parameter follows from its gradient: `update`, in array code, and what it needs.

    As a dataclass, an optimizer has its fields for hyperparameters. Each is a number or a function of the step, and is
    an input of the program, so that another rate needs no other program. A field `clip_norm`, where there is one and it
    is not None, bounds the global norm of the gradients before `update` sees them: with `n` the square root of the sum
    of squares over the gradients of all parameters, each is multiplied by min(clip_norm / (n + 1e-6), 1).

    >>> import numpy as np
    >>> from dataclasses import dataclass
    >>> from chainrule.training import Optimizer, fit
    >>> @dataclass(frozen=True)
    ... class Lion(Optimizer):  # Chen et al. 2023, algorithm 2
    ...     rate: float = 1e-4
    ...     beta1: float = 0.9
    ...     beta2: float = 0.99
    ...
    ...     def state(self, parameter):
    ...         return {"momentum": np.zeros_like(parameter)}
    ...
    ...     def update(self, parameter, gradient, state, scalars):
    ...         rate, beta1, beta2 = (scalars[name] for name in ("rate", "beta1", "beta2"))
    ...         direction = np.sign(beta1 * state["momentum"] + (1 - beta1) * gradient)
    ...         return parameter - rate * direction, {"momentum": beta2 * state["momentum"] + (1 - beta2) * gradient}
    >>> result = fit(lambda w: np.sum((w - 3) ** 2), {"w": np.zeros(2)}, {}, Lion(rate=0.25), epochs=12)
    >>> result.params["w"]
    array([3., 3.])
    """

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

    def program(self) -> Program:
        """The update of a matrix W, as a Program to look at, as `cr.equations` writes it.

        >>> from chainrule.derivation import equations
        >>> from chainrule.training import SGD
        >>> print(equations(SGD(0.1, momentum=0.9, nesterov=True).program()))
        next_W_velocity = momentum · W_velocity + ∂L/∂W
        next_W = W − rate · (∂L/∂W + momentum · next_W_velocity)
        """
        return shown_program(self, np.zeros((3, 2)))

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
