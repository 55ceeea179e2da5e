"""Assignment to elements as a new array: `x[index] = value` is x with some elements replaced.

What is replaced is whatever a chain of layouts, slices and selections takes from x. The chain is followed back, so that
views of views, and indexing by traced values, need no rules of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.ir import (
    Apply,
    Const,
    DType,
    DTypeError,
    Input,
    Node,
    Shape,
    ShapeError,
    shape_text,
    topological_order,
)
from chainrule.primitives import (
    Add,
    Broadcast,
    Diagonal,
    Gather,
    Multiply,
    Permute,
    Reshape,
    Slice,
    Subtract,
    Sum,
    add,
    broadcast_to,
    cast,
    concatenate,
    expand_dims,
    greater,
    positions,
    reshape,
    reverse,
    stack,
    subtract,
    take,
    where,
)
from chainrule.trace.literals import as_node
from chainrule.trace.source import refusal

Select = Callable[[Node], Node]

_LAYOUTS = (Permute, Reshape, Broadcast)
_ONE_OF_EACH_ROW = (Multiply, Sum, Diagonal)
"""What `x[np.arange(n), y]` consists of: it takes no element twice."""


@dataclass(frozen=True)
class _Step:
    """One operation of a chain, which takes what came before as operand number `place`."""

    made: Apply
    place: int

    @property
    def primitive(self) -> Any:
        return self.made.primitive

    def operands(self, whole: Node) -> tuple[Node, ...]:
        given = self.made.operands
        return (*given[: self.place], whole, *given[self.place + 1 :])

    def of(self, whole: Node) -> Apply:
        return Apply(self.primitive, self.operands(whole))


def assigned(x: Node, select: Select, value: object) -> Node:
    """Return x with what `select` takes from it replaced by `value`, by NumPy's rules for shapes and dtypes."""
    chain = _chain(select, x)
    given = held(value_of(value), x.type.dtype)
    if all(isinstance(step.primitive, (*_LAYOUTS, Slice)) for step in chain):
        return _replaced(x, chain, fitted(given, _taken(chain, x).type.shape))
    increased = _increased(x, chain, given)
    if increased is not None:
        return increased
    return (
        where(_chosen(x, chain), given, x)
        if given.type.ndim == 0
        else _replaced(x, chain, fitted(given, _taken(chain, x).type.shape))
    )


def with_mask(x: Node, mask: Node, value: object) -> Node:
    """`x[mask] = value`, for a mask over the first axes of x."""
    given = held(value_of(value), x.type.dtype)
    covered = mask.type.ndim
    if mask.type.shape != x.type.shape[:covered]:
        raise ShapeError(
            f"a mask of shape {shape_text(mask.type.shape)} does not fit an array of shape {shape_text(x.type.shape)}"
        )
    rest = x.type.shape[covered:]
    if given.type.shape[: max(0, given.type.ndim - len(rest))] not in ((), (1,)):
        raise refusal(
            "a mask chooses as many places as its values say, and these values would be dealt out to them in order; "
            "write x = np.where(mask, values, x), with values of the shape of x"
        )
    return where(expand_dims(mask, range(covered, x.type.ndim)), fitted(given, rest), x)


def added_at(x: Node, select: Select, value: object) -> Node:
    """`np.add.at(x, index, value)`: what is added to a place repeatedly adds up."""
    chain = _chain(select, x)
    given = held(value_of(value), x.type.dtype)
    return add(x, _transposed(x, chain, fitted(given, _taken(chain, x).type.shape)))


def value_of(value: object) -> Node:
    """Return what is assigned as a node; traced values in a list are stacked."""
    if isinstance(value, list | tuple) and any(isinstance(entry, Node | list | tuple) for entry in value):
        return stack([value_of(entry) for entry in value])
    return as_node(value)


