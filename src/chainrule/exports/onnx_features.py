"""Preprocessing as ONNX operators, in float64: from the columns of a table to the input of the model."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.exports.cells import BLANKS, PLAIN_NUMBER, level_columns, with_blanks, words_for_missing
from chainrule.exports.onnx_expressions import ExpressionWriter
from chainrule.exports.onnx_file import Port
from chainrule.exports.onnx_graph import ML, Value
from chainrule.ir import DType
from chainrule.tables import (
    FALSE_WORDS,
    MISSING_DATE,
    TRUE_WORDS,
    Boolean,
    Category,
    Date,
    Feature,
    LevelNumbers,
    Number,
    Preprocessing,
    Text,
    numbers_of_levels,
)

FLOAT = DType.FLOAT64

_ELSEWHERE = -3
"""The place of a text that is not among the words of a column."""

_ASCII_BLANK = r"[ \t\n\v\f\r]"
_BLANK = "[" + "".join(rf"\x{{{ord(blank):x}}}" for blank in BLANKS) + "]"
_COMMON_BLANKS = (" ", "\u00a0", "\u202f")
"""Blanks of which one before and behind a level is ignored."""


def input_ports(preprocessing: Preprocessing) -> list[Port]:
    """Return one input (n, 1) for each column, with the name of the column in the table."""
    columns = preprocessing.by_column.values()
    return [Port(feature.name, _dtype(feature), (None, 1), describe(feature)) for feature in columns]


def _dtype(feature: Feature) -> object:
    return np.float64 if isinstance(feature, Number) else np.int64 if isinstance(feature, Date) else str


def describe(feature: Feature) -> str:
    """Describe the cells of a column."""
    assert not isinstance(feature, LevelNumbers | Text)  # the category of its column comes first; texts are refused
    if isinstance(feature, Number):
        return "a number; nan where it is missing"
    if isinstance(feature, Date):
        return f"seconds since 1970; {MISSING_DATE} where the date is missing"
    if isinstance(feature, Boolean):
        return f"{feature.words[1]!r} or {feature.words[0]!r}, or another word for yes or no; other words are missing"
    return f"one of {len(feature.levels)} texts, or another; '' where it is missing"


class FeatureWriter:
    """Writes the preprocessing into the graph of `writer`."""

    def __init__(self, writer: ExpressionWriter) -> None:
        self.writer = writer
        self.graph = writer.graph

    def encoded(self, preprocessing: Preprocessing, dtype: DType) -> Value:
        """Return the array (n, width) in `dtype`: features of one program are encoded together, then put in order."""
        alike: dict[object, list[tuple[Feature, slice]]] = {}
        for feature, columns in zip(preprocessing.features, preprocessing.slices, strict=True):
            key = feature.name if isinstance(feature, Category) else feature.program
            if feature.columns:
                alike.setdefault(key, []).append((feature, columns))
        values: list[Value] = []
        order: list[int] = []
        for found in alike.values():
            features = [feature for feature, _ in found]
            values += self._columns(features)
            outputs = len(features[0].program.outputs)
            places = [columns for _, columns in found]
            order += [k for j in range(outputs) for each in places for k in range(each.start, each.stop)[j::outputs]]
        value = self._joined(values)
        if order != sorted(order):
            where = self.graph.whole_numbers([order.index(place) for place in range(len(order))])
            value = self.graph.add("Gather", value, where, axis=1)
        return self.writer.cast(value, dtype) if dtype is not FLOAT else value

    def _joined(self, values: Sequence[Value]) -> Value:
        return values[0] if len(values) == 1 else self.graph.add("Concat", *values, axis=1)

    def _columns(self, features: Sequence[Feature]) -> list[Value]:
        """Apply the one program of all `features`: return each output (n, columns) in float64."""
        program = features[0].program
        arguments = {"x": self._joined([self._cells(feature) for feature in features])}
        for node in program.inputs:
            if node.name not in arguments:
                row = np.hstack([feature.settings[node.name] for feature in features])
                arguments[node.name] = self.graph.constant(row[None, :].astype(node.type.dtype.numpy))
        values = self.writer.program(program, arguments)
        return [
            value if output.type.dtype is FLOAT else self.writer.cast(value, FLOAT)
            for value, output in zip(values, program.outputs, strict=True)
        ]

    def _cells(self, feature: Feature) -> Value:
        """Return the cells of a column as the input of its program."""
        match feature:
            case Number():
                return feature.name
            case Category():
                return self._place(feature)
            case LevelNumbers():
                places = self._place(feature)
                found = self.graph.add("Gather", self.graph.constant(feature.table), places)
                return self.graph.add("Reshape", found, self.graph.whole_numbers([-1, len(feature.scalings)]))
            case Text():
                raise AssertionError  # refused before
            case Boolean():
                found, nothing = self._truth(feature.name), -1
            case Date():
                found, nothing = feature.name, MISSING_DATE
        missing = self.graph.add("Equal", found, self.writer.number(nothing, DType.INT64))
        value = self.writer.cast(found, FLOAT)
        return self.graph.add("Where", missing, self.writer.number(math.nan, FLOAT), value)

    def _place(self, feature: Category | LevelNumbers) -> Value:
        """Map texts to the places of levels, of missing values and of other texts."""
        columns, otherwise = level_columns(feature)
        missing = words_for_missing(feature)
        main = {*feature.levels, *(each.text for each in feature.spellings)}
        words = with_blanks({word: place for word, place in columns.items() if word in main}, _COMMON_BLANKS)
        others = {word: place for word, place in columns.items() if word not in main and word not in missing}
        for word, place in with_blanks(others).items():
            words.setdefault(word, place)
        name = feature.name
        found = self.graph.add(
            "LabelEncoder",
            name,
            domain=ML,
            keys_strings=list(words),
            values_int64s=list(words.values()),
            default_int64=_ELSEWHERE,
        )
        other = self._where(self._matches(name, missing), columns[""], otherwise)
        other = self._numbered(name, numbers_of_levels(feature.levels), other)
        return self.graph.add("Where", self.graph.add("Equal", found, self._number(_ELSEWHERE)), other, found)

    def _truth(self, name: Value) -> Value:
        """Map texts to 1 for true, 0 for false and -1 for others."""
        found = self._numbered(name, {0.0: 0, 1.0: 1}, self._number(-1))
        for words, value in ((FALSE_WORDS, 0), (TRUE_WORDS, 1)):
            found = self._where(self._matches(name, sorted(words), "(?i)"), value, found)
        return found

    def _matches(self, name: Value, words: Sequence[str], flags: str = "") -> Value:
        """Return whether texts are one of `words`, with any blanks around."""
        pattern = "|".join(map(re.escape, words))
        return self.graph.add("RegexFullMatch", name, pattern=f"{flags}{_BLANK}*(?:{pattern}){_BLANK}*")

    def _numbered(self, name: Value, numbers: Mapping[float, int], otherwise: Value) -> Value:
        """Map texts that are one of `numbers` to its value there."""
        if not numbers:
            return otherwise
        # A cell that is no number becomes nan, which equals nothing.
        is_number = self.graph.add("RegexFullMatch", name, pattern=f"{_ASCII_BLANK}*{PLAIN_NUMBER}{_ASCII_BLANK}*")
        texts = self.graph.add("Where", is_number, name, self.graph.constant(np.array("nan", object)))
        values = self.writer.cast(texts, FLOAT)
        equal = self.graph.add("Equal", values, self.graph.constant(np.array([[*numbers]], np.float64)))
        counted = self.graph.constant(np.array([[*numbers.values()]], np.int64) + 1)
        zero = self._number(0)
        found = self.graph.add("Where", equal, counted, zero)
        found = self.graph.add("ReduceMax", found, self.graph.whole_numbers([1]), keepdims=1)
        there = self.graph.add("Greater", found, zero)
        return self._where(there, self.graph.add("Sub", found, self._number(1)), otherwise)

    def _where(self, condition: Value, value: Value | int, otherwise: Value | int) -> Value:
        found, other = (self._number(each) if isinstance(each, int) else each for each in (value, otherwise))
        return self.graph.add("Where", condition, found, other)

    def _number(self, value: int) -> Value:
        return self.writer.number(value, DType.INT64)
