"""From the columns of a table to the array that the model takes, in operations of ONNX; all of it in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.exports.cells import NOTHING, level_columns, truth_words, with_blanks
from chainrule.exports.onnx_expressions import ExpressionWriter
from chainrule.exports.onnx_file import Port
from chainrule.exports.onnx_graph import ML, Value
from chainrule.exports.onnx_primitives import log1p_of
from chainrule.ir import DType
from chainrule.tables import MISSING_DATE, PERIODS, Boolean, Category, Date, Feature, Number, Part, Preprocessing

FLOAT = DType.FLOAT64
DAY = 86_400


@dataclass(frozen=True)
class Encoded:
    """Some encoded columns: a value of shape (n, len(places)), and their places in the whole array."""

    value: Value
    places: tuple[int, ...]


def input_ports(preprocessing: Preprocessing) -> list[Port]:
    """One input (n, 1) for each column, by the name that it has in the table."""
    return [Port(feature.name, _dtype(feature), (None, 1), describe(feature)) for feature in preprocessing.features]


def _dtype(feature: Feature) -> object:
    return np.float64 if isinstance(feature, Number) else np.int64 if isinstance(feature, Date) else str


def describe(feature: Feature) -> str:
    """What stands in a column, for a reader."""
    if isinstance(feature, Number):
        return "a number; nan where it is missing"
    if isinstance(feature, Date):
        return f"seconds since 1970; {MISSING_DATE} where the date is missing"
    if isinstance(feature, Boolean):
        return f"{feature.words[1]!r} or {feature.words[0]!r}, or another word for yes or no; any other is missing"
    return f"one of {len(feature.levels)} texts, or another; '' where it is missing"


class FeatureWriter:
    """Writes the preprocessing into the graph of `writer`."""

    def __init__(self, writer: ExpressionWriter) -> None:
        self.writer = writer
        self.graph = writer.graph

    def encoded(self, preprocessing: Preprocessing, dtype: DType) -> Value:
        """The array (n, width) in `dtype`."""
        numbers = [feature for feature in preprocessing.features if isinstance(feature, Number)]
        parts = [
            *self._numbers([x for x in numbers if x.unit is None], preprocessing),
            *self._numbers([x for x in numbers if x.unit is not None], preprocessing),
        ]
        for feature in preprocessing.features:
            if isinstance(feature, Number):
                continue
            places = preprocessing.groups[feature.name]
            values = self._columns(feature)
            parts.append(Encoded(self._joined(values), tuple(range(places.start, places.stop))))
        parts = [part for part in parts if part.places]
        value = self._joined([part.value for part in parts])
        order = [place for part in parts for place in part.places]
        if order != sorted(order):
            where = self.graph.whole_numbers([order.index(place) for place in range(len(order))])
            value = self.graph.add("Gather", value, where, axis=1)
        return self.writer.cast(value, dtype) if dtype is not FLOAT else value

    def _joined(self, values: Sequence[Value]) -> Value:
        return values[0] if len(values) == 1 else self.graph.add("Concat", *values, axis=1)

    def _row(self, numbers: Sequence[float]) -> Value:
        return self.graph.constant(np.array([numbers], float))

    def _numbers(self, features: Sequence[Number], preprocessing: Preprocessing) -> list[Encoded]:
        """Numbers side by side, as all of them are treated alike."""
        if not features:
            return []
        add = self.graph.add
        x = self._joined([feature.name for feature in features])
        missing = add("IsNaN", x)
        x = add("Where", missing, self._row([feature.fill for feature in features]), x)
        if features[0].unit is not None:
            units = self._row([feature.unit or 1.0 for feature in features])
            x = add("Mul", add("Sign", x), log1p_of(self.writer, FLOAT, add("Div", add("Abs", x), units)))
        x = add("Sub", x, self._row([feature.mean for feature in features]))
        x = add("Div", x, self._row([feature.scale for feature in features]))
        starts = [preprocessing.groups[feature.name].start for feature in features]
        found = [Encoded(x, tuple(starts))]
        flagged = [k for k, feature in enumerate(features) if feature.flag_missing]
        if flagged:
            flags = self.writer.cast(missing, FLOAT)
            if len(flagged) < len(features):
                flags = add("Gather", flags, self.graph.whole_numbers(flagged), axis=1)
            found.append(Encoded(flags, tuple(starts[k] + 1 for k in flagged)))
        return found

    def _columns(self, feature: Feature) -> list[Value]:
        if isinstance(feature, Category):
            return [self._category(feature)] if feature.columns else []
        if isinstance(feature, Boolean):
            return self._boolean(feature)
        assert isinstance(feature, Date)
        return self._date(feature)

    def _looked_up(self, name: Value, words: dict[str, int], otherwise: int) -> Value:
        """Whole numbers for texts."""
        words = with_blanks(words)
        return self.graph.add(
            "LabelEncoder",
            name,
            domain=ML,
            keys_strings=list(words),
            values_int64s=list(words.values()),
            default_int64=otherwise,
        )

    def _category(self, feature: Category) -> Value:
        place = self._looked_up(feature.name, *level_columns(feature))
        columns = self.graph.constant(np.arange(len(feature.columns))[None, :])
        return self.writer.cast(self.graph.add("Equal", place, columns), FLOAT)

    def _boolean(self, feature: Boolean) -> list[Value]:
        found = self._looked_up(feature.name, truth_words(), NOTHING)
        missing = self.graph.add("Less", found, self.writer.number(0, DType.INT64))
        value = self.writer.cast(found, FLOAT)
        value = self.graph.add("Where", missing, self.writer.number(feature.fill, FLOAT), value)
        return [value, *([self.writer.cast(missing, FLOAT)] if feature.flag_missing else [])]

    # Dates ----------------------------------------------------------------------------------------------------------

    def _date(self, feature: Date) -> list[Value]:
        absent = self.graph.add("Equal", feature.name, self._whole(MISSING_DATE))
        seconds = self.graph.add("Where", absent, self._whole(feature.fill), feature.name)
        columns = [column for part in feature.parts for column in self._part(part, seconds)]
        return [*columns, *([self.writer.cast(absent, FLOAT)] if feature.flag_missing else [])]

    def _whole(self, number: int) -> Value:
        return self.writer.number(number, DType.INT64)

    def _remainder(self, x: Value, divisor: int) -> Value:
        """That of a division that rounds down."""
        return self.graph.add("Mod", x, self._whole(divisor), fmod=0)

    def _quotient(self, x: Value, divisor: int) -> Value:
        """Division rounds towards zero here, so what it would round is taken off first."""
        exact = self.graph.add("Sub", x, self._remainder(x, divisor))
        return self.graph.add("Div", exact, self._whole(divisor))

    def _part(self, part: Part, seconds: Value) -> list[Value]:
        add, number = self.graph.add, self.writer.number
        if part.name == "time":
            position = add("Div", self.writer.cast(seconds, FLOAT), number(float(DAY), FLOAT))
        else:
            position = self.writer.cast(self._position(part.name, seconds), FLOAT)
        if part.name in PERIODS:
            angle = add("Mul", position, number(2 * np.pi / PERIODS[part.name], FLOAT))
            return [add("Sin", angle), add("Cos", angle)]
        shifted = add("Sub", position, number(part.mean, FLOAT))
        return [add("Div", shifted, number(part.scale, FLOAT))]

    def _position(self, name: str, seconds: Value) -> Value:
        """Year, month from 0, day, weekday or second of the day; see `chainrule.tables.calendar.civil`."""
        add, whole = self.graph.add, self._whole
        days = self._quotient(seconds, DAY)
        if name == "hour":
            return self._remainder(seconds, DAY)
        if name == "weekday":
            return self._remainder(add("Add", days, whole(3)), 7)
        shifted = add("Add", days, whole(719_468))
        era = self._quotient(shifted, 146_097)
        of_era = self._remainder(shifted, 146_097)
        leaps = add("Sub", self._quotient(of_era, 36_524), self._quotient(of_era, 146_096))
        leaps = add("Sub", leaps, self._quotient(of_era, 1_460))
        year = self._quotient(add("Add", of_era, leaps), 365)
        before = add("Sub", self._quotient(year, 4), self._quotient(year, 100))
        of_year = add("Sub", of_era, add("Add", add("Mul", year, whole(365)), before))
        from_march = self._quotient(add("Add", add("Mul", of_year, whole(5)), whole(2)), 153)
        if name == "day":
            first = self._quotient(add("Add", add("Mul", from_march, whole(153)), whole(2)), 5)
            return add("Add", add("Sub", of_year, first), whole(1))
        month = self._remainder(add("Add", from_march, whole(2)), 12)
        if name == "month":
            return month
        turned = add("Cast", add("Less", month, whole(2)), to=np.dtype(np.int64))  # January and February
        return add("Add", add("Add", year, turned), add("Mul", era, whole(400)))
