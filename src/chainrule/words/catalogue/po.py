"""Catalogue files: the part of the PO format of GNU gettext that consists of msgid, msgstr and comments."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Entry(NamedTuple):
    """A template in English with its translation."""

    english: str
    translation: str


def read_entries(lines: Iterable[str]) -> Iterator[Entry]:
    r"""Yield the entries of a catalogue file; raise ValueError for a line that is not understood.

    >>> list(read_entries(['# a comment', 'msgid "no {name}\\n"', 'msgstr "没有 {name}"', '"\\n"']))
    [Entry(english='no {name}\n', translation='没有 {name}\n')]
    """
    parts: list[tuple[str, str]] = []
    for number, line in enumerate(lines, 1):
        keyword, quoted = _parted(line.strip())
        if not quoted:
            continue
        text = json.loads(quoted)
        if keyword:
            parts.append((keyword, text))
        elif parts:
            parts[-1] = (parts[-1][0], parts[-1][1] + text)
        else:
            raise ValueError(f"line {number} continues nothing")
    for (first, english), (second, translation) in zip(parts[::2], [*parts[1::2], ("", "")], strict=False):
        if (first, second) != ("msgid", "msgstr"):
            raise ValueError(f"{english!r} has no translation")
        yield Entry(english, translation)


def _parted(line: str) -> tuple[str, str]:
    """Part a line into its keyword and its quoted text; both are empty for a comment or an empty line."""
    if not line or line.startswith("#"):
        return "", ""
    if line.startswith('"'):
        return "", line
    keyword, _, quoted = line.partition(" ")
    return keyword, quoted
