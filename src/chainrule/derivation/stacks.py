"""The notation of arrays that are joined along a new axis."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.derivation.literals import literal
from chainrule.ir import Apply, Const, Node
from chainrule.primitives import Broadcast, Call, Concatenate, Multiply, Negate, Notation, Number, Reshape


def stacked(node: Apply, write: Callable[[Node], Notation]) -> Notation | None:
    """Return `stack₀(a, b)` for arrays that each receive an axis, along which they are joined, or None.

    Numbers below each other are `[a; b]`, vectors beside each other `[a, b]`.

    `write` writes an array with exactly its axes.
    """
    match node:
        case Apply(Concatenate(axis), parts) if len(parts) > 1:
            arrays = [_without_axis(part, axis, write) for part in parts]
        case _:
            return None
    known = [array for array in arrays if array is not None]
    if len(known) == len(arrays) and (node.type.ndim, axis) in ((1, 0), (2, 1)):
        return Call("columns" if axis else "rows", tuple(known))
    below = (Number(axis),) if node.type.ndim > 1 else ()
    return Call("stack", tuple(known), subscript=below) if len(known) == len(arrays) else None


def _without_axis(node: Node, axis: int, write: Callable[[Node], Notation]) -> Notation | None:
    """Write `node` without its axis of size 1 at `axis`, if that is only inserted; a number may stand before it."""
    shape = node.type.shape
    if shape[axis] != 1:
        return None
    match node:
        case Apply(Reshape() | Broadcast(), (x,)):
            return write(x) if x.type.shape == (*shape[:axis], *shape[axis + 1 :]) else None
        case Apply(Multiply() | Negate() as primitive, (*numbers, x)) if all(map(_is_number, numbers)):
            inner = _without_axis(x, axis, write)
            if inner is not None:
                bare = node.type.with_shape((*shape[:axis], *shape[axis + 1 :]))
                operands = [*(literal(number) for number in numbers if isinstance(number, Const)), inner]
                return primitive.notation(operands, [bare] * len(operands))
    return None


def _is_number(node: Node) -> bool:
    return isinstance(node, Const) and node.is_filled
