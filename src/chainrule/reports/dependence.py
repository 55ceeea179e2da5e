"""Partial dependence, the mean prediction if a column had the same value in every row (Friedman 2001, section 8.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

ROWS: Final = 200
"""The maximum number of rows over which predictions are averaged."""


@dataclass(frozen=True)
class Grid:
    """Values of the column `name`, which are numbers, days since 1970 if `dates`, or texts, and their encoding.

    `encoded` is an array (values, width) for the encoded `columns`.
    """

    name: str
    values: tuple[float | str, ...]
    encoded: Array
    columns: slice
    dates: bool = False


@dataclass(frozen=True)
class Dependence:
    """The mean predictions (outputs, values) for `values` of the column `name`.

    Outputs are classes, in which case the predictions are probabilities, or the target, with an empty name.
    """

    name: str
    values: tuple[float | str, ...]
    outputs: tuple[str, ...]
    predictions: tuple[tuple[float, ...], ...]
    dates: bool = False

    @property
    def of_numbers(self) -> bool:
        """Whether the values are numbers or dates."""
        return not any(isinstance(value, str) for value in self.values)


def partial_dependence(
    predict: Callable[[Array], Array], X: Array, grids: Sequence[Grid], outputs: Sequence[str]
) -> tuple[Dependence, ...]:
    """Return the dependence on the column of each grid.

    `predict` maps encoded rows (rows, width) to predictions (rows, outputs); `X` are rows, of which at most `ROWS` are
    used.

    >>> X = np.array([[0.0, 1.0], [2.0, 3.0]])
    >>> grid = Grid("a", (10.0, 20.0), np.array([[1.0], [2.0]]), slice(0, 1))
    >>> (found,) = partial_dependence(lambda X: X.sum(axis=1, keepdims=True), X, [grid], [""])
    >>> found.predictions
    ((3.0, 4.0),)
    """
    rows = np.array(X[np.unique(np.linspace(0, len(X) - 1, min(ROWS, len(X))).astype(int))])
    found = []
    for grid in grids:
        whole = np.tile(rows, (len(grid.values), 1))
        whole[:, grid.columns] = np.repeat(grid.encoded, len(rows), axis=0)
        means = predict(whole).reshape(len(grid.values), len(rows), len(outputs)).mean(axis=1)
        lines = tuple(tuple(line) for line in means.T.tolist())
        found.append(Dependence(grid.name, grid.values, tuple(outputs), lines, grid.dates))
    return tuple(found)
