"""Expansion of primitives before code generation."""

from __future__ import annotations

from chainrule.engines.loop import EngineError
from chainrule.ir import Node, Program, ProgramError, ShapeError, applies, rebuild
from chainrule.primitives import Composite, Linear, NotExpandableError


def prepare(program: Program) -> Program:
    """Return `program` without composite primitives.

    Raises ShapeError if a size is symbolic, EngineError if a value is too large to expand.
    """
    for node in program.inputs:
        if not node.type.is_concrete:
            raise ShapeError(f"{node.name} has the type {node.type}; generated code needs every size to be a number")
    outputs = program.outputs
    while (written_out := rebuild(outputs, _expansion)) != outputs:
        outputs = written_out
    return program if outputs == program.outputs else Program(program.inputs, outputs)


def _expansion(node: Node) -> Node | None:
    if not applies(node, Composite, Linear):
        return None
    try:
        expanded: Node | None = node.primitive.expand(*node.operands)
    except NotExpandableError as error:
        raise EngineError(f'{error}; use engine="reference"') from None
    if expanded is not None and expanded.type != node.type:
        raise ProgramError(f"{node.primitive} of type {node.type} is expanded to the type {expanded.type}")
    return expanded
