"""Endless files, and files made to exhaust a machine, are rejected early and leave nothing behind."""

from __future__ import annotations

import errno
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result

from chainrule.files import scratch
from chainrule.tables import UNLIMITED, VARIABLE, Limits, TableError, delimited, open_table, streams

SMALL = Limits(cell=1_000, record=20_000, columns=50, copied=1_000_000, ratio=20)
ROWS = b"".join(b"%d,%s\n" % (k % 7, b"ab"[k % 2 :][:1]) for k in range(200))
Run = Callable[..., Result]


def read(path: str, limits: Limits | None = SMALL) -> int:
    return sum(batch.frame.height for batch in open_table(path, limits=limits).batches())


def content_of(name: str) -> bytes:
    start = b"x,y\n" + ROWS
    long, quoted = b"z" * 1_100, b'"' + b"1,a\n" * 400 + b'"'
    return {
        "a cell": start + b"1," + long + b"\n" + ROWS,
        "the last cell": start + b"1," + long,
        "a cell without an end": start + b"1," + long * 100,
        "a quoted cell": start + b"1," + quoted + b"\n" + ROWS,
        "an open quote": start + b'1,"' + ROWS * 50,
        "a cell among irregular rows": start + b'1,a"b\n' + b"1," + long + b"\n" + ROWS,
        "a name": b"x" + long + b",y\n" + ROWS,
        "a line of many cells": start + b"1," * 15_000 + b"\n" + ROWS,
        "many columns": b",".join(b"c%d" % k for k in range(51)) + b"\n" + b",".join([b"1"] * 51) + b"\n",
    }[name]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a cell", "column 'y' is longer than 1,000 bytes"),
        ("the last cell", "column 'y' is longer than 1,000 bytes"),
        ("a cell without an end", r"line 202\)?, column 'y' is longer than 1,000 bytes"),
        ("a quoted cell", "column 'y' is longer than 1,000 bytes"),
        ("an open quote", "line 202, column 'y': a quote opens a cell that is not closed within 1,000"),
        ("a cell among irregular rows", "column 'y' is longer than 1,000"),
        ("a name", "line 1, cell 1 is longer than 1,000"),
        ("a line of many cells", "line 202"),
        ("many columns", "has 51 columns, and 50 are the most"),
    ],
)
@pytest.mark.parametrize("piece", [1 << 12, 1 << 23])
def test_long_cells_rows_and_headers(
    tmp_path: Path, name: str, says: str, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PIECE", piece)
    monkeypatch.setattr(streams.TextFile.pieces, "__defaults__", (piece,))
    path = tmp_path / "data.csv"
    path.write_bytes(content_of(name))
    with pytest.raises(TableError, match=says) as caught:
        read(str(path))
    if name != "a line of many cells":
        assert f"(--unlimited or {VARIABLE}=1 lifts this bound)" in str(caught.value)
    if name in ("a cell", "the last cell", "a quoted cell", "a name", "many columns"):
        assert read(str(path), UNLIMITED) >= 1


def test_rows_within_the_bounds_are_read(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    cells = [b"z" * 900, b'"' + b"1,a\n" * 200 + b'"', b"1"]
    path.write_bytes(b"x,y\n" + b"".join(b"1," + cell + b"\n" for cell in cells * 20) + ROWS)
    assert read(str(path)) == 260


def test_json_and_parquet(tmp_path: Path) -> None:
    lines = [json.dumps({"x": k, "y": "z" * (1_100 if k == 30 else 5)}) for k in range(40)]
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(TableError, match=r"row 31 \(line 31\), column 'y' is longer than 1,000 bytes"):
        read(str(path))
    assert read(str(path), UNLIMITED) == 40
    path.write_text(json.dumps({f"c{k}": 1 for k in range(51)}))
    with pytest.raises(TableError, match="has 51 columns"):
        read(str(path))
    path.write_text(json.dumps({"x": "z" * 30_000}))
    with pytest.raises(TableError, match="longer than"):
        read(str(path))
    columns = tmp_path / "data.parquet"
    pl.DataFrame({"x": [1, 2], "y": ["z", "z" * 1_100]}).write_parquet(columns)
    with pytest.raises(TableError, match="row 2, column 'y' is longer than 1,000 bytes"):
        read(str(columns))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (b'4,"5,6\n7,8,9\n', "line 3, column 'b': a quote opens a cell and is never closed"),
        (b'4,"5"x,6\n', "line 3, column 'b': text follows the closing quote"),
        (b'"x\n,y","q""\n","zz\n', "line 5, column 'c': a quote opens a cell and is never closed"),
        (b'4"5,6"7,"zz\n', "line 3, column 'c': a quote opens a cell and is never closed"),
        (b'"4","' + b"," * 900 + b'","zz\n', "line 3, column 'c': a quote opens a cell and is never closed"),
        (
            b'4,"' + b"," * 1_100 + b'","zz\n',
            "line 3, column 'b': a quote opens a cell that is not closed within 1,000",
        ),
        (b'"4",' + b"x" * 1_100 + b',"zz\n', r"line 3\)?, column 'b' is longer than 1,000"),
        (b'"' * 3_001, "line 3, column 'a': a quote opens a cell that is not closed within 1,000"),
        (b'"\n' * 3_001, "line 3003, column 'a': a quote opens a cell and is never closed"),
    ],
)
def test_the_cell_that_cannot_be_read_is_named(tmp_path: Path, row: bytes, says: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"a,b,c\n1,2,3\n" + row)
    with pytest.raises(TableError, match=says):
        read(str(path))


