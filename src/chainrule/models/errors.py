"""What reading and writing models raises."""

from __future__ import annotations

from chainrule.words import ChainruleError, shortened

SHOWN = 60
"""How many characters of a value a message quotes."""


class ModelError(ChainruleError, ValueError):
    """A file is no model, is damaged, or is not read by this version; or a model cannot be written or does not fit."""


class DescriptionError(ModelError):
    """A part of a description is not what it should be; the message begins with the place, as in `program.nodes[3]`."""


def shown(value: object) -> str:
    """A value from a file as a message quotes it: on one line, and not long."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number of very many digits"
    return shortened(text, SHOWN)
