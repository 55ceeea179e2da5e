"""Where the header of delimited text is: behind `sep=;`, comments or a title, and with or without names for rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from chainrule.tables.errors import TableError, short
from chainrule.tables.records import Record, check_delimiter, filled, guess_delimiter, ragged, records
from chainrule.tables.units import is_unit

_ROWS_TRIED = 60
_MOST_TITLES = 10
_SEPARATOR = re.compile(r"sep=(.)[ \t]*(?:\n|$)", re.IGNORECASE)
"""What Excel writes, and reads, in front of a table."""
_FEWEST_ROWS = 3
_FRAME = re.compile(r"\s*(?:\+(?:[-=]+\+)+|-{5,})\s*")
"""A line of a frame, as MySQL and SAP draw it above and below a table, and some programs between its rows."""
_YEAR = re.compile(r"(?:1[89]|20)\d\d")
_FEWEST_KEYED = 4
"""The width of a table from which lines of a name and a value above it are no header."""
_RULE = re.compile(r":?[-=+|]*(-{2}|={2})[-=+|]*:?")


@dataclass(frozen=True)
class Header:
    """The header of a table of text.

    `lines` is the number of lines up to its end, `trailing` that of cells at the end of each row that belong to no
    column. `notes` say what was passed over, a sentence each.
    """

    names: list[str]
    delimiter: str
    lines: int
    trailing: int
    notes: tuple[str, ...]


def find_header(path: str, beginning: str, delimiter: str | None, most: int | None) -> Header:
    """Find the header in the first bytes of a table; raise TableError if there is none.

    `most` is the maximum length of a cell.
    """
    given = None if delimiter is None else check_delimiter(delimiter)
    notes: list[str] = []
    text, before = beginning, 0
    if separator := _SEPARATOR.match(text):
        given = given or check_delimiter(separator[1])
        text, before = text[separator.end() :], 1
    commented = _comments(text)
    rest = text.split("\n", commented)[-1] if commented else text
    above = _above_frame(rest)
    if above:
        title = " ".join(line.strip() for line in rest.split("\n")[: above - 1]).strip()
        notes += [f"{short(title)}, before the header of {path}, is taken for a title"] if title else []
        before, rest = before + above, rest.split("\n", above)[-1]
        given = given or "|"
    mark = given or guess_delimiter(rest)
    if commented and _is_named_by_comment(text.split("\n")[commented - 1], rest, mark):
        commented -= 1
        rest = text.split("\n", commented)[-1]
        mark = given or guess_delimiter(rest)
    if commented:
        notes.append(
            f"the first {commented} lines of {path} are comments" if commented > 1 else f"{path} begins with a comment"
        )
    found = [row for row in _beginning(path, rest, mark, before + commented + 1, most) if not is_frame(row.cells)]
    if not found:
        raise TableError(f"{path} is empty; give a table with a header and one row for each sample")
    titles = _titles(found)
    if titles and any(found[0].cells):
        shown = short(" ".join(cell.strip() for cell in found[0].cells).strip())
        notes.append(f"{shown}, before the header of {path}, is taken for a title")
    header, below = found[titles], found[titles + 1 :]
    lines = header.line
    if below and is_rule(below[0].cells):
        lines, below = below[0].line, below[1:]
    described = _descriptions(found[:titles], below)
    units = not described and bool(below) and are_units(below[0].cells, [row.cells for row in filled(below[1:])])
    if described or units:
        shown = short(" ".join(cell.strip() for cell in below[0].cells if cell.strip()))
        what = "a description" if described else "the units"
        notes.append(f"{shown}, below the header of {path}, is taken for {what} of the columns")
        lines, below = below[max(1, described) - 1].line, below[max(1, described) :]
    rows = list(filled(below))
    names = _unquoted([name.strip() for name in header.cells])
    width, trailing = len(names), 0
    if rows and all(len(row.cells) == width + 1 for row in rows):
        if not any(row.cells[-1] for row in rows):
            trailing = 1
        elif width > 1 and _are_row_names([row.cells[0].strip() for row in rows]):
            names.insert(0, "")
            notes.append(f"the first cell of each row of {path} has no name in the header; it is taken for a row name")
    elif len(rows) > 1 and width > 1 and not names[-1] and all(len(r.cells) == width and not r.cells[-1] for r in rows):
        names.pop()
        trailing = 1
    if len(names) == 1 and rows and len(rows[0].cells) > 1 + trailing:
        raise ragged(path, rows[0], names, mark)
    return Header(names, mark, lines, trailing, tuple(notes))


def _beginning(path: str, text: str, delimiter: str, first_line: int, most: int | None) -> Iterator[Record]:
    """Yield the first records; the last of a text that is cut off may be a part of one, and is left out."""
    lines = text.split("\n")
    found = records(path, (f"{line}\n" for line in lines), delimiter, first_line, most=most)
    first = next(found, None)
    if first is None:
        return
    yield first
    held: Record | None = None
    try:
        for record in islice(found, _ROWS_TRIED):
            if held is not None:
                yield held
            held = record
    except TableError:  # in a row, which is diagnosed when it is read, or where the text is cut off
        return
    if held is not None and held.line < first_line + len(lines) - 1:
        yield held


def _comments(text: str) -> int:
    """Return the number of lines at the beginning that start with #, with something after them."""
    count = 0
    lines = text.split("\n")
    while count < len(lines) and lines[count].startswith("#"):
        count += 1
    return count if any(line.strip() for line in lines[count:]) else 0


