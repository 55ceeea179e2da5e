"""Detection of an unintended broadcast: predictions (n, 1) and targets (n,) give (n, n)."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

from chainrule.calculus import written_nodes
from chainrule.ir import Apply, ArrayType, Dim, Input, Node, Program, applies, named_dim, shape_text
from chainrule.primitives import Broadcast, Reshape
from chainrule.trace import trace_with_recurrences
from chainrule.training.arguments import Arguments
from chainrule.words import ChainruleError

_ROWS = named_dim("rows")


def crossed_rows(
    loss: Callable[..., Any] | Program | str, arguments: Arguments, program: Program, size: int
) -> str | None:
    """Describe the first place where `loss` combines each row of a prediction with every row of data, or return None.

    If axes of length `size` do so in `program`, the loss on `size` rows, the loss is traced again with a symbolic size
    to distinguish rows from other axes. A loss that needs the number of rows, or that is a Program, is not checked.
    """
    if isinstance(loss, Program) or (size > 1 and rows_that_cross(program, arguments.params, size) is None):
        return None
    unbatched = {**arguments.params, **arguments.constants}
    shapes = {name: ArrayType(array.shape, arguments.dtype_of(array)) for name, array in unbatched.items()}
    for name, array in arguments.rows.items():
        shapes[name] = ArrayType((_ROWS, *array.shape[1:]), arguments.dtype_of(array))
    try:
        program = trace_with_recurrences(loss, **shapes)
    except (ChainruleError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None
    met = rows_that_cross(program, arguments.params)
    if met is None:
        return None
    prediction, data = met
    return (
        f"the loss meets {_called(prediction, program.names, 'predictions')} with "
        f"{_called(data, program.names, 'data')}, which broadcasts to (rows, rows), every row against every "
        "other; give the two the same shape, as y[:, None] or p[:, 0] does"
    )


def rows_that_cross(program: Program, predicted: Container[str], rows: Dim = _ROWS) -> tuple[Node, Node] | None:
    """Find the first operation that combines each row of one operand with every row of another.

    Returns the operand that depends on the `predicted` inputs and the one that does not. Rows are the axes of length
    `rows`.
    """
    learnt: set[Node] = {node for node in program.inputs if node.name in predicted}
    for node in written_nodes(program.outputs):
        if not isinstance(node, Apply):
            continue
        if not learnt.isdisjoint(node.operands):
            learnt.add(node)
        meeting = [_stretched(operand, rows) for operand in node.operands]
        if node.type.shape != (rows, rows) or len(meeting) != 2:
            continue
        (first, first_axis), (second, second_axis) = meeting
        if (
            first_axis != second_axis
            and -1 not in (first_axis, second_axis)
            and (first in learnt) != (second in learnt)
        ):
            return (first, second) if first in learnt else (second, first)
    return None


def _stretched(node: Node, rows: Dim) -> tuple[Node, int]:
    """Return the value that was broadcast along the rows to make `node`, and the axis of its own rows.

    The axis is -1 if nothing was broadcast.
    """
    if not (applies(node, Broadcast) and node.primitive.shape == (rows, rows)):
        return node, -1
    (source,) = node.operands
    axis = node.primitive.axes[0] if node.primitive.axes else -1
    squeezed = applies(source, Reshape)
    return (source.operands[0] if squeezed and isinstance(source, Apply) else source), axis


def _called(node: Node, names: Mapping[Node, str], otherwise: str) -> str:
    name = node.name if isinstance(node, Input) else names.get(node, otherwise)
    return f"{name} of shape {shape_text(node.type.shape)}"
