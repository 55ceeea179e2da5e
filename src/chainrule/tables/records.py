"""Records of delimited text: boundaries, diagnosis of errors, and the slow, exact parser."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.tables.errors import TableError, short
from chainrule.tables.limits import LIFTED

NEWLINE, QUOTE = 10, 34

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "bar": "|", "space": " ", "blank": " "}

MARK = "\ufeff"
"""The mark with which a file in UTF-8 may begin."""

_LINES_TRIED = 60
_RARE = "^~\x01\x1f:"
_ANY_LENGTH = 2**31 - 1

_TOGETHER = 256
"""Records read at a time."""


class IrregularQuotesError(Exception):
    """A quote that neither opens nor closes a cell."""


@dataclass(frozen=True)
class Shape:
    """The shape of a block of regular records, found without parsing its cells."""

    end: int
    """The length of the block up to the end of its last whole record; 0 if there is none."""
    records: int
    delimiters: int
    quoted: bool


def measure(block: bytes, delimiter: str, last: bool) -> Shape:
    """Return the end of the last record of `block`, and the number of records and delimiters before it.

    `last` says that the text ends with the block. Raises IrregularQuotesError for quotes within a cell.
    """
    mark = delimiter.encode()
    cells = np.frombuffer(block, np.uint8)
    if b'"' not in block:
        end = len(block) if last else block.rfind(b"\n") + 1
        # Text after the last line feed is a record as well.
        tail = int(end > 0 and block[end - 1] != NEWLINE)
        delimiters = int(np.count_nonzero(cells[:end] == ord(mark)))  # several times as fast as bytes.count
        return Shape(end, int(np.count_nonzero(cells[:end] == NEWLINE)) + tail, delimiters, False)
    quotes = np.flatnonzero(cells == QUOTE)
    _check_quotes(cells, quotes, ord(mark), last)
    lines = _outside(np.flatnonzero(cells == NEWLINE), quotes)
    if last:
        if len(quotes) % 2:
            raise IrregularQuotesError
        end = len(block)
    else:
        end = int(lines[-1]) + 1 if len(lines) else 0
    marks = _outside(np.flatnonzero(cells[:end] == ord(mark)), quotes)
    tail = int(end > 0 and block[end - 1] != NEWLINE)
    return Shape(end, len(lines) + tail, len(marks), True)


def _outside(places: NDArray[Any], quotes: NDArray[Any]) -> NDArray[Any]:
    """Return those of `places` with an even number of quotes before them."""
    outside: NDArray[Any] = places[np.searchsorted(quotes, places) % 2 == 0]
    return outside


def _check_quotes(cells: NDArray[Any], quotes: NDArray[Any], mark: int, last: bool) -> None:
    opening, closing = quotes[0::2], quotes[1::2]
    before = np.where(opening > 0, cells[opening - 1], NEWLINE)
    doubled = np.zeros(len(opening), dtype=bool)
    doubled[1:] = opening[1:] == closing[: len(opening) - 1] + 1
    starts = (before == mark) | (before == NEWLINE) | doubled
    inner = closing[closing < len(cells) - 1]
    after = cells[inner + 1]
    ends = (after == mark) | (after == NEWLINE) | (after == QUOTE)
    if not (starts.all() and ends.all()):
        raise IrregularQuotesError
    if last and len(quotes) % 2:
        raise IrregularQuotesError


@dataclass(frozen=True)
class Record:
    """The cells of a row, and its first and last line."""

    cells: list[str]
    begin: int
    line: int


def records(
    path: str,
    lines: Iterable[str],
    delimiter: str,
    first_line: int = 1,
    names: Sequence[str] = (),
    most: int | None = None,
) -> Iterator[Record]:
    """Yield the records of `lines`, except blank ones.

    Raises TableError, naming the line and the column of `names`, for broken quotes, and for a cell of more than `most`
    characters.
    """
    most = _ANY_LENGTH if most is None else most
    kept = _Kept(iter(lines))
    reader = csv.reader(kept, delimiter=delimiter, skipinitialspace=True, strict=True)
    begin = first_line
    ended = False
    while not ended:
        found: list[Record] = []
        broken: csv.Error | None = None
        # The limit of `csv` is global to the process: it is set only while reading. Setting it for each record is slow.
        before = csv.field_size_limit(most)
        try:
            for _ in range(_TOGETHER):
                kept.lines.clear()
                cells = next(reader)
                line = first_line + reader.line_num - 1
                if delimiter == " " and len(cells) > 1 and not cells[-1]:
                    cells.pop()  # blanks at the end of a line
                if len(cells) > 1 or (cells and cells[0].strip()):
                    found.append(Record(cells, begin, line))
                begin = line + 1
        except StopIteration:
            ended = True
        except csv.Error as error:
            broken = error
        finally:
            csv.field_size_limit(before)
        yield from found
        if broken is not None:
            raise _broken(path, "".join(kept.lines), delimiter, begin, names, most) from None


def filled(found: Iterable[Record]) -> Iterator[Record]:
    """Yield the records with a value: spreadsheets write rows of delimiters alone below a table."""
    return (record for record in found if any(cell.strip() for cell in record.cells))


def repeats(cells: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a row is the header again, as in files that were joined; the mark of UTF-8 may stand before it.

    >>> repeats(["\ufeffa", " b"], ["a", "b"]), repeats(["a", "1"], ["a", "b"]), repeats(["a"], ["a"])
    (True, False, False)
    """
    if len(names) < 2 or cells[0].lstrip(MARK).strip() != names[0]:
        return False
    return all(cell.strip() == name for cell, name in zip(cells[1:], names[1:], strict=False))


