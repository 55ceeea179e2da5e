"""Running an answer at a point: statement by statement, what fails set aside, what is assigned recorded."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.grading.answers import GIVEN, RETURN, SEEN, TICK, Answer, GradeError

TIME_LIMIT = 5.0
"""Seconds that one run of an answer may take."""


@dataclass(frozen=True)
class Problem:
    """An exception that a statement raised: the line, what it says; `caused` if only for want of an earlier value."""

    line: int
    error: Exception
    caused: bool

    @property
    def text(self) -> str:
        return f"{type(self.error).__name__}: {self.error}"


@dataclass
class Run:
    """What one run left: each unit's values in order, problems by statement, the namespace, what was returned early."""

    values: dict[int, list[tuple[Any, ...]]] = field(default_factory=dict)
    problems: dict[int, Problem] = field(default_factory=dict)
    namespace: dict[str, Any] = field(default_factory=dict)
    returned: Any = None
    snapshots: list[tuple[dict[str, Any], dict[int, list[tuple[Any, ...]]], dict[int, Problem]]] = field(
        default_factory=list
    )

    def last(self, number: int) -> Any:
        """The value that a unit's first target had last; None for one that was not reached."""
        values = self.values.get(number)
        return values[-1][0] if values and values[-1] else None


class _Return(Exception):  # noqa: N818  # it ends a function, it reports nothing
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _TooLongError(Exception):
    pass


def run_answer(
    answer: Answer,
    arguments: Mapping[str, Any],
    keep_snapshots: bool = False,
    start: int = 0,
    before: Run | None = None,
    given: Any = None,
    stop_at_failure: bool = False,
) -> Run:
    """Run `answer`; from statement `start` on, where `before` is a run of the same answer up to there.

    With `stop_at_failure` nothing more is run when statement `start` fails.

    Raises GradeError for an answer that does not end.
    """
    run = Run()
    lost: set[str] = set()
    if before is not None and start < len(before.snapshots):
        namespace, values, problems = before.snapshots[start]
        run.namespace = fresh(namespace, answer)
        run.values = {number: list(rows) for number, rows in values.items()}
        run.problems = dict(problems)
        for top in problems:
            lost |= _stored(answer, top)
    else:
        start = 0
        run.namespace = fresh({**answer.base, **arguments}, answer)
    _provide(run, answer, given)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for top in range(start, len(answer.codes)):
            if keep_snapshots:
                rows = {number: list(values) for number, values in run.values.items()}
                run.snapshots.append((fresh(run.namespace, answer), rows, dict(run.problems)))
            try:
                exec(answer.codes[top], run.namespace)  # noqa: S102  # the answer is run, as any program
            except _Return as early:
                run.returned = early.value
                break
            except _TooLongError:
                line = answer.body[top].lineno
                raise GradeError(
                    f"{answer.filename}:{line}: {answer.name} runs for more than {TIME_LIMIT:.0f} s on arrays of a few "
                    "entries; does this loop end?"
                ) from None
            except Exception as error:  # the learner's code may raise anything
                caused = isinstance(error, NameError) and getattr(error, "name", None) in lost
                if stop_at_failure and top == start:
                    return run
                run.problems[top] = Problem(_line(error, answer, top), error, caused)
                names = _stored(answer, top)
                lost |= names
                for name in names:
                    run.namespace.pop(name, None)
    return run


def _provide(run: Run, answer: Answer, given: Any) -> None:
    deadline = time.perf_counter() + TIME_LIMIT

    def tick() -> None:
        if time.perf_counter() > deadline:
            raise _TooLongError

    def seen(number: int, values: tuple[Any, ...]) -> None:
        run.values.setdefault(number, []).append(tuple(_copied(value) for value in values))

    services = {TICK: tick, SEEN: seen, RETURN: _Return, GIVEN: _copied(given)}
    run.namespace.update(services)
    answer.base.update({TICK: tick})


def _stored(answer: Answer, top: int) -> frozenset[str]:
    """The variables that a statement assigns."""
    return answer.stored[top]


def _line(error: Exception, answer: Answer, top: int) -> int:
    line, step = answer.body[top].lineno, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code is answer.codes[top]:
            line = step.tb_lineno
        step = step.tb_next
    return line


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def fresh(namespace: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    """A copy in which nothing that a statement may change in place is shared."""
    base, kind = answer.globals, type(answer.instance)
    return {
        name: value
        if type(value) is float or base.get(name) is value
        else value.copy()
        if type(value) is np.ndarray
        else _deep(value, kind)
        for name, value in namespace.items()
    }


def _deep(value: Any, instance: type) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(_deep(item, instance) for item in value)
    if isinstance(value, Fresh):
        return value.fresh()
    if type(value) is dict:
        return {key: _deep(item, instance) for key, item in value.items()}
    return copy.deepcopy(value) if type(value) is instance and value is not None else value


class Fresh:
    """A value that knows how to copy itself for another run."""

    def fresh(self) -> Any:
        raise NotImplementedError


def columns(runs: Sequence[Run], number: int) -> list[list[Any]] | None:
    """For each target of a unit its last values at all points; None where the unit was not reached."""
    rows = [run.values.get(number) for run in runs]
    if any(not row for row in rows):
        return None
    return [list(column) for column in zip(*(row[-1] for row in rows if row), strict=False)]
