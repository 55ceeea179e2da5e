"""Linearization: the differential of every equation, chained from inputs to outputs.

The result is a linear program in the tangents; forward values appear in it as constants. Each primitive defines its
own differential.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.ir import Apply, Node, topological_order


def linearize(outputs: Sequence[Node], seeds: Mapping[Node, Node]) -> list[Node | None]:
    """Return the tangent of each output, given the tangent `seeds[x]` of each independent `x`; None for zero.

    Nodes in `seeds` are independent even if they are expressions: their operands are held constant.
    """
    tangents: dict[Node, Node] = dict(seeds)
    for node in topological_order(outputs, stop=seeds):
        if node in tangents or not isinstance(node, Apply):
            continue
        incoming = [tangents.get(operand) for operand in node.operands]
        if any(tangent is not None for tangent in incoming):
            tangent = node.primitive.differential(node.operands, node, incoming)
            if tangent is not None:
                tangents[node] = tangent
    return [tangents.get(output) for output in outputs]
