"""Detection of random numbers drawn during tracing, which the program would repeat on every run.

Watched are the global states of NumPy, of Python and, if loaded, of PyTorch, and the generators reachable from a user
frame: in its globals, closure and arguments, and in attributes and entries of these. A generator that the function
creates itself with a seed gives the same numbers in every call and is allowed; the creation of one without a seed is
detected when it requests entropy from the system.

Libraries may draw from a global state that no user frame references, so the global states are compared once more at the
end, unless another thread could have changed them.
"""

from __future__ import annotations

import ast
import gc
import random
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator
from functools import partial
from types import BuiltinMethodType, CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias

import numpy as np

from chainrule.trace.source import current_expression, located_at

State: TypeAlias = Callable[[], object]

_SYSTEM = frozenset(method.__code__ for method in (random.SystemRandom.getrandbits, random.SystemRandom.random))
_SEEDING = random.Random.seed.__code__

_IMPORTABLE = ("numpy", "numpy.random", "random", "torch")
"""Modules that a function may import in its body."""

_DEPTH = 4
"""The maximum depth of attributes or entries searched for a generator."""

_MOST_ENTRIES = 100
_MOST_VISITED = 300


class DrawWatch:
    """Detects whether a generator reachable from one frame has advanced since the frame was entered.

    `own` are the ids of objects created by the function. A generator passed to an inner frame is handled by the outer
    frame, which has either created it or watches it.
    """

    def __init__(self, frame: FrameType, own: Collection[int], inner: bool) -> None:
        self._states: dict[str, State] = dict(_sources(frame, own, inner))
        self._before = {name: state() for name, state in self._states.items()}
        self._line = frame.f_lineno

    def __bool__(self) -> bool:
        return bool(self._states)

    def moved(self, frame: FrameType) -> str | None:
        """Return the generator that advanced in the previous line, with that line."""
        line, self._line = self._line, frame.f_lineno
        for name, state in self._states.items():
            now = state()
            if now != self._before[name]:
                self._before[name] = now
                return located_at(frame, line, _drawn(name))
        return None


def _drawn(name: str) -> str:
    return f"this draws random numbers from {name}"


def asks_for_seed(frame: FrameType) -> bool:
    """Whether `frame` runs the code that an unseeded generator calls to obtain a seed."""
    return frame.f_code in _SYSTEM or (frame.f_code is _SEEDING and frame.f_locals.get("a") is None)


def entropy_drawn(frame: FrameType) -> str | None:
    """Describe the unseeded generator that `frame` creates; `RandomState(seed)` is excluded."""
    return None if _is_seeded(frame) else located_at(frame, frame.f_lineno, _drawn("a generator without a seed"))


def _is_seeded(frame: FrameType) -> bool:
    """Whether the current call in `frame` creates a RandomState with a seed."""
    try:
        call = ast.parse(f"({current_expression(frame)})", mode="eval").body
        if not isinstance(call, ast.Call) or _value(call.func, frame) is not np.random.RandomState:
            return False
    except (SyntaxError, LookupError, AttributeError, TypeError):
        return False
    try:
        return any(_value(each, frame) is not None for each in (*call.args, *(word.value for word in call.keywords)))
    except (LookupError, AttributeError, TypeError):
        return True  # a computed seed is a number


def _value(node: ast.expr, frame: FrameType) -> Any:
    """Return the value of an expression that is a mere lookup; raise LookupError for any other."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return frame.f_locals[node.id] if node.id in frame.f_locals else frame.f_globals[node.id]
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, frame), node.attr)
    if isinstance(node, ast.Subscript):
        return _value(node.value, frame)[_value(node.slice, frame)]
    raise LookupError


def global_states() -> dict[str, object]:
    """Return the states of module-level generators, by name; none if other threads may draw from them."""
    if threading.active_count() > 1:
        return {}
    states = {"np.random": _numpy_state(), "Python's random": random.getstate()}
    torch = sys.modules.get("torch")
    return states if torch is None else {**states, "torch": _torch_state(torch)}


def moved_since(before: dict[str, object]) -> str | None:
    """Describe the first global state that has changed."""
    now = global_states()
    return next((_drawn(name) for name, state in before.items() if now.get(name, state) != state), None)


def _sources(frame: FrameType, own: Collection[int], inner: bool) -> Iterator[tuple[str, State]]:
    code = frame.f_code
    for name in (*code.co_names, *code.co_varnames, *code.co_freevars):
        value = frame.f_locals.get(name, frame.f_globals.get(name))
        if value is None and name in _IMPORTABLE:
            value = sys.modules.get(name)
        if value is None or id(value) in own or (inner and _is_handed_over(name, value, code)):
            continue
        yield from _module_states(value, code) if isinstance(value, ModuleType) else _held(name, value)


def _is_handed_over(name: str, value: Any, code: CodeType) -> bool:
    """Whether `value` is a generator that the caller passes for a parameter, not its default."""
    count = code.co_argcount + code.co_kwonlyargcount
    if name not in code.co_varnames[:count] or _state_of(value) is None:
        return False
    functions = [each for each in gc.get_referrers(code) if isinstance(each, FunctionType)]
    defaults = [(*(each.__defaults__ or ()), *(each.__kwdefaults__ or {}).values()) for each in functions]
    return not any(value is default for each in defaults for default in each)


def _module_states(module: ModuleType, code: CodeType) -> Iterator[tuple[str, State]]:
    name = module.__name__
    if name == "numpy.random" or (name == "numpy" and "random" in code.co_names):
        yield "np.random", _numpy_state
    elif name == "random":
        yield "Python's random", random.getstate
    elif name == "torch" and any("rand" in used or "dropout" in used for used in code.co_names):
        yield "torch", partial(_torch_state, module)


def _held(name: str, value: Any) -> Iterator[tuple[str, State]]:
    """Return the states of the generators in `value` (a generator, its method, or a container), the nearest first."""
    pending = deque([(name, value, 0)])
    for _ in range(_MOST_VISITED):
        if not pending:
            return
        name, value, depth = pending.popleft()
        value = value.func if type(value) is partial else value
        if isinstance(value, BuiltinMethodType | MethodType):
            value = value.__self__
        state = _state_of(value)
        if state is not None:
            yield name, state
        elif depth < _DEPTH:
            pending.extend((f"{name}{key}", entry, depth + 1) for key, entry in _entries(value))


def _state_of(value: Any) -> State | None:
    """Return a value that identifies the state of a generator; None for anything else."""
    kind = type(value)
    if issubclass(kind, random.Random):
        return None if issubclass(kind, random.SystemRandom) else value.getstate
    torch = sys.modules.get("torch")
    if torch is not None and issubclass(kind, torch.Generator):
        return lambda: bytes(value.get_state().numpy())
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
    elif not issubclass(kind, type | ModuleType | FunctionType):
        attributes = getattr(value, "__dict__", None) if kind.__dictoffset__ else None
        yield from ((f".{key}", entry) for key, entry in (attributes or {}).items())


def _torch_state(torch: ModuleType) -> object:
    return bytes(torch.get_rng_state().numpy())


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
