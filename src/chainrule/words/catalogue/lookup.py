"""Finding the translation of a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from chainrule.words.catalogue.po import Entry, read_entries
from chainrule.words.catalogue.template import Template

_LETTERS: Final = re.compile(r"[A-Za-z]")
_FEW_WORDS: Final = 4
_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")


class Found(NamedTuple):
    """A translation, and how many of the texts within it have none."""

    text: str
    missing: int


class Catalogue:
    """Entries of one language.

    Among the entries that match a text, one whose parts all have translations is preferred, then the one with the most
    literal text: `there is no {name}` before `{anything}: {problem:text}`.

    >>> entries = Entry("no {name!r}{hint:text}", "没有 {name}{hint}"), Entry("; try {name}", "；可试 {name}")
    >>> known = Catalogue(entries)
    >>> known.translation("no 'rleu'; try relu"), known.translation("something else")
    ("没有 'rleu'；可试 relu", None)
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._whole: dict[str, str] = {}
        self._templates: list[tuple[Template, Template]] = []
        for english, translation in entries:
            template = Template(english)
            if not template.weight:
                raise ValueError(f"{english!r} is the template of any text")
            if template.fields:
                self._templates.append((template, Template(translation)))
            else:
                self._whole[template.literals[0]] = translation.format()  # its escaped braces
        self._templates.sort(key=lambda entry: -entry[0].weight)
        self._found = lru_cache(maxsize=4096)(self._search)

    def translation(self, text: str) -> str | None:
        """Return the translation of `text`, in which parts without one stay as they are; None if there is none."""
        found = self._found(text)
        return None if found is None else found.text

    def complete(self, text: str) -> bool:
        """Whether `text` and all its parts have translations."""
        found = self._found(text)
        return found is not None and not found.missing

    def _search(self, text: str) -> Found | None:
        if text in self._whole:
            return Found(self._whole[text], 0)
        if not _LETTERS.search(text):
            return Found(text, 0)
        best: Found | None = None
        for template, translation in self._templates:
            found = self._read(template, translation, text)
            if found is not None and not found.missing:
                return found
            best = best or found
        if best is None and (" " not in text or _CHINESE.search(text)):  # a name, or what was translated before
            return Found(text, 0)
        return best

    def _read(self, template: Template, translation: Template, text: str) -> Found | None:
        """Return the best translation of `text` as an instance of `template`."""
        best: Found | None = None
        texts = {field.name for field in template.fields if field.kind == "text"}
        for values in template.readings(text):
            parts = {name: self._found(values[name]) for name in texts}
            few = template.words < _FEW_WORDS
            missing = sum(not field.suits(values[field.name], strictly=few) for field in template.fields)
            if few:  # `{a} may be {b}` or `{a} and {b}` says nothing of an unknown sentence
                longest = max(texts, key=lambda name: len(values[name]), default=None)
                if missing or (longest is not None and parts[longest] is None):
                    continue
            for name, part in parts.items():
                missing += 1 if part is None else part.missing
                values[name] = values[name] if part is None else part.text
            if best is None or missing < best.missing:
                best = Found(translation.formatted(values, texts), missing)
            if not missing:
                return best
        return best


@cache
def catalogue(language: str) -> Catalogue:
    """Return the catalogue of `language`, read from the files of all rooms."""
    folder = Path(__file__).parent / language
    return Catalogue(
        entry for path in sorted(folder.glob("*.po")) for entry in read_entries(path.read_text("utf-8").splitlines())
    )


def translated(text: str, language: str) -> str:
    """Return the message `text` in `language`; as it is in English, and if the catalogue does not have it."""
    return text if language == "en" else catalogue(language).translation(text) or text
