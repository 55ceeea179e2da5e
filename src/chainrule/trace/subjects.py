"""Callables that can be traced: a function, a method, a partial of either, or a callable instance.

For a method, the instance is copied, and float arrays among the attributes of the copy are replaced by traced values,
so the user's instance is not modified.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, MethodType
from typing import Any

from chainrule.trace.instances import Attribute, InstanceCopy
from chainrule.trace.source import TraceError


@dataclass(frozen=True)
class Subject:
    """A callable, with the attributes of its instance that can become inputs."""

    name: str
    call: Callable[..., Any]
    signature: inspect.Signature
    annotated: Callable[..., Any]
    """The function that carries the annotations."""
    code: CodeType | None
    instance: InstanceCopy | None = None

    def attribute(self, name: str) -> Attribute | None:
        """Return the attribute of the instance with this name, or None."""
        if self.instance is None:
            return None
        for attribute in self.instance.attributes:
            if attribute.name == name:
                return attribute
        own = vars(self.instance.instance)
        return Attribute(own, name, (name,)) if name in own else None

    @property
    def attributes(self) -> list[Attribute]:
        """The attributes that hold float arrays."""
        return [] if self.instance is None else self.instance.attributes

    @property
    def watched(self) -> list[dict[str, Any]]:
        """The attribute dictionaries whose new values are named after attributes."""
        return [] if self.instance is None else self.instance.dictionaries

    @property
    def place(self) -> str:
        """The location of the definition, as in `model.py:3: `; "" if there is no Python code."""
        return "" if self.code is None else f"{self.code.co_filename}:{self.code.co_firstlineno}: "


def subject_of(function: Callable[..., Any]) -> Subject:
    """Return the subject for `function`; raise TraceError if it is not callable or its parameters are unknown."""
    if not callable(function):
        raise TraceError(f"a {type(function).__name__} is not a function; give the function itself, without calling it")
    if isinstance(function, functools.partial):
        inner = subject_of(function.func)
        call = functools.partial(inner.call, *function.args, **function.keywords)
        return dataclasses.replace(inner, call=call, signature=inspect.signature(call))
    if not inspect.isroutine(function) and not inspect.isclass(function):
        function = getattr(function, "__call__")  # noqa: B004, B009  # the bound method of an instance
    name = getattr(function, "__qualname__", getattr(function, "__name__", type(function).__name__))
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        raise TraceError(f"the parameters of {name} are not known; wrap it, as in lambda x: {name}(x)") from None
    code = getattr(inspect.unwrap(function), "__code__", None)
    if (
        not isinstance(function, MethodType)
        or inspect.isclass(function.__self__)
        or not hasattr(function.__self__, "__dict__")
    ):
        return Subject(name, function, signature, function, code)
    instance = InstanceCopy(function.__self__)
    return Subject(name, MethodType(function.__func__, instance.instance), signature, function, code, instance)