def test_a_line_without_an_end_is_looked_at_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    monkeypatch.setattr(delimited, "check_unended", lambda text, start, *others: looked.append(len(start)))
    path = tmp_path / "data.csv"
    path.write_bytes(b'"' * 8_000_000)
    with pytest.raises(TableError, match="line 1, cell 1"):
        read(str(path))
    assert sum(looked) < 3 * 8_000_000


def test_columns_that_are_written_once_and_meant_often(tmp_path: Path) -> None:
    rows = 9 << 20
    path = tmp_path / "data.parquet"
    pl.select(x=pl.repeat(1, rows, dtype=pl.Int8), y=pl.repeat(2, rows, dtype=pl.Int8)).write_parquet(path)
    with pytest.raises(TableError, match="unpacks to more than 20 times its size"):
        read(str(path))
    assert read(str(path), UNLIMITED) == rows
    texts = pl.DataFrame({"x": ["z" * 900, "y" * 900] * 10_000})
    for kind in (pl.String, pl.Categorical):
        texts.with_columns(pl.col("x").cast(kind)).write_parquet(path)
        with pytest.raises(TableError, match="unpacks to more than 20 times its size"):
            read(str(path))


def test_a_file_that_unpacks_to_much_more(tmp_path: Path) -> None:
    path = tmp_path / "data.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(b"a,b,c,d,e,f,g,h,i,j,k,l,y\n")
        for _ in range(5):
            stream.write(b"1000000000,100000000,1000000000,0,0,0,0,0,0,0,0,000000000000000000000000000,x\n" * 50_000)
    with pytest.raises(TableError, match="unpacks to more than 20 times its size"):
        read(str(path))
    assert read(str(path), replace(SMALL, ratio=None)) == 250_000


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="there are no such devices on this platform")
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev/full"])
def test_devices_without_an_end_are_noticed_at_their_beginning(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limits, "most_copied", lambda self: 1 << 20)
    with pytest.raises(TableError, match=r"NUL|not UTF-8") as caught:
        open_table(device)
    assert "lifts" not in str(caught.value)


def endless(path: str, piece: bytes) -> threading.Thread:
    """Start a thread that writes to a pipe until its reader closes it."""

    def write() -> None:
        with suppress(BrokenPipeError), open(path, "wb", buffering=0) as stream:
            stream.write(b"x,y\n")
            while True:
                stream.write(piece)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes on this platform")
