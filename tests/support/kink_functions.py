"""Random functions with many kinks, and their one-sided derivatives."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from chainrule.calculus.coinciding import Leaves, coinciding
from chainrule.calculus.kinks import find_kinks, stacked_extrema, written_out
from chainrule.primitives import evaluate_nodes

Array = NDArray[Any]
Function = Callable[[Array, Array], Any]

LEVELS = (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
"""Pairs of these are the points where most of the functions have kinks."""
_STEPS = (2.0**-14, 2.0**-17)
AGREE = 1e-5


@dataclass(frozen=True)
class KinkFunction:
    """An elementwise function of two arrays, the sum of its values, and its source."""

    source: str
    function: Function
    elements: Function


def kink_function(seed: int) -> KinkFunction:
    """Return the function with number `seed`: nested and adjacent kinks of every kind, some parts named."""
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
        extreme = choose.choice(["max", "min"])
        bounds = choose.choice(["0, 1", "-1, 1", "-0.5, None", "None, 1", f"{short} - 1, {short}"])
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
                f"cr.{choose.choice(['leaky_relu', 'elu'])}({a}, 0.5)",
                f"np.clip({a}, {bounds})",
                f"np.{extreme}(np.stack([{a}, {b}]), axis=0)",
                f"np.{extreme}(np.stack([{a}, {b}, {short} + 0 * x]), axis=0)",
                f"ordered({a}, {b}, {short})[{choose.randint(0, 2)}]",
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
    result = f"{expression(choose.randint(1, 4))} + 0 * x"
    start = "def function(x, y):\n" + "".join(line + "\n" for line in lines)
    source = f"{start}    return np.sum({result})"
    return KinkFunction(source, _compiled(source), _compiled(f"{start}    return {result}"))


def ordered(a: Any, b: Any, c: Any) -> tuple[Any, Any, Any]:
    """Return three values in order, by a sorting network, since sorting cannot be recorded."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.minimum(low, c), np.maximum(low, np.minimum(high, c)), np.maximum(high, c)


def _compiled(source: str) -> Function:
    namespace: dict[str, Any] = {"np": np, "cr": cr, "ordered": ordered}
    exec(source, namespace)
    function: Function = namespace["function"]
    return function


def points(seed: int) -> tuple[Array, Array]:
    """Return the pairs of levels, and as many random points."""
    drawn = np.random.default_rng(seed)
    x, y = (grid.ravel() for grid in np.meshgrid(LEVELS, LEVELS))
    return np.concatenate([x, drawn.normal(size=8)]), np.concatenate([y, drawn.normal(size=8)])


def derivatives(elements: Function, x: Array, y: Array) -> Array:
    """Return the derivatives of `elements` by x and y, of shape (2, points); NaN where it is not differentiable.

    They are one-sided differences, which must agree and be linear along eight directions to both sides.
    """
    angles = np.arange(8) * (np.pi / 8) + 0.1
    directions = [(1.0, 0.0), (0.0, 1.0), *zip(np.cos(angles), np.sin(angles), strict=True)]

    here = elements(x, y)
    sides = []
    for u, v in directions:
        for sign in (-1.0, 1.0):
            found = []
            for step in (sign * _STEPS[0], sign * _STEPS[1]):
                near, far = (elements(x + k * step * u, y + k * step * v) for k in (1, 2))
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


def crossings(function: Function, x: Array, y: Array) -> NDArray[np.bool_]:
    """Return the mask of points where kinks meet that do not coincide elsewhere."""
    program = cr.trace(function, x="n", y="n").bind({"n": len(x)})
    program, _ = written_out(program, stacked_extrema(program))
    kinks = find_kinks(program)
    values = dict(zip(program.inputs, (x, y), strict=True))
    found = evaluate_nodes([side for kink in kinks for side in (kink.left, kink.right)], values)
    count = np.zeros(len(x), int)
    for group in coinciding(kinks, Leaves(program, kinks)):
        ties = [np.isclose(found[kink.left], found[kink.right], rtol=1e-12, atol=1e-12) for kink in group]
        count += np.any([tie for tie in ties if not tie.all()] or [np.zeros(len(x), bool)], axis=0)
    return count > 1
