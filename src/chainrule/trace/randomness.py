"""Notice of random numbers drawn while a function is traced: the program would repeat them for ever.

Watched are NumPy's global state, Python's, PyTorch's where it is loaded, and the generators that a frame of the user's
reaches by its names: in its globals, closure and arguments, and in attributes and entries of these. A generator that
the function makes itself, with a seed, gives the same numbers in every call and is no concern; one made without a seed
is noticed as it asks the system for one.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Collection, Iterator
from functools import partial
from types import BuiltinMethodType, CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias

import numpy as np

from chainrule.trace.source import current_expression, located_at

State: TypeAlias = Callable[[], object]

SYSTEM_ENTROPY = frozenset(method.__code__ for method in (random.SystemRandom.getrandbits, random.SystemRandom.random))
"""The code that runs where a generator without a seed asks the system for one."""

_DEPTH = 2
"""How many attributes or entries deep a generator is looked for."""

_MOST_ENTRIES = 100


class DrawWatch:
    """The generators within reach of one frame, and whether one of them has moved since the frame was entered.

    `own` are the ids of what the function has made itself. A generator that an inner frame is given is the outer
    frame's concern, which has either made it or is watched for it.
    """

    def __init__(self, frame: FrameType, own: Collection[int], inner: bool) -> None:
        self._states: dict[str, State] = dict(_sources(frame, own, inner))
        self._before = {name: state() for name, state in self._states.items()}
        self._line = frame.f_lineno

    def __bool__(self) -> bool:
        return bool(self._states)

    def moved(self, frame: FrameType) -> str | None:
        """The generator that moved in the line before the present one, with that line."""
        line, self._line = self._line, frame.f_lineno
        for name, state in self._states.items():
            now = state()
            if now != self._before[name]:
                self._before[name] = now
                return located_at(frame, line, _drawn(name))
        return None


def _drawn(name: str) -> str:
    return f"this draws random numbers from {name}"


def entropy_drawn(frame: FrameType) -> str | None:
    """What is said of a generator that `frame` makes without a seed; `RandomState(seed)` asks for one all the same."""
    called, _, given = current_expression(frame).partition("(")
    if called.rpartition(".")[2] == "RandomState" and given.strip(" )"):
        return None
    return located_at(frame, frame.f_lineno, _drawn("a generator without a seed"))


def _sources(frame: FrameType, own: Collection[int], inner: bool) -> Iterator[tuple[str, State]]:
    code = frame.f_code
    given = code.co_varnames if inner else ()
    for name in (*code.co_names, *code.co_varnames, *code.co_freevars):
        value = frame.f_locals.get(name, frame.f_globals.get(name))
        if value is None or id(value) in own or (name in given and _state_of(value) is not None):
            continue
        yield from _module_states(value, code) if isinstance(value, ModuleType) else _held(name, value, _DEPTH)


def _module_states(module: ModuleType, code: CodeType) -> Iterator[tuple[str, State]]:
    name = module.__name__
    if name == "numpy.random" or (name == "numpy" and "random" in code.co_names):
        yield "np.random", _numpy_state
    elif name == "random":
        yield "Python's random", random.getstate
    elif name == "torch" and any("rand" in used or "dropout" in used for used in code.co_names):
        yield "torch", lambda: bytes(module.get_rng_state().numpy())


def _held(name: str, value: Any, depth: int) -> Iterator[tuple[str, State]]:
    """The states of the generators in `value`, which is one, a method of one, or holds them."""
    value = value.func if type(value) is partial else value
    if isinstance(value, BuiltinMethodType | MethodType):
        value = value.__self__
    state = _state_of(value)
    if state is not None:
        yield name, state
    elif depth:
        for key, entry in _entries(value):
            yield from _held(f"{name}{key}", entry, depth - 1)


def _state_of(value: Any) -> State | None:
    """What tells the state of a generator; None for anything else."""
    kind = type(value)
    if issubclass(kind, random.Random):
        return None if issubclass(kind, random.SystemRandom) else value.getstate
    library = sys.modules.get("numpy.random")
    if library is None:
        return None
    if issubclass(kind, library.RandomState):
        return partial(_legacy_state, value)
    if issubclass(kind, library.Generator):
        return partial(_state_of_bits, value.bit_generator)
    return partial(_state_of_bits, value) if issubclass(kind, library.BitGenerator) else None


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    kind = type(value)
    if issubclass(kind, dict) and len(value) <= _MOST_ENTRIES:
        yield from ((f"[{key!r}]", entry) for key, entry in value.items())
    elif issubclass(kind, list | tuple) and len(value) <= _MOST_ENTRIES:
        yield from ((f"[{place}]", entry) for place, entry in enumerate(value))
    elif not issubclass(kind, type | ModuleType | FunctionType) and kind.__dictoffset__:
        yield from ((f".{key}", entry) for key, entry in vars(value).items())


def _numpy_state() -> object:
    return _legacy_state(np.random.mtrand._rand)


def _legacy_state(generator: Any) -> object:
    kind, key, *rest = generator.get_state()
    return kind, bytes(key), *rest


def _state_of_bits(generator: Any) -> object:
    return _frozen(generator.state)


def _frozen(value: Any) -> object:
    if isinstance(value, dict):
        return tuple((key, _frozen(entry)) for key, entry in value.items())
    return value.tobytes() if isinstance(value, np.ndarray) else value
