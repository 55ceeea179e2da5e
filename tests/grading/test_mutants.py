"""Single mistakes in correct answers: the correct diagnosis at the right line, and no false confirmation."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache

import pytest
from support.grading_mutants import NAMES, Mutant, function, sampled
from support.grading_truths import truths_of

from chainrule.cage import Limits
from chainrule.grading import Grade, GradeError
from chainrule.grading.grading import grade_against

COUNT = 6
"""Mutants of each answer."""
GROUPS = 6
"""In so many groups the answers are taken, each with 25 mutants at least and nine in ten found."""


@dataclass
class Tally:
    """How mutants of one answer fared."""

    mutants: int = 0
    found: int = 0
    missed: tuple[str, ...] = ()
    false: tuple[str, ...] = ()


def tally(name: str) -> Tally:
    truths = truths_of(name)
    base = {line.number: line.meaning for line in graded(name).lines}
    result = Tally()
    for mutant in sampled(name, COUNT):
        try:
            grade = grade_against(mutant.function(), truths, "it", Limits())
        except GradeError:  # a name that is not defined there yet: not graded, not confirmed
            continue
        if grade.right:  # the change changes nothing
            continue
        result.mutants += 1
        if names_mistake(grade, mutant):
            result.found += 1
        else:
            result.missed += (f"{mutant.line} [{mutant.mistake}] {mutant.after}: {shown(grade)}",)
        on_line = [line for line in grade.lines if line.number == mutant.line]
        for line in on_line if not any(line.diagnosis for line in on_line) else ():  # a line can hold several values
            if line.status == "confirmed" and line.meaning == base[line.number]:
                result.false += (f"{mutant.line} {mutant.after}: {line.meaning}",)
    return result


@cache
def graded(name: str) -> Grade:
    return grade_against(function(name), truths_of(name), "it", Limits())


def names_mistake(grade: Grade, mutant: Mutant) -> bool:
    first = grade.first_wrong
    if first is None or first.diagnosis is None:
        return False
    return first.number == mutant.line and first.diagnosis.kind in mutant.kinds


def shown(grade: Grade) -> str:
    first = grade.first_wrong
    return "nothing" if first is None or first.diagnosis is None else f"{first.number} {first.diagnosis.kind}"


@pytest.mark.parametrize("name", NAMES)
def test_a_right_answer_is_right(name: str) -> None:
    grade = graded(name)
    assert grade.right, str(grade)
    assert not any(line.status in ("wrong", "also wrong", "consequence") for line in grade.lines)


@pytest.mark.parametrize("group", range(GROUPS))
def test_mistakes_are_named_where_they_are(group: int) -> None:
    total = Tally()
    report = []
    for name in NAMES[group::GROUPS]:
        result = tally(name)
        total.mutants += result.mutants
        total.found += result.found
        total.false += result.false
        report += [f"{name}: {result.found} of {result.mutants}", *(f"    {line}" for line in result.missed)]
    text = "\n".join(report)
    sys.stdout.write(text + "\n")  # `pytest -n 0 -s` shows the table
    assert not total.false
    assert total.mutants >= 150 / GROUPS
    assert total.found >= 0.9 * total.mutants, f"{total.found} of {total.mutants}\n{text}"
