"""The value of an expression when one of its inputs changes, by those parts alone that depend on the input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import Apply, Node, topological_order
from chainrule.primitives import evaluate_nodes

Array = NDArray[Any]


class ChangedValues:
    """An expression at a point: `value` there, and the function `by` of any of its inputs."""

    def __init__(self, node: Node, values: Mapping[Node, Array]) -> None:
        self._node = node
        self._order = topological_order([node])
        with np.errstate(all="ignore"):
            self._values = evaluate_nodes([node], values)
        self.value = np.asarray(self._values[node], float)

    def by(self, changed: Node) -> Callable[[Array], Array]:
        """Return the function from other values of `changed` to the value of the expression."""
        moving = {changed}
        steps: list[Apply] = []
        for part in self._order:
            if isinstance(part, Apply) and not moving.isdisjoint(part.operands):
                moving.add(part)
                steps.append(part)
        known = dict(self._values)

        def value(array: Array) -> Array:
            known[changed] = array
            with np.errstate(all="ignore"):
                for part in steps:
                    known[part] = part.primitive.value(*(known[operand] for operand in part.operands))
            return np.asarray(known[self._node], float)

        return value
