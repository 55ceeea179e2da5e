"""What is said of numbers that are read otherwise than they stand: shares, bounds, durations, further units."""

from __future__ import annotations

import re
from collections.abc import Iterator
from shlex import quote
from typing import TYPE_CHECKING

from chainrule.tables.cells import texts
from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import listed, short
from chainrule.tables.notation import DECIMALS, Notation, numbers_in, parts_of, unbound
from chainrule.tables.units import is_footnote

if TYPE_CHECKING:
    import polars as pl


_MANY = 3
"""Marks beside numbers up to which each is told."""


def notes_on_notation(name: str, series: pl.Series, notation: Notation, *, is_target: bool = False) -> list[str]:
    """Return a sentence for each way in which numbers of the column `name` are read otherwise than they stand.

    Each says what to give if something else is meant, which for a target is not `--kind`.

    >>> import polars as pl
    >>> notes_on_notation("share", pl.Series(["53%", "0.25"]), Notation(unit="%", bare=100.0))
    ["'0.25' is taken for 25 %: 1 of 2 cells of 'share' have no percent sign, and none of them is above 1"]
    """
    if notation.plain or series.dtype != load_polars().String:
        return []
    return list(_notes(name, texts(series).drop_nulls(), notation, is_target))


def _notes(name: str, cells: pl.Series, notation: Notation, is_target: bool) -> Iterator[str]:
    def first(wanted: pl.Series) -> tuple[str, float]:
        cell = cells.filter(wanted)[:1]
        return short(cell[0]), float(numbers_in(cell, notation)[0] or 0)

    rows = len(cells)
    if notation.bare != 1:
        bare = ~cells.str.contains(notation.unit, literal=True)
        shown, value = first(bare)
        yield (
            f"{shown} is taken for {value:g} %: {int(bare.sum()):,} of {rows:,} cells of {name!r} have no percent "
            "sign, and none of them is above 1"
        )
    if notation.duration:
        in_words = cells.str.contains("[A-Za-z]") & numbers_in(cells, notation).is_not_null()
        shown, value = first(in_words if in_words.any() else cells.str.contains(":", literal=True))
        if in_words.any():
            other = "--task classification" if is_target else f"--kind {quote(f'{name}=category')}"
            yield f"{shown} in {name!r} is taken for a duration of {value:g} seconds; {other} keeps the texts"
        elif is_target:
            yield f"{shown} in {name!r} is taken for a duration, the number {value:g}"
        else:
            yield (
                f"{shown} in {name!r} is taken for a duration, the number {value:g}; --kind {quote(f'{name}=date')} "
                "takes the column for times of day"
            )
    if notation.thousands in DECIMALS and not notation.unit:
        mark = re.escape(notation.thousands)
        if cells.str.contains(rf"^\s*[+-]?[1-9]\d{{0,2}}{mark}\d{{3}}\s*$").all():
            shown, value = first(cells.is_not_null())
            yield (
                f"{shown} in {name!r} is taken for {value:.0f}, and all of its numbers have three digits behind "
                f"{notation.thousands!r}; --decimal {notation.thousands} takes it for {value / 1000:g}"
            )
    if notation.bounds:
        different = cells.unique(maintain_order=True).to_list()
        bounded = [cell for cell in different if parts_of(cell) is None and parts_of(unbound(cell)) is not None]
        among = cells.is_in(bounded)
        if bounded:
            shown = " and ".join(map(short, bounded[:2]))
            some = f"{int(among.sum()):,}"
            if is_target:
                yield (
                    f"{shown} in {some} of {rows:,} cells of {name!r}, which holds numbers, is taken for the number "
                    "in it; --task classification makes classes of all of them"
                )
            else:
                yield (
                    f"{shown} in {some} of {rows:,} cells of {name!r}, which holds numbers, is taken for the number "
                    f"in it; --kind {quote(f'{name}=category')} makes levels of all of them"
                )
    marks = [each.text for each in notation.others if is_footnote(each.text)]
    if len(marks) > _MANY:
        marked = cells.str.contains_any(marks)
        yield (
            f"{short(marks[0])} and {len(marks) - 1:,} others beside {int(marked.sum()):,} of {rows:,} numbers of "
            f"{name!r} are left out"
        )
        marks = []
    for mark in marks:
        count = int(cells.str.contains(mark, literal=True).sum())
        yield f"{short(mark)} beside {count:,} of {rows:,} numbers of {name!r} is left out"
    units = [each.text for each in notation.others if not is_footnote(each.text)]
    if units and notation.unit:
        yield f"numbers of {name!r} in {listed(units, 8)} are converted to {notation.unit}"
