"""Cached properties and a cache by key."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from chainrule.ir.locks import fork_safe_lock

T = TypeVar("T")
K = TypeVar("K")


class cached_property(Generic[T]):  # noqa: N801  (it is used as a decorator, like `functools.cached_property`)
    """A property that is computed at its first use and stored in the instance.

    Up to Python 3.11, `functools.cached_property` holds one lock for all instances while it computes: a child forked
    meanwhile waits for it forever, and other threads wait for the computation. This one has no lock: two threads may
    both compute a value, and one is kept.
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> cached_property[T]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...
    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> cached_property[T] | T:
        if instance is None:
            return self
        found: T = instance.__dict__.setdefault(self._name, self._function(instance))
        return found


class Memo(Generic[K, T]):
    """A thread-safe least-recently-used cache.

    Holds at most `most` values. They are computed outside of the lock: two threads may both compute one, and one is
    kept.
    """

    def __init__(self, most: int, lock: threading.RLock | None = None) -> None:
        self._most, self._lock = most, lock or fork_safe_lock()
        self._kept: dict[K, T] = {}

    def made(self, key: K, make: Callable[[], T]) -> T:
        """Return the value cached under `key`, or the result of `make`, or of another thread's `make` meanwhile."""
        with self._lock:
            if key in self._kept:
                found = self._kept[key] = self._kept.pop(key)
                return found
        value = make()
        with self._lock:
            kept = self._kept[key] = self._kept.pop(key, value)
            while len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]
        return kept

    def __len__(self) -> int:
        return len(self._kept)
