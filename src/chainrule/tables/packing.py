"""Compressed files: gzip, bzip2, xz and zstd as one stream, zip as its members."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from typing import Any, BinaryIO, cast

from chainrule.tables.errors import TableError
from chainrule.words import MissingDependencyError

GZIP, BZIP2, XZ, ZSTD, ZIP = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
OLD_EXCEL, SQLITE = b"\xd0\xcf\x11\xe0", b"SQLite format 3\0"
COMPRESSED = (GZIP, BZIP2, XZ, ZSTD)
SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")
"""Suffixes of compressed files, behind that of the table."""


def bare_name(path: str) -> str:
    """Return a file name in lower case without a suffix of compression.

    >>> bare_name("Data.CSV.gz")
    'data.csv'
    """
    name = path.lower()
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def unpacked(stream: BinaryIO, path: str) -> BinaryIO | None:
    """Return the decompressed stream of a file at its start; None if it is not compressed."""
    start = stream.read(6)
    stream.seek(0)
    if start.startswith(GZIP):
        return cast("BinaryIO", gzip.GzipFile(fileobj=stream))
    if start.startswith(BZIP2):
        return cast("BinaryIO", bz2.BZ2File(stream))
    if start.startswith(XZ):
        return cast("BinaryIO", lzma.LZMAFile(stream))
    if start.startswith(ZSTD):
        return cast("BinaryIO", _zstd(path).ZstdFile(stream))
    return None


def _zstd(path: str) -> Any:
    try:
        from compression import zstd  # from Python 3.14 on
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            raise MissingDependencyError(
                f"reading {path}, which is compressed with zstd, needs backports.zstd; install it with "
                "pip install 'chainrule[files]', or compress the file with gzip"
            ) from None
    return zstd


def members_of(location: str, path: str) -> list[str]:
    """Return the files of a zip archive in their order, without those that a Mac adds."""
    try:
        with zipfile.ZipFile(location) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except zipfile.BadZipFile as error:
        raise TableError(f"{path} is a damaged zip file: {error}; copy or download it again") from None
    names = [entry.filename for entry in entries]
    kept = [name for name in names if not name.startswith("__MACOSX/") and not name.split("/")[-1].startswith(".")]
    if not kept:
        raise TableError(f"{path} is a zip file without files; put the table into it")
    if any(entry.flag_bits & 1 for entry in entries):
        raise TableError(f"{path} is a zip file with a password; unpack it")
    return kept