class _Kept:
    """An iterator that remembers the items it yielded."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.source = lines
        self.lines: list[str] = []

    def __iter__(self) -> _Kept:
        return self

    def __next__(self) -> str:
        line = next(self.source)
        self.lines.append(line)
        return line


def _broken(path: str, text: str, delimiter: str, begin: int, names: Sequence[str], most: int) -> TableError:
    """Diagnose `text`, the record that starts on line `begin`, which could not be split into cells."""
    mark = re.escape(delimiter)
    quoted = rf' *+"(?:[^"]|""){{0,{most}}}+'
    cell = rf'(?:{quoted}"|(?! *+")[^{mark}\n]{{0,{most}}}+)'
    whole = re.compile(rf"(?:{cell}{mark})*+").match(text)
    done = whole.end() if whole else 0  # the start of the broken cell
    before = re.sub(rf'(?:^|(?<={mark})) *+"(?:[^"]|"")*+"', "q", text[:done])
    place = len(before.split()) if delimiter == " " else before.count(delimiter)
    where = f"{path}, line {begin + text.count(chr(NEWLINE), 0, done)}, {column_words(names, place + 1)}"
    opened = re.compile(quoted).match(text, done)
    if opened is None:
        return TableError(f"{where} is longer than {most:,} characters; shorten it {LIFTED}")
    if opened.end() == len(text):
        return TableError(f"{where}: a quote opens a cell and is never closed; close it, or double it if it is meant")
    if text[opened.end()] == '"' and text[opened.end() : opened.end() + 2] != '""':
        return TableError(
            f"{where}: text follows the closing quote; put the whole cell in quotes, and double the quotes in it"
        )
    return TableError(f"{where}: a quote opens a cell that is not closed within {most:,} characters; close it {LIFTED}")


def column_words(names: Sequence[str], place: int) -> str:
    """Describe a column by its name, or by its position if it has none."""
    return f"column {names[place - 1]!r}" if place <= len(names) else f"cell {place}"


def ragged(path: str, record: Record, header: Sequence[str], delimiter: str) -> TableError:
    """Return the error for a row with too many or too few cells."""
    found, wanted = len(record.cells), len(header)
    where = f"{path}, line {record.line} has {found} {'cell' if found == 1 else 'cells'} but the header has {wanted}"
    if found < wanted:
        other = next(
            (
                words
                for mark, words in DELIMITERS.items()
                if mark != delimiter and any(len(cell.split(mark)) >= wanted for cell in record.cells)
            ),
            None,
        )
        if other:
            return TableError(f"{where}; it is separated by {other}, not by {DELIMITERS.get(delimiter, delimiter)}")
        return TableError(f"{where}: none for column {header[found]!r}; give one for each column")
    surplus = record.cells[wanted]
    return TableError(
        f"{where}: {short(surplus)} has no column; give one for each column, and put quotes around a cell that holds "
        f"{_name(delimiter)}"
    )


def _name(delimiter: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar", " ": "a blank"}.get(
        delimiter, repr(delimiter)
    )


def check_delimiter(delimiter: str) -> str:
    """Return the character that `delimiter` names; raise TableError if it cannot separate cells."""
    mark = WORDS.get(delimiter.lower(), delimiter)
    if len(mark) != 1 or not mark.isascii() or mark.isalnum() or mark in '"\n\r\0.-+_':
        raise TableError(
            f"the delimiter is {delimiter!r}; give one character, such as ',' or ';', or one of "
            "comma, semicolon, tab, pipe, blank"
        )
    return mark


def guess_delimiter(text: str) -> str:
    r"""Infer the delimiter of `text`, the start of a table.

    It is that of comma, semicolon, tab and bar with which most records have as many cells as the header; a blank, or a
    rare one such as ^, only if none of these occurs in the header and all records have as many cells. With blanks they
    may have one more, the name of the row, as R writes it, and after an empty line there may be a text.

    >>> guess_delimiter("a;b;c\n1,5;2,5;3,5\n"), guess_delimiter("x y\n1 2\n3 4\n"), guess_delimiter("x^y\n1^2\n")
    (';', ' ', '^')
    >>> guess_delimiter("a:b\n1\n2\n")
    ','
    """
    lines = [line for line in text.split("\n") if line.strip()][:_LINES_TRIED]
    best, score = ",", (0.0, 1)
    for mark in ",;\t|":
        widths = _widths(lines, mark)
        if widths and widths[0] > 1:
            found = (sum(width == widths[0] for width in widths) / len(widths), widths[0])
            if found > score:
                best, score = mark, found
    if score[1] > 1:
        return best
    if _are_parted_by_blanks(text):
        return " "
    for mark in _RARE:
        widths = _widths(lines, mark)
        if len(widths) > 1 and widths[0] > 1 and all(width == widths[0] for width in widths):
            return mark
    below = {mark: max(_widths(lines[1:], mark), default=1) for mark in ",;\t|"}  # the header may be a title
    return max(below, key=lambda mark: below[mark])


def _are_parted_by_blanks(text: str) -> bool:
    """Whether blanks part the lines up to the first empty one into as many cells, but for the names of rows."""
    lines = text.split("\n")
    stretches = (list(each) for filled, each in groupby(lines, lambda line: bool(line.strip())) if filled)
    stretch = next(stretches, [])
    lines = (stretch if len(stretch) > 1 else [line for line in lines if line.strip()])[:_LINES_TRIED]
    first, *widths = [len(line) for line in _cells(lines, " ")] or [0]
    if not widths or first < 2 or any(width != widths[0] for width in widths):
        return False
    return widths[0] == first or (widths[0] == first + 1 and len(widths) > 1)


def _cells(lines: Sequence[str], mark: str) -> list[list[str]]:
    try:
        return list(csv.reader([f"{line.strip()}\n" for line in lines], delimiter=mark, skipinitialspace=True))
    except csv.Error:
        return [line.split() for line in lines]


def _widths(lines: Sequence[str], mark: str) -> list[int]:
    try:
        return [len(cells) for cells in csv.reader([f"{line}\n" for line in lines], delimiter=mark) if cells]
    except csv.Error:
        return [len(line.split(mark)) for line in lines]
