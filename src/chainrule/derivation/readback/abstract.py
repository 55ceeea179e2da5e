"""Functions without a definition, `f(x)`, `f′(x)`, `∂₂f(x, y)`, `∇f(x)`, by their values and finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.derivation.readback.functions import central_difference
from chainrule.derivation.readback.values import (
    Array,
    Meaning,
    ReadingError,
    UnknownNotationError,
    Value,
    elementwise,
    known,
)


@dataclass(frozen=True)
class NamedFunction:
    """The meaning of a name before a bracket.

    `derivative` returns the values of a derivative, given the numbers of the arguments of differentiation; a function
    `of_vector` is one of one or more vectors. The last derivative in a line is computed by finite
    differences instead. `jacobian` says that the name is that of a first derivative, such as J_f.
    """

    derivative: Callable[[Sequence[int]], Callable[..., Array]]
    of_vector: bool = False
    jacobian: bool = False

    def of(self, marks: Sequence[int], arguments: Sequence[Meaning]) -> Meaning:
        """Apply the function, differentiated according to `marks`, to arguments."""
        if self.of_vector:
            return self._of_vector((*marks, 1) if self.jacobian else marks, arguments)
        if not marks:
            return elementwise(self.derivative(()), *arguments)
        *before, last = marks
        if not 1 <= last <= len(arguments):
            raise ReadingError(f"the function has no argument {last} for differentiation")
        return elementwise(_partial(self.derivative(before), last - 1), *arguments)

    def _of_vector(self, marks: Sequence[int], arguments: Sequence[Meaning]) -> Meaning:
        points: list[Array] = []
        letters = 0
        for argument in arguments:
            x = known(argument)
            if x.ndim != 1 or x.free:
                raise ReadingError("the argument is not a vector")
            if x.data.shape[: x.letters] != (1,) * x.letters:
                raise UnknownNotationError("a function of a vector at an index")
            points.append(x.data.reshape(-1))
            letters = max(letters, x.letters)
        if not marks:
            found = self.derivative(())(*points)
        else:
            *before, last = marks
            if not 1 <= last <= len(points):
                raise ReadingError(f"the function has no argument {last} for differentiation")
            units = np.eye(len(points[last - 1]))
            along = (_line(self.derivative(before), points, last - 1, unit) for unit in units)
            found = np.stack([central_difference(values, np.asarray(0.0)) for values in along], axis=-1)
        return Value(found.reshape((1,) * letters + found.shape), letters)


def _line(
    function: Callable[..., Array], points: Sequence[Array], place: int, direction: Array
) -> Callable[[Array], Array]:
    return lambda step: function(*points[:place], points[place] + step * direction, *points[place + 1 :])


def _partial(function: Callable[..., Array], place: int) -> Callable[..., Array]:
    def at(*arguments: Array) -> Array:
        def along(x: Array) -> Array:
            return function(*arguments[:place], x, *arguments[place + 1 :])

        return central_difference(along, arguments[place])

    return at
