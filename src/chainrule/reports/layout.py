"""Text in columns: widths of letters, padding, cutting and wrapping."""

from __future__ import annotations

import html
import re
import unicodedata


def width_of(text: str) -> int:
    """Terminal columns of `text`; a Chinese character takes two."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def padded(text: str, width: int) -> str:
    """`text` with spaces up to `width` columns."""
    return text + " " * max(width - width_of(text), 0)


def printable(text: str) -> str:
    r"""`text` with � for what does not print: controls, and marks that turn the direction of reading.

    >>> printable("a\x1b[31m\u202e")
    'a�[31m�'
    """
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def escape(text: str, quote: bool = True) -> str:
    """`text` for a page: no element, no entity, and only what prints."""
    return html.escape(printable(text), quote)


def cut(text: str, width: int) -> str:
    r"""`text` in at most `width` columns, with … where something is left out, and nothing that a terminal would obey.

    >>> cut("a\x1b[31m long name", 10)
    'a�[31m lo…'
    """
    text = printable(text)
    if width_of(text) <= width:
        return text
    kept = ""
    for letter in text:
        if width_of(kept + letter) > width - 1:
            break
        kept += letter
    return kept + "…"


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns, cut at spaces or beside Chinese characters."""
    pieces = re.findall(r"[^\s\u2e80-\uffef]+[，。；：！？）”]*|[\u2e80-\uffef][，。；：！？）”]*|\s+", text)
    lines, line = [], ""
    for piece in pieces:
        if line and width_of(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    return [*lines, line.rstrip()]
