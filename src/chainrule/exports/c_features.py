"""The preprocessing in C: a structure for a row of a table, and what makes of it the numbers that the network takes."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.emit import Code, member_names, structure
from chainrule.exports.c_text import array_rows, comment, string
from chainrule.exports.cells import level_columns
from chainrule.ir import DType
from chainrule.tables import (
    MISSING_WORDS,
    PERIODS,
    Boolean,
    Category,
    Date,
    Feature,
    Number,
    Part,
    Preprocessing,
)

_LOOK = """/* Text with the place that it stands for; in the order of the bytes. */
typedef struct {
    const char *text;
    int place;
} NAME_word;

/* Negative, 0 or positive as `length` bytes of text come before `word`, are it, or follow it. */
static inline int NAME_order(const char *text, size_t length, const char *word) {
    const int order = strncmp(text, word, length);
    return order != 0 || word[length] == '\\0' ? order : -1;
}

/* The place of `length` bytes of text among `words`; `otherwise` where they are none of them. */
static inline int NAME_look(
        const char *text, size_t length, const NAME_word *words, int count, int otherwise) {
    int low = 0;
    int high = count - 1;
    while (low <= high) {
        const int middle = low + (high - low) / 2;
        const int order = NAME_order(text, length, words[middle].text);
        if (order == 0) {
            return words[middle].place;
        }
        if (order < 0) {
            high = middle - 1;
        } else {
            low = middle + 1;
        }
    }
    return otherwise;
}
"""

_FIND = """/* The place of a cell among `words`, without the blanks around it. */
static inline int NAME_find(
        const char *cell, const NAME_word *words, int count, int missing, int otherwise) {
    size_t length;
    if (cell == NULL) {
        return missing;
    }
    cell += strspn(cell, " \\t\\n\\v\\f\\r");
    length = strlen(cell);
    while (length > 0 && strchr(" \\t\\n\\v\\f\\r", cell[length - 1]) != NULL) {
        --length;
    }
    if (NAME_look(cell, length, NAME_missing, NAME_MISSING_COUNT, -1) >= 0) {
        return missing;
    }
    return NAME_look(cell, length, words, count, otherwise);
}
"""

_CALENDAR = """/* Where a row has no date. */
#define UPPER_NO_DATE INT64_MIN

/* Division that rounds down. */
static inline int64_t NAME_quotient(int64_t x, int64_t divisor) {
    return x / divisor - (x % divisor < 0 ? 1 : 0);
}

/* Seconds since 1970 of a date in the Gregorian calendar; the month from 1 to 12. */
static inline int64_t NAME_seconds(
        int year, int month, int day, int hour, int minute, int second) {
    const int64_t from_march = month > 2 ? month - 3 : month + 9;
    const int64_t years = (int64_t)year - (month > 2 ? 0 : 1);
    const int64_t era = NAME_quotient(years, 400);
    const int64_t of_era = years - era * 400;
    const int64_t of_year = (153 * from_march + 2) / 5 + day - 1;
    const int64_t days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return (era * 146097 + days - 719468) * 86400 + hour * 3600 + minute * 60 + second;
}

