"""Execution of an answer in its session: variants are run at points, and their results returned as plain data."""

from __future__ import annotations

import ast
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chainrule.cage import Caller, Given, Opaque, Path, Place, Probe, Refusal, Stopped, Trial
from chainrule.grading.answers import Answer
from chainrule.grading.comparison import Array
from chainrule.grading.instruments import GradeError, expression_code


@dataclass(frozen=True)
class Problem:
    """An exception raised by a statement: line and message; `caused` if it follows only from a missing earlier value.

    `kinds` are the names of its class and base classes.
    """

    line: int
    text: str
    kinds: tuple[str, ...]
    caused: bool


@dataclass(frozen=True)
class Overview:
    """What an answer gives: the returned value, and what has changed in its arguments.

    `early` if it returns before its end, `container` if the returned value is one of its containers, `kind` its type;
    `leaves` are the paths and kinds of what it holds, `count` its length, `outputs` the paths of the arrays in each
    returned value, `changed` the arrays in arguments and in the instance that are not as they were.
    """

    early: bool
    container: bool
    kind: str
    count: int | None
    leaves: Sequence[tuple[Path, str]]
    outputs: Mapping[str, Sequence[Path]]
    changed: Sequence[tuple[str, Path]]


@dataclass
class Run:
    """The results of one run: for each unit all values of its first target in loops, and the last values; problems.

    `wholes` are the units that change a part of an array, whose values are those of the array; `counts` say how often
    each unit ran, and `order`, of the first point, in which order. `places` are the values of the gradients.
    """

    rounds: Mapping[int, Sequence[Any]] = field(default_factory=dict)
    lasts: Mapping[int, Sequence[Any]] = field(default_factory=dict)
    wholes: frozenset[int] = frozenset()
    counts: Mapping[int, int] = field(default_factory=dict)
    order: Sequence[int] = ()
    problems: Mapping[int, Problem] = field(default_factory=dict)
    places: Sequence[Any] = ()
    overview: Overview | None = None


