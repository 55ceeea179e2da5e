"""Decides which values of a program are stored, and which are recomputed where they are used.

Values that are cheap, or used once, are fused into the loop that uses them. Stored are outputs, expensive values that
are used twice, and values that a product or a broadcast would recompute repeatedly.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from chainrule.calculus import Scan
from chainrule.ir import Apply, Const, Input, Node, topological_order
from chainrule.primitives import (
    Abs,
    Add,
    Broadcast,
    Cast,
    Compare,
    Contract,
    Divide,
    Gather,
    LogicalAnd,
    LogicalNot,
    LogicalOr,
    Maximum,
    Minimum,
    Multiply,
    Negate,
    OneHot,
    Permute,
    Relu,
    Reshape,
    ScatterAdd,
    Sign,
    Slice,
    Square,
    Subtract,
    Where,
    Windows,
)

VIEWS = (Broadcast, Permute, Reshape, Slice, Gather, Windows)
"""Primitives that only remap indices."""
_CHEAP = (
    Abs, Add, Cast, Compare, LogicalAnd, LogicalNot, LogicalOr, Maximum, Minimum, Multiply, Negate, OneHot, Relu, Sign,
    Square, Subtract, Where,
)  # fmt: skip
_SIZE_LIMIT = 8
_DEPTH_LIMIT = 40


def stored_values(
    outputs: Sequence[Node], reduces: Callable[[Apply], bool], apart: Collection[Node] = ()
) -> dict[Node, None]:
    """Return the applications to store, operands first; `reduces` tells whether an element requires a loop.

    The values that `apart` needs are computed by a separate function, so nothing is fused across that boundary.
    """
    order = topological_order(outputs)
    early = set(topological_order(apart))
    consumers: dict[Node, list[Apply]] = {}
    for node in order:
        if isinstance(node, Apply):
            for operand in dict.fromkeys(node.operands):
                consumers.setdefault(operand, []).append(node)
    sizes = _sizes(order, reduces, set(outputs))
    stored: set[Node] = set()
    sites: dict[Node, int] = {}
    repeated: dict[Node, bool] = {}
    alone: dict[Node, bool] = {}
    crossing: dict[Node, bool] = {}
    for node in reversed(order):
        if not isinstance(node, Apply):
            continue
        mine = consumers.get(node, [])
        sites[node] = min(sum(1 if c in stored else sites[c] for c in mine), 1000)
        repeated[node] = any(_repeats(c, reduces) or (c not in stored and repeated[c]) for c in mine)
        alone[node] = all(c.primitive.is_pointwise and (c in stored or alone[c]) for c in mine)
        # A view is stored through its operand.
        crossing[node] = node in early and any(c not in early or (c not in stored and crossing[c]) for c in mine)
        must = _must_store(node, reduces, sites[node], repeated[node], alone[node], sizes[node])
        if node in outputs or must or (crossing[node] and _is_work(node)):
            stored.add(node)
    return {node: None for node in order if node in stored}


def _must_store(
    node: Apply, reduces: Callable[[Apply], bool], sites: int, repeated: bool, alone: bool, size: int
) -> bool:
    primitive = node.primitive
    if isinstance(primitive, Scan):
        return True
    if is_constant(node) or isinstance(primitive, VIEWS):
        return False
    if isinstance(primitive, ScatterAdd):
        return True
    if reduces(node):
        return sites > 1 or repeated or not alone
    if repeated:
        return size > 1 or not isinstance(primitive, _CHEAP)
    if sites > 1:
        return not isinstance(primitive, (*_CHEAP, Divide)) or size > _SIZE_LIMIT
    return size > _DEPTH_LIMIT


def _is_work(node: Apply) -> bool:
    """Whether recomputing `node` takes more than a load."""
    return not isinstance(node.primitive, VIEWS) and not is_constant(node)


def _repeats(consumer: Apply, reduces: Callable[[Apply], bool]) -> bool:
    """Whether one element of an operand is used by several elements of the consumer."""
    primitive = consumer.primitive
    if isinstance(primitive, Broadcast | Gather | Contract | Scan | Windows):
        return True
    return reduces(consumer) and len(consumer.type.shape) >= len(consumer.operands[0].type.shape)


def is_constant(node: Node) -> bool:
    """Whether `node` depends on numbers and sizes alone."""
    return not any(
        isinstance(part, Input) or (isinstance(part, Const) and not part.is_filled)
        for part in topological_order([node])
    )


def _sizes(order: Sequence[Node], reduces: Callable[[Apply], bool], stored: Collection[Node]) -> dict[Node, int]:
    """Return the operations of each value, counting fused values once per use, and `stored` values not at all."""
    sizes: dict[Node, int] = {}
    for node in order:
        if not isinstance(node, Apply):
            sizes[node] = 0
        else:
            inside = sum(
                0
                if o in stored or (isinstance(o, Apply) and (reduces(o) or isinstance(o.primitive, ScatterAdd)))
                else sizes[o]
                for o in node.operands
            )
            sizes[node] = min(inside + (0 if isinstance(node.primitive, VIEWS) else 1), 10_000)
            if sizes[node] > _DEPTH_LIMIT + 1:
                sizes[node] = _DEPTH_LIMIT + 1 if inside > _DEPTH_LIMIT else sizes[node]
    return sizes
