"""Random number sources, and the functions that draw from them."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import numpy as np

from chainrule import primitives
from chainrule.functions.calling import call
from chainrule.functions.typing import Floats, same_shape
from chainrule.ir import (
    Dim,
    DType,
    DTypeError,
    Node,
    ProgramError,
    ShapeError,
    SymbolicDim,
)
from chainrule.primitives import as_floats

RNG_SEED = "rng seed"
RNG_STEP = "rng step"
"""The names of the inputs, int64 scalars, of a program that draws random numbers; no argument can have these names."""


class RandomSource:
    """A source of random numbers: the seed and the step, as numbers or traced values, and a count of draws.

    Draws are numbered from 1 in order of call, and each number is a separate stream.
    """

    def __init__(self, seed: Any, step: Any) -> None:
        self.seed: Final = seed
        self.step: Final = step
        self._streams = itertools.count(1)

    def stream(self) -> int:
        """Return the number of the next draw."""
        return next(self._streams)


_source: ContextVar[RandomSource | None] = ContextVar("source", default=None)


@contextmanager
def random_source(source: RandomSource) -> Iterator[RandomSource]:
    """A context in which `dropout` and the other random functions draw from `source`."""
    token = _source.set(source)
    try:
        yield source
    finally:
        _source.reset(token)


_dropping: ContextVar[bool] = ContextVar("dropping", default=True)


@contextmanager
def without_dropout() -> Iterator[None]:
    """A context in which `dropout` returns its argument, also in traced functions, as in validation."""
    token = _dropping.set(False)
    try:
        yield
    finally:
        _dropping.reset(token)


@contextmanager
def random_draws(seed: int = 0, step: int = 0) -> Iterator[None]:
    """A context in which random functions draw, for plain arrays, as in step `step` of a run with this seed.

    Draws are numbered from the beginning of the block, so one call of a loss inside gives its value in training. The
    transformations (`grad` and others), which otherwise use seed 0 and step 0, follow it too.

    >>> with random_draws(seed=1):
    ...     print(dropout(np.ones(6), 0.5))
    [0. 2. 0. 0. 2. 2.]
    """
    with random_source(RandomSource(_as_int64("seed", seed), _as_int64("step", step))):
        yield


def random_inputs() -> dict[str, int]:
    """Return the default values of the inputs `RNG_SEED` and `RNG_STEP`: those of `random_draws`, else 0."""
    source = _source.get()
    seed, step = (0, 0) if source is None else (source.seed, source.step)
    return {RNG_SEED: seed, RNG_STEP: step}


def _as_int64(name: str, number: int) -> int:
    try:
        whole = operator.index(number)
    except TypeError:
        raise ProgramError(f"the {name} of random numbers is an integer, not {number!r}") from None
    return (whole + 2**63) % 2**64 - 2**63


@same_shape
def dropout(x: Any, rate: float, training: bool = True) -> Any:
    """Set each element to 0 with probability `rate` and divide the others by 1 − rate (Srivastava et al. 2014).

    The mean is preserved. A traced function draws a new mask for each dropout in it and, in `fit`, for each step.
    Without `training` the result is `x`; so it is for plain arrays, as in prediction, except within `random_draws`.
    Raises ProgramError for a rate outside of [0, 1).

    >>> dropout([1.0, 2.0], 0.5)
    array([1., 2.])
    """
    source = _source.get() if training and _dropping.get() else None
    if source is None:
        return call(_dropout, x, None, None, rate=rate)
    return call(_dropout, x, source.seed, source.step, rate=rate, stream=source.stream())


def _dropout(x: Node, seed: Node | int | None, step: Node | int | None, rate: Any, stream: int = 0) -> Node:
    if not isinstance(rate, float | int | np.number) or not 0 <= rate < 1:
        raise ProgramError(f"the rate of dropout is {rate}; give the share of elements to drop, from 0 to below 1")
    x = as_floats(x)
    if rate == 0 or seed is None or step is None:
        return x
    return x * primitives.dropout_mask(_scalar(seed), _scalar(step), x, float(rate), stream)


def random_uniform(shape: Any = (), dtype: Any = np.float64) -> Floats:
    """Draw independent numbers, uniform in [0, 1), in a traced function; for float32 give `dtype=x.dtype`.

    They are drawn anew for each call in the function and, in `fit`, for each step; they do not depend on the number of
    threads. Elsewhere, use a block `with random_draws(seed):`. `shape` may contain sizes from `x.shape`.

    >>> with random_draws(seed=1):
    ...     print(np.round(random_uniform(2), 6))
    [0.140223 0.8197  ]
    """
    source = _draws_of("random_uniform")
    drawn: Floats = call(_uniform, source.seed, source.step, shape=shape, dtype=dtype, stream=source.stream())
    return drawn


def _uniform(seed: Node | int, step: Node | int, shape: Any, dtype: Any, stream: int) -> Node:
    return primitives.random_uniform(_scalar(seed), _scalar(step), _shape(shape), stream, _float(dtype))


def random_normal(shape: Any = (), dtype: Any = np.float64) -> Floats:
    """Draw independent standard normal numbers; arguments and use as for `random_uniform`.

    Computed as √(−2 ln(1 − u)) cos(2π v) from two uniform draws u and v (Box and Muller 1958).

    >>> with random_draws(seed=1):
    ...     print(np.round(random_normal(2), 6))
    [ 0.343319 -1.177636]
    """
    source = _draws_of("random_normal")
    streams = source.stream(), source.stream()
    drawn: Floats = call(_normal, source.seed, source.step, shape=shape, dtype=dtype, streams=streams)
    return drawn


def _normal(seed: Node | int, step: Node | int, shape: Any, dtype: Any, streams: tuple[int, int]) -> Node:
    return primitives.random_normal(_scalar(seed), _scalar(step), _shape(shape), streams, _float(dtype))


def _draws_of(function: str) -> RandomSource:
    source = _source.get()
    if source is None:
        raise ProgramError(
            f"{function} draws numbers in a function that is traced, as by grad, derive and fit; elsewhere, put it "
            "into a block: with cr.random_draws(seed=0): …"
        )
    return source


def _float(dtype: Any) -> DType:
    found = DType.of(np.dtype(dtype))
    if not found.is_float:
        raise DTypeError(f"random numbers are float64 or float32, not {found.value}; compare them for booleans")
    return found


def _shape(shape: Any) -> tuple[Dim, ...]:
    dims = shape if isinstance(shape, tuple | list) else (shape,)
    try:
        return tuple(dim if isinstance(dim, SymbolicDim) else operator.index(dim) for dim in dims)
    except TypeError:
        raise ShapeError(f"{shape!r} is not the shape of an array; give a size or a tuple of sizes") from None


def _scalar(number: Node | int) -> Node:
    return primitives.as_node(number, DType.INT64)
