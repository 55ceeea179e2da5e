"""What is traced: a function, a method of an instance, a partial of either, or an instance that can be called.

For a method, the instance is copied, and arrays of floats among the attributes of the copy give way to traced values;
so the user's instance stays as it is, whatever the method assigns.
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
    """What is annotated with shapes."""
    code: CodeType | None
    instance: InstanceCopy | None = None

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of the instance that `name` names; None if there is none."""
        if self.instance is None:
            return None
        for attribute in self.instance.attributes:
            if attribute.name == name:
                return attribute
        own = vars(self.instance.instance)
        return Attribute(own, name, (name,)) if name in own else None

    @property
    def attributes(self) -> list[Attribute]:
        """The attributes that hold arrays of floats."""
        return [] if self.instance is None else self.instance.attributes

    @property
    def watched(self) -> list[dict[str, Any]]:
        """The attribute dictionaries whose new values get the attributes' names."""
        return [] if self.instance is None else self.instance.dictionaries

    @property
    def place(self) -> str:
        """Where the callable is defined, as in `model.py:3: `; "" for one without Python code."""
        return "" if self.code is None else f"{self.code.co_filename}:{self.code.co_firstlineno}: "


def subject_of(function: Callable[..., Any]) -> Subject:
    """The subject for `function`; raises TraceError for what is not callable or hides its parameters."""
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
