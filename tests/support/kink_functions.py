"""Random functions full of kinks, and what their derivatives are to either side of each."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr

Array = NDArray[Any]
Function = Callable[[Array, Array], Any]

LEVELS = (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
"""Pairs of these are where most of the functions have their kinks."""
_STEPS = (2.0**-14, 2.0**-17)
AGREE = 1e-5


@dataclass(frozen=True)
class KinkFunction:
    """A function of two arrays, element by element, and its sum as source."""

    source: str
    function: Function


def kink_function(seed: int) -> KinkFunction:
    """The function of number `seed`: a composition of max, min, abs, where, relu, exp and log1p, some parts named."""
    choose = random.Random(seed)
    names = ["x", "y"]
    lines: list[str] = []

    def expression(depth: int) -> str:
        if depth == 0 or choose.random() < 0.1:
            return choose.choice([*names, *names, "x", "-x", "(x - y)"])
        a, b = expression(depth - 1), expression(depth - 1)
        short = choose.choice([*names, "0"])
        level = choose.choice(["0", "0", "0", "1", "0.5"])
        order = choose.choice([">", ">=", "<", "<="])
        other = choose.choice(["0", f"{level} - {a}", f"0.5 * ({a} - {level})"])
        return choose.choice(
            [
                f"np.maximum({a}, {short})",
                f"np.minimum({a}, {short})",
                f"np.maximum({a}, {b})",
                f"np.minimum({a}, {b})",
                f"np.abs({a})",
                f"np.where({a} {order} {level}, {a} - {level}, {other})",
                f"np.where({a} {order} 0, {b} + {a}, {b})",
                f"np.where({a} {order} 0, np.exp(np.maximum({a}, 0)), 1 + {a})",
                f"cr.relu({a})",
                f"np.exp({a})",
                f"np.log1p(np.abs({a}))",
                f"np.log1p(cr.relu({a}))",
                f"np.log1p(np.exp({a}))",
                f"({a} + {b})",
                f"({a} - {b})",
                f"(0.5 * {a})",
                f"({a} * {b})",
            ]
        )

    for number in range(choose.randint(0, 2)):
        lines.append(f"    u{number} = {expression(choose.randint(1, 2))}")
        names.append(f"u{number}")
    lines.append(f"    return np.sum({expression(choose.randint(1, 4))} + 0 * x)")
    source = "def function(x, y):\n" + "\n".join(lines)
    namespace: dict[str, Any] = {"np": np, "cr": cr}
    exec(source, namespace)
    return KinkFunction(source, namespace["function"])


def points(seed: int) -> tuple[Array, Array]:
    """The pairs of levels, and as many random points."""
    drawn = np.random.default_rng(seed)
    x, y = (grid.ravel() for grid in np.meshgrid(LEVELS, LEVELS))
    return np.concatenate([x, drawn.normal(size=8)]), np.concatenate([y, drawn.normal(size=8)])


def derivatives(function: Function, x: Array, y: Array) -> Array:
    """The derivatives by x and y, of shape (2, points); NaN where the function is not differentiable.

    They are one-sided differences, which must agree and be linear along eight directions to both sides.
    """
    angles = np.arange(8) * (np.pi / 8) + 0.1
    directions = [(1.0, 0.0), (0.0, 1.0), *zip(np.cos(angles), np.sin(angles), strict=True)]

    def each(x: Array, y: Array) -> Array:
        return np.array([float(function(x[k : k + 1], y[k : k + 1])) for k in range(len(x))])

    here = each(x, y)
    sides = []
    for u, v in directions:
        for sign in (-1.0, 1.0):
            found = []
            for step in (sign * _STEPS[0], sign * _STEPS[1]):
                near, far = each(x + step * u, y + step * v), each(x + 2 * step * u, y + 2 * step * v)
                found.append((4 * near - 3 * here - far) / (2 * step))
            settled = np.abs(found[0] - found[1]) <= AGREE * (1 + np.abs(found[1]))
            sides.append(np.where(settled, found[1], np.nan))
    gradient = np.array([sides[0], sides[2]])
    size = 1 + np.abs(gradient).max(axis=0)
    linear = np.ones(len(x), bool)
    for k, (u, v) in enumerate(directions):
        expected = gradient[0] * u + gradient[1] * v
        for side in sides[2 * k : 2 * k + 2]:
            linear &= np.abs(side - expected) <= AGREE * size
    return np.where(linear, gradient, np.nan)
