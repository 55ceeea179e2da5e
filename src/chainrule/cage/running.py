"""Runs of an answer at a point, statement by statement: failures are isolated, assignments recorded."""

from __future__ import annotations

import contextlib
import dis
import marshal
import os
import time
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import CodeType
from typing import Any

import numpy as np

from chainrule.cage.finding import Refusal
from chainrule.cage.limits import Limits
from chainrule.cage.objects import Given, changeable, fresh, is_own, shared
from chainrule.cage.wire import Opaque

TICK, SEEN, RETURN, GIVEN, TRANSPOSE = "__tick__", "__seen__", "__Return__", "__given__", "__transpose__"
NOTED, WHOLE, PICK, HOLE, VALUE = "__noted__", "__whole__", "__pick__", "__hole__", "__value__"
BEFORE = "__before_"
"""The prefix of the variable that holds a parameter's initial value."""
OUT = "__out_"
"""The variable that holds the value returned by an answer."""
_ROUNDS = 256
_MOST_ORDERED = 4000


@dataclass(frozen=True)
class Variant:
    """An answer to run: the code of each statement, that of its file's helpers, and values replacing names.

    A helper is a function, or a method as `Class.method`. A value is given by its index among the candidates.
    """

    codes: tuple[bytes, ...]
    helpers: tuple[tuple[str, bytes], ...]
    given: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Setup:
    """The properties shared by all variants: the lines of the statements and the variables that they assign.

    `returned` is the variable that holds the return value, if any; `nested` are the units in loops and helpers.
    """

    title: str
    filename: str
    lines: Sequence[int]
    stored: Sequence[frozenset[str]]
    defaults: Sequence[str]
    returned: str | None
    nested: frozenset[int]
    parameters: Sequence[str]
    containers: Sequence[str]


@dataclass(frozen=True)
class Snapshot:
    """The state before a statement: variables, those that may be modified in place, and earlier failures."""

    namespace: dict[str, Any]
    changeable: Sequence[str]
    problems: dict[int, dict[str, Any]]
    written: set[str] = field(default_factory=set)
    """The variables whose arrays later statements change in place, so that they are copied for each run."""

    @cached_property
    def _arrays(self) -> dict[str, Any]:
        """The arrays in variables. From now on they cannot be changed."""
        found = {name: self.namespace[name] for name in self.changeable if type(self.namespace[name]) is np.ndarray}
        for array in found.values():
            array.flags.writeable = False
        return found

    def copied(self, shares: bool) -> dict[str, Any]:
        """Return the variables, with arrays that are not `written` shared or not; two names of one value remain so."""
        if not shares:
            return fresh(self.namespace, self.changeable)
        others = [name for name in self.changeable if name not in self._arrays or name in self.written]
        if not others:
            return dict(self.namespace)
        own = {id(self._arrays[name]) for name in self.written if name in self._arrays}
        kept = {id(array): array for array in self._arrays.values() if id(array) not in own}
        aliases = [name for name, array in self._arrays.items() if id(array) in own and name not in self.written]
        return shared(self.namespace, kept, [*others, *aliases])

    def note_written(self, code: CodeType) -> bool:
        """Note the arrays that a statement names, of which it changes one; return whether there are any new ones."""
        new = {name for name in _names_of(code) if name in self._arrays} - self.written
        self.written.update(new)
        return bool(new)


@dataclass
class Result:
    """What a run has computed: values of units, how often and in which order they ran, problems by statement.

    `wholes` are the units that change a part of an array, whose value is the array; `namespace` has the variables at
    its end.
    """

    values: dict[int, list[tuple[Any, ...]]] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    wholes: set[int] = field(default_factory=set)
    problems: dict[int, dict[str, Any]] = field(default_factory=dict)
    namespace: dict[str, Any] = field(default_factory=dict)
    returned: Any = None
    failed: bool = False
    snapshots: list[Snapshot] = field(default_factory=list)
    reshapes: bool = False
    """Whether a statement sets the shape of an array, which NumPy allows of one that cannot be changed."""

    def note(self, number: int, values: tuple[Any, ...]) -> None:
        """Record the values that a unit has assigned."""
        self.counts[number] = self.counts.get(number, 0) + 1
        if len(self.order) < _MOST_ORDERED:
            self.order.append(number)
        rows = self.values.setdefault(number, [])
        row = tuple(_kept(value) for value in values)
        if len(rows) > _ROUNDS:
            rows[-1] = row
        else:
            rows.append(row)


