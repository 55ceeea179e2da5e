"""Plain data as JSON and back: dataclasses of known kinds, tuples, numbers, text, sizes, arrays.

A value is written by what it is and read by the annotation of the field that it is for, so that whatever is read has
the type that it should have. Dataclasses are written with their name under `"is"`; which names may be read is said by
the caller. Arrays are kept apart, as tensors by name. Nothing that is read is ever called but the constructors of the
known dataclasses.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, TypeAlias, Union, cast, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import Dim, DType, SymbolicDim, dim_product, named_dim
from chainrule.models.errors import DescriptionError, ModelError, shown
from chainrule.training import schedules
from chainrule.words import ChainruleError

JSON: TypeAlias = Any
Tensors: TypeAlias = dict[str, NDArray[Any]]
Classes: TypeAlias = Mapping[str, type]

KIND = "is"
TENSOR = "tensor"
NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}

LARGEST = 2**62
"""The largest whole number, in magnitude, that a description may hold."""

TERMS = 8
DEGREE = 8
NAME_LENGTH = 200


def written(value: object, place: str, tensors: Tensors, classes: Classes | None = None) -> JSON:
    """`value` as JSON; its arrays are put into `tensors` under names that begin with `place`, or named if there.

    Raises ModelError, naming the place, for what has no written form, such as a function, or a dataclass that is not
    among `classes`.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, DType):
        return value.value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return number_as_json(float(value))
    if isinstance(value, SymbolicDim):
        return size_as_json(value)
    if isinstance(value, np.ndarray):
        name = next((name for name, array in tensors.items() if array is value), place)
        tensors[name] = value
        return {TENSOR: name}
    if (classes or {}).get(type(value).__name__) is type(value):
        fields = {
            spec.name: written(getattr(value, spec.name), f"{place}.{spec.name}", tensors, classes)
            for spec in dataclasses.fields(cast(Any, value))
            if spec.init
        }
        return {KIND: type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(key): written(each, f"{place}.{key}", tensors, classes) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [written(each, f"{place}[{k}]", tensors, classes) for k, each in enumerate(value)]
    what = "a function" if inspect.isroutine(value) else f"of the type {type(value).__name__}"
    raise ModelError(f"{place} is {what}, which a file cannot hold; give a name, a number or a formula in its place")


def number_as_json(number: float) -> float | str:
    """JSON has no infinity, nor a number that is none."""
    return number if math.isfinite(number) else repr(number)


def size_as_json(size: Dim) -> JSON:
    """A number, a name, or the terms of a polynomial, each a list of its coefficient and its names."""
    if not isinstance(size, SymbolicDim):
        return int(size)
    if len(size.terms) == 1 and size.terms[0][1] == 1 and len(size.terms[0][0]) == 1:
        return size.terms[0][0][0]
    return [[coefficient, *names] for names, coefficient in size.terms]


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads JSON by annotations; `classes` are the dataclasses that may be named, `tensors` the arrays of the file."""

    classes: Classes
    tensors: Mapping[str, NDArray[Any]] = dataclasses.field(default_factory=dict)

    def read(self, hint: Any, data: JSON, place: str) -> Any:
        """`data` as a value of the type `hint`; raises DescriptionError, naming the place, where it is none."""
        hint = _resolved(hint)
        simple = _SIMPLE.get(hint)
        if simple is not None:
            return simple(data, place)
        if hint is Any:
            return self._anything(data, place)
        origin = get_origin(hint)
        if origin is Literal:
            choices = get_args(hint)
            if not isinstance(data, str | int) or data not in choices:
                raise _refusal(place, data, f"one of {', '.join(map(str, choices))}")
            return data
        if origin in (Union, types.UnionType):
            return self._union(get_args(hint), data, place)
        if origin in (tuple, list, Sequence, Iterable):
            return self._sequence(hint, data, place)
        if origin in (dict, Mapping):
            value_hint = get_args(hint)[1]
            return {key: self.read(value_hint, each, f"{place}.{key}") for key, each in _object(data, place).items()}
        if _is_array(hint):
            return self._array(data, place)
        if isinstance(hint, type) and self._kinds(hint):
            return self._instance(hint, data, place)
        raise DescriptionError(f"{place} is for a value of the type {hint}, which this version does not read")

    def _kinds(self, hint: type) -> list[type]:
        """The known dataclasses that are a `hint`."""
        return [each for each in self.classes.values() if issubclass(each, hint)]

    def _union(self, aliases: Sequence[Any], data: JSON, place: str) -> Any:
        choices = [_resolved(each) for each in aliases]
        if data is None and type(None) in choices:
            return None
        sizes = {int, SymbolicDim} <= set(choices)
        if sizes:
            return read_size(data, place)
        named = data.get(KIND) if isinstance(data, dict) else None
        failure: DescriptionError | None = None
        for choice in choices:
            if choice in (type(None), SymbolicDim) or (get_origin(choice) or choice) in _FUNCTIONS:
                continue
            wanted = isinstance(choice, type) and any(each.__name__ == named for each in self._kinds(choice))
            if named is not None and not wanted:
                continue
            try:
                return self.read(choice, data, place)
            except DescriptionError as error:
                failure = failure if failure is not None and not wanted else error
        if failure is not None:
            raise failure
        if named is not None:
            raise DescriptionError(f"{place} is of the kind {shown(named)}, which this version does not have here")
        raise _refusal(place, data, "of another kind")

    def _sequence(self, hint: Any, data: JSON, place: str) -> Any:
        if not isinstance(data, list):
            raise _refusal(place, data, "a list")
        arguments = get_args(hint)
        if get_origin(hint) is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
            if len(data) != len(arguments):
                raise DescriptionError(f"{place} has {len(data)} entries; it should have {len(arguments)}")
            hints = list(arguments)
        else:
            hints = [arguments[0]] * len(data)
        entries = [
            self.read(each, entry, f"{place}[{k}]") for k, (each, entry) in enumerate(zip(hints, data, strict=True))
        ]
        return entries if get_origin(hint) is list else tuple(entries)

    def _anything(self, data: JSON, place: str) -> Any:
        """Plain data of whatever kind; lists are read as tuples."""
        if isinstance(data, list):
            return tuple(self._anything(each, f"{place}[{k}]") for k, each in enumerate(data))
        if isinstance(data, dict) and KIND in data:
            return self._instance(object, data, place)
        if isinstance(data, dict) and TENSOR in data:
            return self._array(data, place)
        if isinstance(data, dict):
            return {key: self._anything(each, f"{place}.{key}") for key, each in data.items()}
        if isinstance(data, int | float) and not isinstance(data, bool):
            return _whole(data, place) if isinstance(data, int) else data
        return NON_FINITE.get(data, data) if isinstance(data, str) else data

    def _array(self, data: JSON, place: str) -> NDArray[Any]:
        name = _object(data, place).get(TENSOR)
        if len(data) != 1 or not isinstance(name, str):
            raise _refusal(place, data, "the name of a tensor")
        if name not in self.tensors:
            raise DescriptionError(f"{place} names the tensor {shown(name)}, which the file lacks")
        return self.tensors[name]

    def _instance(self, hint: type, data: JSON, place: str) -> Any:
        kinds = {each.__name__: each for each in self._kinds(hint)}
        name = _object(data, place).get(KIND)
        if not isinstance(name, str) or name not in kinds:
            raise DescriptionError(
                f"{place} is of the unknown kind {shown(name)}; it can be {', '.join(sorted(kinds))}"
            )
        given = {key: value for key, value in data.items() if key != KIND}
        return self.instance(kinds[name], given, place)

    def instance(self, kind: type, given: Mapping[str, JSON], place: str) -> Any:
        """An object of the dataclass `kind` from its fields; every field must be there, and no other."""
        hints = field_hints(kind)
        check_keys(given, hints, place)
        values = {name: self.read(hint, given[name], f"{place}.{name}") for name, hint in hints.items()}
        try:
            return kind(**values)
        except DescriptionError:
            raise
        except (ChainruleError, ValueError, TypeError, OverflowError, KeyError, IndexError) as error:
            raise DescriptionError(f"{place} is no {kind.__name__}: {' '.join(str(error).split())}") from None


def check_keys(given: Mapping[str, JSON], wanted: Iterable[str], place: str) -> None:
    """Raise DescriptionError unless `given` has exactly the keys `wanted`."""
    names = list(wanted)
    for name in names:
        if name not in given:
            raise DescriptionError(f"{place} lacks {name!r}")
    for name in given:
        if name not in names:
            raise DescriptionError(f"{place} has the unknown entry {shown(name)}")


@cache
def field_hints(kind: type) -> dict[str, Any]:
    """The resolved annotations of the fields of a dataclass."""
    hints = typing.get_type_hints(kind, localns=_FORWARD)
    return {spec.name: hints[spec.name] for spec in dataclasses.fields(kind) if spec.init}


def read_size(data: JSON, place: str) -> Dim:
    """A size as `size_as_json` writes it."""
    if isinstance(data, str):
        return named_size(data, place)
    if not isinstance(data, list):
        return _whole(data, place)
    if len(data) > TERMS:
        raise DescriptionError(f"{place} has {len(data)} terms; a size has at most {TERMS}")
    total: Dim = 0
    for k, term in enumerate(data):
        here = f"{place}[{k}]"
        if not isinstance(term, list) or not 1 <= len(term) <= DEGREE + 1:
            raise _refusal(here, term, "a list of a number and up to eight names")
        names = [named_size(_text(name, here), here) for name in term[1:]]
        total = total + dim_product([_whole(term[0], here), *names])
    return total


def named_size(name: str, place: str) -> Dim:
    """The size called `name`, a word of at most `NAME_LENGTH` letters."""
    try:
        if len(name) <= NAME_LENGTH:
            return named_dim(name)
    except ChainruleError:
        pass
    raise _refusal(place, name, "a name")


def _refusal(place: str, data: JSON, wanted: str) -> DescriptionError:
    return DescriptionError(f"{place} is {shown(data)}; it should be {wanted}")


def _object(data: JSON, place: str) -> dict[str, JSON]:
    if not isinstance(data, dict):
        raise _refusal(place, data, "an object")
    return data


def _whole(data: JSON, place: str) -> int:
    if isinstance(data, bool) or not isinstance(data, int) or abs(data) > LARGEST:
        raise _refusal(place, data, "a whole number")
    return data


def _number(data: JSON, place: str) -> float:
    if isinstance(data, str) and data in NON_FINITE:
        return NON_FINITE[data]
    if isinstance(data, bool) or not isinstance(data, int | float):
        raise _refusal(place, data, "a number")
    if isinstance(data, int) and abs(data) > LARGEST:
        raise _refusal(place, data, "a number of moderate size")
    return float(data)


def _truth(data: JSON, place: str) -> bool:
    if not isinstance(data, bool):
        raise _refusal(place, data, "true or false")
    return data


def _text(data: JSON, place: str) -> str:
    if not isinstance(data, str):
        raise _refusal(place, data, "text")
    return data


def _nothing(data: JSON, place: str) -> None:
    if data is not None:
        raise _refusal(place, data, "null")


def _dtype(data: JSON, place: str) -> DType:
    try:
        return DType(_text(data, place))
    except ValueError:
        raise _refusal(place, data, f"one of {', '.join(each.value for each in DType)}") from None


def _resolved(hint: Any) -> Any:
    """What a type alias stands for; NumPy's NDArray is an alias object from NumPy 2.5 on."""
    alias = get_origin(hint) or hint
    while not isinstance(alias, type) and hasattr(alias, "__value__"):
        arguments = get_args(hint)
        hint = alias.__value__[arguments] if arguments else alias.__value__
        alias = get_origin(hint) or hint
    return hint


def _is_array(hint: Any) -> bool:
    return hint is np.ndarray or get_origin(hint) is np.ndarray


_SIMPLE: dict[Any, Any] = {
    bool: _truth,
    int: _whole,
    float: _number,
    str: _text,
    type(None): _nothing,
    DType: _dtype,
}
read_whole, read_number, read_truth, read_text, read_object = _whole, _number, _truth, _text, _object

_FORWARD = {"SymbolicDim": SymbolicDim, "Schedule": schedules.Schedule}
"""Names that aliases in annotations refer to without defining them everywhere."""

_FUNCTIONS = {typing.get_origin(typing.Callable[..., Any])}
"""Functions are never read from a file."""
