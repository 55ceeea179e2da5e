"""What the user says about the cells of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.tables.cells import number_in
from chainrule.tables.errors import TableError
from chainrule.tables.notation import DECIMALS, THOUSANDS

NAMES = {
    "comma": ",",
    "point": ".",
    "dot": ".",
    "blank": " ",
    "space": " ",
    "apostrophe": "'",
    "none": "",
    "\u2019": "'",
    "\u00a0": " ",
    "\u202f": " ",
}


@dataclass(frozen=True)
class Conventions:
    """How the cells of a table are written: words for missing values, and the marks in numbers.

    A mark of None is inferred for each column.
    """

    missing: tuple[str, ...] = ()
    decimal: str | None = None
    thousands: str | None = None
    merge: bool = False
    """Whether levels and classes that differ only in case and blanks are one."""

    @property
    def missing_numbers(self) -> tuple[float, ...]:
        """The numbers among the words for missing values."""
        found = (number_in(word) for word in self.missing)
        return tuple(dict.fromkeys(number for number in found if number is not None))


USUAL = Conventions()


def read_conventions(
    missing: Sequence[str] = (), decimal: str | None = None, thousands: str | None = None, merge: bool = False
) -> Conventions:
    """Return conventions from marks or their names; raise TableError for unknown marks.

    >>> read_conventions(["n.v."], "comma", ".").thousands
    '.'
    """
    point = None if decimal is None else NAMES.get(decimal.lower(), decimal)
    mark = None if thousands is None else NAMES.get(thousands.lower(), thousands)
    if point is not None and point not in DECIMALS:
        raise TableError(f"the decimal mark is {decimal!r}; give comma or point")
    if mark is not None and mark not in THOUSANDS:
        raise TableError(f"the mark for thousands is {thousands!r}; give comma, point, blank, apostrophe or none")
    if mark and point == mark:
        raise TableError(f"the marks for decimals and thousands are both {decimal!r}; give two different ones")
    words = tuple(dict.fromkeys(word.strip() for word in missing))
    return Conventions(words, point, mark, merge)
