"""The preprocessing in C: a structure for a row of a table, and its conversion to the input of the network."""

from __future__ import annotations

import dataclasses

from chainrule.emit import C_TYPES, Code, CUnit, Location, Statements, function, member_names, structure
from chainrule.exports.c_text import array_rows, comment, initializer, string
from chainrule.exports.cells import BLANKS, level_columns, program_names
from chainrule.ir import DType, Program
from chainrule.primitives import cast
from chainrule.tables import (
    MISSING_WORDS,
    Boolean,
    Category,
    Date,
    Feature,
    LevelNumbers,
    Number,
    Preprocessing,
    Text,
    numbers_of_levels,
    seconds_since_1970,
)
from chainrule.trace import trace

_LOOK = """/* A text and its index; arrays of them are sorted by bytes. */
typedef struct {
    const char *text;
    int place;
} NAME_word;

/* Negative, 0 or positive if `length` bytes of text are less than, equal to or greater than `word`. */
static inline int NAME_order(const char *text, size_t length, const char *word) {
    const int order = strncmp(text, word, length);
    return order != 0 || word[length] == '\\0' ? order : -1;
}

/* The index of `length` bytes of text in the sorted `words`; `otherwise` if there is none. */
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

_FIND = """/* The value of a level that is a number, and its index. */
typedef struct {
    double value;
    int place;
} NAME_number;

enum { NAME_ELSEWHERE = -3 };

/* Whether `length` bytes of text are a decimal number, which becomes `value`. */
static inline int NAME_plain(const char *text, size_t length, double *value) {
    char copy[96];
    char *end;
    if (length == 0 || length >= sizeof copy || strspn(text, "+-.0123456789eE") < length) {
        return 0;
    }
    memcpy(copy, text, length);
    copy[length] = '\\0';
    *value = strtod(copy, &end);
    return *end == '\\0';
}

/* The number of bytes of the white space that `length` bytes of text begin with, or end with; 0 for none. */
static inline size_t NAME_blank(const char *text, size_t length, int at_end) {
    for (size_t k = 0; k < NAME_BLANK_COUNT; ++k) {
        const size_t size = strlen(NAME_blanks[k]);
        if (size <= length && memcmp(at_end ? text + (length - size) : text, NAME_blanks[k], size) == 0) {
            return size;
        }
    }
    return 0;
}

