"""Date formats of tables, and parsing to seconds since 1970."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.schema import Rule, one_of
from chainrule.tables.arithmetic import DAY
from chainrule.tables.dependency import load_polars

if TYPE_CHECKING:
    import polars as pl

Seconds: TypeAlias = NDArray[np.int64]
"""Seconds since 1970, in UTC if a time zone is given, otherwise without conversion."""

MISSING = np.iinfo(np.int64).min
"""The value of a cell without a date."""

_TIMES = ("", " %H:%M:%S%.f", " %H:%M", "T%H:%M:%S%.f", "T%H:%M")
_ZONES = ("T%H:%M:%S%.f%#z", " %H:%M:%S%.f%#z", " %H:%M:%S%.f %#z", "T%H:%M%#z", " %H:%M%#z")
_NAMED_ZONES = (" %H:%M:%S%.f UTC", " %H:%M UTC", " %H:%M:%S%.f GMT")
_HALVES = ("", " %H:%M:%S%.f", " %H:%M", " %I:%M:%S %p", " %I:%M %p")
_CLOCKS = ("", " %H:%M:%S%.f", " %H:%M")

_MONTHS = {
    "German": "jan(?:uar)? feb(?:ruar)? m(?:ä|ae)rz apr(?:il)? mai juni? juli? aug(?:ust)? sept?(?:ember)? okt(?:ober)?"
    " nov(?:ember)? dez(?:ember)?",
    "French": "janv(?:ier)? f[ée]vr?(?:ier)? mars avr(?:il)? mai juin juil(?:let)? ao[ûu]t sept?(?:embre)? oct(?:obre)?"
    " nov(?:embre)? d[ée]c(?:embre)?",
    "Spanish": "ene(?:ro)? feb(?:rero)? mar(?:zo)? abr(?:il)? may(?:o)? jun(?:io)? jul(?:io)? ago(?:sto)?"
    " sept?(?:iembre)? oct(?:ubre)? nov(?:iembre)? dic(?:iembre)?",
    "Italian": "gen(?:naio)? feb(?:braio)? mar(?:zo)? apr(?:ile)? mag(?:gio)? giu(?:gno)? lug(?:lio)? ago(?:sto)?"
    " sett?(?:embre)? ott(?:obre)? nov(?:embre)? dic(?:embre)?",
    "Portuguese": "jan(?:eiro)? fev(?:ereiro)? mar(?:ço)? abr(?:il)? mai(?:o)? jun(?:ho)? jul(?:ho)? ago(?:sto)?"
    " set(?:embro)? out(?:ubro)? nov(?:embro)? dez(?:embro)?",
}
"""The names of the months in other languages, as regular expressions, also in their usual short forms."""


def _with(day: str, times: Sequence[str]) -> tuple[str, ...]:
    return tuple(day + time for time in times)


FORMATS: dict[str, tuple[str, ...]] = {
    "year-month-day": _with("%Y-%m-%d", _TIMES + _ZONES + _NAMED_ZONES),
    "year-month-day in a named zone": ("%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z"),
    "year/month/day": _with("%Y/%m/%d", _CLOCKS),
    "year.month.day": _with("%Y.%m.%d", _CLOCKS),
    "yearmonthday": ("%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%SZ"),
    "year年month月day日": ("%Y年%m月%d日", "%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日 %H:%M"),
    "year-day of year": ("%Y~%j",),
    "day.month.year": _with("%d.%m.%Y", _CLOCKS),
    "month/day/year": _with("%m/%d/%Y", _HALVES),
    "day/month/year": _with("%d/%m/%Y", _HALVES),
    "day-month-year": _with("%d-%m-%Y", _CLOCKS),
    "month-day-year": _with("%m-%d-%Y", _HALVES),
    "month/day/yy": _with("%m/%d/%y", _HALVES),
    "day/month/yy": _with("%d/%m/%y", _HALVES),
    "day.month.yy": _with("%d.%m.%y", _CLOCKS),
    "day name year": (
        *_with("%d-%b-%Y", _HALVES),
        *_with("%d %b %Y", _HALVES),
        *_with("%d %B %Y", _HALVES),
        *_with("%d. %B %Y", _HALVES),
        *_with("%d-%b-%y", _HALVES),
        *_with("%d/%b/%Y", _HALVES),
        "%d/%b/%Y:%H:%M:%S %#z",
        "%d/%b/%Y:%H:%M:%S%#z",  # as exported modules write it
    ),
    "name day, year": (
        *_with("%b %d, %Y", _HALVES),
        *_with("%B %d, %Y", _HALVES),
        *_with("%b %d %Y", _HALVES),
        *_with("%b-%d-%Y", _HALVES),
        *_with("%B %d %Y", _HALVES),
    ),
    "name of weekday and day": (
        "%a, %d %b %Y %H:%M:%S GMT",
        "%a, %d %b %Y %H:%M:%S UTC",
        "%a, %d %b %Y %H:%M:%S %#z",
        "%a, %d %b %Y",
        "%a %b %d %H:%M:%S %Y",
        "%a %b %d %H:%M:%S %#z %Y",
        "%a %b %d %H:%M:%S%#z %Y",
        "%A, %B %d, %Y",
        "%A, %d %B %Y",
    ),
    **{f"day name year, {language}": ("%d %b %Y",) for language in _MONTHS},
    "name year": ("%d %b-%y", "%d %b-%Y", "%d %b %Y", "%d %B %Y", "%d %b %y", "%d %B-%Y"),
    "month/year": ("%d %m/%Y",),
    "year-month": ("%d %Y-%m", "%d %Y/%m"),
    "quarter": ("%Y-%m-%d",),
    "ISO week": ("%G-W%V-%u",),
    "hour:minute": ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d %I:%M %p", "%Y-%m-%d %I:%M:%S %p"),
    "seconds since 1970": (),
    "milliseconds since 1970": (),
}
"""The formats by name, each with its alternative patterns, in the notation of `strftime`."""

FIRST_AS_NUMBER, LAST_AS_NUMBER = 19_000_101, 21_001_231
"""The numbers between which whole numbers may be dates, `yearmonthday`."""

TWO_DIGITS = frozenset(form for form, patterns in FORMATS.items() if any("%y" in pattern for pattern in patterns))
"""Formats in which a year may have two digits. ` up to 2030` behind the name of one limits what they mean to the
hundred years up to then; without it 70 to 99 are of the 20th century."""

_LIMITED = re.compile(r"(.+) up to (\d{4})")


def up_to(form: str, year: int) -> str:
    """Return the name of a format whose years of two digits are at most `year`."""
    return f"{form} up to {year}"


def parts_of_format(form: str) -> tuple[str, int | None]:
    """Return the name of a format in `FORMATS`, and the latest year of two digits, None if it has no limit.

    >>> parts_of_format("day.month.yy up to 2030"), parts_of_format("year-month-day")
    (('day.month.yy', 2030), ('year-month-day', None))
    """
    match = _LIMITED.fullmatch(form)
    return (match[1], int(match[2])) if match else (form, None)


def _is_limited(form: object) -> bool:
    base, year = parts_of_format(form) if isinstance(form, str) else ("", None)
    return base in TWO_DIGITS and year is not None and 1100 <= year <= 9999


FORMAT_NAME = one_of(*FORMATS) | Rule(
    ("one of two-digit years with a limit, such as 'day/month/yy up to 2030'",), _is_limited
)
"""The rule of the name of a format."""

_ORDINAL = (r"([0-9])(?:st|nd|rd|th)\b", "${1}")
_ZONE_NAMES = {
    "-0800": "PST", "-0700": "PDT|MST", "-0600": "MDT|CST", "-0500": "CDT|EST", "-0400": "EDT|AST", "+0000": "WET|GMT",
    "+0100": "CET|WEST", "+0200": "CEST|EET", "+0300": "EEST|MSK", "+0530": "IST", "+0900": "JST|KST",
}  # fmt: skip
_ENGLISH = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

REWRITTEN: dict[str, tuple[tuple[str, str], ...]] = {
    "year-month-day in a named zone": tuple(
        (rf"([0-9]) ?(?:{names})$", f"${{1}}{offset}") for offset, names in _ZONE_NAMES.items()
    ),
    "year-day of year": ((r"^([0-9]{4})-([0-9]{3})$", "${1}~${2}"),),
    "day name year": ((r"^([0-9]{1,2})(?:st|nd|rd|th) (?:of )?", "${1} "),),
    "name day, year": (_ORDINAL,),
    "name of weekday and day": (_ORDINAL,),
    **{
        f"day name year, {language}": tuple(
            (
                rf"(?i)^([0-9]{{1,2}})(?:\.|er)?[- ](?:de )?(?:{name})\.?[- ](?:de |del )?([0-9]{{4}})$",
                f"${{1}} {month} ${{2}}",
            )
            for name, month in zip(names.split(), _ENGLISH, strict=True)
        )
        for language, names in _MONTHS.items()
    },
    "name year": (
        (r"^([0-9]{4})[- ]([A-Za-z]{3,9})$", "${2} ${1}"),
        (r"^([A-Za-z]{3,9}[- ][0-9]{2,4})$", "01 ${1}"),
    ),
    "month/year": ((r"^([0-9]{1,2}/[0-9]{4})$", "01 ${1}"),),
    "year-month": (
        (r"^([0-9]{4})[- ]?[Mm]([0-9]{1,2})$", "${1}-${2}"),
        (r"^([0-9]{4}[-/][0-9]{1,2})$", "01 ${1}"),
    ),
    "quarter": (
        (r"^[Qq]([1-4])[-/ ]?([0-9]{4})$", "${2}Q${1}"),
        (r"^([1-4])[Qq][-/ ]?([0-9]{4})$", "${2}Q${1}"),
        (r"^([0-9]{4})[-/ ]?[Qq]1$", "${1}-01-01"),
        (r"^([0-9]{4})[-/ ]?[Qq]2$", "${1}-04-01"),
        (r"^([0-9]{4})[-/ ]?[Qq]3$", "${1}-07-01"),
        (r"^([0-9]{4})[-/ ]?[Qq]4$", "${1}-10-01"),
    ),
    "ISO week": (
        (r"^([0-9]{4})[- ]?W([0-9]{2})$", "${1}-W${2}-1"),
        (r"^([0-9]{4})W([0-9]{2})-?([1-7])$", "${1}-W${2}-${3}"),
    ),
    "hour:minute": (
        (r"^([0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]+)?)?)$", "1970-01-01 ${1}"),
        (r"^([0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?) ?([AaPp])\.?([Mm])\.?$", "1970-01-01 ${1} ${2}${3}"),
        (r"^([0-9]{1,2}) ?([AaPp])\.?([Mm])\.?$", "1970-01-01 ${1}:00 ${2}${3}"),
    ),
}
"""Patterns and replacements, in the notation of polars, that complete a text of some formats to a whole date: a month
by its first day, a week by its Monday, a time of day by the first day of 1970."""

IN_PYTHON = {
    form: tuple((pattern, re.sub(r"\$\{(\d)\}", r"\\\1", replacement)) for pattern, replacement in pairs)
    for form, pairs in REWRITTEN.items()
}
"""The same in the notation of Python."""

EPOCHS = {"seconds since 1970": 1, "milliseconds since 1970": 1000}

_LIKE_A_DATE = re.compile(r"^(?=.*\d)[\w.,/: +\-]{3,40}$")
_YEAR_1, _YEAR_1000, _YEAR_10000 = -62_135_596_800, -30_610_224_000, 253_402_300_800
_TRIED = 200


def guess_formats(cells: Sequence[str]) -> list[str]:
    """Return the formats in which most of the distinct `cells` can be parsed, the likeliest first."""
    pl = load_polars()
    tried = list(cells[:_TRIED])
    alike = [cell for cell in tried if _LIKE_A_DATE.match(cell)]
    if len(alike) < 0.9 * len(tried):
        return []
    few, all_of_them = pl.Series(alike[:5]), pl.Series(tried)
    found = {}
    for name in FORMATS:
        if (
            name in EPOCHS
            or not any(_could_be(name, cell) for cell in alike[:5])
            or (parse(few, name) == MISSING).sum() > 1
        ):
            continue
        found[name] = int((parse(all_of_them, name) != MISSING).sum())
    return sorted((name for name, count in found.items() if count >= 0.9 * len(tried)), key=lambda name: -found[name])


def _could_be(form: str, cell: str) -> bool:
    """Whether a cell contains the separators of this format, which is cheaper to check than to parse."""
    if "name" in form or form in ("quarter", "ISO week"):
        return any(map(str.isalpha, cell))
    if form == "year-month" and "M" in cell.upper():
        return True
    if form == "hour:minute":
        return ":" in cell or cell[-1:] in "mM."
    mark = next((mark for mark in "-/.:年" if mark in form), None)
    return mark in cell if mark else cell[:8].isdigit()


def parse(texts: pl.Series, form: str) -> Seconds:
    """Parse texts in the format `form` to seconds since 1970; `MISSING` for null and for other formats."""
    pl = load_polars()
    form, latest = parts_of_format(form)
    result = np.full(len(texts), MISSING)
    for rewritten, replacement in REWRITTEN.get(form, ()):
        texts = texts.str.replace(rewritten, replacement)
    left = np.flatnonzero(texts.is_not_null().to_numpy())
    for pattern in FORMATS[form]:
        if not len(left):
            break
        cells = texts.gather(left) if len(left) < len(texts) else texts
        zone = "UTC" if "z" in pattern else None
        try:
            found = cells.str.to_datetime(pattern, time_unit="us", time_zone=zone, strict=False)
        except pl.exceptions.PolarsError:
            continue
        good = found.is_not_null().to_numpy()
        seconds = found.to_physical().fill_null(0).to_numpy() // 1_000_000
        good &= (seconds >= _YEAR_1) & (seconds < _YEAR_10000)
        early = good & (seconds < _YEAR_1000)
        if early.any():  # a year of two digits is not one of four
            good &= ~early | cells.str.contains("[0-9]{4}").fill_null(False).to_numpy()
        if latest is not None and "%y" in pattern:
            seconds = _of_century(seconds, latest)
            good &= seconds != MISSING
        result[left[good]] = seconds[good]
        left = left[~good]
    return result


def _of_century(seconds: Seconds, latest: int) -> Seconds:
    """Return dates with the same last digits of the year in the hundred years up to `latest`.

    A February 29 that does not exist in that century is `MISSING`.
    """
    moments = seconds.astype("datetime64[s]")
    months = moments.astype("datetime64[M]")
    years = months.astype("datetime64[Y]").astype(np.int64) + 1970
    moved = months + (latest - (latest - years) % 100 - years) * 12
    found = moved.astype("datetime64[s]") + (moments - months.astype("datetime64[s]"))
    return np.where(found.astype("datetime64[M]") == moved, found.astype(np.int64), MISSING)


def from_typed(series: pl.Series) -> Seconds:
    """Convert a Date or Datetime column of polars to seconds since 1970; a Datetime without a zone is not converted."""
    pl = load_polars()
    missing = series.is_null().to_numpy()
    if series.dtype == pl.Date:
        seconds = series.to_physical().cast(pl.Int64).fill_null(0).to_numpy() * DAY
    else:
        units = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
        assert isinstance(series.dtype, pl.Datetime)
        unit = units[series.dtype.time_unit or "us"]
        seconds = series.to_physical().fill_null(0).to_numpy() // unit
    return np.where(missing, MISSING, seconds)
