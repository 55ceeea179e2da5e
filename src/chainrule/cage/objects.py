"""The arguments of an answer at a point: arrays, dicts with the reference's names, and the instance of its class."""

from __future__ import annotations

import contextlib
import copy
import inspect
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_FORWARD = ("forward", "feedforward", "forward_pass", "forward_propagation", "feed_forward", "predict")
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

    `arguments` by parameter; `known` are all inputs and named values of the reference; `containers` are parameters that
    hold all of them, with the entries `entries`; `attributes` are values of attributes of the instance.
    """

    arguments: Mapping[str, Any]
    known: Mapping[str, Any]
    containers: Collection[str]
    entries: Collection[str]
    attributes: Mapping[str, Any]
    rate: float
    more: Mapping[str, Any] = field(default_factory=dict)

    def namespace(self, instance: Any) -> dict[str, Any]:
        """Return the initial variables of the answer; all mutable values are copies."""
        names = {name: _new(value) for name, value in self.arguments.items()}
        for name in self.containers:
            names[name] = Container({key: _new(self.known[key]) for key in self.entries}, self.known)
        if instance is not None:
            names["self"] = self._made(instance, names)
        names.update(self.more)
        return names

    def _made(self, instance: Any, names: Mapping[str, Any]) -> Any:
        """Create the instance with the point's values as parameters, and run its forward pass."""
        made = copy.deepcopy(instance)
        for attribute, value in self.attributes.items():
            setattr(made, attribute, _new(value))
        rates = {folded(rate) for rate in RATES}
        for key, value in vars(made).items():
            if folded(key) in rates and type(value) in (int, float):
                setattr(made, key, self.rate)
        forward = next((getattr(made, name) for name in _FORWARD if callable(getattr(made, name, None))), None)
        if forward is not None:
            with contextlib.suppress(Exception):  # a failing forward pass leaves the attributes unchanged
                forward(*(self._forward_argument(name, names) for name in inspect.signature(forward).parameters))
        return made

    def _forward_argument(self, name: str, names: Mapping[str, Any]) -> Any:
        return names[name] if name in names else _new(self.known[called(name, self.known) or name])


def _new(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


class Container(dict[str, Any]):
    """A dict that also finds the reference's values, under any spelling; attributes are entries."""

    def __init__(self, entries: Mapping[str, Any], more: Mapping[str, Any]) -> None:
        super().__init__(entries)
        object.__setattr__(self, "_more", more)

    def __missing__(self, key: str) -> Any:
        more: Mapping[str, Any] = object.__getattribute__(self, "_more")
        found = called(str(key), more)
        if found is None:
            raise KeyError(f"{key!r} is not known; there are {', '.join(more)}")
        self[key] = _new(more[found])
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
        return Container({key: _new(value) for key, value in self.items()}, object.__getattribute__(self, "_more"))


def changeable(namespace: Mapping[str, Any], base: Mapping[str, Any], instance: type) -> list[str]:
    """Return the names whose values a statement may modify in place, except for those from `base`."""
    kinds = (np.ndarray, list, tuple, dict) if instance is type(None) else (np.ndarray, list, tuple, dict, instance)
    return [name for name, value in namespace.items() if isinstance(value, kinds) and base.get(name) is not value]


def fresh(namespace: Mapping[str, Any], names: Iterable[str], instance: type) -> dict[str, Any]:
    """Copy a namespace such that no mutable values of `names` are shared."""
    copied = dict(namespace)
    for name in names:
        value = copied[name]
        copied[name] = value.copy() if type(value) is np.ndarray else _deep(value, instance)
    return copied


def _deep(value: Any, instance: type) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(_deep(item, instance) for item in value)
    if isinstance(value, Container):
        return value.fresh()
    if type(value) is dict:
        return {key: _deep(item, instance) for key, item in value.items()}
    return copy.deepcopy(value) if type(value) is instance and value is not None else value
