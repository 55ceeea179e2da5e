"""Functions of a Hessian or of Jacobians, and of their products with a vector, beside the passes of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.derivation import Claim, Derivatives, SecondOrder, derivatives_verifier, is_upstream
from chainrule.emit.arrays import ArrayWriter
from chainrule.emit.errors import EmitError, UnverifiedError
from chainrule.emit.expressions import name_of
from chainrule.emit.forward import find_forward
from chainrule.emit.layout import block, bracketed, docstring, shape_comment
from chainrule.emit.python_file import body, listed
from chainrule.ir import Input, Node, Program, substitute
from chainrule.primitives import Permute

_TOLERANCE = 1e-8


@dataclass(frozen=True)
class FurtherFunction:
    """The text of a function, and the names that it uses."""

    name: str
    lines: tuple[str, ...]
    uses: tuple[str, ...]


@dataclass(frozen=True)
class _Task:
    """A function to write: a row of values for each result, over names of the forward pass and directions."""

    name: str
    says: str
    rows: tuple[tuple[Node, ...], ...]
    letter: str
    directions: tuple[Input, ...] = ()


def further_functions(
    derivatives: Derivatives | None, kind: type[ArrayWriter], reserved: Sequence[str], prefix: str = ""
) -> list[FurtherFunction]:
    """Return the functions of `derivatives` for a target that writes with `kind`; their names begin with `prefix`."""
    if derivatives is None:
        return []
    return [_written(task, derivatives, kind, reserved, prefix) for task in _tasks(derivatives)]


def _tasks(derivatives: Derivatives) -> list[_Task]:
    """Return the matrix, if it has a closed form, and its product with a vector."""
    names = listed([symbol.name for symbol in derivatives.parameters])
    directions = tuple(derivatives.directions.values())
    found = []
    if isinstance(derivatives, SecondOrder):
        rows = _hessian_rows(derivatives)
        says = f"The second derivatives of the loss by {names}: the axes of one argument, then those of the other."
        product = f"The change of the gradient by {names}, where each changes along its direction."
        matrix, times = "hessian", "hvp"
    else:
        rows = _jacobian_rows(derivatives)
        results = listed([result.name for result in derivatives.results])
        says = f"The derivatives of {results} by {names}: the axes of the result, then those of the argument."
        product = f"The change of {results}, where each of {names} changes along its direction."
        matrix, times = "jacobian", "jvp"
    if rows is not None:
        found.append(_Task(matrix, says, rows, matrix[0].upper()))
    if derivatives.products:
        values = tuple((claim.right,) for claim in derivatives.products)
        found.append(_Task(times, product, values, matrix[0].upper() + "v", directions))
    if not found:
        raise EmitError("neither the matrix nor its product with a vector has a closed form that is short enough")
    return found


def _hessian_rows(order: SecondOrder) -> tuple[tuple[Node, ...], ...] | None:
    blocks = {
        (block.symbol, block.by): _best(block.matrix, block.array, block.symbol, block.by) for block in order.blocks
    }
    if any(value is None for value in blocks.values()):
        return None
    rows = []
    for symbol in order.parameters:
        row = []
        for by in order.parameters:
            value = blocks.get((symbol, by))
            if value is None:
                value = blocks[by, symbol]
                assert value is not None
                first, second = by.type.ndim, symbol.type.ndim
                value = Permute((*range(first, first + second), *range(first)))(value) if first and second else value
            row.append(value)
        rows.append(tuple(row))
    return tuple(rows)


def _jacobian_rows(derivatives: Derivatives) -> tuple[tuple[Node, ...], ...] | None:
    assert not isinstance(derivatives, SecondOrder)
    found = [_best(block.matrix, block.array, block.result, block.by) for block in derivatives.blocks]
    values = [value for value in found if value is not None]
    count = len(derivatives.parameters)
    if len(values) < len(found):
        return None
    return tuple(tuple(values[k : k + count]) for k in range(0, len(values), count))


def _best(matrix: Claim | None, array: Claim | None, of: Input, by: Input) -> Node | None:
    """Return the coefficients with their axes, from the matrix where it has the same."""
    if matrix is not None and matrix.right.type.shape == (*of.type.shape, *by.type.shape) and _is_upright(matrix):
        return matrix.right
    return None if array is None else array.right


def _is_upright(matrix: Claim) -> bool:
    return not getattr(matrix.left, "transposed", False)


def _program(task: _Task, derivatives: Derivatives) -> Program:
    """Return a task as a program over the inputs of the function and the directions."""
    record = derivatives.first
    whole: dict[Node, Node] = {}
    for entry in record.abbreviations:
        (whole[entry.symbol],) = substitute([entry.value], whole)
    for symbol, value in derivatives.defined.items():
        (whole[symbol],) = substitute([value], whole)
    nodes = substitute([node for row in task.rows for node in row], whole)
    nodes = substitute(nodes, {stage.symbol: stage.node for stage in record.backward.stages})
    inputs = [node for node in record.program.inputs if not is_upstream(node)]
    names = {**dict(zip(nodes, _result_names(task, derivatives), strict=True)), **record.program.names}
    return Program((*inputs, *task.directions), tuple(nodes), {n: name for n, name in names.items() if n not in inputs})


def _result_names(task: _Task, derivatives: Derivatives) -> list[str]:
    """Return `H`, or `H_w_b` for a block, `Hv` for a product, and likewise for Jacobians."""
    columns = [symbol.name for symbol in derivatives.parameters]
    rows = columns if isinstance(derivatives, SecondOrder) else [result.name for result in derivatives.results]
    places = [(row,) if task.directions else (row, column) for row in rows for column in columns]
    places = list(dict.fromkeys(places))
    return [task.letter if len(places) == 1 else "_".join((task.letter, *place)) for place in places]


def _written(
    task: _Task, derivatives: Derivatives, kind: type[ArrayWriter], reserved: Sequence[str], prefix: str
) -> FurtherFunction:
    program = _program(task, derivatives)
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
    for task in _tasks(derivatives):
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
