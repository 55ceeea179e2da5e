"""Files of other formats, by their first bytes or lines, with what to do about each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

FOREIGN: Final = (
    (b"\x89HDF", "an HDF5 file; write the table as Parquet or CSV"),
    (b"\x93NUMPY", "a NumPy array; write it as CSV with a header"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file; write the table as CSV with writetable"),
    (b"FEA1", "a Feather file of version 1; write it as Arrow or Parquet"),
    (b"ORC", "an ORC file; write it as Parquet"),
    (b"Obj\x01", "an Avro file; write it as Parquet"),
    (b"%PDF", "a PDF document; give a table"),
    (b"{\\rtf", "a text document; save the table as CSV"),
    (b"\x89PNG", "a picture; give a table"),
    (b"\xff\xd8\xff", "a picture; give a table"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (b"Rar!", "a RAR archive; unpack it"),
    (b"\x1f\x9d", "compressed with compress; decompress it, or compress it with gzip"),
    (b"$FL2", "an SPSS file; save the table as CSV"),
    (b"<stata_dta>", "a Stata file; save the table as CSV"),
    (b"HEADER RECORD*******", "a SAS transport file; save the table as CSV"),
    (b"RDX", "a file of R; save the table as CSV with write.csv"),
    (b"\x7fELF", "a program; give a table"),
    (b"MZ\x90", "a program; give a table"),
    (b"\x80\x04\x95", "a pickle, which is never loaded; write the table as CSV or Parquet"),
    (b"\x80\x05\x95", "a pickle, which is never loaded; write the table as CSV or Parquet"),
    (b"<!DOCTYPE", "a web page; download the table itself"),
    (b"<!doctype", "a web page; download the table itself"),
    (b"<html", "a web page; download the table itself"),
    (b"<table", "a web page; download the table itself"),
    (b"<?xml", "an XML document; save the table as CSV"),
    (b"@relation", "an ARFF file; save the table as CSV"),
    (b"@RELATION", "an ARFF file; save the table as CSV"),
    (b"ID;P", "a SYLK file; save the table as CSV"),
    (b"version https://git-lfs", "a pointer to a file that was not fetched; run git lfs pull"),
)
"""First bytes, and what has them."""

_ONE_BY_ONE = "printed with a line for each value; print it with a line for each row, as CSV"

BEGINNINGS: Final = (
    (r"\s*(?:.*\n){0,3}\s*[┌╭╔┏][─═━┬┳╤╦]", "a table as it is printed, drawn with lines; write it as CSV"),
    (r"(?:.*;\n)?\*{5,} +1\. row +\*{5,}", _ONE_BY_ONE),
    (r"(?:.*;\n)?-\[ RECORD 1 \]", _ONE_BY_ONE),
    (r"# A tibble: \d", "a table as R prints it; write it as CSV with write.csv"),
    (
        r"(?:--.*\n|/\*.*\n|\s*\n)*(?:INSERT INTO \S+ .*VALUES|CREATE TABLE\b|BEGIN TRANSACTION;|PRAGMA \w+ ?=)",
        "a dump of a database in SQL; load it into SQLite, and give the database",
    ),
    (r"-- (?:MySQL|MariaDB) dump ", "a dump of a database in SQL; write the table as CSV"),
    (r"--\n-- PostgreSQL database dump", "a dump of a database in SQL; write the table as CSV"),
    (r"(?:%.*\n)*\\(?:documentclass|begin|usepackage)\b", "a LaTeX document; write the table as CSV"),
    (r"(?:---\s*\n)?- [\w '\"]+: .*\n {2}[\w '\"]+: ", "a YAML document; write the table as CSV"),
    (r"\[\[[\w.\-]+\]\]\s*\n\s*[\w.\-]+ *= ", "a TOML document; write the table as CSV"),
    (r"\s*\[?\s*\{'[^'\n]*' ?: ", "a list or dict as Python prints it; write it as JSON, with json.dump"),
    (
        r"\s*(?:array\(\[|\[\[\s*[\d.+\-e]+ +[\d.+\-e]+[^\n]*\]\n\s*\[)",
        "an array as NumPy prints it; write it as CSV with a header",
    ),
    (r"BEGIN:V(?:CARD|CALENDAR)\b", "an address book or a calendar; export it as CSV"),
)
"""Patterns of the beginning of a text, and what begins so."""

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_SPARSE = re.compile(rf"{_NUMBER}(?:,{_NUMBER})*(?:\s+qid:\d+)?((?:\s+\d+:{_NUMBER})*)\s*(?:#.*)?")
_NAMESPACES = re.compile(rf"(?:{_NUMBER} +){{0,2}}(?:'?\S+ *)?\|\S* .*[^\s:|]:{_NUMBER}(?:\s.*)?")
_PAIRS = re.compile(r'\s*[A-Za-z_][\w.\-]*=(?:"[^"]*"|\S*)(?:\s+[A-Za-z_][\w.\-]*=(?:"[^"]*"|\S*))+\s*')
_FEWEST = 3


def _are_sparse(lines: Sequence[str]) -> bool:
    """Whether each line is a target, and numbers of columns in ascending order with their values."""
    found = [_SPARSE.fullmatch(line) for line in lines]
    places = [[int(place) for place in re.findall(r"(\d+):", each[1])] for each in found if each is not None]
    ascending = all(row == sorted(set(row)) for row in places)
    return len(places) == len(lines) and ascending and max(map(len, places)) > 1


def _match(pattern: re.Pattern[str]) -> Callable[[Sequence[str]], bool]:
    return lambda lines: all(pattern.fullmatch(line) for line in lines)


LINES: Final[tuple[tuple[Callable[[Sequence[str]], bool], str], ...]] = (
    (
        _are_sparse,
        "in the format of libsvm, without names of columns; read it with sklearn.datasets.load_svmlight_file, and "
        "write the table as CSV or Parquet",
    ),
    (_match(_NAMESPACES), "in the format of Vowpal Wabbit; write the table as CSV, with a column for each feature"),
    (_match(_PAIRS), "written as name=value in each line; write it as CSV, with the names in a header"),
)
"""What the first lines of a text are all like, and what has such lines."""


def foreign_bytes(start: bytes) -> str | None:
    """Return what a file is that starts with these bytes, and the mend; None if it may be a table.

    >>> foreign_bytes(b"%PDF-1.7"), foreign_bytes(b"a,b")
    ('a PDF document; give a table', None)
    """
    return next((words for magic, words in FOREIGN if start.startswith(magic)), None)


def foreign_text(beginning: str) -> str | None:
    r"""Return what a text is that begins so, with whole lines, and the mend; None if it may be a table.

    >>> foreign_text("1 1:0.5 3:2\n-1 2:1\n1 3:1\n").split(";")[0]
    'in the format of libsvm, without names of columns'
    >>> foreign_text("class 1 3\n1 0.5 2\n") is None
    True
    """
    words = next((words for pattern, words in BEGINNINGS if re.match(pattern, beginning)), None)
    lines = [line for line in beginning.split("\n")[:-1] if line.strip() and not line.startswith("#")]
    if words is None and len(lines) >= _FEWEST:
        words = next((words for fits, words in LINES if fits(lines)), None)
    return words
