"""Lines of Python with their comments in one column, and lists that are too long for a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.ir import Shape, shape_text
from chainrule.words import in_rows, wrapped

WIDTH = 88
_COLUMN_LIMIT = 76


@dataclass(frozen=True)
class Text:
    """A line of code, and the comment behind it."""

    code: str
    comment: str = ""


def shape_comment(shape: Shape) -> str:
    """A shape as it stands behind a line; a number says so."""
    return shape_text(shape) if shape else "scalar"


def block(lines: Sequence[Text], indent: int) -> list[str]:
    """`lines` indented, their comments in one column as far as the code leaves room."""
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
    """`head` entries `tail` on one line, or with a few entries a line between the brackets.

    `plain` is what stands in front of the entries where one line holds them and needs no brackets. A tuple has a comma
    behind its only entry.
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
    """A docstring of one paragraph, or several."""
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
