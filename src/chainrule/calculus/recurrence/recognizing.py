"""Recognition of handwritten functions in a program that contains recurrences."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from chainrule.calculus.recognize import recognize
from chainrule.calculus.recurrence.scan import Recurrence, Scan
from chainrule.ir import Apply, Node, Program, applies, topological_order


def recognized(program: Program) -> Program:
    """Return the program with handwritten functions replaced by named ones, also in the steps of recurrences."""
    made: dict[Node, Node] = {}
    done: dict[Hashable, list[Apply]] = {}
    if any(applies(node, Scan) for node in program.nodes):
        for node in topological_order([*program.outputs, *program.names]):
            if not isinstance(node, Apply):
                made[node] = node
                continue
            operands = tuple(made[operand] for operand in node.operands)
            if not applies(node, Scan):
                made[node] = Apply(node.primitive, operands)
                continue
            key = node.primitive.together, node.operands
            if key not in done:
                done[key] = _with_recognized_step(Recurrence.of(node.primitive, operands)).results()
            made[node] = done[key][node.primitive.output]
        program = replace(
            program,
            outputs=tuple(made[output] for output in program.outputs),
            names={made[node]: name for node, name in program.names.items()},
            demands=(),
        )
    return recognize(program)[0]


def _with_recognized_step(recurrence: Recurrence) -> Recurrence:
    symbols = tuple(part.symbol for part in recurrence.parts)
    step = recognized(Program(symbols, recurrence.outputs, dict(recurrence.names)))
    count, ends = len(recurrence.carries), len(step.outputs) - len(recurrence.terms)
    return replace(
        recurrence,
        carries=tuple(
            replace(each, following=node) for each, node in zip(recurrence.carries, step.outputs, strict=False)
        ),
        ys=step.outputs[count:ends],
        terms=step.outputs[ends:],
        names=tuple(step.names.items()),
    )
