"""Parquet and Arrow files, read by polars in blocks of rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from chainrule.tables.dependency import load_polars, without_panic_messages
from chainrule.tables.errors import EmptyTableError, TableError
from chainrule.tables.frames import as_frame, text_bytes
from chainrule.tables.sources import BATCH_ROWS, Batch, Fingerprint, Source, row_places
from chainrule.tables.streams import PIECE, File, reading

if TYPE_CHECKING:
    import polars as pl


_UNREAD = re.compile(
    "month_day_nano_interval|run_end_encoded|union<|list_view<|decimal256|decimal(32|64|128)\\(\\d+, -"
)
"""Types of Arrow, as pyarrow writes them, without a counterpart in polars."""

_WORDS = 80
"""The length at which messages of polars are cut off."""


class ColumnarSource(Source):
    """A Parquet file, or an Arrow file ("IPC", "Feather"); an Arrow stream is read whole."""

    def __init__(self, file: File, kind: str) -> None:
        self._file, self._kind = file, kind
        self._polars = load_polars()
        self._stream: pl.DataFrame | None = None
        with self._errors(), without_panic_messages():
            if kind == "an Arrow stream":
                self._stream = self._polars.read_ipc_stream(file.location)
                self._schema = self._stream.schema if self._stream is not None else {}
            else:
                self._schema = self._scan().collect_schema()
        file.limits.check_columns(file.path, len(self._schema))
        super().__init__(file.path, list(self._schema))

    @property
    def format(self) -> str:
        return self._kind.removeprefix("a ").removeprefix("an ")

    def batches(self) -> Iterator[Batch]:
        first_row = unpacked = 0
        rows = self._rows()
        self._check_ratio(rows * len(self.names))
        frames = self._frames()
        with without_panic_messages():
            first = next(frames, None)
        for frame in chain(() if first is None else (first,), frames):
            if frame.height:
                unpacked += frame.width * frame.height + sum(map(text_bytes, frame.iter_columns()))
                self._check_ratio(unpacked)
                batch = Batch(as_frame(frame), first_row, row_places(self.path, first_row), self.path)
                batch.check_lengths(self._file.limits)
                yield batch
                first_row += frame.height
        if first_row != rows:  # a thread of polars that panics returns fewer rows, without an error
            with self._errors():
                raise _IncompleteError(f"of {rows:,} rows it gave {first_row:,}")
        if not first_row:
            raise EmptyTableError(f"{self.path} has columns but no rows; give one row for each sample")
        hashing = Fingerprint(self.names)
        with reading(self.path), self._file.open() as stream:
            while piece := stream.read(PIECE):
                hashing.add(piece)
        self.digest = hashing.digest()

    def _rows(self) -> int:
        if self._stream is not None:
            return self._stream.height
        with self._errors(), without_panic_messages():
            count: int = self._scan().select(self._polars.len()).collect().item()
            return count

    def _check_ratio(self, unpacked: int) -> None:
        """Raise TableError for a small file that expands to many cells or long texts: repetitions are stored once."""
        self._file.limits.check_ratio(self.path, self._file.size(), unpacked)

    def _frames(self) -> Iterator[pl.DataFrame]:
        if self._stream is not None:
            yield from self._stream.iter_slices(BATCH_ROWS)
            return
        with self._errors():
            scan = self._scan()
            if hasattr(scan, "collect_batches"):
                for frame in scan.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
                    yield from frame.iter_slices(BATCH_ROWS)
                return
            start = 0
            while (frame := scan.slice(start, BATCH_ROWS).collect()).height:
                yield frame
                start += frame.height

    def _scan(self) -> pl.LazyFrame:
        scan = self._polars.scan_parquet if self._kind == "a Parquet file" else self._polars.scan_ipc
        found: pl.LazyFrame = (
            scan(self._file.location, glob=False) if self._kind == "a Parquet file" else scan(self._file.location)
        )
        return found

    def _errors(self) -> Any:
        return _Errors(self._file, self._kind)


def unread_column(file: File, kind: str) -> tuple[str, str] | None:
    """Return the name and type of a column that polars does not read; None if there is none, or without pyarrow."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return None
    try:
        with file.open() as stream:
            if kind == "a Parquet file":
                schema = parquet.read_schema(stream)
            else:
                opened = pyarrow.ipc.open_stream if kind == "an Arrow stream" else pyarrow.ipc.open_file
                schema = opened(stream).schema
    except (pyarrow.ArrowException, OSError, ValueError):
        return None
    types = ((field.name, str(field.type)) for field in schema)
    return next(((name, words[:_WORDS]) for name, words in types if _UNREAD.search(words)), None)


def _cause(error: BaseException) -> str:
    """Return the message of polars on one line, shortened, without details of its Rust code."""
    said = str(error).strip()
    inner = re.search(r'ErrString\("((?:[^"\\]|\\.)*)', said)
    words = (inner[1] if inner else said or type(error).__name__).splitlines()[0]
    return words.split(". ")[0][:_WORDS].strip().rstrip(".")


class _IncompleteError(Exception):
    """polars returned fewer rows than the file has."""


class _Errors:
    """Converts errors of polars into TableError."""

    def __init__(self, file: File, kind: str) -> None:
        self.file, self.kind = file, kind

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        # A panic of the Rust code is not an Exception, and its class differs between versions.
        if error is None or isinstance(
            error, TableError | GeneratorExit | KeyboardInterrupt | SystemExit | MemoryError
        ):
            return
        words = _cause(error)
        found = unread_column(self.file, self.kind)
        if found is not None:
            name, type_name = found
            raise TableError(
                f"{self.file.path}, column {name!r} is of the type {type_name}, which polars does not read; cast it to "
                "text or numbers, or write the table without it"
            ) from None
        # polars does not distinguish damage from an unsupported feature.
        raise TableError(
            f"{self.file.path} starts like {self.kind}, but polars cannot read it ({words}); write it again, with "
            "columns of text, numbers or dates"
        ) from None
