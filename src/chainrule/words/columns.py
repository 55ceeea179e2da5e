"""Text in terminal columns: widths, padding, truncation and line breaking."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

_NO_LINE_START = frozenset(",.;:!?)]}，。、；：！？）」』】》〉”’…—·%′ᵀ")
_NO_LINE_END = frozenset("([{（「『【《〈“‘")
_CUT = "…"


class _Widths(dict[str, int]):
    """A cache of the number of columns of each character."""

    def __missing__(self, letter: str) -> int:
        mark = unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me")
        self[letter] = width = 0 if mark else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        return width


_WIDTHS = _Widths()


def width_of(text: str) -> int:
    """Return the number of columns of `text`: two for a wide East Asian character, none for a combining mark."""
    return sum(map(_WIDTHS.__getitem__, text))


def padded(text: str, width: int) -> str:
    """Pad `text` with spaces to `width` columns."""
    return text + " " * max(width - width_of(text), 0)


def table(rows: Sequence[Sequence[str]], gap: str = "  ", right: int | None = None, indent: str = "  ") -> list[str]:
    """Format rows as columns of equal width; cells from column `right` on are right-aligned, others left-aligned.

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
    """Join a list with commas into lines of at most `width` characters if possible."""
    lines, row = [], ""
    for entry in entries:
        if row and len(row) + len(entry) + 1 > width:
            lines.append(row.rstrip())
            row = ""
        row += f"{entry}, "
    return [*lines, row.rstrip()] if row else lines


def printable(text: str) -> str:
    r"""Replace control characters, and marks that change the writing direction, by �; spaces of any width stay.

    >>> printable("a\x1b[31m\u202e"), printable("no\u00a0break, 年\u3000龄")
    ('a�[31m�', 'no\xa0break, 年\u3000龄')
    """
    return "".join(letter if letter.isprintable() or unicodedata.category(letter) == "Zs" else "�" for letter in text)


def shortened(text: str, most: int) -> str:
    """Truncate `text` to at most `most` characters, ending in … if truncated."""
    return text if len(text) <= most else text[: most - 1] + _CUT


def cut(text: str, width: int) -> str:
    r"""Truncate `text` to at most `width` columns, ending in … if so, in one line and without control characters.

    >>> cut("a\x1b[31m long name", 10), cut("size,\nrounded", 20)
    ('a�[31m lo…', 'size, rounded')
    """
    text = printable(re.sub(r"[\r\n\t]+", " ", text))
    if width_of(text) <= width:
        return text
    kept = ""
    for letter in text:
        if width_of(kept + letter) > width - 1:
            break
        kept += letter
    return kept + _CUT


def wrapped(text: str, width: int) -> list[str]:
    r"""Wrap `text` into lines of at most `width` columns, as far as spaces and wide characters permit breaks.

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
    """Split text into words of narrow characters, single wide characters, and white space."""
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
    """Whether a line break is permitted between two characters without a space."""
    if before in _NO_LINE_END or after in _NO_LINE_START or _WIDTHS[after] == 0:
        return False
    return _WIDTHS[before] == 2 or _WIDTHS[after] == 2


def _units(text: str) -> Iterator[str]:
    """Yield white space, and units that a line break must not split."""
    unit = ""
    for run in runs(text):
        if unit and (run.isspace() or unit.isspace() or may_part(unit[-1], run[0])):
            yield unit
            unit = ""
        unit += run
    if unit:
        yield unit
