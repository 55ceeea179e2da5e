"""The supported languages, and tables of sentences."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from chainrule.words.errors import ChainruleError

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
HTML_LANGUAGES: Final[Mapping[Language, str]] = {"en": "en", "zh": "zh-Hans"}
"""The `lang` attribute of a page."""

LANGUAGE_VARIABLE: Final = "CHAINRULE_LANG"
"""The environment variable that sets the language of what is shown where none is given."""

_COMMAS: Final[Mapping[Language, str]] = {"en": ", ", "zh": "、"}


class LanguageError(ChainruleError, ValueError):
    """The language is not supported."""


_used: list[Language] = []
"""The language chosen by `use`, if any."""


def use(lang: Language | None = None) -> None:
    """Set the language in which objects show themselves where no `lang` is given: "en" or "zh"; None resets it.

    By default it is that of the environment variable CHAINRULE_LANG, else English. Raises LanguageError for another
    language.

    >>> use(lang="zh")
    >>> used_language()
    'zh'
    >>> use()
    """
    _used[:] = [] if lang is None else [checked_language(lang)]


def used_language(lang: Language | None = None) -> Language:
    """Return `lang`, or the language in use if it is None; raise LanguageError for an unsupported one."""
    if lang is not None:
        return checked_language(lang)
    if _used:
        return _used[0]
    found = os.environ.get(LANGUAGE_VARIABLE, "")
    return checked_language(found, LANGUAGE_VARIABLE) if found else "en"


def checked_language(lang: str, name: str = "lang") -> Language:
    """Return `lang`; raise LanguageError if it is not supported."""
    for language in LANGUAGES:
        if lang == language:
            return language
    raise LanguageError(f"{name} is {lang!r}; it can be {', '.join(LANGUAGES)}")


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
        return self.table[key][LANGUAGES.index(checked_language(language))]


def listed_in(language: Language, items: Iterable[str]) -> str:
    """Join items with the comma of `language`."""
    return _COMMAS[language].join(items)
