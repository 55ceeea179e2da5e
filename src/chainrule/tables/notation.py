"""The notation of the numbers in a column: marks for decimals and thousands, and a unit, inferred from its cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from chainrule.schema import OMITTED, one_of
from chainrule.tables.dependency import load_polars

if TYPE_CHECKING:
    import polars as pl

DECIMALS = (".", ",")
THOUSANDS = ("", ",", ".", " ", "'")

REWRITES = (
    ("[\u00a0\u2007\u2009\u202f]", " "),
    ("[\u2212\u2013\ufe63\uff0d]", "-"),
    ("[\u2018\u2019\u00b4`]", "'"),
    (r"^'(.*)$", "${1}"),
    (r"^\(\s*([^()+-]*[0-9][^()]*)\)$", "-${1}"),
    (r"^([^+-]*[0-9][^-]*?)\s?-$", "-${1}"),
)
"""Patterns and replacements, in the notation of polars, applied to each number: blanks, signs and apostrophes of
Unicode, the apostrophe by which Excel marks text, and negative numbers of accountants, (12.5) and 12.5-."""

IN_PYTHON = tuple((pattern, replacement.replace("${1}", r"\1")) for pattern, replacement in REWRITES)
"""The same in the notation of Python."""

_REWRITES = [(re.compile(pattern), replacement) for pattern, replacement in IN_PYTHON]

_CODES = "AED|AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|INR|JPY|KRW|MXN|NOK|NZD|PLN|RMB|RUB|SEK|SGD|TRY|TWD|USD|ZAR"
_CURRENCY = rf"(?:US|C|A|R|HK|NZ|S)?\$|[€£¥₹₽₩₺₫₪₴฿¢]|{_CODES}|Rs\.?|Fr\.?|kr\.?"
_PARTS = re.compile(
    rf"([+-]?)\s*({_CURRENCY})?\s*([+-]?)\s*"
    rf"((?:\d[\d.,' ]*|[.,]\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s.,+\-()'_:/][^()]{{0,15}})?"
)
"""Sign, currency, sign, digits with marks, and the unit behind them."""

_FEWEST_ALIKE = 2


@dataclass(frozen=True)
class Notation:
    """How the numbers of a column are written: in `1.234,5 kg` the decimal mark is a comma and the unit kg.

    `unit` is text before or behind the number, which a cell may lack. A missing mark for thousands is "".
    """

    kind: ClassVar[str] = "notation"

    decimal: Annotated[str, one_of(*DECIMALS), OMITTED] = "."
    thousands: Annotated[str, one_of(*THOUSANDS), OMITTED] = ""
    unit: Annotated[str, OMITTED] = ""

    @property
    def plain(self) -> bool:
        """Whether Python reads these numbers as they are."""
        return self == PLAIN

    @property
    def pattern(self) -> str:
        """The regular expression of a number, without its unit."""
        decimal, groups = re.escape(self.decimal), ""
        if self.thousands:
            mark = re.escape(self.thousands)
            inner = r"\d{2,3}" if self.thousands == "," else r"\d{3}"  # in India groups have two digits
            groups = rf"[1-9]\d{{0,2}}(?:{mark}{inner})*{mark}\d{{3}}|"
        return rf"[+-]?(?:(?:{groups}\d+)(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?"

    @property
    def unit_pattern(self) -> str:
        """The regular expression that divides a cell into two signs and a number, around the unit."""
        unit = re.escape(self.unit)
        return rf"^([+-]?)\s*(?:{unit})?\s*([+-]?)\s*(.*?)\s*(?:{unit})?$"

    def words(self) -> str:
        """Describe the notation for the reason of a finding, after a comma; "" if it is plain.

        >>> Notation(",", ".", "kg").words()
        ', decimal commas, points for thousands, in kg'
        """
        said = ", decimal commas" if self.decimal == "," else ""
        said += f", {_MARKS[self.thousands]} for thousands" if self.thousands else ""
        return said + (f", in {self.unit}" if self.unit else "")


_MARKS = {",": "commas", ".": "points", " ": "blanks", "'": "apostrophes"}

PLAIN = Notation()


def numbers_in(written: pl.Series, notation: Notation) -> pl.Series:
    """Parse texts in a notation as float64, null for other texts.

    >>> import polars as pl
    >>> numbers_in(pl.Series(["1.234,5 kg", "-0,5", "(2)", "1,2,3"]), Notation(",", ".", "kg")).to_list()
    [1234.5, -0.5, -2.0, None]
    """
    cells = written.str.strip_chars()
    for pattern, replacement in REWRITES:
        cells = cells.str.replace_all(pattern, replacement)
    if notation.unit:
        cells = cells.str.replace(notation.unit_pattern, "${1}${2}${3}")
    cells = cells.set(~cells.str.contains(f"^(?:{notation.pattern})$").fill_null(False), None)
    if notation.thousands:
        cells = cells.str.replace_all(notation.thousands, "", literal=True)
    if notation.decimal != ".":
        cells = cells.str.replace(notation.decimal, ".", literal=True)
    return cells.cast(load_polars().Float64, strict=False)


def parts_of(cell: str) -> tuple[str, str] | None:
    """Return the digits of a cell with their marks, and its unit, or None for a cell that is no number.

    >>> parts_of("\u2212 12,6 kg"), parts_of("$1,200"), parts_of("flat 7")
    (('12,6', 'kg'), ('1,200', '$'), None)
    """
    for pattern, replacement in _REWRITES:
        cell = pattern.sub(replacement, cell.strip())
    match = _PARTS.fullmatch(cell)
    if match is None or (match[1] and match[3]) or (match[2] and match[5]):
        return None
    return match[4].strip(), (match[2] or match[5] or "").strip()


def guess_notation(
    cells: Iterable[str], decimal: str | None = None, thousands: str | None = None, usual: str | None = None
) -> Notation | None:
    """Infer the notation of numbers from all distinct texts of a column; None if fewer than two are numbers.

    `decimal` and `thousands` are marks that are given; `usual` is the decimal mark of other columns, which decides
    about numbers such as 1,234 and 1.234 alone.

    >>> guess_notation(["1,5", "2,25"]), guess_notation(["1,234", "12,600.00"]).thousands
    (Notation(decimal=',', thousands='', unit=''), ',')
    """
    found = [parts for cell in cells if (parts := parts_of(cell)) is not None]
    if len(found) < _FEWEST_ALIKE and decimal is None and thousands is None:
        return None
    units = Counter(unit for _, unit in found if unit)
    unit = units.most_common(1)[0][0] if units and 2 * units.total() >= len(found) else ""
    bodies = [body for body, own in found if own in ("", unit)]
    tried = [
        Notation(point, mark)
        for point in (DECIMALS if decimal is None else (decimal,))
        for mark in (THOUSANDS if thousands is None else (thousands,))
        if point != mark
    ]
    if not tried or not bodies:
        return None
    best = max(tried, key=lambda each: _score(each, bodies, usual))
    return Notation(best.decimal, best.thousands, unit)


def _score(notation: Notation, bodies: Sequence[str], usual: str | None) -> tuple[Any, ...]:
    """Return how well a notation fits: the number of cells, then plainness, then what is usual."""
    fits = sum(re.fullmatch(notation.pattern, body) is not None for body in bodies)
    decimals = [body for body in bodies if notation.decimal in body]
    # A whole number of thousands, 1,234, is likelier than three decimals throughout, unless one is 0,123.
    odd = notation.decimal == "," and bool(decimals) and all(map(_THOUSANDS_ALONE.fullmatch, decimals))
    if usual == ",":
        odd = notation.decimal == "." and bool(decimals) and all(map(_THOUSANDS_ALONE.fullmatch, decimals))
    used = bool(notation.thousands) and any(notation.thousands in body for body in bodies)
    return fits, not odd, used or not notation.thousands, not notation.thousands, notation.decimal == (usual or ".")


_THOUSANDS_ALONE = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_COMMA = re.compile(r"\d{1,3}(\.\d{3})+,\d+|\d*,(\d{1,2}|\d{4,})|0,\d+")
_POINT = re.compile(r"\d{1,3}(,\d{2,3})+\.\d+|\d*\.(\d{1,2}|\d{4,})|0\.\d+")


def usual_decimal(columns: Iterable[Iterable[str]]) -> str | None:
    """Return a comma if columns have decimal commas for certain, and none has decimal points; None otherwise.

    >>> usual_decimal([["1,5", "2,5"], ["1.234", "5.600"]]), usual_decimal([["1,5"], ["2.5"]])
    (',', None)
    """
    commas = points = 0
    for cells in columns:
        bodies = [parts[0] for cell in cells if (parts := parts_of(cell)) is not None]
        commas += any(map(_COMMA.fullmatch, bodies)) and not any(map(_POINT.fullmatch, bodies))
        points += any(map(_POINT.fullmatch, bodies))
    return "," if commas and not points else None
