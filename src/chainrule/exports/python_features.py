"""Preprocessing as Python source that needs only NumPy: functions for cells, and a call for each column."""

from __future__ import annotations

from string import Template
from typing import Any

from chainrule.emit import bracketed, forward_body
from chainrule.exports.cells import program_names
from chainrule.exports.python_text import called, collection, literal
from chainrule.ir import Program
from chainrule.tables import (
    DATE_FORMATS,
    DATE_REWRITES,
    EPOCHS,
    FALSE_WORDS,
    MISSING_WORDS,
    NUMBER_BOUNDS,
    NUMBER_DURATIONS,
    NUMBER_REWRITES,
    PLAIN,
    TRUE_WORDS,
    Boolean,
    Category,
    Date,
    Feature,
    LevelNumbers,
    Notation,
    Number,
    Preprocessing,
    Text,
    parts_of_format,
)

RESERVED = (
    "np", "os", "math", "hashlib", "io", "re", "datetime", "number", "boolean", "category", "level_numbers", "date",
    "seconds_of", "trigrams", "murmur", "free_text", "text", "cells_of", "encode", "predict", "probabilities",
    "network", "load", "columns", "CLASSES", "MISSING", "TRUE", "FALSE", "FORMATS", "PLAIN", "REWRITES", "WEIGHTS",
    "Network",
)  # fmt: skip
"""Names that the generated source uses itself."""

_TEXT = '''def text(cell):
    """Return a cell as text without surrounding blanks; "" for a missing value."""
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, (bool, np.bool_)):
        return "true" if cell else "false"
    if isinstance(cell, (float, np.floating)) and abs(cell) < 1e15 and cell == int(cell):
        return str(int(cell))
    found = str(cell).strip()
    return "" if found in MISSING else found'''

_CELLS_OF = '''def cells_of(columns, name):
    """Return the cells of a column; raise KeyError if the table lacks it."""
    try:
        return columns[name]
    except Exception:
        raise KeyError(f"the table lacks the column {name!r}") from None'''

_AS_NUMBERS = '''def as_numbers(cells, name, words=(), notation=PLAIN):
    """Return cells as float64, nan for missing values, which `words` mean too."""
    found = np.asarray(cells)
    if found.dtype.kind in "fiub":
        return found.astype(float)
    texts = ["" if text(cell) in words else text(cell) for cell in cells]
    return np.array([plain(cell, row, name, notation) for row, cell in enumerate(texts)], float)'''

_PLAIN = '''def plain(word, row, name, notation=PLAIN):
    """Parse a number, nan for an empty text; raise ValueError for other texts."""
    if not word:
        return math.nan
    pattern_of_number, units, size, decimal, thousands, bounds = notation
    found = word
    for pattern, replacement in (*REWRITES, *bounds):
        found = re.sub(pattern, replacement, found)
    for around, of_unit in units:
        bare, matches = re.subn(around, r"\\1\\2\\3\\4\\5", found, flags=re.ASCII)
        if matches:
            found, size = bare, of_unit
            break
    if re.fullmatch(pattern_of_number, found, re.ASCII):
        found = found.replace(thousands, "") if thousands else found
        sign = -1.0 if found.startswith("-") else 1.0
        parts = found.lstrip("+-").replace(decimal, ".").split(":")  # a duration has up to four, maybe with signs
        values = [float(part or 0) * (sign if part[:1] in ("+", "-") else 1.0) for part in parts]
        sizes = (86400, 3600, 60, 1)[-len(parts) :]
        return sign * sum(s * value for s, value in zip(sizes, values, strict=True)) * size
    raise ValueError(f"row {row + 1}, column {name!r} holds {word!r}, which is not a finite number")'''

_NUMBER = Template('''def number(columns, name, encoded, words=(), notation=PLAIN, **settings):
    """Encode a column of numbers; raise ValueError for one too far from those of training."""
    x = as_numbers(cells_of(columns, name), name, words, notation)
    with np.errstate(over="ignore", invalid="ignore"):
        found = encoded(x, **settings)
        good = np.isfinite(found[0].astype(np.$dtype))
    if not good.all():
        row = int((~good).argmax())
        raise ValueError(
            f"row {row + 1}, column {name!r} holds {float(x[row])}, "
            f"too far from the {settings['mean']:.4g} ± {settings['scale']:.4g} of training"
        )
    return found''')

