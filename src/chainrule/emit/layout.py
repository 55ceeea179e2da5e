"""Layout of source: aligned comments, and lists and lines broken into lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.ir import Shape, shape_text
from chainrule.words import in_rows, wrapped

WIDTH = 88
LOOP_WIDTH = 100
"""The width of files in C and JavaScript."""
_COLUMN_LIMIT = 76


@dataclass(frozen=True)
class Text:
    """A line of code, and its trailing comment."""

    code: str
    comment: str = ""


def shape_comment(shape: Shape) -> str:
    """Format a shape as a trailing comment."""
    return shape_text(shape) if shape else "scalar"


def block(lines: Sequence[Text], indent: int) -> list[str]:
    """Indent `lines` and align their comments in one column as far as possible."""
    lengths = [len(line.code) for line in lines if line.comment and len(line.code) + indent <= _COLUMN_LIMIT]
    column = indent + max(lengths, default=0) + 2
    result = []
    for line in lines:
        code = " " * indent + line.code if line.code else ""
        comment = line.comment
        if comment and max(len(code) + 2, column) + 2 + len(comment) > WIDTH + 12:
            comment = ""
        result.append(f"{code:<{column - 2}}  # {comment}" if comment else code)
    return result


def bracketed(
    head: str, entries: Sequence[str], tail: str, indent: int = 0, plain: str | None = None, is_tuple: bool = False
) -> list[str]:
    """Write `head` entries `tail` on one line, or with a few entries per line in parentheses.

    `plain` replaces the opening if one line suffices without parentheses. A tuple of one entry has a trailing comma.
    """
    margin = " " * indent
    line = f"{margin}{head}{', '.join(entries)}{',' if is_tuple and len(entries) == 1 else ''}{tail}"
    if plain is not None:
        line = f"{margin}{plain}{', '.join(entries)}"
    if len(line) <= WIDTH:
        return [line]
    rows = [f"{margin}    {row}" for row in in_rows(entries, WIDTH - indent - 4)]
    return [f"{margin}{head}", *rows, f"{margin}{tail}"]


def docstring(sentences: Sequence[str], indent: int) -> list[str]:
    """Format a docstring of one or more paragraphs."""
    margin = " " * indent
    if len(sentences) == 1 and indent + 6 + len(sentences[0]) <= WIDTH:
        return [f'{margin}"""{sentences[0]}"""']
    paragraphs = [_lines(sentence, WIDTH - indent - 3) for sentence in sentences]
    lines = paragraphs[0]
    for paragraph in paragraphs[1:]:
        lines = [*lines, "", *paragraph]
    body = [f"{margin}{line}" if line else "" for line in lines[1:]]
    return [f'{margin}"""{lines[0]}', *body, f'{margin}"""']


def _lines(text: str, width: int) -> list[str]:
    return [line.replace("\u00a0", " ") for paragraph in text.split("\n") for line in wrapped(paragraph, width)]


def broken(line: str) -> list[str]:
    """Break a long line between words; a comment continues as a comment."""
    margin = line[: len(line) - len(line.lstrip())]
    further = " *         " if line.startswith(" * ") else margin + " " * 8
    pieces = []
    while len(line) > LOOP_WIDTH:
        place = line.rfind(" ", len(further) + 20, LOOP_WIDTH)
        if place < 0:
            break
        pieces.append(line[:place])
        line = further + line[place + 1 :]
    return [*pieces, line]
