"""Text in columns of a terminal: widths of letters, padding, cutting, and lines that end where they may."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

_NO_LINE_START = frozenset(",.;:!?)]}，。、；：！？）」』】》〉”’…—·%′ᵀ")
_NO_LINE_END = frozenset("([{（「『【《〈“‘")
_CUT = "…"


class _Widths(dict[str, int]):
    """The columns of each letter that was asked for."""

    def __missing__(self, letter: str) -> int:
        mark = unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me")
        self[letter] = width = 0 if mark else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        return width


_WIDTHS = _Widths()


def width_of(text: str) -> int:
    """The columns that `text` takes: two for a wide letter of East Asia, none for a mark over another."""
    return sum(map(_WIDTHS.__getitem__, text))


def padded(text: str, width: int) -> str:
    """`text` with spaces up to `width` columns."""
    return text + " " * max(width - width_of(text), 0)


def table(rows: Sequence[Sequence[str]], gap: str = "  ", right: int | None = None, indent: str = "  ") -> list[str]:
    """Rows in columns of equal width; cells from column `right` on end where their column does, others begin there.

    >>> table([("", "loss"), ("a model", "1.5")], right=1)
    ['           loss', '  a model   1.5']
    """
    sizes = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    left = len(sizes) if right is None else right
    lines = []
    for row in rows:
        spaces = [" " * (size - width_of(cell)) for cell, size in zip(row, sizes, strict=True)]
        cells = [cell + spaces[k] if k < left else spaces[k] + cell for k, cell in enumerate(row)]
        lines.append(f"{indent}{gap.join(cells)}".rstrip())
    return lines


def in_rows(entries: Iterable[str], width: int) -> list[str]:
    """Entries of a list, each with its comma, on lines of at most `width` letters where that can be."""
    lines, row = [], ""
    for entry in entries:
        if row and len(row) + len(entry) + 1 > width:
            lines.append(row.rstrip())
            row = ""
        row += f"{entry}, "
    return [*lines, row.rstrip()] if row else lines


def printable(text: str) -> str:
    r"""`text` with � for what does not print: controls, and marks that turn the direction of reading.

    >>> printable("a\x1b[31m\u202e")
    'a�[31m�'
    """
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def shortened(text: str, most: int) -> str:
    """`text` in at most `most` letters, the last of them … where some are left out."""
    return text if len(text) <= most else text[: most - 1] + _CUT


def cut(text: str, width: int) -> str:
    r"""`text` in at most `width` columns, with … where something is left out, and nothing that a terminal would obey.

    >>> cut("a\x1b[31m long name", 10)
    'a�[31m lo…'
    """
    text = printable(text)
    if width_of(text) <= width:
        return text
    kept = ""
    for letter in text:
        if width_of(kept + letter) > width - 1:
            break
        kept += letter
    return kept + _CUT


def wrapped(text: str, width: int) -> list[str]:
    r"""`text` in lines of at most `width` columns, as far as spaces and wide letters let a line end.

    >>> wrapped("a no\u00a0break space", 9)
    ['a', 'no\xa0break', 'space']
    """
    lines, line = [], ""
    for piece in _units(text):
        if line and width_of(line + piece) > width and not piece.isspace():
            lines.append(line.rstrip())
            line = ""
        line += piece
    return [*lines, line.rstrip()]


def runs(text: str) -> Iterator[str]:
    """Words of narrow letters, wide letters one at a time, and white space as it stands."""
    for run in re.findall(r"[^\S\u00a0]+|[\S\u00a0]+", text):
        if run.isspace():
            yield run
            continue
        for wide, letters in groupby(run, lambda letter: _WIDTHS[letter] == 2):
            if wide:
                yield from letters
            else:
                yield "".join(letters)


def may_part(before: str, after: str) -> bool:
    """Whether a line may end between two letters that no space parts."""
    if before in _NO_LINE_END or after in _NO_LINE_START or _WIDTHS[after] == 0:
        return False
    return _WIDTHS[before] == 2 or _WIDTHS[after] == 2


def _units(text: str) -> Iterator[str]:
    """White space, and what a line does not end within."""
    unit = ""
    for run in runs(text):
        if unit and (run.isspace() or unit.isspace() or may_part(unit[-1], run[0])):
            yield unit
            unit = ""
        unit += run
    if unit:
        yield unit