_BOOLEAN = '''def boolean(columns, name, encoded, **settings):
    """Encode a column of truth values."""
    x = np.array([truth(text(cell)) for cell in cells_of(columns, name)], float)
    return encoded(x, **settings)'''

_TRUTH = '''def truth(word):
    """Return 1 for true, 0 for false, nan for other words and for missing values."""
    if word.lower() in TRUE:
        return 1.0
    if word.lower() in FALSE:
        return 0.0
    try:
        value = float(word)
    except ValueError:
        return math.nan
    return value if value in (0, 1) else math.nan'''

_LEVELS = '''def level_numbers(columns, name, encoded, levels, numbers, scalings, words=(), spellings=()):
    """Encode levels by numbers; the last two rows of `numbers` are for other texts and missing ones."""
    places = {**dict(spellings), **{level: place for place, level in enumerate(levels)}}
    x = []
    for cell in map(text, cells_of(columns, name)):
        cell = "" if cell in words else cell
        place = places.get(cell)
        if place is None and cell:
            place = same_number(cell, levels)
        x.append((len(levels) if cell else len(levels) + 1) if place is None else place)
    table = np.array(numbers)[x]
    return [encoded(table[:, k], mean, scale)[0] for k, (mean, scale) in enumerate(scalings)]'''

_TRIGRAMS = '''def trigrams(word):
    """Return the trigrams of each word of a text, with a blank on both sides."""
    padded = [f" {word} " for word in word.lower().split()]
    return [each[start : start + 3] for each in padded for start in range(len(each) - 2)]'''

_MURMUR = '''def murmur(word):
    """Return MurmurHash3 of a text, a signed number of 32 bits."""
    data = word.encode("utf-8", "surrogatepass")
    bits = 0xFFFFFFFF
    value = 0
    for start in range(0, len(data), 4):
        part = data[start : start + 4]
        block = int.from_bytes(part, "little") * 0xCC9E2D51 & bits
        value ^= (block << 15 | block >> 17) * 0x1B873593 & bits
        if len(part) == 4:
            value = ((value << 13 | value >> 19) * 5 + 0xE6546B64) & bits
    value ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        value = (value ^ value >> shift) * factor & bits
    value ^= value >> 16
    return value - (1 << 32) if value >> 31 else value'''

_FREE_TEXT = '''def free_text(columns, name, encoded, weights, bias, scalings, words=()):
    """Encode texts by what a linear model of hashed counts of their trigrams predicts."""
    cells = [text(cell) for cell in cells_of(columns, name)]
    x = np.zeros((len(cells), len(weights)))
    for row, cell in enumerate(cells):
        for trigram in trigrams("" if cell in words else cell):
            number = murmur(trigram)
            x[row, abs(number) % len(weights)] += 1 if number >= 0 else -1
    norms = np.sqrt((x * x).sum(axis=1, keepdims=True))
    found = x / np.where(norms, norms, 1) @ np.array(weights) + np.array(bias)
    return [encoded(found[:, k], mean, scale)[0] for k, (mean, scale) in enumerate(scalings)]'''

_CATEGORY = '''def category(columns, name, encoded, levels, other=False, missing=False, words=(), spellings=()):
    """Encode levels as one-hot columns, with a column for other texts and for missing ones if asked."""
    places = {**dict(spellings), **{level: place for place, level in enumerate(levels)}}
    count = len(levels) + other + missing
    x = []
    for cell in map(text, cells_of(columns, name)):
        cell = "" if cell in words else cell
        place = places.get(cell)
        if place is None and cell:
            place = same_number(cell, levels)
        if place is None:
            place = (len(levels) if other else -1) if cell else (count - 1 if missing else -1)
        x.append(place)
    return encoded(np.array(x, np.int64)[:, None], np.arange(count))'''

