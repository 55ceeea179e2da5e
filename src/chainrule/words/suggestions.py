"""What somebody may have meant who wrote a name that is not known."""

from __future__ import annotations

import importlib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The known name that is spelt most like `name`, in either case; None where none is so alike."""
    folded = {other.casefold(): other for other in sorted(known)}
    difflib = importlib.import_module("difflib")  # only what fails needs it, and importing the package is quick
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=likeness)
    return folded[near[0]] if near else None


def suggestion(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """`; did you mean 'x'?`, to end a message with, or `otherwise` where nothing known is spelt like `name`.

    >>> suggestion("rleu", ["relu", "tanh"]), suggestion("softmax", ["relu", "tanh"])
    ("; did you mean 'relu'?", '')
    """
    near = nearest(name, known)
    return otherwise if near is None else f"; did you mean {near!r}?"
