"""The supported languages, and tables of sentences."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from string import Formatter
from typing import Any, Final

from chainrule.words.errors import ChainruleError
from chainrule.words.speaking import LANGUAGE_VARIABLE, LANGUAGES, Language, choose, chosen

HTML_LANGUAGES: Final[Mapping[Language, str]] = {"en": "en", "zh": "zh-Hans"}
"""The `lang` attribute of a page."""

_COMMAS: Final[Mapping[Language, str]] = {"en": ", ", "zh": "、"}


class LanguageError(ChainruleError, ValueError):
    """The language is not supported."""


def use(lang: Language | None = None) -> None:
    """Set the language of errors, and of what objects show where no `lang` is given: "en" or "zh"; None resets it.

    By default it is that of the environment variable CHAINRULE_LANG, else English. Raises LanguageError for another
    language.

    >>> use(lang="zh")
    >>> used_language()
    'zh'
    >>> use()
    """
    choose(None if lang is None else checked_language(lang))


def used_language(lang: Language | None = None) -> Language:
    """Return `lang`, or the language in use if it is None; raise LanguageError for an unsupported one."""
    if lang is not None:
        return checked_language(lang)
    used = chosen()
    if used is not None:
        return used
    found = os.environ.get(LANGUAGE_VARIABLE, "")
    return checked_language(found, LANGUAGE_VARIABLE) if found else "en"


def checked_language(lang: str, name: str = "lang") -> Language:
    """Return `lang`; raise LanguageError if it is not supported."""
    for language in LANGUAGES:
        if lang == language:
            return language
    raise LanguageError(f"{name} is {lang!r}; it can be {', '.join(LANGUAGES)}")


class _Numbered(Formatter):
    """Formats fields such as {rows:row/rows}: the word before the stroke for one, that behind it for other numbers."""

    def format_field(self, value: Any, format_spec: str) -> str:
        one, stroke, several = format_spec.partition("/")
        if not stroke:
            return str(format(value, format_spec))
        return one if str(value) == "1" else several


_NUMBERED: Final = _Numbered()


class Sentences:
    """Sentences by key, in every language; calling the table formats one.

    >>> say = Sentences({"done": ("{count} {count:row/rows} done", "已完成 {count} 行")})
    >>> say("zh", "done", count=3), say("en", "done", count=3), say("en", "done", count="1")
    ('已完成 3 行', '3 rows done', '1 row done')
    """

    def __init__(self, table: Mapping[str, tuple[str, str]]) -> None:
        self.table = table

    def __call__(self, language: Language, key: str, /, **values: object) -> str:
        """Return the sentence `key` in `language`, with `values` substituted."""
        return _NUMBERED.format(self.template(language, key), **values)

    def template(self, language: Language, key: str) -> str:
        """Return the unformatted sentence `key`; raise LanguageError for an unsupported language."""
        return self.table[key][LANGUAGES.index(checked_language(language))]


def listed_in(language: Language, items: Iterable[str]) -> str:
    """Join items with the comma of `language`."""
    return _COMMAS[language].join(items)
