"""The notation of the numbers in a column: marks for decimals and thousands, and units, inferred from its cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from chainrule.schema import FILLED, OMITTED, POSITIVE, different, one_of
from chainrule.tables.dependency import load_polars
from chainrule.tables.units import (
    AROUND,
    MAGNITUDES,
    are_magnitudes,
    both_sides,
    folded,
    is_footnote,
    is_power,
    of_one_currency,
    relative_sizes,
)

if TYPE_CHECKING:
    import polars as pl

DECIMALS = (".", ",")
THOUSANDS = ("", ",", ".", " ", "'")

REWRITES = (
    ("[\u00a0\u2007\u2009\u202f]", " "),
    ("[\u2212\u2013\ufe63\uff0d]", "-"),
    ("[\u2018\u2019\u00b4`]", "'"),
    (r"^'(.*?)'?$", "${1}"),
    (r"^\(\s*([^()+-]*[0-9][^()]*)\)$", "-${1}"),
    (r"^([^+-]*[0-9][^-]*?)\s?-$", "-${1}"),
    (r"([0-9])\s*[×xX*·]\s*10\s*\^\s*([+-]?[0-9]+)$", "${1}e${2}"),
)
"""Patterns and replacements, in the notation of polars, applied to each number: blanks, signs and apostrophes of
Unicode, the apostrophe by which Excel marks text, negative numbers of accountants, (12.5) and 12.5-, and powers of ten
as in 1.5×10^3."""

IN_PYTHON = tuple((pattern, re.sub(r"\$\{(\d)\}", r"\\\1", replacement)) for pattern, replacement in REWRITES)
"""The same in the notation of Python."""

BOUNDS = (
    (
        r"(?i)^(?:[<>\u2264\u2265]=?|under|below|over|above|less than|more than|up to|at least|at most|older than"
        r"|younger than)\s*([0-9])",
        "${1}",
    ),
    (r"(?i)([0-9])\s*(?:\+|(?:and|or) (?:over|above|older|more|under|below|less|younger|up))$", "${1}"),
)
"""The same of words that make a number a bound, as in `under 18` and `65+`."""

BOUNDS_IN_PYTHON = tuple((pattern, replacement.replace("${1}", r"\1")) for pattern, replacement in BOUNDS)

_BESIDE = r"(?:,| |and )*"
_TIME = r"([0-9]{1,2}):([0-5][0-9]):([0-5][0-9](?:\.[0-9]+)?)$"
DURATIONS = (
    (rf"(?i)^(-[0-9]+) ?d(?:ays?)?(?:, *| +\+){_TIME}", "${1}:+${2}:+${3}:+${4}"),
    (rf"(?i)^([+-]?[0-9]+) ?d(?:ays?)?,? +-{_TIME}", "${1}:-${2}:-${3}:-${4}"),
    (r"(?i)^([+-]?)([0-9]+) ?d(?:ays?)?,? +\+?([0-9]{1,2}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?)$", "${1}${2}:${3}"),
    (
        rf"(?i)^([+-]?)P?(?:([0-9]+) ?d(?:ays?)?{_BESIDE})?T?(?:([0-9]+) ?h(?:(?:ou)?rs?)?{_BESIDE})?"
        rf"(?:([0-9]+) ?m(?:in(?:ute)?s?)?{_BESIDE})?(?:([0-9]+(?:\.[0-9]+)?) ?s(?:ec(?:ond)?s?)?)?$",
        "${1}${2}:${3}:${4}:${5}",
    ),
)
"""The same of durations in words, which become days:hours:minutes:seconds: `5 days, 3:04:05`, `1h 20m`, `PT1H20M`.

