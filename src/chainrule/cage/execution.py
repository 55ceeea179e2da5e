"""Execution of an answer: loading, and the requests of the process that grades it.

An `Executor` lives in the process that runs the answer. It handles code and values, and does not know the correct ones.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.cage.finding import Refusal, UnmadeError, function_of
from chainrule.cage.limits import Limits
from chainrule.cage.objects import Given, Path, at, is_table, leaves
from chainrule.cage.running import OUT, Result, Runner, Setup, Variant, quiet, said
from chainrule.cage.wire import Opaque
from chainrule.interchange import program_to_json
from chainrule.trace import trace
from chainrule.words import ChainruleError

_CACHED = 3
_STARRED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_ROUNDS = 256
_MOST_LEAVES = 500


class Trial(NamedTuple):
    """A modification of a variant: other code for the statement `top` or the helper `helper`, with `given` values.

    `hole` is the code of a single statement inside of that code, which has a hole in its place.
    """

    code: bytes
    top: int | None = None
    helper: str = ""
    given: int | None = None
    hole: bytes = b""


class Probe(NamedTuple):
    """One entry that the value of a place has if it is right, with the tolerance; only arrays of floats are probed."""

    place: int
    size: int
    entry: int
    value: float
    tolerance: float

    def allows(self, found: Sequence[Any]) -> bool:
        """Whether the values found at the places may be right.

        >>> probe = Probe(0, 2, 1, 5.0, 0.1)
        >>> [probe.allows([np.array(pair)]) for pair in ([0.0, 5.05], [0.0, 6.0], [0.0, np.nan], [5.0])]
        [True, False, False, False]
        """
        value = found[self.place]
        if type(value) is not np.ndarray or value.dtype.kind != "f":
            return value is not None
        return value.size == self.size and abs(value.item(self.entry) - self.value) <= self.tolerance


@dataclass(frozen=True)
class Place:
    """The location of a value at the end of a run: a variable, or the returned value if `root` is "", and a path."""

    root: str
    path: Path = ()


class Executor:
    """An answer and its computed values. The public methods are requests; all return plain data or raise Refusal."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._function: Any = None
        self._instance: Any = None
        self._owner: type | None = None
        self._points: dict[str, list[Given]] = {}
        self._places: Sequence[Place] | None = None
        self._last: list[Result] = []
        self._kept: dict[tuple[Variant, str], list[Result]] = {}
        self._runner = Runner({}, limits)

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
        except UnmadeError as error:
            self._owner = error.owner
            function = error.method
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

    def traced(self) -> tuple[str, dict[str, Any]]:
        """Return the program of the function that was loaded, as JSON, and its arrays of numbers."""
        tensors: dict[str, Any] = {}
        try:
            program = trace(self._function)
        except ChainruleError as error:
            raise Refusal(str(error)) from None
        except BaseException as error:  # the function may raise any exception
            raise Refusal(f"the function cannot be run: {said(error)}") from None
        return json.dumps(program_to_json(program, tensors)), tensors

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
        names = {**plain.__globals__, **inspect.getclosurevars(plain).nonlocals}
        self._runner = Runner(names, self._limits)
        owner = self._owner or (None if self._instance is None else type(self._instance))
        return {
            "name": plain.__name__,
            "code": code.co_name,
            "file": code.co_filename,
            "line": code.co_firstlineno,
            "parameters": _parameters(plain),
            "owner": "" if owner is None else owner.__name__,
            "attributes": None if owner is None else self._attributes(),
            "constructor": None if self._owner is None else _parameters(self._owner),
            "numbers": {k: v for k, v in names.items() if type(v) is float},
            "defaults": {
                p.name: float(p.default)
                for p in inspect.signature(plain).parameters.values()
                if type(p.default) in (int, float)
            },
        }

    def make(self, given: Given) -> list[list[Any]]:
        """Create the instance of a class whose constructor needs arguments; return its attributes."""
        assert self._owner is not None
        try:
            with quiet():
                self._instance = given.made_with(self._owner)
        except Exception as error:  # the constructor is the learner's
            raise Refusal(
                f"{self._owner.__name__} cannot be made: {said(error)}; give its constructor default values"
            ) from None
        return self._attributes()

    def _attributes(self) -> list[list[Any]]:
        found = [] if self._instance is None else list(leaves(self._instance))[:_MOST_LEAVES]
        return [[list(path), value] for path, value in found]

    # Setup of a run

    def prepare(self, setup: Setup) -> None:
        """Set the properties shared by all variants of the answer."""
        defaults = (
            {p.name: p.default for p in inspect.signature(self._function).parameters.values()} if setup.defaults else {}
        )
        self._runner.prepare(setup, self._instance, {name: defaults[name] for name in setup.defaults})

    def set_globals(self, names: Mapping[str, Any]) -> None:
        """Set the global names of an answer that is not a function."""
        self._runner = Runner(names, self._limits)

    def points(self, key: str, points: Sequence[Given]) -> None:
        """Set the arguments at some points, under a key."""
        self._points[key] = list(points)

    def candidates(self, key: str, values: Sequence[Sequence[Any]], more: Sequence[Mapping[str, Any]]) -> None:
        """Set values with which statements can be tried, and additional names that modified statements use."""
        self._runner.give(key, values, more)
        self._kept.clear()

    def places(self, places: Sequence[Place]) -> list[list[Any]]:
        """Set the places to report; return their values after the last run, at each point."""
        self._places = places
        return [self._found(run) for run in self._last]

    def run(self, variant: Variant, key: str) -> list[dict[str, Any]]:
        """Run a variant at all points; return a summary."""
        self._last = []
        for number, given in enumerate(self._points[key]):
            with quiet():
                self._last.append(self._runner.run(variant, key, number, given, watched=True))
        return [self._described(run, key, number) for number, run in enumerate(self._last)]

    def trial(
        self, variant: Variant, key: str, trials: Sequence[Trial], probes: Sequence[Probe] = ()
    ) -> list[list[Any] | None]:
        """Return the values at the places after each trial modification, at the first point; None if it fails.

        Of those that no probe allows, None is returned as well.
        """
        before = self._with_snapshots(variant, key)[0]
        with quiet():
            found = [self._tried(variant, key, trial, before) for trial in trials]
        if not probes:
            return found
        return [v if v is not None and any(probe.allows(v) for probe in probes) else None for v in found]

    def _tried(self, variant: Variant, key: str, trial: Trial, before: Result) -> list[Any] | None:
        given = self._points[key][0]
        self._runner.fill(trial.hole)
        if trial.helper:
            helpers = tuple((name, trial.code if name == trial.helper else code) for name, code in variant.helpers)
            allowed = set(before.problems)
            run = self._runner.run(Variant(variant.codes, helpers, variant.given), key, 0, given, allowed=allowed)
        elif trial.top is not None and trial.top < len(before.snapshots):
            codes = (*variant.codes[: trial.top], trial.code, *variant.codes[trial.top + 1 :])
            changed = Variant(codes, variant.helpers, variant.given)
            allowed = before.problems.keys() - {trial.top}  # a mend must not break others
            run = self._runner.run(
                changed, key, 0, given, start=trial.top, before=before, candidate=trial.given, allowed=allowed
            )
        else:
            return None
        return None if run.failed else self._found(run)

    def evaluate(self, variant: Variant, key: str, top: int, code: bytes) -> list[Any] | None:
        """Return the value of an expression at each point, before the statement `top` runs; None if it fails."""
        values = []
        for run in self._with_snapshots(variant, key):
            if top >= len(run.snapshots):
                return None
            with quiet():
                try:
                    values.append(self._runner.evaluated(code, run.snapshots[top].namespace))
                except Exception:  # the learner's code may raise any exception
                    return None
        return values

    def variables(self, variant: Variant, key: str, top: int | None) -> list[list[str]]:
        """Return the variables that hold numbers before the statement `top` runs, or at the end if it is None.

        Lists and dicts of the answer follow, apart.
        """
        run = self._with_snapshots(variant, key)[0]
        if top is not None and top >= len(run.snapshots):
            return [[], []]
        namespace = run.namespace if top is None else run.snapshots[top].namespace
        own = {k: v for k, v in namespace.items() if "__" not in k and self._runner.names.get(k) is not v}
        numbers = [name for name, value in own.items() if isinstance(value, np.ndarray | np.generic | float | int)]
        return [numbers, [name for name, value in own.items() if isinstance(value, list | dict)]]

    def _with_snapshots(self, variant: Variant, key: str) -> list[Result]:
        """Return the runs of a variant with a snapshot before each statement; those of recent variants are cached."""
        found = self._kept.pop((variant, key), None)
        if found is None:
            while len(self._kept) >= _CACHED:
                self._kept.pop(next(iter(self._kept)))
            with quiet():
                found = [
                    self._runner.run(variant, key, number, given, keep_snapshots=True)
                    for number, given in enumerate(self._points[key])
                ]
        self._kept[variant, key] = found
        return found

    # Results

    def _described(self, run: Result, key: str, number: int) -> dict[str, Any]:
        values = {}
        for unit, rows in run.values.items():
            several = unit in self._runner.setup.nested and len(rows) <= _ROUNDS
            values[unit] = [[_listed(row[:1]) for row in rows] if several else [], _listed(rows[-1])]
        described: dict[str, Any] = {"values": values, "problems": run.problems, "wholes": sorted(run.wholes)}
        described["counts"] = run.counts
        described["order"] = [] if number else run.order
        if self._places is not None:
            described["places"] = self._found(run)
        if not number:
            described["overview"] = self._overview(run, self._points[key][0])
        return described

    def _overview(self, run: Result, given: Given) -> dict[str, Any]:
        """Summarize the returned value, and what has changed in parameters, containers and the instance."""
        setup, value = self._runner.setup, _returned(run)
        if value is None and setup.returned is not None:
            value = run.namespace.get(setup.returned)
        with quiet():
            before = given.namespace(self._instance)
        roots = [name for name in ("self", *setup.parameters, *setup.containers) if name in run.namespace]
        lost = [[name, []] for name in setup.parameters if name not in run.namespace]  # a failed statement assigns them
        return {
            "early": run.returned is not None,
            "container": any(value is run.namespace.get(name) for name in setup.containers),
            "kind": type(value).__name__,
            "count": len(value) if isinstance(value, tuple | list) else None,
            "leaves": [[list(path), _kind(leaf)] for path, leaf in list(leaves(value))[:_MOST_LEAVES]],
            "outputs": {
                name: [list(path) for path, leaf in list(leaves(held))[:_MOST_LEAVES] if _kind(leaf) == "array"]
                for name, held in run.namespace.items()
                if name.startswith(OUT)
            },
            "changed": lost
            + [
                [root, list(path)]
                for root in roots
                for path, leaf in list(leaves(run.namespace[root]))[:_MOST_LEAVES]
                if _kind(leaf) == "array" and not _are_same(leaf, at(before.get(root), path))
            ],
        }

    def _found(self, run: Result) -> list[Any]:
        return _listed(_at(place, run) for place in self._places or ())


def _parameters(function: Callable[..., Any]) -> list[list[Any]]:
    parameters = inspect.signature(function).parameters.values()
    return [[p.name, p.default is not p.empty] for p in parameters if p.kind not in _STARRED]


def _returned(run: Result) -> Any:
    return run.namespace.get(OUT) if run.returned is None else run.returned


def _at(place: Place, run: Result) -> Any:
    try:
        value = at(run.namespace.get(place.root) if place.root else _returned(run), place.path)
        return np.asarray(value) if isinstance(value, list) else value
    except Exception:  # the objects may belong to the learner
        return None


def _kind(value: Any) -> str:
    is_array = isinstance(value, np.ndarray | np.generic | int | float) or is_table(value)
    return "array" if is_array else type(value).__name__


def _are_same(first: Any, second: Any) -> bool:
    try:
        return second is not None and bool(np.array_equal(first, second, equal_nan=True))
    except (TypeError, ValueError):
        return False


def _listed(row: Iterable[Any]) -> list[Any]:
    """Return the numbers and arrays of a row; describe anything else by its type."""
    kinds = (np.ndarray, np.generic, int, float, Opaque)
    return [value if value is None or isinstance(value, kinds) else Opaque(type(value).__name__) for value in row]
