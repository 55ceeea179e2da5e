"""Running an answer at points: statement by statement, what fails set aside, what is assigned recorded.

An `Executor` lives in the process in which the answer runs and answers requests. It knows code and values and nothing
of what they should be.
"""

from __future__ import annotations

import inspect
import marshal
import os
import sys
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

from chainrule.cage.finding import Refusal, function_of
from chainrule.cage.limits import Limits
from chainrule.cage.objects import Given, changeable, fresh
from chainrule.cage.wire import Opaque

TICK, SEEN, RETURN, GIVEN, TRANSPOSE = "__tick__", "__seen__", "__Return__", "__given__", "__transpose__"
OUT = "__out_"
"""Where what an answer returns as a whole is kept."""
_ROUNDS = 256
_CACHED = 3
_STARRED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Variant:
    """An answer as it is run: the code of each statement, that of its file's helpers, and values given for names.

    A value is given by its number among the candidates.
    """

    codes: tuple[bytes, ...]
    helpers: tuple[tuple[str, bytes], ...]
    given: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Trial:
    """A change of a variant: the statement `top`, or the helper `helper`, with other code; what `given` is."""

    code: bytes
    top: int | None = None
    helper: str = ""
    given: int | None = None


@dataclass(frozen=True)
class Setup:
    """What does not depend on the variant: lines, and the variables assigned, of the statements.

    `returned` is the variable that holds what is returned, if one does; `nested` are the units in loops.
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
    """Where a gradient of an answer is: in a variable, an attribute, an entry of a container, in what is returned."""

    source: str
    place: Any


@dataclass(frozen=True)
class _Snapshot:
    """What was there before a statement: variables, those that may change in place, and what had failed."""

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
    """An answer, and what it computes. The public methods are requests; all give plain data, or raise Refusal."""

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
        """Run a file as a module and say what the function `name`, or `Class.method`, in it is."""
        folder = os.path.dirname(os.path.abspath(path))
        sys.path.insert(0, folder)
        title = f"_chainrule_{os.path.splitext(os.path.basename(path))[0]}"
        module = types.ModuleType(title)
        module.__file__ = os.path.abspath(path)
        sys.modules[title] = module  # dataclasses look their module up
        try:
            exec(compile(source, path, "exec"), vars(module))  # noqa: S102
            function = function_of(module, path, name)
        except Refusal:
            raise
        except BaseException as error:  # the file may raise anything
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
        """What a function is: where it is written, its parameters, and the attributes of the instance it belongs to."""
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

    # What is run

    def prepare(self, setup: Setup) -> None:
        """Take what holds of all variants of the answer."""
        self._setup = setup
        defaults = (
            {p.name: p.default for p in inspect.signature(self._function).parameters.values()} if setup.defaults else {}
        )
        self._globals.update({name: defaults[name] for name in setup.defaults})

    def set_globals(self, names: Mapping[str, Any]) -> None:
        """Take the global names of an answer that is no function."""
        self._globals = dict(names)

    def points(self, key: str, points: Sequence[Given]) -> None:
        """Take the arguments at some points, under a name."""
        self._points[key] = list(points)

    def candidates(self, key: str, values: Sequence[Sequence[Any]], more: Sequence[Mapping[str, Any]]) -> None:
        """Take values that statements can be tried with, and names that changed statements use besides."""
        self._candidates, self._more, self._tried_at = values, more, key
        self._kept.clear()

    def places(self, places: Sequence[Place]) -> list[list[Any]]:
        """Say from now on what is at these places; the values there after the last run, at each point."""
        self._places = places
        return [self._found(run) for run in self._last]

    def run(self, variant: Variant, key: str) -> list[dict[str, Any]]:
        """Run a variant at all points and say what came of it."""
        self._last = [self._ran(variant, key, number) for number in range(len(self._points[key]))]
        return [self._described(run, first=not number) for number, run in enumerate(self._last)]

    def trial(self, variant: Variant, key: str, trials: Sequence[Trial]) -> list[list[Any] | None]:
        """What is at the places when one change after the other is made, at the first point; None where it fails."""
        return [self._tried(variant, key, trial) for trial in trials]

    def _tried(self, variant: Variant, key: str, trial: Trial) -> list[Any] | None:
        given = None if trial.given is None else self._candidates[trial.given][0]
        before = self._with_snapshots(variant, key)[0]
        if trial.top is None:
            helpers = tuple((name, trial.code if name == trial.helper else code) for name, code in variant.helpers)
            run = self._ran(Variant(variant.codes, helpers, variant.given), key, 0)
        elif trial.top < len(before.snapshots):
            codes = (*variant.codes[: trial.top], trial.code, *variant.codes[trial.top + 1 :])
            changed = Variant(codes, variant.helpers, variant.given)
            run = self._ran(changed, key, 0, start=trial.top, before=before, given=given, stop_at_failure=True)
        else:
            return None
        fails = run.failed or bool(run.problems.keys() - before.problems.keys())  # a mend breaks no other statement
        return None if fails else self._found(run)

    def evaluate(self, variant: Variant, key: str, top: int, code: bytes) -> list[Any] | None:
        """The value of an expression at each point, before the statement `top` runs; None where it fails."""
        values = []
        for run in self._with_snapshots(variant, key):
            if top >= len(run.snapshots):
                return None
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    values.append(eval(self._code(code), dict(run.snapshots[top].namespace)))  # noqa: S307
                except Exception:  # the learner's code may raise anything
                    return None
        return values

    def variables(self, variant: Variant, key: str, top: int | None) -> list[str]:
        """The variables that hold numbers before the statement `top` runs; in the end, without one."""
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
        """The runs of a variant with what was there before each statement; those of the last variants are kept."""
        found = self._kept.pop((variant, key), None)
        if found is None:
            while len(self._kept) >= _CACHED:
                self._kept.pop(next(iter(self._kept)))
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
        """The globals that the answer sees, its file's helpers defined anew so that they can be watched and changed."""
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
        keep_snapshots: bool = False,
        start: int = 0,
        before: _Run | None = None,
        given: Any = None,
        stop_at_failure: bool = False,
    ) -> _Run:
        """Run a variant at a point; from statement `start` on, where `before` is a run up to there."""
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
        self._provide(run, given)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
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
                except (Exception, SystemExit, GeneratorExit) as error:  # the learner's code may raise anything
                    if stop_at_failure and top == start:
                        run.failed = True
                        return run
                    missing = isinstance(error, NameError) and getattr(error, "name", None) in lost
                    follows = bool(run.problems) and isinstance(
                        error, KeyError | AttributeError | IndexError | TypeError
                    )
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

    def _provide(self, run: _Run, given: Any) -> None:
        self._deadline = time.perf_counter() + self._limits.run_seconds

        def seen(number: int, values: tuple[Any, ...]) -> None:
            rows = run.values.setdefault(number, [])
            row = tuple(_copied(value) for value in values)
            if len(rows) > _ROUNDS:
                rows[-1] = row
            else:
                rows.append(row)

        services = {TICK: self._tick, SEEN: seen, RETURN: _Return, GIVEN: _copied(given), TRANSPOSE: transposed}
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

    # What came of it

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
        """What is returned, and what is there in the end of parameters and containers."""
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
    except Exception:  # the objects may be the learner's own
        return None


def said(error: BaseException) -> str:
    """An exception as `Type: message`, on one line."""
    try:
        text = str(error)
    except Exception:  # its __str__ may be the learner's own
        text = ""
    return f"{type(error).__name__}: {' '.join(text.split())[:300]}".rstrip(": ")


def _listed(row: Iterable[Any]) -> list[Any]:
    """Numbers and arrays of a row; of anything else, what it is."""
    kinds = (np.ndarray, np.generic, int, float, Opaque)
    return [value if value is None or isinstance(value, kinds) else Opaque(type(value).__name__) for value in row]


def _copied(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    return value.copy() if value.size <= 2**21 else Opaque(f"array of {value.size} entries")


def _silent(*arguments: Any, **options: Any) -> None:
    """What `print` is while an answer is run hundreds of times."""


def transposed(value: Any) -> Any:
    """The transpose of a matrix; of more axes, the last two exchanged."""
    return np.swapaxes(value, -1, -2) if np.ndim(value) > 1 else value
