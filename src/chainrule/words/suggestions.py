"""Suggestions for unknown names."""

from __future__ import annotations

import importlib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the most similar known name, ignoring case; None if none is similar."""
    folded = {other.casefold(): other for other in sorted(known)}
    difflib = importlib.import_module("difflib")  # needed only for errors, and delays the import
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=likeness)
    return folded[near[0]] if near else None


def suggestion(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return `; did you mean 'x'?` to append to a message, or `otherwise` if no known name is similar to `name`.

    >>> suggestion("rleu", ["relu", "tanh"]), suggestion("softmax", ["relu", "tanh"])
    ("; did you mean 'relu'?", '')
    """
    near = nearest(name, known)
    return otherwise if near is None else f"; did you mean {near!r}?"
