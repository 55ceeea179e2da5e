"""Errors in formulas: one sentence, and carets under the position in the formula."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from chainrule.words import ChainruleError, nearest, shortened, width_of

EXCERPT_WIDTH = 76
_CUT = "…"
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


class Span(NamedTuple):
    """A range of the text from `start` to `end`, exclusive."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The range from the beginning of this span to the end of the other."""
        return Span(self.start, max(self.end, other.end))


class FormulaError(ChainruleError, ValueError):
    """A formula cannot be parsed, or its shapes are inconsistent or ambiguous.

    The message is one sentence. `excerpt` is the line of the formula with carets under the position; a traceback shows
    it as a note.

    >>> error = FormulaError("there is no sigmod; did you mean sigmoid?", "1 + sigmod(x)", Span(4, 10))
    >>> print(error.excerpt)
    1 + sigmod(x)
    ^^^^^^
    """

    def __init__(self, message: str, text: str = "", span: Span | None = None) -> None:
        super().__init__(message)
        self.text = text
        self.span = span
        if self.excerpt:
            self.add_note(self.excerpt)

    @property
    def excerpt(self) -> str:
        """The line of the formula with carets under the position; "" if there is no position."""
        return "" if self.span is None or not self.text else _excerpt(self.text, self.span)


def meant(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'sigmoid'?` if a known name is similar to `name`, else ""."""
    near = nearest(name, known, likeness=0.7)
    return f"; did you mean {near}?" if near else ""


def shown(text: str, most: int = 24) -> str:
    """Quote user text safely: without control characters, and shortened to `most` characters."""
    return shortened("".join(map(_visible, text)), most)


def _visible(letter: str) -> str:
    if letter in "\t\n\r":
        return " "
    return "�" if unicodedata.category(letter) in _HIDDEN else letter


def _excerpt(text: str, span: Span) -> str:
    start = min(span.start, len(text))
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    last = len(text) if last < 0 else last
    end = max(min(span.end, last), start)
    # Only the part of a long line around the position is shown; widths are measured only there.
    reach = 2 * EXCERPT_WIDTH
    low, high = max(first, start - reach), min(last, max(start, min(end, start + reach)) + reach)
    line = [_visible(letter) for letter in text[low:high]]
    widths = [width_of(letter) for letter in line]
    a, b = start - low, max(min(end, high) - low, start - low + 1)
    left = right = a
    total = 0
    while right < len(line) and right < b and total + widths[right] <= EXCERPT_WIDTH // 2:
        total += widths[right]
        right += 1
    while True:
        grown = total
        if left > 0 and total + widths[left - 1] <= EXCERPT_WIDTH - 2:
            left -= 1
            total += widths[left]
        if right < len(line) and total + widths[right] <= EXCERPT_WIDTH - 2:
            total += widths[right]
            right += 1
        if total == grown and not (left > 0 and widths[left - 1] == 0):
            break
    while right < len(line) and widths[right] == 0:  # combining marks stay with their letter
        right += 1
    before = (_CUT if low + left > first else "") + "".join(line[left:a])
    place = line[a : min(b, right)]
    after = "".join(line[min(b, right) : right]) + (_CUT if low + right < last else "")
    indent = width_of(before)
    carets = max(sum(widths[a : min(b, right)]), 1)
    return f"{before}{''.join(place)}{after}".rstrip() + "\n" + " " * indent + "^" * carets
