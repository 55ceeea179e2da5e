"""Delimited text such as CSV, read by polars if it is regular, otherwise by the exact parser in `records`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import EmptyTableError, TableError, short
from chainrule.tables.frames import cells_of, without
from chainrule.tables.headers import find_header, is_frame, is_number
from chainrule.tables.records import (
    DELIMITERS,
    MARK,
    IrregularQuotesError,
    Record,
    Shape,
    column_words,
    filled,
    measure,
    ragged,
    records,
    repeats,
)
from chainrule.tables.sources import Batch, Fingerprint, Source
from chainrule.tables.streams import TextFile

if TYPE_CHECKING:
    import polars as pl

_START = 1 << 16
_ROWS_READ = 8_192
_FEWEST_TOTALLED = 5
_TOTAL = re.compile(
    r"((grand|sub) ?)?total[es]?:?|(gesamt)?summe:?|gesamt:?|sums?:?|somme:?|suma:?|合计：?|总计：?|\*{1,3}",
    re.IGNORECASE,
)
"""What the first cell of a row of totals holds; SAP writes asterisks."""
_FOOTER = re.compile(r"(sources?|notes?|footnotes?|legend|quelle|fuente|copyright)\s*:|[*†#©]|来源|注", re.IGNORECASE)
"""How a text below a table begins that no blank line separates from it."""
_MOST_BELOW = 20
_COUNT = re.compile(
    r"\([\d,]+ rows?( affected)?\)|[\d,]+ (?:rows?|records?|record\(s\)) (?:selected|affected|returned|in set\b.*)\.?",
    re.IGNORECASE,
)


class DelimitedSource(Source):
    """A file of delimited text with a header."""

    def __init__(self, text: TextFile, delimiter: str | None = None) -> None:
        self._text, self._limits = text, text.file.limits
        start = self._start(text)
        beginning = start.decode(errors="ignore")
        header = find_header(text.path, beginning, delimiter, self._limits.cell)
        self._limits.check_columns(text.path, len(header.names))
        _check_header(text.path, header.names)
        self.delimiter, self._trailing, self._header_lines = header.delimiter, header.trailing, header.lines
        self._header = header.names
        self._notes = (*filter(None, (text.note,)), *header.notes)
        self._empty_rows = self._headers = 0
        self._total = self._below = ""
        super().__init__(text.path, header.names)

    @staticmethod
    def _start(text: TextFile) -> bytes:
        """Return the first bytes, with at least one line; raise TableError if the line does not end."""
        held, wanted = bytearray(), _START
        for piece in text.pieces(_START):
            held += piece
            if len(held) < wanted:
                continue
            if b"\n" in held:
                break
            # Each of them may be the delimiter.
            marks = [mark for mark in DELIMITERS if mark.encode() in held]
            mark = max(marks, key=lambda mark: held.rfind(mark.encode()), default=",")
            check_unended(text, bytes(held), 1, mark)
            wanted = 2 * len(held)  # a line without an end is not scanned from its start again for each piece
        return bytes(held)

    @property
    def format(self) -> str:
        return f"text separated by {DELIMITERS.get(self.delimiter, repr(self.delimiter))}"

    @property
    def notes(self) -> list[str]:
        said = [*self._notes, *super().notes]
        if self._empty_rows:
            said.append(f"{_rows(self._empty_rows)} of {self.path} without any value left out")
        if self._headers:
            said.append(f"{_rows(self._headers)} of {self.path} with the header again left out")
        if self._total:
            said.append(f"{short(self._total)}, the last row of {self.path}, is taken for totals and left out")
        if self._below:
            said.append(f"{short(self._below)}, below the rows of {self.path}, is taken for a text about them")
        return said

    def batches(self) -> Iterator[Batch]:
        hashing = Fingerprint(self.names)
        first_row = self._empty_rows = self._headers = 0
        self._total = self._below = ""
        held: Batch | None = None
        for batch in self._read(hashing):
            if held is not None:
                yield held
            held = Batch(batch.frame, first_row, batch.place, self.path)
            first_row += batch.frame.height
        if held is not None:
            yield replace(held, frame=self._without_total(held.frame))
        if not first_row:
            raise EmptyTableError(f"{self.path} has a header but no rows; give one row for each sample")
        self.digest = hashing.digest()

    def _read(self, hashing: Fingerprint) -> Iterator[Batch]:
        pieces = self._text.pieces()
        block, line, row, skipped = b"", 1, 0, False
        ended = False
        piece = next(pieces, b"")
        while not ended:
            hashing.add(piece)
            block += piece
            piece = next(pieces, b"")
            ended = not piece
            if not skipped and (ended or block.count(b"\n") >= self._header_lines):
                line = self._header_lines + 1
                block = b"\n".join(block.split(b"\n", self._header_lines)[self._header_lines :])
                skipped = True
            if not block or not skipped:
                continue
            try:
                shape = measure(block, self.delimiter, ended)
            except IrregularQuotesError:
                yield from self._slowly(self._rest(block, piece, pieces, hashing), line, row)
                return
            whole, block = block[: shape.end], block[shape.end :]
            if whole:
                for batch in self._parsed(whole, shape, line, row):
                    yield batch
                    row += batch.frame.height
                line += whole.count(b"\n")
            if self._limits.cell is not None and len(block) > self._limits.cell:  # a quote may be open in it
                yield from self._slowly(self._rest(block, piece, pieces, hashing), line, row)
                return

    @staticmethod
    def _rest(block: bytes, piece: bytes, pieces: Iterator[bytes], hashing: Fingerprint) -> Iterator[bytes]:
        yield block
        for later in chain((piece,), pieces):
            hashing.add(later)
            yield later

    def _parsed(self, block: bytes, shape: Shape, line: int, row: int) -> Iterator[Batch]:
        """Parse a block of whole records, with polars if every record has one cell for each column."""
        width = len(self.names) + self._trailing
        regular = (
            shape.delimiters == shape.records * (width - 1)
            and self.delimiter != " "
            and width > 1  # polars reads a blank line as a cell
        )
        frame = self._by_polars(block, shape) if regular else None
        if frame is None:
            yield from self._slowly(iter((block,)), line, row)
            return

        frame = self._without_headers(self._filled(frame))
        if not frame.height:
            return

        def place(k: int, name: str) -> str:
            lines = _lines(block.decode())
            found = next(islice(self._kept(records(self.path, lines, self.delimiter, line)), k, None))
            return _place(self.path, row + k, found.line, name)

        batch = Batch(frame, row, place)
        if shape.quoted or self._has_long_line(block):
            batch.check_lengths(self._limits)
        yield batch

    def _filled(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows with a value; the other cells are looked at only where the first one is empty."""
        first, *others = frame.columns
        empty = _empty(cells_of(frame, first))
        for name in others:
            if not empty.any():
                return frame
            empty &= _empty(cells_of(frame, name))
        if not empty.any():
            return frame
        self._empty_rows += int(empty.sum())
        return frame.filter(~empty)

    def _kept(self, found: Iterable[Record]) -> Iterator[Record]:
        """Yield the records that are rows: with a value, and not the header again."""
        return (record for record in filled(found) if not repeats(record.cells, self._header))

    def _without_headers(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that are not the header again; other cells are looked at only where the last one is."""
        if len(self._header) < 2:
            return frame
        again = None
        for name, title in reversed([*zip(frame.columns, self._header, strict=False)]):
            cells = cells_of(frame, name).fill_null("").str.strip_chars()
            found = (cells.str.strip_chars_start(MARK) if name == frame.columns[0] else cells) == title
            again = found if again is None else again & found
            if not again.any():
                return frame
        assert again is not None
        self._headers += int(again.sum())
        return frame.filter(~again)

    def _without_total(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows but for a last one of totals: its first cell says so, and one is empty in no other row."""
        cells = cells_of(frame, frame.columns[0]).fill_null("").str.strip_chars()
        last = frame.height - 1
        if last < _FEWEST_TOTALLED or not _TOTAL.fullmatch(cells[last]) or (cells[:last] == cells[last]).any():
            return frame
        numbers = all(is_number(cell) for cell in cells[:last] if cell)
        gaps = (_empty(cells_of(frame, name)) for name in frame.columns)
        if not numbers and not any(gap[last] and not gap[:last].any() for gap in gaps):
            return frame
        self._total = cells[last]
        return frame.head(last)

    def _has_long_line(self, block: bytes) -> bool:
        """Whether a line, and so an unquoted cell, may exceed the limit on the bytes of a cell."""
        if self._limits.cell is None:
            return False
        step = self._limits.cell // 2
        return any(block.find(b"\n", start, start + step) < 0 for start in range(0, len(block) - step, step))

    def _by_polars(self, block: bytes, shape: Shape) -> pl.DataFrame | None:
        columns = [*self.names, *(f"\0{k}" for k in range(self._trailing))]
        try:
            frame: pl.DataFrame = load_polars().read_csv(
                block,
                has_header=False,
                separator=self.delimiter,
                quote_char='"' if shape.quoted else None,
                schema=dict.fromkeys(columns, load_polars().String),
            )
        except load_polars().exceptions.PolarsError:
            return None
        if frame.height != shape.records:
            return None
        return without(frame, columns[len(self.names) :]) if self._trailing else frame

    def _slowly(self, pieces: Iterator[bytes], line: int, row: int) -> Iterator[Batch]:
        """Parse the records of `pieces` one by one, which locates an error."""
        lines = _stripped(self._lines_of(pieces, line), self.delimiter)
        found = records(self.path, lines, self.delimiter, line, self.names, self._limits.cell)
        width = len(self.names)
        header = [*self.names, *([""] * self._trailing)]
        whole = self._above(found, line - 1)
        while read := list(islice(whole, _ROWS_READ)):
            read = [record for record in read if not self._is_drawn(record)]
            some = list(filled(read))
            part = list(self._kept(some))
            self._empty_rows += len(read) - len(some)
            self._headers += len(some) - len(part)
            for record in part:
                surplus = len(record.cells) - width
                if surplus and not (surplus == 1 and self._trailing and not record.cells[-1]):
                    raise ragged(self.path, record, header[:width], self.delimiter)
            if part:
                yield self._batch(part, row)
            row += len(part)

    def _above(self, found: Iterator[Record], before: int) -> Iterator[Record]:
        """Yield the records but for a text below the table: the last few, none with a cell for each column.

        A blank line is above it, or it begins as notes do. `before` is the line before the first record.
        """
        width = len(self.names)
        held: list[Record] = []
        for record in found:
            odd = len(record.cells) < width and width > 1 and not self._is_drawn(record)
            begins = record.begin > before + 1 or _FOOTER.match(record.cells[0].strip()) is not None
            before = record.line
            if odd and (held or begins) and len(held) < _MOST_BELOW:
                held.append(record)
                continue
            yield from held
            held.clear()
            yield record
        if held:
            self._below = " ".join(cell.strip() for cell in held[0].cells).strip()

    def _is_drawn(self, record: Record) -> bool:
        """Whether a record is the number of rows, as databases write it below a table, or a line of a frame."""
        if len(self._header) < 2:
            return False
        cells = [" ".join(record.cells)] if self.delimiter == " " else record.cells
        return len(cells) == 1 and (_COUNT.fullmatch(cells[0].strip()) is not None or is_frame(cells))

    def _lines_of(self, pieces: Iterator[bytes], line: int) -> Iterator[str]:
        held = b""
        for piece in pieces:
            *lines, held = (held + piece).split(b"\n")
            for text in lines:
                yield f"{text.decode()}\n"
            line += len(lines)
            check_unended(self._text, held, line, self.delimiter, self.names)
        if held:
            yield held.decode()

    def _batch(self, part: Sequence[Record], row: int) -> Batch:
        pl = load_polars()
        columns = zip(*(record.cells[: len(self.names)] for record in part), strict=True)
        frame = pl.DataFrame(
            [pl.Series(name, cells, dtype=pl.String) for name, cells in zip(self.names, columns, strict=True)]
        )
        lines = [record.line for record in part]
        return Batch(frame, row, _places(self.path, row, lines))


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _empty(cells: pl.Series) -> pl.Series:
    """Return which cells of text have no value."""
    return cells.fill_null("").str.strip_chars() == ""


def _places(path: str, first_row: int, lines: Sequence[int]) -> Callable[[int, str], str]:
    return lambda k, name: _place(path, first_row + k, lines[k], name)


def _place(path: str, row: int, line: int, name: str) -> str:
    return f"{path}, row {row + 1:,} (line {line:,}), column {name!r}"


def _lines(text: str) -> Iterator[str]:
    return (f"{line}\n" for line in text.split("\n"))


def check_unended(text: TextFile, start: bytes, line: int, delimiter: str = ",", names: Sequence[str] = ()) -> None:
    """Raise TableError if the start of a line is too long, or ends in a cell that is too long."""
    limits, where = text.file.limits, f"{text.path}, line {line}"
    if limits.cell is not None:
        mark = delimiter.encode()
        quote = start.rfind(b'"')
        if len(start) - 1 - max(start.rfind(mark), quote) > limits.cell:
            cell = f", {column_words(names, start.count(mark) + 1)}" if quote < 0 else ""
            raise limits.too_long(f"{where}{cell}")
    if limits.record is not None and len(start) > limits.record:
        raise limits.too_long_record(where)


def _stripped(lines: Iterator[str], delimiter: str) -> Iterator[str]:
    """Yield lines without leading blanks if the delimiter is a blank."""
    return (line.lstrip(" ") for line in lines) if delimiter == " " else lines


def _check_header(path: str, names: Sequence[str]) -> None:
    if all(map(is_number, names)):
        raise TableError(f"{path} has no header: its first row holds only numbers; add a row with column names")
