"""Optimizers, as builders of expressions: what they compute is part of the program that an engine repeats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from chainrule.ir import ArrayType, Node
from chainrule.training.errors import positive_number


class Optimizer(ABC):
    """How a parameter follows from its gradient.

    Two optimizers of one class build the same expressions: whatever may differ between them is a hyperparameter, which
    is an input of the program, so that another rate needs no other program.
    """

    @property
    @abstractmethod
    def hyperparameters(self) -> Mapping[str, float]:
        """Numbers that `update` is given as scalar nodes, by name."""

    @abstractmethod
    def state(self, parameter: ArrayType) -> Mapping[str, NDArray[Any]]:
        """The initial value of what is remembered for one parameter, by name; empty where nothing is."""

    @abstractmethod
    def update(
        self, parameter: Node, gradient: Node, state: Mapping[str, Node], hyperparameters: Mapping[str, Node]
    ) -> tuple[Node, Mapping[str, Node]]:
        """The next parameter, and the next value of everything in `state`, all of unchanged type."""


@dataclass(frozen=True)
class SGD(Optimizer):
    """Plain gradient descent, `W ← W − rate · ∂L/∂W`; on batches, stochastic gradient descent.

    Raises TrainingError for a rate that is not positive and finite.
    """

    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", positive_number("the learning rate", self.rate))

    @property
    def hyperparameters(self) -> Mapping[str, float]:
        return {"learning_rate": self.rate}

    def state(self, parameter: ArrayType) -> Mapping[str, NDArray[Any]]:
        return {}

    def update(
        self, parameter: Node, gradient: Node, state: Mapping[str, Node], hyperparameters: Mapping[str, Node]
    ) -> tuple[Node, Mapping[str, Node]]:
        return parameter - hyperparameters["learning_rate"] * gradient, {}
