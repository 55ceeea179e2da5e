"""Streams of text: decompressed, converted to UTF-8 with line feeds, without a byte order mark, in pieces."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from chainrule.files import Scratch, scratch
from chainrule.tables.errors import TableError
from chainrule.tables.limits import LIFTED, Limits
from chainrule.words import suggestion

PIECE = 8 << 20
"""Bytes read at a time."""

_COPIED = 1 << 16
"""Bytes copied at a time, with a check after each piece."""

GZIP = b"\x1f\x8b"
PACKED = (GZIP, b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")
"""First bytes of files that are not text."""

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Convert errors of the operating system about `path` to TableError."""
    try:
        yield
    except FileNotFoundError:
        raise TableError(f"{path} does not exist; check the path{_neighbour(path)}") from None
    except NotADirectoryError:
        raise TableError(f"{path} does not exist: a part of the path is a file; check the path") from None
    except IsADirectoryError:
        raise TableError(f"{path} is a folder; give a file") from None
    except PermissionError:
        raise TableError(f"{path} cannot be read: permission denied") from None
    except EOFError:
        raise TableError(f"{path} is cut off: its gzip data end too early; copy or download it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise TableError(_of_gzip(path, error)) from None
    except OSError as error:
        raise TableError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        if "null byte" in str(error) or "null character" in str(error):
            raise TableError(f"the path {path!r} holds a NUL character; check the path") from None
        raise


def _of_gzip(path: str, error: Exception) -> str:
    """Describe data that Python's gzip does not read; they are damaged only if a checksum or a code is wrong."""
    words = str(error)
    if "compression method" in words:
        return f"{path} is compressed by a method of gzip that Python does not read; decompress it, or use gzip"
    if "Not a gzipped file" in words:
        return f"{path} has data after its gzip data that are not gzip; decompress it, and compress only the table"
    return f"{path} is damaged: {words}; copy or download it again"


def _neighbour(path: str) -> str:
    """Suggest the file of the same folder with the most similar name."""
    folder, name = os.path.split(path)
    try:
        found = [entry.name for entry in os.scandir(folder or ".") if not entry.name.startswith(".")]
    except OSError:
        return f" (there is no folder {folder})" if folder and not os.path.exists(folder) else ""
    return suggestion(name, found)


@dataclass(frozen=True)
class File:
    """A file that can be read repeatedly: its given path, and the path of its bytes."""

    path: str
    location: str
    limits: Limits
    copy: object = None
    """A reference that keeps a temporary copy from being deleted."""

    def open(self) -> BinaryIO:
        return Path(self.location).open("rb")

    def start(self, count: int) -> bytes:
        """Return the first bytes."""
        with reading(self.path), self.open() as stream:
            return stream.read(count)

    def end(self, count: int) -> bytes:
        """Return the last bytes."""
        with reading(self.path), self.open() as stream:
            stream.seek(-min(count, self.size()), os.SEEK_END)
            return stream.read(count)

    def size(self) -> int:
        """The number of bytes."""
        return os.path.getsize(self.location)


def find_file(path: str, limits: Limits, check: Callable[[bytes], None]) -> File:
    """Return the file at `path`; for input that cannot be read twice, such as a pipe, a temporary copy.

    `check` raises TableError for first bytes that no table has, before more is copied. Raises TableError if there is no
    file, and for endless input.
    """
    if not path:
        raise TableError("the name of the table is empty; give the path of a file")
    with reading(path):
        if os.path.isdir(path):
            raise IsADirectoryError
        if not stat.S_ISREG(os.stat(path).st_mode):
            with open(path, "rb", buffering=0) as stream:
                return _copied(path, stream, limits, check)
    return File(path, path, limits)


def _copied(path: str, stream: io.RawIOBase, limits: Limits, check: Callable[[bytes], None]) -> File:
    """Copy a stream to a temporary file; a read may return few bytes."""
    most = limits.most_copied()
    copy = _scratch(path)
    start = b""
    done = unended = 0
    checked = False
    while piece := stream.read(_COPIED):
        if not checked:
            start += piece
        if not checked and len(start) >= _COPIED:
            check(start)
            checked = True
        done += len(piece)
        last = piece.rfind(b"\n")
        unended = unended + len(piece) if last < 0 else len(piece) - last - 1
        if limits.record is not None and unended > limits.record and not start.startswith(PACKED):
            check(start)
            raise limits.too_long_record(f"a line of {path}")
        if most is not None and done > most:
            folder = tempfile.gettempdir()
            raise TableError(
                f"{path} has more than the {most >> 20:,} MiB that are copied to {folder}, where rows that come "
                f"once are kept; give a file instead, or set TMPDIR to a folder on a larger disk {LIFTED}"
            )
        try:
            copy.stream.write(piece)
        except OSError as error:
            raise _no_room(path, error) from None
    try:
        copy.stream.flush()
    except OSError as error:
        raise _no_room(path, error) from None
    return File(path, copy.path, limits, copy)


def _scratch(path: str) -> Scratch:
    try:
        return scratch()
    except OSError as error:
        raise _no_room(path, error) from None


def _no_room(path: str, error: OSError) -> TableError:
    return TableError(
        f"{path} cannot be copied to {tempfile.gettempdir()}: {error.strerror or error}; give a file instead, or set "
        "TMPDIR to a folder on a larger disk"
    )


@dataclass(frozen=True)
class TextFile:
    """A text file."""

    file: File

    @property
    def path(self) -> str:
        return self.file.path

    def beginning(self, count: int) -> bytes:
        """Return the first bytes, decompressed."""
        with reading(self.path):
            return next(self._unpacked(count), b"")

    def check(self, start: bytes) -> None:
        """Raise TableError if the first bytes are not text."""
        if not start.startswith(tuple(mark for mark, name in MARKS if name != "utf-8")):
            for _ in self._utf8(iter((_whole_characters(start)[0],))):
                pass

    def pieces(self, size: int = PIECE) -> Iterator[bytes]:
        """Yield the text in UTF-8 with line feeds; raise TableError for input that is not text."""
        with reading(self.path):
            yield from _line_feeds(self._utf8(self._unpacked(size)))

    def _unpacked(self, size: int) -> Iterator[bytes]:
        with self.file.open() as stream:
            packed = stream.read(2) == GZIP
            stream.seek(0)
            source: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=stream) if packed else stream
            done = 0
            while piece := source.read(size):
                done += len(piece)
                if packed:
                    self.file.limits.check_ratio(self.path, stream.tell(), done)
                yield piece

    def _utf8(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the text in UTF-8, validated, without a byte order mark."""
        first = next(pieces, b"")
        while len(first) < 4 and (more := next(pieces, b"")):
            first += more
        mark, encoding = next(((mark, name) for mark, name in MARKS if first.startswith(mark)), (b"", "utf-8"))
        pieces = chain([first[len(mark) :]], pieces)
        if encoding != "utf-8":
            yield from self._recoded(pieces, encoding)
            return
        place, held = len(mark), b""
        for piece in pieces:
            text, held = (piece, b"") if not held and piece.isascii() else _whole_characters(held + piece)
            yield self._checked(text, place)
            place += len(text)
        if held:
            yield self._checked(held, place)

    def _checked(self, text: bytes, place: int) -> bytes:
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError as error:
                byte, at = text[error.start], place + error.start
                raise TableError(
                    f"{self.path}{self._where(at)} is not UTF-8 text: byte {at:,} is {byte:#04x}, as in Windows-1252 "
                    "or Latin-1; save it as UTF-8"
                ) from None
        if b"\0" in text:
            at = place + text.index(0)
            start = text[:1000]
            if 0.2 < start.count(0) / len(start) < 0.6:
                raise TableError(f"{self.path} looks like UTF-16 without a mark at its start; save it as UTF-8")
            raise TableError(
                f"{self.path}{self._where(at)} holds a NUL byte (byte {at:,}), which no text does; "
                "is it a table of text?"
            )
        return text

    def _recoded(self, pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for piece in chain(pieces, (b"",)):
                text = decoder.decode(piece, final=not piece).encode()
                if b"\0" in text:
                    raise TableError(f"{self.path} holds a NUL character, which no text does; is it a table of text?")
                yield text
        except UnicodeError:
            raise TableError(f"{self.path} is not whole {encoding[:6].upper()} text; save it as UTF-8") from None

    def _where(self, at: int) -> str:
        """Describe the line of the byte at `at`, counted from the start of the file."""
        line, seen = 1, 0
        for piece in self._unpacked(PIECE):
            part = piece[: at - seen]
            line += part.count(b"\n") or (part.count(b"\r") if b"\n" not in piece else 0)
            seen += len(piece)
            if seen > at:
                break
        return f", line {line}"


def _line_feeds(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Replace carriage returns, alone or before a line feed, with line feeds."""
    held = b""
    for piece in pieces:
        piece = held + piece
        held = b""
        if b"\r" in piece:
            if piece.endswith(b"\r"):
                piece, held = piece[:-1], b"\r"
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if piece:
            yield piece
    if held:
        yield b"\n"


def _whole_characters(text: bytes) -> tuple[bytes, bytes]:
    """Split off an incomplete UTF-8 character at the end of `text`."""
    for back in range(1, min(4, len(text)) + 1):
        byte = text[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4 if byte >> 3 == 0b11110 else 1
        return (text[:-back], text[-back:]) if length > back else (text, b"")
    return text, b""
