"""Pieces of Python source: literals, and calls broken into lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.words import in_rows

WIDTH = 88


def literal(value: Any) -> str:
    r"""Return `value` as a Python expression, with escapes for unprintable characters.

    >>> literal("it's"), literal(1.0), literal(("a",)), literal(float("inf"))
    ('"it\'s"', '1.0', '("a",)', 'math.inf')
    """
    if isinstance(value, str):
        plain = repr(value)
        if plain.startswith("'") and '"' not in plain:
            plain = '"' + plain[1:-1].replace("\\'", "'") + '"'
        return plain.encode("utf-8", "surrogatepass").decode("utf-8") if _encodes(plain) else ascii(value)
    if isinstance(value, float):
        if math.isnan(value):
            return "math.nan"
        if math.isinf(value):
            return "math.inf" if value > 0 else "-math.inf"
        return repr(float(value))
    if isinstance(value, tuple | list):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def called(function: str, arguments: Sequence[str], options: Mapping[str, Any], flags: Mapping[str, Any]) -> list[str]:
    """Return a call, as lines; only those of `flags` that are set are written."""
    given = {**options, **{name: value for name, value in flags.items() if value not in (None, False, ())}}
    entries = [*arguments, *(f"{name}={literal(value)}" for name, value in given.items())]
    line = f"{function}({', '.join(entries)})"
    if len(line) <= WIDTH - 8:
        return [line]
    lines = [f"{function}("]
    written = [*[(argument, None) for argument in arguments], *given.items()]
    for name, value in written:
        if value is None:
            lines.append(f"    {name},")
            continue
        piece = f"    {name}={literal(value)},"
        if len(piece) > WIDTH - 8 and isinstance(value, tuple):
            lines += [
                f"    {name}=(",
                *(f"        {row}" for row in in_rows([literal(v) for v in value], WIDTH - 16)),
                "    ),",
            ]
        else:
            lines.append(piece)
    return [*lines, ")"]


def collection(name: str, values: Sequence[Any], opening: str = "(", closing: str = ")") -> list[str]:
    """Return `name = (…)`, on one line if it fits."""
    entries = [literal(value) for value in values]
    line = f"{name} = {opening}{', '.join(entries)}{',' if len(entries) == 1 else ''}{closing}"
    if len(line) <= WIDTH:
        return [line]
    return [f"{name} = {opening}", *(f"    {row}" for row in in_rows(entries, WIDTH - 4)), closing]
