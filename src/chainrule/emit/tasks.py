"""The functions of a Hessian or of Jacobians, and of their products with a vector, as programs."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.derivation import Claim, Derivatives, SecondOrder, is_upstream
from chainrule.emit.errors import EmitError
from chainrule.emit.python_file import listed
from chainrule.ir import Apply, Input, Node, Program, rebuild_all, substitute
from chainrule.primitives import Broadcast, Contract, DiagonalMatrix, Permute, permute


@dataclass(frozen=True)
class Task:
    """A function to write: a row of values for each result, over names of the forward pass and directions."""

    name: str
    says: str
    rows: tuple[tuple[Node, ...], ...]
    letter: str
    directions: tuple[Input, ...] = ()

    @property
    def nodes(self) -> list[Node]:
        """All values, row by row."""
        return [node for row in self.rows for node in row]


def further_tasks(derivatives: Derivatives) -> list[Task]:
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
        found.append(Task(matrix, says, rows, matrix[0].upper()))
    if derivatives.products:
        values = tuple((claim.right,) for claim in derivatives.products)
        found.append(Task(times, product, values, matrix[0].upper() + "v", directions))
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


def task_program(task: Task, derivatives: Derivatives) -> Program:
    """Return a task as a program over the inputs of the function and the directions."""
    record = derivatives.first
    whole: dict[Node, Node] = {}
    for entry in record.abbreviations:
        (whole[entry.symbol],) = substitute([entry.value], whole)
    for symbol, value in derivatives.defined.items():
        (whole[symbol],) = substitute([value], whole)
    nodes = substitute(task.nodes, whole)
    nodes = substitute(nodes, {stage.symbol: stage.node for stage in record.backward.stages})
    scaled = rebuild_all(nodes, _scaled)
    nodes = tuple(scaled[node] for node in nodes)
    inputs = [node for node in record.program.inputs if not is_upstream(node)]
    results = list(zip(nodes, result_names(task, derivatives), strict=True))
    names = {**dict(reversed(results)), **record.program.names}  # equal blocks have the name of the first
    return Program((*inputs, *task.directions), tuple(nodes), {n: name for n, name in names.items() if n not in inputs})


def _scaled(node: Node) -> Node | None:
    """Write a product with a diagonal matrix as rows or columns that are scaled, without a square array of zeros."""
    match node:
        case Apply(Contract((left, (row, column)), kept), (x, Apply(DiagonalMatrix(), (d,)))) if x.type.ndim == 2:
            matrix, rest = x, left
        case Apply(Contract(((row, column), right), kept), (Apply(DiagonalMatrix(), (d,)), x)) if x.type.ndim == 2:
            matrix, rest = x, right
        case _:
            return None
    stays, summed = (row, column) if row in kept else (column, row)
    letters = tuple(stays if letter == summed else letter for letter in rest)
    if d.type.ndim != 1 or len(kept) != 2 or set(letters) != set(kept):
        return None
    scaled = permute(matrix, [letters.index(letter) for letter in kept])
    return scaled * Broadcast(scaled.type.shape, (kept.index(stays),))(d)


def result_names(task: Task, derivatives: Derivatives) -> list[str]:
    """Return `H`, or `H_w_b` for a block, `Hv` for a product, and likewise for Jacobians."""
    columns = [symbol.name for symbol in derivatives.parameters]
    rows = columns if isinstance(derivatives, SecondOrder) else [result.name for result in derivatives.results]
    places = [(row,) if task.directions else (row, column) for row in rows for column in columns]
    places = list(dict.fromkeys(places))
    return [task.letter if len(places) == 1 else "_".join((task.letter, *place)) for place in places]
