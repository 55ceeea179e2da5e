"""The types of functions of arrays, for editors and type checkers.

A float array gives an array of its dtype, a number a float64, and nested lists, integers and bools an array of floats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray

Floating = TypeVar("Floating", bound=np.floating[Any])
P = ParamSpec("P")

Floats: TypeAlias = NDArray[np.floating[Any]]


class SupportsArray(Protocol):
    """A column of a table, or another array."""

    def __array__(self) -> NDArray[Any]: ...


Values: TypeAlias = Sequence[Any] | NDArray[np.integer[Any]] | NDArray[np.bool_] | SupportsArray
"""What is converted to floats."""


class SameShape(Protocol[P]):
    """A function whose result has the shape of its first argument."""

    __name__: str

    @overload
    def __call__(self, x: NDArray[Floating], /, *args: P.args, **kwargs: P.kwargs) -> NDArray[Floating]: ...
    @overload
    def __call__(self, x: Floating, /, *args: P.args, **kwargs: P.kwargs) -> Floating: ...
    @overload
    def __call__(self, x: float, /, *args: P.args, **kwargs: P.kwargs) -> np.float64: ...
    @overload
    def __call__(self, x: Values, /, *args: P.args, **kwargs: P.kwargs) -> Floats: ...


def same_shape(function: Callable[Concatenate[Any, P], Any]) -> SameShape[P]:
    """Give a function the type of one whose result has the shape and dtype of its first argument."""
    return cast(SameShape[P], function)
