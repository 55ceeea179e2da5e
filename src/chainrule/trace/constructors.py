"""NumPy's constructors of arrays, such as `np.eye`, `np.arange` and `np.array`, in functions that are traced.

They do not dispatch on their arguments as other NumPy functions do. While a function is traced, others stand in the
module `numpy` in their places: they build expressions from sizes that have a name but no number and from traced values,
and arrays of numbers that may be filled with traced values.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

import numpy as np

from chainrule.ir import (
    ArrayType,
    Const,
    Dim,
    DType,
    Node,
    ShapeError,
    SymbolicDim,
    dim_quotient,
    fork_safe_lock,
    shape_text,
)
from chainrule.primitives import broadcast_to, cast, diag, positions, reshape, stack
from chainrule.trace.arrangement import astype, laid_out
from chainrule.trace.buffers import Buffer, as_buffer, content_of
from chainrule.trace.choices import take
from chainrule.trace.literals import as_node
from chainrule.trace.mapping import vectorized
from chainrule.trace.recording import recording
from chainrule.trace.source import called_name, is_user_file, refusal
from chainrule.trace.spacing import OF_SIZES

Caller = Callable[[Callable[..., Any], str, tuple[Any, ...], dict[str, Any]], Any]


def _dims(shape: Dim | Sequence[Dim]) -> tuple[Dim, ...]:
    return tuple(shape) if isinstance(shape, Sequence) else (shape,)


def _kind(dtype: Any) -> DType:
    return DType.of(np.dtype(float if dtype is None else dtype))


def _zeros(shape: Dim | Sequence[Dim], dtype: Any = float, order: str = "C") -> Node:
    return Const(0, ArrayType(_dims(shape), _kind(dtype)))


def _ones(shape: Dim | Sequence[Dim], dtype: Any = None, order: str = "C") -> Node:
    return Const(1, ArrayType(_dims(shape), _kind(dtype)))


def _full(shape: Dim | Sequence[Dim], fill_value: object, dtype: Any = None, order: str = "C") -> Node:
    value = as_node(fill_value)
    return broadcast_to(value if dtype is None else cast(value, _kind(dtype)), _dims(shape))


def _eye(N: Dim, M: Dim | None = None, k: int = 0, dtype: Any = float, order: str = "C") -> Node:
    if M is not None and M != N:
        raise refusal(f"np.eye of named sizes is recorded for square matrices, not {shape_text((N, M))}")
    ones = Const(1, ArrayType((N - abs(k),), DType.FLOAT64))
    return cast(diag(ones, k), _kind(dtype))


def _identity(n: Dim, dtype: Any = None) -> Node:
    return _eye(n, dtype=dtype)


def _arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Node:
    if stop is None:
        start, stop = 0, start
    if not all(isinstance(each, int | np.integer | SymbolicDim) for each in (start, stop)) or not _is_step(step):
        raise refusal("np.arange of named sizes is recorded from integer to integer, in steps of an integer")
    count = dim_quotient(stop - start, int(step))
    if count is None:
        raise ShapeError(f"np.arange({start}, {stop}, {step}) has a size that is no whole number for every {stop}")
    return cast(positions(count, start, int(step)), DType.INT64 if dtype is None else _kind(dtype))


def _is_step(step: Any) -> bool:
    return isinstance(step, int | np.integer) and not isinstance(step, bool) and int(step) > 0


def _empty(shape: Dim | Sequence[Dim], dtype: Any = float, order: str = "C") -> Node:
    return _zeros(shape, dtype)


CONSTRUCTORS: Final[Mapping[str, Callable[..., Any]]] = {
    "arange": _arange,
    "empty": _empty,
    "eye": _eye,
    "full": _full,
    "identity": _identity,
    "ones": _ones,
    "zeros": _zeros,
    **OF_SIZES,
}
"""The functions of which an argument may be a size without a number."""


def _array(
    object: Any, dtype: Any = None, *, copy: Any = True, order: str = "K", subok: bool = False, ndmin: int = 0
) -> Node:
    laid_out(order)
    x = _collected(object)
    x = x if dtype is None else astype(x, dtype)
    return reshape(x, (*(1,) * (ndmin - x.type.ndim), *x.type.shape))


def _asarray(a: Any, dtype: Any = None, order: str | None = None, *, device: Any = None, copy: Any = None) -> Node:
    return _array(a, dtype, order=order or "K")


def _contiguous(a: Any, dtype: Any = None) -> Node:
    return _array(a, dtype, ndmin=1)


def _collected(value: Any) -> Node:
    """Return a value, or the values in nested lists and tuples, as one array, with the dtype that NumPy gives it."""
    if not isinstance(value, list | tuple):
        return as_node(value)
    entries = [_collected(entry) for entry in value]
    kind = DType.of(np.result_type(*(entry.type.dtype.numpy for entry in entries)))
    return stack([cast(entry, kind) for entry in entries])


CONVERSIONS: Final[Mapping[str, Callable[..., Node]]] = {
    "array": _array,
    "asanyarray": _asarray,
    "asarray": _asarray,
    "ascontiguousarray": _contiguous,
    "asfortranarray": _contiguous,
    "full": _full,
    "take": take,
}
"""The functions of which an argument may be, or contain, a traced value, and which do not dispatch on it."""

FILLED: Final = (*(set(CONSTRUCTORS) - {"arange", *OF_SIZES}), "zeros_like", "ones_like", "full_like", "empty_like")
"""The functions whose arrays a function may fill with traced values."""

BRACKETS: Final = ("r_", "c_")
"""The objects that join what is in their brackets."""

_SAME: Final = ("asarray", "asanyarray", "ascontiguousarray")
"""The functions that return an array as it is."""

_lock = fork_safe_lock()
_originals: dict[str, Any] = {}
_vectorize: list[Callable[..., Any]] = []
_users = 0


@dataclass(frozen=True)
class Recorder:
    """What constructors need from the recording.

    `is_size` recognizes sizes without a number, `holds_traced` traced values, and `call(handler, name, arguments,
    options)` records an array; `constant` makes a traced value of an array of numbers.
    """

    is_size: Callable[[object], bool]
    holds_traced: Callable[[object], bool]
    call: Caller
    constant: Callable[[Any], Any]


@contextmanager
def recorded_constructors(recorder: Recorder) -> Iterator[None]:
    """A context in which NumPy's constructors take sizes without a number and make arrays that can be filled."""
    global _users
    with _lock:
        if _users == 0:
            for name in dict.fromkeys((*CONSTRUCTORS, *CONVERSIONS, *FILLED)):
                _originals[name] = getattr(np, name)
                setattr(np, name, _dispatching(name, _originals[name], recorder))
            _vectorize.append(np.vectorize.__call__)
            setattr(np.vectorize, "__call__", _mapping(np.vectorize.__call__, recorder))  # noqa: B010
            for name in BRACKETS:
                _originals[name] = getattr(np, name)
                setattr(np, name, _Joining(_originals[name], recorder))
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                for name, original in _originals.items():
                    setattr(np, name, original)
                setattr(np.vectorize, "__call__", _vectorize.pop())  # noqa: B010


