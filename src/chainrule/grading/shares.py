"""What a term inside an expression contributes to its value: A ⊙ C of A ⊙ (B + C)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.grading.comparison import Array, equal
from chainrule.ir import Apply, Node, substitute, topological_order
from chainrule.primitives import Add, Subtract


def share_of(root: Node, part: Node, term: Node) -> Node:
    """Return `root` with `term` in the place of `part`, without the other terms of the sums around it."""
    if root is part or not isinstance(root, Apply):
        return term
    within = [operand for operand in root.operands if any(node is part for node in topological_order([operand]))]
    if len(within) != 1:
        return substitute([root], {part: term})[0]
    inner = share_of(within[0], part, term)
    return inner if isinstance(root.primitive, Add | Subtract) else substitute([root], {within[0]: inner})[0]


def is_difference(share: Sequence[Array], whole: Sequence[Array], rest: Sequence[Array]) -> bool:
    """Whether a share is what a value has more than its rest, up to the sign."""
    return any(
        all(
            a.shape == b.shape and equal(np.broadcast_to(s * sign, a.shape), a - b)
            for s, a, b in zip(share, whole, rest, strict=True)
        )
        for sign in (1.0, -1.0)
    )
