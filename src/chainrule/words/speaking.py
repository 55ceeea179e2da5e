"""The language in use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal, TypeAlias

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")

LANGUAGE_VARIABLE: Final = "CHAINRULE_LANG"
"""The environment variable that sets the language of what is shown where none is given."""

_chosen: list[Language] = []
"""The language that was chosen, if any."""


def choose(language: Language | None) -> None:
    """Set the language in use; None leaves it to the environment."""
    _chosen[:] = [] if language is None else [language]


def chosen() -> Language | None:
    """Return the language that was chosen, if any."""
    return _chosen[0] if _chosen else None


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """A context in which `language` is in use."""
    before = chosen()
    choose(language)
    try:
        yield
    finally:
        choose(before)


def spoken() -> Language:
    """Return the language of messages: the one in use, and English where the environment names none that there is."""
    language = chosen() or os.environ.get(LANGUAGE_VARIABLE)
    return "zh" if language == "zh" else "en"
