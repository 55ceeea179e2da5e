"""The kinks of a program: a maximum at a tie, |x| at 0, a condition where its sides are equal.

The maximum of a few stacked values also counts as nested maxima: see `written_out`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    Relu,
    Where,
)

OPPOSITE: dict[Comparison, Comparison] = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
STACK_LIMIT = 8
"""The number of stacked values above which their maximum does not count as nested maxima."""


@dataclass(frozen=True, eq=False)
class Kink:
    """A function with a kink where `left` equals `right`; of a choice, `node` is the condition."""

    node: Apply
    left: Node
    right: Node

    @property
    def is_condition(self) -> bool:
        """Whether the kink is the condition of a choice."""
        return isinstance(self.node.primitive, Compare)


def find_kinks(program: Program) -> list[Kink]:
    """Return every kink of a program: maxima, minima, magnitudes and similar functions, and conditions of choices."""
    found: dict[Node, Kink] = {}
    for node in program.nodes:
        match node:
            case Apply(Maximum() | Minimum(), (x, y)):
                found[node] = Kink(node, x, y)
            case Apply(Elu(alpha=1)):
                pass
            case Apply(Abs() | Relu() | LeakyRelu() | Elu(), (x,)):
                found[node] = Kink(node, x, Const(0, node.type))
            case Apply(Where(), (condition, _, _)):
                found |= {part: kink for part in topological_order([condition]) if (kink := _ordering(part))}
    return list(found.values())


def _ordering(node: Node) -> Kink | None:
    """Return the kink of an ordering comparison of floats, or None."""
    match node:
        case Apply(Compare(comparison), (x, y)) if comparison in OPPOSITE and x.type.dtype.is_float:
            return Kink(node, x, y)
    return None


def is_relu(kink: Kink) -> bool:
    """Whether the kink is that of a maximum with 0."""
    match kink.node:
        case Apply(Maximum(), (Const(0), _) | (_, Const(0))):
            return True
    return False


def stacked_extrema(program: Program) -> dict[Node, list[Node]]:
    """Return the maxima and minima over a few stacked values, with these values."""
    found = {node: _stacked(node) for node in program.nodes}
    return {node: values for node, values in found.items() if values is not None}


def _stacked(node: Node) -> list[Node] | None:
    match node:
        case Apply(Max(axes) | Min(axes), (Apply(Concatenate(axis), parts) as stack,)) if axes == (axis,):
            kept = tuple(place for place in range(stack.type.ndim) if place != axis)
        case _:
            return None
    values: list[Node] = []
    for part in parts:
        match part:
            case _ if part.type.shape[axis] != 1:
                return None
            case Const() if part.is_filled:
                values.append(Const(part.value, node.type))
            case Apply(Broadcast(axes=along), (x,)) if along == kept and x.type == node.type:
                values.append(x)
            case _:
                return None
    return values if len(values) <= STACK_LIMIT else None


def written_out(program: Program, chosen: Mapping[Node, Sequence[Node]]) -> tuple[Program, dict[Node, list[Node]]]:
    """Rewrite the `chosen` reductions as nested maxima or minima of two values, and return these."""
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
