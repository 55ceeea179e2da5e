"""Preprocessing and targets as JSON. Input is validated, since it may come from any source."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from chainrule.schema import Schema
from chainrule.tables.cells import number_in
from chainrule.tables.errors import TableError, short
from chainrule.tables.features import (
    Boolean,
    Category,
    Date,
    Feature,
    LeftOut,
    LevelNumbers,
    Number,
    Part,
    Scaling,
    Spelling,
    Text,
)
from chainrule.tables.notation import Notation, Unit
from chainrule.tables.targets import ClassTarget, NumberTarget, Target

Json: TypeAlias = Mapping[str, Any]

VERSION = 1
_WITHIN = "{place}: {name!r}"
_COLUMNS = Schema(
    {kind.kind: kind for kind in (Number, Boolean, Category, LevelNumbers, Text, Date)},
    tag="kind",
    parts=(Scaling, Part, LeftOut, Notation, Spelling, Unit),
    error=TableError,
    within=_WITHIN,
)
_TARGETS = Schema(
    {kind.task: kind for kind in (ClassTarget, NumberTarget)},
    tag="task",
    parts=(Notation, Unit),
    error=TableError,
    within=_WITHIN,
)


def parse_json(text: object, what: str) -> Any:
    """Parse a JSON text, or return data that is parsed already; raise TableError for text that is not JSON."""
    if not isinstance(text, str | bytes | bytearray):
        return text
    try:
        return json.loads(text)
    except RecursionError:
        raise TableError(f"the description of {what} is nested too deeply") from None
    except ValueError as error:
        raise TableError(f"the description of {what} is not JSON: {error}") from None


def describe_columns(features: Sequence[Feature], left_out: Sequence[LeftOut]) -> dict[str, Any]:
    """Return the encoded columns and the columns left out as JSON data."""
    return {
        "version": VERSION,
        "features": _COLUMNS.written(features, "features"),
        "left_out": _COLUMNS.written(left_out, "left_out"),
    }


def columns_from_json(text: str | bytes | Json) -> tuple[tuple[Feature, ...], tuple[LeftOut, ...]]:
    """Reconstruct the columns from `describe_columns`; raise TableError for invalid data."""
    what = "the preprocessing"
    given = _COLUMNS.entries(parse_json(text, what), ("version", "features", "left_out"), what)
    version = _COLUMNS.read(int, given["version"], f"{what}: 'version'")
    if version != VERSION:
        raise TableError(f"{what} has version {version}; this release reads version {VERSION}")
    columns = [
        [_column(hint, each, f"{title} {k}") for k, each in enumerate(_listed(given[key], f"{what}: {key!r}"), 1)]
        for key, hint, title in (("features", Feature, "feature"), ("left_out", LeftOut, "left-out column"))
    ]
    seen: dict[str, Any] = {}
    for column in (*columns[0], *columns[1]):
        earlier = seen.setdefault(column.name, column)
        if earlier is not column and (type(earlier), type(column)) != (Category, LevelNumbers):
            raise TableError(f"{what} has the column {short(column.name)} twice")
        seen[column.name] = column
    return tuple(columns[0]), tuple(columns[1])


def _listed(data: Any, place: str) -> list[Any]:
    found: list[Any] = _COLUMNS.read(list[object], data, place)
    return found


def _column(hint: Any, data: Any, place: str) -> Any:
    """Read a column; messages name it if it has a name."""
    name = data.get("name") if isinstance(data, dict) else None
    if isinstance(name, str) and name:
        place = f"{place.rpartition(' ')[0]} {short(name)}"
    column = _COLUMNS.read(hint, data, place)
    if isinstance(column, Date) and not column.parts and not column.flag_missing:
        raise TableError(f"{place} has no parts")
    if isinstance(column, Text):
        weights = (*column.weights, column.bias)
        if not column.weights or any(len(row) != len(column.scalings) for row in weights):
            raise TableError(f"{place} has not as many weights for each count as scalings")
    if isinstance(column, LevelNumbers):
        rows = (*column.numbers, column.other, column.absent)
        if len(column.numbers) != len(column.levels) or any(len(row) != len(column.scalings) for row in rows):
            raise TableError(f"{place} has not as many numbers for each level as scalings")
    if isinstance(column, Category | LevelNumbers) and any(
        each.place >= len(column.levels) for each in column.spellings
    ):
        raise TableError(f"{place} has a spelling of no level")
    return column


def describe_target(target: Target) -> dict[str, Any]:
    """Return a target as JSON data."""
    described: dict[str, Any] = _TARGETS.written(target, "the target")
    return described


def target_from_json(text: str | bytes | Json) -> Target:
    """Reconstruct a target from its description; raise TableError for invalid data."""
    target: Target = _TARGETS.read(Target, parse_json(text, "the target"), "the target")
    if isinstance(target, ClassTarget):
        if target.numeric and len({_finite(label) for label in target.classes}) < len(target.classes):
            raise TableError("the target has two classes that are the same number")
        _check_labels(target)
    return target


def _check_labels(target: ClassTarget) -> None:
    """Raise TableError unless the classes are distinct values of their dtype."""
    try:
        labels = target.labels
    except (ValueError, OverflowError):
        raise TableError(f"the target has a class that is not of the dtype {target.dtype}") from None
    if len(set(labels.tolist())) < len(target.classes):
        raise TableError(f"the target has two classes that are the same {target.dtype}")


def _finite(label: str) -> float:
    number = number_in(label)
    if number is None or not math.isfinite(number):
        raise TableError(f"the target has the class {short(label)} among numbers")
    return number
