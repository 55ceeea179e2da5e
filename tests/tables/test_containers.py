"""Tables in other encodings and containers than plain UTF-8 text."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from chainrule.tables import TableError, open_table

TEXT = "größe,art\n" + "".join(f"{k}.5,{'äü'[k % 2]}\n" for k in range(30))
FRAME = pl.DataFrame({"größe": [k + 0.5 for k in range(30)], "art": ["äü"[k % 2] for k in range(30)]})

OF_TEXT = 'office:value-type="string"'
NAMES = "urn:oasis:names:tc:opendocument:xmlns"
DOCUMENT = f"""<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="{NAMES}:office:1.0" xmlns:table="{NAMES}:table:1.0"
xmlns:text="{NAMES}:text:1.0">
<office:body><office:spreadsheet><table:table table:name="A">ROWS</table:table></office:spreadsheet></office:body>
</office:document-content>"""


def read(path: Path, **choices: Any) -> tuple[list[str], list[list[str]], list[str]]:
    """Return names, cells as text, and notes."""
    source = open_table(str(path), **choices)
    frames = [batch.frame for batch in source.batches()]
    rows = [[str(cell) for cell in row] for frame in frames for row in frame.rows()]
    return list(source.names), rows, source.notes


WANTED = [[f"{k}.5", "äü"[k % 2]] for k in range(30)]


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("a.csv.gz", lambda text: gzip.compress(text.encode())),
        ("a.csv.bz2", lambda text: bz2.compress(text.encode())),
        ("a.csv.xz", lambda text: lzma.compress(text.encode())),
        ("a.csv", lambda text: text.encode("utf-16")),
        ("b.csv", lambda text: text.encode("utf-16-le")),
        ("c.csv", lambda text: text.encode("windows-1252")),
        ("d.csv.gz", lambda text: gzip.compress(text.encode("windows-1252"))),
    ],
)
def test_text_is_found_in_it(tmp_path: Path, name: str, packed: Callable[[str], bytes]) -> None:
    path = tmp_path / name
    path.write_bytes(packed(TEXT))
    names, rows, notes = read(path)
    assert (names, rows) == (["größe", "art"], WANTED)
    assert any("Windows-1252" in note for note in notes) == ("c.csv" in name or "d.csv" in name)


def test_an_encoding_that_cannot_be_guessed_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("城市,值\n北京,1\n上海,2\n".encode("gb18030"))
    with pytest.raises(TableError, match=r"line 1 is not UTF-8 text.*--encoding"):
        open_table(str(path))
    assert read(path, encoding="gb18030")[0] == ["城市", "值"]
    with pytest.raises(TableError, match="the encoding is 'utf-9', which Python does not know"):
        open_table(str(path), encoding="utf-9")


def test_zip_archives(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one.csv", TEXT)
        archive.writestr("__MACOSX/._one.csv", "x")
        archive.writestr("README.txt", "What is in it.")
        archive.writestr("terms.pdf", "%PDF-1.7")
    assert read(path)[:2] == (["größe", "art"], WANTED)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("two.csv", TEXT)
    assert read(path)[1] == WANTED + WANTED
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("three.csv", "größe,b\n1,2\n")
    with pytest.raises(TableError, match=r"three\.csv lacks the column 'art'"):
        read(path)


def test_folders_and_patterns(tmp_path: Path) -> None:
    for year in (2023, 2024):
        folder = tmp_path / "all" / f"year={year}"
        folder.mkdir(parents=True)
        FRAME.write_parquet(folder / "part.parquet")
        (tmp_path / f"{year}.csv").write_text(TEXT, "utf-8")
    (tmp_path / "all" / "_SUCCESS").write_text("")
    (tmp_path / "all" / "README.md").write_text("What the parts are.")
    names, rows, _ = read(tmp_path / "all")
    assert names == ["größe", "art", "year"]
    assert rows == [[*row, year] for year in ("2023", "2024") for row in WANTED]
    source = open_table(str(tmp_path / "20*.csv"))
    places = [batch.place(3, "art") for batch in source.batches()]
    assert places[1].startswith(str(tmp_path / "2024.csv"))
    assert [batch.first_row for batch in source.batches()] == [0, 30]


def test_zstandard(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.zst"
    with pa.CompressedOutputStream(str(path), "zstd") as stream:
        stream.write(TEXT.encode())
    assert read(path)[:2] == (["größe", "art"], WANTED)


def test_open_document_spreadsheets(tmp_path: Path) -> None:
    def cell(value: str) -> str:
        kind = f'office:value-type="float" office:value="{value}"' if value[0].isdigit() else OF_TEXT
        return f"<table:table-cell {kind}><text:p>{value}</text:p></table:table-cell>"

    rows = "".join(
        f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in (["größe", "art"], *WANTED)
    )
    path = tmp_path / "a.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", f'<manifest:manifest xmlns:manifest="{NAMES}:manifest:1.0"/>')
        archive.writestr("content.xml", DOCUMENT.replace("ROWS", rows))
    assert read(path)[:2] == (["größe", "art"], WANTED)


def test_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (a, b)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(k, "äü"[k % 2]) for k in range(9)])
    connection.close()
    assert read(path)[1] == [[str(k), "äü"[k % 2]] for k in range(9)]
    assert read(path, query="SELECT a * 2 AS c FROM t WHERE a < 2")[:2] == (["c"], [["0"], ["2"]])
    with pytest.raises(TableError, match="SQLite cannot run the query"):
        open_table(str(path), query="DELETE FROM t")
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE u (a)")
    connection.close()
    with pytest.raises(TableError, match="with the tables t, u; choose one"):
        open_table(str(path))


CELLS = '<c t="inlineStr"><is><t>{}</t></is></c>'
SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)


def workbook(path: Path, rows: list[list[object]]) -> None:
    """Write the smallest Excel workbook with these rows."""
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    lines = "".join(
        "<row>" + "".join(CELLS.format(x) if isinstance(x, str) else f"<c><v>{x}</v></c>" for x in row) + "</row>"
        for row in rows
    )
    part = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{part}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{part}.worksheet+xml"/></Types>',
        )
        related = (
            '<Relationships xmlns="{}/relationships"><Relationship Id="r" Type="{}/{}" Target="{}"/></Relationships>'
        )
        archive.writestr("_rels/.rels", related.format(package, kind, "officeDocument", "xl/workbook.xml"))
        archive.writestr(
            "xl/_rels/workbook.xml.rels", related.format(package, kind, "worksheet", "worksheets/sheet1.xml")
        )
        archive.writestr(
            "xl/workbook.xml",
            '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
            f'xmlns:r="{kind}"><sheets><sheet name="Data" sheetId="1" r:id="r"/></sheets></workbook>',
        )
        archive.writestr("xl/worksheets/sheet1.xml", SHEET.format(lines))


def test_spreadsheets(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    workbook(path, [["Sales of 2024"], [], ["size", "kind"], *([k + 0.5, "ab"[k % 2]] for k in range(30))])
    names, rows, notes = read(path)
    assert names == ["size", "kind"]
    assert rows == [[f"{k}.5", "ab"[k % 2]] for k in range(30)]
    assert any("title" in note for note in notes)
    with pytest.raises(TableError, match="no sheet 'Date'; it has Data; did you mean 'Data'"):
        open_table(str(path), sheet="Date")


def test_addresses_are_refused_in_a_sentence_without_passwords() -> None:
    with pytest.raises(TableError, match=r"^https://example\.org/a\.csv is an address; download the table"):
        open_table("https://example.org/a.csv")
    with pytest.raises(TableError, match=r"^postgresql://me@host/data is a database; give SQL"):
        open_table("postgresql://me:secret@host/data")
