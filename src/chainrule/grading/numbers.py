"""Numbers that are determined by the sizes, and their names: `2`, `1/n`, `√d`, `η`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from chainrule.grading.quantities import Point
from chainrule.ir import Const, Input, Program, SymbolicDim

CONSTANTS = (("1", 1.0), ("2", 2.0), ("½", 0.5), ("4", 4.0), ("¼", 0.25), ("3", 3.0), ("⅓", 1 / 3), ("1.5", 1.5))
_LARGEST_CONSTANT = 4


class Numbers:
    """The numbers with names at some points, of a program with the inputs `inputs`.

    `corrected` are the sizes less 1 by which it divides, as in a variance of a sample.
    """

    def __init__(self, points: Sequence[Point], inputs: Iterable[Input], corrected: Iterable[str] = ()) -> None:
        self._points, self._inputs, self._corrected = points, list(inputs), list(corrected)

    def label(self, ratios: Sequence[float]) -> str | None:
        """Return the name of the number that is `ratios` at the points: `2`, `−`, `1/n`, `√d`, `η`; None for others."""
        for sign, mark in ((1, ""), (-1, "−")):
            for label, numbers in (*self.named(), *self._products()):
                if all(math.isclose(sign * r, x, rel_tol=1e-6) for r, x in zip(ratios, numbers, strict=True)):
                    return mark if label == "1" and mark else mark + label
        return None

    def counts(self) -> dict[str, int]:
        """Return the whole numbers that the forward pass has as variables, at the first point."""
        held = self._points[0].held.items()
        return {name: value for name, value in held if type(value) is int and value > _LARGEST_CONSTANT}

    def _products(self) -> list[tuple[str, list[float]]]:
        """Return the factors of a loss that is a mean over two axes."""
        known = []
        for first, second in itertools.combinations(self._points[0].sizes, 2):
            both = [float(point.sizes[first] * point.sizes[second]) for point in self._points]
            known += [(f"{first} {second}", both), (f"1/({first} {second})", [1 / b for b in both])]
        return known

    def named(self) -> list[tuple[str, list[float]]]:
        """Return the names of factors, each with its value at each point."""
        count = len(self._points)
        known = [(text, [value] * count) for text, value in CONSTANTS]
        for name in self._points[0].sizes:
            sizes = [float(point.sizes[name]) for point in self._points]
            known += [(name, sizes), (f"1/{name}", [1 / s for s in sizes]), (f"2/{name}", [2 / s for s in sizes])]
            known += [(f"½{name}", [s / 2 for s in sizes]), (f"1/(2{name})", [0.5 / s for s in sizes])]
            known += [(f"√{name}", [s**0.5 for s in sizes]), (f"1/√{name}", [s**-0.5 for s in sizes])]
        for name in self._corrected:
            sizes = [float(point.sizes[name]) for point in self._points]
            if min(sizes) > 1:
                known += [(f"{name}/({name} − 1)", [s / (s - 1) for s in sizes])]
                known += [(f"({name} − 1)/{name}", [(s - 1) / s for s in sizes])]
        for name in self.counts():
            counts = [float(point.held[name]) for point in self._points]
            known += [(name, counts), (f"1/{name}", [1 / c for c in counts])]
        given = {dim for node in self._inputs for dim in node.type.shape if isinstance(dim, int)}
        for size in sorted(number for number in given if number > _LARGEST_CONSTANT):
            known += [(f"{size}", [float(size)] * count), (f"1/{size}", [1 / size] * count)]
        rates = [point.rate for point in self._points]
        known += [("η", rates), ("1/η", [1 / r for r in rates])]
        for name in self._points[0].sizes:
            known.append((f"η/{name}", [p.rate / p.sizes[name] for p in self._points]))
        return known


def corrected_sizes(program: Program) -> list[str]:
    """Return the sizes from which a program takes 1 away."""
    sizes = {node.value for node in program.nodes if isinstance(node, Const) and isinstance(node.value, SymbolicDim)}
    return [name for name in program.dim_names if any(str(size) == f"{name}-1" for size in sizes)]
