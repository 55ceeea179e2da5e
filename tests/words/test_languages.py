"""One list of languages, one look-up, one error."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from chainrule.words import HTML_LANGUAGES, LANGUAGES, ChainruleError, Language, LanguageError, Sentences, listed_in

say = Sentences({"named": ("the language {language}, the key {key}", "语言 {language}，键 {key}")})


def test_every_language_has_its_column() -> None:
    assert get_args(Language) == LANGUAGES == tuple(HTML_LANGUAGES)
    said = [say(lang, "named", language="a", key="b") for lang in LANGUAGES]
    assert said == ["the language a, the key b", "语言 a，键 b"]
    assert [listed_in(lang, "ab") for lang in LANGUAGES] == ["a, b", "a、b"]


@pytest.mark.parametrize("lang", ["fr", "EN", "", None])
def test_other_languages_are_refused(lang: Any) -> None:
    with pytest.raises(LanguageError, match=r"lang is .*; it can be en, zh") as raised:
        say(lang, "named", language="a", key="b")
    assert isinstance(raised.value, ChainruleError)
