"""One list of languages, one look-up, one error."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest

import chainrule as cr
from chainrule.cli.sentences import say as cli_sentences
from chainrule.networks.flow_words import say as flow_sentences
from chainrule.reports.words import say as report_sentences
from chainrule.words import (
    HTML_LANGUAGES,
    LANGUAGES,
    ChainruleError,
    Language,
    LanguageError,
    Sentences,
    listed_in,
)

say = Sentences({"named": ("the language {language}, the key {key}", "语言 {language}，键 {key}")})


def test_every_language_has_its_column() -> None:
    assert get_args(Language) == LANGUAGES == tuple(HTML_LANGUAGES)
    said = [say(lang, "named", language="a", key="b") for lang in LANGUAGES]
    assert said == ["the language a, the key b", "语言 a，键 b"]
    assert [listed_in(lang, "ab") for lang in LANGUAGES] == ["a, b", "a、b"]


_NUMBERED = re.compile(r"\{\w+:[^{}/]*/(?:[^{}]|\{\w+\})*\}")
_COUNTED = re.compile(r"\{(\w+)\} (epochs|iterations|rows|features|columns|bytes|predictions|numbers)\b")


def test_one_is_told_in_the_singular() -> None:
    said = Sentences({"taken": ("{rows} {rows:row/rows} in {epochs:one epoch/{epochs} epochs}", "{rows} 行")})
    assert [said("en", "taken", rows=n, epochs=n) for n in (0, 1, "1", "1,000")] == [
        "0 rows in 0 epochs",
        "1 row in one epoch",
        "1 row in one epoch",
        "1,000 rows in 1,000 epochs",
    ]
    assert said("zh", "taken", rows=1, epochs=1) == "1 行"


@pytest.mark.parametrize("sentences", [cli_sentences, report_sentences, flow_sentences])
def test_whatever_is_counted_has_a_singular(sentences: Sentences) -> None:
    always_several = {"calibration figure"}
    plain = {key for key, (english, _) in sentences.table.items() if _COUNTED.search(_NUMBERED.sub("", english))}
    assert plain <= always_several, "write {rows} {rows:row/rows}"
    for key in sentences.table.keys() - always_several:
        english = sentences("en", key, **dict.fromkeys(_fields(sentences.table[key][0]), "1"))
        assert not re.search(r"\b1 (?:epochs|iterations|rows|features|columns|bytes|predictions|numbers)\b", english)


def _fields(template: str) -> set[str]:
    return set(re.findall(r"\{(\w+)", template))


@pytest.mark.parametrize("lang", ["fr", "EN", "", None])
def test_other_languages_are_refused(lang: Any) -> None:
    with pytest.raises(LanguageError, match=r"lang is .*; it can be en, zh") as raised:
        say(lang, "named", language="a", key="b")
    assert isinstance(raised.value, ChainruleError)


def test_the_language_in_use_is_that_of_what_shows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAINRULE_LANG", raising=False)
    derivation = cr.derive("sum((X @ w - y)^2)")
    english, chinese = derivation.text(lang="en"), derivation.text(lang="zh")
    assert str(derivation) == english != chinese
    monkeypatch.setenv("CHAINRULE_LANG", "zh")
    assert str(derivation) == chinese
    cr.use(lang="en")
    assert str(derivation) == english
    assert derivation.text(lang="zh") == chinese
    cr.use(lang="zh")
    assert str(derivation.verify()).startswith("验证：")
    cr.use()
    monkeypatch.delenv("CHAINRULE_LANG")
    assert str(derivation) == english


def test_another_language_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(cr.ChainruleError, match="lang is 'fr'; it can be en, zh"):
        cr.use(lang="fr")  # type: ignore[arg-type]
    monkeypatch.setenv("CHAINRULE_LANG", "fr")
    with pytest.raises(cr.ChainruleError, match="CHAINRULE_LANG is 'fr'; it can be en, zh"):
        cr.derive("x^2").text()
