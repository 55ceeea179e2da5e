"""Detection of the format of a table from its first bytes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace

from chainrule.engines import part_bounds
from chainrule.tables.columnar import ColumnarSource
from chainrule.tables.databases import SCHEMES, SQLiteSource, open_database, without_password
from chainrule.tables.delimited import DelimitedSource
from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import TableError
from chainrule.tables.foreign import foreign_bytes, foreign_text
from chainrule.tables.jsonlines import JSONLinesSource
from chainrule.tables.jsonwhole import WholeJSONSource, is_whole
from chainrule.tables.limits import Limits, usual_limits
from chainrule.tables.packing import OLD_EXCEL, SQLITE, ZIP, bare_name, members_of
from chainrule.tables.several import SeveralSource, found_files, named_as_tables
from chainrule.tables.sources import Source
from chainrule.tables.spreadsheets import SpreadsheetSource, is_workbook
from chainrule.tables.streams import PACKED, File, TextFile, find_file, text_file

_NO_OBJECT = re.compile(rb"\{\s*\}[ \t]*[,;\t|]")
"""A header whose first name is a pair of braces, not an empty JSON object."""

_LOOKED_AT = 1 << 12
"""The first bytes of a text by which its format is told."""

_LINES = (".jsonl", ".ndjson", ".jsonlines")
_JSON_BYTES = 1 << 16
"""The first bytes by which JSON lines are told from other JSON."""

PARQUET, ARROW, ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"

NAMED = {
    ".parquet": "a Parquet file",
    ".pq": "a Parquet file",
    ".arrow": "an Arrow file",
    ".feather": "an Arrow file",
    ".ipc": "an Arrow file",
}


def open_table(
    path: str,
    delimiter: str | None = None,
    limits: Limits | None = None,
    *,
    encoding: str | None = None,
    sheet: str | None = None,
    query: str | None = None,
    part: tuple[int, int] = (0, 1),
) -> Source:
    """Open a table: delimited text, a spreadsheet, JSON, Parquet, Arrow or a database, also compressed, also several.

    The format is detected from the first bytes. `path` may be a folder or a pattern such as `data-*.csv`, whose files
    have the same columns, and the address of a database. `delimiter` is a character, or one of comma, semicolon, tab,
    pipe and blank, `encoding` that of text; by default both are inferred. `sheet` is the name of a sheet of a
    spreadsheet, by default the first one; `query` is SQL for the rows of a database, by default all of its one table.
    `part` is the number of a share of the files, from 0, and the number of shares. `limits` bound the contents of the
    file; the default is `usual_limits`.

    Raises TableError, naming the place, for other formats, and MissingDependencyError without polars.
    """
    limits = usual_limits() if limits is None else limits
    scheme = _ADDRESS.match(path)
    if scheme and scheme[1] in SCHEMES:
        _share(without_password(path), [path], part)
        return open_database(path, query)
    if scheme:
        raise TableError(f"{without_password(path)} is an address; download the table, and give the path of the file")
    choices = _Choices(delimiter, limits, encoding, sheet, query)
    files = found_files(path)
    if part[1] > 1:
        own = _share(path, files or [path], part)
        return SeveralSource(path, own, choices.open, len(files or [path]) - len(own))
    if files is not None:
        return choices.open(files[0]) if files == [path] else SeveralSource(path, files, choices.open)
    return choices.open(path)


def _share(path: str, files: list[str], part: tuple[int, int]) -> list[str]:
    """Return one share of the files; raise TableError if there are more shares than files."""
    number, count = part
    if len(files) < count:
        what = f"holds {len(files)} files" if len(files) > 1 else "is one table"
        raise TableError(
            f"{path} {what}, which cannot be divided among {count} processes; give a folder or a pattern of as many "
            "files or more"
        )
    start, stop = part_bounds(len(files), count)[number]
    return files[start:stop]


_ADDRESS = re.compile(r"([a-z][a-z0-9]+)(?:\+[a-z0-9]+)?://")


@dataclass(frozen=True)
class _Choices:
    """How a file is to be read; None for what is inferred."""

    delimiter: str | None
    limits: Limits
    encoding: str | None
    sheet: str | None
    query: str | None

    def open(self, path: str) -> Source:
        """Open one file."""
        file = find_file(path, self.limits, lambda start: _check_start(path, start, self.limits))
        load_polars()
        start = file.start(64)
        if start.startswith(SQLITE):
            self._refuse(path, "an SQLite database", delimiter=self.delimiter, encoding=self.encoding, sheet=self.sheet)
            return SQLiteSource(file, self.query)
        self._refuse(path, "no database", query=self.query)
        if start.startswith((ZIP, OLD_EXCEL)):
            members = members_of(file.location, path) if start.startswith(ZIP) else []
            if not members or is_workbook(members):
                self._refuse(path, "a spreadsheet", delimiter=self.delimiter, encoding=self.encoding)
                return SpreadsheetSource(file, self.sheet)
            self._refuse(path, "no spreadsheet", sheet=self.sheet)
            members = named_as_tables(members) or members
            if len(members) == 1:
                return self._text(replace(file, member=members[0]), members[0])
            return SeveralSource(path, members, lambda member: self._member(file, member))
        self._refuse(path, "no spreadsheet", sheet=self.sheet)
        kind = _columnar(file, start)
        if kind is not None:
            self._refuse(path, kind, delimiter=self.delimiter, encoding=self.encoding)
            return ColumnarSource(file, kind)
        return self._text(file, path)

    def _member(self, file: File, member: str) -> Source:
        return self._text(replace(file, member=member, path=f"{file.path}/{member}"), member)

    def _text(self, file: File, name: str) -> Source:
        """Open text; `name` may tell its format."""
        path = file.path
        text = text_file(file, self.encoding)
        beginning = text.beginning(1 << 12)
        _check_foreign(path, foreign_bytes(beginning))
        if beginning.startswith((PARQUET, ARROW, SQLITE, ZIP, OLD_EXCEL)):
            raise TableError(f"{path} is a compressed file of another format than text; decompress it")
        wanted = NAMED.get(os.path.splitext(name)[1].lower())
        if wanted:
            start = file.start(64)
            raise TableError(f"{path} is named like {wanted} but is not one: it starts with {start[:8]!r}")
        if self.delimiter is None:
            _check_foreign(path, foreign_text(next(text.pieces(_LOOKED_AT), b"").decode(errors="ignore")))
        json = _json(name, text) if self.delimiter is None else None
        return DelimitedSource(text, self.delimiter) if json is None else json(text)

    @staticmethod
    def _refuse(path: str, kind: str, **options: str | None) -> None:
        """Raise TableError for an option that is not for this kind of file."""
        for name, value in options.items():
            if value is not None:
                raise TableError(f"{path} is {kind}, for which there is no {name}; leave the {name} out")


def _check_start(path: str, start: bytes, limits: Limits) -> None:
    """Raise TableError if the first bytes are not those of a supported format."""
    if not start.startswith(PACKED):
        _check_foreign(path, foreign_bytes(start))
        TextFile(File(path, os.devnull, limits)).check(start)


def _check_foreign(path: str, words: str | None) -> None:
    if words is not None:
        raise TableError(f"{path} is {words}")


def _columnar(file: File, start: bytes) -> str | None:
    if start.startswith(PARQUET):
        if file.size() < 12 or file.end(4) != PARQUET:
            raise TableError(f"{file.path} is a Parquet file that is cut off; copy or write it again")
        return "a Parquet file"
    if start.startswith(ARROW):
        if file.size() < 16 or file.end(6) != ARROW:
            raise TableError(f"{file.path} is an Arrow file that is cut off; copy or write it again")
        return "an Arrow file"
    if start.startswith(ARROW_STREAM):
        return "an Arrow stream"
    return None


def _json(path: str, text: TextFile) -> type[WholeJSONSource | JSONLinesSource] | None:
    """Return how a file of JSON is read, by its name and its first characters; None for other text."""
    name, pieces = bare_name(path), text.pieces(_JSON_BYTES)
    if name.endswith(_LINES):
        return JSONLinesSource
    beginning = next(pieces, b"")
    start = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] not in (b"[", b"{") or _NO_OBJECT.match(start):
        return None
    if is_whole(start.decode("utf-8", "replace"), name.endswith(".json"), not next(pieces, b"")):
        return WholeJSONSource
    return JSONLinesSource if start[:1] == b"{" else None
