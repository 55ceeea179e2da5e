"""Directional derivatives of equations, of chains and of the loss at a point, by finite differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np

from chainrule.calculus import Contribution
from chainrule.derivation.differences import derivative_at_zero
from chainrule.derivation.points import Array, Evaluator, Values
from chainrule.derivation.record import Record
from chainrule.ir import Input, Node

Difference: TypeAlias = tuple[Callable[[float], Array], Array, float]
"""A function of the step, its derivative at 0 and the error of that."""


class Directional:
    """Finds directional derivatives; those that several lines are about are found once for each point.

    A symbol is moved along one direction at a point, whatever line is about it. `used` has the differences behind the
    derivatives that were asked for since it was emptied.
    """

    def __init__(
        self, record: Record, bound: Mapping[Node, Node], evaluate: Evaluator, random: np.random.Generator
    ) -> None:
        self._record = record
        self._bound = bound
        self._evaluate = evaluate
        self._random = random
        self.used: list[Difference] = []
        self._directions: dict[tuple[Input, tuple[int, ...]], Array] = {}
        self._known: dict[object, Difference] = {}

    def restart(self) -> None:
        """Forget what belongs to the last point."""
        self._directions.clear()
        self._known.clear()

    def direction(self, symbol: Input, shape: tuple[int, ...]) -> Array:
        """Return the direction in which a symbol is moved at this point."""
        found = self._directions.get((symbol, shape))
        if found is None:
            found = self._directions[symbol, shape] = np.asarray(self._random.standard_normal(shape))
        return found

    def of(self, expression: Node, direction: Mapping[Node, Array], values: Values) -> Array:
        """Return the derivative of an expression, of which the inputs in `direction` move."""
        found = self._moved(expression, direction, values)
        self.used.append(found)
        return found[1]

    def of_loss(self, symbol: Input, shape: tuple[int, ...], values: Values) -> Array:
        """Return the derivative of the loss along the direction of a symbol, with all later values recomputed."""
        direction = self.direction(symbol, shape)
        if symbol is self._record.loss:
            return direction
        found = self._once((symbol, shape), lambda: self._loss(symbol, direction, values))
        self.used.append(found)
        return found[1]

    def of_chain(self, path: Sequence[Contribution], shape: tuple[int, ...], values: Values) -> Array:
        """Return the image of the direction of a parameter under one chain, from the parameter to the loss."""
        change = self.direction(path[-1].operand, shape)
        for place in range(len(path) - 1, -1, -1):
            found = self._once((*path[place:], shape), partial(self._link, path[place], change, values))
            self.used.append(found)
            change = found[1]
        return change

    def _link(self, link: Contribution, change: Array, values: Values) -> Difference:
        return self._moved(link.stage.expression, {self._bound[link.operand]: change}, values)

    def _once(self, key: object, find: Callable[[], Difference]) -> Difference:
        """Return a derivative that is found once for each point; again with each randomized rounding."""
        if self._evaluate.rounding is not None:
            return find()
        if key not in self._known:
            self._known[key] = find()
        return self._known[key]

    def _moved(self, expression: Node, direction: Mapping[Node, Array], values: Values) -> Difference:
        part = self._evaluate.moving(self._bound[expression], direction, values)

        def along(step: float) -> Array:
            return part({x: values[x] + step * dx for x, dx in direction.items()})

        return _difference(along, [values[x] for x in direction])

    def _loss(self, symbol: Input, direction: Array, values: Values) -> Difference:
        loss = self._bound[self._record.loss]
        reached = {symbol: self._bound[symbol]}
        later: list[tuple[Node, Callable[[Values], Array]]] = []
        for stage in self._record.backward.stages:
            if stage.symbol is not symbol and not reached.keys().isdisjoint(stage.operands):
                moving = self._evaluate.moving(self._bound[stage.expression], set(reached.values()), values)
                reached[stage.symbol] = self._bound[stage.symbol]
                later.append((self._bound[stage.symbol], moving))

        def along(step: float) -> Array:
            moved: Values = {self._bound[symbol]: values[self._bound[symbol]] + step * direction}
            for node, value in later:
                moved[node] = value(moved)
            return moved.get(loss, values[loss])  # the loss may not depend on `symbol`

        return _difference(along, [values[self._bound[symbol]]])


def _difference(along: Callable[[float], Array], moved: Sequence[Array]) -> Difference:
    """Return the derivative of `along` at 0 in the arrays `moved`."""
    sizes = [float(np.max(np.abs(x), where=np.isfinite(x), initial=0.0)) for x in moved]
    with np.errstate(all="ignore"):
        found, error = derivative_at_zero(along, max(sizes, default=1.0))
    return along, found, error
