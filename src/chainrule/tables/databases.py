"""Databases: the rows of a query, of an SQLite file in batches, of other databases through connectorx."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import EmptyTableError, TableError, listed
from chainrule.tables.frames import as_frame
from chainrule.tables.sources import BATCH_ROWS, Batch, Fingerprint, FrameSource, Source, row_places
from chainrule.tables.streams import File
from chainrule.words import MissingDependencyError

SCHEMES = ("postgresql", "postgres", "mysql", "mssql", "sqlite", "oracle", "redshift", "clickhouse", "trino")
"""Schemes of the addresses of databases."""

_PASSWORD = re.compile(r"(://[^/@:\s]*):[^/\s]*@")
_PASSWORD_SETTING = re.compile(r"(?i)[?&](?:password|passwd|pwd|sslpassword)=[^&\s]*")


def without_password(address: str) -> str:
    """Return an address for messages.

    >>> without_password("postgresql://me:secret@host/data")
    'postgresql://me@host/data'
    >>> without_password("mysql://me:p@ss@host/data?password=secret")
    'mysql://me@host/data'
    """
    return _PASSWORD_SETTING.sub("", _PASSWORD.sub(r"\1@", address))


class SQLiteSource(Source):
    """The rows of a query to an SQLite file, which is opened for reading alone; by default of its one table."""

    def __init__(self, file: File, query: str | None) -> None:
        self._file = file
        with closing(self._connected()) as connection:
            self._query = _one_table(file.path, connection) if query is None else query
            names = [column[0] for column in self._run(connection).description or ()]
        if not names:
            raise TableError(f"{file.path}: the query gives no rows; give a SELECT to --query")
        file.limits.check_columns(file.path, len(names))
        super().__init__(file.path, names)

    @property
    def format(self) -> str:
        return "an SQLite database"

    def _connected(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{Path(self._file.location).resolve().as_uri()}?mode=ro", uri=True)

    def _run(self, connection: sqlite3.Connection) -> sqlite3.Cursor:
        try:
            return connection.execute(self._query)
        except sqlite3.Error as error:
            raise TableError(f"{self._file.path}: SQLite cannot run the query ({error}); correct --query") from None

    def batches(self) -> Iterator[Batch]:
        pl = load_polars()
        hashing, first_row = Fingerprint(self.names), 0
        with closing(self._connected()) as connection:
            cursor = self._run(connection)
            while rows := _fetched(self._file.path, cursor):
                columns = [
                    pl.Series(name, _alike(list(cells)), strict=False)
                    for name, cells in zip(self.names, zip(*rows, strict=True), strict=True)
                ]
                frame = pl.DataFrame(columns)
                hashing.add_frame(frame)
                batch = Batch(frame, first_row, row_places(self.path, first_row), self.path)
                batch.check_lengths(self._file.limits)
                yield batch
                first_row += frame.height
        if not first_row:
            raise EmptyTableError(f"{self.path} has columns but no rows; give one row for each sample")
        self.digest = hashing.digest()


def _fetched(path: str, cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    try:
        return cursor.fetchmany(BATCH_ROWS)
    except sqlite3.Error as error:
        raise TableError(f"{path}: SQLite cannot read its rows ({error}); is the file whole?") from None


def _alike(cells: list[Any]) -> list[Any]:
    """Return cells of one type: SQLite may store numbers and texts in one column, which become texts."""
    kinds = {type(cell) for cell in cells} - {type(None)}
    if kinds <= {int, float} or len(kinds) < 2:
        return cells
    return [None if cell is None else str(cell) for cell in cells]


def _one_table(path: str, connection: sqlite3.Connection) -> str:
    try:
        found = connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
        ).fetchall()
    except sqlite3.Error as error:
        raise TableError(f"{path}: SQLite cannot open it ({error}); is the file whole?") from None
    names = [name for (name,) in found]
    if len(names) != 1:
        held = f"the tables {listed(names, 8)}" if names else "no table"
        wanted = '; choose one, as in --query "SELECT * FROM name"' if names else "; give a database with a table"
        raise TableError(f"{path} is an SQLite database with {held}{wanted}")
    quoted = names[0].replace('"', '""')
    return f'SELECT * FROM "{quoted}"'  # noqa: S608


def open_database(address: str, query: str | None) -> Source:
    """Return the rows of a query to a database at an address such as `postgresql://user@host/name`, in memory."""
    shown = without_password(address)
    if query is None:
        raise TableError(f"{shown} is a database; give SQL for its rows with --query")
    pl = load_polars()
    try:
        frame = pl.read_database_uri(query, address, engine="connectorx")
    except ModuleNotFoundError:
        raise MissingDependencyError(
            f"reading {shown} needs connectorx; install it with pip install 'chainrule[files]'"
        ) from None
    except Exception as error:  # the errors of the databases have no common class
        words = without_password(" ".join(str(error).split()))[:150].rstrip(".")
        raise TableError(f"{shown} gives no rows ({words}); check the address and the query") from None
    return FrameSource(as_frame(frame), shown)
