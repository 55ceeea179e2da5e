"""Texts in the cells of a table, as every target reads them: which means what."""

from __future__ import annotations

from chainrule.tables import FALSE_WORDS, MISSING_WORDS, TRUE_WORDS, Category

NOTHING = -1
"""The column of a cell that is 0 in all columns of its category."""


def level_columns(feature: Category) -> tuple[dict[str, int], int]:
    """The encoded column that is 1 for each text, and that for a text that is none of them; `NOTHING` for none.

    >>> columns, other = level_columns(Category("size", ("1", "2.5"), other=True))
    >>> columns["1"], columns["1.0"], columns["2.5"], columns["NA"], other
    (0, 0, 1, -1, 2)
    """
    count = len(feature.levels)
    other = count if feature.other else NOTHING
    missing = len(feature.columns) - 1 if feature.missing else NOTHING
    columns = dict.fromkeys(MISSING_WORDS, missing)
    for place, level in enumerate(feature.levels):
        for spelling in _spellings_of_number(level):
            columns.setdefault(spelling, place)
    columns.update({level: place for place, level in enumerate(feature.levels)})
    return columns, other


def truth_words() -> dict[str, int]:
    """1 for each text that means yes and 0 for each that means no, in small letters, capitals and with a capital."""
    words = {}
    for value, group in ((1, TRUE_WORDS), (0, FALSE_WORDS)):
        for word in sorted(group):
            words.update(dict.fromkeys((word, word.upper(), word.capitalize()), value))
    return words


def _spellings_of_number(level: str) -> list[str]:
    """Other ways in which programs write the number that a level is: 1 as 1.0, 2.50 as 2.5."""
    try:
        value = float(level)
    except ValueError:
        return []
    if "_" in level or value != value or abs(value) > 1e15:
        return []
    return [repr(value), *([str(int(value))] if value == int(value) else [])]