def _mapping(original: Callable[..., Any], recorder: Recorder) -> Callable[..., Any]:
    def call(self: np.vectorize, *args: Any, **options: Any) -> Any:
        traced = recorder.holds_traced(content_of([*args, *options.values()]))
        return vectorized(self, args, options) if traced else original(self, *args, **options)

    return call


class _Joining:
    """`np.r_` or `np.c_`, which also joins traced values."""

    def __init__(self, original: Any, recorder: Recorder) -> None:
        self._original, self._recorder = original, recorder

    def __getitem__(self, key: Any) -> Any:
        entries = content_of(list(key) if isinstance(key, tuple) else [key])
        if not self._recorder.holds_traced(entries):
            return self._original[key]
        if any(isinstance(entry, str) for entry in entries):
            raise refusal("np.r_ is recorded without text in its brackets; write np.concatenate or np.stack")
        parts = [self._original[entry] if isinstance(entry, slice) else entry for entry in entries]
        if self._original is _originals["c_"]:
            return np.concatenate([np.reshape(x, (-1, 1)) if np.ndim(x) < 2 else x for x in parts], axis=-1)
        return np.concatenate([np.atleast_1d(x) for x in parts])


def _is_array(value: Any) -> bool:
    """Whether a value is a traced array, or a buffer, with axes."""
    return (type(value) is Buffer or hasattr(type(value), "__chainrule_call__")) and np.ndim(value) > 0


def _dispatching(name: str, original: Any, recorder: Recorder) -> Callable[..., Any]:
    of_sizes, of_values = CONSTRUCTORS.get(name), CONVERSIONS.get(name)

    @wraps(original)
    def constructor(*args: Any, **options: Any) -> Any:
        given = [*args, *options.values()]
        if of_sizes is not None:
            entries = [each for value in given for each in (value if isinstance(value, list | tuple) else [value])]
            if any(recorder.is_size(entry) for entry in entries):
                return recorder.call(of_sizes, name, args, options)
        caller = sys._getframe(1)  # of compiled code and other libraries too, which expect what NumPy gives
        if not is_user_file(caller.f_code.co_filename):
            return original(*args, **options)
        if name in _SAME and len(given) == 1 and _is_array(given[0]):
            return given[0]
        if of_values is not None and recorder.holds_traced(content_of(given)):
            return recorder.call(of_values, name, args, options)
        result = original(*args, **options)
        if name not in FILLED or recording.get() is None or called_name(caller) != name:
            return result
        return as_buffer(result, recorder.constant, is_set="empty" not in name)

    return constructor
