"""The axes of an expression that its notation shows, and the broadcasts that may be omitted.

On paper `X + b` adds b to every row if b is as long as a row and not as a column; `Y − Y` is zero, whatever NumPy
would broadcast. So a broadcast is omitted only beside a value with all axes, if the sizes determine its axes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.ir import Apply, Node, Shape, applies
from chainrule.primitives import Broadcast, Indexed, Mark, Notation, Number, Reshape

NEW_AXIS = Mark("∗")
_ALL = Mark(":")


@dataclass(frozen=True)
class Extent:
    """The shape that a notation shows, and for each of its axes that of the value; −1 for one that the value lacks."""

    shape: Shape
    places: tuple[int, ...]

    @property
    def shown(self) -> dict[int, int]:
        """The position of each axis whose size is not 1."""
        return {k: place for k, (size, place) in enumerate(zip(self.shape, self.places, strict=True)) if size != 1}


NUMBER = Extent((), ())


def whole(shape: Shape) -> Extent:
    """Return the extent that shows every axis of a shape in its position."""
    return Extent(shape, tuple(range(len(shape))))


def shows_all(extent: Extent, shape: Shape) -> bool:
    """Whether no axis is repeated, removed or added."""
    return extent == whole(shape)


def is_column(extent: Extent) -> bool:
    """Whether the extent is a column with a size other than 1."""
    return len(extent.shape) == 2 and extent.shape[0] != 1 and extent.shape[1] == 1


def unsaid(node: Apply, operand: Extent) -> Extent | None:
    """Return the extent of a broadcast, or of a change of axes of size 1, that is written as its operand."""
    before, after = node.operands[0].type.shape, node.type.shape
    match node.primitive:
        case Broadcast(axes=axes):
            pass
        case Reshape() if [n for n in before if n != 1] == [n for n in after if n != 1]:
            axes = _kept(before, after)
        case _:
            return None
    if not operand.shape:
        return NUMBER
    return Extent(operand.shape, tuple(-1 if place < 0 else axes[place] for place in operand.places))


def _kept(before: Shape, after: Shape) -> tuple[int, ...]:
    """Return for each axis of `before` its position in `after`, −1 for one of size 1 without one."""
    axes: list[int] = []
    place = len(after)
    for size in reversed(before):
        if size == 1:
            found = place - 1 if place and after[place - 1] == 1 else -1
        else:
            found = max(k for k, other in enumerate(after[:place]) if other != 1)
        place = place if found < 0 else found
        axes.insert(0, found)
    return tuple(axes)


def together(extents: Sequence[Extent]) -> Extent | None:
    """Return the joint extent of elementwise operands; None if it is ambiguous or misleading to a reader."""
    total = NUMBER
    for extent in extents:
        met = _pair(total, extent)
        if met is None:
            return None
        total = met
    return total


def _pair(a: Extent, b: Extent) -> Extent | None:
    if not a.shape or not b.shape:
        return a if not b.shape else b
    if len(a.shape) == len(b.shape):
        stretched = {"a" if m == 1 else "b" for m, n in zip(a.shape, b.shape, strict=True) if m != n and 1 in (m, n)}
        agree = all(m == n or 1 in (m, n) for m, n in zip(a.shape, b.shape, strict=True))
        shown, other = a.shown, b.shown
        if not agree or len(stretched) > 1 or any(shown[k] != other[k] for k in shown if k in other):
            return None
        large, small = (b, a) if stretched == {"a"} else (a, b)
        places = tuple(
            small.places[k] if size == 1 and large.places[k] < 0 else large.places[k]
            for k, size in enumerate(large.shape)
        )
        return Extent(large.shape, places)
    small, large = sorted((a, b), key=lambda extent: len(extent.shape))
    ways = {
        tuple((k, place) for k, place in enumerate(chosen) if small.shape[k] != 1)
        for chosen in itertools.combinations(range(len(large.shape)), len(small.shape))
        if all(small.shape[k] in (1, large.shape[place]) for k, place in enumerate(chosen))
    }
    if len(ways) != 1:
        return None
    (way,) = ways
    last = len(large.shape) - len(small.shape)
    if len(large.shape) > 2 and any(place != last + k for k, place in way):  # three axes are ambiguous to a reader
        return None
    if any(small.places[k] != large.places[place] for k, place in way):
        return None
    return large


def with_new_axes(base: Notation, extent: Extent, shape: Shape) -> Notation:
    """Return `Y[:,∗]`: every axis of `shape`, with ∗ for those along which the value is repeated."""
    entries: list[Notation] = []
    place = 0
    for size, axis in zip(extent.shape, extent.places, strict=True):
        if size == 1 and (axis < place or shape[axis] != 1):  # it is indexed, and repeated if it has a position
            entries.append(Number(0))
            continue
        entries += [NEW_AXIS] * (axis - place)
        entries.append(_ALL)
        place = axis + 1
    entries += [NEW_AXIS] * (len(shape) - place)
    return Indexed(base, tuple(entries)) if entries else base


def is_unsaid(node: Node) -> bool:
    """Whether `node` broadcasts its operand, or only changes axes of size 1."""
    match node:
        case Apply(_, (x,)):
            return unsaid(node, whole(x.type.shape)) is not None
    return False


def is_reshaped(node: Node) -> bool:
    """Whether `node` only changes axes of size 1."""
    return applies(node, Reshape) and is_unsaid(node)
