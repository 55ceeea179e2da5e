"""Initial weights and orders of the rows, drawn from a RandomState by the calls that scikit-learn makes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.networks import Architecture


def draw_parameters(network: Architecture, random: np.random.RandomState, logistic: bool) -> dict[str, NDArray[Any]]:
    """Initial parameters by name: gains of 1, shifts of 0, and weights and biases layer by layer.

    These are uniform within ±√(6 / (inputs + outputs)) (Glorot and Bengio 2010, equation 16), with 2 for 6 where the
    hidden units are `logistic`.
    """
    drawn: dict[str, NDArray[Any]] = {}
    for name, shape in network.parameters.items():
        if name.startswith("W"):
            bound = np.sqrt((2.0 if logistic else 6.0) / sum(shape))
            drawn[name] = random.uniform(-bound, bound, shape)
        elif name.startswith("b"):
            drawn[name] = random.uniform(-bound, bound, shape)
        else:
            drawn[name] = np.ones(shape) if name.startswith("gain") else np.zeros(shape)
    return {name: array.astype(network.dtype, copy=False) for name, array in drawn.items()}


class Orders:
    """The order of the rows in each epoch of one run: each epoch permutes the order of the one before.

    Orders may be drawn ahead of the epochs that are trained; `get_state` and `set_state` go back, of the RandomState
    too.

    >>> orders = Orders(np.random.RandomState(0), 5)
    >>> orders(0)
    array([2, 0, 1, 3, 4])
    """

    def __init__(self, random: np.random.RandomState, rows: int) -> None:
        self._random = random
        self._order = np.arange(rows)

    def __call__(self, epoch: int) -> NDArray[np.int64]:
        """The order for the next epoch."""
        self._order = self._order[self._random.permutation(len(self._order))]
        return self._order

    def get_state(self) -> dict[str, Any]:
        """What the orders from here on follow from."""
        return {"random": self._random.get_state(legacy=False), "order": self._order}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to where `get_state` gave `state`."""
        self._random.set_state(state["random"])
        self._order = state["order"]
