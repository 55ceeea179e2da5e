"""Execution of an answer at points, statement by statement: failures are isolated, assignments recorded.

An `Executor` lives in the process that runs the answer and serves requests. It handles code and values, and does not
know the correct ones.
"""

from __future__ import annotations

import contextlib
import inspect
import marshal
import os
import sys
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from chainrule.cage.finding import Refusal, function_of
from chainrule.cage.limits import Limits
from chainrule.cage.objects import Given, changeable, fresh
from chainrule.cage.wire import Opaque

TICK, SEEN, RETURN, GIVEN, TRANSPOSE = "__tick__", "__seen__", "__Return__", "__given__", "__transpose__"
OUT = "__out_"
"""The variable that holds the value returned by an answer."""
_ROUNDS = 256
_CACHED = 3
_STARRED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Variant:
    """An answer to run: the code of each statement, that of its file's helpers, and values replacing names.

    A value is given by its index among the candidates.
    """

    codes: tuple[bytes, ...]
    helpers: tuple[tuple[str, bytes], ...]
    given: tuple[tuple[str, int], ...] = ()


class Trial(NamedTuple):
    """A modification of a variant: other code for the statement `top` or the helper `helper`, with `given` values."""

    code: bytes
    top: int | None = None
    helper: str = ""
    given: int | None = None


