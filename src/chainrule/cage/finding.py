"""Lookup of a target's function in a file that was run as a module."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from types import ModuleType
from typing import Any

from chainrule.words import ChainruleError, suggestion


class Refusal(ChainruleError):  # noqa: N818  # the sentence that a request is answered with
    """An answer cannot be run; the message is one sentence."""


class UnmadeError(Refusal):
    """The class of a method cannot be made without arguments."""

    def __init__(self, message: str, method: Callable[..., Any], owner: type) -> None:
        super().__init__(message)
        self.method = method
        self.owner = owner


def function_of(module: ModuleType, path: str, name: str) -> Callable[..., Any]:
    """Return the function called `name`; `Class.method` is a method of an instance created without arguments.

    Raises Refusal if there is none, UnmadeError if the constructor needs arguments, and any exception of it.
    """
    owner, dot, method = name.partition(".")
    held = vars(module)
    if owner not in held:
        own = [
            key
            for key, value in held.items()
            if callable(value) and getattr(value, "__module__", "") == module.__name__
        ]
        raise Refusal(f"{path} has no function {owner!r}{_available(owner, own)}")
    found: Any = held[owner]
    if not callable(found):
        raise Refusal(f"{owner!r} in {path} is a {type(found).__name__}, not a function")
    if dot:
        return _method(found, path, owner, method)
    if isinstance(found, type):
        raise Refusal(f"{owner!r} in {path} is a class; name the method, as in {owner}.METHOD")
    function: Callable[..., Any] = found
    return function


def _method(owner: Callable[..., Any], path: str, name: str, method: str) -> Callable[..., Any]:
    if not isinstance(owner, type):
        raise Refusal(f"{name} in {path} is a function and has no method {method!r}; name the function alone")
    if not callable(getattr(owner, method, None)):
        methods = [key for key, value in vars(owner).items() if callable(value)]
        raise Refusal(f"the class {name} in {path} has no method {method!r}{_available(method, methods)}")
    try:
        inspect.signature(owner).bind()
    except TypeError as error:
        raise UnmadeError(
            f"{name} in {path} cannot be made without arguments ({error}); give its constructor default values",
            getattr(owner, method),
            owner,
        ) from None
    found: Callable[..., Any] = getattr(owner(), method)
    return found


def _available(name: str, names: Collection[str]) -> str:
    """List the available names."""
    public = [each for each in names if not each.startswith("_")]
    return f"; it has {', '.join(public)}{suggestion(name, public)}" if public else ""
