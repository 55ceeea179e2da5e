"""Conversion of plain data to JSON and back: dataclasses, tuples, numbers, text, arrays.

A value is written according to its type and read according to the annotation of its field, so data that was read has
the annotated type and satisfies the rules beside the annotation. Arrays are stored separately, as named tensors.
Reading calls nothing but the constructors of the dataclasses that a schema lists.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, Union, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from chainrule.schema.errors import DescriptionError, shown, shown_data
from chainrule.schema.rules import Rule, refusal
from chainrule.words import ChainruleError, suggestion

JSON: TypeAlias = Any
Tensors: TypeAlias = dict[str, NDArray[Any]]

TENSOR = "tensor"
NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}

LARGEST = 2**62
"""The largest magnitude of an integer in a description."""
LONGEST = 1_000_000
"""The maximum length of texts and lists."""

OMITTED: typing.Final = "omitted where it is the default"
"""A mark beside an annotation: the field is missing in earlier files, and written only if it is not the default."""


@dataclass(frozen=True)
class Form:
    """The conversion of another type to JSON and back; `read(data, place)` raises DescriptionError."""

    kind: type
    write: Callable[[Any], JSON]
    read: Callable[[JSON, str], Any]


@dataclass(frozen=True)
class Schema:
    """The dataclasses that data may contain, and how they are distinguished.

    Parameters
    ----------
    kinds
        The dataclasses that are written with a name, under the key `tag`.
    tag
        The key of the name.
    parts
        Dataclasses that are written without a name, since the annotation determines them.
    forms
        Conversions of other types.
    error
        The error class for invalid data.
    within
        The template of the location of a field, with the `place` of the object and the `name`.

    """

    kinds: Mapping[str, type] = field(default_factory=dict)
    tag: str = "is"
    parts: tuple[type, ...] = ()
    forms: tuple[Form, ...] = ()
    error: type[Exception] = DescriptionError
    within: str = "{place}.{name}"

    def written(self, value: object, place: str, tensors: Tensors | None = None) -> JSON:
        """Return `value` as JSON; arrays are added to `tensors`, under names that begin with `place`, unless present.

        Raises `error` for values that cannot be written, such as functions, and dataclasses that are not listed.
        """
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, enum.Enum):
            return value.value
        if isinstance(value, int | np.integer):
            return int(value)
        if isinstance(value, float | np.floating):
            return number_as_json(float(value))
        for form in self.forms:
            if isinstance(value, form.kind):
                return form.write(value)
        if isinstance(value, np.ndarray) and tensors is not None:
            name = next((name for name, array in tensors.items() if array is value), place)
            tensors[name] = value
            return {TENSOR: name}
        names = [name for name, kind in self.kinds.items() if kind is type(value)]
        if names or type(value) in self.parts:
            return ({self.tag: names[0]} if names else {}) | self.fields_of(value, place, tensors)
        if isinstance(value, Mapping):
            return {str(key): self.written(each, f"{place}.{key}", tensors) for key, each in value.items()}
        if isinstance(value, tuple | list):
            return [self.written(each, f"{place}[{k}]", tensors) for k, each in enumerate(value)]
        what = "a function" if inspect.isroutine(value) else f"of the type {type(value).__name__}"
        raise self.error(
            f"{place} is {what}, which a file cannot hold; give a name, a number or a formula in its place"
        )

    def fields_of(self, instance: Any, place: str, tensors: Tensors | None = None) -> dict[str, JSON]:
        """Return the fields of a dataclass as JSON."""
        found = {}
        kind: type = type(instance)
        for spec in _fields(kind).values():
            value = getattr(instance, spec.name)
            if not (spec.omitted and value == spec.default):
                found[spec.name] = self.written(value, self.within.format(place=place, name=spec.name), tensors)
        return found

    def read(self, hint: Any, data: JSON, place: str, tensors: Mapping[str, NDArray[Any]] | None = None) -> Any:
        """Return `data` as a value of the type `hint`; raise `error`, with the location, if it is invalid."""
        return _Reader(self, tensors or {}).read(hint, data, place)

    def instance(self, kind: type, given: JSON, place: str, tensors: Mapping[str, NDArray[Any]] | None = None) -> Any:
        """Return an instance of the dataclass `kind`, listed or not, from its fields, without missing or extra keys."""
        return _Reader(self, tensors or {}).instance(kind, given, place)

    def entries(self, given: JSON, names: Iterable[str], place: str) -> dict[str, JSON]:
        """Return `given`, an object with exactly the keys `names`; raise `error` for anything else."""
        reader = _Reader(self, {})
        found = reader.entries(given, place)
        reader.check_keys(found, names, place)
        return found


def number_as_json(number: float) -> float | str:
    """Return a float as JSON, which has no infinities and no NaN: they are strings."""
    return float(number) if math.isfinite(number) else repr(float(number))


@dataclass(frozen=True)
class _Field:
    """A field of a dataclass, with its resolved annotation; an `omitted` field may be missing."""

    name: str
    hint: Any
    default: Any

    @property
    def omitted(self) -> bool:
        return OMITTED in getattr(self.hint, "__metadata__", ())


@lru_cache(maxsize=1024)
def _fields(kind: type) -> dict[str, _Field]:
    """Return the fields of a dataclass that are parameters of its constructor."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {
        spec.name: _Field(spec.name, hints[spec.name], spec.default) for spec in dataclasses.fields(kind) if spec.init
    }


