"""Copies of instances whose methods are traced, so that attributes can be replaced by traced values temporarily."""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass
from types import MethodType
from typing import Any

import numpy as np

from chainrule.trace import pytree
from chainrule.trace.source import is_installed_file


@dataclass(frozen=True)
class Attribute:
    """An entry of the attribute dictionary of a copied instance; `path` leads to it from the traced instance."""

    owner: dict[str, Any]
    key: str
    path: pytree.Path

    @property
    def name(self) -> str:
        return "_".join(map(str, self.path))

    @property
    def value(self) -> Any:
        return self.owner.get(self.key)


class InstanceCopy:
    """A copy of an instance, of the containers in it, and of instances of the user's classes in those.

    These are classes of the instance's own package, and of files that are not installed packages: instances of other
    libraries may own resources that must not be copied. `dictionaries` are the attribute dictionaries of everything
    copied; `attributes` are their entries that hold float arrays.
    """

    def __init__(self, instance: Any) -> None:
        self._package = _package(instance)
        self._copies: dict[int, Any] = {}
        self.dictionaries: list[dict[str, Any]] = []
        self.attributes: list[Attribute] = []
        self.instance = self._copied_instance(instance, ())

    def _copied_instance(self, value: Any, path: pytree.Path) -> Any:
        if id(value) in self._copies:
            return self._copies[id(value)]
        clone = copy.copy(value)
        self._copies[id(value)] = clone
        attributes = vars(clone)
        self.dictionaries.append(attributes)
        for key, entry in list(attributes.items()):
            if any(map(is_float_array, pytree.flatten(entry, pytree.is_record)[0])):
                self.attributes.append(Attribute(attributes, key, (*path, key)))
            attributes[key] = self._copied(entry, (*path, key))
        return clone

    def _copied(self, value: Any, path: pytree.Path) -> Any:
        if isinstance(value, dict | list | tuple):
            found, structure = pytree.flatten(value, pytree.is_record)
            places = pytree.paths(structure)
            leaves = [self._copied(leaf, (*path, *rest)) for rest, leaf in zip(places, found, strict=True)]
            return pytree.unflatten(structure, leaves)
        if isinstance(value, MethodType) and self._is_of_user_class(value.__self__):
            return MethodType(value.__func__, self._copied_instance(value.__self__, path))
        return self._copied_instance(value, path) if self._is_of_user_class(value) else value

    def _is_of_user_class(self, value: object) -> bool:
        if not hasattr(value, "__dict__") or isinstance(value, type) or _package(value) in ("builtins", "chainrule"):
            return False
        if _package(value) in (self._package, "__main__"):
            return True
        file = getattr(sys.modules.get(type(value).__module__), "__file__", None)
        return file is not None and not is_installed_file(file)


def is_float_array(value: object) -> bool:
    """Whether `value` is an array that can be a parameter."""
    return issubclass(type(value), np.ndarray) and getattr(value, "dtype").kind == "f"  # noqa: B009


def _package(value: object) -> str:
    return type(value).__module__.partition(".")[0]