_SAME_NUMBER = '''def same_number(cell, levels):
    """Return the index of the first level that is the same number, such as 1 for 1.0, or None."""
    for place, level in enumerate(levels):
        try:
            plain = (cell + level).isascii() and "_" not in cell + level
            if plain and float(cell) == float(level) and abs(float(level)) < 1e15:
                return place
        except ValueError:
            continue
    return None'''

_SECONDS_OF = '''def seconds_of(cell, patterns, per_second, row, name, words=(), rewritten=(), latest=None):
    """Return seconds since 1970 of a text in one of the formats, a date, or a number; nan if missing.

    None stands for a text in another format, which is missing too. Years of two digits end with `latest`.
    """
    if isinstance(cell, (datetime.date, np.datetime64)):
        moment = np.datetime64(cell)
        return math.nan if np.isnat(moment) else int(moment.astype("datetime64[s]").astype(np.int64))
    word = text(cell)
    if not word or word in words:
        return math.nan
    if not patterns:
        return math.floor(plain(word, row, name) / per_second)
    for pattern, replacement in rewritten:
        word = re.sub(pattern, replacement, word)
    whole = re.sub(r"(:\\d\\d)\\.\\d+", r"\\1", word)
    whole = re.sub(r"(:\\d\\d) *([+-]\\d\\d|Z)", r"\\1\\2", whole)
    whole = re.sub(r"(:\\d\\d[+-]\\d\\d)$", r"\\g<1>00", whole)
    for pattern in patterns:
        try:
            moment = datetime.datetime.strptime(whole, pattern)
            if latest and "%y" in pattern:
                moment = moment.replace(year=latest - (latest - moment.year) % 100)
        except ValueError:
            continue
        if moment.tzinfo is not None:
            moment = moment.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)
    return None'''

_DATE = '''def date(columns, name, encoded, patterns=(), per_second=1, words=(), rewritten=(), latest=None, **settings):
    """Encode a column of dates or times."""
    cells = cells_of(columns, name)
    found = np.asarray(cells)
    if found.dtype.kind == "M":
        x = np.where(np.isnat(found), np.nan, found.astype("datetime64[s]").astype(np.int64))
    else:
        seconds = [
            seconds_of(cell, patterns, per_second, row, name, words, rewritten, latest)
            for row, cell in enumerate(cells)
        ]
        wrong = [row for row, found in enumerate(seconds) if found is None]
        x = np.array(seconds, float)
        if wrong and len(wrong) >= int((~np.isnan(x)).sum()):
            shown = text(cells[wrong[0]])
            raise ValueError(
                f"row {wrong[0] + 1}, column {name!r} holds {shown!r}, which is not a date as those of training"
            )
    return encoded(x, **settings)'''

_FUNCTIONS: dict[type, tuple[str | Template, ...]] = {
    Number: (_PLAIN, _AS_NUMBERS, _NUMBER),
    Boolean: (_TRUTH, _BOOLEAN),
    Category: (_SAME_NUMBER, _CATEGORY),
    LevelNumbers: (_SAME_NUMBER, _LEVELS),
    Text: (_TRIGRAMS, _MURMUR, _FREE_TEXT),
    Date: (_PLAIN, _SECONDS_OF, _DATE),
}


def modules_of(preprocessing: Preprocessing) -> set[str]:
    """Return the standard modules that the functions import."""
    kinds = {type(feature) for feature in preprocessing.features}
    found = {"math"} if kinds & {Number, Boolean, Date} else set()
    return found | ({"re"} if kinds & {Number, Date} else set()) | ({"datetime"} if Date in kinds else set())


