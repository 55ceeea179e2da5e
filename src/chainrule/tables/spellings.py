"""Spellings of one level or class that differ only in case or blanks: said, and merged where asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chainrule.tables.cells import counted, texts
from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import short

if TYPE_CHECKING:
    import polars as pl

_SAID = 3


def folded(text: str) -> str:
    """Return a text without what tells its spellings apart.

    >>> folded("New  York "), folded("NEW YORK")
    ('new york', 'new york')
    """
    return " ".join(text.split()).casefold()


def main_spellings(counts: Mapping[str, int]) -> dict[str, str]:
    """Return the most frequent spelling of each text that has a more frequent one.

    >>> main_spellings({"Yes": 7, "yes": 2, "no": 4})
    {'yes': 'Yes'}
    """
    best: dict[str, str] = {}
    by_count = sorted(counts, key=lambda text: (-counts[text], text))
    return {text: main for text in by_count if (main := best.setdefault(folded(text), text)) != text}


def groups_of(counts: Mapping[str, int]) -> list[list[str]]:
    """Return the texts that differ only in case or blanks, the most frequent first.

    >>> groups_of({"Yes": 7, "yes": 2, "no": 4})
    [['Yes', 'yes']]
    """
    found: dict[str, list[str]] = {}
    for text, main in main_spellings(counts).items():
        found.setdefault(main, [main]).append(text)
    return list(found.values())


def with_counts(spellings: list[str], counts: Mapping[str, int]) -> str:
    """Return spellings for a sentence, each with the number of its cells."""
    return " and ".join(f"{short(text)} in {counts[text]:,}" for text in spellings)


def merged(series: pl.Series) -> tuple[pl.Series, dict[str, str]]:
    """Replace each text by its most frequent spelling; return also what was replaced by what."""
    if series.dtype != load_polars().String:
        return series, {}
    counts = counted(texts(series))
    found = main_spellings(counts)
    return (series.str.strip_chars().replace(found), found) if found else (series, {})


def notes_on_spellings(name: str, series: pl.Series, merge: bool) -> list[str]:
    """Return a sentence for each level of the category `name` that has several spellings."""
    counts = counted(texts(series))
    said = []
    for spellings in groups_of(counts)[:_SAID]:
        found = with_counts(spellings, counts)
        if merge:
            said.append(f"{found} cells of {name!r} are taken for {short(spellings[0])}")
        else:
            said.append(f"{found} cells of {name!r} are different levels; --merge-spellings makes one of them")
    return said
