"""Arrays of plain numbers that may be filled with traced values: `out = np.zeros(3); out[0] = x.sum()`.

NumPy cannot store a traced value in an array of numbers. While a function is traced, the arrays that its code creates
to be filled are therefore held in a `Buffer`, which behaves like the array in it, and is a traced array from the first
traced value on that is written to it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chainrule.trace.source import refusal
from chainrule.trace.writers import WRITERS

Select = Callable[[Any], Any]


def is_traced(value: object) -> bool:
    """Whether a value is recorded, or contains one that is."""
    if isinstance(value, Buffer):
        return is_traced(value.content)
    if type(value) in (list, tuple):
        return any(map(is_traced, value))  # type: ignore[call-overload]
    if type(value) is slice:
        return False
    return hasattr(type(value), "__chainrule_call__")


def content_of(value: Any) -> Any:
    """Replace buffers by what they hold, also in lists, tuples and dicts."""
    if isinstance(value, Buffer):
        return value.content
    if type(value) in (list, tuple):
        return type(value)(map(content_of, value))
    return {key: content_of(entry) for key, entry in value.items()} if type(value) is dict else value


def _entry(select: Select, place: int, content: Any) -> Any:
    return select(content)[place]


def as_buffer(result: Any, record: Select, is_set: bool = True) -> Any:
    """Return a new array of numbers as a buffer, zero if it is not set; anything else is returned as it is."""
    if type(result) is not np.ndarray or result.dtype.kind not in "biuf":
        return result
    if not is_set:
        result.fill(0)
    return Buffer(result, record)


class Buffer:
    """An array of numbers until a traced value is written to it, or to what it is a view of.

    `record` makes a traced value of an array of numbers; `select` takes the view from the content of `parent`.
    """

    __slots__ = ("_exposed", "_parent", "_record", "_select", "_traced", "_values")
    __hash__ = None  # type: ignore[assignment]  # as for arrays: equality is elementwise
    __pandas_priority__: Final = 10_000

    def __init__(
        self, values: NDArray[Any], record: Select, parent: Buffer | None = None, select: Select | None = None
    ) -> None:
        for name, value in zip(self.__slots__, (False, parent, record, select, None, values), strict=True):
            object.__setattr__(self, name, value)

    @property
    def content(self) -> Any:
        """The plain array, or the traced one."""
        if self._traced is None and self._parent is not None and is_traced(self._parent):
            object.__setattr__(self, "_traced", self._select(self._parent.content))
        return self._values if self._traced is None else self._traced

    def become_traced(self) -> Any:
        """Return the traced array that this is from now on."""
        if is_traced(self):
            return self.content
        if self._parent is not None:
            self._parent.become_traced()
            return self.content
        if self._exposed:
            raise refusal(
                "this array of numbers was given to a function that shares its memory, so a traced value cannot be "
                "written to it; give that function a copy, as in x.copy()"
            )
        object.__setattr__(self, "_traced", self._record(self._values))
        return self._traced

    def _holding(self, result: Any, select: Select) -> Any:
        """Return a result, as a buffer if it is an array of numbers: a view if it shares this one's memory."""
        if type(result) in (list, tuple):
            return type(result)(self._holding(entry, partial(_entry, select, k)) for k, entry in enumerate(result))
        if type(result) is not np.ndarray or result.dtype.kind not in "biuf" or is_traced(self):
            return result
        if result is self._values:
            return self
        shares = np.may_share_memory(result, self._values)
        return Buffer(result, self._record, self, select) if shares else Buffer(result, self._record)

    def _with(self, *others: Any) -> Any:
        """Return the content, which is traced if one of the others is."""
        return self.become_traced() if any(map(is_traced, others)) else self.content

    @property  # type: ignore[misc]  # read-only: it is what isinstance is told
    def __class__(self) -> type:
        return np.ndarray

    def __getitem__(self, index: Any) -> Any:
        content = self.content
        if is_traced(index) and not is_traced(self):
            content = self._record(content)
        key = content_of(index)
        return self._holding(content[key], lambda whole: whole[key])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._with(index, value)[content_of(index)] = content_of(value)

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        targets = options.get("out") or (inputs[:1] if method == "at" else ())
        if any(map(is_traced, (*inputs, *options.values()))):
            for target in targets:
                if isinstance(target, Buffer):
                    target.become_traced()
        given = content_of(inputs)
        if options.get("out"):
            options["out"] = content_of(options["out"])
        result = getattr(ufunc, method)(*given, **{key: content_of(value) for key, value in options.items()})
        if options.get("out") and len(targets) == 1:
            return targets[0]
        return as_buffer(result, self._record)

    def __array_function__(
        self, function: Callable[..., Any], types: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        target = kwargs.get("out", args[0] if function in WRITERS and args else None)
        if isinstance(target, Buffer) and is_traced([*args, *kwargs.values()]):
            target.become_traced()
        given, options = content_of(args), content_of(kwargs)
        result = function(*given, **options)
        if target is not None and "out" in kwargs:
            return target

        def again(content: Any) -> Any:
            return function(
                *(content if each is self else content_of(each) for each in args),
                **{key: content if each is self else content_of(each) for key, each in kwargs.items()},
            )

        shared = type(result) in (list, tuple) or (
            type(result) is np.ndarray and not is_traced(self) and np.may_share_memory(result, self._values)
        )
        return self._holding(result, again) if shared else result

    def __chainrule_call__(self, builder: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self._record(np.empty(0)).__chainrule_call__(builder, content_of(args), kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        content = self.content
        if copy:
            return np.array(content, dtype=dtype)
        if not is_traced(self):
            object.__setattr__(self, "_exposed", True)
        return np.asarray(content, dtype=dtype)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"an array has no attribute {name!r} here")
        found = getattr(self.content, name)
        if not callable(found):
            return self._holding(found, lambda content: getattr(content, name))

        def method(*args: Any, **kwargs: Any) -> Any:
            content = self._with(*args, *kwargs.values())
            given, options = content_of(args), content_of(kwargs)
            result = getattr(content, name)(*given, **options)
            return self._holding(result, lambda content: getattr(content, name)(*given, **options))

        return method

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.content, name, value)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: object) -> Any:
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.content.__reduce_ex__(protocol)

    def __repr__(self) -> str:
        return repr(self.content)

    def __str__(self) -> str:
        return str(self.content)

    def __format__(self, specification: str) -> str:
        return format(self.content, specification)

    def __len__(self) -> int:
        return len(self.content)

    def __contains__(self, value: object) -> bool:
        return value in self.content

    def __bool__(self) -> bool:
        return bool(self.content)

    def __int__(self) -> int:
        return int(self.content)

    def __float__(self) -> float:
        return float(self.content)

    def __complex__(self) -> complex:
        return complex(self.content)

    def __index__(self) -> int:
        return operator.index(self.content)


