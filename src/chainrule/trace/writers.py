"""What writes to an array: assignment to elements, `out=`, `np.add.at`, `np.copyto`, `np.fill_diagonal`, …"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.ir import Const, DTypeError, ShapeError, shape_text
from chainrule.primitives import as_condition, broadcast_to, cast, diagonal, reshape, take_along_axis
from chainrule.primitives import where as choice
from chainrule.trace import indexing
from chainrule.trace.assignment import added_at, fitted, held, value_of, with_mask
from chainrule.trace.literals import as_node
from chainrule.trace.memory import Memory, View
from chainrule.trace.source import refusal


def replace_elements(memory: Memory | View, index: Any, value: Any) -> None:
    """`x[index] = value`."""
    mask = indexing.mask_in(index)
    if mask is not None and (not isinstance(mask, Const) or value_of(value).type.ndim == 0):
        memory.replace(with_mask(memory.node, mask, value))
    else:
        memory.write(lambda whole: indexing.getitem(whole, index), index, value)


def add_at(memory: Memory | View, index: Any, values: Any) -> None:
    """`np.add.at(x, index, values)`."""
    memory.replace(added_at(memory.node, lambda whole: indexing.getitem(whole, index), values))


def overwrite_all(name: str, exactly: bool, memory: Memory | View, result: Any) -> None:
    """Replace all elements by a result of NumPy's function `name`, broadcast unless it must fit exactly."""
    node, held = as_node(result), memory.type
    if exactly and node.type.shape != held.shape:
        raise ShapeError(
            f"{name} gives the shape {shape_text(node.type.shape)} here, and writes to an array of shape "
            f"{shape_text(held.shape)}"
        )
    if not np.can_cast(node.type.dtype.numpy, held.dtype.numpy, "same_kind"):
        raise DTypeError(
            f"{name} gives {node.type.dtype.value} here, which NumPy does not write into an array of "
            f"{held.dtype.value}; convert that with .astype(float) first"
        )
    memory.replace(cast(broadcast_to(node, held.shape), held.dtype))


def _copyto(dst: Memory | View, src: object, casting: str = "same_kind", where: object = True) -> None:
    value = value_of(src)
    if not np.can_cast(value.type.dtype.numpy, dst.type.dtype.numpy, casting):  # type: ignore[arg-type]  # checked by NumPy
        raise DTypeError(
            f"np.copyto does not write {value.type.dtype.value} into an array of {dst.type.dtype.value}; convert with "
            "astype"
        )
    new = fitted(held(value, dst.type.dtype), dst.type.shape)
    dst.replace(new if where is True else choice(as_node(where), new, dst.node))


def _fill_diagonal(a: Memory | View, val: object, wrap: bool = False) -> None:
    a.write(diagonal, None, val)


def _putmask(a: Memory | View, mask: object, values: object) -> None:
    a.replace(with_mask(a.node, as_node(mask), values))


def _put(a: Memory | View, ind: object, v: object, mode: str = "raise") -> None:
    if mode != "raise":
        raise refusal("np.put is recorded with mode='raise'; leave mode= out, and bring the indices within range")
    places, values = as_node(ind), as_node(v)
    wanted, count = places.type.size, values.type.size
    if count not in (1, wanted):
        raise ShapeError(f"np.put writes one value, or one at each of the {wanted} places, and not {count}")
    index = reshape(places, (wanted,))
    given = reshape(values, () if count == 1 else (count,))
    a.write(lambda whole: indexing.getitem(reshape(whole, (whole.type.size,)), index), None, given)


def _place(arr: Memory | View, mask: object, vals: object) -> None:
    values = as_node(vals)
    if values.type.size != 1:
        raise refusal("np.place is recorded with one value; write x[mask] = values for a mask that is not traced")
    arr.replace(with_mask(arr.node, as_condition(as_node(mask)), reshape(values, ())))


def _put_along_axis(arr: Memory | View, indices: object, values: object, axis: int) -> None:
    places = as_node(indices)
    arr.write(lambda whole: take_along_axis(whole, places, axis), None, values)


WRITERS: dict[Callable[..., Any], Callable[..., None]] = {
    np.copyto: _copyto,
    np.fill_diagonal: _fill_diagonal,
    np.place: _place,
    np.put: _put,
    np.putmask: _putmask,
    np.put_along_axis: _put_along_axis,
}
"""Keyed by the NumPy function."""
