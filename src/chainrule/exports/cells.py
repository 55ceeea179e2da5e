"""Cells of a table, shared by all targets: the meaning of texts, and the programs that encode cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product

from chainrule.ir import Program
from chainrule.tables import (
    LARGEST_LEVEL,
    MISSING_WORDS,
    Category,
    LevelNumbers,
    Preprocessing,
)


def program_names(preprocessing: Preprocessing) -> dict[Program, str]:
    """Name each program that encodes cells, such as `number_columns`; features may share one.

    >>> from chainrule.tables import Number
    >>> features = (Number("a", 1.0, 2.0, 3.0), Number("b", 4.0, 5.0, 6.0), Number("c", 7.0, 8.0, 9.0, unit=2.0))
    >>> list(program_names(Preprocessing(features)).values())
    ['number_columns', 'number_columns_2']
    """
    names: dict[Program, str] = {}
    counts: Counter[str] = Counter()
    for feature in preprocessing.features:
        if feature.program not in names:
            counts[feature.kind] += 1
            number = counts[feature.kind]
            names[feature.program] = f"{feature.kind}_columns" + (f"_{number}" if number > 1 else "")
    return names


def words_for_missing(feature: Category | LevelNumbers) -> tuple[str, ...]:
    """Return the texts that stand for no value in a column, the empty one among them."""
    return (*MISSING_WORDS, *feature.words)


def level_columns(feature: Category | LevelNumbers) -> tuple[dict[str, int], int]:
    """Map each text to its encoded column, and give the column of unknown texts; `NO_COLUMN` for none.

    For `LevelNumbers` these are rows of its table.

    >>> columns, other = level_columns(Category("size", ("1", "2.5"), other=True))
    >>> columns["1"], columns["1.0"], columns["2.5"], columns["NA"], other
    (0, 0, 1, -1, 2)
    >>> level_columns(Category("size", ("1", "2"), other=True, words=("n.v.",)))[0]["n.v."]
    -1
    """
    columns = dict.fromkeys(words_for_missing(feature), feature.missing_column)
    for place, level in enumerate(feature.levels):
        for spelling in _spellings_of_number(level):
            columns.setdefault(spelling, place)
    columns.update({each.text: each.place for each in feature.spellings})
    columns.update({level: place for place, level in enumerate(feature.levels)})
    return columns, feature.other_column


BLANKS = "\t\n\v\f\r \u0085\u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""The characters that are removed around a text: the white space of Unicode."""

PLAIN_NUMBER = r"[+-]?([0-9]{1,40}[.]?[0-9]{0,40}|[.][0-9]{1,40})([eE][+-]?[0-9]{1,2})?"
"""A number in a text that may be another spelling of a level, for targets that read numbers themselves."""


def with_blanks(words: Mapping[str, int], blanks: Sequence[str] = (" ",)) -> dict[str, int]:
    """Add variants with one of `blanks` before, after or on both sides, for targets that cannot strip blanks.

    >>> with_blanks({"a": 1})
    {'a': 1, 'a ': 1, ' a': 1, ' a ': 1}
    """
    found = dict(words)
    for word, meaning in words.items():
        for before, after in product(("", *blanks), repeat=2):
            found.setdefault(f"{before}{word}{after}", meaning)
    return found


def _spellings_of_number(level: str) -> list[str]:
    """Return other notations of the number in a level: for 1 they are 1.0, 1.00, 1., +1, 01 and 1e0."""
    try:
        value = float(level)
    except ValueError:
        return []
    if "_" in level or value != value or abs(value) >= LARGEST_LEVEL:
        return []
    sign, size = ("-" if value < 0 else ""), abs(value)
    whole = [str(int(size)), f"{int(size)}.", f"{int(size)}.00"] if size == int(size) else []
    plain = [repr(size), *whole, *(f"0{digits}" for digits in whole[:1])]
    if "e" not in repr(size):
        plain.append(f"{size!r}0")
        plain += [f"{digits}{mark}0" for digits in (*whole[:1], repr(size)) for mark in ("e", "E", "e+", "e0")]
    return [f"{mark}{digits}" for digits in plain for mark in ([sign] if sign else ["", "+"])]