@dataclass(frozen=True)
class _Reader:
    """Reads data by annotations, with the tensors of a file."""

    schema: Schema
    tensors: Mapping[str, NDArray[Any]]

    def read(self, hint: Any, data: JSON, place: str) -> Any:
        if hint is object:
            return data
        if not isinstance(hint, type):
            hint = _resolved(hint)
        simple = self._SIMPLE.get(hint) if isinstance(hint, type) else None
        if simple is not None:
            return simple(self, data, place)
        origin = get_origin(hint)
        if origin is Annotated:
            return self._ruled(hint, data, place)
        if hint is Any:
            return self._anything(data, place)
        if origin is Literal:
            return self._choice(get_args(hint), data, place)
        if origin in (Union, types.UnionType):
            return self._union(get_args(hint), data, place)
        if origin in (tuple, list, Sequence, Iterable):
            return self._sequence(hint, data, place)
        if origin in (dict, Mapping):
            value_hint = get_args(hint)[1]
            return {
                key: self.read(value_hint, each, f"{place}.{key}") for key, each in self.entries(data, place).items()
            }
        if hint is np.ndarray or origin is np.ndarray:
            return self._array(data, place)
        if isinstance(hint, type):
            return self._typed(hint, data, place)
        raise self.schema.error(f"{place} is for a value of the type {hint}, which this version does not read")

    def refuse(self, place: str, data: JSON, wanted: str) -> Exception:
        return self.schema.error(f"{place} is {shown_data(data)}; it should be {wanted}")

    def _ruled(self, hint: Any, data: JSON, place: str) -> Any:
        """Read a value with rules; the message about a value of a wrong type states the rule."""
        inner, rules = hint.__origin__, [each for each in hint.__metadata__ if isinstance(each, Rule)]
        try:
            value = self.read(inner, data, place)
        except self.schema.error:
            if inner in (int, float) and rules:
                raise self.refuse(place, data, rules[0].says) from None
            raise
        for rule in rules:
            if not rule.holds(value):
                raise self.schema.error(refusal(place, value if isinstance(data, dict | list) else data, rule))
            value = rule.kept(value)
        return value

    def _choice(self, choices: tuple[Any, ...], data: JSON, place: str) -> Any:
        if type(data) not in (str, int) or data not in choices:
            named = [each for each in choices if isinstance(each, str)]
            hint = suggestion(data, named) if isinstance(data, str) else ""
            raise self.refuse(place, data, f"one of {', '.join(map(str, choices))}{hint}")
        return data

    def _typed(self, hint: type, data: JSON, place: str) -> Any:
        if issubclass(hint, enum.Enum):
            return hint(self._choice(tuple(each.value for each in hint), data, place))
        for form in self.schema.forms:
            if form.kind is hint:
                return form.read(data, place)
        if hint in self.schema.parts:
            return self.instance(hint, data, place)
        return self._kind(hint, data, place)

    def _kinds(self, hint: Any) -> dict[str, type]:
        """Return the listed subclasses of `hint`, by name."""
        if not isinstance(hint, type):
            return {}
        return {name: kind for name, kind in self.schema.kinds.items() if issubclass(kind, hint)}

    def _union(self, aliases: Sequence[Any], data: JSON, place: str) -> Any:
        choices = [_resolved(each) for each in aliases]
        if data is None and type(None) in choices:
            return None
        for form in self.schema.forms:
            if form.kind in choices:
                return form.read(data, place)
        kinds = {name: kind for choice in choices for name, kind in self._kinds(choice).items()}
        if kinds and all(choice is type(None) or self._kinds(choice) for choice in choices):
            return self._one_of(kinds, data, place)
        named = data.get(self.schema.tag) if isinstance(data, dict) else None
        failure: Exception | None = None
        for choice in choices:
            if choice is type(None) or (get_origin(choice) or choice) in _FUNCTIONS:
                continue
            if named is not None and named not in self._kinds(choice):
                continue
            try:
                return self.read(choice, data, place)
            except self.schema.error as error:
                failure = error if failure is None else failure
        if failure is not None:
            raise failure
        if named is not None:
            raise self.schema.error(f"{place} is of the kind {shown(named)}, which this version does not have here")
        raise self.refuse(place, data, "of another kind")

    def _sequence(self, hint: Any, data: JSON, place: str) -> Any:
        if not isinstance(data, list | tuple) or len(data) > LONGEST:
            raise self.refuse(place, data, "a list")
        arguments = get_args(hint)
        if arguments == (object,):
            return list(data)
        if get_origin(hint) is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
            if len(data) != len(arguments):
                raise self.schema.error(f"{place} has {len(data)} entries; it should have {len(arguments)}")
            hints = list(arguments)
        else:
            hints = [arguments[0]] * len(data)
        pairs = zip(hints, data, strict=True)
        entries = [self.read(each, entry, f"{place}[{k}]") for k, (each, entry) in enumerate(pairs)]
        return entries if get_origin(hint) is list else tuple(entries)

    def _anything(self, data: JSON, place: str) -> Any:
        """Read plain data of any kind; lists become tuples."""
        if isinstance(data, list):
            return tuple(self._anything(each, f"{place}[{k}]") for k, each in enumerate(data))
        if isinstance(data, dict) and self.schema.tag in data:
            return self._kind(object, data, place)
        if isinstance(data, dict) and TENSOR in data:
            return self._array(data, place)
        if isinstance(data, dict):
            return {key: self._anything(each, f"{place}.{key}") for key, each in data.items()}
        if isinstance(data, int | float) and not isinstance(data, bool):
            return self._whole(data, place) if isinstance(data, int) else data
        return NON_FINITE.get(data, data) if isinstance(data, str) else data

    def _array(self, data: JSON, place: str) -> NDArray[Any]:
        name = self.entries(data, place).get(TENSOR)
        if len(data) != 1 or not isinstance(name, str):
            raise self.refuse(place, data, "the name of a tensor")
        if name not in self.tensors:
            raise self.schema.error(f"{place} names the tensor {shown(name)}, which the file lacks")
        return self.tensors[name]

    def _kind(self, hint: type, data: JSON, place: str) -> Any:
        kinds = self._kinds(hint)
        if not kinds:
            raise self.schema.error(f"{place} is for a value of the type {hint}, which this version does not read")
        return self._one_of(kinds, data, place)

    def _one_of(self, kinds: Mapping[str, type], data: JSON, place: str) -> Any:
        """Read one of several dataclasses, named in the data."""
        name = self.entries(data, place).get(self.schema.tag)
        if not isinstance(name, str) or name not in kinds:
            hint = suggestion(name, kinds) if isinstance(name, str) else ""
            said = f"{place} is of the unknown kind {shown_data(name)}; it should be one of {', '.join(kinds)}{hint}"
            raise self.schema.error(said)
        return self.instance(kinds[name], {key: value for key, value in data.items() if key != self.schema.tag}, place)

    def instance(self, kind: type, data: JSON, place: str) -> Any:
        given, fields = self.entries(data, place), _fields(kind)
        self.check_keys(given, [name for name, spec in fields.items() if name in given or not spec.omitted], place)
        values = {
            name: self.read(spec.hint, given[name], self.schema.within.format(place=place, name=name))
            for name, spec in fields.items()
            if name in given
        }
        try:
            return kind(**values)
        except self.schema.error:
            raise
        except (ChainruleError, ValueError, TypeError, OverflowError, KeyError, IndexError) as error:
            raise self.schema.error(f"{place} is no {kind.__name__}: {' '.join(str(error).split())}") from None

    def check_keys(self, given: Mapping[str, JSON], wanted: Iterable[str], place: str) -> None:
        """Raise the error of the schema unless `given` has exactly the keys `wanted`."""
        names = list(wanted)
        for name in names:
            if name not in given:
                raise self.schema.error(f"{place} lacks {name!r}")
        for key in given:
            if key not in names:
                hint = suggestion(key, names) if isinstance(key, str) else ""
                raise self.schema.error(f"{place} has the unknown entry {shown(key)}{hint}")

    def entries(self, data: JSON, place: str) -> dict[str, JSON]:
        if not isinstance(data, dict):
            raise self.refuse(place, data, "an object")
        return data

    def _whole(self, data: JSON, place: str) -> int:
        if isinstance(data, bool) or not isinstance(data, int) or abs(data) > LARGEST:
            raise self.refuse(place, data, "a whole number")
        return data

    def _number(self, data: JSON, place: str) -> float:
        if isinstance(data, str) and data in NON_FINITE:
            return NON_FINITE[data]
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise self.refuse(place, data, "a number")
        if isinstance(data, int) and abs(data) > LARGEST:
            raise self.refuse(place, data, "a number of moderate size")
        return float(data)

    def _truth(self, data: JSON, place: str) -> bool:
        if not isinstance(data, bool):
            raise self.refuse(place, data, "true or false")
        return data

    def _text(self, data: JSON, place: str) -> str:
        if not isinstance(data, str) or len(data) > LONGEST:
            raise self.refuse(place, data, "text")
        try:
            data.encode()
        except UnicodeEncodeError:
            raise self.refuse(place, data, "text in Unicode") from None
        return data

    def _nothing(self, data: JSON, place: str) -> None:
        if data is not None:
            raise self.refuse(place, data, "null")

    _SIMPLE: ClassVar[dict[Any, Callable[[_Reader, JSON, str], Any]]] = {
        bool: _truth,
        int: _whole,
        float: _number,
        str: _text,
        type(None): _nothing,
    }


def _resolved(hint: Any) -> Any:
    """Return the target of a type alias; NumPy's NDArray is an alias object since NumPy 2.5."""
    alias = get_origin(hint) or hint
    while not isinstance(alias, type) and hasattr(alias, "__value__"):
        arguments = get_args(hint)
        hint = alias.__value__[arguments] if arguments else alias.__value__
        alias = get_origin(hint) or hint
    return hint


_FUNCTIONS = {get_origin(Callable[..., Any]), get_origin(typing.Callable[..., Any])}
"""The types of functions, which are never read."""
