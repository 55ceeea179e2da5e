"""Parquet and Arrow files, by polars, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from chainrule.tables.errors import EmptyTableError, TableError, load_polars
from chainrule.tables.sources import BATCH_ROWS, Batch, Fingerprint, Source, check_names, row_places
from chainrule.tables.streams import PIECE, File, reading

if TYPE_CHECKING:
    import polars as pl


_WORDS = 80
"""Characters of what polars says that are passed on."""


class ColumnarSource(Source):
    """A Parquet file, or an Arrow file ("IPC", "Feather"); an Arrow stream is read whole."""

    def __init__(self, file: File, kind: str) -> None:
        self._file, self._kind = file, kind
        self._polars = load_polars()
        self._stream: pl.DataFrame | None = None
        with self._errors():
            if kind == "an Arrow stream":
                self._stream = self._polars.read_ipc_stream(file.location)
                self._schema = self._stream.schema if self._stream is not None else {}
            else:
                self._schema = self._scan().collect_schema()
        check_names(file.path, list(self._schema))
        super().__init__(file.path, list(self._schema))

    @property
    def format(self) -> str:
        return self._kind.removeprefix("a ").removeprefix("an ")

    def batches(self) -> Iterator[Batch]:
        first_row = 0
        for frame in self._frames():
            if frame.height:
                yield Batch(frame, first_row, row_places(self.path, first_row), self.path)
                first_row += frame.height
        if not first_row:
            raise EmptyTableError(f"{self.path} has columns but no rows; give one row for each sample")
        hashing = Fingerprint(self.names)
        with reading(self.path), self._file.open() as stream:
            while piece := stream.read(PIECE):
                hashing.add(piece)
        self.digest = hashing.digest()

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
        return _Errors(self._file.path, self._kind, self._polars.exceptions.PolarsError)


class _Errors:
    """Turns what polars says of a damaged file into a TableError."""

    def __init__(self, path: str, kind: str, error: type[Exception]) -> None:
        self.path, self.kind, self.error = path, kind, error

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        # A panic of the Rust code is no Exception, and what it is called differs.
        if error is None or isinstance(
            error, TableError | GeneratorExit | KeyboardInterrupt | SystemExit | MemoryError
        ):
            return
        words = str(error).splitlines()[0][:_WORDS] if str(error) else type(error).__name__
        raise TableError(
            f"{self.path} starts like {self.kind} but is damaged or cut off ({words.strip().rstrip('.')}); "
            "write it again"
        ) from None
