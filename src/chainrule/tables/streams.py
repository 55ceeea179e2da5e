"""Streams of text: decompressed, converted to UTF-8 with line feeds, without a byte order mark, in pieces."""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from chainrule.files import Scratch, scratch
from chainrule.tables.encodings import WESTERN, find_encoding, marked
from chainrule.tables.errors import TableError
from chainrule.tables.limits import LIFTED, Limits
from chainrule.tables.packing import COMPRESSED, OLD_EXCEL, SQLITE, ZIP, unpacked
from chainrule.words import suggestion

PIECE = 8 << 20
"""Bytes read at a time."""

_COPIED = 1 << 16
"""Bytes copied at a time, with a check after each piece."""

PACKED = (*COMPRESSED, ZIP, OLD_EXCEL, SQLITE, b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")
"""First bytes of files that are not text."""


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
        raise TableError(f"{path} is cut off: its compressed data end too early; copy or download it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise TableError(_of_gzip(path, error)) from None
    except (zipfile.BadZipFile, lzma.LZMAError, NotImplementedError) as error:
        raise TableError(f"{path} is damaged: {error}; copy or download it again") from None
    except OSError as error:
        if error.errno is None:  # of a decompressor
            raise TableError(f"{path} is damaged: {error}; copy or download it again") from None
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
    member: str = ""
    """The name of a file in a zip archive."""

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
    """A text file; `encoding` is that of text without a mark at its start, and `note` says if it is unusual."""

    file: File
    encoding: str = "utf-8"
    note: str = ""

    @property
    def path(self) -> str:
        return self.file.path

    def beginning(self, count: int) -> bytes:
        """Return the first bytes, decompressed."""
        with reading(self.path):
            return next(self._unpacked(count), b"")

    def check(self, start: bytes) -> None:
        """Raise TableError if the first bytes are not text."""
        mark = marked(start)
        if mark is None or mark[1] == "utf-8":
            encoding = find_encoding([start]) if self.encoding == "utf-8" else self.encoding
            for _ in TextFile(self.file, encoding)._utf8(iter((_whole_characters(start)[0],))):
                pass

    def pieces(self, size: int = PIECE) -> Iterator[bytes]:
        """Yield the text in UTF-8 with line feeds; raise TableError for input that is not text."""
        with reading(self.path):
            yield from _line_feeds(self._utf8(self._unpacked(size)))

    def _unpacked(self, size: int) -> Iterator[bytes]:
        with ExitStack() as opened:
            stream = opened.enter_context(self.file.open())
            if self.file.member:
                archive = opened.enter_context(zipfile.ZipFile(stream))
                source: BinaryIO = cast("BinaryIO", opened.enter_context(archive.open(self.file.member)))
                packed: int | None = archive.getinfo(self.file.member).compress_size
            else:
                inner = unpacked(stream, self.path)
                source, packed = (stream, None) if inner is None else (inner, 0)
            done = 0
            while piece := source.read(size):
                done += len(piece)
                if packed is not None:
                    self.file.limits.check_ratio(self.path, packed or stream.tell(), done)
                yield piece

    def _utf8(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the text in UTF-8, validated, without a byte order mark."""
        first = next(pieces, b"")
        while len(first) < 4 and (more := next(pieces, b"")):
            first += more
        mark, encoding = marked(first) or (b"", self.encoding)
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
                    f"{self.path}{self._where(at)} is not UTF-8 text: byte {at:,} is {byte:#04x}; name its encoding, "
                    "as in --encoding windows-1252 (western Europe), gb18030 (Chinese) or shift_jis (Japanese)"
                ) from None
        if b"\0" in text:
            at = place + text.index(0)
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
            name = encoding[:6].upper() if encoding.startswith("utf-") else encoding
            raise TableError(f"{self.path} is not whole {name} text; save it as UTF-8") from None

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


def text_file(file: File, encoding: str | None) -> TextFile:
    """Return a text file in `encoding`, or in the one that is found; raise TableError for an unknown encoding."""
    if encoding is not None:
        try:
            known = codecs.lookup(encoding)
        except (LookupError, ValueError):
            raise TableError(
                f"the encoding is {encoding!r}, which Python does not know; give one such as gb18030"
            ) from None
        if not known._is_text_encoding:
            raise TableError(f"the encoding is {encoding!r}, which is none of text; give one such as gb18030")
        return TextFile(file, "utf-8" if known.name == "utf-8-sig" else known.name)
    text = TextFile(file)
    with reading(file.path):
        pieces = text._unpacked(PIECE)
        first = next(pieces, b"")
        found = "utf-8" if marked(first) else find_encoding(chain((first,), pieces))
    if found != WESTERN:
        return TextFile(file, found)
    return TextFile(file, found, f"{file.path} is not UTF-8 and is read as Windows-1252; --encoding names another")


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
