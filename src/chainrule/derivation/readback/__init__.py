"""Reads printed derivations back: text and LaTeX, evaluated as a person would read them.

It shares no code with what writes them. Arrays are repeated only where the notation says so, or where their shapes
leave one way to do it.
"""

from chainrule.derivation.readback.abstract import NamedFunction
from chainrule.derivation.readback.page import (
    TOLERANCE,
    Outcome,
    Page,
    joined,
    joined_latex,
    letters_of,
    read,
)
from chainrule.derivation.readback.values import ReadingError

__all__ = [
    "TOLERANCE",
    "NamedFunction",
    "Outcome",
    "Page",
    "ReadingError",
    "joined",
    "joined_latex",
    "letters_of",
    "read",
]
