"""Detection of the format of a table from its first bytes."""

from __future__ import annotations

import os
import re

from chainrule.tables.columnar import ColumnarSource
from chainrule.tables.delimited import DelimitedSource
from chainrule.tables.errors import TableError
from chainrule.tables.jsonlines import JSONLinesSource, JSONListSource
from chainrule.tables.library import load_polars
from chainrule.tables.limits import Limits, usual_limits
from chainrule.tables.sources import Source
from chainrule.tables.streams import GZIP, PACKED, File, TextFile, find_file

FOREIGN = (
    (b"PK\x03\x04", "an Excel workbook or another zip file; save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; save the sheet as CSV"),
    (b"\x89HDF", "an HDF5 file; write the table as Parquet or CSV"),
    (b"SQLite format 3", "an SQLite database; write the table as CSV"),
    (b"\x93NUMPY", "a NumPy array; write it as CSV with a header"),
    (b"FEA1", "a Feather file of version 1; write it as Arrow or Parquet"),
    (b"ORC", "an ORC file; write it as Parquet"),
    (b"Obj\x01", "an Avro file; write it as Parquet"),
    (b"%PDF", "a PDF document; give a table"),
    (b"\x89PNG", "a picture; give a table"),
    (b"\xff\xd8\xff", "a picture; give a table"),
    (b"BZh", "compressed with bzip2; decompress it, or compress it with gzip"),
    (b"\xfd7zXZ", "compressed with xz; decompress it, or compress it with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; decompress it, or compress it with gzip"),
    (b"\x7fELF", "a program; give a table"),
    (b"MZ\x90", "a program; give a table"),
    (b"\x80\x04\x95", "a pickle, which is never loaded; write the table as CSV or Parquet"),
    (b"\x80\x05\x95", "a pickle, which is never loaded; write the table as CSV or Parquet"),
    (b"<!DOCTYPE", "a web page; download the table itself"),
    (b"<!doctype", "a web page; download the table itself"),
    (b"<html", "a web page; download the table itself"),
    (b"<?xml", "an XML document; save the table as CSV"),
    (b"version https://git-lfs", "a pointer to a file that was not fetched; run git lfs pull"),
)

_NO_OBJECT = re.compile(rb"\{\s*\}[ \t]*[,;\t|]")
"""A header whose first name is a pair of braces, not an empty JSON object."""

PARQUET, ARROW, ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"

NAMED = {
    ".parquet": "a Parquet file",
    ".pq": "a Parquet file",
    ".arrow": "an Arrow file",
    ".feather": "an Arrow file",
    ".ipc": "an Arrow file",
}


def open_table(path: str, delimiter: str | None = None, limits: Limits | None = None) -> Source:
    """Open a table: delimited text (also gzipped), JSON lines or a JSON list, Parquet or Arrow.

    The format is detected from the first bytes. `delimiter` is a character, or one of comma, semicolon, tab, pipe and
    blank; by default it is inferred. `limits` bound the contents of the file; the default is `usual_limits`.

    Raises TableError, naming the place, for other formats, and MissingDependencyError without polars.
    """
    limits = usual_limits() if limits is None else limits
    file = find_file(path, limits, lambda start: _check_start(path, start, limits))
    load_polars()
    start = file.start(64)
    kind = _columnar(file, start)
    if kind is not None:
        if delimiter is not None:
            raise TableError(f"{path} is {kind}, which has no delimiter; leave the delimiter out")
        return ColumnarSource(file, kind)
    text = TextFile(file)
    beginning = text.beginning(1 << 12)
    _check_foreign(path, beginning)
    for magic, kind in ((PARQUET, "a Parquet file"), (ARROW, "an Arrow file")):
        if start.startswith(GZIP) and beginning.startswith(magic):
            raise TableError(f"{path} is {kind} inside of gzip; decompress it")
    wanted = NAMED.get(os.path.splitext(path)[1].lower())
    if wanted:
        raise TableError(f"{path} is named like {wanted} but is not one: it starts with {start[:8]!r}")
    if delimiter is None and _is_json_list(path, beginning):
        return JSONListSource(text)
    if delimiter is None and _is_json(path, beginning):
        return JSONLinesSource(text)
    return DelimitedSource(text, delimiter)


def _check_start(path: str, start: bytes, limits: Limits) -> None:
    """Raise TableError if the first bytes are not those of a supported format."""
    if not start.startswith(PACKED):
        _check_foreign(path, start)
        TextFile(File(path, os.devnull, limits)).check(start)


def _check_foreign(path: str, start: bytes) -> None:
    for magic, words in FOREIGN:
        if start.startswith(magic):
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


def _is_json_list(path: str, beginning: bytes) -> bool:
    named = path.lower().removesuffix(".gz").endswith(".json")
    return named and beginning.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _is_json(path: str, beginning: bytes) -> bool:
    first = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    name = path.lower().removesuffix(".gz")
    if name.endswith((".jsonl", ".ndjson", ".jsonlines")):
        return True
    return first == b"{" and not _NO_OBJECT.match(beginning.removeprefix(b"\xef\xbb\xbf").lstrip())