def _is_named_by_comment(comment: str, rest: str, delimiter: str) -> bool:
    """Whether the names of the columns stand behind the #, as NumPy writes them: above a row with numbers."""
    below = next((line for line in rest.split("\n") if line.strip()), "")
    names, cells = comment.split(delimiter), below.split(delimiter)
    return len(names) == len(cells) > 1 and any(map(is_number, cells)) and not any(map(is_number, names))


def _titles(found: Sequence[Record]) -> int:
    """Return the number of records before the header.

    They have at most one value, and the header has a name for each cell of most rows.
    """
    widths = Counter(len(record.cells) for record in found[1:])
    if not widths:
        return 0
    width = widths.most_common(1)[0][0]
    if found[0].cells[0].strip() == _LOGGER:
        return 1
    keyed = False
    for k, record in enumerate(found[: _MOST_TITLES + 1]):
        cells = [cell for cell in record.cells if cell.strip()]
        if len(cells) < 2 <= width and len(record.cells) in (1, width):
            continue
        named = record.cells[0].strip().endswith(":")
        if width >= _FEWEST_KEYED and 2 * len(cells) <= width and (named or len(record.cells) < width):
            keyed = True
            continue
        if len(record.cells) != width or not _are_names(record.cells, k > 0):
            return 0
        above = found[:k]
        apart = any(below.begin > each.line + 1 for each, below in zip(above, found[1:], strict=False))
        return k if not keyed or apart or any(each.cells[0].strip().endswith(":") for each in above) else 0
    return 0


def _are_names(cells: Sequence[str], titled: bool) -> bool:
    """Whether each cell is a name, no number; below a title the last may be empty, and all but two may be years."""
    ended = cells[:-1] if titled and not cells[-1].strip() else cells
    numbers = [cell for cell in ended if is_number(cell)]
    years = titled and not any(map(is_number, ended[:2])) and all(_YEAR.fullmatch(cell.strip()) for cell in numbers)
    return all(cell.strip() for cell in ended) and (not numbers or years)


_LOGGER = "TOA5"
"""How the first line of a file of a Campbell logger begins; below its header are units, and how values were taken."""


