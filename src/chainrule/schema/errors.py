"""The error for invalid data, and values in messages."""

from __future__ import annotations

from typing import Any

from chainrule.words import ChainruleError, shortened

SHOWN = 60
"""The maximum number of characters of a value in a message."""

_HUGE = 10**30


class DescriptionError(ChainruleError, ValueError):
    """A part of a description is invalid; the message begins with its location, as in `program.nodes[3]`."""


def shown(value: object) -> str:
    """Return a value as text for a message, on one line and shortened.

    >>> shown(10**400), shown(float)
    ('a huge number', 'the class float')
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, int) and abs(value) >= _HUGE:  # Python does not convert integers of thousands of digits
        return "a huge number"
    return shortened(" ".join(repr(value).split()), SHOWN)


def shown_data(data: Any) -> str:
    """Return a value read from JSON as text for a message, which does not show the contents of lists and objects."""
    if isinstance(data, dict | list | tuple):
        return "an object" if isinstance(data, dict) else "a list"
    return shown(data)
