"""The arguments of an answer at a point: arrays, dicts with the reference's names, and the instance of its class."""

from __future__ import annotations

import contextlib
import copy
import inspect
import itertools
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

_FORWARD = ("forward", "feedforward", "forward_pass", "forward_propagation", "feed_forward", "fprop", "predict")
_OTHER_NAMES = {"pad": "padding", "padding": "pad", "p": "rate", "epsilon": "eps", "eps": "epsilon"}
"""Constants under other names."""
_MOST_ENTRIES = 1000
_MADE_BY_CLASS = 1 << 9
_MUTABLE = (np.ndarray, list, tuple, dict)
_FOREIGN = frozenset({*sys.stdlib_module_names, "builtins", "numpy", "chainrule"}) - {"__main__"}
Path: TypeAlias = tuple[str | int, ...]
"""The keys, positions and attributes that lead to a value."""
RATES = frozenset({"lr", "learning_rate", "rate", "eta", "η", "step_size", "learningrate", "step", "alpha", "α"})
"""Common names of a learning rate."""


def folded(name: str) -> str:
    """Return `name` without case and underscores."""
    return name.replace("_", "").casefold()


def called(name: str, known: Collection[str]) -> str | None:
    """Return the name in `known` that equals `name` up to case and underscores, if it is unique."""
    if name in known:
        return name
    found = [other for other in known if folded(other) == folded(name)]
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class Given:
    """The arguments of an answer at one point.

    `arguments` by parameter, also nested in lists and dicts; `known` are all inputs and named values of the reference,
    with the constants of its code; `containers` are parameters that hold all of them, each with its entries;
    `attributes` are the values of attributes of the instance, each with the path to it; `construct` are the arguments
    of its constructor, or None for the constructor's defaults; `data` is the first input.
    """

    arguments: Mapping[str, Any]
    known: Mapping[str, Any]
    containers: Mapping[str, Collection[str]]
    attributes: Sequence[tuple[Path, Any]]
    rate: float
    construct: Mapping[str, Any] | None = None
    data: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def namespace(self, instance: Any) -> dict[str, Any]:
        """Return the initial variables of the answer; all mutable values are copies."""
        names = {name: copied(value) for name, value in self.arguments.items()}
        for name, entries in self.containers.items():
            names[name] = Container({key: copied(self.known[key]) for key in entries}, self.known)
        if instance is not None:
            names["self"] = self._made(instance, names)
        names.update(self.more)
        return names

    def made_with(self, kind: type) -> Any:
        """Create an instance of a class with the constructor's arguments."""
        return kind(**{name: copied(value) for name, value in (self.construct or {}).items()})

    def _made(self, instance: Any, names: Mapping[str, Any]) -> Any:
        """Create the instance with the point's values as parameters, and run its forward pass."""
        made = copy.deepcopy(instance) if self.construct is None else self.made_with(type(instance))
        for path, value in self.attributes:
            put(made, path, copied(value))
        rates = {folded(rate) for rate in RATES}
        for key, value in vars(made).items():
            if folded(key) in rates and type(value) in (int, float):
                setattr(made, key, self.rate)
        forward = next((getattr(made, name) for name in _FORWARD if callable(getattr(made, name, None))), None)
        if forward is not None:
            with contextlib.suppress(Exception):  # a failing forward pass leaves the attributes unchanged
                parameters = inspect.signature(forward).parameters.values()
                asked = [p for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
                forward(*(self._forward_argument(p.name, names, len(asked)) for p in asked))
        return made

    def _forward_argument(self, name: str, names: Mapping[str, Any], count: int) -> Any:
        if name in names:
            return names[name]
        found = called(name, self.known)
        if found is None and count == 1 and self.data is not None:
            found = self.data
        return copied(self.known[found or name])


def copied(value: Any) -> Any:
    """Return a value, nested in lists, tuples and dicts, that shares no array."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(map(copied, value))
    return {key: copied(item) for key, item in value.items()} if type(value) is dict else value


def at(value: Any, path: Path) -> Any:
    """Return what a path of keys, positions and attributes leads to; None if there is nothing."""
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list | tuple):
            value = value[step] if isinstance(step, int) and step < len(value) else None
        else:
            value = getattr(value, str(step), None)
    return value


def put(value: Any, path: Path, new: Any) -> None:
    """Replace what a path leads to, in lists, dicts and attributes."""
    owner, last = at(value, path[:-1]), path[-1]
    assign = getattr(owner, "__setitem__", None)
    if assign is not None:
        assign(last, new)
    elif owner is not None:
        setattr(owner, str(last), new)


def leaves(value: Any, depth: int = 5) -> Iterator[tuple[Path, Any]]:
    """Yield what lists, tuples, dicts and objects of the answer's classes hold, each with its path."""
    inner: Iterable[tuple[Any, Any]] = ()
    if depth and isinstance(value, Mapping):
        inner = value.items()
    elif depth and isinstance(value, list | tuple) and not is_table(value):
        inner = enumerate(value)
    elif depth and is_own(type(value)) and hasattr(value, "__dict__"):
        inner = vars(value).items()
    else:
        yield (), value
    for key, item in itertools.islice(inner, _MOST_ENTRIES):
        if isinstance(key, str | int):
            for path, leaf in leaves(item, depth - 1):
                yield (key, *path), leaf


def is_table(value: Any) -> bool:
    """Whether a value is a matrix as lists of numbers."""
    if not isinstance(value, list) or not value or any(type(row) is not list for row in value):
        return False
    lengths = {len(row) for row in value}
    numbers = (isinstance(x, int | float | np.number) for row in value for x in row)
    return len(lengths) == 1 and 0 not in lengths and all(numbers)


class Container(dict[str, Any]):
    """A dict that also finds the reference's values, under any spelling; attributes are entries."""

    def __init__(self, entries: Mapping[str, Any], more: Mapping[str, Any]) -> None:
        super().__init__(entries)
        object.__setattr__(self, "_more", more)

    def __missing__(self, key: str) -> Any:
        more: Mapping[str, Any] = object.__getattribute__(self, "_more")
        found = called(str(key), more) or called(_OTHER_NAMES.get(folded(str(key)), str(key)), more)
        if found is not None:
            self[key] = copied(more[found])
        elif re.search(r"param|config|conf|hyper|option", str(key)):  # constants, such as a stride
            self[key] = Container({}, more)
        elif key == "mode":
            self[key] = "train"
        else:
            raise KeyError(f"{key!r} is not known; there are {', '.join(name for name in more if name[0] != '∂')}")
        return self[key]

    def __getattr__(self, name: str) -> Any:
        if re.fullmatch(r"__\w+__", name):  # NumPy and copy look these up on every object
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(str(error)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def fresh(self) -> Container:
        """Return a copy that shares no mutable values."""
        return Container({key: copied(value) for key, value in self.items()}, object.__getattribute__(self, "_more"))


_OWN: dict[type, bool] = {}


def is_own(kind: type) -> bool:
    """Whether a class is one of the answer's, so that its instances are copied and looked into."""
    if kind not in _OWN:
        module = str(getattr(kind, "__module__", "builtins")).partition(".")[0]
        unnamed = module == "builtins" and bool(kind.__flags__ & _MADE_BY_CLASS)  # in a namespace without a name
        others = np.ndarray | np.generic | type | BaseException
        _OWN[kind] = unnamed or (module not in _FOREIGN and not issubclass(kind, others))
    return _OWN[kind]


def changeable(namespace: Mapping[str, Any], base: Mapping[str, Any]) -> list[str]:
    """Return the names whose values a statement may modify in place, except for those from `base`."""
    return [
        name
        for name, value in namespace.items()
        if (isinstance(value, _MUTABLE) or is_own(type(value))) and base.get(name) is not value
    ]


def fresh(namespace: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Copy a namespace such that no mutable values of `names` are shared; two names of one value remain so."""
    made = dict(namespace)
    memo: dict[int, Any] = {}
    for name in names:
        made[name] = _deep(made[name], memo)
    return made


def shared(namespace: Mapping[str, Any], arrays: Mapping[int, Any], names: Iterable[str]) -> dict[str, Any]:
    """Copy a namespace as `fresh` does, but for `arrays`, by their ids, which are shared."""
    made = dict(namespace)
    memo = dict(arrays)
    for name in names:
        made[name] = _deep(made[name], memo)
    return made


def _deep(value: Any, memo: dict[int, Any]) -> Any:
    if not isinstance(value, _MUTABLE) and not is_own(type(value)):
        return value
    if id(value) in memo:
        return memo[id(value)]
    kind = type(value)
    made: Any
    if isinstance(value, np.ndarray):
        made = value.copy()
    elif kind is tuple:
        made = tuple([_deep(item, memo) for item in value])
    elif kind is list:
        made = memo[id(value)] = []
        made += [_deep(item, memo) for item in value]
    elif kind is dict:
        made = memo[id(value)] = {}
        made.update({key: _deep(item, memo) for key, item in value.items()})
    elif kind is Container:
        made = memo[id(value)] = value.fresh()
        made.update({key: _deep(item, memo) for key, item in value.items()})
    elif is_own(kind):
        made = memo[id(value)] = copy.copy(value)
        if hasattr(made, "__dict__"):
            vars(made).update({key: _deep(item, memo) for key, item in vars(value).items()})
    else:
        made = copy.copy(value)
    memo[id(value)] = made
    return made