class _Return(Exception):  # noqa: N818  # it ends a function, it reports nothing
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _TooLongError(Exception):
    pass


_READ_ONLY = "read-only"
"""What NumPy says of an array that cannot be changed."""


class Runner:
    """Runs variants of an answer whose global names are `names`."""

    def __init__(self, names: Mapping[str, Any], limits: Limits) -> None:
        self.names = dict(names)
        self._limits = limits
        self._instance: Any = None
        self._candidates: Sequence[Sequence[Any]] = ()
        self._more: Sequence[Mapping[str, Any]] = ()
        self._tried_at: str | None = None
        self._codes: dict[bytes, CodeType] = {}
        self._bases: dict[tuple[tuple[str, bytes], ...], dict[str, Any]] = {}
        self._watched: Result | None = None
        self._current: Result | None = None
        self._base_now: dict[str, Any] = {}
        self._filling: bytes = b""
        self._deadline = 0.0
        self.setup: Setup

    def prepare(self, setup: Setup, instance: Any, defaults: Mapping[str, Any]) -> None:
        """Set the properties shared by all variants."""
        self.setup = setup
        self._instance = instance
        self.names.update(defaults)

    def give(self, key: str, values: Sequence[Sequence[Any]], more: Sequence[Mapping[str, Any]]) -> None:
        """Set values with which statements can be tried, and additional names that modified statements use."""
        self._candidates, self._more, self._tried_at = values, more, key

    def fill(self, code: bytes) -> None:
        """Set the statement that stands in the hole of the code of later runs."""
        self._filling = code

    def _filled(self, names: dict[str, Any] | None = None, wanted: Sequence[str] = ()) -> tuple[Any, ...]:
        """Run the statement in a hole of the body, or of a helper with these variables, of which some are returned."""
        assert self._current is not None
        if names is None:
            exec(self._code(self._filling), self._current.namespace)  # noqa: S102  # a statement of the answer, changed
            return ()
        exec(self._code(self._filling), self._base_now, names)  # noqa: S102
        return tuple(names[name] for name in wanted)

    def evaluated(self, code: bytes, namespace: Mapping[str, Any]) -> Any:
        """Return the value of an expression."""
        return eval(self._code(code), dict(namespace))  # noqa: S307  # an expression of the answer

    def run(
        self,
        variant: Variant,
        key: str,
        number: int,
        given: Given,
        watched: bool = False,
        keep_snapshots: bool = False,
        start: int = 0,
        before: Result | None = None,
        candidate: int | None = None,
        allowed: Collection[int] | None = None,
        copies: bool = False,
    ) -> Result:
        """Run a variant at a point, from statement `start` on if `before` is a run up to there.

        The values that the units assign are recorded only if `watched` is set. The failure of a statement that is not
        `allowed` to fail ends the run; None stands for all.
        """
        run = Result()
        lost: set[str] = set()
        snapshot = None if before is None else before.snapshots[start]
        shares = before is not None and not copies and not before.reshapes
        if snapshot is not None:
            run.namespace = snapshot.copied(shares)
            self._base_now = self._base(variant)
            run.problems = dict(snapshot.problems)
            for top in snapshot.problems:
                lost |= self.setup.stored[top]
        else:
            run.namespace = self._begun(variant, key, number, given)
        if keep_snapshots:
            codes = (*variant.codes, *(code for _, code in variant.helpers))
            run.reshapes = any(_sets_shape(self._code(code)) for code in codes)
        self._provide(run, None if candidate is None else self._candidates[candidate][number], watched)
        for top in range(start, len(variant.codes)):
            if keep_snapshots:
                changing = changeable(run.namespace, self.names)
                run.snapshots.append(Snapshot(fresh(run.namespace, changing), changing, dict(run.problems)))
            code = self._code(variant.codes[top])
            try:
                exec(code, run.namespace)  # noqa: S102  # the answer is run, as any program
            except _Return as early:
                run.returned = early.value
                break
            except _TooLongError:
                raise Refusal(
                    f"{self.setup.filename}:{self.setup.lines[top]}: {self.setup.title} runs for more than "
                    f"{self._limits.run_seconds:g} s on arrays of a few entries; does this loop end?"
                ) from None
            except MemoryError:
                if allowed is None:
                    raise Refusal(
                        f"{self.setup.filename}:{self.setup.lines[top]}: {self.setup.title} used more than "
                        f"{self._limits.memory_text} of memory"
                    ) from None
                run.failed = True
                return run
            except (Exception, SystemExit, GeneratorExit) as error:  # the learner's code may raise any exception
                if snapshot is not None and shares and isinstance(error, ValueError) and _READ_ONLY in str(error):
                    again = top == start or not snapshot.note_written(code)
                    return self.run(
                        variant, key, number, given, watched, keep_snapshots, start, before, candidate, allowed, again
                    )
                if allowed is not None and top not in allowed:
                    run.failed = True
                    return run
                missing = isinstance(error, NameError) and getattr(error, "name", None) in lost
                follows = bool(run.problems) and isinstance(error, KeyError | AttributeError | IndexError | TypeError)
                run.problems[top] = {
                    "line": self._line(error, code, top),
                    "text": said(error),
                    "kinds": [kind.__name__ for kind in type(error).__mro__],
                    "caused": missing or follows,
                }
                lost |= self.setup.stored[top]
                for name in self.setup.stored[top]:
                    run.namespace.pop(name, None)
        self._watched = None
        return run

    def _begun(self, variant: Variant, key: str, number: int, given: Given) -> dict[str, Any]:
        """Return the variables of an answer before its first statement."""
        base = self._base_now = self._base(variant)
        names = given.namespace(self._instance)
        more = self._more[number] if key == self._tried_at else {}
        more = {**more, **{name: self._candidates[index][number] for name, index in variant.given}}
        namespace = {**base, **names, **more}
        if "self" in names and type(names["self"]) is type(self._instance):
            _observe(names["self"], base)
        if key == self._tried_at:
            base.update(more)
            before = fresh(names, changeable(names, {}))
            namespace.update({f"{BEFORE}{name}": value for name, value in before.items()})
        return fresh(namespace, changeable(namespace, self.names))

    def _code(self, code: bytes) -> CodeType:
        if code not in self._codes:
            if len(self._codes) > 2000:
                self._codes.clear()
            self._codes[code] = marshal.loads(code)  # noqa: S302  # written by the process that asks
        return self._codes[code]

    def _base(self, variant: Variant) -> dict[str, Any]:
        """Return the globals of the answer, with its file's helpers redefined for observation and modification."""
        base = self._bases.get(variant.helpers)
        if base is None:
            if len(self._bases) > 50:
                self._bases.clear()
            base = dict(self.names)
            base.update({"print": _silent, **self._services})
            methods: dict[str, Any] = {}
            for name, code in variant.helpers:
                owner, _, method = name.rpartition(".")
                if owner and not isinstance(self.names.get(owner), type):  # defined below the call that is graded
                    continue
                exec(self._code(code), base)  # noqa: S102  # the answer is run, as any program
                if owner:
                    methods[name] = vars(base[owner])[method]
                    base[owner] = self.names[owner]
            base.update(_observed(self.names, methods))
            self._bases[variant.helpers] = base
        return base

    def _provide(self, run: Result, given: Any, watched: bool) -> None:
        self._deadline = time.perf_counter() + self._limits.run_seconds
        self._watched = run if watched else None
        self._current = run
        run.namespace.update(self._services)
        run.namespace[GIVEN] = _kept(given)

    @cached_property
    def _services(self) -> dict[str, Any]:
        """Return what instrumented code calls."""
        return {
            TICK: self._tick,
            SEEN: self._seen,
            NOTED: self._noted,
            WHOLE: self._whole,
            PICK: np.s_,
            HOLE: self._filled,
            RETURN: _Return,
            TRANSPOSE: transposed,
        }

    def _seen(self, number: int, values: tuple[Any, ...]) -> None:
        if self._watched is not None:
            self._watched.note(number, values)

    def _noted(self, number: int, value: Any) -> Any:
        """Record the value that a helper returns."""
        if self._watched is not None:
            self._watched.note(number, value if type(value) is tuple else (value,))
        return value

    def _whole(self, number: int, base: Any, key: Any) -> Any:
        """Return the array of which an assignment has changed a part, or the assigned element of a list or dict."""
        if not isinstance(base, np.ndarray):
            return base[key]
        if self._watched is not None:
            self._watched.wholes.add(number)
        return base

    def _tick(self) -> None:
        if time.perf_counter() > self._deadline:
            raise _TooLongError

    def _line(self, error: BaseException, code: CodeType, top: int) -> int:
        line, step = self.setup.lines[top], error.__traceback__
        while step is not None:
            if step.tb_frame.f_code is code:
                line = step.tb_lineno
            step = step.tb_next
        return line


