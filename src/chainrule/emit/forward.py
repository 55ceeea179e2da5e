"""A program as named lines over array expressions, without a backward pass, for export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chainrule.calculus import split_stages
from chainrule.emit.arrays import ArrayWriter
from chainrule.emit.expressions import Arena, Expr, name_of
from chainrule.emit.layout import Text
from chainrule.emit.lowering import Lowering
from chainrule.emit.names import Names
from chainrule.emit.numpy_writer import NumPyWriter
from chainrule.emit.passes import Argument, in_order_of_writing, refuse_random
from chainrule.emit.python_file import Needs, body, needs_of
from chainrule.emit.sharing import Line, alive, shared, shortened
from chainrule.emit.torch_writer import TorchWriter
from chainrule.ir import Program, refuses_deep_nesting
from chainrule.primitives import Primitive

_WRITERS: dict[str, type[ArrayWriter]] = {"numpy": NumPyWriter, "torch": TorchWriter}


@dataclass(frozen=True)
class Forward:
    """`lines` compute `outputs` from the variables of `arguments`, which are the inputs of the program in order."""

    arguments: tuple[Argument, ...]
    lines: tuple[Line, ...]
    outputs: tuple[Expr, ...]
    names: Names


@dataclass(frozen=True)
class Body:
    """The body of a Python function: its arguments, lines, output variables, and required names."""

    arguments: tuple[str, ...]
    lines: tuple[Text, ...]
    outputs: tuple[str, ...]
    needs: Needs


@refuses_deep_nesting
def find_forward(
    program: Program,
    has: Callable[[Primitive], bool],
    reserved: Sequence[str] = (),
    writer: type[ArrayWriter] | None = None,
) -> Forward:
    """Return the lines of `program` for a target that `has` some primitives; `writer` limits their length.

    Raises EmitError for a program that draws random numbers.
    """
    arena, names = Arena(), Names(reserved)
    lowering = Lowering(arena, has)
    stages = in_order_of_writing(list(split_stages(program)), list(program.names.values()))
    refuse_random(program.nodes, stages)
    arguments = []
    for node in program.inputs:
        variable = arena.variable(names.take(node.name), node.type.shape, node.type.dtype)
        lowering.define(node, variable)
        arguments.append(Argument(node.name, variable, is_differentiated=False))
    results = set(program.outputs)
    variables: dict[object, Expr] = {}
    lines = []
    for stage in stages:
        value = (lowering.strict if stage.node in results else lowering.loose)(stage.expression)
        variables[stage.node] = arena.variable(names.take(stage.name), value.shape, value.dtype)
        lowering.define(stage.symbol, variables[stage.node])
        lowering.define(stage.expression, variables[stage.node])
        lines.append(Line(variables[stage.node], value, stage.name))
    outputs = tuple(variables[node] for node in program.outputs)
    lines = shared(arena, names, alive(lines, outputs))
    if writer is not None:
        # A shape may have to be written explicitly if no array of it is available.
        at_hand = [arena.variable("x", (), program.outputs[0].type.dtype)]
        lines = shortened(
            arena,
            names,
            lines,
            lambda x: len(str(writer(Names(), at_hand, {}).write(x))),
            writer.line_limit,
        )
    return Forward(tuple(arguments), tuple(lines), outputs, names)


def forward_body(program: Program, target: str, reserved: Sequence[str] = ()) -> Body:
    """Return the program as the body of a function for `target`, "numpy" or "torch"; locals avoid `reserved`.

    Raises EmitError for operations that the target does not support.
    """
    kind = _WRITERS[target]
    taken = ("math", "np", *kind.imported, *kind.helpers, *reserved)
    forward = find_forward(program, kind.knows, taken, kind)
    variables = [argument.variable for argument in forward.arguments]
    writer = kind(forward.names, variables, {})
    lines = body(writer, forward.lines, variables)
    return Body(
        tuple(name_of(x) for x in variables),
        tuple(lines),
        tuple(name_of(x) for x in forward.outputs),
        needs_of(kind, writer.uses),
    )