def _binary(name: str) -> Callable[[Any, Any], Any]:
    function = getattr(operator, f"__{name}__", divmod)

    def method(self: Buffer, other: Any) -> Any:
        return as_buffer(function(self.content, content_of(other)), self._record)

    return method


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    function = getattr(operator, f"__{name}__", divmod)

    def method(self: Buffer, other: Any) -> Any:
        return as_buffer(function(content_of(other), self.content), self._record)

    return method


def _in_place(name: str) -> Callable[[Any, Any], Any]:
    function = getattr(operator, f"__i{name}__")

    def method(self: Buffer, other: Any) -> Any:
        function(self._with(other), content_of(other))
        return self

    return method


def _unary(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def method(self: Buffer) -> Any:
        return as_buffer(function(self.content), self._record)

    return method


_ARITHMETIC = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift"
for _name in _ARITHMETIC.split():
    setattr(Buffer, f"__{_name}__", _binary(_name))
    setattr(Buffer, f"__r{_name}__", _reflected(_name))
    setattr(Buffer, f"__i{_name}__", _in_place(_name))
for _name in ("lt", "le", "gt", "ge", "eq", "ne", "divmod"):
    setattr(Buffer, f"__{_name}__", _binary(_name))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(Buffer, f"__{_name}__", _unary(getattr(operator, _name)))
Buffer.__rdivmod__ = _reflected("divmod")  # type: ignore[attr-defined]
