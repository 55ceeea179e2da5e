"""An extension of mkdocstrings: doctests at the end of a docstring are its examples, also without a heading."""

from __future__ import annotations

from typing import Any

import griffe


class DoctestSections(griffe.Extension):
    """Puts the heading of NumPy's style above doctests that have none."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Change the docstring of one object before it is parsed."""
        if obj.docstring is not None:
            obj.docstring.value = with_heading(obj.docstring.value)


def with_heading(text: str) -> str:
    r"""Put a heading above the first doctest of a text without one.

    >>> with_heading("Double a number.\n\n>>> double(2)\n4").splitlines()
    ['Double a number.', '', 'Examples', '--------', '>>> double(2)', '4']
    """
    lines = text.splitlines()
    first = next((place for place, line in enumerate(lines) if line.startswith(">>> ")), None)
    if first is None or "Examples" in lines:
        return text
    return "\n".join([*lines[:first], "Examples", "--------", *lines[first:]])
