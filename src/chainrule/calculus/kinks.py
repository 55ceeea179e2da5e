"""What a kink is, and where a program has one: a maximum at a tie, |x| at 0, a condition where its sides are equal.

The largest of a few values that were stacked is known as a maximum of maxima too: `written_out`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from chainrule.calculus.rules import applied, is_filled
from chainrule.ir import Apply, Const, Node, Program, topological_order
from chainrule.primitives import (
    Abs,
    Broadcast,
    Compare,
    Comparison,
    Concatenate,
    Elu,
    LeakyRelu,
    Max,
    Maximum,
    Min,
    Minimum,
    Primitive,
    Relu,
    Where,
)

OPPOSITE: dict[Comparison, Comparison] = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
STACK_LIMIT = 8
"""Of more values that are stacked, the largest is not taken for a maximum of maxima."""


@dataclass(frozen=True, eq=False)
class Kink:
    """A function with a kink where `left` equals `right`; of a choice, `node` is the condition."""

    node: Apply
    left: Node
    right: Node

    @property
    def is_condition(self) -> bool:
        """Whether it is the condition of a choice."""
        return isinstance(self.node.primitive, Compare)


def find_kinks(program: Program) -> list[Kink]:
    """Every kink of a program: maxima, magnitudes and their kin, and conditions of choices."""
    found: dict[Node, Kink] = {}
    for node in program.nodes:
        if not isinstance(node, Apply):
            continue
        if isinstance(node.primitive, Maximum | Minimum):
            found[node] = Kink(node, *node.operands)
        elif isinstance(node.primitive, Abs | Relu | LeakyRelu) or _is_bent(node.primitive):
            found[node] = Kink(node, node.operands[0], Const(0, node.type))
        elif isinstance(node.primitive, Where):
            for part in topological_order([node.operands[0]]):
                if _is_ordering(part):
                    found[part] = Kink(part, *part.operands)
    return list(found.values())


def _is_bent(primitive: Primitive) -> bool:
    return isinstance(primitive, Elu) and primitive.alpha != 1


def _is_ordering(node: Node) -> TypeGuard[Apply]:
    """Whether `node` compares the sizes of floats."""
    compared = applied(node, Compare)
    return (
        compared is not None and compared.primitive.comparison in OPPOSITE and compared.operands[0].type.dtype.is_float
    )


def is_relu(kink: Kink) -> bool:
    """Whether it is a maximum with 0."""
    return isinstance(kink.node.primitive, Maximum) and (is_filled(kink.left, 0) or is_filled(kink.right, 0))


def stacked_extrema(program: Program) -> dict[Node, list[Node]]:
    """Every maximum and minimum over a few values that were stacked, with these values."""
    found = {node: _stacked(node) for node in program.nodes if applied(node, Max, Min)}
    return {node: values for node, values in found.items() if values is not None}


def _stacked(node: Node) -> list[Node] | None:
    reduction = applied(node, Max, Min)
    stack = None if reduction is None else applied(reduction.operands[0], Concatenate)
    if reduction is None or stack is None or reduction.primitive.axes != (stack.primitive.axis,):
        return None
    axis = stack.primitive.axis
    kept = tuple(place for place in range(stack.type.ndim) if place != axis)
    values: list[Node] = []
    for part in stack.operands:
        repeated = applied(part, Broadcast)
        if part.type.shape[axis] != 1:
            return None
        if isinstance(part, Const) and part.is_filled:
            values.append(Const(part.value, node.type))
        elif repeated is not None and repeated.primitive.axes == kept and repeated.operands[0].type == node.type:
            values.append(repeated.operands[0])
        else:
            return None
    return values if len(values) <= STACK_LIMIT else None


def written_out(program: Program, chosen: Mapping[Node, Sequence[Node]]) -> tuple[Program, dict[Node, list[Node]]]:
    """`program` with each of the `chosen` reductions as maxima or minima of two values, and which these are."""
    made: dict[Node, Node] = {}
    chains: dict[Node, list[Node]] = {}
    for node in program.nodes:
        if node in chosen:
            assert isinstance(node, Apply)
            pairwise = Maximum() if isinstance(node.primitive, Max) else Minimum()
            found, *others = (made.get(value, value) for value in chosen[node])
            chains[node] = [found := pairwise(found, value) for value in others]
            made[node] = found
        elif isinstance(node, Apply):
            made[node] = Apply(node.primitive, tuple(made.get(operand, operand) for operand in node.operands))
        else:
            made[node] = node
    names = {made[node]: name for node, name in program.names.items()}
    return Program(program.inputs, tuple(made[output] for output in program.outputs), names), chains
