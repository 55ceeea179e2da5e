"""Inference of the kind of a column from a sample of its cells, with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.tables.absent import (
    FEW,
    note_on_errors,
    note_on_sentinels,
    note_on_words,
    sentinels_in,
    words_for_nothing,
)
from chainrule.tables.arithmetic import Floats
from chainrule.tables.cells import (
    EXACT,
    FALSE_WORDS,
    TRUE_WORDS,
    CellError,
    as_numbers,
    find_dates,
    not_a_number,
    read_booleans,
    read_dates,
    read_numbers,
    texts,
    what_is_seen,
    without_words,
)
from chainrule.tables.centuries import with_century
from chainrule.tables.conventions import USUAL, Conventions
from chainrule.tables.dates import EPOCHS, FIRST_AS_NUMBER, LAST_AS_NUMBER, MISSING, Seconds, guess_formats
from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import short
from chainrule.tables.features import MOST_LEVELS, Kind
from chainrule.tables.identifiers import counting, names_rows
from chainrule.tables.notation import PLAIN, Notation, guess_notation
from chainrule.tables.readings import notes_on_notation

if TYPE_CHECKING:
    import polars as pl

_CHECKED = 5_000
_LONG = 50
_SENTENCE = 4
_PHRASE = 2.5
"""The mean number of words from which levels are sentences, and from which they may be meant as texts."""

_MOST_UNREADABLE = 0.01
"""The share of the cells among dates that may be none, besides those of which a part is unknown."""

_UNKNOWN_PART = r"(?i)(^|[/.\-])(0+|-9+|\?+|x+)([/.\-]|$)"
"""A part of a date that stands for an unknown one, as in 1/-9/1953, 1987-00-00 and ??.05.2001."""

_TIME_NAME = re.compile(
    r"date|time|stamp|epoch|unix|year|month|week|day|(^|_)(ts|ts_ms|at|on|created|updated|modified|posted|published|joined|seen)$",
    re.IGNORECASE | re.ASCII,
)
_MEASURED_NAME = re.compile(r"(^|[\s_.\-])(age|step|hour|minute|second|period|quarter)s?$", re.IGNORECASE | re.ASCII)
_VERSION = re.compile(r"[vV]?(\d{1,3})\.(\d{1,3})")
_VERSION_NAME = re.compile(r"(^|[^a-z])(versions?|ver|release|build)([^a-z]|$)|Version|版本", re.IGNORECASE)
_CODE = re.compile(r"(?=.*\d)[\w./:\-]+")
_FIRST_PLAIN, _LAST_PLAIN = 1e12, 2e12
"""Milliseconds since 1970 in 2001 and in 2033."""
_HEXADECIMAL = r"^0[xX][0-9a-fA-F]+$"
"""Such numbers are addresses, flags or keys: codes, whose amounts say nothing."""
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


@dataclass(frozen=True)
class Finding:
    """The kind of a column and the reason in a short phrase; `format` is the format of dates."""

    name: str
    kind: Kind
    reason: str
    format: str = ""
    words: tuple[str, ...] = ()
    """Texts that stand for missing values in a column of numbers."""
    sentinels: tuple[float, ...] = ()
    """Numbers that do."""
    notation: Notation = PLAIN
    """How the numbers are written."""
    notes: tuple[str, ...] = ()
    """Sentences for the user."""
    kept_as: Kind | None = None
    """The kind that an identifier would have if it were kept."""
    asked: bool = False
    """Whether the user chose the kind."""
    repeated: bool = False
    """Whether texts repeat, so that they are levels if their words say nothing."""

    def noted(self, *notes: str) -> Finding:
        """Return the finding with further sentences for the user; empty ones are none."""
        return replace(self, notes=(*self.notes, *filter(None, notes)))


def find_kind(
    name: str,
    series: pl.Series,
    rows: NDArray[np.int64] | None = None,
    conventions: Conventions = USUAL,
    usual: str | None = None,
) -> Finding:
    """Infer the kind of the column `name` from `series`, a sample of its cells in the ordered `rows` (from 0).

    `usual` is the decimal mark of other columns. Raises CellError for a column of inconsistent cells, such as a word
    among numbers.
    """
    found = _find_kind(name, series, rows, conventions, usual)
    said = [note_on_errors(name, series)]
    if found.kind == "number":
        said += notes_on_notation(name, series, found.notation)
    return found.noted(*said)


def _find_kind(
    name: str, series: pl.Series, rows: NDArray[np.int64] | None, conventions: Conventions, usual: str | None
) -> Finding:
    pl = load_polars()
    if series.dtype == pl.Boolean:
        written = texts(series)
        if written.null_count() == len(written):
            return Finding(name, "constant", "empty in every row")
        if written.n_unique() == 1:
            return Finding(name, "constant", f"{written[0]} in every row")
        return Finding(name, "boolean", "true and false")
    if series.dtype in (pl.Date, pl.Datetime):
        seconds = read_dates(series, "year-month-day")
        return _of_dates(name, seconds[seconds != MISSING], "year-month-day", _gaps(series.null_count(), len(series)))
    numbers, notation = as_numbers(series), PLAIN
    given = conventions.decimal is not None or conventions.thousands is not None
    if numbers.null_count() or usual is not None or given:
        notation = _notation(name, series, conventions, usual)
        if not notation.plain:
            others = as_numbers(series, notation)
            if given or others.null_count() < numbers.null_count() or not others.null_count():
                numbers = others
            else:
                notation = PLAIN
    words = words_for_nothing(series, numbers)
    if words:
        kept = without_words(series, words)
        found = _of_numbers(name, kept, as_numbers(kept, notation).to_numpy(), rows, notation)
        return replace(found, words=words).noted(note_on_words(name, series, words))
    if not numbers.null_count():
        values: Floats = numbers.to_numpy()
        codes = "" if notation.unit or notation.duration else _codes(name, series, values, notation.plain)
        if codes:
            return _of_texts(name, texts(series), codes)
        return _of_numbers(name, series, values, rows, notation)
    written = texts(series)
    present = written.drop_nulls()
    if present.str.contains(_HEXADECIMAL).all():
        return _of_texts(name, written, "codes of hexadecimal digits")
    _check_mixed(name, series, numbers, present)
    return _of_texts(name, written)


def as_asked(
    name: str, series: pl.Series, kind: Kind, conventions: Conventions = USUAL, usual: str | None = None
) -> Finding:
    """Return the finding for a requested kind; raise CellError for cells that are not of it."""
    if kind == "number":
        notation = _notation(name, series, conventions, usual)
        words = words_for_nothing(series, as_numbers(series, notation))
        read_numbers(without_words(series, words), notation)
        said = [*([note_on_words(name, series, words)] if words else []), *notes_on_notation(name, series, notation)]
        return Finding(name, kind, "as asked", words=words, notes=tuple(said), notation=notation)
    if kind == "boolean":
        read_booleans(series)
    elif kind == "date":
        pl = load_polars()
        if series.dtype in (pl.Date, pl.Datetime):
            return Finding(name, kind, "as asked", "year-month-day")
        cells = texts(series).drop_nulls().unique(maintain_order=True)
        forms = guess_formats(cells.head(_CHECKED).to_list())
        values = as_numbers(series)
        if not forms and not values.null_count():
            biggest = float(np.nanmax(np.abs(values.to_numpy()), initial=0))
            forms = ["seconds since 1970" if biggest < 1e11 else "milliseconds since 1970"]
        if not forms:
            row = int(texts(series).is_not_null().arg_max() or 0)
            raise CellError(row, f"holds {short(str(series[row]))}, which is not a date; write dates as 2024-01-31")
        form, note = with_century(name, texts(series), forms[0])
        read_dates(series, form)
        return Finding(name, kind, f"as asked, {form}", form).noted(note)
    return Finding(name, kind, "as asked", asked=True)


def _notation(name: str, series: pl.Series, conventions: Conventions, usual: str | None) -> Notation:
    """Return the notation of the numbers in a column of texts; the plain one if they are none."""
    if series.dtype != load_polars().String:
        return PLAIN
    cells = texts(series).drop_nulls().unique(maintain_order=True).head(_CHECKED).to_list()
    return guess_notation(cells, conventions.decimal, conventions.thousands, usual, name) or PLAIN


def _codes(name: str, series: pl.Series, values: Floats, plain: bool) -> str:
    """Describe codes that only resemble numbers and would lose leading zeros or last digits; "" if there are none.

    `plain` are numbers that Python reads as they are.
    """
    present = values[~np.isnan(values)]
    if not len(present):
        return ""
    if not (present == np.floor(present)).all():
        of_text = plain and series.dtype == load_polars().String
        return "numbers of versions" if of_text and are_versions(name, series) else ""
    long = bool(np.abs(present).max() >= EXACT)
    if series.dtype.is_integer():
        return "long codes" if long else ""
    if series.dtype != load_polars().String:
        return ""
    if series.str.contains(r"^\s*0\d+\s*$").any():
        return "codes with leading zeros"
    written = texts(series).drop_nulls()
    return "long codes" if long and written.str.contains(r"^[+-]?\d+$").all() else ""


def are_versions(name: str, series: pl.Series) -> bool:
    """Whether texts such as 3.9 and 3.10 number versions, in which 3.10 is after 3.9.

    >>> import polars as pl
    >>> [are_versions("a", pl.Series(cells)) for cells in (["3.8", "3.9", "3.10"], ["3.8", "3.10", "3.05"])]
    [True, False]
    """
    found = [_VERSION.fullmatch(cell) for cell in texts(series).drop_nulls().unique().head(_CHECKED).to_list()]
    parts = [(match[1], match[2]) for match in found if match is not None]
    if len(parts) < len(found):
        return False
    if _VERSION_NAME.search(name):
        return True
    ends = {end for _, end in parts}
    tens = {int(end) for end in ends if len(end) == 2 and end[0] != "0"}
    single = any(len(end) == 1 for end in ends)
    return (
        single
        and any(each % 10 == 0 for each in tens)
        and all(len(end) == 1 or (len(end) == 2 and 10 <= int(end) <= 9 + len(ends)) for end in ends)
    )


def _of_numbers(
    name: str, series: pl.Series, values: Floats, rows: NDArray[np.int64] | None, notation: Notation
) -> Finding:
    sentinels = sentinels_in(values, name)
    if sentinels:
        kept = np.where(np.isin(values, sentinels), np.nan, values)
        found = _of_numbers(name, series, kept, rows, notation)
        said = note_on_sentinels(name, values, sentinels)
        return replace(found, sentinels=sentinels).noted(said) if found.kind == "number" else found
    missing = np.isnan(values)
    present = values[~missing]
    if not len(present):
        return Finding(name, "constant", "empty in every row")
    if np.isinf(present).any():
        read_numbers(series, notation)  # raises CellError with the place
    low, high = float(present.min()) + 0.0, float(present.max()) + 0.0  # a negative zero becomes 0
    gaps = _gaps(int(missing.sum()), len(values))
    if low == high:
        if not len(gaps):
            return Finding(name, "constant", f"{low:.6g} in every row")
        return Finding(name, "number", f"{low:.6g} or nothing{gaps}", notation=notation)
    whole = bool((present == np.floor(present)).all())
    if whole:
        if low == 0 and high == 1:
            return Finding(name, "number", f"0 and 1{gaps}", notation=notation)
        date = _numeric_dates(name, present, gaps) if notation.plain else None
        if date is not None:
            return date
        measured = bool(_TIME_NAME.search(name) or _MEASURED_NAME.search(name))
        reason = counting(name, present, bool(missing.any()), rows, measured)
        if reason:
            return Finding(name, "identifier", reason, kept_as="number")
    what = "whole numbers" if whole else "numbers"
    what += " of seconds," if series.dtype in (load_polars().Time, load_polars().Duration) else ""
    return Finding(name, "number", f"{what} from {low:.6g} to {high:.6g}{notation.words()}{gaps}", notation=notation)


def _numeric_dates(name: str, present: Floats, gaps: str) -> Finding | None:
    pl = load_polars()
    low, high = float(present.min()), float(present.max())
    if low >= FIRST_AS_NUMBER and high <= LAST_AS_NUMBER:
        days = pl.Series(present.astype(np.int64)).cast(pl.String)
        seconds = read_dates_or_none(days, "yearmonthday")
        if seconds is not None:
            return _of_dates(name, seconds, "yearmonthday", gaps)
    named = _TIME_NAME.search(name) is not None
    if low >= 19_000_101_000_000 and high <= 21_001_231_235_959:
        seconds = read_dates_or_none(pl.Series(present.astype(np.int64)).cast(pl.String), "yearmonthday")
        if seconds is not None:
            return _of_dates(name, seconds, "yearmonthday", gaps)
    for form, unit in EPOCHS.items():
        # Milliseconds of the years about now have 13 digits, as little else has.
        alone = unit > 1 and low >= _FIRST_PLAIN and high <= _LAST_PLAIN and len(np.unique(present)) > FEW
        if (named and 3e8 * unit <= low and high <= 4.2e9 * unit) or alone:
            return _of_dates(name, np.floor(present / unit).astype(np.int64), form, gaps)
    return None


def read_dates_or_none(written: pl.Series, form: str) -> Seconds | None:
    """Return seconds since 1970, or None if a cell is in another format."""
    try:
        return read_dates(written, form)
    except CellError:
        return None


def _of_dates(name: str, present: Seconds, form: str, gaps: str, note: str = "") -> Finding:
    """Return the finding for a column of dates; `present` are its cells with a value."""
    if not len(present):
        return Finding(name, "constant", "empty in every row")
    low, high = int(present.min()), int(present.max())
    first, last = (_written(moment, form) for moment in (low, high))
    if low == high and not gaps:
        return Finding(name, "constant", f"{first} in every row")
    return Finding(name, "date", f"{form} from {first} to {last}{note}{gaps}", form)


def _written(seconds: int, form: str) -> str:
    """Return a day, or a time of day, as `hour:minute` has it."""
    moment = str(np.datetime64(seconds, "s"))
    return moment[11:16] if form == "hour:minute" else moment[:10]


def _check_mixed(name: str, series: pl.Series, numbers: pl.Series, present: pl.Series) -> None:
    """Raise CellError for numbers mixed with other texts, unless they are levels or codes."""
    wrong = numbers.is_null()
    odd = int(wrong.sum())
    good = len(present) - odd
    different = present.n_unique()
    others = texts(series).filter(wrong).unique(maintain_order=True).head(_CHECKED)
    decorated = [cell for cell in others.to_list() if what_is_seen(cell)]
    if decorated:
        among = texts(series).is_in(decorated)
        if good + int(among.sum()) >= 0.9 * len(present):
            raise not_a_number(series, int(among.fill_null(False).arg_max() or 0))
    few = different <= max(2, min(FEW, len(present) // 5))
    if not few and 2 * good >= len(present) and odd <= max(2, len(present) // 10) and not _are_codes(odd, others):
        error = not_a_number(series, int(wrong.arg_max() or 0))
        raise CellError(
            error.row,
            f"{error.words.split('; ')[0]}, unlike {good:,} of {len(present):,} cells; "
            f"correct it, or take the column for a category (--kind {quote(f'{name}=category')})",
        )


def _are_codes(odd: int, others: pl.Series) -> bool:
    """Whether the `odd` cells that are no numbers, of which `others` are the different ones, repeat as levels do.

    Those such as 207a among 207, 208 are names of groups; a mistake in writing occurs once.
    """
    return len(others) > 1 and odd >= 2 * len(others) and bool(others.str.contains(r"^\w*\d\w*$").all())


def _of_texts(name: str, written: pl.Series, codes: str = "") -> Finding:
    """Return the finding for a column of texts, null for missing values."""
    present = written.drop_nulls()
    gaps = _gaps(written.null_count(), len(written))
    different = present.unique(maintain_order=True)
    if len(different) == 1:
        if not gaps:
            return Finding(name, "constant", f"{short(different[0])} in every row")
        return Finding(name, "category", f"{short(different[0])} or nothing{gaps}")
    if len(different) <= 8:
        folded = {cell.lower() for cell in different}
        if len(folded) == 2 and folded & TRUE_WORDS and folded & FALSE_WORDS:
            return Finding(name, "boolean", f"{' and '.join(sorted(folded))}{gaps}")
    if not codes and (found := _dates_in_texts(name, written, different, gaps)):
        return found
    count = len(different)
    if count == len(present) and count > 2:
        sample = different.head(_CHECKED).to_list()
        if all(map(_UUID.fullmatch, sample)):
            return Finding(name, "identifier", "a different UUID in every row", kept_as="category")
        if all(map(_CODE.fullmatch, sample)) or names_rows(name):
            return Finding(name, "identifier", "a different code in every row", kept_as="category")
        return Finding(name, "text", "a different text in every row")
    if count > max(FEW, len(present) // 2):
        return Finding(name, "text", f"{count:,} different texts in {len(present):,} rows")
    length = different.str.len_chars().mean()
    if count > FEW and isinstance(length, float) and length > _LONG:
        return Finding(name, "text", f"long texts, {count:,} different ones", repeated=True)
    words = different.str.count_matches(r"\S+").mean()
    several = words if count > MOST_LEVELS and isinstance(words, float) and not codes else 0
    if several >= _SENTENCE:
        return Finding(name, "text", f"sentences, {count:,} different ones", repeated=True)
    found = Finding(name, "category", f"{codes}{', ' if codes else ''}{count:,} different values{gaps}")
    if several < _PHRASE:
        return found
    wanted = quote(f"{name}=text")
    return found.noted(f"{name!r} has levels of several words; --kind {wanted} encodes it by its words")


def _dates_in_texts(name: str, written: pl.Series, different: pl.Series, gaps: str) -> Finding | None:
    forms = guess_formats(different.head(_CHECKED).to_list())
    for form in forms:
        if read_dates_or_none(different, form) is not None:
            limited, said = with_century(name, different, form)
            found = _of_dates(name, read_dates(different, limited), limited, gaps, _ambiguity(form, forms))
            return found.noted(said)
    if forms and len(different) > FEW:
        form, said = with_century(name, different, forms[0])
        seconds, wrong = find_dates(written, form)
        count = int(wrong.sum())
        other = count - int(written.filter(load_polars().Series(wrong)).str.contains(_UNKNOWN_PART).sum())
        if other > max(1, int(_MOST_UNREADABLE * len(written))):
            read_dates(written, form)  # raises CellError with the place
        found = _of_dates(name, seconds[seconds != MISSING], form, _gaps(int((seconds == MISSING).sum()), len(written)))
        shown, cells = short(written[int(wrong.argmax())]), f"{count:,} of {len(written):,} cells of {name!r}"
        note = f"{shown} in {cells}, no date as the others are ({form}), is taken for no value"
        if written.filter(load_polars().Series(wrong)).n_unique() > 1:
            note = f"{shown} and others in {cells}, no dates as the others are ({form}), are taken for no value"
        return found.noted(note, said)
    return None


def _ambiguity(form: str, forms: list[str]) -> str:
    """Describe dates that fit both orders of day and month; return "" for others."""
    if form.startswith("month/day") and form.replace("month/day", "day/month") in forms:
        return "; no day is above 12, so it could be day/month"
    return ""


def _gaps(missing: int, rows: int) -> str:
    """Return text such as `, 3.1% missing`, or ""."""
    if not missing:
        return ""
    share = 100 * missing / rows
    return f", {'<0.1' if share < 0.1 else f'{share:.1f}'.removesuffix('.0')}% missing"
