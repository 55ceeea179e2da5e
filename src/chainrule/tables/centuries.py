"""The century of dates with years of two digits: dates that lie in the future are of the century before."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

import numpy as np

from chainrule.tables.dates import MISSING, TWO_DIGITS, parse, up_to
from chainrule.tables.errors import short

if TYPE_CHECKING:
    import polars as pl

_PAST = re.compile(r"born|birth|dob|death|died|founded|hired|joined|since", re.IGNORECASE)
_FUTURE = re.compile(r"due|expir|matur|until|valid|deadline|renew|forecast|plan|deliver|(^|[^a-z])end", re.IGNORECASE)
_AHEAD = 5
_FAR_AHEAD = 50


def with_century(name: str, written: pl.Series, form: str) -> tuple[str, str]:
    """Return the format of the dates in the column `name` with the latest year that two digits may mean, and a note.

    `form` itself and "" are returned if no date lies in the future.

    >>> import polars as pl
    >>> with_century("born", pl.Series(["24/12/45", "31/01/71"]), "day/month/yy")[0].rpartition(" ")[0]
    'day/month/yy up to'
    >>> with_century("at", pl.Series(["24/12/01", "31/01/99"]), "day/month/yy")
    ('day/month/yy', '')
    """
    if form not in TWO_DIGITS:
        return form, ""
    cells = written.drop_nulls().unique(maintain_order=True)
    seconds = parse(cells, form)
    found = seconds != MISSING
    years = np.full(len(seconds), -1)
    years[found] = seconds[found].astype("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970
    latest = latest_year(name, years[found].tolist(), datetime.datetime.now(datetime.UTC).year)
    limited = up_to(form, latest)
    moved = np.flatnonzero(found & (parse(cells, limited) != seconds))
    if not len(moved):
        return form, ""
    shown = int(moved[0])
    year = int(years[shown])
    return limited, (
        f"{short(cells[shown])} in {name!r} is taken for a date of {year - 100}, not {year}; write years with four "
        "digits if that is wrong"
    )


def latest_year(name: str, years: list[int], now: int) -> int:
    """Return the last year that two digits may mean: some years ahead, or none, by the name of the column.

    Years that go on from before that limit to behind it stay together, if the name does not say that they are past.

    >>> latest_year("born", [2031, 1999, 2005], 2026), latest_year("at", [2003, 1998], 2026)
    (2026, 2031)
    >>> latest_year("at", [2020, 2029, 2038], 2026), latest_year("at", [2045, 2061], 2026)
    (2038, 2031)
    """
    past = _PAST.search(name)
    limit = now + (0 if past else _FAR_AHEAD if _FUTURE.search(name) else _AHEAD)
    digits = sorted({year % 100 for year in years})
    if past or not digits:
        return limit
    following = (*digits[1:], digits[0])
    gaps = [(after - before - 1) % 100 for before, after in zip(digits, following, strict=True)]
    widest = int(np.argmax(gaps))
    start = limit - (limit - following[widest]) % 100
    end = start + (digits[widest] - following[widest]) % 100
    return end if limit < end <= now + _FAR_AHEAD else limit
