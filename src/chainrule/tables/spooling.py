"""Temporary arrays of encoded rows on disk, for tables larger than memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.tables.errors import TableError

IN_MEMORY = 256 << 20
"""The size in bytes up to which arrays are kept in memory."""


AT_ONCE = 65_536
"""Rows that are copied at a time."""


class SpooledArray:
    """An array of shape (rows, width), or (rows,), written by `append` and then memory-mapped.

    Its file has no name (on Windows, it is deleted when the process ends), so that nothing remains even if the process
    is killed. The space is freed when the array is no longer referenced.

    >>> spooled = SpooledArray(2, np.float32)
    >>> spooled.append(np.ones((3, 2)))
    >>> spooled.finish().sum()
    np.float32(6.0)
    """

    def __init__(self, width: int | None, dtype: DTypeLike, folder: str | None = None) -> None:
        self._width, self._dtype = width, np.dtype(dtype)
        self._rows = 0
        self._folder = folder or tempfile.gettempdir()
        try:
            self._stream = tempfile.TemporaryFile(prefix="chainrule-", dir=folder)  # noqa: SIM115  (`finish` closes it)
        except OSError as error:
            raise TableError(
                f"the encoded rows cannot be written in {self._folder}: {error.strerror or error}; set TMPDIR to "
                "another folder"
            ) from None

    def append(self, rows: NDArray[Any]) -> None:
        """Write more rows; raise TableError if the disk is full."""
        try:
            self._stream.write(np.ascontiguousarray(rows, self._dtype).tobytes())
        except OSError as error:
            raise self._full(error) from None
        self._rows += len(rows)

    def finish(self) -> NDArray[Any]:
        """Return the array, read-only."""
        shape = (self._rows,) if self._width is None else (self._rows, self._width)
        with self._stream:
            try:
                self._stream.flush()
            except OSError as error:
                raise self._full(error) from None
            if not self._rows or self._width == 0:
                return np.zeros(shape, self._dtype)
            return np.memmap(self._stream, self._dtype, "r", shape=shape)

    def discard(self) -> None:
        """Discard the unfinished file."""
        with suppress(OSError):
            self._stream.close()

    def _full(self, error: OSError) -> TableError:
        free = shutil.disk_usage(self._folder).free if os.path.isdir(self._folder) else 0
        return TableError(
            f"the encoded rows do not fit in {self._folder} ({error.strerror}; {free >> 20:,} MiB are free); set "
            "TMPDIR to a folder on a larger disk"
        )


def joined(
    first: NDArray[Any], second: NDArray[Any], rows: NDArray[np.int64], spooled: bool, folder: str | None = None
) -> NDArray[Any]:
    """Return an array of all rows of `first` and the given `rows` of `second`, on disk if `spooled`."""
    if not spooled:
        return np.concatenate([first, second[rows]])
    array = SpooledArray(first.shape[1], first.dtype, folder)
    for start in range(0, len(first), AT_ONCE):
        array.append(first[start : start + AT_ONCE])
    for start in range(0, len(rows), AT_ONCE):
        array.append(second[rows[start : start + AT_ONCE]])
    return array.finish()


class GrownArray:
    """The counterpart of `SpooledArray` in memory."""

    def __init__(self, width: int | None, dtype: DTypeLike) -> None:
        self._parts: list[NDArray[Any]] = []
        self._empty = np.zeros((0,) if width is None else (0, width), dtype)

    def append(self, rows: NDArray[Any]) -> None:
        """Append rows."""
        if len(rows):
            self._parts.append(rows)

    def discard(self) -> None:
        """Discard the rows."""
        self._parts.clear()

    def finish(self) -> NDArray[Any]:
        """Return the array."""
        if len(self._parts) == 1:
            return self._parts[0]
        return np.concatenate(self._parts) if self._parts else self._empty
