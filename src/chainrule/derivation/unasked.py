"""Which forward values are repeated as NumPy repeats them unasked."""

from __future__ import annotations

from chainrule.calculus import COTANGENT, TANGENT, is_scale
from chainrule.ir import Apply, Input, Node, topological_order
from chainrule.primitives import Add, Broadcast, Elementwise, Multiply, Negate, Reshape, Subtract, Sum


def stretched(order: list[Node]) -> set[Node]:
    """The nodes that repeat a forward value only to meet an array of full shape, as NumPy does unasked."""
    users: dict[Node, list[Node]] = {}
    for part in order:
        for operand in part.operands if isinstance(part, Apply) else ():
            users.setdefault(operand, []).append(part)
    repeated: set[Node] = set()
    thin: set[Node] = set()
    for part in order:
        if is_scale(part):
            thin.add(part)
        elif isinstance(part, Apply):
            if isinstance(part.primitive, Broadcast):
                if _repeats_unasked(part) and not any(map(_is_calculus, topological_order(part.operands))):
                    repeated.add(part)
                    thin.add(part)
            elif _is_elementwise(part) and thin.issuperset(part.operands):
                thin.add(part)

    def meets_full_shape(node: Node) -> bool:
        uses = users.get(node, [])
        return bool(uses) and all(
            _is_elementwise(use) and (meets_full_shape(use) if use in thin else True) for use in uses
        )

    return {node for node in repeated if meets_full_shape(node)}


def _is_elementwise(node: Node) -> bool:
    return isinstance(node, Apply) and isinstance(node.primitive, Elementwise | Multiply | Add | Subtract | Negate)


def _repeats_unasked(node: Apply) -> bool:
    """Whether NumPy's own rule repeats the operand: its axes are the last ones, or of size 1."""
    axes, ndim = node.primitive.axes, node.type.ndim
    reshaped = isinstance(node.operands[0], Apply) and isinstance(node.operands[0].primitive, Reshape)
    return axes == tuple(range(ndim - len(axes), ndim)) or reshaped


def _is_calculus(node: Node) -> bool:
    """Whether `node` is a tangent, a cotangent, or a sum."""
    if isinstance(node, Input):
        return node.name.startswith((TANGENT, COTANGENT))
    return isinstance(node, Apply) and isinstance(node.primitive, Sum)
