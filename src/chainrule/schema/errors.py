"""What is said of data that is not what it should be: what it is, where, and what would be right."""

from __future__ import annotations

from typing import Any

from chainrule.words import ChainruleError, shortened

SHOWN = 60
"""How many characters of a value a message quotes."""

_HUGE = 10**30


class DescriptionError(ChainruleError, ValueError):
    """A part of a description is not what it should be; the message begins with the place, as in `program.nodes[3]`."""


def shown(value: object) -> str:
    """A value as a message quotes it: on one line, and not long.

    >>> shown(10**400), shown(float)
    ('a huge number', 'the class float')
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, int) and abs(value) >= _HUGE:  # Python refuses to write those of thousands of digits
        return "a huge number"
    return shortened(" ".join(repr(value).split()), SHOWN)


def shown_data(data: Any) -> str:
    """The same for what comes from JSON, of whose lists and objects a message says only that they are such."""
    if isinstance(data, dict | list | tuple):
        return "an object" if isinstance(data, dict) else "a list"
    return shown(data)
