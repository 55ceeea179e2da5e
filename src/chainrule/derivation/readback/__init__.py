"""Parsing and evaluation of printed derivations, text and LaTeX, as a person would read them.

It shares no code with the renderers. Arrays are broadcast only where the notation says so, or where their shapes allow
a single way.
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
