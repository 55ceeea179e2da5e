"""The bounds of integer inputs that are used as indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from chainrule.ir import Apply, Const, Dim, Input, Node, topological_order
from chainrule.primitives.along import AddAlong, TakeAlong
from chainrule.primitives.emitter import IntegerOperation
from chainrule.primitives.indexing import Gather, OneHot, ScatterAdd
from chainrule.primitives.integers import INTEGER_RULES, IntegerArithmetic


def index_bounds(outputs: Sequence[Node]) -> dict[Input, Dim]:
    """Return, for each integer input used as an index, the size that its entries must be below.

    Entries may be negative down to minus that size, as in NumPy. An input is used directly, through changes of layout,
    or, along an axis of known size, through arithmetic with numbers; other computed indices are not covered.
    """
    bounds: dict[Input, Dim] = {}
    for node in topological_order(outputs):
        if not isinstance(node, Apply):
            continue
        for source, size in _indexed_by(node):
            steps: list[Callable[[int], int]] = []
            while isinstance(source, Apply) and (inner := _inner(source, steps)) is not None:
                source = inner
            if isinstance(source, Input) and (bound := _bound(steps, size)) is not None:
                known = bounds.get(source, bound)
                bounds[source] = min(known, bound) if isinstance(known, int) and isinstance(bound, int) else bound
    return bounds


def _indexed_by(node: Apply) -> Sequence[tuple[Node, Dim]]:
    """Return the index arrays of a node, each with the size of the axis that it indexes."""
    match node:
        case Apply(Gather(axis), (x, *indices)):
            return list(zip(indices, x.type.shape[axis:], strict=False))
        case Apply(ScatterAdd() as scatter, (_, *indices)):
            return list(zip(indices, scatter.sizes, strict=True))
        case Apply(OneHot(size), (labels,)):
            return [(labels, size)]
        case Apply(TakeAlong(axis), (x, places)):
            return [(places, x.type.shape[axis])]
        case Apply(AddAlong(_, size), (_, places)):
            return [(places, size)]
    return []


def _inner(index: Apply, steps: list[Callable[[int], int]]) -> Node | None:
    """Return the operand from which an index is computed, and append how to `steps`; None if there are several."""
    match index:
        case Apply(IntegerArithmetic(operation), (x, Const(int() as number))):
            steps.append(partial(_combined, operation, number, False))
            return x
        case Apply(IntegerArithmetic(operation), (Const(int() as number), x)):
            steps.append(partial(_combined, operation, number, True))
            return x
    return index.operands[0] if len(index.operands) == 1 else None


def _combined(operation: IntegerOperation, number: int, first: bool, x: int) -> int:
    return INTEGER_RULES[operation](number, x) if first else INTEGER_RULES[operation](x, number)


def _bound(steps: Sequence[Callable[[int], int]], size: Dim) -> Dim | None:
    """Return how many whole numbers from 0 on, up to `size`, the `steps` take to an index below `size`."""
    if not steps:
        return size
    if not isinstance(size, int):
        return None
    for entry in range(size):
        index = entry
        for step in reversed(steps):
            index = step(index)
        if not -size <= index < size:
            return entry or None
    return size