def _parts(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)


def _names_of(code: CodeType) -> set[str]:
    """Return the names that code mentions, also in its comprehensions and functions."""
    return {name for part in _parts(code) for name in part.co_names}


def _sets_shape(code: CodeType) -> bool:
    """Whether code assigns to an attribute called shape, strides or dtype."""
    setting = (i for part in _parts(code) for i in dis.get_instructions(part) if i.opname == "STORE_ATTR")
    return any(instruction.argval in ("shape", "strides", "dtype") for instruction in setting)


def _observed(names: Mapping[str, Any], methods: Mapping[str, Any]) -> dict[str, type]:
    """Return classes with other methods, by name: subclasses, so that the answer's own remain as they are."""
    observed: dict[str, type] = {}
    for name, kind in names.items():
        if not isinstance(kind, type) or not is_own(kind) or not methods:
            continue
        changed: dict[str, Any] = {}
        for owner in reversed(kind.__mro__):
            for method in vars(owner):
                changed.pop(method, None)
                if f"{owner.__name__}.{method}" in methods and names.get(owner.__name__) is owner:
                    changed[method] = methods[f"{owner.__name__}.{method}"]
        if changed:
            with contextlib.suppress(TypeError):  # a class that refuses subclasses is run as it is
                inner = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
                observed[name] = type(kind.__name__, (kind,), {**inner, **changed})
    return observed