def _descriptions(titles: Sequence[Record], below: Sequence[Record]) -> int:
    """Return the number of rows below a header that describe the columns, as loggers and surveys write them."""
    if titles and titles[0].cells[0].strip() == _LOGGER:
        return min(2, len(below))
    for k, record in enumerate(below[:3]):
        cells = [cell.strip() for cell in record.cells if cell.strip()]
        if cells and all(cell.startswith('{"ImportId":') for cell in cells):
            return k + 1
    return 0


def _above_frame(text: str) -> int:
    """Return the number of lines down to the upper edge of a frame, before which there may be a title; 0 without."""
    lines = text.split("\n", _MOST_TITLES + 1)
    edge = next((k for k, line in enumerate(lines[:-1]) if _FRAME.fullmatch(line)), None)
    if edge is None or any("|" in line for line in lines[:edge]) or not lines[edge + 1].strip().startswith("|"):
        return 0
    return edge + 1


def is_frame(cells: Sequence[str]) -> bool:
    """Whether a row is a line of a frame.

    >>> is_frame(["+----+-----+"]), is_frame(["--------"]), is_frame(["+-5"]), is_frame(["--"])
    (True, True, False, False)
    """
    return len(cells) == 1 and _FRAME.fullmatch(cells[0]) is not None


def is_rule(cells: Sequence[str]) -> bool:
    """Whether a row is a line drawn with characters, as databases and Markdown put it below the header.

    >>> is_rule(["----+-----"]), is_rule(["", "---", ":--:", ""]), is_rule(["-", "-"]), is_rule(["---", "1"])
    (True, True, False, False)
    """
    drawn = [cell.strip() for cell in cells if cell.strip()]
    return bool(drawn) and all(_RULE.fullmatch(cell) for cell in drawn)


def are_units(cells: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the row below a header holds the units of columns: most columns of numbers have one, none has a number.

    >>> rows = [["1", "2.5", "x"], ["2", "3,1", "y"], ["4", "7", "x"]]
    >>> are_units(["[s]", "m/s", ""], rows), are_units(["", "-", "x"], rows), are_units(["NA", "NA", "y"], rows)
    (True, False, False)
    >>> are_units(["m", "", "x"], rows), are_units(["m", "", ""], [[*row[:2], "5"] for row in rows])
    (False, False)
    """
    width = len(cells)
    if len(rows) < _FEWEST_ROWS or any(len(row) != width for row in rows):
        return False
    numbers = [k for k in range(width) if _hold_numbers([row[k].strip() for row in rows])]
    units = [k for k in numbers if is_unit(cells[k].strip())]
    if not units or 2 * len(units) < len(numbers) or any(map(_has_number, cells)):
        return False
    others = (k for k in range(width) if k not in units and cells[k].strip())
    return not any(cells[k] in (row[k] for row in rows) for k in others)


def _hold_numbers(cells: Sequence[str]) -> bool:
    filled_cells = [cell for cell in cells if cell]
    return len(filled_cells) >= _FEWEST_ROWS and 10 * sum(map(_has_number, filled_cells)) >= 9 * len(filled_cells)


def _has_number(cell: str) -> bool:
    return is_number(cell.strip().replace(",", "."))


def _are_row_names(cells: Sequence[str]) -> bool:
    """Whether the first cells of all rows count them, or are different texts, as R and pandas write row names."""
    counted = any(cells == [str(k) for k in range(first, first + len(cells))] for first in (0, 1))
    return len(cells) > 2 and (counted or (len(set(cells)) == len(cells) and not any(map(is_number, cells))))


def _unquoted(names: list[str]) -> list[str]:
    """Remove the apostrophes that some programs write around each name."""
    if all(len(name) > 2 and name[0] == name[-1] == "'" for name in names):
        return [name[1:-1].strip() for name in names]
    return names


def is_number(text: str) -> bool:
    """Whether a cell is a number as Python reads it."""
    try:
        float(text)
    except ValueError:
        return False
    return True
