"""What processes must have in common to execute a run together: compared by checksums before the first step."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from chainrule.engines.loop import Array, Run
from chainrule.engines.processes import ProcessError
from chainrule.engines.xla.agreement import Agreement
from chainrule.ir import Apply, Const, Node, topological_order

COMPARED = (
    ("program", "let all execute the same code"),
    ("settings or position", "give all the same batch_size, seed and start"),
    ("parameters or optimizer state", "draw them from the same seed, or read them from the same file"),
    ("rows", "give all the same, or each its own by OwnRows"),
    ("constants", "give all the same"),
)


def check_same(processes: Agreement, run: Run) -> None:
    """Raise ProcessError, in every process, if they were given different runs."""
    if processes.count == 1:
        return
    loop = run.loop
    step = loop.step.inputs, loop.step.outputs
    settings = loop.batch_size, loop.shuffles, run.seed, *run.position
    sums = [
        _checksum(described(step, {})),
        _checksum([repr(settings).encode()]),
        _checksum(_bytes(run.state, loop.state)),
        _checksum(_bytes(run.data, loop.rows if run.parts is None else ())),
        _checksum(_bytes(run.data, loop.constants)),
    ]
    rows = processes.rows("the beginning of a run", [loop.row_count, *sums])
    for number, row in enumerate(rows):
        if row[0] != rows[0][0]:
            raise ProcessError(
                f"process {number} has {row[0]:.0f} rows, and process 0 has {rows[0][0]:.0f}; give all the same rows, "
                "or each its own by OwnRows"
            )
        for (what, mend), here, there in zip(COMPARED, row[1:], rows[0][1:], strict=True):
            if here != there:
                raise ProcessError(f"process {number} has other {what} than process 0; {mend}")


def check_same_call(processes: Agreement, epochs: int, order: Array | None, changes: int) -> None:
    """Raise ProcessError, in every process, if they are to run on differently; `changes` is from `changed`."""
    if processes.count == 1:
        return
    given = 0.0 if order is None else 1 + _checksum([order.tobytes()])
    rows = processes.rows("the epochs of a call", [epochs, given, changes])
    for number, row in enumerate(rows):
        if row[0] != rows[0][0]:
            raise ProcessError(
                f"process {number} is to run {row[0]:.0f} more epochs, and process 0 {rows[0][0]:.0f}; let all of them "
                "execute the same program with the same arguments"
            )
        if row[1] != rows[0][1]:
            raise ProcessError(f"process {number} has another order of the rows than process 0; give all the same")
        if row[2] != rows[0][2]:
            raise ProcessError(
                f"process {number} has set another constant than process 0, or has restored another position; let all "
                "of them execute the same program with the same arguments"
            )


def changed(changes: int, what: object, array: Array | None = None) -> int:
    """Return a checksum of all changes so far, of which the last one is of `what`, to the elements of an array."""
    pieces = [repr(what).encode(), b"" if array is None else array.tobytes()]
    return int(_checksum(pieces, changes))


def described(value: object, numbers: dict[Node, int]) -> Iterator[bytes]:
    """Yield what a value consists of, such as the inputs and outputs of a program, with every node once.

    `numbers` are those of the nodes that were described. Unlike a file, this may hold a step that is repeated, a
    primitive whose fields are nodes.
    """
    if isinstance(value, tuple):
        yield f"{len(value)} values".encode()
        for each in value:
            yield from described(each, numbers)
    elif isinstance(value, Node):
        for node in topological_order([value]):
            if node not in numbers:
                numbers[node] = len(numbers)
                yield from _contents(node, numbers)
        yield f"node {numbers[value]}".encode()
    else:
        yield repr(value).encode()


def _contents(node: Node, numbers: dict[Node, int]) -> Iterator[bytes]:
    yield str(node.type).encode()
    if isinstance(node, Apply):
        primitive: Any = node.primitive
        yield f"{type(primitive).__name__} {[numbers[each] for each in node.operands]}".encode()
        yield from described(tuple(getattr(primitive, field.name) for field in fields(primitive)), numbers)
    elif isinstance(node, Const) and isinstance(node.value, np.ndarray):
        yield from _bytes({"value": node.value}, ["value"])
    else:
        yield repr(node).encode()


def _bytes(arrays: Mapping[str, Array], names: Iterable[str]) -> Iterable[bytes]:
    """Yield the elements of arrays in pieces, in row-major order."""
    for name in names:
        array = arrays[name]
        for piece in array if array.ndim > 1 else [array]:
            yield piece.tobytes()


def _checksum(pieces: Iterable[bytes], total: int = 0) -> float:
    for piece in pieces:
        total = zlib.crc32(piece, total)
    return float(total)
