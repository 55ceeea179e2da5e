"""Programs made ready for code: everything that is computed as an expression in other primitives is written out."""

from __future__ import annotations

from chainrule.ir import Apply, Node, Program, ShapeError, rebuild, topological_order
from chainrule.primitives import Composite


def prepare(program: Program) -> Program:
    """`program` without composite primitives; raises ShapeError while a size is still a name."""
    for node in program.inputs:
        if not node.type.is_concrete:
            raise ShapeError(f"{node.name} has the type {node.type}; generated code needs every size to be a number")
    outputs = program.outputs
    while any(_is_composite(node) for node in topological_order(outputs)):
        outputs = rebuild(outputs, _expansion)
    return program if outputs is program.outputs else Program(program.inputs, outputs)


def _is_composite(node: Node) -> bool:
    return isinstance(node, Apply) and isinstance(node.primitive, Composite)


def _expansion(node: Node) -> Node | None:
    if isinstance(node, Apply) and isinstance(node.primitive, Composite):
        return node.primitive.expand(*node.operands)
    return None
