"""The notation of arrays that are joined along a new axis."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.ir import Apply, Node
from chainrule.primitives import Broadcast, Call, Concatenate, Notation, Number, Reshape


def stacked(node: Apply, write: Callable[[Node], Notation]) -> Notation | None:
    """Return `stack₀(a, b)` for arrays, or numbers, that each receive an axis, along which they are joined, or None.

    `write` writes an array with exactly its axes.
    """
    match node:
        case Apply(Concatenate(axis), parts) if len(parts) > 1:
            arrays = [_without_axis(part, axis) for part in parts]
        case _:
            return None
    known = [write(array) for array in arrays if array is not None]
    below = (Number(axis),) if node.type.ndim > 1 else ()
    return Call("stack", tuple(known), subscript=below) if len(known) == len(arrays) else None


def _without_axis(node: Node, axis: int) -> Node | None:
    """Return the operand if `node` only inserts an axis of size 1 at `axis`."""
    match node:
        case Apply(Reshape() | Broadcast(), (x,)):
            shape = node.type.shape
            return x if shape[axis] == 1 and x.type.shape == (*shape[:axis], *shape[axis + 1 :]) else None
    return None
