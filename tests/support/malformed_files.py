"""Files that are not tables, are damaged, or have another encoding: see `malformed_tables`."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

ROWS = 30


@dataclass(frozen=True)
class Case:
    """A malformed table: its file name, its bytes, the required parts of the message, the arguments of `prepare`."""

    title: str
    content: bytes
    says: tuple[str, ...]
    file: str = "data.csv"
    delimiter: str | None = None
    wishes: Mapping[str, Any] = field(default_factory=dict)


def rows(change: Callable[[list[list[str]]], None] | None = None, separator: str = ",") -> bytes:
    """Return a valid table of 30 rows, with a number, a category, a date and a target of two classes, changed."""
    random = np.random.default_rng(0)
    lines = [["size", "colour", "day", "kind"]]
    for k in range(ROWS):
        lines.append(
            [f"{random.normal():.3f}", ["red", "green", "blue"][k % 3], f"2024-0{1 + k % 9}-1{k % 7}", "ab"[k % 2]]
        )
    if change is not None:
        change(lines)
    return "".join(f"{separator.join(line)}\n" for line in lines).encode()


def cell(line: int, column: int, *texts: str) -> bytes:
    """Return the valid table with other texts in a column (from 0), from a line of the file (from 1) on."""

    def change(lines: list[list[str]]) -> None:
        for k, text in enumerate(texts, line - 1):
            lines[k][column] = text

    return rows(change)


def cut(line: int, count: int) -> bytes:
    """Return the valid table with only `count` cells on a line."""

    def change(lines: list[list[str]]) -> None:
        del lines[line - 1][count:]

    return rows(change)


def header(*names: str) -> bytes:
    def change(lines: list[list[str]]) -> None:
        lines[0] = list(names)

    return rows(change)


def column(place: int, text: Callable[[int], str]) -> bytes:
    """Return the valid table with other texts in all cells of a column."""

    def change(lines: list[list[str]]) -> None:
        for k in range(ROWS):
            lines[k + 1][place] = text(k)

    return rows(change)


def parquet(**columns: Any) -> bytes:
    stream = io.BytesIO()
    pl.DataFrame(columns, strict=False).write_parquet(stream)
    return stream.getvalue()


def arrow(**columns: Any) -> bytes:
    stream = io.BytesIO()
    pl.DataFrame(columns, strict=False).write_ipc(stream)
    return stream.getvalue()


GOOD = rows()
TEXT = GOOD.decode()
TYPED = {"size": [0.5 * k for k in range(ROWS)], "kind": ["a", "b"] * (ROWS // 2)}
LINES = "".join(f'{{"size": {k / 4}, "kind": "{"ab"[k % 2]}"}}\n' for k in range(ROWS))


def json_line(line: int, text: str) -> bytes:
    lines = LINES.splitlines()
    lines[line - 1] = text
    return ("\n".join(lines) + "\n").encode()


def damaged(content: bytes, start: int, patch: bytes) -> bytes:
    return content[:start] + patch + content[start + len(patch) :]


NOT_A_TABLE = [
    Case("nothing", b"", ("{path} is empty",)),
    Case("a line feed", b"\n", ("{path} is empty",)),
    Case("blanks", b"   \n \t \n\n", ("{path} is empty",)),
    Case("only a mark", b"\xef\xbb\xbf", ("{path} is empty",)),
    Case("only a UTF-16 mark", b"\xff\xfe", ("{path} is empty",)),
    Case("an empty gzip", gzip.compress(b""), ("{path} is empty",), "data.csv.gz"),
    Case("only a header", b"size,kind\n", ("{path} has a header but no rows",)),
    Case("only a header without line feed", b"size,kind", ("{path} has a header but no rows",)),
    Case("a header and blank lines", b"size,kind\n\n   \n\n", ("{path} has a header but no rows",)),
    Case("no header", b"1,2\n3,4\n5,6\n", ("{path} has no header", "only numbers")),
    Case("no header of decimals", b"1.5;2e3\n3;4\n", ("{path} has no header",)),
    Case(
        "an Excel workbook",
        b"PK\x03\x04" + bytes(60),
        ("{path} is a damaged zip file",),
        "data.xlsx",
    ),
    Case("an Excel workbook named CSV", b"PK\x03\x04" + bytes(60), ("{path} is a damaged zip file",)),
    Case(
        "an old Excel workbook",
        b"\xd0\xcf\x11\xe0" + bytes(60),
        ("{path} cannot be read as a spread",),
        "data.xls",
    ),
    Case("HDF5", b"\x89HDF\r\n\x1a\n" + bytes(60), ("{path} is an HDF5 file",), "data.h5"),
    Case("SQLite", b"SQLite format 3\0" + bytes(60), ("{path}: SQLite cannot open it",), "data.db"),
    Case("NumPy", b"\x93NUMPY\x01\0" + bytes(60), ("{path} is a NumPy array",), "data.npy"),
    Case("Feather 1", b"FEA1" + bytes(60), ("{path} is a Feather file of version 1",), "data.feather"),
    Case("ORC", b"ORC" + bytes(60), ("{path} is an ORC file",), "data.orc"),
    Case("Avro", b"Obj\x01" + bytes(60), ("{path} is an Avro file",), "data.avro"),
    Case("PDF", b"%PDF-1.7\n", ("{path} is a PDF document",), "data.pdf"),
    Case("a picture", b"\x89PNG\r\n\x1a\n" + bytes(60), ("{path} is a picture",), "data.png"),
    Case("bzip2", b"BZh91AY&SY" + bytes(60), ("{path} is damaged",), "data.csv.bz2"),
    Case("xz", b"\xfd7zXZ\0" + bytes(60), ("{path} is damaged",), "data.csv.xz"),
    Case("zstd", b"\x28\xb5\x2f\xfd" + bytes(60), ("{path} is cut off",), "data.csv.zst"),
    Case("a program", b"\x7fELF" + bytes(60), ("{path} is a program",), "data"),
    Case("a pickle", b"\x80\x04\x95" + bytes(60), ("{path} is a pickle, which is never loaded",), "data.pkl"),
    Case("a web page", b"<!DOCTYPE html>\n<html></html>\n", ("{path} is a web page",)),
    Case("a web page without a type", b"<html><body>404</body></html>\n", ("{path} is a web page",)),
    Case("XML", b"<?xml version='1.0'?>\n<rows/>\n", ("{path} is an XML document",), "data.xml"),
    Case(
        "a pointer of git-lfs", b"version https://git-lfs.github.com/spec/v1\n", ("{path} is a pointer", "git lfs pull")
    ),
    Case(
        "gzip inside",
        gzip.compress(b"PK\x03\x04" + bytes(60)),
        ("{path} is a compressed",),
        "data.csv.gz",
    ),
    Case(
        "Parquet in gzip",
        gzip.compress(parquet(**TYPED)),
        ("{path} is a compressed",),
        "data.gz",
    ),
    Case("Arrow in gzip", gzip.compress(arrow(**TYPED)), ("{path} is a compressed",), "data.gz"),
    Case("text named Parquet", GOOD, ("{path} is named like a Parquet file but is not one",), "data.parquet"),
    Case("text named Arrow", GOOD, ("{path} is named like an Arrow file but is not one",), "data.arrow"),
    Case("text named Feather", GOOD, ("{path} is named like an Arrow file but is not one",), "data.feather"),
    Case("a JSON list cut off", b'[{"size": 1}, {"si', ("{path}, line 1, character 16: not JSON",), "data.json"),
    Case("a JSON list of numbers", b"[1, 2]", ("{path}, row 1 is a number", "list of JSON objects"), "data.json"),
    Case("an empty JSON list", b" []", ("{path} is an empty list",), "data.json"),
]

DAMAGED = [
    Case("gzip cut off", gzip.compress(GOOD)[:-20], ("{path} is cut off", "compressed"), "data.csv.gz"),
    Case("gzip cut off in its header", gzip.compress(GOOD)[:9], ("{path} is cut off",), "data.csv.gz"),
    Case("gzip without its sum", gzip.compress(GOOD)[:-8], ("{path} is cut off",), "data.csv.gz"),
    Case("gzip damaged", damaged(gzip.compress(GOOD), 40, b"\0\0\0\0\0\0\0\0"), ("{path} is damaged",), "data.csv.gz"),
    Case(
        "gzip with a wrong sum",
        damaged(gzip.compress(GOOD), -8, b"\1\2\3\4"),
        ("{path} is damaged",),
        "d.gz",
    ),
    Case(
        "gzip with text after it",
        gzip.compress(GOOD) + b"more",
        ("{path} has data after its gzip data that are not gzip",),
        "data.csv.gz",
    ),
    Case(
        "gzip of another method",
        b"\x1f\x8b\x07" + bytes(30),
        ("{path} is compressed by a method of gzip",),
        "data.csv.gz",
    ),
    Case("Parquet cut off", parquet(**TYPED)[:-30], ("{path} is a Parquet file that is cut off",), "data.parquet"),
    Case("Parquet of four bytes", b"PAR1", ("{path} is a Parquet file that is cut off",), "data.parquet"),
    Case(
        "Parquet without a footer",
        b"PAR1" + bytes(40) + b"PAR1",
        ("{path} starts like a Parquet file, but polars cannot read it",),
        "d.parquet",
    ),
    Case(
        "Parquet with a mad footer",
        b"PAR1" + b"\xff" * 40 + b"PAR1",
        ("{path} starts like a Parquet file, but polars cannot read it",),
        "d.parquet",
    ),
    Case(
        "Parquet with damaged data",
        damaged(parquet(**TYPED), 20, b"\xff" * 60),
        ("{path} starts like a Parquet file",),
        "d.pq",
    ),
    Case("Arrow cut off", arrow(**TYPED)[:-30], ("{path} is an Arrow file that is cut off",), "data.arrow"),
    Case("Arrow of six bytes", b"ARROW1", ("{path} is an Arrow file that is cut off",), "data.arrow"),
    Case(
        "Arrow without a footer",
        b"ARROW1\0\0" + bytes(40) + b"ARROW1",
        ("{path} starts like an Arrow file, but",),
        "d.arrow",
    ),
    Case(
        "an Arrow stream cut off",
        b"\xff\xff\xff\xff\x10\1\0\0" + bytes(9),
        ("{path} starts like an Arrow stream",),
        "d.arrows",
    ),
    Case(
        "Parquet without rows",
        parquet(size=pl.Series([], dtype=pl.Float64), kind=[]),
        ("{path} has columns but no rows",),
        "d.pq",
    ),
    Case(
        "Parquet with lists",
        parquet(size=[[1.0]] * ROWS, kind=TYPED["kind"]),
        ("row 1, column 'size' holds a list",),
        "data.parquet",
    ),
    Case(
        "Parquet with structures",
        parquet(size=[{"a": 1}] * ROWS, kind=TYPED["kind"]),
        ("column 'size' holds",),
        "d.parquet",
    ),
    Case(
        "Parquet with bytes",
        parquet(size=[b"1"] * ROWS, kind=TYPED["kind"]),
        ("column 'size' holds bytes",),
        "d.parquet",
    ),
    Case(
        "Parquet with a delimiter",
        parquet(**TYPED),
        ("for which there is no delimiter",),
        "d.pq",
        ",",
    ),
    Case(
        "Parquet with an infinity",
        parquet(size=[float("inf") if k == 4 else k / 2 for k in range(ROWS)], kind=TYPED["kind"]),
        ("{path}, row 5, column 'size' holds inf", "not finite"),
        "data.parquet",
    ),
    Case(
        "Arrow with texts among numbers",
        arrow(size=["x" if k == 6 else str(k / 8) for k in range(ROWS)], kind=TYPED["kind"]),
        ("{path}, row 7, column 'size' holds 'x', which is not a number", "unlike 29 of 30 cells"),
        "data.arrow",
    ),
]

ENCODING = [
    Case("a cut character at the end", GOOD + b"1,red,2024-01-01,\xe2\x82", ("{path}, line 32 is not UTF-8",)),
    Case("a surrogate", cell(5, 1, "?").replace(b"?", b"\xed\xa0\x80"), ("{path}, line 5 is not UTF-8", "0xed")),
    Case("a NUL byte", cell(6, 1, "a\0b"), ("{path}, line 6 holds a NUL byte",)),
    Case("NUL bytes at the end", GOOD + bytes(20), ("{path}, line 32 holds a NUL byte",)),
    Case("only NUL bytes", bytes(100), ("{path}, line 1 holds a NUL byte",)),
    Case("a NUL byte in UTF-16", cell(6, 1, "a\0b").decode().encode("utf-16"), ("{path} holds a NUL character",)),
    Case("UTF-16 cut off", TEXT.encode("utf-16")[:-1], ("{path} is not whole UTF-16 text",)),
    Case(
        "UTF-16 with half a pair",
        b"\xff\xfe" + "a,b\n1,".encode("utf-16-le") + b"\0\xd8",
        ("{path} is not whole UTF-16",),
    ),
    Case("UTF-32 cut off", TEXT.encode("utf-32")[:-2], ("{path} is not whole UTF-32 text",)),
    Case("random bytes", np.random.default_rng(1).bytes(999).replace(b"\0", b""), ("{path}, line 1 is not UTF-8",)),
]

JSON = [
    Case(
        "a broken line",
        json_line(5, '{"size": 1, "kind": '),
        ("{path}, line 5, character", "is not JSON"),
        "data.jsonl",
    ),
    Case("a broken first line", json_line(1, "{size: 1}"), ("{path}, line 1, character 2",), "data.jsonl"),
    Case("a comma at the end", json_line(3, '{"size": 1, "kind": "a"},'), ("{path}, line 3, character",), "data.jsonl"),
    Case(
        "two objects on a line",
        json_line(3, '{"size": 1} {"size": 2}'),
        ("{path}, line 3, character 13",),
        "data.jsonl",
    ),
    Case(
        "a list",
        json_line(4, '{"size": [1, 2], "kind": "a"}'),
        ("row 4 (line 4), column 'size' holds '1, 2'",),
        "data.jsonl",
    ),
    Case("a line that is a list", json_line(2, "[1, 2]"), ("{path}, line 2 holds a list",), "data.jsonl"),
    Case("a line that is a number", json_line(2, "7"), ("{path}, line 2 holds a number",), "data.jsonl"),
    Case("a line that is null", json_line(2, "null"), ("{path}, line 2 holds null",), "data.jsonl"),
    Case(
        "text among numbers",
        json_line(6, '{"size": "big", "kind": "a"}'),
        ("row 6 (line 6), column 'size' holds 'big'",),
        "d.jsonl",
    ),
    Case(
        "true among numbers",
        json_line(6, '{"size": true, "kind": "a"}'),
        ("row 6 (line 6), column 'size' holds 'true'",),
        "d.jsonl",
    ),
    Case(
        "an infinity",
        json_line(6, '{"size": Infinity, "kind": "a"}'),
        ("row 6 (line 6), column 'size' holds inf",),
        "data.jsonl",
    ),
    Case(
        "a number beyond float64",
        json_line(6, f'{{"size": 1{"0" * 400}, "kind": "a"}}'),
        ("(line 6)", "not finite"),
        "d.jsonl",
    ),
    Case(
        "a number of too many digits",
        json_line(6, f'{{"size": {"9" * 5000}}}'),
        ("line 6 holds a number with too many digits",),
        "d.jsonl",
    ),
    Case("nested without end", json_line(6, "[" * 100_000), ("{path}, line 6",), "data.jsonl"),
    Case("no keys", b"{}\n{}\n", ("{path} has no columns",), "data.jsonl"),
    Case("nothing", b"\n\n", ("{path} is empty",), "data.jsonl"),
    Case("CSV named JSON lines", GOOD, ("{path}, line 1, character 1",), "data.jsonl"),
    Case(
        "a line that ends early in gzip", gzip.compress(LINES.encode()[:-9]), ("line 30, character",), "data.jsonl.gz"
    ),
]
