"""Arrays that are written in boxes, as by `out[t] = …` in a loop: the pieces are kept apart until the array is read.

Read at last, the array is one concatenation of its pieces, where a new array after each write would repeat the array as
often. An element that is read in between is the piece that was written there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from chainrule.ir import Dim, Node, SymbolicDim, applies
from chainrule.primitives import Broadcast, Reshape, concatenate, expand_dims, reshape, squeeze, take_slices

Range: TypeAlias = "tuple[int, int] | None"
Box: TypeAlias = tuple[Range, ...]
"""Along each axis the first position and the one after the last; None for an axis of a named size, which is whole."""


@dataclass(frozen=True)
class Selection:
    """Basic indexing with positions that are numbers: a box, of which axes are then dropped and inserted."""

    box: Box
    dropped: tuple[int, ...]
    added: tuple[int, ...]

    def of(self, part: Node) -> Node:
        """Return the selected array, given the elements of the box."""
        _, shape = self.shapes(part.type.shape)
        while applies(part, Reshape) or (applies(part, Broadcast) and part.operands[0].type.size == part.type.size):
            part = part.operands[0]
        return reshape(part, shape)

    def piece(self, value: Node) -> Node:
        """Return the elements of the box, given the selected array."""
        kept = squeeze(value, self.added) if self.added else value
        return expand_dims(kept, self.dropped) if self.dropped else kept

    def shapes(self, whole: tuple[Dim, ...]) -> tuple[tuple[Dim, ...], tuple[Dim, ...]]:
        """Return the shape of the box in an array of the shape `whole`, and that of the selected array."""
        box = tuple(size if span is None else span[1] - span[0] for span, size in zip(self.box, whole, strict=True))
        selected = [size for axis, size in enumerate(box) if axis not in self.dropped]
        for axis in self.added:
            selected.insert(axis, 1)
        return box, tuple(selected)


def selection(index: object, shape: tuple[Dim, ...]) -> Selection | None:
    """Return what `index` selects of an array of that shape; None if it is not basic, reversed or of a named size."""
    parts = list(index) if isinstance(index, tuple) else [index]
    if any(not (part is None or part is Ellipsis or _is_basic(part)) for part in parts):
        return None
    missing = len(shape) - sum(part is not None and part is not Ellipsis for part in parts)
    ellipses = [place for place, part in enumerate(parts) if part is Ellipsis]
    if missing < 0 or len(ellipses) > 1:
        return None
    place = ellipses[0] if ellipses else len(parts)
    box: list[Range] = []
    dropped: list[int] = []
    added: list[int] = []
    for part in [*parts[:place], *[slice(None)] * missing, *parts[place + 1 :]]:
        if part is None:
            added.append(len(box) - len(dropped) + len(added))
            continue
        size = shape[len(box)]
        if isinstance(size, SymbolicDim):
            if part != slice(None):
                return None
            box.append(None)
        elif isinstance(part, slice):
            taken = range(size)[part]
            if taken.step != 1 or not len(taken):
                return None
            box.append((taken.start, taken.stop))
        elif isinstance(part, int | np.integer):
            position = int(part) + size if part < 0 else int(part)
            if not 0 <= position < size:
                return None
            dropped.append(len(box))
            box.append((position, position + 1))
    return Selection(tuple(box), tuple(dropped), tuple(added))


def _is_basic(part: object) -> bool:
    if isinstance(part, slice):
        return all(each is None or _is_integer(each) for each in (part.start, part.stop, part.step))
    return _is_integer(part)


def _is_integer(part: object) -> bool:
    return isinstance(part, int | np.integer) and not isinstance(part, bool)


@dataclass
class Fill:
    """An array `base` with pieces written over it, which do not overlap."""

    base: Node
    pieces: list[tuple[Box, Node]] = field(default_factory=list)

    def read(self, box: Box) -> Node | None:
        """Return the elements of a box that lies in one piece, or outside of all; None for any other."""
        for written, piece in self.pieces:
            if _contains(written, box):
                return _part(piece, box, written)
        return None if any(_overlap(written, box) for written, _ in self.pieces) else _part(self.base, box)

    def write(self, box: Box, piece: Node) -> None:
        """Write a piece with the shape of the box."""
        self.pieces = [entry for entry in self.pieces if not _contains(box, entry[0])]
        if any(_overlap(written, box) for written, _ in self.pieces):
            self.base, self.pieces = self.joined(), []
        self.pieces.append((box, piece))

    def joined(self) -> Node:
        """Return the whole array."""
        return _joined(self.base, _whole(self.base), self.pieces)


def _whole(x: Node) -> Box:
    return tuple(None if isinstance(size, SymbolicDim) else (0, size) for size in x.type.shape)


def _joined(base: Node, region: Box, pieces: list[tuple[Box, Node]]) -> Node:
    """Return a region of `base` with the `pieces` that lie in it: cut where no piece is cut, then concatenated."""
    if not pieces:
        return _part(base, region)
    if pieces[0][0] == region:
        return pieces[0][1]
    for axis, outer in enumerate(region):
        cuts = _cuts(axis, outer, [box for box, _ in pieces])
        if outer is None or not cuts:
            continue
        parts = []
        for cutting in pairwise([outer[0], *cuts, outer[1]]):
            inside = [entry for entry in pieces if _contains((cutting,), (entry[0][axis],))]
            parts.append(_joined(base, (*region[:axis], cutting, *region[axis + 1 :]), inside))
        return concatenate(parts, axis)
    # The pieces interlock as in a pinwheel: one after the other.
    return _joined(_joined(base, _whole(base), pieces[:1]), region, pieces[1:])


def _cuts(axis: int, outer: Range, boxes: list[Box]) -> list[int]:
    """Return where a region that spans `outer` is cut across `axis` without cutting a box."""
    spans = [span for box in boxes if (span := box[axis]) is not None]
    ends = {end for span in spans for end in span if outer is not None and outer[0] < end < outer[1]}
    return sorted(end for end in ends if not any(start < end < stop for start, stop in spans))


def _contains(outer: Box, inner: Box) -> bool:
    """Whether one box contains another, along the axes that both have."""
    return all(
        a is None or (b is not None and a[0] <= b[0] and b[1] <= a[1]) for a, b in zip(outer, inner, strict=True)
    )


def _overlap(first: Box, second: Box) -> bool:
    return all(a is None or b is None or (a[0] < b[1] and b[0] < a[1]) for a, b in zip(first, second, strict=True))


def _part(whole: Node, box: Box, origin: Box | None = None) -> Node:
    """Return the elements of a box, of an array that begins at `origin`."""
    starts = [0 if span is None else span[0] for span in origin] if origin is not None else [0] * len(box)
    key = tuple(
        slice(None) if span is None else slice(span[0] - start, span[1] - start)
        for span, start in zip(box, starts, strict=True)
    )
    return take_slices(whole, key) if box else whole
