"""Functions of a Hessian or of Jacobians, and of their products with a vector, beside the passes of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.derivation import Derivatives, derivatives_verifier, is_upstream
from chainrule.emit.arrays import ArrayWriter
from chainrule.emit.errors import UnverifiedError
from chainrule.emit.expressions import name_of
from chainrule.emit.forward import find_forward
from chainrule.emit.layout import block, bracketed, docstring, shape_comment
from chainrule.emit.python_file import body
from chainrule.emit.tasks import Task, further_tasks, task_program
from chainrule.ir import Input, Node, Program, substitute

_TOLERANCE = 1e-8


@dataclass(frozen=True)
class FurtherFunction:
    """The text of a function, and the names that it uses."""

    name: str
    lines: tuple[str, ...]
    uses: tuple[str, ...]


def further_functions(
    derivatives: Derivatives | None, kind: type[ArrayWriter], reserved: Sequence[str], prefix: str = ""
) -> list[FurtherFunction]:
    """Return the functions of `derivatives` for a target that writes with `kind`; their names begin with `prefix`."""
    if derivatives is None:
        return []
    return [_written(task, derivatives, kind, reserved, prefix) for task in further_tasks(derivatives)]


def _written(
    task: Task, derivatives: Derivatives, kind: type[ArrayWriter], reserved: Sequence[str], prefix: str
) -> FurtherFunction:
    program = task_program(task, derivatives)
    names = {direction: _direction_name(direction, derivatives) for direction in task.directions}
    forward = find_forward(_renamed(program, names), kind.knows, reserved, kind)
    arguments = [argument.variable for argument in forward.arguments]
    writer = kind(forward.names, arguments, {})
    lines = body(writer, forward.lines, arguments)
    outputs = [name_of(x) for x in forward.outputs]
    shapes = "; ".join(f"{name_of(x)} {shape_comment(x.shape)}".replace(" ", "\u00a0") for x in arguments) + "."
    name = prefix + task.name
    text = [
        "",
        "",
        *bracketed(f"def {name}(", [name_of(x) for x in arguments], "):"),
        *docstring([task.says, shapes], 4),
        *block(lines, 4),
        f"    return {_nested(outputs, [len(row) for row in task.rows])}",
    ]
    return FurtherFunction(name, tuple(text), tuple(writer.uses))


def _direction_name(direction: Input, derivatives: Derivatives) -> str:
    """Return `v`, or `v_w` for one of several directions."""
    name = direction.name.replace(" ", "_")
    return name if len(derivatives.parameters) > 1 else name.partition("_")[0]


def _renamed(program: Program, names: Mapping[Input, str]) -> Program:
    taken = {node.name for node in program.inputs}
    new: dict[Node, Node] = {
        node: Input(name if name not in taken else f"{name}_", node.type) for node, name in names.items()
    }
    outputs = substitute(list(program.outputs), new)
    named = dict(zip(substitute(list(program.names), new), program.names.values(), strict=True))
    return Program(_inputs(program, new), tuple(outputs), named)


def _inputs(program: Program, new: Mapping[Node, Node]) -> tuple[Input, ...]:
    return tuple(found for node in program.inputs if isinstance(found := new.get(node, node), Input))


def _nested(names: Sequence[str], counts: Sequence[int]) -> str:
    """Return rows of names as a tuple of tuples; a row or a tuple of one entry as the entry."""
    left = iter(names)
    rows = [[next(left) for _ in range(count)] for count in counts]
    written = [row[0] if len(row) == 1 else f"({', '.join(row)})" for row in rows]
    return written[0] if len(written) == 1 else ", ".join(written)


def check_further(derivatives: Derivatives, text: str) -> None:
    """Run the functions of a file in NumPy at a point; raise UnverifiedError unless they give what was derived."""
    verifier = derivatives_verifier(derivatives)
    values = verifier.point()
    space: dict[str, Any] = {}
    exec(compile(text, "<emitted source>", "exec"), space)  # noqa: S102
    inputs = [node for node in derivatives.first.program.inputs if not is_upstream(node)]
    for task in further_tasks(derivatives):
        function: Callable[..., Any] = space[task.name]
        arguments = [verifier.value_of(node, values) for node in (*inputs, *task.directions)]
        try:
            with np.errstate(all="ignore"):
                found = _flat(function(*arguments))
        except Exception as error:
            raise UnverifiedError(
                f"nothing is written, since {task.name} in NumPy fails with {type(error).__name__}: {error}"
            ) from error
        expected = [verifier.value_of(node, values) for row in task.rows for node in row]
        for one, other in zip(found, expected, strict=True):
            size = float(np.max(np.abs(other), initial=0.0))
            if np.shape(one) != other.shape or not np.allclose(one, other, rtol=0, atol=_TOLERANCE * size + 1e-300):
                raise UnverifiedError(f"nothing is written, since {task.name} in NumPy is not what was derived")


def _flat(result: Any) -> list[Any]:
    return [leaf for part in result for leaf in _flat(part)] if isinstance(result, tuple) else [result]
