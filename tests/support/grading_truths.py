"""The references of the answers in a file, each derived once."""

from __future__ import annotations

from functools import cache

from chainrule.grading.references import Truths
from support.grading_mutants import entry_of

ASKED = {"rnn__unrolled": ("W", "U", "b")}


@cache
def truths_of(name: str) -> Truths:
    """Return the reference of an answer."""
    entry = entry_of(name)
    return Truths(entry.function, ASKED.get(name, entry.wrt), {})
