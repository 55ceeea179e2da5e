"""The preprocessing as Python that needs NumPy alone: functions for cells, and calls of them for each column."""

from __future__ import annotations

from string import Template
from typing import Any

from chainrule.exports.python_text import called, collection, literal
from chainrule.tables import (
    DATE_FORMATS,
    EPOCHS,
    FALSE_WORDS,
    MISSING_WORDS,
    TRUE_WORDS,
    Boolean,
    Category,
    Date,
    Feature,
    Number,
    Preprocessing,
)

RESERVED = (
    "np", "os", "math", "hashlib", "io", "re", "datetime", "number", "boolean", "category", "date", "civil", "part",
    "seconds_of", "text", "cells_of", "encode", "predict", "probabilities", "network", "load", "columns", "CLASSES",
    "MISSING", "TRUE", "FALSE", "FORMATS", "NO_DATE", "WEIGHTS", "Network",
)  # fmt: skip
"""Names that the source gives to its own things."""

_TEXT = '''def text(cell):
    """A cell as it stands in a table, without blanks around it; "" where there is no value."""
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, (bool, np.bool_)):
        return "true" if cell else "false"
    if isinstance(cell, (float, np.floating)) and abs(cell) < 1e15 and cell == int(cell):
        return str(int(cell))
    found = str(cell).strip()
    return "" if found in MISSING else found'''

_CELLS_OF = '''def cells_of(columns, name):
    """The cells of a column; raises KeyError where the table has none of this name."""
    try:
        return columns[name]
    except Exception:
        raise KeyError(f"the table lacks the column {name!r}") from None'''

_AS_NUMBERS = '''def as_numbers(cells, name, words=()):
    """Cells as float64, nan where there is no value; `words` mean so too."""
    found = np.asarray(cells)
    if found.dtype.kind in "fiub":
        return found.astype(float)
    texts = ["" if text(cell) in words else text(cell) for cell in cells]
    return np.array([plain(cell, row, name) for row, cell in enumerate(texts)], float)'''

_PLAIN = '''def plain(word, row, name):
    """The number that a cell is, nan where it is empty; raises ValueError for what is none."""
    if not word:
        return math.nan
    if re.fullmatch(r"[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?", word):
        return float(word)
    raise ValueError(f"row {row + 1}, column {name!r} holds {word!r}, which is not a finite number")'''

_NUMBER = Template('''def number(columns, name, fill, mean, scale, unit=None, flag_missing=False, words=()):
    """Numbers, scaled; a missing one is `fill`. With a unit, large ones are logarithms.

    Raises ValueError for one that is too far from those of training to be scaled.
    """
    given = as_numbers(cells_of(columns, name), name, words)
    missing = np.isnan(given)
    x = np.where(missing, fill, given)
    with np.errstate(over="ignore", invalid="ignore"):
        if unit is not None:
            x = np.copysign(np.log1p(np.abs(x) / unit), x)
        x = (x - mean) / scale
        good = np.isfinite(x.astype(np.$dtype))
    if not good.all():
        row = int((~good).argmax())
        raise ValueError(
            f"row {row + 1}, column {name!r} holds {float(given[row])}, "
            f"too far from the {mean:.4g} ± {scale:.4g} of training"
        )
    return np.column_stack([x, missing]) if flag_missing else x[:, None]''')

_BOOLEAN = '''def boolean(columns, name, fill, flag_missing=False):
    """Words for yes and no as 1 and 0; a missing one is `fill`."""
    x = np.array([truth(text(cell)) for cell in cells_of(columns, name)], float)
    missing = np.isnan(x)
    x = np.where(missing, fill, x)
    return np.column_stack([x, missing]) if flag_missing else x[:, None]'''

_TRUTH = '''def truth(word):
    """1 for a word that means yes, 0 for one that means no, nan for any other and for none."""
    if word.lower() in TRUE:
        return 1.0
    if word.lower() in FALSE:
        return 0.0
    try:
        value = float(word)
    except ValueError:
        return math.nan
    return value if value in (0, 1) else math.nan'''

_CATEGORY = '''def category(columns, name, levels, other=False, missing=False):
    """A column of 0 and 1 for each level; for other texts, and for none, a further one where there is one."""
    cells = cells_of(columns, name)
    places = {level: place for place, level in enumerate(levels)}
    result = np.zeros((len(cells), len(levels) + other + missing))
    for row, cell in enumerate(map(text, cells)):
        place = places.get(cell)
        if place is None and cell:
            place = same_number(cell, levels)
        if place is not None:
            result[row, place] = 1
        elif cell and other:
            result[row, len(levels)] = 1
        elif not cell and missing:
            result[row, -1] = 1
    return result'''

_SAME_NUMBER = '''def same_number(cell, levels):
    """The place of the level that is the same number, such as 1 for 1.0; None where there is none."""
    found = None
    for place, level in enumerate(levels):
        try:
            if "_" not in cell + level and float(cell) == float(level):
                found = place
        except ValueError:
            continue
    return found'''

_SECONDS_OF = '''def seconds_of(cell, patterns, per_second, row, name):
    """Seconds since 1970 of one cell: a text in one of the formats, a date, or a number."""
    if isinstance(cell, (datetime.date, np.datetime64)):
        moment = np.datetime64(cell)
        return NO_DATE if np.isnat(moment) else int(moment.astype("datetime64[s]").astype(np.int64))
    word = text(cell)
    if not word:
        return NO_DATE
    if not patterns:
        return math.floor(plain(word, row, name) / per_second)
    whole = re.sub(r"(:\\d\\d)\\.\\d+", r"\\1", word)
    whole = re.sub(r"(:\\d\\d) *([+-]\\d\\d|Z)", r"\\1\\2", whole)
    whole = re.sub(r"(:\\d\\d[+-]\\d\\d)$", r"\\g<1>00", whole)
    for pattern in patterns:
        try:
            moment = datetime.datetime.strptime(whole, pattern)
        except ValueError:
            continue
        if moment.tzinfo is not None:
            moment = moment.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)
    raise ValueError(f"row {row + 1}, column {name!r} holds {word!r}, which is not a date as those of training")'''