def _observe(value: Any, base: Mapping[str, Any], depth: int = 3) -> None:
    """Give the instance, and instances that it holds, the observed class."""
    if isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            _observe(item, base, depth)
        return
    kind = type(value)
    if not depth or not is_own(kind) or not hasattr(value, "__dict__"):
        return
    other = base.get(kind.__name__)
    if isinstance(other, type) and other is not kind and issubclass(other, kind):
        with contextlib.suppress(TypeError):
            value.__class__ = other
    for item in list(vars(value).values()):
        _observe(item, base, depth - 1)


def said(error: BaseException) -> str:
    """Format an exception as `Type: message`, on one line, without the path of the folder, another in every run."""
    try:
        text = str(error).replace(f"{os.getcwd()}{os.sep}", "")
    except Exception:  # its __str__ may be the learner's, and may have removed the folder
        text = ""
    return f"{type(error).__name__}: {' '.join(text.split())[:300]}".rstrip(": ")


def _kept(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    return value.copy() if value.size <= 2**21 else Opaque(f"array of {value.size} entries")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings: an answer is also run with modifications that make no sense."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _silent(*arguments: Any, **options: Any) -> None:
    """A replacement for `print` while an answer is run hundreds of times."""


def transposed(value: Any) -> Any:
    """Transpose a matrix; for more axes, swap the last two."""
    return np.swapaxes(value, -1, -2) if np.ndim(value) > 1 else value
