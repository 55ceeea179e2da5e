"""The ε that a reference adds to keep a logarithm or a quotient finite, and what it changes in a gradient.

On paper it is left out, and p − y is the gradient of −log(p + 1e-8) all the same.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chainrule.ir import Const, Node, applies, rebuild, topological_order
from chainrule.primitives import Add

_MOST = 1e-4
MOST_BY_EPSILON = 0.1
"""How far, relative to its largest entry, a gradient may be off for it, where a logarithm is taken of almost 0."""


def epsilons(node: Node) -> tuple[float, ...]:
    """The small positive numbers that are added to something in an expression."""
    found = {number for part in topological_order([node]) for number, _ in [_added(part)] if number}
    return tuple(sorted(found))


def without_epsilons(node: Node) -> Node:
    """`node` with these numbers left out."""
    replaced: Mapping[Node, Node] = {}
    for part in topological_order([node]):
        number, rest = _added(part)
        if number and rest is not None:
            (rest,) = rebuild([rest], replaced.get)
            replaced = {**replaced, part: rest}
    (plain,) = rebuild([node], replaced.get)
    return plain


def _added(node: Node) -> tuple[float, Node | None]:
    """The ε of `x + ε`, and x; 0 for another expression."""
    if applies(node, Add):
        for constant, rest in (node.operands, node.operands[::-1]):
            if isinstance(constant, Const) and isinstance(constant.value, float) and 0 < constant.value <= _MOST:
                return constant.value, rest
    return 0.0, None


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """The largest difference of two values relative to the first; infinite where one is not finite."""
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return np.inf
    return float(np.abs(first - second).max(initial=0.0)) / max(float(np.abs(first).max(initial=0.0)), 1e-9)
