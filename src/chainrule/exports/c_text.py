"""Pieces of C source: strings and comments that may hold any text, arrays, names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from chainrule.emit import Code
from chainrule.words import in_rows, shortened

WIDTH = 100


def string(text: str) -> str:
    r"""Return a string literal with the bytes of `text` in UTF-8.

    >>> print(string('say "a\\b"?\n'), string("é1"))
    "say \"a\\b\"\?\n" "\303\2511"
    """
    named = {0x22: r"\"", 0x5C: r"\\", 0x3F: r"\?", 0x0A: r"\n", 0x09: r"\t"}
    pieces = [
        named.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}")
        for byte in text.encode("utf-8", "surrogatepass")
    ]
    return f'"{"".join(pieces)}"'


def comment(text: str) -> str:
    """Return `text` for a comment: on one line, shortened, without the end of a comment."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    for mark, harmless in (("*/", "* /"), ("/*", "/ *"), ("??", "? ?"), ("\\", "/")):
        plain = plain.replace(mark, harmless)
    return shortened(plain, 60)


def array_rows(entries: Sequence[str], indent: int) -> list[str]:
    """Join entries with commas, on lines within the width."""
    lines = [" " * indent + row for row in in_rows(entries, WIDTH - indent - 1)]
    return [*lines[:-1], *(line.removesuffix(",") for line in lines[-1:])]


def initializer(array: NDArray[Any], number: Callable[[float], Code], indent: int) -> list[str]:
    """Return the elements of an array in braces, in row-major order; the first line is `{`."""
    margin = " " * indent
    if array.ndim <= 1:
        return [f"{margin}{{", *array_rows([str(number(float(x))) for x in array.ravel()], indent + 4), f"{margin}}}"]
    lines = [f"{margin}{{"]
    for k, row in enumerate(array, 1):
        *inner, last = initializer(row, number, indent + 4)
        lines += [*inner, f"{last}{',' if k < len(array) else ''}"]
    return [*lines, f"{margin}}}"]