The sign of the whole is in front; parts with a sign of their own have that instead: `-1 days +23:00:00` of pandas, and
`-1 day, 23:00:00` of Python, are an hour less than nothing.
"""

DURATIONS_IN_PYTHON = tuple(
    (pattern, replacement.replace("${", "\\g<").replace("}", ">")) for pattern, replacement in DURATIONS
)

_BOUNDS = [(re.compile(pattern), replacement) for pattern, replacement in BOUNDS_IN_PYTHON]
_DURATIONS = [(re.compile(pattern), replacement) for pattern, replacement in DURATIONS_IN_PYTHON]
_REWRITES = [(re.compile(pattern), replacement) for pattern, replacement in IN_PYTHON]

_CODES = "AED|AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|INR|JPY|KRW|MXN|NOK|NZD|PLN|RMB|RUB|SEK|SGD|TRY|TWD|USD|ZAR"
_CURRENCY = rf"(?:US|C|A|R|HK|NZ|S)?\$|[€£¥₹₽₩₺₫₪₴฿¢]|{_CODES}|Rs\.?|Fr\.?|kr\.?"
_PARTS = re.compile(
    rf"([+-]?)\s*({_CURRENCY})?\s*([+-]?)\s*"
    rf"((?:\d[\d.,' ]*|[.,]\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s.,+\-()'_:/][^()]{{0,15}})?"
)
"""Sign, currency, sign, digits with marks, and the unit behind them."""

_BARE = re.compile(r"\s*[+-]?((?:\d[\d.,]*|[.,]\d+)(?:[eE][+-]?\d+)?)\s*")
"""A number without blanks, apostrophes and a unit in it."""

_YEAR_BEHIND = re.compile(r"(^|[^\W\d_]|\s)\d{4}$")
"""The year of a date that begins with the number of a day."""

_AMOUNT = re.compile(rf"([^\W\d_]+\.?)\s*({_CURRENCY})")
"""A word such as M, and the currency behind it."""

_FEWEST_ALIKE = 2
_MANY = 20
"""Numbers among which a bound is one of them; fewer may be the names of groups, as `3+` is after 0, 1 and 2."""

_SECONDS = r"(?:\d+(?:\.\d+)?)"
_CLOCK = (
    rf"[+-]?(?:\d+(?::[0-5]\d){{1,2}}(?:\.\d+)?|\d+:\d*:\d*:{_SECONDS}?|:\d+:\d*:{_SECONDS}?|::\d+:{_SECONDS}?"
    rf"|:::{_SECONDS}|\d+(?::[+-]\d+){{2}}:[+-]{_SECONDS})"
)
"""The pattern of a duration, of four parts what `DURATIONS` makes of words, where parts may be empty but not all."""

_CLOCK_PARTS = re.compile(r"[+-]?(\d+)(?::[0-5]\d){1,2}(?:\.\d+)?")
_DURATION_NAME = re.compile(
    r"durat|length|elapsed|runtime|(^|[^a-z])(lap|laps|pace|split|splits|run|running|took|taken|time_?taken|track"
    r"|minutes|mins|talk|wait|waiting)([^a-z]|$)|时长|用时",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Unit:
    """A further unit of a column, `size` times that of its notation: 0.001 for g beside kg."""

    kind: ClassVar[str] = "unit"

    text: Annotated[str, FILLED]
    size: Annotated[float, POSITIVE]


@dataclass(frozen=True)
class Notation:
    """How the numbers of a column are written: in `1.234,5 kg` the decimal mark is a comma and the unit kg.

    `unit` is text before or behind the number, or around it, as `€…M` is in €1.2M. A missing mark for thousands is "".
    `others` are further units, in which some cells are written, and `bare` is the size of a number without a unit: 100
    if 0.53 is 53 %. With `duration` cells are written as 1:30, 1:02:30 or 1h 20m, read as 90, 3750 and 4800, and with
    `bounds` texts such as `under 18` are the number in them.
    """

    kind: ClassVar[str] = "notation"

    decimal: Annotated[str, one_of(*DECIMALS), OMITTED] = "."
    thousands: Annotated[str, one_of(*THOUSANDS), OMITTED] = ""
    unit: Annotated[str, OMITTED] = ""
    others: Annotated[tuple[Unit, ...], different("units"), OMITTED] = ()
    bare: Annotated[float, POSITIVE, OMITTED] = 1.0
    duration: Annotated[bool, OMITTED] = False
    bounds: Annotated[bool, OMITTED] = False

    @property
    def plain(self) -> bool:
        """Whether Python reads these numbers as they are."""
        return self == PLAIN

    @property
    def pattern(self) -> str:
        """The regular expression of a number, without its unit."""
        if self.duration:
            return _CLOCK
        decimal, groups = re.escape(self.decimal), ""
        if self.thousands:
            mark = re.escape(self.thousands)
            inner = r"\d{2,3}" if self.thousands == "," else r"\d{3}"  # in India groups have two digits
            groups = rf"[1-9]\d{{0,2}}(?:{mark}{inner})*{mark}\d{{3}}|"
        return rf"[+-]?(?:(?:{groups}\d+)(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?"

    @property
    def units(self) -> tuple[tuple[str, float], ...]:
        """For each unit a regular expression that divides a cell into signs and a number, and its size."""
        found = [(self.unit, 1.0)] if self.unit else []
        found += [(each.text, each.size) for each in self.others]
        return tuple((self._around(text), size) for text, size in found)

    def _around(self, unit: str) -> str:
        """Return the regular expression of signs, a number and this unit."""
        number = self.pattern.removeprefix("[+-]?")
        sides = both_sides(unit)
        before, behind = map(re.escape, sides or (unit, ""))
        after = rf"{behind}\s*{before}" if sides else before
        return rf"^([+-]?)\s*{before}\s*([+-]?)\s*({number})\s*{behind}$|^([+-]?)\s*({number})\s*{after}$"

    def words(self) -> str:
        """Describe the notation for the reason of a finding, after a comma; "" if it is plain.

        >>> Notation(",", ".", "kg").words(), Notation(unit="kg", others=(Unit("g", 0.001),)).words()
        (', decimal commas, points for thousands, in kg', ', in kg')
        """
        said = ", decimal commas" if self.decimal == "," else ""
        said += f", {_MARKS[self.thousands]} for thousands" if self.thousands else ""
        said += ", durations" if self.duration else ""
        others = [each.text for each in self.others if not is_footnote(each.text)]
        if others and not self.unit:
            said += f", with {' or '.join(others)}"
        return said + (f", in {self.unit}" if self.unit else "")


_MARKS = {",": "commas", ".": "points", " ": "blanks", "'": "apostrophes"}

PLAIN = Notation()


def numbers_in(written: pl.Series, notation: Notation) -> pl.Series:
    """Parse texts in a notation as float64, null for other texts.

    >>> import polars as pl
    >>> numbers_in(pl.Series(["1.234,5 kg", "-0,5", "(2)", "1,2,3"]), Notation(",", ".", "kg")).to_list()
    [1234.5, -0.5, -2.0, None]
    >>> numbers_in(pl.Series(["1:30", "1:02:30.5"]), Notation(duration=True)).to_list()
    [90.0, 3750.5]
    >>> numbers_in(pl.Series(["1h 20m", "5 days, 3:04:05", "-1 days +23:00:00"]), Notation(duration=True)).to_list()
    [4800.0, 443045.0, -3600.0]
    """
    pl = load_polars()
    cells = written.str.strip_chars()
    rewrites = (*REWRITES, *(BOUNDS if notation.bounds else ()), *(DURATIONS if notation.duration else ()))
    for pattern, replacement in rewrites:
        cells = cells.str.replace_all(pattern, replacement)
    sizes = pl.repeat(notation.bare, len(cells), dtype=pl.Float64, eager=True)
    for pattern, size in notation.units:
        of_unit = cells.str.contains(pattern).fill_null(False)
        cells = cells.str.replace(pattern, "${1}${2}${3}${4}${5}")
        sizes = sizes.set(of_unit, size)
    cells = cells.set(~cells.str.contains(f"^(?:{notation.pattern})$").fill_null(False), None)
    if notation.duration:
        return _durations(cells)
    if notation.thousands:
        cells = cells.str.replace_all(notation.thousands, "", literal=True)
    if notation.decimal != ".":
        cells = cells.str.replace(notation.decimal, ".", literal=True)
    return _product(cells.cast(pl.Float64, strict=False), sizes)


def _product(numbers: pl.Series, sizes: pl.Series) -> pl.Series:
    found: pl.Series = numbers * sizes
    return found


def _durations(cells: pl.Series) -> pl.Series:
    """Return the seconds of texts minutes:seconds, of further parts hours and days in front; an empty part is 0.

    A part without a sign of its own has that in front.
    """
    polars = load_polars()
    negative = cells.str.starts_with("-").fill_null(False)
    parts = cells.str.replace(r"^[+-]", "").str.split(":").list.reverse()
    value: pl.Series = polars.zeros(len(cells), dtype=polars.Float64, eager=True)
    for place, size in ((3, 86_400.0), (2, 3_600.0), (1, 60.0), (0, 1.0)):  # as exports add them, to the same bits
        written = parts.list.get(place, null_on_oob=True)
        part = written.str.strip_chars_start("+").replace("", None).cast(polars.Float64).fill_null(0.0)
        value = value + size * part.zip_with(~(negative & written.str.contains("^[+-]").fill_null(False)), -part)
    value = value.set(cells.is_null(), None)
    signed: pl.Series = value.zip_with(~negative, -value)
    return signed


def parts_of(cell: str) -> tuple[str, str] | None:
    """Return the digits of a cell with their marks, and its unit, or None for a cell that is no number.

    >>> parts_of("\u2212 12,6 kg"), parts_of("$1,200"), parts_of("€1.2M"), parts_of("flat 7")
    (('12,6', 'kg'), ('1,200', '$'), ('1.2', '€…M'), None)
    """
    bare = _BARE.fullmatch(cell)
    if bare is not None:  # most numbers are plain, and much faster so
        return bare[1], ""
    for pattern, replacement in _REWRITES:
        cell = pattern.sub(replacement, cell.strip())
    match = _PARTS.fullmatch(cell)
    if match is None or (match[1] and match[3]):
        return None
    before, behind = match[2] or "", (match[5] or "").strip()
    if _YEAR_BEHIND.search(behind) or is_power(behind):
        return None
    amount = _AMOUNT.fullmatch(behind)
    if amount and not before:
        behind, before = amount.groups()
    if before and behind:
        return (match[4].strip(), f"{before}{AROUND}{behind}") if folded(behind) in MAGNITUDES else None
    return match[4].strip(), before or behind


def unbound(cell: str) -> str:
    """Return a cell without words that make its number a bound.

    >>> unbound("under 18"), unbound("65+"), unbound("18-24")
    ('18', '65', '18-24')
    """
    for pattern, replacement in _BOUNDS:
        cell = pattern.sub(replacement, cell.strip())
    return cell


def are_durations(name: str, cells: Sequence[str]) -> bool:
    """Whether texts such as 3:45 in the column `name` are durations, and no times of day.

    Some have more than 23 in front, or the name says so, or none has 10 or more and none is written as 03:45, or all
    are within the first hour, as 00:03:45. Durations
    in words are some of several units, such as 1h 20m; those of one unit are numbers with a unit.

    >>> [are_durations("a", cells) for cells in (["3:45", "2:10"], ["03:45", "12:10"], ["83:20", "1:07"])]
    [True, False, True]
    >>> [are_durations("a", cells) for cells in (["1h20m", "2h 5min", "45m"], ["45m", "50m"], ["2 days", "3 days"])]
    [True, False, False]
    >>> are_durations("a", ["03:04:05", "-1 day, 23:00:00", "2 days, 13:04:05"])
    True
    """
    if _are_in_words(cells):
        return True
    found = [match for cell in cells if (match := _CLOCK_PARTS.fullmatch(cell.strip()))]
    if len(found) < max(_FEWEST_ALIKE, 0.9 * len(cells)):
        return False
    first = [match[1] for match in found]
    unpadded = all(not (len(digits) > 1 and digits[0] == "0") and int(digits) < 10 for digits in first)
    highest = max(map(int, first))
    within_an_hour = highest == 0 and len(found) >= _MANY and all(match[0].count(":") == 2 for match in found)
    return unpadded or highest > 23 or within_an_hour or _DURATION_NAME.search(name) is not None


def _are_in_words(cells: Sequence[str]) -> bool:
    """Whether nine of ten texts are durations, and two of them at least in words of several units.

    Python writes those of less than a day without words: 3:04:05 beside 5 days, 3:04:05.
    """
    found = [in_days(cell) for cell in cells]
    parts = [days.lstrip("+-").split(":") for days in found if days is not None]
    several = sum(sum(part != "" for part in each) > 1 for each in parts)
    if several < _FEWEST_ALIKE:
        return False
    clocks = sum(_CLOCK_PARTS.fullmatch(cell.strip()) is not None for cell in cells)
    return len(parts) + clocks >= 0.9 * len(cells)


def in_days(cell: str) -> str | None:
    """Return a duration in words as days:hours:minutes:seconds, None for other texts.

    >>> in_days("5 days, 3:04:05"), in_days("1 hour and 20 minutes"), in_days("-1 days +23:00:00")
    ('5:3:04:05', ':1:20:', '-1:+23:+00:+00')
    >>> in_days("5:03:04:05"), in_days("PT")
    (None, None)
    """
    for pattern, replacement in _DURATIONS:
        found, count = pattern.subn(replacement, cell.strip())
        if count:
            return found if re.fullmatch(_CLOCK, found) else None
    return None


def guess_notation(
    cells: Iterable[str],
    decimal: str | None = None,
    thousands: str | None = None,
    usual: str | None = None,
    name: str = "",
) -> Notation | None:
    """Infer the notation of numbers from all distinct texts of the column `name`; None if fewer than two are numbers.

    `decimal` and `thousands` are marks that are given; `usual` is the decimal mark of other columns, which decides
    about numbers such as 1,234 and 1.234 alone.

    >>> guess_notation(["1,5", "2,25"]).decimal, guess_notation(["1,234", "12,600.00"]).thousands
    (',', ',')
    """
    texts = list(cells)
    if are_durations(name, texts):
        return Notation(duration=True)
    found = [parts for cell in texts if (parts := parts_of(cell)) is not None]
    bounded = []
    if len(found) >= _MANY:
        others = [unbound(cell) for cell in texts if parts_of(cell) is None]
        bounded = [parts for cell in others if (parts := parts_of(cell)) is not None]
    if len(found) < _FEWEST_ALIKE and decimal is None and thousands is None:
        return None
    unit, others_of, bare = _units(found)
    known = {"", unit, *(each.text for each in others_of)}
    bodies = [body for body, own in (*found, *bounded) if own in known]
    tried = [
        Notation(point, mark)
        for point in (DECIMALS if decimal is None else (decimal,))
        for mark in (THOUSANDS if thousands is None else (thousands,))
        if point != mark
    ]
    if not tried or not bodies:
        return None
    best = max(tried, key=lambda each: _score(each, bodies, usual))
    return Notation(best.decimal, best.thousands, unit, others_of, bare, bounds=bool(bounded))


def _units(found: Sequence[tuple[str, str]]) -> tuple[str, tuple[Unit, ...], float]:
    """Return the unit of most numbers, the further ones, and the size of a number without a unit."""
    counts = Counter(unit for _, unit in found if unit)
    marks = [unit for unit in counts if is_footnote(unit)]
    footnotes = tuple(Unit(mark, 1.0) for mark in sorted(marks))
    for mark in marks:
        del counts[mark]
    if not counts:
        return "", footnotes, 1.0
    amounts = of_one_currency(counts)
    if amounts is not None:
        alone = [unit for unit in counts if unit not in MAGNITUDES and amounts[unit] == 1]
        pairs = [sides[0] for unit in counts if (sides := both_sides(unit))]
        currency = min(alone or pairs, key=lambda unit: (-counts[unit], unit))
        others = {unit: size for unit, size in amounts.items() if unit != currency}
        return currency, (*footnotes, *(Unit(unit, others[unit]) for unit in sorted(others))), 1.0
    main = min(counts, key=lambda unit: (-counts[unit], unit))
    bare = [body for body, unit in found if not unit or unit in marks]
    sizes = relative_sizes(counts, main)
    if (bare or len(counts) > 1) and are_magnitudes(counts):
        return "", (*footnotes, *(Unit(unit, MAGNITUDES[folded(unit)]) for unit in sorted(counts))), 1.0
    if main == "%" and len(counts) == 1 and _are_shares(bare, [body for body, unit in found if unit == "%"]):
        return "%", footnotes, 100.0
    if 2 * counts.total() < len(found):
        return "", footnotes, 1.0
    others = {unit: size for unit, size in (sizes or {}).items() if unit != main}
    return main, (*footnotes, *(Unit(unit, others[unit]) for unit in sorted(others))), 1.0


def _are_shares(bare: Sequence[str], percents: Sequence[str]) -> bool:
    """Whether numbers without % are shares of 1: none is above 1, at least two are between, and one of % is above."""
    shares, hundredths = (
        [abs(float(body.replace(",", "."))) for body in bodies if _SHARE.fullmatch(body)] for bodies in (bare, percents)
    )
    return (
        len(shares) == len(bare)
        and sum(0 < share < 1 for share in shares) >= _FEWEST_ALIKE
        and max(shares) <= 1 < max(hundredths, default=0)
    )


_SHARE = re.compile(r"\d+(?:[.,]\d+)?|[.,]\d+")


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
