"""The public base class of optimizers."""

from __future__ import annotations

import numpy as np

from chainrule.ir import Program
from chainrule.training.rule import UpdateRule
from chainrule.training.updates import shown_program


class Optimizer(UpdateRule):
    """The update of a parameter from its gradient: `update`, in array code, and its hyperparameters and state.

    The fields of a dataclass are its hyperparameters. Each is a number or a function of the step, and an input of the
    program, so that changing the learning rate needs no compilation. A field `clip_norm` that is not None bounds the
    global norm of the gradients before `update` receives them: with `n` the square root of the sum of squares over the
    gradients of all parameters, each is multiplied by min(clip_norm / (n + 1e-6), 1).

    >>> import numpy as np
    >>> from dataclasses import dataclass
    >>> from chainrule.training import Optimizer, fit
    >>> @dataclass(frozen=True)
    ... class Lion(Optimizer):  # Chen et al. 2023, algorithm 2
    ...     learning_rate: float = 1e-4
    ...     beta1: float = 0.9
    ...     beta2: float = 0.99
    ...
    ...     def state(self, parameter):
    ...         return {"momentum": np.zeros_like(parameter)}
    ...
    ...     def update(self, parameter, gradient, state, scalars):
    ...         rate, beta1, beta2 = (scalars[name] for name in ("learning_rate", "beta1", "beta2"))
    ...         direction = np.sign(beta1 * state["momentum"] + (1 - beta1) * gradient)
    ...         return parameter - rate * direction, {"momentum": beta2 * state["momentum"] + (1 - beta2) * gradient}
    >>> result = fit(lambda w: np.sum((w - 3) ** 2), {"w": np.zeros(2)}, {}, Lion(learning_rate=0.25), epochs=12)
    >>> result.params["w"]
    array([3., 3.])
    """

    def program(self) -> Program:
        """Return the update of a matrix W as a Program, for example for `cr.equations`.

        >>> from chainrule.derivation import equations
        >>> from chainrule.training import SGD
        >>> print(equations(SGD(0.1, momentum=0.9, nesterov=True).program()))
        next_W_velocity = momentum · W_velocity + ∂L/∂W
        next_W = W − learning_rate · (∂L/∂W + momentum · next_W_velocity)
        """
        return shown_program(self, np.zeros((3, 2)))
