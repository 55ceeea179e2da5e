"""The supported languages, and tables of sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from chainrule.words.errors import ChainruleError

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
HTML_LANGUAGES: Final[Mapping[Language, str]] = {"en": "en", "zh": "zh-Hans"}
"""The `lang` attribute of a page."""

_COMMAS: Final[Mapping[Language, str]] = {"en": ", ", "zh": "、"}


class LanguageError(ChainruleError, ValueError):
    """The language is not supported."""


class Sentences:
    """Sentences by key, in every language; calling the table formats one.

    >>> say = Sentences({"done": ("{count} done", "已完成 {count}")})
    >>> say("zh", "done", count=3)
    '已完成 3'
    """

    def __init__(self, table: Mapping[str, tuple[str, str]]) -> None:
        self.table = table

    def __call__(self, language: Language, key: str, /, **values: object) -> str:
        """Return the sentence `key` in `language`, with `values` substituted."""
        return self.template(language, key).format(**values)

    def template(self, language: Language, key: str) -> str:
        """Return the unformatted sentence `key`; raise LanguageError for an unsupported language."""
        if language not in LANGUAGES:
            raise LanguageError(f"lang is {language!r}; it can be {', '.join(LANGUAGES)}")
        return self.table[key][LANGUAGES.index(language)]


def listed_in(language: Language, items: Iterable[str]) -> str:
    """Join items with the comma of `language`."""
    return _COMMAS[language].join(items)