/* Year, month (from 0) and day of days since 1970, counted in eras of 400 years from a March. */
static inline void NAME_civil(int64_t days, int64_t *year, int64_t *month, int64_t *day) {
    const int64_t shifted = days + 719468;
    const int64_t era = NAME_quotient(shifted, 146097);
    const int64_t of_era = shifted - era * 146097;
    const int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    const int64_t from_march = (5 * of_year + 2) / 153;
    *day = of_year - (153 * from_march + 2) / 5 + 1;
    *month = from_march < 10 ? from_march + 2 : from_march - 10;
    *year = years + 400 * era + (*month < 2 ? 1 : 0);
}
"""


class FeatureWriter:
    """Writes the preprocessing of the file `name`; what it gives is of `dtype`."""

    def __init__(self, name: str, preprocessing: Preprocessing, dtype: DType, number: Callable[[float], Code]) -> None:
        self.name, self.preprocessing, self.dtype = name, preprocessing, dtype
        self.number = number
        self.members = member_names([feature.name for feature in preprocessing.features])
        kinds = {type(feature) for feature in preprocessing.features}
        self.has_words, self.has_dates = Category in kinds, Date in kinds

    def structure(self) -> list[str]:
        """The structure for one row of a table."""
        lines = []
        for feature in self.preprocessing.features:
            member = self.members[feature.name]
            said = "" if member == feature.name else f"{comment(feature.name)}: "
            lines.append(f"    {_declared(feature)}{member}; /* {said}{self._meaning(feature)} */")
        return structure(f"{self.name}_row", "A row of the table.", lines)

    def _meaning(self, feature: Feature) -> str:
        if isinstance(feature, Number):
            return "NAN where missing"
        if isinstance(feature, Boolean):
            return f"1 for {comment(feature.words[1])}, 0 for {comment(feature.words[0])}, NAN where missing"
        if isinstance(feature, Date):
            return f"seconds since 1970, {self.name.upper()}_NO_DATE where missing"
        return 'in UTF-8; NULL or "" where missing'

    def example(self) -> list[str]:
        """Assignments that fill the structure `row`."""
        lines = []
        for feature in self.preprocessing.features:
            if isinstance(feature, Category):
                value = string(feature.levels[0]) if feature.levels else "NULL"
            elif isinstance(feature, Date):
                value = f"{self.name}_seconds(2024, 2, 29, 12, 0, 0)"
            else:
                value = str(self.number(feature.fill))
            lines.append(f"row.{self.members[feature.name]} = {value};")
        return lines

    def functions(self) -> list[str]:
        """Tables, helpers and `NAME_encode`."""
        lines: list[str] = []
        if self.has_dates:
            lines += self._named(_CALENDAR)
        if self.has_words:
            missing = sorted(word.encode() for word in MISSING_WORDS)
            entries = [f"{{{string(word.decode())}, 0}}" for word in missing]
            table = [
                '/* Cells that mean "no value". */',
                f"enum {{ {self.name}_MISSING_COUNT = {len(entries)} }};",
                f"static const {self.name}_word {self.name}_missing[{len(entries)}] = {{",
                *array_rows(entries, 4),
                "};",
                "",
            ]
            lines += [*self._named(_LOOK), *table, *self._named(_FIND)]
            for feature in self.preprocessing.features:
                if isinstance(feature, Category):
                    lines += self._words(feature)
        real = "float" if self.dtype is DType.FLOAT32 else "double"
        lines += [
            "/* A row as the numbers that the network takes. */",
            f"static inline void {self.name}_encode(const {self.name}_row *row, {real} *x) {{",
        ]
        for feature in self.preprocessing.features:
            lines += [f"    /* {comment(feature.name)} */", *(f"    {line}" for line in self._encoded(feature))]
        return [*lines, "}", ""]

    def _named(self, text: str) -> list[str]:
        return text.replace("NAME", self.name).replace("UPPER", self.name.upper()).split("\n")

    def _list(self, feature: Category) -> str:
        return f"{self.name}_words_{self.members[feature.name]}"

    def _known(self, feature: Category) -> list[tuple[bytes, int]]:
        columns, _ = level_columns(feature)
        found = [(word.encode("utf-8", "surrogatepass"), place) for word, place in columns.items()]
        return sorted(entry for entry in found if entry[0].decode("utf-8", "surrogatepass") not in MISSING_WORDS)

    def _words(self, feature: Category) -> list[str]:
        entries = [
            f"{{{string(word.decode('utf-8', 'surrogatepass'))}, {place}}}" for word, place in self._known(feature)
        ]
        if not entries:
            return []
        return [
            f"/* {comment(feature.name)} */",
            f"static const {self.name}_word {self._list(feature)}[{len(entries)}] = {{",
            *array_rows(entries, 4),
            "};",
            "",
        ]

    def _put(self, place: int, value: str) -> str:
        return f"x[{place}] = {f'(float)({value})' if self.dtype is DType.FLOAT32 else value};"

    def _encoded(self, feature: Feature) -> list[str]:
        first = self.preprocessing.groups[feature.name].start
        cell = f"row->{self.members[feature.name]}"
        if isinstance(feature, Category):
            return self._category(feature, first, cell)
        if isinstance(feature, Date):
            return self._date(feature, first, cell)
        lines = ["{"]
        if isinstance(feature, Number) and feature.unit is not None:
            unit = self.number(feature.unit)
            lines += [
                f"    const double value = isnan({cell}) ? {self.number(feature.fill)} : {cell};",
                f"    const double t = copysign(log1p(fabs(value) / {unit}), value);",
                f"    {self._put(first, f'(t - {self.number(feature.mean):ATOM}) / {self.number(feature.scale)}')}",
            ]
        else:
            lines.append(f"    const double value = isnan({cell}) ? {self.number(feature.fill)} : {cell};")
            value = "value"
            if isinstance(feature, Number):
                value = f"(value - {self.number(feature.mean):ATOM}) / {self.number(feature.scale)}"
            lines.append(f"    {self._put(first, value)}")
        if feature.flag_missing:
            lines.append(f"    {self._put(first + 1, f'isnan({cell}) ? 1.0 : 0.0')}")
        return [*lines, "}"]

    def _category(self, feature: Category, first: int, cell: str) -> list[str]:
        columns, other = level_columns(feature)
        width, known = len(feature.columns), len(self._known(feature))
        if not width:
            return ["/* no column */"]
        words = self._list(feature) if known else "NULL"
        one, zero = ("1.0f", "0.0f") if self.dtype is DType.FLOAT32 else ("1.0", "0.0")
        return [
            "{",
            f"    const int place = {self.name}_find({cell}, {words}, {known}, {columns['']}, {other});",
            f"    for (int k = 0; k < {width}; ++k) {{",
            f"        x[{first} + k] = k == place ? {one} : {zero};",
            "    }",
            "}",
        ]

    def _date(self, feature: Date, first: int, cell: str) -> list[str]:
        absent = f"{cell} == {self.name.upper()}_NO_DATE"
        names = {part.name for part in feature.parts}
        lines = ["{"]
        if feature.parts:
            lines.append(f"    const int64_t seconds = {absent} ? INT64_C({feature.fill}) : {cell};")
        if names - {"time"}:
            lines.append(f"    const int64_t days = {self.name}_quotient(seconds, 86400);")
        if names & {"year", "month", "day"}:
            lines += [
                "    int64_t year;",
                "    int64_t month;",
                "    int64_t day;",
                f"    {self.name}_civil(days, &year, &month, &day);",
            ]
        place = first
        for part in feature.parts:
            for value in self._part(part):
                lines.append(f"    {self._put(place, value)}")
                place += 1
        if feature.flag_missing:
            lines.append(f"    {self._put(place, f'{absent} ? 1.0 : 0.0')}")
        return [*lines, "}"]

    def _part(self, part: Part) -> list[str]:
        position = {
            "time": "(double)seconds / 86400.0",
            "year": "(double)year",
            "month": "(double)month",
            "day": "(double)day",
            "weekday": f"(double)(days + 3 - 7 * {self.name}_quotient(days + 3, 7))",
            "hour": "(double)(seconds - days * 86400)",
        }[part.name]
        if part.name in PERIODS:
            turn = self.number(2 * 3.141592653589793 / PERIODS[part.name])
            return [f"sin({position} * {turn})", f"cos({position} * {turn})"]
        return [f"({position} - {self.number(part.mean):ATOM}) / {self.number(part.scale)}"]


def _declared(feature: Feature) -> str:
    if isinstance(feature, Category):
        return "const char *"
    return "int64_t " if isinstance(feature, Date) else "double "
