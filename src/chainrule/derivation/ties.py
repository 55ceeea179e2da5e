"""Verification of gradients at kinks: points where a maximum ties, |x| is 0, or a condition changes.

Random points do not hit them. At a kink the loss has one-sided derivatives, found by one-sided differences of the
forward pass. If they agree in all directions, the gradient must equal that derivative; if they differ, and only one
element of one kink ties, it must lie between them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import Kink, find_kinks
from chainrule.derivation.record import Record
from chainrule.ir import Const, DType, Input, Program
from chainrule.primitives import evaluate_nodes

Array = NDArray[np.float64]
Values = dict[str, Array]

TIE_TOLERANCE = 1e-5
POINTS = 6
"""The number of kinks at which the gradients are compared."""
_KINKS = 8
_INPUTS = 6
_GRID = 2.0**-8
"""Values are multiples of this number, so that sums of their products tie exactly."""
_STEPS = (2.0**-14, 2.0**-17)
_DIRECTIONS = 3


class Ties:
    """The points of one record at kinks."""

    def __init__(self, record: Record, sizes: Mapping[str, int], random: np.random.Generator) -> None:
        self._random = random
        self._wrt = record.backward.wrt
        self._declared = {each.name for each in record.program.declared}
        self.kinks: list[Kink] = find_kinks(record.traced)[:_KINKS]
        inputs = record.program.inputs
        bound = record.backward.gradient_program().bind(sizes, DType.FLOAT64)
        self._function = bound
        sides = tuple(node for kink in self.kinks for node in (kink.left, kink.right))
        self._sides = Program(inputs, sides).bind(sizes, DType.FLOAT64)
        self._levels = {
            float(node.value)
            for node in sides
            if isinstance(node, Const) and isinstance(node.value, int | float) and math.isfinite(node.value)
        }

    def errors(self, inputs: Mapping[str, NDArray[Any]]) -> dict[Input, float]:
        """Return the largest relative error of the gradient by each input, at the kinks near a point."""
        worst: dict[Input, float] = {}
        values = {name: np.asarray(value) for name, value in inputs.items()}
        for name, value in values.items():
            if value.dtype.kind == "f" and name not in self._declared:
                values[name] = np.round(value / _GRID) * _GRID
        met = 0
        for point in self._points(values):
            tied = self._tied(point)
            if not tied:
                continue
            for symbol, error in self._compared(point, alone=tied == 1):
                worst[symbol] = max(worst.get(symbol, 0.0), error)
            met += 1
            if met == POINTS:
                break
        return worst

    def _points(self, values: Values) -> Iterator[Values]:
        """Yield points of possible ties: one element is moved to a level, to another value, or to a solved tie."""
        movable = [name for name, value in values.items() if name not in self._declared and value.size]
        floats = [name for name in movable if values[name].dtype.kind == "f"][:_INPUTS]
        for name in floats:
            for level in sorted(self._levels):
                yield _moved(values, name, level)
        for k, name in enumerate(floats):
            for other in floats[k + 1 :]:
                if values[name].shape == values[other].shape:
                    yield _moved(values, name, float(values[other].flat[0]))
        yield {**values, **{node.name: np.zeros_like(values[node.name]) for node in self._wrt if node.name in movable}}
        for place in range(len(self.kinks)):
            for name in floats:
                found = self._solved(values, place, name)
                if found is not None:
                    yield found

    def _solved(self, values: Values, place: int, name: str) -> Values | None:
        """Return the point where the first element of a kink ties, by Newton's method in one input's first element."""
        x = float(values[name].flat[0])
        for _ in range(3):
            here, there = (self._difference(_moved(values, name, at), place) for at in (x, x + 1))
            if here == 0:
                return _moved(values, name, x)
            if not math.isfinite(there - here) or there == here:
                return None
            x -= here / (there - here)
        return None

    def _difference(self, values: Values, place: int) -> float:
        left, right = self._evaluated(self._sides, values)[2 * place : 2 * place + 2]
        return float((left - right).flat[0]) if left.size else math.nan

    def _tied(self, values: Values) -> int:
        """Count the elements of kinks that tie."""
        sides = self._evaluated(self._sides, values)
        return sum(int(np.sum(left == right)) for left, right in zip(sides[::2], sides[1::2], strict=True))

    def _evaluated(self, program: Program, values: Values) -> list[Array]:
        inputs = {node: values[node.name] for node in program.inputs}
        with np.errstate(all="ignore"):
            found = evaluate_nodes(program.outputs, inputs)
        return [np.asarray(found[output], float) for output in program.outputs]

    def _compared(self, values: Values, alone: bool) -> Iterator[tuple[Input, float]]:
        """Yield the error of the gradient by each input, and by all of them together, along random directions.

        The loss counts as differentiable if both sides agree along all of them, and the changes are additive: those of
        several inputs, and, where a gradient is not the derivative, those along sums of directions too. The sum of the
        largest and the smallest of some values, at 0, has two equal sides along each line, and no derivative.
        """
        loss, *gradients = self._evaluated(self._function, values)
        named = {node: g for node, g in zip(self._wrt, gradients, strict=True) if g.size}
        if not np.isfinite(loss) or not all(np.all(np.isfinite(g)) for g in gradients):
            return
        found: list[tuple[dict[Input, Array], tuple[float, float]]] = []
        for _ in range(_DIRECTIONS):
            whole = {node: self._random.standard_normal(g.shape) for node, g in named.items()}
            parts = [{node: u} for node, u in whole.items()]
            sides = [self._sides_along(values, part, float(loss)) for part in (whole, *parts)]
            known = [side for side in sides if side is not None]
            if len(known) < len(sides):
                return
            found += zip((whole, *parts), known, strict=True)
            below, *below_parts = (side[0] for side in known)
            if not alone and abs(below - sum(below_parts)) > TIE_TOLERANCE * _size(found):
                return
        if not alone and any(high - low > TIE_TOLERANCE * _size(found) for _, (low, high) in found):
            return
        errors: list[tuple[Input, float]] = []
        for direction, (low, high) in found:
            stated = sum(float(np.sum(named[node] * u)) for node, u in direction.items())
            error = max(low - stated, stated - high, 0.0) / max(_size(found), abs(stated))
            errors.append((next(iter(direction)), error))
        is_wrong = any(error > TIE_TOLERANCE for _, error in errors)
        if alone or not is_wrong or self._is_additive(values, found[:: 1 + len(named)], loss):
            yield from errors

    def _is_additive(
        self, values: Values, found: Sequence[tuple[dict[Input, Array], tuple[float, float]]], loss: Array
    ) -> bool:
        """Whether the derivatives along sums and differences of these directions are those of the derivatives."""
        for (u, (along_u, _)), (v, (along_v, _)) in itertools.combinations(found, 2):
            for sign in (1, -1):
                sides = self._sides_along(values, {node: u[node] + sign * v[node] for node in u}, float(loss))
                if sides is None or abs(sides[0] - along_u - sign * along_v) > TIE_TOLERANCE * _size(found):
                    return False
        return True

    def _sides_along(self, values: Values, direction: Mapping[Input, Array], loss: float) -> tuple[float, float] | None:
        """Return the smaller and the larger one-sided derivative; None if they are unknown."""

        def along(step: float) -> float:
            moved = {node.name: values[node.name] + step * u for node, u in direction.items()}
            return float(self._evaluated(self._function, {**values, **moved})[0])

        sides = [[_one_sided(along, loss, sign * step) for step in _STEPS] for sign in (-1, 1)]
        known = [*sides[0], *sides[1]]
        if not all(map(math.isfinite, known)):
            return None
        size = max(*map(abs, known), 1e-3)
        if any(abs(first - second) > TIE_TOLERANCE * size for first, second in sides):
            return None
        low, high = sorted(side[-1] for side in sides)
        return low, high


def _size(found: Sequence[tuple[object, tuple[float, float]]]) -> float:
    return max(1e-3, *(abs(side) for _, sides in found for side in sides))


def _moved(values: Values, name: str, number: float) -> Values:
    """Return `values` with the first element of one of them set."""
    changed = np.array(values[name], float)
    changed.flat[0] = number
    return {**values, name: changed}


def _one_sided(along: Callable[[float], float], here: float, step: float) -> float:
    """Return the derivative of `along` at 0 on the side of `step`, exact up to the third derivative."""
    return (4 * along(step) - 3 * here - along(2 * step)) / (2 * step)