@dataclass(frozen=True)
class Setup:
    """The properties shared by all variants: the lines of the statements and the variables that they assign.

    `returned` is the variable that holds the return value, if any; `nested` are the units in loops.
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
class Place:
    """The location of a gradient in an answer: a variable, attribute, container entry, or the return value."""

    source: str
    place: Any


@dataclass(frozen=True)
class _Snapshot:
    """The state before a statement: variables, those that may be modified in place, and earlier failures."""

    namespace: dict[str, Any]
    changeable: Sequence[str]
    problems: dict[int, dict[str, Any]]


@dataclass
class _Run:
    values: dict[int, list[tuple[Any, ...]]] = field(default_factory=dict)
    problems: dict[int, dict[str, Any]] = field(default_factory=dict)
    namespace: dict[str, Any] = field(default_factory=dict)
    returned: Any = None
    failed: bool = False
    snapshots: list[_Snapshot] = field(default_factory=list)


class _Return(Exception):  # noqa: N818  # it ends a function, it reports nothing
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _TooLongError(Exception):
    pass


class Executor:
    """An answer and its computed values. The public methods are requests; all return plain data or raise Refusal."""

    REQUESTS = ("load_file", "prepare", "points", "candidates", "places", "run", "trial", "evaluate", "variables")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._globals: dict[str, Any] = {}
        self._function: Any = None
        self._instance: Any = None
        self._points: dict[str, list[Given]] = {}
        self._candidates: Sequence[Sequence[Any]] = ()
        self._more: Sequence[Mapping[str, Any]] = ()
        self._tried_at: str | None = None
        self._places: Sequence[Place] | None = None
        self._last: list[_Run] = []
        self._codes: dict[bytes, CodeType] = {}
        self._bases: dict[tuple[tuple[str, bytes], ...], dict[str, Any]] = {}
        self._kept: dict[tuple[Variant, str], list[_Run]] = {}
        self._deadline = 0.0

    # Loading

    def load_file(self, path: str, source: bytes, name: str) -> dict[str, Any]:
        """Run a file as a module; return a description of its function `name`, or `Class.method`."""
        folder = os.path.dirname(os.path.abspath(path))
        sys.path.insert(0, folder)
        title = f"_chainrule_{os.path.splitext(os.path.basename(path))[0]}"
        module = types.ModuleType(title)
        module.__file__ = os.path.abspath(path)
        sys.modules[title] = module  # dataclasses look up their module
        try:
            exec(compile(source, path, "exec"), vars(module))  # noqa: S102
            function = function_of(module, path, name)
        except Refusal:
            raise
        except BaseException as error:  # the file may raise any exception
            raise Refusal(self._explained(error, path)) from None
        return self.load_function(function)

    def _explained(self, error: BaseException, path: str) -> str:
        if isinstance(error, MemoryError):
            return f"{path} used more than {self._limits.memory_text} of memory"
        if isinstance(error, SyntaxError):
            place = f"{error.filename or path}:{error.lineno}" if error.lineno else path
            return f"{place}: {error.msg}"
        if isinstance(error, SystemExit):
            return (
                f"{path} ends the program, as sys.exit does; leave that out, or guard it with if __name__ == '__main__'"
            )
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        place = f"{path}:{frames[-1].lineno}" if frames else path
        return f"{place}: {said(error)}"

    def load_function(self, function: Callable[..., Any]) -> dict[str, Any]:
        """Describe a function: its location, its parameters, and the attributes of its instance."""
        self._instance = getattr(function, "__self__", None)
        plain: Any = inspect.unwrap(function)
        if isinstance(plain, types.MethodType):
            plain = plain.__func__
        code = getattr(plain, "__code__", None)
        if code is None:
            kind = type(function).__name__
            raise Refusal(f"a {kind} cannot be graded; give a function written in Python, or equations as text")
        self._function = plain
        self._globals = {**plain.__globals__, **inspect.getclosurevars(plain).nonlocals}
        parameters = inspect.signature(plain).parameters.values()
        attributes = None if self._instance is None else dict(getattr(self._instance, "__dict__", {}))
        return {
            "name": plain.__name__,
            "code": code.co_name,
            "file": code.co_filename,
            "line": code.co_firstlineno,
            "parameters": [[p.name, p.default is not p.empty] for p in parameters if p.kind not in _STARRED],
            "owner": type(self._instance).__name__,
            "attributes": attributes,
            "numbers": {k: v for k, v in self._globals.items() if type(v) is float},
        }

    # Setup of a run

    def prepare(self, setup: Setup) -> None:
        """Set the properties shared by all variants of the answer."""
        self._setup = setup
        defaults = (
            {p.name: p.default for p in inspect.signature(self._function).parameters.values()} if setup.defaults else {}
        )
        self._globals.update({name: defaults[name] for name in setup.defaults})

    def set_globals(self, names: Mapping[str, Any]) -> None:
        """Set the global names of an answer that is not a function."""
        self._globals = dict(names)

    def points(self, key: str, points: Sequence[Given]) -> None:
        """Set the arguments at some points, under a key."""
        self._points[key] = list(points)

    def candidates(self, key: str, values: Sequence[Sequence[Any]], more: Sequence[Mapping[str, Any]]) -> None:
        """Set values with which statements can be tried, and additional names that modified statements use."""
        self._candidates, self._more, self._tried_at = values, more, key
        self._kept.clear()

    def places(self, places: Sequence[Place]) -> list[list[Any]]:
        """Set the places to report; return their values after the last run, at each point."""
        self._places = places
        return [self._found(run) for run in self._last]

    def run(self, variant: Variant, key: str) -> list[dict[str, Any]]:
        """Run a variant at all points; return a summary."""
        self._last = []
        for number in range(len(self._points[key])):
            with _quiet():
                self._last.append(self._ran(variant, key, number, watched=True))
        return [self._described(run, first=not number) for number, run in enumerate(self._last)]

    def trial(self, variant: Variant, key: str, trials: Sequence[Trial]) -> list[list[Any] | None]:
        """Return the values at the places after each trial modification, at the first point; None if it fails."""
        before = self._with_snapshots(variant, key)[0]
        with _quiet():
            return [self._tried(variant, key, trial, before) for trial in trials]

    def _tried(self, variant: Variant, key: str, trial: Trial, before: _Run) -> list[Any] | None:
        given = None if trial.given is None else self._candidates[trial.given][0]
        if trial.top is None:
            helpers = tuple((name, trial.code if name == trial.helper else code) for name, code in variant.helpers)
            run = self._ran(Variant(variant.codes, helpers, variant.given), key, 0)
        elif trial.top < len(before.snapshots):
            codes = (*variant.codes[: trial.top], trial.code, *variant.codes[trial.top + 1 :])
            changed = Variant(codes, variant.helpers, variant.given)
            run = self._ran(changed, key, 0, start=trial.top, before=before, given=given, stop_at_failure=True)
        else:
            return None
        fails = run.failed or bool(run.problems.keys() - before.problems.keys())  # a mend must not break others
        return None if fails else self._found(run)

    def evaluate(self, variant: Variant, key: str, top: int, code: bytes) -> list[Any] | None:
        """Return the value of an expression at each point, before the statement `top` runs; None if it fails."""
        values = []
        for run in self._with_snapshots(variant, key):
            if top >= len(run.snapshots):
                return None
            with _quiet():
                try:
                    values.append(eval(self._code(code), dict(run.snapshots[top].namespace)))  # noqa: S307
                except Exception:  # the learner's code may raise any exception
                    return None
        return values

    def variables(self, variant: Variant, key: str, top: int | None) -> list[str]:
        """Return the numeric variables before the statement `top` runs, or at the end if it is None."""
        run = self._with_snapshots(variant, key)[0]
        if top is not None and top >= len(run.snapshots):
            return []
        namespace = run.namespace if top is None else run.snapshots[top].namespace
        return [
            name
            for name, value in namespace.items()
            if not name.startswith("__") and self._globals.get(name) is not value
            if isinstance(value, np.ndarray | np.generic | float | int)
        ]

    # Running

    def _with_snapshots(self, variant: Variant, key: str) -> list[_Run]:
        """Return the runs of a variant with a snapshot before each statement; those of recent variants are cached."""
        found = self._kept.pop((variant, key), None)
        if found is None:
            while len(self._kept) >= _CACHED:
                self._kept.pop(next(iter(self._kept)))
            with _quiet():
                found = [self._ran(variant, key, n, keep_snapshots=True) for n in range(len(self._points[key]))]
        self._kept[variant, key] = found
        return found

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
            base = dict(self._globals)
            base["print"] = _silent
            base[TICK] = self._tick
            for _, code in variant.helpers:
                exec(self._code(code), base)  # noqa: S102  # the answer is run, as any program
            self._bases[variant.helpers] = base
        return base

    def _ran(
        self,
        variant: Variant,
        key: str,
        number: int,
        watched: bool = False,
        keep_snapshots: bool = False,
        start: int = 0,
        before: _Run | None = None,
        given: Any = None,
        stop_at_failure: bool = False,
    ) -> _Run:
        """Run a variant at a point, from statement `start` on if `before` is a run up to there.

        The values that the units assign are recorded only if `watched` is set.
        """
        run, kind = _Run(), type(self._instance)
        lost: set[str] = set()
        if before is not None:
            snapshot = before.snapshots[start]
            run.namespace = fresh(snapshot.namespace, snapshot.changeable, kind)
            run.problems = dict(snapshot.problems)
            for top in snapshot.problems:
                lost |= self._setup.stored[top]
        else:
            names = self._points[key][number].namespace(self._instance)
            more = self._more[number] if key == self._tried_at else {}
            more = {**more, **{name: self._candidates[index][number] for name, index in variant.given}}
            namespace = {**self._base(variant), **names, **more}
            run.namespace = fresh(namespace, changeable(namespace, self._globals, kind), kind)
        self._provide(run, given, watched)
        for top in range(start, len(variant.codes)):
            if keep_snapshots:
                changing = changeable(run.namespace, self._globals, kind)
                run.snapshots.append(_Snapshot(fresh(run.namespace, changing, kind), changing, dict(run.problems)))
            code = self._code(variant.codes[top])
            try:
                exec(code, run.namespace)  # noqa: S102  # the answer is run, as any program
            except _Return as early:
                run.returned = early.value
                break
            except _TooLongError:
                raise Refusal(
                    f"{self._setup.filename}:{self._setup.lines[top]}: {self._setup.title} runs for more than "
                    f"{self._limits.run_seconds:g} s on arrays of a few entries; does this loop end?"
                ) from None
            except MemoryError:
                if not stop_at_failure:
                    raise Refusal(
                        f"{self._setup.filename}:{self._setup.lines[top]}: {self._setup.title} used more than "
                        f"{self._limits.memory_text} of memory"
                    ) from None
                run.failed = True
                return run
            except (Exception, SystemExit, GeneratorExit) as error:  # the learner's code may raise any exception
                if stop_at_failure and top == start:
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
                lost |= self._setup.stored[top]
                for name in self._setup.stored[top]:
                    run.namespace.pop(name, None)
        return run

    def _provide(self, run: _Run, given: Any, watched: bool) -> None:
        self._deadline = time.perf_counter() + self._limits.run_seconds

        def seen(number: int, values: tuple[Any, ...]) -> None:
            rows = run.values.setdefault(number, [])
            row = tuple(_copied(value) for value in values)
            if len(rows) > _ROUNDS:
                rows[-1] = row
            else:
                rows.append(row)

        noted = seen if watched else _unseen
        services = {TICK: self._tick, SEEN: noted, RETURN: _Return, GIVEN: _copied(given), TRANSPOSE: transposed}
        run.namespace.update(services)

    def _tick(self) -> None:
        if time.perf_counter() > self._deadline:
            raise _TooLongError

    def _line(self, error: BaseException, code: CodeType, top: int) -> int:
        line, step = self._setup.lines[top], error.__traceback__
        while step is not None:
            if step.tb_frame.f_code is code:
                line = step.tb_lineno
            step = step.tb_next
        return line

    # Results

    def _described(self, run: _Run, first: bool) -> dict[str, Any]:
        values = {}
        for number, rows in run.values.items():
            several = number in self._setup.nested and len(rows) <= _ROUNDS
            values[number] = [[_listed(row[:1]) for row in rows] if several else [], _listed(rows[-1])]
        described: dict[str, Any] = {"values": values, "problems": run.problems}
        if self._places is not None:
            described["places"] = self._found(run)
        if first:
            described["overview"] = self._overview(run)
        return described

    def _overview(self, run: _Run) -> dict[str, Any]:
        """Summarize the return value and the final state of parameters and containers."""
        setup, value = self._setup, run.returned
        if value is None and setup.returned is not None:
            value = run.namespace.get(setup.returned)
        containers = {name: run.namespace.get(name) for name in setup.containers}
        return {
            "early": run.returned is not None,
            "container": any(value is held for held in containers.values()),
            "kind": type(value).__name__,
            "array": isinstance(value, np.ndarray | np.generic | int | float),
            "keys": list(value) if isinstance(value, Mapping) else None,
            "count": len(value) if isinstance(value, tuple | list) else None,
            "parameters": {name: run.namespace[name] for name in setup.parameters if name in run.namespace},
            "entries": {name: list(held) for name, held in containers.items() if isinstance(held, dict)},
        }

    def _found(self, run: _Run) -> list[Any]:
        return _listed(_at(place, run) for place in self._places or ())


def _at(place: Place, run: _Run) -> Any:
    try:
        if place.source in ("variable", "update"):
            return run.namespace.get(place.place)
        if place.source in ("attribute", "held"):
            return getattr(run.namespace.get("self"), place.place, None)
        if place.source == "entry":
            name, key = place.place
            container = run.namespace.get(name)
            return container.get(key) if isinstance(container, dict) else None
        returned: Any = run.namespace.get(OUT) if run.returned is None else run.returned
        return returned[place.place]
    except Exception:  # the objects may belong to the learner
        return None


def said(error: BaseException) -> str:
    """Format an exception as `Type: message`, on one line."""
    try:
        text = str(error)
    except Exception:  # its __str__ may be the learner's
        text = ""
    return f"{type(error).__name__}: {' '.join(text.split())[:300]}".rstrip(": ")


def _listed(row: Iterable[Any]) -> list[Any]:
    """Return the numbers and arrays of a row; describe anything else by its type."""
    kinds = (np.ndarray, np.generic, int, float, Opaque)
    return [value if value is None or isinstance(value, kinds) else Opaque(type(value).__name__) for value in row]


def _copied(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    return value.copy() if value.size <= 2**21 else Opaque(f"array of {value.size} entries")


def _unseen(number: int, values: tuple[Any, ...]) -> None:
    """Ignore the values that a unit has assigned."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings: an answer is also run with modifications that make no sense."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _silent(*arguments: Any, **options: Any) -> None:
    """A replacement for `print` while an answer is run hundreds of times."""


def transposed(value: Any) -> Any:
    """Transpose a matrix; for more axes, swap the last two."""
    return np.swapaxes(value, -1, -2) if np.ndim(value) > 1 else value
