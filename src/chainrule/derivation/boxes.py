"""Layout of formulas as boxes: pieces of a line that are never split.

A box has a width, whether it is taller than a line, and a base to which scripts are attached, as boxes of TeX do.
Between boxes are breaks, at which a line may end, those of least depth first, as in Wadler's "A prettier printer".
The layout does not depend on the text of boxes, nor on its language.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple, TypeAlias


class Box(NamedTuple):
    """A piece of a line.

    `width` is in letters, or columns of a terminal. `base` is what further scripts are attached to, and `subscripts`
    the present ones: `W1` is the box of W with the subscript 1. A matrix in text has several `lines`, which are centred
    beside those of other boxes; its `text` is the line that is level with theirs.
    """

    text: str
    width: float
    tall: bool = False
    base: Box | None = None
    subscripts: tuple[Box, ...] = ()
    lines: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        """The number of lines."""
        return len(self.lines) or 1


NOTHING = Box("", 0)
BLANK = Box(" ", 1)
INDENT = Box("  ", 2)


class Break(NamedTuple):
    """A possible end of a line, of least depth first; `flat` is written if the line continues."""

    depth: int
    flat: Box = BLANK


Pieces: TypeAlias = list[Box | Break]


def row(pieces: Sequence[Box | Break]) -> Box:
    """Join the pieces on one line."""
    if len(pieces) == 1 and isinstance(pieces[0], Box):
        return pieces[0]
    texts, width, tall, stacked = [], 0.0, False, False
    for piece in pieces:
        text, wide, high, _, _, lines = piece.flat if isinstance(piece, Break) else piece
        texts.append(text)
        width += wide
        tall = tall or high
        stacked = stacked or len(lines) > 1
    return Box("".join(texts), width, tall, lines=_stacked(pieces) if stacked else ())


def _stacked(pieces: Sequence[Box | Break]) -> tuple[str, ...]:
    """Return the lines of adjacent boxes, some of which have several, without blanks at their ends."""
    boxes = [piece.flat if isinstance(piece, Break) else piece for piece in pieces]
    height = max(box.height for box in boxes)
    lines = [""] * height
    blanks = [0] * height
    for box in boxes:
        first = base_line(height) - base_line(box.height)
        for place in range(height):
            if first <= place < first + box.height and box is not BLANK:
                lines[place] += " " * blanks[place] + (box.lines[place - first] if box.lines else box.text)
                blanks[place] = 0
            else:
                blanks[place] += int(box.width)
    return tuple(lines)


def base_line(height: int) -> int:
    """Return the line of a box of several lines that is level with other boxes."""
    return (height - 1) // 2


def chunks(pieces: Pieces, start: int, end: int) -> list[tuple[Box, int, int]]:
    """Return the ranges between the breaks of least depth, each with the text before it on an unbroken line."""
    breaks = [(place, piece) for place in range(start, end) if isinstance(piece := pieces[place], Break)]
    least = min((piece.depth for _, piece in breaks), default=0)
    parts: list[tuple[Box, int, int]] = []
    separator, begin = NOTHING, start
    for place, piece in breaks:
        if piece.depth == least:
            parts.append((separator, begin, place))
            separator, begin = piece.flat, place + 1
    return [*parts, (separator, begin, end)]


def break_lines(pieces: Pieces, width: float, indent: Box = INDENT) -> list[Box]:
    """Break the pieces into lines of at most `width`, at breaks of the least depth possible.

    A continuation line within an inner expression starts with `indent`. Only a piece without breaks may be longer.
    """
    return _Breaker(pieces).broken(0, len(pieces), width, indent)[0]


class _Part(NamedTuple):
    """A range of pieces: as one line, the width of its longest piece without a break, and its chunks."""

    line: Box
    longest: float
    parts: list[tuple[Box, int, int]]


class _Breaker:
    """Breaks lines of one expression, whose parts are ranges of its pieces.

    Results for a range and a width are cached, since deep nesting would take exponential time otherwise.
    """

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._known: dict[tuple[int, int, float, Box], tuple[list[Box], float]] = {}
        self._parts: dict[tuple[int, int], _Part] = {}
        self._runs = list(accumulate(pieces, _run, initial=0.0))
        """The width without breaks, up to each position."""

    def _part(self, start: int, end: int) -> _Part:
        found = self._parts.get((start, end))
        if found is None:
            line, longest = row(self._pieces[start:end]), max(self._runs[start + 1 : end + 1], default=0.0)
            found = self._parts[start, end] = _Part(line, longest, chunks(self._pieces, start, end))
        return found

    def broken(self, start: int, end: int, width: float, indent: Box) -> tuple[list[Box], float]:
        """Return the lines of the pieces from `start` to `end`, and the width of the widest."""
        key = start, end, width, indent
        found = self._known.get(key)
        if found is None:
            lines = self._tried(start, end, width, indent)
            found = self._known[key] = lines, max(line.width for line in lines)
        return found

    def _tried(self, start: int, end: int, width: float, indent: Box) -> list[Box]:
        whole = self._part(start, end)
        if len(whole.parts) == 1 or whole.line.width <= width:
            return [whole.line]
        lines: list[Box] = []
        for number, (separator, begin, stop) in enumerate(whole.parts):
            part = self._part(begin, stop)
            head = row([lines[-1], separator]) if number else NOTHING
            if number and head.width + part.line.width <= width:
                lines[-1] = row([head, part.line])
            elif part.line.width <= width:
                lines.append(part.line)
            elif number and (beside := self._beside(head, begin, stop, width, indent)):
                lines[-1:] = beside
            else:
                room = width - indent.width
                inner, widest = ([], room + 1) if part.longest > room else self.broken(begin, stop, room, indent)
                if widest > room:  # the width takes precedence over the layout
                    lines += self.broken(begin, stop, width, NOTHING)[0]
                else:
                    lines += [inner[0], *(row([indent, line]) for line in inner[1:])]
        return lines

    def _beside(self, head: Box, start: int, end: int, width: float, indent: Box) -> list[Box]:
        """Break a long range beside a short `head`; return nothing if it does not fit."""
        room = width - head.width
        if head.width > 8 or self._part(start, end).longest > room:
            return []
        inner, widest = self.broken(start, end, room, indent)
        if widest > room:
            return []
        below = Box(" " * int(head.width), head.width)
        return [row([head, inner[0]]), *(row([below, line]) for line in inner[1:])]


def _run(before: float, piece: Box | Break) -> float:
    return 0.0 if isinstance(piece, Break) else before + piece.width