def functions_of(preprocessing: Preprocessing, dtype: str) -> list[str]:
    """Return the constants and functions that the calls need, for a network with inputs of `dtype`."""
    kinds = {type(feature) for feature in preprocessing.features}
    lines = ["# Texts of missing values.", *collection("MISSING", sorted(MISSING_WORDS), "frozenset((", "))")]
    if Boolean in kinds:
        lines += [
            "# Words for true and false, in lower case.",
            *collection("TRUE", sorted(TRUE_WORDS)),
            *collection("FALSE", sorted(FALSE_WORDS)),
        ]
    if kinds & {Number, Date}:
        lines += [
            "# Patterns and replacements in texts of numbers: signs and blanks of Unicode, (12.5) and 12.5-.",
            *collection("REWRITES", NUMBER_REWRITES),
            "# A notation of numbers: the pattern of one, those of units around it with their sizes, the size without",
            "# one, marks for decimals and thousands, words of bounds and of durations.",
            f"PLAIN = {literal(spelled(PLAIN))}",
        ]
    functions = [_CELLS_OF, _TEXT]
    for kind, texts in _FUNCTIONS.items():
        if kind in kinds:
            functions += [text if isinstance(text, str) else text.substitute(dtype=dtype) for text in texts]
    for program, name in program_names(preprocessing).items():
        functions += _arithmetic(program, name)
    return ["\n".join(lines), *dict.fromkeys(functions)]


def _arithmetic(program: Program, name: str) -> list[str]:
    """Return the function `name` that encodes cells, after its helper functions."""
    body = forward_body(program, "numpy")
    lines = [
        *bracketed(f"def {name}(", body.arguments, "):"),
        '    """The encoded columns of cells x."""',
        *(f"    {line.code}" for line in body.lines),
        *bracketed("return (", body.outputs, ")", 4, is_tuple=True),
    ]
    return [*body.needs.helpers, "\n".join(lines)]


def calls_of(preprocessing: Preprocessing) -> list[list[str]]:
    """Return the calls that encode each feature, as lines."""
    names = program_names(preprocessing)
    return [_call(feature, names[feature.program]) for feature in preprocessing.features]


def _call(feature: Feature, function: str) -> list[str]:
    given = ["columns", literal(feature.name), function]
    if isinstance(feature, Category):
        flags: dict[str, Any] = {"other": feature.other, "missing": feature.missing, "words": feature.words}
        flags["spellings"] = tuple((each.text, each.place) for each in feature.spellings)
        return called("*category", given, {"levels": feature.levels}, flags)
    if isinstance(feature, LevelNumbers):
        flags = {"words": feature.words, "spellings": tuple((each.text, each.place) for each in feature.spellings)}
        numbers: dict[str, Any] = {
            "levels": feature.levels,
            "numbers": (*feature.numbers, feature.other, feature.absent),
            "scalings": tuple((each.mean, each.scale) for each in feature.scalings),
        }
        return called("*level_numbers", given, numbers, flags)
    if isinstance(feature, Text):
        scalings = tuple((each.mean, each.scale) for each in feature.scalings)
        options: dict[str, Any] = {"weights": feature.weights, "bias": feature.bias, "scalings": scalings}
        return called("*free_text", given, options, {"words": feature.words})
    flags = {}
    if isinstance(feature, Number):
        notation = () if feature.notation.plain else spelled(feature.notation)
        flags = {"words": feature.words, "notation": notation}
    if isinstance(feature, Date):
        form, latest = parts_of_format(feature.format)
        per_second = EPOCHS.get(form, 1)
        once = per_second if per_second != 1 else None
        flags = {"patterns": patterns_of(feature.format), "per_second": once, "words": feature.words}
        flags |= {"rewritten": DATE_REWRITES.get(form, ()), "latest": latest}
    return called(f"*{feature.kind}", given, feature.settings, flags)


def spelled(notation: Notation) -> tuple[object, ...]:
    """Return a notation as the source has it: patterns, sizes and marks."""
    words = (*(NUMBER_BOUNDS if notation.bounds else ()), *(NUMBER_DURATIONS if notation.duration else ()))
    return notation.pattern, notation.units, notation.bare, notation.decimal, notation.thousands, words


def patterns_of(form: str) -> tuple[str, ...]:
    """Return the patterns of a format for Python's `strptime`, without fractions of seconds."""
    patterns = DATE_FORMATS[parts_of_format(form)[0]]
    return tuple(dict.fromkeys(pattern.replace("%.f", "").replace("%#z", "%z") for pattern in patterns))
