"""Tables are read alike from every kind of file, for any batches, and places are those of the file."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.tables import FrameSource, Source, TableError, delimited, foreign, open_table, prepare, streams
from chainrule.tables.records import IrregularQuotesError, Shape, measure
from chainrule.words.catalogue import catalogue

TEXT = 'size,colour\n1.5,red\n-2,"dark, green"\n,blue\n'
CELLS = [["1.5", "red"], ["-2", "dark, green"], ["", "blue"]]


def cells(source: Source) -> list[list[str]]:
    rows: list[list[str]] = []
    for batch in source.batches():
        assert batch.first_row == len(rows)
        rows.extend([[cell if cell is not None else "" for cell in row] for row in batch.frame.rows()])
    return rows


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    def write(content: str | bytes, name: str = "data.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


Write = Callable[..., str]


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        TEXT.rstrip(),
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\r"),
        f"\ufeff{TEXT}",
        f"\n  \n{TEXT}\n\n",
        TEXT.replace("\n", "\n\n"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-32"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        gzip.compress(TEXT.encode(), mtime=0),
        gzip.compress(TEXT.encode()[:20], mtime=0) + gzip.compress(TEXT.encode()[20:], mtime=0),
        TEXT.replace(",", ", ").replace("dark,  ", "dark, "),
        'size;colour\n1.5;red\n-2;"dark, green"\n;blue\n',
        "size\tcolour\n1.5\tred\n-2\tdark, green\n\tblue\n",
        "size|colour\n1.5|red\n-2|dark, green\n|blue\n",
        '"size","colour"\n"1.5","red"\n"-2","dark, green"\n"","blue"\n',
        "'size','colour'\n1.5,red\n-2,\"dark, green\"\n,blue\n",
        'size,colour,\n1.5,red,\n-2,"dark, green",\n,blue,\n',
    ],
)
def test_text_in_all_its_forms(written: Write, content: str | bytes) -> None:
    source = open_table(written(content))
    assert source.names == ("size", "colour")
    assert [[cell.strip() for cell in row] for row in cells(source)] == CELLS
    assert cells(source) == cells(source)


@pytest.mark.parametrize(
    ("delimiter", "content"),
    [
        ("comma", "a,b\n1,x\n"),
        (";", "a;b\n1;x\n"),
        ("tab", "a\tb\n1\tx\n"),
        ("pipe", "a|b\n1|x\n"),
        ("blank", "a b\n1 x\n"),
        ("blank", "  a   b \n  1    x\n"),
        (None, "a  b\n1  x\n"),
        ("blank", 'a b\n1 "x"\n'),
        ("~", "a~b\n1~x\n"),
        (":", "a:b\n1:x\n"),
    ],
)
def test_delimiters(written: Write, delimiter: str | None, content: str) -> None:
    source = open_table(written(content), delimiter)
    assert source.names == ("a", "b")
    assert cells(source) == [["1", "x"]]


def test_decimal_commas_do_not_hide_semicolons(written: Write) -> None:
    assert cells(open_table(written("a;b\n1,5;2,5\n3,5;4,5\n"))) == [["1,5", "2,5"], ["3,5", "4,5"]]


def test_a_quote_inside_of_a_cell_is_a_character(written: Write) -> None:
    text = 'nail,price\n5" steel,1\n"6"" brass",2\n7" zinc,3\n'
    source = open_table(written(text))
    assert cells(source) == [['5" steel', "1"], ['6" brass', "2"], ['7" zinc', "3"]]
    assert source.place(2, "price").endswith("row 3 (line 4), column 'price'")


def test_a_single_column(written: Write) -> None:
    assert cells(open_table(written("x\n1\n\n2\n"))) == [["1"], ["2"]]


def test_places_count_lines_in_quotes_and_blank_ones(written: Write) -> None:
    source = open_table(written('a,b\n"one\ntwo",1\n\nthree,2\n'))
    assert source.place(0, "a").endswith("row 1 (line 3), column 'a'")
    assert source.place(1, "b").endswith("row 2 (line 5), column 'b'")


def test_parquet_arrow_and_json_lines_are_typed(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1, 2, None], "y": [0.5, None, -1.0], "z": ["a", None, "c"], "w": [True, False, None]})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ipc(tmp_path / "t.arrow")
    frame.write_ipc_stream(tmp_path / "t.arrows")
    frame.write_ndjson(tmp_path / "t.jsonl")
    for name in ("t.parquet", "t.arrow", "t.arrows", "t.jsonl"):
        source = open_table(str(tmp_path / name))
        (batch,) = source.batches()
        assert batch.frame.rows() == frame.rows()
        assert batch.frame.schema == frame.schema
        assert source.digest


def test_json_lines_may_lack_keys_and_mix_whole_and_other_numbers(written: Write) -> None:
    source = open_table(written('{"a": 1, "b": null}\n\n{"a": 2.5}\n{"b": "x", "c": true}\n', "t.jsonl"))
    (batch,) = source.batches()
    assert source.names == ("a", "b", "c")
    assert batch.frame.rows() == [(1.0, None, None), (2.5, None, None), (None, "x", True)]
    assert batch.place(2, "c").endswith("row 3 (line 4), column 'c'")


def test_a_key_that_comes_late_is_refused(written: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.TextFile.pieces, "__defaults__", (64,))
    source = open_table(written('{"a": 1, "bc": 2}\n' * 50 + '{"a": 1, "bb": 2}\n', "t.jsonl"))
    with pytest.raises(
        TableError, match="line 51 has the key 'bb', which the first lines do not have; they have a, bc"
    ):
        list(source.batches())


@pytest.mark.parametrize(
    ("content", "names", "first", "note"),
    [
        ("sep=;\na;b\n1;2\n3;4\n", ["a", "b"], ["1", "2"], ""),
        ("SEP=\t\na\tb\n1\t2\n", ["a", "b"], ["1", "2"], ""),
        ("# by a tool\n# in 2024, at noon\na,b\n1,2\n", ["a", "b"], ["1", "2"], "are comments"),
        ("# a b\n# note\na,b\n", ["a", "b"], [], ""),
        ("#a,b\n1,2\n3,4\n", ["#a", "b"], ["1", "2"], ""),
        ("Report 2024\n\na,b\n1,2\n3,4\n", ["a", "b"], ["1", "2"], "'Report 2024', before the header"),
        ("Report,,\n,,\na,b,c\n1,2,3\n3,4,5\n", ["a", "b", "c"], ["1", "2", "3"], "'Report', before the header"),
        ("a,b\n1,2,\n3,4,\n", ["a", "b"], ["1", "2"], ""),
        ("a,b\nMazda,1,2\nFiat,3,4\nSeat,5,6\n", ["Unnamed: 0", "a", "b"], ["Mazda", "1", "2"], "a row name"),
        ('a,b\n"1",7,2\n"2",3,4\n"3",3,4\n', ["Unnamed: 0", "a", "b"], ["1", "7", "2"], "a row name"),
        ("a,b\n,\n1,2\n , \n3,\n,\n", ["a", "b"], ["1", "2"], "3 rows of "),
        ('a,b\n"",""\n1,"x\ny"\n', ["a", "b"], ["1", "x\ny"], "1 row of "),
    ],
)
def test_everyday_files(written: Write, content: str, names: list[str], first: list[str], note: str) -> None:
    source = open_table(written(content))
    assert list(source.names) == names
    if first:
        assert cells(source)[0] == first
        assert [note in each for each in source.notes] == ([True] if note else [])


@pytest.mark.parametrize(
    "content",
    ["a,b\n5,1,2\n7,3,4\n9,5,6\n", "a,b\n1,2,3\n4,5\n", "x\n1,2\n3,4\n", "a title, with a comma\na,b,c\n1,2,3\n"],
)
def test_rows_wider_than_the_header_for_no_known_reason_are_refused(written: Write, content: str) -> None:
    with pytest.raises(TableError, match=r"has \d cells but the header has \d"):
        cells(open_table(written(content)))


def test_places_count_rows_with_values(written: Write) -> None:
    source = open_table(written("a,b\n,\n1,2\n,\n3,x\n"))
    assert source.place(1, "b").endswith("row 2 (line 5), column 'b'")


def test_a_json_list_of_objects_within_objects(written: Write) -> None:
    rows = [{"a": 1, "place": {"x": 2.5, "y": {"z": "u"}}}, {"a": 3, "place": {"x": 4}}]
    listed = open_table(written(json.dumps(rows), "t.json"))
    lines = open_table(written("\n".join(map(json.dumps, rows)), "t.jsonl"))
    for source in (listed, lines):
        assert source.names == ("a", "place.x", "place.y.z")
        found = [row for batch in source.batches() for row in batch.frame.rows()]
        assert found == [(1, 2.5, "u"), (3, 4.0, None)]
    assert listed.place(1, "a").endswith("t.json, row 2, column 'a'")


def test_the_fingerprint_is_of_contents_and_names(written: Write) -> None:
    def digest(content: str | bytes) -> str:
        source = open_table(written(content))
        list(source.batches())
        assert source.digest is not None
        return source.digest

    packed = gzip.compress(TEXT.encode())
    forms: list[str | bytes] = [TEXT, packed, TEXT.encode("utf-16"), f"\ufeff{TEXT}", TEXT.replace("\n", "\r\n")]
    same = {digest(form) for form in forms}
    assert len(same) == 1
    others = {digest(TEXT.replace("red", "rad")), digest(TEXT.replace("size", "Size")), digest(TEXT + "1,red\n")}
    assert len(others | same) == 4


def test_frames_have_fingerprints_too() -> None:
    def digest(**columns: list[object]) -> str | None:
        source = FrameSource(pl.DataFrame(columns))
        assert sum(batch.frame.height for batch in source.batches()) == 2
        return source.digest

    assert digest(x=[1, 2]) == digest(x=[1, 2])
    assert len({digest(x=[1, 2]), digest(y=[1, 2]), digest(x=[1.0, 2.0]), digest(x=["1", "2"]), digest(x=[2, 1])}) == 5


texts = st.text(st.sampled_from('ab1 ,;"\n\té'), max_size=5)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=20),
    st.integers(1, 40),
    st.sampled_from([",", ";", "\t"]),
)
def test_what_the_csv_module_writes_is_read_whatever_the_pieces(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], size: int, delimiter: str
) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["one", "two", "three"])
    writer.writerows(rows)
    path = tmp_path_factory.getbasetemp() / "pieces.csv"
    path.write_text(stream.getvalue(), encoding="utf-8", newline="")
    source = open_table(str(path), delimiter)
    assert isinstance(source, delimited.DelimitedSource)
    text = source._text
    pieces = text.pieces
    object.__setattr__(text, "pieces", lambda _=0: pieces(size))
    kept = [(k, row) for k, row in enumerate(rows) if any(cell.strip() for cell in row)]
    if not kept:
        with pytest.raises(TableError, match="no rows"):
            cells(source)
        return
    assert [[cell.strip() for cell in row] for row in cells(source)] == [[x.strip() for x in row] for _, row in kept]
    row, last = len(kept) - 1, kept[-1][0]
    line = 2 + sum(cell.count("\n") for each in rows[: last + 1] for cell in each) + last
    assert source.place(row, "two").endswith(f"row {row + 1} (line {line}), column 'two'")


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text('a1,;"\n\r\t |', max_size=80).map(str.encode)))
def test_any_bytes_are_a_table_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        source = open_table(str(path))
        for batch in source.batches():
            assert tuple(batch.frame.columns) == source.names
            batch.place(batch.frame.height - 1, source.names[0])
    except TableError as error:
        message = str(error)
    else:
        message = "read"
    assert len(message.splitlines()) == 1


def test_ten_thousand_columns(written: Write) -> None:
    names = [f"c{k}" for k in range(10_000)]
    text = "\n".join([",".join(names), *[",".join(map(str, range(k, k + 10_000))) for k in range(3)]])
    source = open_table(written(text))
    (batch,) = source.batches()
    assert batch.frame.shape == (3, 10_000)
    assert batch.place(2, "c9999").endswith("row 3 (line 4), column 'c9999'")


def test_long_cells(written: Write) -> None:
    long = "x" * 300_000
    assert cells(open_table(written(f"a,b\n{long},1\n"))) == [[long, "1"]]
    assert cells(open_table(written(f'a,b\n"{long}\n,",1\n'))) == [[f"{long}\n,", "1"]]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 64])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_pieces_may_end_anywhere(written: Write, monkeypatch: pytest.MonkeyPatch, size: int, encoding: str) -> None:
    monkeypatch.setattr(streams.TextFile.pieces, "__defaults__", (size,))
    text = 'größe,"€ 𝄞"\r\n1,"ä\r\n𝄞"\r\n\r\n2,€\r\n'
    source = open_table(written(text.encode(encoding)))
    assert source.names == ("größe", "€ 𝄞")
    assert cells(source) == [["1", "ä\n𝄞"], ["2", "€"]]
    assert source.place(0, "größe").endswith("row 1 (line 3), column 'größe'")
    assert source.place(1, "größe").endswith("row 2 (line 5), column 'größe'")


@pytest.mark.parametrize(
    "block", [b'a"b",c\n', b'"a"b,c\n', b'a, "b"\n', b'"a" ,b\n', b'"a\nb,c\n', b'a"\nb"\n', b'x,y"z\n']
)
def test_quotes_inside_of_cells_are_noticed(block: bytes) -> None:
    with pytest.raises(IrregularQuotesError):
        measure(block, ",", last=True)


def test_blocks_end_with_whole_records() -> None:
    assert measure(b'a,b\n"c\n,",d\ne', ",", last=False) == Shape(12, 2, 2, True)
    assert measure(b'a,b\n"c\n,",d\ne', ",", last=True) == Shape(13, 3, 2, True)
    assert measure(b"a,b\nc,d", ",", last=False) == Shape(4, 1, 1, False)
    assert measure(b"a,b\nc,d", ",", last=True) == Shape(7, 2, 2, False)
    assert measure(b'a,"b\n', ",", last=False).end == 0
    assert measure(b"abc", ",", last=False).end == 0


def test_names_that_differ_by_case_are_different(written: Write) -> None:
    assert open_table(written("age,Age, AGE \n1,2,3\n")).names == ("age", "Age", "AGE")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "the name of the table is empty"),
        ("data.cvs", "data.cvs does not exist; check the path; did you mean 'data.csv'?"),
        ("nowhere/data.csv", "nowhere/data.csv does not exist; check the path (there is no folder "),
        ("data.csv/more", "does not exist: a part of the path is a file"),
        ("empty", "the folder holds no file"),
        ("code", "holds no file that is named as a table"),
        ("*.parquet", "the pattern holds no file"),
        ("a\0b", "holds a NUL character"),
        ("x" * 5000, "File name too long"),
    ],
)
def test_paths_that_lead_nowhere(
    written: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str, words: str
) -> None:
    written(TEXT)
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("code").mkdir()
    Path("code/a.c").write_text("int a;")
    with pytest.raises(TableError) as caught:
        open_table(path)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_may_not_be_read(written: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    path = written(TEXT)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(TableError, match="cannot be read: permission denied"):
        open_table(path)


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(TEXT,))
    writer.start()
    source = open_table(str(path))
    writer.join()
    assert cells(source) == cells(source) == CELLS


def test_batches_are_small_where_the_file_is_large(written: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.TextFile.pieces, "__defaults__", (1000,))
    values = np.arange(2000)
    source = open_table(written("x,y\n" + "".join(f"{k},{k * k}\n" for k in values)))
    sizes = [batch.frame.height for batch in source.batches()]
    assert sum(sizes) == 2000
    assert max(sizes) < 400
    assert source.place(1999, "y").endswith("row 2,000 (line 2,001), column 'y'")


def test_whole_numbers_of_json_are_told_apart_to_the_last_digit(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    start = 10**25
    path.write_text("".join(f'{{"a": {start + k % 3}, "b": {2**63 + k}, "y": {k % 7}.5}}\n' for k in range(60)))
    frame = next(iter(open_table(str(path)).batches())).frame
    assert frame["a"].to_list()[:3] == [str(start + k) for k in range(3)]
    prepared = prepare(open_table(str(path)), "y")
    assert {found.name: found.kind for found in prepared.findings} == {"a": "category", "b": "identifier"}
    assert prepared.X.shape[1] == 3


@pytest.mark.parametrize(
    ("below", "names", "left_out"),
    [
        ("Total,36,\n", "north", True),
        ("Summe:,36,x\n", "7", True),
        ("Total,36,x\n", "north", False),
        ("**,36,\n", "north", True),
        ("total,36,\n", "total", False),
        ("Total,36,\nwest,3,x\n", "north", False),
    ],
    ids=[
        "an empty cell",
        "a word among numbers",
        "asterisks",
        "a name like others",
        "a name that comes again",
        "not the last row",
    ],
)
def test_a_last_row_of_totals_is_no_row(tmp_path: Path, below: str, names: str, left_out: bool) -> None:
    path = tmp_path / "report.csv"
    path.write_text("a,b,c\n" + "".join(f"{names},{k},x\n" for k in range(9)) + below)
    source = open_table(str(path))
    frame = pl.concat([batch.frame for batch in source.batches()])
    assert frame.height == (9 if left_out else 9 + below.count("\n"))
    word = below.split(",")[0]
    said = f"{word!r}, the last row of {path}, is taken for totals and left out"
    assert source.notes == ([said] if left_out else [])


@pytest.mark.parametrize(
    ("header", "begin", "end", "below"),
    [
        (" a | b \n---+---\n", " ", "", "(9 rows)\n\n"),
        ("| a | b |\n|:--|--:|\n", "| ", " |", ""),
        ("a\tb\n", "", "", "(9 rows affected)\n"),
    ],
    ids=["psql", "markdown", "a count alone"],
)
def test_lines_and_counts_around_a_printed_table_are_no_rows(
    tmp_path: Path, header: str, begin: str, end: str, below: str
) -> None:
    mark = "\t" if "\t" in header else "|"
    path = tmp_path / "printed.txt"
    path.write_text(header + "".join(f"{begin}{k}{mark}{k % 2}.5{end}\n" for k in range(9)) + below)
    source = open_table(str(path))
    frame = pl.concat([batch.frame for batch in source.batches()])
    assert frame["a"].str.strip_chars().to_list() == [str(k) for k in range(9)]
    assert frame["b"].str.strip_chars().to_list() == [f"{k % 2}.5" for k in range(9)]
    assert source.notes == []


FRAME = "+----+-------+------+\n"
TITLES = "| id | place | size |\n"
BODY = [f"| {k:>2} | {'New York, NY' if k % 2 else 'Rome':<12} | {k / 4:4} |\n" for k in range(1, 10)]


@pytest.mark.parametrize(
    "text",
    [
        FRAME + TITLES + FRAME + "".join(BODY) + FRAME,
        FRAME + TITLES + FRAME + "".join(BODY) + FRAME + "9 rows in set (0.01 sec)\n",
        FRAME + TITLES + FRAME + "".join(BODY) + FRAME + "9 rows in set, 1 warning (0.01 sec)\n\n",
        "mysql> select * from t;\n" + FRAME + TITLES + FRAME + "".join(BODY) + FRAME,
        FRAME + TITLES + FRAME.replace("-", "=") + "".join(f"{row}{FRAME}" for row in BODY),
    ],
    ids=["a frame", "a count", "a warning", "a prompt", "lines between rows"],
)
def test_frames_around_printed_tables_are_no_rows(tmp_path: Path, text: str) -> None:
    path = tmp_path / "printed.txt"
    path.write_text(text)
    source = open_table(str(path))
    frame = pl.concat([batch.frame for batch in source.batches()])
    assert [name for name in frame.columns if not name.startswith("Unnamed")] == ["id", "place", "size"]
    assert frame["id"].str.strip_chars().to_list() == [str(k) for k in range(1, 10)]
    assert frame["size"].str.strip_chars().cast(pl.Float64).to_list() == [k / 4 for k in range(1, 10)]
    titles = ["'mysql> select * from t;', before the header of {path}, is taken for a title"] if "mysql" in text else []
    assert source.notes == [title.format(path=path) for title in titles]


@pytest.mark.parametrize(
    ("header", "below", "named"),
    [
        ("ID NAME SIZE\n-- ---- ----\n", "\n9 rows selected.\n", False),
        ("ID NAME SIZE\n-- ---- ----\n", "\n  9 record(s) selected.\n\n", False),
        ("ID NAME SIZE\n-- ---- ----\n", "\n(9 rows affected)\n", False),
        ('"NAME" "SIZE"\n', "", True),
    ],
    ids=["Oracle", "DB2", "SQL Server", "R"],
)
def test_tables_parted_by_blanks_may_have_names_of_rows_and_a_count_below(
    tmp_path: Path, header: str, below: str, named: bool
) -> None:
    path = tmp_path / "printed.txt"
    path.write_text(header + "".join(f'{k} "Mazda RX{k}" {k}.5\n' for k in range(9)) + below)
    source = open_table(str(path))
    frame = pl.concat([batch.frame for batch in source.batches()])
    assert list(frame.columns) == ["Unnamed: 0" if named else "ID", "NAME", "SIZE"]
    assert frame["NAME"].to_list() == [f"Mazda RX{k}" for k in range(9)]
    assert frame["SIZE"].to_list() == [f"{k}.5" for k in range(9)]
    assert len(source.notes) == named


KEYED = "".join(f'"{k}-01-2023";"a{k}";"x";"{k},5";"EUR";\n' for k in range(10, 19))
TITLED = '"Day";"Text";"Kind";"Amount";"Unit";\n'
EMBEDDED = {
    "keys of a bank": ('"Account:";"DE12";\n"From:";"2023";\n\n' + TITLED + KEYED, "'Account: DE12'", 5),
    "keys of full width": ("Account:;DE12;;;;\nFrom:;2023;;;;\n" + TITLED + KEYED, "'Account: DE12'", 5),
    "a pair above": ("Bank;2023\n\n" + TITLED + KEYED, "'Bank 2023'", 5),
    "years": (
        "Source;World\n\nUpdated;2023-12-18\n\nName;Code;1960;1961;2020\n"
        + "".join(f"n{k};C{k};{k}.5;{k};3\n" for k in range(9)),
        "'Source World'",
        5,
    ),
    "SAP": (
        f"List\n\n{'-' * 30}\n|Plant|Material |  Amount|\n{'-' * 30}\n"
        + "".join(f"|1000 |M-{k}      |  {k}.5   |\n" for k in range(9))
        + "-" * 30,
        "'List'",
        3,
    ),
    "Campbell": (
        '"TOA5","CR1000","CR1000","1","Std","CPU:a.CR1","12","Table1"\n"TIMESTAMP","RECORD","RH"\n"TS","RN","%"\n"","","Smp"\n'
        + "".join(f'"2023-01-0{k + 1} 00:00:00",{k},{k}.5\n' for k in range(9)),
        "'TOA5 CR1000",
        3,
    ),
    "Qualtrics": (
        'Start,Q1,Q2\nStart Date,How old?,"Do you\nlike it?"\n'
        + ",".join(f'"{{""ImportId"":""{q}""}}"' for q in ("s", "Q1", "Q2"))
        + "\n"
        + "".join(f"2023-01-0{k + 1},{k},yes\n" for k in range(9)),
        "'Start Date How old?",
        3,
    ),
}


@pytest.mark.parametrize("name", EMBEDDED)
def test_what_programs_write_around_a_table_is_told_and_passed_over(tmp_path: Path, name: str) -> None:
    text, said, width = EMBEDDED[name]
    path = tmp_path / "export.csv"
    path.write_text(text)
    source = open_table(str(path))
    frame = pl.concat([batch.frame for batch in source.batches()])
    assert frame.height == 9
    assert len([column for column in frame.columns if not column.startswith("Unnamed")]) == width
    assert any(said in note for note in source.notes)
    assert all(any(char.isdigit() for char in "".join(map(str, row))) for row in frame.rows())


@pytest.mark.parametrize(
    "text",
    ["x,y,,\np,q,r,s\n" + "a,b,c,d\n" * 5, "Name,Code,1960,1961\n" + "a,b,1,2\n" * 5],
    ids=["names that lack", "no title"],
)
def test_a_first_line_that_may_be_the_header_is_not_passed_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text)
    source = open_table(str(path))
    assert source.names[0] == text.split(",")[0]
    assert source.notes == []


FOREIGN_TEXTS = {
    "libsvm": "+1 1:0.5 3:2\n-1 2:1e-3 # rare\n1 1:1 2:1 7:1\n",
    "libsvm of ranks": "# queries\n2 qid:1 1:0.5 3:2\n1 qid:1 2:1\n0 qid:2 1:1 2:1\n",
    "libsvm without a feature": "1\n0 1:1 4:1\n1 2:1\n",
    "Vowpal Wabbit": "1 | price:0.2 sqft:1 new\n-1 0.5 'second | price:0.3\n1 |a price:0.2 |b age:3\n",
    "pairs": 'id=1 name="a b" size=2\nid=2 name=b size=3\nid=3 name= size=4\n',
    "mysql -E": "********* 1. row *********\n  id: 1\nsize: 2\n",
    "psql -x": "-[ RECORD 1 ]--\nid   | 1\nsize | 2\n",
    "polars": "shape: (2, 1)\n┌─────┐\n│ a   │\n╞═════╡\n│ 1   │\n└─────┘\n",
    "tibble": "# A tibble: 2 × 2\n      a     b\n  <dbl> <dbl>\n1     1     2\n",
    "inserts": "-- a\n\nINSERT INTO t (a, b) VALUES (1, 2);\nINSERT INTO t (a, b) VALUES (1, 2);\n",
    "mysqldump": "-- MySQL dump 10.13  Distrib 8.0\n--\n",
    "pg_dump": "--\n-- PostgreSQL database dump\n--\n",
    "LaTeX": "% a table\n\\begin{tabular}{ll}\na & b \\\\\n",
    "YAML": "- a: 1\n  b: 2\n- a: 3\n  b: 4\n",
    "TOML": "[[rows]]\na = 1\nb = 2\n",
    "Python": "[{'a': 1, 'b': None},\n {'a': 2, 'b': 3}]\n",
    "NumPy": "[[1.  2. ]\n [3.5 4. ]]\n",
    "contacts": "BEGIN:VCARD\nVERSION:3.0\n",
}


@pytest.mark.parametrize("name", FOREIGN_TEXTS)
def test_texts_of_other_formats_are_named_with_a_mend(tmp_path: Path, name: str) -> None:
    path = tmp_path / "data.txt"
    path.write_text(FOREIGN_TEXTS[name])
    words = foreign.foreign_text(FOREIGN_TEXTS[name])
    assert words is not None
    with pytest.raises(TableError, match=re.escape(f"{path} is {words}")) as raised:
        open_table(str(path))
    assert re.search(r"; .*\b(CSV|JSON|SQLite)\b", words)
    assert path.name in raised.value.in_language("zh")


@pytest.mark.parametrize(
    "text",
    [
        "class 1 3\n1 0.5 2\n2 0.25 1\n3 1 2\n",
        "from to\n10:30 11:45\n09:15 10:00\n08:05 09:10\n",
        "a=1,b\n1,2\n3,4\n5,6\n",
        "a | b:c\n1 | x:2\n2 | y:3\n3 | z:4\n",
        "Set A,CREATE\n1,2\n3,4\n",
        "- a,b\n1,2\n3,4\n",
    ],
)
def test_tables_that_resemble_other_formats_are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.txt"
    path.write_text(text)
    assert len(open_table(str(path)).names) >= 2


def test_what_other_formats_are_called_has_a_translation() -> None:
    said = [words for table in (foreign.FOREIGN, foreign.BEGINNINGS, foreign.LINES) for _, words in table]
    assert [words for words in said if not catalogue("zh").complete(words)] == []


def test_a_header_that_comes_again_is_no_row(tmp_path: Path) -> None:
    rows = [f"{k},{'xyc'[k % 3]},{k % 2}" for k in range(9)]
    for again in ("a,b,c", " a, b,c", "\ufeffa,b,c", '"a",b,c'):
        path = tmp_path / "joined.csv"
        path.write_text("\n".join(["a,b,c", *rows, again, *rows, ""]), encoding="utf-8")
        source = open_table(str(path))
        frame = pl.concat([batch.frame for batch in source.batches()])
        assert frame["a"].to_list() == [str(k) for k in (*range(9), *range(9))]
        assert source.notes == [f"1 row of {path} with the header again left out"]
        assert source.place(9, "a") == f"{path}, row 10 (line 12), column 'a'"
    path.write_text("a\na\nb\n")
    assert [batch.frame["a"].to_list() for batch in open_table(str(path)).batches()] == [["a", "b"]]


ROWS = "".join(f"{k},x,{k / 2}\n" for k in range(9))


@pytest.mark.parametrize(
    ("text", "rows", "said"),
    [
        (f"a,b,c\n[s],,m/s\n{ROWS}", 9, "'[s] m/s', below the header of {path}, is taken for the units of the columns"),
        (f"a,b,c\n,x,\n{ROWS}", 10, ""),
        (f"a,b,c\n,kg,NA\n{ROWS}", 10, ""),
        (f"a,b,c\n{ROWS}\nPublished by us\nin 2024,x\n", 9, "'Published by us', below the rows of {path}, is taken"),
        (f"a,b,c\n{ROWS}* estimated\n", 9, "'* estimated', below the rows of {path}, is taken"),
        (ROWS.replace(",", "^").replace("0^x^0.0", "a^b^c"), 8, ""),
    ],
    ids=["units", "no units", "a unit of a text", "a text below", "a footnote", "a rare mark"],
)
def test_what_stands_around_the_rows_is_no_row(tmp_path: Path, text: str, rows: int, said: str) -> None:
    path = tmp_path / "report.csv"
    path.write_text(text)
    source = open_table(str(path))
    assert sum(batch.frame.height for batch in source.batches()) == rows
    assert source.names == ("a", "b", "c")
    assert "".join(source.notes).startswith(said.format(path=path))
    assert bool(source.notes) == bool(said)


def test_a_row_that_is_cut_off_is_no_text_below(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    for text in (f"a,b,c\n{ROWS}1,x\n", f"a,b,c\n{ROWS}\nNote\n1,x,2\n"):
        path.write_text(text)
        with pytest.raises(TableError, match="but the header has 3"):
            list(open_table(str(path)).batches())