@pytest.mark.parametrize(
    ("piece", "says"),
    [
        (b"1,a\n" * 1_000, "has more than the 0 MiB that are copied to .*TMPDIR.*--unlimited"),
        (b"1" * 1_000, "a line of .* is longer than 20,000 bytes"),
        (b"\0" * 1_000, "holds a NUL byte"),
        (b"caf\xe9," * 1_000, "a line of .* is longer than 20,000 bytes"),
    ],
)
def test_pipes_without_an_end(tmp_path: Path, piece: bytes, says: str) -> None:
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    thread = endless(path, piece)
    with pytest.raises(TableError, match=says):
        open_table(path, limits=SMALL)
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes on this platform")
@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_a_pipe_is_copied_to_a_file_that_nobody_sees(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    frame = pl.DataFrame({"x": range(40_000), "y": ["a", "b"] * 20_000})
    file = tmp_path / f"data.{suffix}"
    if suffix == "parquet":
        frame.write_parquet(file)
    else:
        text = frame.write_csv().encode()
        file.write_bytes(gzip.compress(text) if suffix == "csv.gz" else text)
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    thread = threading.Thread(target=lambda: Path(path).write_bytes(file.read_bytes()))
    thread.start()
    source = open_table(path)
    thread.join()
    assert [sum(batch.frame.height for batch in source.batches()) for _ in range(2)] == [40_000] * 2
    if sys.platform == "linux":
        assert os.listdir(folder) == []
    del source
    assert os.listdir(folder) == []


def test_a_disk_that_is_full_while_a_pipe_is_copied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Full:
        def write(self, piece: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(streams, "scratch", lambda: type("Held", (), {"stream": Full(), "path": ""}))
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    thread = threading.Thread(target=lambda: Path(path).write_bytes(b"x,y\n" + ROWS))
    thread.start()
    with pytest.raises(TableError, match=r"cannot be copied to .*: No space left on device; give a file.*TMPDIR"):
        open_table(path)
    thread.join()


@pytest.mark.skipif(sys.platform == "win32", reason="files are locked otherwise there")
@pytest.mark.parametrize("platform", ["linux", "other"])
def test_nothing_is_left_of_a_process_that_is_killed(tmp_path: Path, platform: str) -> None:
    program = """
        import sys, time
        from chainrule import files
        if sys.argv[1] == "other":
            files.sys = type("Sys", (), {"platform": "darwin"})
        held = files.scratch()
        held.stream.write(b"1" * 100_000)
        held.stream.flush()
        print(held.path, flush=True)
        sys.stdin.read()
    """
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", "\n".join(line[8:] for line in program.split("\n")), platform]

    def start() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    def end(process: subprocess.Popen[str], number: int | None) -> None:
        if number is not None:
            process.send_signal(number)
        process.communicate()

    first, path = start()
    second, other = start()
    unnamed = platform == "linux" and sys.platform == "linux"
    assert len(os.listdir(tmp_path)) == (0 if unnamed else 2)
    end(first, signal.SIGKILL)
    third, _ = start()
    assert not os.path.exists(path) or unnamed
    assert os.path.exists(other) or unnamed
    for process in (second, third):
        end(process, None)
    assert os.listdir(tmp_path) == []


def test_a_scratch_file_goes_with_the_last_reference() -> None:
    held = scratch()
    path = held.path
    assert os.path.exists(path)
    del held
    assert not os.path.exists(path)


def test_what_is_no_file_of_rows_is_one_sentence(run: Run, tmp_path: Path) -> None:
    Path("folder").mkdir()
    Path("empty.csv").write_text("")
    Path("header.csv").write_text("x,y\n")
    Path("one.csv").write_text("x,y\n1,2\n")
    Path("column.csv").write_text("y\n" + "1\n2\n" * 20)
    Path("closed.csv").write_text("x,y\n1,2\n")
    Path("loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        names = ["folder", "empty.csv", "header.csv", "one.csv", "column.csv", "loop", "socket", "nowhere.csv"]
        for name in names:
            result = run("train", name, "--target", "y")
            assert (result.exit_code, result.stdout) == (2, ""), (name, result.output)
            assert result.stderr.startswith("error: "), name
            assert result.stderr.count("\n") == 1, result.stderr


def test_the_option_and_the_variable_lift_the_bounds(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{k % 7},{'z' * (1_100_000 if k == 5 else 5)},{'ab'[k % 2]}\n" for k in range(40)]
    Path("data.csv").write_text("x,t,y\n" + "".join(lines))
    arguments = ("train", "data.csv", "--target", "y", "--epochs", "1", "--hidden", "1", "--drop", "t", "--save", "m")
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert "row 6 (line 7), column 't' is longer than 1,048,576 bytes" in refused.stderr
    assert run(*arguments, "--unlimited").exit_code == 0
    assert run("predict", "m", "data.csv").exit_code == 2
    assert run("predict", "m", "data.csv", "--unlimited").exit_code == 0
    monkeypatch.setenv(VARIABLE, "1")
    assert run(*arguments).exit_code == 0
    for command in ("train", "predict"):
        assert "--unlimited" in run(command, "--help").stdout