def held(value: Node, dtype: DType) -> Node:
    """Convert what is assigned to the dtype of the array, which an assignment does not change."""
    given = value.type.dtype
    if given is dtype or dtype.is_float or (given is DType.BOOL and dtype is DType.INT64):
        return cast(value, dtype)
    if isinstance(value, Const) and np.all(np.asarray(value.value == cast(value, dtype).value)):  # type: ignore[attr-defined]
        return cast(value, dtype)
    raise DTypeError(
        f"an array of {dtype.numpy} would round the {given.value} that is assigned to it; make it an array of floats, "
        "as np.zeros(n) does, or x.astype(float)"
    )


def fitted(value: Node, shape: Shape) -> Node:
    """Broadcast what is assigned to the shape of the elements; in assignments, leading axes of size 1 may be many."""
    extra = max(0, value.type.ndim - len(shape))
    if any(size != 1 for size in value.type.shape[:extra]):
        raise ShapeError(
            f"values of shape {shape_text(value.type.shape)} do not fit elements of shape {shape_text(shape)}"
        )
    return broadcast_to(reshape(value, value.type.shape[extra:]), shape)


def _chain(select: Select, x: Node) -> list[_Step]:
    """Return the operations that take elements from an array of the type of x, in their order."""
    place = Input("the array assigned to", x.type)
    node = select(place)
    carrying: set[Node] = {place}
    for each in topological_order([node]):
        if isinstance(each, Apply) and not carrying.isdisjoint(each.operands):
            carrying.add(each)
    chain: list[_Step] = []
    while node is not place:
        places = (
            [k for k, operand in enumerate(node.operands) if operand in carrying] if isinstance(node, Apply) else []
        )
        if not isinstance(node, Apply) or len(places) != 1:
            raise refusal("an assignment to these elements cannot be recorded; write np.where(condition, new, old)")
        chain.append(_Step(node, places[0]))
        node = node.operands[places[0]]
    return chain[::-1]


def _taken(chain: Sequence[_Step], x: Node) -> Node:
    for step in chain:
        x = step.of(x)
    return x


def _transposed(x: Node, chain: Sequence[_Step], value: Node) -> Node:
    """Return zeros of the shape of x with `value` added where the chain takes its elements."""
    wholes = [x]
    for step in chain[:-1]:
        wholes.append(step.of(wholes[-1]))
    for step, whole in zip(reversed(chain), reversed(wholes), strict=True):
        operands = step.operands(whole)
        match step.primitive, value:
            case Multiply(), Const(1):
                value = operands[1 - step.place]
            case ((Sum() | Reshape()), Const()) if value.is_filled:
                value = Const(value.value, whole.type)
            case Broadcast(), Const() if value.is_filled and value.type.size == whole.type.size:
                value = Const(value.value, whole.type)
            case _:
                value = step.primitive.transpose(operands, value, step.place)
    return value


def _chosen(x: Node, chain: Sequence[_Step]) -> Node:
    """Return the mask of the elements that the chain takes."""
    return greater(_transposed(x, chain, Const(1, _taken(chain, x).type)), 0)


def _increased(x: Node, chain: Sequence[_Step], value: Node) -> Node | None:
    """Return x plus something at the chosen places, for `x[np.arange(n), y] -= 1`; None for another value."""
    if not _is_distinct(chain):
        return None
    taken = _taken(chain, x)
    match value:
        case Apply(Add(), (first, change)) if first is taken:
            return add(x, _transposed(x, chain, change))
        case Apply(Subtract(), (first, change)) if first is taken:
            return subtract(x, _transposed(x, chain, change))
    return None


def _is_distinct(chain: Sequence[_Step]) -> bool:
    """Whether the chain is known to take no element twice."""
    kinds = (*_LAYOUTS, Slice, *_ONE_OF_EACH_ROW)
    return all(
        isinstance(step.primitive, kinds) or (isinstance(step.primitive, Gather) and _differ(step.made.operands[1]))
        for step in chain
    )


def _differ(indices: Node) -> bool:
    """Whether indices are known to differ from each other."""
    if isinstance(indices, Const):
        return (
            isinstance(indices.value, np.ndarray)
            and len(np.unique(indices.value)) == indices.value.size
            and bool(np.all(indices.value >= 0))
        )
    return indices.type.ndim == 0 or indices is cast(positions(indices.type.size), DType.INT64)


