"""The notation of lookups, `T[i, j]`, and of their transposes, which are products with one-hot rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.derivation.factors import with_numbers_in_front
from chainrule.ir import Apply, Const, Node, applies
from chainrule.primitives import (
    Call,
    Gather,
    Indexed,
    Infix,
    Mark,
    Notation,
    Number,
    Reshape,
    ScatterAdd,
    Slice,
    transposed,
)

_ALL = Mark(":")


def looked_up(node: Apply, written: Mapping[Node, Notation]) -> Notation | None:
    """Return `T[i, j]` for a lookup in the row `T[i]`; None for other expressions."""
    match node:
        case Apply(Gather(axis), (source, places)) if _is_of_one_place(source):
            shown = written[source]
        case _:
            return None
    if not isinstance(shown, Indexed):
        return None
    kept = sum(isinstance(entry, Mark) for entry in shown.indices)
    if axis < kept:
        return None
    return Indexed(shown.base, (*shown.indices, *(_ALL,) * (axis - kept), written[places]))


def _is_of_one_place(node: Node) -> bool:
    """Whether `node` is an array at one place along some axes, which its notation indexes by numbers."""
    match node:
        case Apply(Gather(), (_, place)):
            return place.type.ndim == 0
    return applies(node, Reshape) and applies(node.operands[0], Slice)


def scattered(node: Apply, factors: Mapping[Node, Notation]) -> Notation | None:
    """Return `onehot(i)ᵀ X` for the rows of X, or numbers, that are added at places; None for other expressions.

    Numbers at places of a matrix are `onehot(i)ᵀ diag(x) onehot(j)`.
    """
    if any(isinstance(place, Const) and place.is_filled and place.type.ndim for place in node.operands[1:]):
        return None  # onehot(1)ᵀ would be of one place
    match node:
        case Apply(ScatterAdd(0), (x, row, column)) if x.type.ndim == row.type.ndim < 2:
            first, second = (Call("onehot", (factors[place],)) for place in (row, column))
            return with_numbers_in_front([factors[x]], lambda added: _of_entries(added[0], first, second, x.type.ndim))
        case Apply(ScatterAdd(0), (x, places)) if x.type.ndim < 3 and places.type.ndim < 2:
            chosen = Call("onehot", (factors[places],))
        case _:
            return None

    def product(operands: Sequence[Notation]) -> Notation:
        (rows,) = operands
        if places.type.ndim:
            return Infix("", (transposed(chosen), rows))
        return Infix("", (chosen, transposed(rows))) if x.type.ndim else _times(rows, chosen)

    return with_numbers_in_front([factors[x]], product) if places.type.ndim == 1 or x.type.ndim < 2 else None


def _of_entries(added: Notation, row: Notation, column: Notation, ndim: int) -> Notation:
    """Return the matrix to which numbers are added in their one-hot rows and columns."""
    if ndim == 0:
        return _times(added, Infix("", (row, transposed(column))))
    middle = () if added == Number(1) else (Call("diag", (added,)),)
    return Infix("", (transposed(row), *middle, column))


def _times(number: Notation, array: Notation) -> Notation:
    return array if number == Number(1) else Infix("·", (number, array))
