"""The encoding of a text file, found from its bytes."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from itertools import chain

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)

WESTERN = "windows-1252"
_SEARCHED = 1 << 28
"""Bytes that are searched for text that is not UTF-8; a later one is an error with its place."""

_HIGH = re.compile(rb"[\x80-\xff]+")
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
"""Bytes without a meaning in Windows-1252."""


def marked(start: bytes) -> tuple[bytes, str] | None:
    """Return the byte order mark at the start of a text and its encoding, if there is one."""
    return next(((mark, name) for mark, name in MARKS if start.startswith(mark)), None)


def find_encoding(pieces: Iterable[bytes]) -> str:
    """Return the encoding of a text without a mark: "utf-8", UTF-16 or "windows-1252".

    Text that is neither is taken for UTF-8, whose reader names the place of the error.

    >>> [find_encoding(["größe".encode(name)]) for name in ("utf-8", "latin-1", "utf-16-le")]
    ['utf-8', 'windows-1252', 'utf-16-le']
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    done, first = 0, b""
    found = iter(pieces)
    for piece in found:
        if not done:
            first = piece[:4096]
            wide = _wide(first)
            if wide:
                return wide
        done += len(piece)
        try:
            if not (piece.isascii() and not decoder.getstate()[0]):
                decoder.decode(piece)
        except UnicodeDecodeError:
            return WESTERN if _is_western(chain((piece,), found)) else "utf-8"
        if done >= _SEARCHED:
            break
    return "utf-8"


def _wide(start: bytes) -> str:
    """Return the name of UTF-16 if every other byte of the start is 0, as of Latin text; "" otherwise."""
    even, odd = start[0::2].count(0), start[1::2].count(0)
    half = len(start) // 2
    if half and odd > 0.6 * half and not even:
        return "utf-16-le"
    return "utf-16-be" if half and even > 0.6 * half and not odd else ""


def _is_western(pieces: Iterable[bytes]) -> bool:
    """Whether bytes above 127 mostly stand alone between letters, as in western European text in Windows-1252."""
    alone = others = 0
    for k, piece in enumerate(pieces):
        if _UNDEFINED.search(piece):
            return False
        for run in _HIGH.findall(piece):
            alone += len(run) <= 2 and not _is_utf8(run)
            others += len(run) > 2 or _is_utf8(run)
        if k:
            break
    return alone > 4 * others


def _is_utf8(run: bytes) -> bool:
    try:
        run.decode()
    except UnicodeDecodeError:
        return False
    return True
