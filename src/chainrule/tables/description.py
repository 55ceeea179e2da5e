"""A preprocessing and a target as JSON, and back: what is read is checked, since it may come from anywhere."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from chainrule.tables.cells import number_in
from chainrule.tables.dates import FORMATS
from chainrule.tables.errors import TableError, short
from chainrule.tables.features import (
    KINDS,
    PARTS,
    Boolean,
    Category,
    Date,
    Feature,
    Kind,
    LeftOut,
    Number,
    Part,
    PartName,
)
from chainrule.tables.targets import ClassTarget, NumberTarget, Target

T = TypeVar("T")
Json = Mapping[str, Any]

_LONGEST = 1_000_000
_MOST = 1_000_000


class Fields:
    """The fields of an object in a description, each taken once; `where` names the object in messages."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise TableError(f"{where} is {_shown(value)}; it should be an object")
        self.where = where
        self._left: dict[Any, Any] = dict(value)

    def has(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str) -> Any:
        if name not in self._left:
            raise TableError(f"{self.where} has no {name!r}")
        return self._left.pop(name)

    def refuse(self, name: str, value: object, wanted: str) -> TableError:
        return TableError(f"{self.where}: {name!r} is {_shown(value)}; it should be {wanted}")

    def text(self, name: str) -> str:
        return self._text(name, self.take(name))

    def _text(self, name: str, value: object) -> str:
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise self.refuse(name, value, "a text")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self.refuse(name, value, "a text in Unicode") from None
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Different texts."""
        values = tuple(self._text(name, value) for value in self.items(name))
        if len(set(values)) < len(values):
            raise TableError(f"{self.where}: {name!r} has a text twice")
        return values

    def items(self, name: str) -> list[Any]:
        value = self.take(name)
        if not isinstance(value, list | tuple) or len(value) > _MOST:
            raise self.refuse(name, value, "a list")
        return list(value)

    def flag(self, name: str) -> bool:
        value = self.take(name)
        if not isinstance(value, bool):
            raise self.refuse(name, value, "true or false")
        return value

    def number(self, name: str, positive: bool = False) -> float:
        """A finite number."""
        value = self.take(name)
        wanted = "a positive, finite number" if positive else "a finite number"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(name, value, wanted)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number) or (positive and number <= 0):
            raise self.refuse(name, value, wanted)
        return number

    def whole(self, name: str, bound: int) -> int:
        """A whole number of no more than `bound` in size."""
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > bound:
            raise self.refuse(name, value, "a whole number")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.take(name)
        if not isinstance(value, str) or value not in choices:
            raise self.refuse(name, value, f"one of {', '.join(choices)}")
        return value

    def end(self) -> None:
        if self._left:
            raise TableError(f"{self.where} has the unknown field {_shown(next(iter(self._left)))}")


def parse_json(text: object, what: str) -> Any:
    """The value that a JSON text stands for, or what was parsed before; raises TableError for what is not JSON."""
    if not isinstance(text, str | bytes | bytearray):
        return text
    try:
        return json.loads(text)
    except RecursionError:
        raise TableError(f"the description of {what} is nested too deeply") from None
    except ValueError as error:
        raise TableError(f"the description of {what} is not JSON: {error}") from None


def describe_feature(feature: Feature) -> dict[str, Any]:
    """A feature as what JSON can hold."""
    fields = dict(vars(feature))
    if isinstance(feature, Date):
        fields["parts"] = [dict(vars(part)) for part in feature.parts]
    if isinstance(feature, Category):
        fields["levels"] = list(feature.levels)
    if isinstance(feature, Boolean):
        fields["words"] = list(feature.words)
    if isinstance(feature, Number):
        del fields["words"]
        if feature.words:  # which files of earlier releases do not have
            fields["words"] = list(feature.words)
    return {"kind": feature.kind, **fields}


def read_feature(value: object, place: int) -> Feature:
    """A feature from its description."""
    fields = Fields(value, f"feature {place}")
    kind = fields.choice("kind", tuple(_READERS))
    name = fields.text("name")
    if not name:
        raise TableError(f"feature {place} has no name")
    fields.where = f"feature {short(name)}"
    feature = _READERS[kind](name, fields)
    fields.end()
    return feature


def _number(name: str, fields: Fields) -> Number:
    unit = fields.take("unit")
    if unit is not None:
        unit = Fields({"unit": unit}, fields.where).number("unit", positive=True)
    return Number(
        name,
        fill=fields.number("fill"),
        mean=fields.number("mean"),
        scale=fields.number("scale", positive=True),
        unit=unit,
        flag_missing=fields.flag("flag_missing"),
        words=fields.texts("words") if fields.has("words") else (),
    )


def _boolean(name: str, fields: Fields) -> Boolean:
    words = fields.texts("words")
    fill = fields.number("fill")
    if len(words) != 2 or fill not in (0, 1):
        raise TableError(f"{fields.where} needs two words and a fill of 0 or 1")
    return Boolean(name, (words[0], words[1]), fill, fields.flag("flag_missing"))


def _category(name: str, fields: Fields) -> Category:
    levels = fields.texts("levels")
    if not levels or "" in levels:
        raise TableError(f"{fields.where} needs at least one level, and none that is empty")
    return Category(name, levels, fields.flag("other"), fields.flag("missing"))


def _date(name: str, fields: Fields) -> Date:
    parts = []
    for value in fields.items("parts"):
        part = Fields(value, f"{fields.where}, a part")
        chosen = cast(PartName, part.choice("name", PARTS))
        parts.append(Part(chosen, part.number("mean"), part.number("scale", positive=True)))
        part.end()
    if len({part.name for part in parts}) < len(parts):
        raise TableError(f"{fields.where} has a part twice")
    form = fields.choice("format", tuple(FORMATS))
    flag = fields.flag("flag_missing")
    if not parts and not flag:
        raise TableError(f"{fields.where} has no parts")
    return Date(name, form, tuple(parts), fields.whole("fill", 2**53), flag)


_READERS: dict[str, Callable[[str, Fields], Feature]] = {
    "number": _number,
    "boolean": _boolean,
    "category": _category,
    "date": _date,
}


def read_left_out(value: object, place: int) -> LeftOut:
    """A column that is left out, from its description."""
    fields = Fields(value, f"left-out column {place}")
    left_out = LeftOut(fields.text("name"), cast(Kind, fields.choice("kind", KINDS)), fields.text("reason"))
    fields.end()
    return left_out


def describe_target(target: Target) -> dict[str, Any]:
    """A target as what JSON can hold."""
    fields = dict(vars(target))
    if isinstance(target, ClassTarget):
        fields["classes"] = list(target.classes)
        if not target.dtype:
            del fields["dtype"]
    return {"task": target.task, **fields}


def target_from_json(text: str | bytes | Json) -> Target:
    """A target from its description; raises TableError for one that is not well-formed."""
    fields = Fields(parse_json(text, "the target"), "the target")
    task = fields.choice("task", ("classification", "regression"))
    name = fields.text("name")
    target: Target
    if task == "classification":
        classes, numeric = fields.texts("classes"), fields.flag("numeric")
        target = ClassTarget(name, classes, numeric, _dtype(fields) if fields.has("dtype") else "")
        if len(target.classes) < 2:
            raise TableError("the target has fewer than two classes")
        if target.numeric:
            values = {_finite(label) for label in target.classes}
            if len(values) < len(target.classes):
                raise TableError("the target has two classes that are the same number")
        _check_labels(target)
    else:
        target = NumberTarget(name, fields.number("mean"), fields.number("scale", positive=True))
    fields.end()
    return target


_DTYPE = re.compile(r"bool|str|bytes|object|u?int(8|16|32|64)|float(16|32|64)|datetime64\[(Y|M|W|D|h|m|s|ms|us|ns)\]")


def _dtype(fields: Fields) -> str:
    text = fields.text("dtype")
    if not _DTYPE.fullmatch(text):
        raise fields.refuse("dtype", text, "the dtype of labels, such as int64")
    return text


def _check_labels(target: ClassTarget) -> None:
    """Raise TableError where the classes are no different values of their dtype."""
    try:
        labels = target.labels
    except (ValueError, OverflowError):
        raise TableError(f"the target has a class that is no {target.dtype}") from None
    if len(set(labels.tolist())) < len(target.classes):
        raise TableError(f"the target has two classes that are the same {target.dtype}")


def _finite(label: str) -> float:
    number = number_in(label)
    if number is None or not math.isfinite(number):
        raise TableError(f"the target has the class {short(label)} among numbers")
    return number


def _shown(value: object) -> str:
    if isinstance(value, str):
        return short(value)
    if value is None or isinstance(value, bool | float):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else "a huge number"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else f"a {type(value).__name__}"
