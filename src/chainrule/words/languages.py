"""The languages in which the package speaks, and tables of its sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from chainrule.words.errors import ChainruleError

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
HTML_LANGUAGES: Final[Mapping[Language, str]] = {"en": "en", "zh": "zh-Hans"}
"""What a page says of its language."""

_COMMAS: Final[Mapping[Language, str]] = {"en": ", ", "zh": "、"}


class LanguageError(ChainruleError, ValueError):
    """A language was asked for that the package does not speak."""


class Sentences:
    """Sentences by a key, each in every language; called, the table says one of them.

    >>> say = Sentences({"done": ("{count} done", "已完成 {count}")})
    >>> say("zh", "done", count=3)
    '已完成 3'
    """

    def __init__(self, table: Mapping[str, tuple[str, str]]) -> None:
        self.table = table

    def __call__(self, language: Language, key: str, /, **values: object) -> str:
        """The sentence `key` in `language`, with `values` in the places of its marks."""
        return self.template(language, key).format(**values)

    def template(self, language: Language, key: str) -> str:
        """The sentence `key` as it stands in the table; raises LanguageError for a language that it does not have."""
        if language not in LANGUAGES:
            raise LanguageError(f"lang is {language!r}; it can be {', '.join(LANGUAGES)}")
        return self.table[key][LANGUAGES.index(language)]


def listed_in(language: Language, items: Iterable[str]) -> str:
    """`a, b`, with the comma that a list has in `language`."""
    return _COMMAS[language].join(items)
