"""The names of sizes, shapes and factors, in the terms of a reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.grading.comparison import Array, agree, as_arrays, constant_ratios
from chainrule.grading.truth import Truth

_LARGEST_ROOT = 4096


def _number(ratio: float) -> str:
    """Return a number as text, a root or the inverse of a whole number as such.

    >>> [_number(ratio) for ratio in (2**0.5, -(3**-0.5), 0.25, -1 / 7, 3.0, 0.7)]
    ['√2', '−1/√3', '0.25', '−1/7', '3', '0.7']
    """
    sign, size = ("−" if ratio < 0 else ""), abs(ratio)
    decimal = f"{size:.4g}"
    if math.isclose(float(decimal), size, rel_tol=1e-9):
        return sign + decimal
    for square, before in ((size * size, ""), (1 / (size * size), "1/")):
        nearest = round(square)
        if 1 < nearest <= _LARGEST_ROOT and math.isclose(square, nearest, rel_tol=1e-6):
            root = math.isqrt(nearest)
            return sign + before + (f"{root}" if root * root == nearest else f"√{nearest}")
    return sign + decimal


class Measures:
    """Names sizes, shapes and factors as the reference does."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth

    def size(self, lengths: Sequence[int]) -> str:
        """Return the named size that is `lengths` at the first points, otherwise the number at the first one."""
        points = self._truth.points[: len(lengths)]
        named = (name for name in points[0].sizes if [point.sizes[name] for point in points] == list(lengths))
        return next(named, str(lengths[0]))

    def axis(self, values: Sequence[Array], axis: int) -> str:
        """Return the size of an axis of a value, which is given at each point."""
        if any(axis >= value.ndim for value in values):
            return ""
        return self.size([value.shape[axis] for value in values])

    def shape(self, values: Sequence[Array]) -> str:
        """Return the shape of a value, which is given at each point, in named sizes: `(n, h)`."""
        ndim = min(np.ndim(value) for value in values)
        inner = ", ".join(self.axis(values, axis) for axis in range(ndim))
        return f"({inner}{',' if ndim == 1 else ''})"

    def shapes(self, found: Sequence[Any] | None, needed: Sequence[Any] | None) -> dict[str, str]:
        """Compare the shape of a value with the correct one, and say whether the value is correct otherwise."""
        a, b = (None if found is None else as_arrays(found)), (None if needed is None else as_arrays(needed))
        if a is None or b is None:
            return {}
        shapes = {"found": self.shape(a), "needed": self.shape(b)}
        return {**shapes, "broadcast": "yes"} if agree(a, b) else shapes

    def factor(self, ratios: Sequence[float]) -> str | None:
        """Return the name of the factor that is `ratios` at the points; None if there is no common name."""
        same = all(math.isclose(ratio, ratios[0], rel_tol=1e-6) for ratio in ratios)
        return self._truth.numbers.label(ratios) or (_number(ratios[0]) if same else None)

    def of_factor(
        self, values: dict[str, str], found: Sequence[Any] | None, needed: Sequence[Any] | None
    ) -> dict[str, str]:
        """Return the ratio of the value to the correct one, as a named factor."""
        a, b = (None if found is None else as_arrays(found)), (None if needed is None else as_arrays(needed))
        if a is not None and b is not None and len({x.shape for x in a} ^ {x.shape for x in b}) == 0:
            ratios = constant_ratios(a, b)
            if ratios is not None:
                return {**values, "factor": self.factor(ratios) or ""}
        return {**values, "factor": ""}

    def named_ratio(self, found: Sequence[Any] | None, needed: Sequence[Any] | None) -> str | None:
        """Return the ratio of a value to the correct one, if it has a name in the reference."""
        a, b = (None if found is None else as_arrays(found)), (None if needed is None else as_arrays(needed))
        if a is None or b is None or any(x.shape != y.shape for x, y in zip(a, b, strict=True)):
            return None
        ratios = constant_ratios(a, b)
        return None if ratios is None else self._truth.numbers.label(ratios)

    def number(self, ratios: Sequence[float]) -> str | None:
        """Return the number of the forward pass, perhaps with a factor, that is missing in values with these ratios."""
        for quantity in self._truth.quantities:
            if (
                quantity.kind == "input"
                and quantity.values[0].ndim == 0
                and all(value != 0 for value in quantity.values)
            ):
                needed = [1 / (ratio * float(x)) for ratio, x in zip(ratios, quantity.values, strict=True)]
                factor = self._truth.numbers.label(needed)
                if factor is not None:
                    return f"{factor} {quantity.label}".strip()
        return None