_CIVIL = '''def civil(days):
    """Year, month and day of days since 1970, counted in eras of 400 years from a March."""
    shifted = days + 719_468
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    from_march = (5 * of_year + 2) // 153
    day = of_year - (153 * from_march + 2) // 5 + 1
    month = np.where(from_march < 10, from_march + 3, from_march - 9)
    return year + 400 * era + (month <= 2), month, day'''

_PART = '''def part(seconds, name, mean=0.0, scale=1.0):
    """One part of dates: scaled, or the sine and cosine of a position that goes round."""
    days = seconds // 86_400
    if name in ("year", "month", "day"):
        year, month, day = civil(days)
        position = {"year": year, "month": month - 1, "day": day}[name]
    elif name == "time":
        position = seconds / 86_400
    elif name == "weekday":
        position = (days + 3) % 7
    else:
        position = seconds - days * 86_400
    period = {"month": 12, "weekday": 7, "hour": 86_400}.get(name)
    if period is None:
        return [(position - mean) / scale]
    angle = position * (2 * math.pi / period)
    return [np.sin(angle), np.cos(angle)]'''

_DATE = '''def date(columns, name, fill, parts, flag_missing=False, patterns=(), per_second=1):
    """The parts of dates and times; a missing one is `fill`, in seconds since 1970."""
    cells = cells_of(columns, name)
    found = np.asarray(cells)
    if found.dtype.kind == "M":
        seconds = found.astype("datetime64[s]").astype(np.int64)  # a missing one is NO_DATE
    else:
        seconds = np.array(
            [seconds_of(cell, patterns, per_second, row, name) for row, cell in enumerate(cells)],
            np.int64,
        )
    missing = seconds == NO_DATE
    seconds = np.where(missing, fill, seconds)
    result = [column for given in parts for column in part(seconds, *given)]
    return np.column_stack([*result, missing] if flag_missing else result)'''

_FUNCTIONS: dict[type, tuple[str | Template, ...]] = {
    Number: (_PLAIN, _AS_NUMBERS, _NUMBER),
    Boolean: (_TRUTH, _BOOLEAN),
    Category: (_SAME_NUMBER, _CATEGORY),
    Date: (_PLAIN, _SECONDS_OF, _CIVIL, _PART, _DATE),
}


def modules_of(preprocessing: Preprocessing) -> set[str]:
    """What the functions import of the standard library."""
    kinds = {type(feature) for feature in preprocessing.features}
    found = {"math"} if kinds & {Number, Boolean, Date} else set()
    return found | ({"re"} if kinds & {Number, Date} else set()) | ({"datetime"} if Date in kinds else set())


def functions_of(preprocessing: Preprocessing, dtype: str) -> list[str]:
    """Constants and functions that the calls need, for a network that takes numbers of `dtype`."""
    kinds = {type(feature) for feature in preprocessing.features}
    lines = ['# Cells that mean "no value".', *collection("MISSING", sorted(MISSING_WORDS), "frozenset((", "))")]
    if Boolean in kinds:
        lines += [
            "# What means yes and no, in small letters.",
            *collection("TRUE", sorted(TRUE_WORDS)),
            *collection("FALSE", sorted(FALSE_WORDS)),
        ]
    if Date in kinds:
        lines.append("NO_DATE = np.iinfo(np.int64).min")
    functions = [_CELLS_OF, _TEXT]
    for kind, texts in _FUNCTIONS.items():
        if kind in kinds:
            functions += [text if isinstance(text, str) else text.substitute(dtype=dtype) for text in texts]
    return ["\n".join(lines), *dict.fromkeys(functions)]


def call_of(feature: Feature) -> list[str]:
    """The call that encodes one column, as lines."""
    column = ["columns", literal(feature.name)]
    if isinstance(feature, Number):
        options = {"fill": feature.fill, "mean": feature.mean, "scale": feature.scale}
        settings = {"unit": feature.unit, "flag_missing": feature.flag_missing, "words": feature.words}
        return called("number", column, options, settings)
    if isinstance(feature, Boolean):
        return called("boolean", column, {"fill": feature.fill}, {"flag_missing": feature.flag_missing})
    if isinstance(feature, Category):
        return called(
            "category",
            column,
            {"levels": feature.levels},
            {"other": feature.other, "missing": feature.missing},
        )
    assert isinstance(feature, Date)
    parts = tuple(
        (part.name,) if (part.mean, part.scale) == (0, 1) else (part.name, part.mean, part.scale)
        for part in feature.parts
    )
    flags: dict[str, Any] = {"flag_missing": feature.flag_missing, "patterns": patterns_of(feature.format)}
    per_second = EPOCHS.get(feature.format, 1)
    flags["per_second"] = per_second if per_second != 1 else None
    return called("date", column, {"fill": feature.fill, "parts": parts}, flags)


def patterns_of(form: str) -> tuple[str, ...]:
    """The patterns of a format as Python's `strptime` takes them, which reads no fractions of seconds here."""
    return tuple(dict.fromkeys(pattern.replace("%.f", "").replace("%#z", "%z") for pattern in DATE_FORMATS[form]))