def _replaced(whole: Node, chain: Sequence[_Step], value: Node) -> Node:
    """Return `whole` with the elements that the chain takes from it replaced by `value`, of their shape."""
    if not chain:
        return value
    step, rest = chain[0], chain[1:]
    match step.primitive:
        case Permute() | Reshape() | Broadcast() | Slice():
            part = _replaced(step.of(whole), rest, value)
            return _put_back(whole, step.primitive, part)
        case Gather(axis=axis) if not rest and isinstance(step.made.operands[1], Const):
            return _with_rows(whole, axis, step.made.operands[1], value)
    if not _is_distinct(chain):
        raise refusal(
            "places that are computed may repeat, and of two values for one place the last would win; write "
            "np.add.at(x, places, values) if they add up, or x[np.arange(n), places] for one place in each row"
        )
    return where(_chosen(whole, chain), _transposed(whole, chain, value), whole)


def _put_back(whole: Node, step: Permute | Reshape | Broadcast | Slice, part: Node) -> Node:
    """Return `whole` with what one layout or slice takes from it replaced by `part`."""
    if isinstance(step, Permute):
        return step.transpose((whole,), part, 0)
    if not isinstance(step, Slice):
        return reshape(part, whole.type.shape)
    if any(abs(stride) != 1 for stride in step.strides):
        ones = step.transpose((whole,), Const(1, part.type), 0)
        return where(greater(ones, 0), step.transpose((whole,), part, 0), whole)
    backward = [axis for axis, stride in enumerate(step.strides) if stride < 0]
    starts = tuple(
        start - (size - 1) * (stride < 0)
        for start, size, stride in zip(step.starts, step.sizes, step.strides, strict=True)
    )
    return _with_box(whole, replace(step, starts=starts, strides=(1,) * len(starts)), reverse(part, backward))


def _with_box(whole: Node, box: Slice, part: Node) -> Node:
    """Replace the elements of a box, along its axes in turn."""
    shape = whole.type.shape
    for axis, (start, size) in enumerate(zip(box.starts, box.sizes, strict=True)):
        if (start, size) == (0, shape[axis]):
            continue
        rows = _between(whole, axis, start, size)
        inner = replace(box, starts=(*box.starts[:axis], 0, *box.starts[axis + 1 :]), sizes=box.sizes)
        end = start + size
        before, behind = _between(whole, axis, 0, start), _between(whole, axis, end, shape[axis] - end)
        parts = (before, _with_box(rows, inner, part), behind)
        return concatenate([each for each in parts if each.type.shape[axis] != 0], axis)
    return part


def _between(whole: Node, axis: int, start: Any, size: Any) -> Node:
    shape = whole.type.shape
    starts = tuple(start if k == axis else 0 for k in range(len(shape)))
    return Slice(starts, (*shape[:axis], size, *shape[axis + 1 :]), (1,) * len(shape))(whole)


def _with_rows(whole: Node, axis: int, indices: Const, part: Node) -> Node:
    """Replace rows at known places, of which the last counts where one repeats."""
    shape = whole.type.shape
    size = shape[axis]
    places = np.broadcast_to(np.asarray(indices.value), [int(dim) for dim in indices.type.concrete_shape]).ravel()
    if not isinstance(size, int):
        raise refusal(
            f"an assignment to places along an axis of the named size {size} cannot be recorded; give it as a number"
        )
    source = np.full(size, -1)
    source[places] = np.arange(places.size)
    behind = part.type.shape[axis + indices.type.ndim :]
    rows = reshape(part, (*shape[:axis], places.size, *behind))
    moved = take(rows, as_node(np.maximum(source, 0)), axis)
    written = as_node(source >= 0)
    return moved if (source >= 0).all() else where(expand_dims(written, range(1, len(shape) - axis)), moved, whole)
