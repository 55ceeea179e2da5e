"""Several files as one table: those of a folder, of a pattern such as data-*.csv, or of a zip archive."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import islice

from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import TableError, listed
from chainrule.tables.packing import bare_name
from chainrule.tables.sources import Batch, Source

_PATTERN = re.compile(r"[*?\[]")
_KEY = re.compile(r"([^=/\\]+)=([^=/\\]*)")
_MOST = 100_000
_ABOUT = re.compile(r"(read[-_ ]?me|licen[cs]e|copying|changelog|citation)\b", re.IGNORECASE)
_TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data", ".json", ".jsonl", ".jsonlines", ".ndjson")
_BINARY = (".parquet", ".pq", ".arrow", ".feather", ".ipc", ".xlsx", ".xls", ".ods")


def found_files(path: str) -> list[str] | None:
    """Return the files of a folder or a pattern, in order of their names; None if `path` is neither.

    Files and folders whose names begin with a point or an underscore are passed over, and in a folder files that are
    not named as tables are; where no file is, those without a suffix are taken. Raises TableError if there are none.
    """
    if os.path.isdir(path):
        inside = (
            os.path.join(folder, name)
            for folder, folders, names in os.walk(path)
            if not folders.sort() and not _is_hidden(os.path.relpath(folder, path))
            for name in sorted(names)
        )
        wanted = "the folder"
    elif _PATTERN.search(path) and not os.path.exists(path):
        inside = (name for name in sorted(glob.glob(path, recursive=True)) if os.path.isfile(name))
        wanted = "the pattern"
    else:
        return None
    found = list(islice((name for name in inside if not os.path.basename(name).startswith((".", "_"))), _MOST))
    if wanted == "the folder" and found:
        found = named_as_tables(found) or [name for name in found if "." not in os.path.basename(name)]
        if not found:
            raise TableError(
                f"{path}: the folder holds no file that is named as a table, such as data.csv; give a file"
            )
    if not found:
        raise TableError(f"{path}: {wanted} holds no file; check the path")
    return found


def named_as_tables(files: Sequence[str]) -> list[str]:
    """Return the files that are named as tables are; a text that says what the others are is none.

    >>> named_as_tables(["README.txt", "data/a.csv", "b.CSV.gz", "licence.txt", "terms.pdf"])
    ['data/a.csv', 'b.CSV.gz']
    """
    found = [name for name in files if bare_name(name).endswith((*_TEXT, *_BINARY))]
    return [name for name in found if not _ABOUT.match(os.path.basename(name))] or found


def _is_hidden(folder: str) -> bool:
    return any(part.startswith((".", "_")) and part != "." for part in folder.split(os.sep))


def keys_of(path: str, below: str) -> dict[str, str]:
    """Return the names and values in the folders between `below` and a file, as in `year=2024/part.parquet`.

    >>> keys_of("data/year=2024/month=3/part.parquet", "data")
    {'year': '2024', 'month': '3'}
    """
    folders = os.path.relpath(path, below).split(os.sep)[:-1]
    return {match[1]: match[2] for folder in folders if (match := _KEY.fullmatch(folder))}


class SeveralSource(Source):
    """The rows of several files with the same columns, in the order of the files; they are opened one at a time."""

    def __init__(self, path: str, files: Sequence[str], opened: Callable[[str], Source], others: int = 0) -> None:
        """Create a table of these files; `others` are the number of files that other processes read."""
        self._files, self._opened, self._count = files, opened, len(files) + others
        first = opened(files[0])
        self._keys = [keys_of(file, path) if os.path.isdir(path) else {} for file in files]
        own = [name for name in self._keys[0] if name not in first.names]
        super().__init__(path, [*first.names, *own])
        self._own, self._format, self._said = own, first.format, list(first.notes)
        self._digests: list[str] = []

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(self._files)

    @property
    def digests(self) -> list[str]:
        return self._digests

    @property
    def format(self) -> str:
        return self._format

    @property
    def notes(self) -> list[str]:
        return [f"{self.path} holds {self._count:,} files, read as one table", *self._said]

    def batches(self) -> Iterator[Batch]:
        pl = load_polars()
        digests: list[str] = []
        first_row = 0
        for number, (file, keys) in enumerate(zip(self._files, self._keys, strict=True)):
            source = self._opened(file)
            self._check(source, file, keys)
            for batch in source.batches():
                columns = [batch.frame.get_column(name) for name in self.names if name not in self._own]
                height = batch.frame.height
                columns += [pl.Series(name, [keys[name]] * height, dtype=pl.String) for name in self._own]
                yield replace(batch, frame=pl.DataFrame(columns), first_row=first_row, file=number)
                first_row += height
            digests.append(source.digest or "")
        self._digests, self.digest = digests, sha256("".join(digests).encode()).hexdigest()

    def _check(self, source: Source, file: str, keys: dict[str, str]) -> None:
        """Raise TableError for a file with other columns than the first."""
        wanted = set(self.names) - set(self._own)
        for name in sorted(wanted.symmetric_difference(source.names)):
            lacks, has = (file, self._files[0]) if name in wanted else (self._files[0], file)
            raise TableError(
                f"{self.path}: {lacks} lacks the column {name!r}, which {has} has; give files with the same columns"
            )
        absent = [name for name in self._own if name not in keys]
        if absent:
            raise TableError(f"{self.path}: the folders of {file} do not name {listed(absent)}, as those of others do")