class Session:
    """One answer in the process that runs it.

    All data that come back depend on the answer: they are validated, and invalid data end the grading.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._counts: dict[str, int] = {}
        self._last = 0

    @property
    def clock(self) -> float:
        """Return the seconds of computation by this thread and by the answer."""
        return time.thread_time() + self._caller.cpu

    def load(self, path: str, source: bytes, name: str) -> Mapping[str, Any]:
        """Run a file and return the description of its function `name`."""
        found = self._call("load_file", path, source, name)
        if not isinstance(found, dict) or any(not isinstance(found.get(key), kind) for key, kind in _FORM.items()):
            raise GradeError(_STRANGE)
        parameters = [*found["parameters"], *(found["constructor"] or ())]
        numbers = [*found["numbers"].items(), *found["defaults"].items()]
        if not (
            all(isinstance(p, list) and list(map(type, p)) == [str, bool] for p in parameters)
            and all(isinstance(k, str) and isinstance(v, float) for k, v in numbers)
            and all(map(_is_attribute, found["attributes"] or ()))
        ):
            raise GradeError(_STRANGE)
        return found

    def make(self, given: Given) -> Sequence[Sequence[Any]]:
        """Create the instance of a class whose constructor needs arguments; return its attributes."""
        found = self._call("make", given)
        if not isinstance(found, list) or not all(_is_attribute(entry) for entry in found):
            raise GradeError(_STRANGE)
        return found

    def prepare(
        self, answer: Answer, defaults: Sequence[str], parameters: Sequence[str], containers: Sequence[str]
    ) -> None:
        """Send the data common to all variants of an answer."""
        self._call("prepare", answer.setup(defaults, parameters, containers))

    def give_points(self, key: str, points: Sequence[Given]) -> None:
        """Send the arguments at some points, under a key."""
        self._call("points", key, list(points))
        self._counts[key] = len(points)

    def give_candidates(self, key: str, values: Sequence[Sequence[Array]], more: Sequence[Mapping[str, Any]]) -> None:
        """Send candidate values for statements: the only time that correct values are sent to the process.

        It happens in the search for a mistake, after the verdict.
        """
        self._call("candidates", key, [list(column) for column in values], [dict(names) for names in more])

    def places(self, places: Sequence[Place]) -> list[list[Any]]:
        """Return the values at some places after the last run, at each point; later runs report them."""
        found = self._call("places", list(places))
        if not _has_rows(found, self._last, len(places)):
            raise GradeError(_STRANGE)
        return [list(row) for row in found]

    def run(self, answer: Answer, key: str, given: Mapping[str, int] | None = None) -> list[Run]:
        """Run an answer at all points of a key."""
        found = self._call("run", answer.variant(given or {}), key)
        with _expected():
            runs = [_run(described) for described in found]
        if len(runs) != self._counts[key] or runs[0].overview is None:
            raise GradeError(_STRANGE)
        self._last = len(runs)
        return runs

    def trial(
        self,
        answer: Answer,
        key: str,
        given: Mapping[str, int],
        trials: Sequence[Trial],
        probes: Sequence[Probe] = (),
    ) -> list[Any]:
        """Return the values at the places for each of the changes, at the first point.

        It is None for a failure, and where no probe allows the values: most changes need not be sent and compared.
        """
        found = self._call("trial", answer.variant(given), key, list(trials), list(probes))
        if not isinstance(found, list) or len(found) != len(trials):
            raise GradeError(_STRANGE)
        return found

    def evaluate(
        self, answer: Answer, key: str, given: Mapping[str, int], top: int, node: ast.expr
    ) -> list[Any] | None:
        """Evaluate an expression at each point, before the statement `top` runs; None for a failure."""
        try:
            code = expression_code(node)
        except (SyntaxError, ValueError, TypeError):
            return None
        found = self._call("evaluate", answer.variant(given), key, top, code)
        return found if isinstance(found, list) and len(found) > 0 else None

    def variables(
        self, answer: Answer, key: str, given: Mapping[str, int], top: int | None
    ) -> tuple[list[str], list[str]]:
        """Return the variables that hold numbers before the statement `top`, or at the end; then lists and dicts."""
        with _expected():
            numbers, holders = self._call("variables", answer.variant(given), key, top)
            return [str(name) for name in numbers], [str(name) for name in holders]

    def _call(self, request: str, *arguments: Any) -> Any:
        try:
            return self._caller.call(request, *arguments)
        except Stopped as error:
            raise LostError(str(error)) from None
        except Refusal as error:
            raise GradeError(str(error)) from None


class LostError(GradeError):
    """The process of an answer has ended."""


_FORM: Mapping[str, Any] = {
    "name": str,
    "code": str,
    "file": str,
    "line": int,
    "parameters": list,
    "owner": str,
    "attributes": list | None,
    "constructor": list | None,
    "numbers": dict,
    "defaults": dict,
}
"""The form of the description of a function."""


def _is_attribute(entry: object) -> bool:
    """Whether an entry is the path to an attribute, and its value."""
    return isinstance(entry, list) and len(entry) == 2 and _is_path(entry[0])


def _is_path(path: object) -> bool:
    return isinstance(path, list) and all(isinstance(step, str | int) for step in path)


def _has_rows(found: object, count: int, length: int) -> bool:
    """Whether an object is `count` lists of `length`."""
    if not isinstance(found, list) or len(found) != count:
        return False
    return all(isinstance(row, list) and len(row) == length for row in found)


_STRANGE = "the answer's process returned data that are not values, so that there is nothing to grade"


class _expected:  # noqa: N801  # reads as a statement
    """Converts errors due to data of an unexpected form, which the answer caused, to GradeError."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None and issubclass(kind, (TypeError, ValueError, KeyError, IndexError, AttributeError)):
            raise GradeError(_STRANGE) from None


def _run(described: Mapping[str, Any]) -> Run:
    rounds, lasts = {}, {}
    for number, (several, last) in described["values"].items():
        rounds[int(number)] = [row[0] for row in several if row]
        lasts[int(number)] = list(last)
    problems = {
        int(top): Problem(int(p["line"]), str(p["text"]), tuple(map(str, p["kinds"])), bool(p["caused"]))
        for top, p in described["problems"].items()
    }
    overview = described.get("overview")
    wholes = frozenset(int(number) for number in described["wholes"])
    counts = {int(number): int(count) for number, count in described["counts"].items()}
    places = described.get("places", ())
    order = [int(number) for number in described["order"]]
    return Run(
        rounds, lasts, wholes, counts, order, problems, places, None if overview is None else _overview(overview)
    )


def _overview(found: Mapping[str, Any]) -> Overview:
    return Overview(
        bool(found["early"]),
        bool(found["container"]),
        str(found["kind"]),
        None if found["count"] is None else int(found["count"]),
        [(tuple(path), str(kind)) for path, kind in found["leaves"]],
        {str(name): [tuple(path) for path in paths] for name, paths in found["outputs"].items()},
        [(str(root), tuple(path)) for root, path in found["changed"]],
    )


def columns(runs: Sequence[Run], number: int) -> list[list[Any]] | None:
    """Return the last values of each target of a unit at all points; None if the unit was not reached."""
    rows = [run.lasts.get(number) for run in runs]
    if any(not row for row in rows):
        return None
    return [list(column) for column in zip(*(row for row in rows if row), strict=False)]


def kind_of(value: Any) -> str:
    """Return the kind of a value, in words."""
    return value.kind if isinstance(value, Opaque) else type(value).__name__
