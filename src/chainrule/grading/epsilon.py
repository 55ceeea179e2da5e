"""The effect on gradients of an ε that a reference adds to keep a logarithm or a quotient finite.

On paper it is omitted: p − y is accepted as the gradient of −log(p + 1e-8).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chainrule.ir import Const, Node, applies, rebuild, topological_order
from chainrule.primitives import Add

_MOST = 1e-4
MOST_BY_EPSILON = 0.1
"""The tolerance for its effect on a gradient, relative to the largest element, for a logarithm of almost 0."""


def epsilons(node: Node) -> tuple[float, ...]:
    """Return the small positive constants that are added in an expression."""
    found = {number for part in topological_order([node]) for number, _ in [_added(part)] if number}
    return tuple(sorted(found))


def without_epsilons(node: Node) -> Node:
    """Return `node` without these constants."""
    replaced: Mapping[Node, Node] = {}
    for part in topological_order([node]):
        number, rest = _added(part)
        if number and rest is not None:
            (rest,) = rebuild([rest], replaced.get)
            replaced = {**replaced, part: rest}
    (plain,) = rebuild([node], replaced.get)
    return plain


def _added(node: Node) -> tuple[float, Node | None]:
    """Return the ε of `x + ε`, and x; 0 for another expression."""
    if applies(node, Add):
        for constant, rest in (node.operands, node.operands[::-1]):
            if isinstance(constant, Const) and isinstance(constant.value, float) and 0 < constant.value <= _MOST:
                return constant.value, rest
    return 0.0, None


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest difference of two values relative to the first; infinite if one is not finite."""
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return np.inf
    return float(np.abs(first - second).max(initial=0.0)) / max(float(np.abs(first).max(initial=0.0)), 1e-9)
