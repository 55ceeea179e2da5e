"""What is predicted: a class or a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Task: TypeAlias = Literal["classification", "regression"]


@dataclass(frozen=True)
class ClassTarget:
    """A column of classes, numbered by their place in `classes`.

    `numeric` says that all classes are numbers, so that `1`, `1.0` and `01` are spellings of one class.
    """

    task: ClassVar[Task] = "classification"

    name: str
    classes: tuple[str, ...]
    numeric: bool = False

    def decode(self, places: NDArray[np.int64]) -> list[str]:
        """The classes at `places`, of shape (rows,).

        >>> ClassTarget("kind", ("cat", "dog")).decode(np.array([1, 0]))
        ['dog', 'cat']
        """
        return [self.classes[place] for place in places.tolist()]


@dataclass(frozen=True)
class NumberTarget:
    """A column of numbers, learnt as `(value − mean) / scale`."""

    task: ClassVar[Task] = "regression"

    name: str
    mean: float = 0.0
    scale: float = 1.0

    def decode(self, scaled: NDArray[np.floating]) -> NDArray[np.float64]:
        """The numbers that are `scaled`, of any shape.

        >>> NumberTarget("price", mean=100.0, scale=10.0).decode(np.array([-1.0, 2.0])).tolist()
        [90.0, 120.0]
        """
        return np.asarray(scaled, dtype=float) * self.scale + self.mean


Target: TypeAlias = ClassTarget | NumberTarget
