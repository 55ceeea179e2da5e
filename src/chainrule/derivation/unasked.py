"""Broadcasts that are implicit in NumPy and on paper."""

from __future__ import annotations

from chainrule.calculus import COTANGENT, TANGENT, is_scale
from chainrule.derivation.factors import is_elementwise
from chainrule.ir import Apply, Input, Node, applies, topological_order
from chainrule.primitives import Broadcast, Divide, Reshape, Sum


def stretched(order: list[Node]) -> set[Node]:
    """Return the nodes that broadcast a forward value to combine it with a full array, or a number to divide it."""
    users: dict[Node, list[Node]] = {}
    for part in order:
        for operand in part.operands if isinstance(part, Apply) else ():
            users.setdefault(operand, []).append(part)
    repeated: set[Node] = set()
    thin: set[Node] = set()
    for part in order:
        if is_scale(part) or (is_elementwise(part) and thin.issuperset(part.operands)):
            thin.add(part)
        elif applies(part, Broadcast) and (_repeats_unasked(part) or _is_divisor(part, users.get(part, []))):
            repeated.add(part)
            thin.add(part)

    def meets_full_shape(node: Node) -> bool:
        uses = users.get(node, [])
        return bool(uses) and all(
            is_elementwise(use) and (meets_full_shape(use) if use in thin else True) for use in uses
        )

    return {node for node in repeated if meets_full_shape(node)}


def _repeats_unasked(node: Apply) -> bool:
    """Whether the broadcast of a forward value is implicit in NumPy: its axes are the last ones, or of size 1."""
    axes, ndim = node.primitive.axes, node.type.ndim
    fits = axes == tuple(range(ndim - len(axes), ndim)) or applies(node.operands[0], Reshape)
    return fits and not any(map(_is_calculus, topological_order(node.operands)))


def _is_divisor(node: Apply, uses: list[Node]) -> bool:
    """Whether `node` repeats a number and only divides: an array divided by a number needs no ones."""
    return not node.primitive.axes and all(
        isinstance(use, Apply) and isinstance(use.primitive, Divide) and use.operands[0] is not node for use in uses
    )


def _is_calculus(node: Node) -> bool:
    """Whether `node` is a tangent, a cotangent, or a sum."""
    match node:
        case Input(name):
            return name.startswith((TANGENT, COTANGENT))
    return applies(node, Sum)
