"""Comparison of derivatives with finite differences."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.functions import random_draws, random_inputs
from chainrule.ir import (
    ProgramError,
)
from chainrule.trace import (
    flatten,
    unflatten,
)
from chainrule.transforms.calls import Function, check_sequence
from chainrule.transforms.gradients import jvp, vjp
from chainrule.words import ChainruleError, at_callers_line


class GradientError(ChainruleError, AssertionError):
    """A derivative disagrees with finite differences."""


@at_callers_line
def check_grads(
    function: Function,
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    rtol: float = 1e-5,
    seed: int = 0,
) -> None:
    """Compare derivatives up to `order` with central differences along one random direction at a time.

    Parameters
    ----------
    function
        NumPy code; its result may be of any shape.
    args
        The float arguments, as a sequence; each an array or a nested container of them.
    order
        1 checks the derivative, 2 also the derivative's derivative, and so on.
    modes
        "fwd" checks `jvp`, "rev" checks `vjp`.
    rtol
        The relative tolerance, in terms of the sum of the magnitudes compared.
    seed
        Seed of the random directions.

    Raises
    ------
    GradientError
        With the mode, the order, and the two numbers that differ.
    ProgramError
        For a function that is not deterministic, such as one that draws NumPy's random numbers.

    Examples
    --------
    >>> check_grads(lambda x: np.sum(np.sin(x) * x), (np.array([0.3, 0.7]),))

    """
    check_sequence("check_grads", "args", args)
    for mode in modes:
        if mode not in ("fwd", "rev"):
            raise ProgramError(f"modes may hold 'fwd' and 'rev', not {mode!r}")
    once, again = (_leaves(_drawn_alike(function, tuple(args))) for _ in range(2))
    if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(once, again, strict=True)):
        raise ProgramError(
            f"{getattr(function, '__name__', 'the function')} gives other values for the same arguments, which finite "
            "differences cannot be taken of; where it draws random numbers, write cr.random_normal, cr.random_uniform "
            "or cr.dropout"
        )
    _check_order(function, tuple(args), order, tuple(modes), rtol, np.random.default_rng(seed), 1)


def _check_order(
    function: Function,
    args: tuple[Any, ...],
    order: int,
    modes: tuple[str, ...],
    rtol: float,
    random: np.random.Generator,
    level: int,
) -> None:
    direction = _random_like(args, random)
    step = 1e-4
    ahead, behind = (_drawn_alike(function, _moved(args, direction, sign * step)) for sign in (1, -1))
    expected = [
        (np.asarray(a) - np.asarray(b)) / (2 * step) for a, b in zip(_leaves(ahead), _leaves(behind), strict=True)
    ]
    weights = [random.standard_normal(np.shape(leaf)) for leaf in expected]
    numeric = float(sum(np.sum(w * e) for w, e in zip(weights, expected, strict=True)))
    size = float(sum(np.sum(np.abs(w * e)) for w, e in zip(weights, expected, strict=True)))
    for mode in modes:
        if mode == "fwd":
            tangent = jvp(function, args, direction)[1]
            found = float(sum(np.sum(w * t) for w, t in zip(weights, _leaves(tangent), strict=True)))
        else:
            structure = flatten(ahead)[1]
            cotangents = vjp(function, *args)[1](unflatten(structure, weights))
            found = float(sum(np.sum(c * d) for c, d in zip(_leaves(cotangents), _leaves(direction), strict=True)))
        if not abs(found - numeric) <= rtol * max(size, 1e-3):
            name = getattr(function, "__name__", "the function")
            raise GradientError(
                f"order {level} in mode {mode!r} of {name}: the derivative gives {found:.9g}, "
                f"finite differences give {numeric:.9g}"
            )
    if order > 1:

        @functools.wraps(function)
        def derivative(*moved: Any) -> Any:
            return jvp(function, moved, direction)[1]

        _check_order(derivative, args, order - 1, modes, rtol, random, level + 1)


def _drawn_alike(function: Function, args: tuple[Any, ...]) -> Any:
    """Evaluate `function`, which may write to its arguments, at `args` with the random numbers its derivative draws."""
    leaves, structure = flatten(args)
    own = unflatten(structure, [leaf.copy() if isinstance(leaf, np.ndarray) else leaf for leaf in leaves])
    with random_draws(*random_inputs().values()):
        return function(*own)


def _leaves(tree: Any) -> list[Any]:
    return flatten(tree)[0]


def _random_like(tree: Any, random: np.random.Generator) -> Any:
    leaves, structure = flatten(tree)
    return unflatten(structure, [random.standard_normal(np.shape(leaf)) for leaf in leaves])


def _moved(args: tuple[Any, ...], direction: Any, step: float) -> Any:
    leaves, structure = flatten(args)
    return unflatten(structure, [x + step * d for x, d in zip(leaves, _leaves(direction), strict=True)])
