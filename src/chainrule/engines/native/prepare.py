"""Expansion of primitives before code generation."""

from __future__ import annotations

from dataclasses import replace

from chainrule.calculus import Scan
from chainrule.ir import (
    Apply,
    Node,
    Program,
    ProgramError,
    ShapeError,
    applies,
    concrete,
    rebuild,
    topological_order,
)
from chainrule.primitives import Composite, Linear, NotExpandableError

MOST_STEPS = 1000
"""The number of operations, in all steps, up to which a recurrence is written step by step."""


def prepare(program: Program, calls: bool = True) -> Program:
    """Return `program` with its composite primitives expanded, but for those that are too large, which are `called`.

    Without `calls` only those remain that cannot be expanded. Raises ShapeError if a size is symbolic.
    """
    for node in program.inputs:
        if not node.type.is_concrete:
            raise ShapeError(f"{node.name} has the type {node.type}; generated code needs every size to be a number")
    outputs = program.outputs
    while (written_out := rebuild(outputs, lambda node: _expansion(node, calls))) != outputs:
        outputs = written_out
    return program if outputs == program.outputs else Program(program.inputs, outputs)


def without_recurrences(program: Program, calls: bool = True) -> Program:
    """Return `program` with short recurrences written step by step, to be held in registers; others are left."""
    outputs = program.outputs
    while (written_out := rebuild(outputs, _steps)) != outputs:
        outputs = written_out
    return program if outputs == program.outputs else prepare(Program(program.inputs, outputs), calls)


def _steps(node: Node) -> Node | None:
    if not applies(node, Scan):
        return None
    kind = node.primitive
    if concrete(kind.length) * len(topological_order(kind.outputs)) > MOST_STEPS:
        return None
    steps: Node = kind.expand(*node.operands)
    return steps


def _expansion(node: Node, calls: bool) -> Node | None:
    if applies(node, Scan):
        step = rebuild(node.primitive.outputs, lambda part: _expansion(part, calls=False))
        return None if step == node.primitive.outputs else Apply(replace(node.primitive, outputs=step), node.operands)
    if not applies(node, Composite, Linear):
        return None
    if calls and applies(node, Composite) and node.primitive.is_called(*(each.type for each in node.operands)):
        return None
    try:
        expanded: Node | None = node.primitive.expand(*node.operands)
    except NotExpandableError:
        return None
    if expanded is not None and expanded.type != node.type:
        raise ProgramError(f"{node.primitive} of type {node.type} is expanded to the type {expanded.type}")
    return expanded