/* The index of a cell in `words`, or of another spelling of one of `numbers`; blanks around it are ignored. */
static inline int NAME_find(
        const char *cell, const NAME_word *words, int count, const NAME_number *numbers, int number_count,
        int missing, int otherwise) {
    size_t length;
    size_t blank;
    if (cell == NULL) {
        return missing;
    }
    length = strlen(cell);
    while ((blank = NAME_blank(cell, length, 0)) > 0) {
        cell += blank;
        length -= blank;
    }
    while ((blank = NAME_blank(cell, length, 1)) > 0) {
        length -= blank;
    }
    if (NAME_look(cell, length, NAME_missing, NAME_MISSING_COUNT, -1) >= 0) {
        return missing;
    }
    const int place = NAME_look(cell, length, words, count, NAME_ELSEWHERE);
    double value;
    if (place != NAME_ELSEWHERE) {
        return place;
    }
    if (NAME_plain(cell, length, &value)) {
        for (int k = 0; k < number_count; ++k) {
            if (numbers[k].value == value) {
                return numbers[k].place;
            }
        }
    }
    return otherwise;
}
"""


class FeatureWriter:
    """Writes the preprocessing of the file `name`; its results are of `dtype`."""

    def __init__(self, name: str, preprocessing: Preprocessing, dtype: DType, unit: CUnit) -> None:
        self.name, self.preprocessing, self.dtype, self.unit = name, preprocessing, dtype, unit
        self.programs = program_names(preprocessing)
        self.members = member_names(list(preprocessing.by_column))
        kinds = {type(feature) for feature in preprocessing.features}
        self.has_words, self.has_dates = bool(kinds & {Category, LevelNumbers}), Date in kinds

    def structure(self) -> list[str]:
        """Return the structure for one row of a table."""
        lines = []
        for feature in self.preprocessing.by_column.values():
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
        """Return assignments that fill the structure `row`."""
        lines = []
        for feature in self.preprocessing.by_column.values():
            assert not isinstance(feature, LevelNumbers | Text)  # texts are refused
            if isinstance(feature, Category):
                value = string(feature.levels[0]) if feature.levels else "NULL"
            elif isinstance(feature, Date):
                value = f"{self.name}_seconds(2024, 2, 29, 12, 0, 0)"
            else:
                value = str(self._number(feature.fill))
            lines.append(f"row.{self.members[feature.name]} = {value};")
        return lines

    def functions(self) -> list[str]:
        """Return tables, helper functions and `NAME_encode`."""
        lines: list[str] = []
        for program, name in self.programs.items():
            lines += self._columns(program, name)
        if self.has_dates:
            lines += self._seconds()
        if self.has_words:
            missing = sorted(word.encode() for word in MISSING_WORDS)
            entries = [f"{{{string(word.decode())}, 0}}" for word in missing]
            table = [
                "/* Texts of missing values. */",
                f"enum {{ {self.name}_MISSING_COUNT = {len(entries)} }};",
                f"static const {self.name}_word {self.name}_missing[{len(entries)}] = {{",
                *array_rows(entries, 4),
                "};",
                "",
            ]
            table += [
                "/* White space. */",
                f"enum {{ {self.name}_BLANK_COUNT = {len(BLANKS)} }};",
                f"static const char *const {self.name}_blanks[{len(BLANKS)}] = {{",
                *array_rows([string(blank) for blank in BLANKS], 4),
                "};",
                "",
            ]
            lines += [*self._named(_LOOK), *table, *self._named(_FIND)]
            for feature in self.preprocessing.features:
                if isinstance(feature, Category | LevelNumbers):
                    lines += self._words(feature)
                if isinstance(feature, LevelNumbers):
                    lines += self._numbers(feature)
        lines += [
            "/* Encode a row as the input of the network. */",
            f"static inline void {self.name}_encode(const {self.name}_row *row, {C_TYPES[self.dtype]} *x) {{",
        ]
        for feature, columns in zip(self.preprocessing.features, self.preprocessing.slices, strict=True):
            encoded = self._encoded(feature, columns.start)
            lines += [f"    /* {comment(feature.name)} */", *(f"    {line}" for line in encoded)]
        return [*lines, "}", ""]

    def _named(self, text: str) -> list[str]:
        return text.replace("NAME", self.name).split("\n")

    def _list(self, feature: Category | LevelNumbers) -> str:
        return f"{self.name}_{'words' if isinstance(feature, Category) else 'levels'}_{self.members[feature.name]}"

    def _known(self, feature: Category | LevelNumbers) -> list[tuple[bytes, int]]:
        columns, _ = level_columns(feature)
        found = [(word.encode("utf-8", "surrogatepass"), place) for word, place in columns.items()]
        return sorted(entry for entry in found if entry[0].decode("utf-8", "surrogatepass") not in MISSING_WORDS)

    def _words(self, feature: Category | LevelNumbers) -> list[str]:
        values = numbers_of_levels(feature.levels)
        numbers = [f"{{{self._number(value)}, {place}}}" for value, place in values.items()]
        entries = [
            f"{{{string(word.decode('utf-8', 'surrogatepass'))}, {place}}}" for word, place in self._known(feature)
        ]
        lines = [f"/* {comment(feature.name)} */"] if entries else []
        for kind, name, found in (("word", "", entries), ("number", "_numbers", numbers)):
            if found:
                lines.append(f"static const {self.name}_{kind} {self._list(feature)}{name}[{len(found)}] = {{")
                lines += [*array_rows(found, 4), "};", ""]
        return lines

    def _numbers(self, feature: LevelNumbers) -> list[str]:
        table = feature.table
        return [
            f"/* {comment(feature.name)}: numbers of the levels, of unknown ones, and of missing values. */",
            f"static const double {self.name}_numbers_{self.members[feature.name]}"
            f"[{table.shape[0]}][{table.shape[1]}] =",
            *initializer(table, self._number, 0)[:-1],
            "};",
            "",
        ]

    def _number(self, value: float) -> Code:
        return self.unit.number(value, DType.FLOAT64)

    def _columns(self, program: Program, name: str) -> list[str]:
        """Return the function from a cell x to its columns p."""
        outputs = tuple(cast(output, self.dtype) for output in program.outputs)
        places = [Location(f"p[{k}]") for k in range(len(outputs))]
        found = self._statements(dataclasses.replace(program, outputs=outputs), places)
        unused = [f"    (void){node.name};" for node in program.inputs if node.name not in found.uses]
        given = [f"{C_TYPES[node.type.dtype]} {node.name}" for node in program.inputs]
        return function(
            "The encoded columns of a cell x.",
            f"void {self.name}_{name}",
            [*given, f"{C_TYPES[self.dtype]} *p"],
            [*unused, *found.lines],
        )

    def _seconds(self) -> list[str]:
        """Return the value of a missing date, and the function that converts a date."""
        names = ("year", "month", "day", "hour", "minute", "second")
        program = trace(seconds_since_1970, **dict.fromkeys(names, ""))
        found = self._statements(program, [Location("")])
        return [
            "/* The value of a missing date. */",
            f"#define {self.name.upper()}_NO_DATE INT64_MIN",
            "",
            *function(
                "Seconds since 1970 of a date in the Gregorian calendar; the month from 1 to 12.",
                f"int64_t {self.name}_seconds",
                [f"int {name}" for name in names],
                [*found.lines, f"    return (int64_t){found.results[0].name};"],
            ),
        ]

    def _statements(self, program: Program, places: list[Location]) -> Statements:
        """Return the statements that compute the outputs of `program`, with a variable for each named value."""
        return self.unit.statements(
            dataclasses.replace(program, outputs=(*program.outputs, *program.names)),
            {node.name: Location(node.name) for node in program.inputs},
            [*places, *(Location("") for _ in program.names)],
            reserved=("p",),
            has_comments=False,
        )

    def _encoded(self, feature: Feature, first: int) -> list[str]:
        cell = f"row->{self.members[feature.name]}"
        function = f"{self.name}_{self.programs[feature.program]}"
        if isinstance(feature, Category):
            return self._category(feature, first, cell, function)
        if isinstance(feature, LevelNumbers):
            return self._numbered(feature, first, cell, function)
        if isinstance(feature, Date):
            cell = f"{cell} == {self.name.upper()}_NO_DATE ? (double)NAN : (double){cell}"
        settings = [str(self._number(value)) for value in feature.settings.values()]
        return [f"{function}({', '.join([cell, *settings, f'x + {first}'])});"]

    def _place(self, feature: Category | LevelNumbers, cell: str) -> str:
        """Return the expression of the index of a cell."""
        columns, other = level_columns(feature)
        known, numbers = len(self._known(feature)), len(numbers_of_levels(feature.levels))
        words = self._list(feature) if known else "NULL"
        values = f"{self._list(feature)}_numbers" if numbers else "NULL"
        return f"{self.name}_find({cell}, {words}, {known}, {values}, {numbers}, {columns['']}, {other})"

    def _numbered(self, feature: LevelNumbers, first: int, cell: str, function: str) -> list[str]:
        numbers = f"{self.name}_numbers_{self.members[feature.name]}"
        lines = ["{", f"    const int place = {self._place(feature, cell)};"]
        for k, each in enumerate(feature.scalings):
            scaling = f"{self._number(each.mean)}, {self._number(each.scale)}"
            lines.append(f"    {function}({numbers}[place][{k}], {scaling}, x + {first + k});")
        return [*lines, "}"]

    def _category(self, feature: Category, first: int, cell: str, function: str) -> list[str]:
        width = len(feature.columns)
        if not width:
            return ["/* no column */"]
        return [
            "{",
            f"    const int place = {self._place(feature, cell)};",
            f"    for (int k = 0; k < {width}; ++k) {{",
            f"        {function}(place, k, x + {first} + k);",
            "    }",
            "}",
        ]


def _declared(feature: Feature) -> str:
    if isinstance(feature, Category | LevelNumbers):
        return "const char *"
    return "int64_t " if isinstance(feature, Date) else "double "
