"""How often a single mistake in a right answer is named: its line and its cause; and what is said that is false."""

from __future__ import annotations

import ast
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import chainrule
from benchmarks.grading.corpus import DATA, NAMES, book_of, graded
from benchmarks.grading.operators import Mutant, sampled
from benchmarks.settings import Settings, say
from chainrule.files import replacing
from chainrule.grading import Grade, GradeError

EACH = 15
"""Mutants of each answer."""


@dataclass
class Tally:
    """How mutants fared: `found` at the right line with the right cause, `lined` at the right line at least.

    `refused` are those without a verdict (a name that is not defined there yet), `equal` those that change nothing.
    """

    mutants: int = 0
    found: int = 0
    lined: int = 0
    mends: int = 0
    refused: int = 0
    equal: int = 0
    missed: list[str] = field(default_factory=list)
    false_confirmations: list[str] = field(default_factory=list)
    false_mends: list[str] = field(default_factory=list)
    by_mistake: dict[str, int] = field(default_factory=dict)
    found_by_mistake: dict[str, int] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Add another tally to this one."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            setattr(self, name, dict(Counter(mine) + Counter(value)) if isinstance(value, dict) else mine + value)


@cache
def meanings(name: str) -> dict[int, str]:
    """Return what the lines of the right answer are confirmed to be."""
    return {line.number: line.meaning for line in graded(name, book_of(name).text).lines}


def tally(name: str, count: int = EACH) -> Tally:
    """Grade mutants of one answer."""
    result = Tally()
    for mutant in sampled(name, count):
        judge(mutant, result)
    return result


def judge(mutant: Mutant, result: Tally) -> None:
    """Grade one mutant, and add what came of it."""
    try:
        grade = graded(mutant.name, mutant.source)
    except GradeError:
        result.refused += 1
        return
    if grade.right:
        result.equal += 1
        return
    result.mutants += 1
    result.by_mistake[mutant.mistake] = result.by_mistake.get(mutant.mistake, 0) + 1
    first = grade.first_wrong
    diagnosis = None if first is None else first.diagnosis
    said = "nothing" if first is None or diagnosis is None else f"{first.number} {diagnosis.kind}"
    shown = f"{mutant.name} {mutant.line} [{mutant.mistake}] {mutant.after}: {said}"
    lined = first is not None and first.number in mutant.lines
    if lined:
        result.lined += 1
    if lined and diagnosis is not None and diagnosis.kind in mutant.kinds:
        result.found += 1
        result.found_by_mistake[mutant.mistake] = result.found_by_mistake.get(mutant.mistake, 0) + 1
    else:
        result.missed.append(shown)
    if mutant.mistake != "statement left out":
        on_line = [line for line in grade.lines if line.number == mutant.line]
        base = meanings(mutant.name)
        for line in on_line if not any(line.diagnosis for line in on_line) else ():
            if line.status == "confirmed" and line.meaning == base.get(line.number) and len(mutant.lines) == 1:
                result.false_confirmations.append(f"{shown}; {line.meaning}")
    _judge_mends(mutant, grade, result, shown)


def _judge_mends(mutant: Mutant, grade: Grade, result: Tally, shown: str) -> None:
    """Put the printed mends into the answer, and grade it again."""
    marked = [line for line in grade.lines if line.diagnosis is not None]
    codes = {line.number: line.diagnosis.code for line in marked if line.diagnosis is not None}
    lines = mutant.source.split("\n")
    given = {number: code for number, code in codes.items() if code}
    for number, code in given.items():
        mended = _put(lines[number - 1], code)
        if mended is None:
            return
        lines[number - 1] = mended
    if not given:
        return
    result.mends += 1
    try:
        again = graded(mutant.name, "\n".join(lines))
    except GradeError as error:
        result.false_mends.append(f"{shown}: {given}: {error}")
        return
    right = {name for name, verdict in again.gradients.items() if verdict == "right"}
    before = {name for name, verdict in grade.gradients.items() if verdict == "right"}
    if not right > before or (len(given) == len(marked) and not again.right):
        result.false_mends.append(f"{shown}: {given}")


def _put(line: str, code: str) -> str | None:
    """Return a line with a mend in its place; None for a mend of a part of a line."""
    indent = line[: len(line) - len(line.lstrip())]
    whole = line.strip().rstrip(":").startswith(("for ", "if "))
    try:
        kinds = [] if whole else [type(ast.parse(text).body[0]) for text in (line.strip(), code)]
    except SyntaxError:
        return None
    if kinds and ast.Expr in kinds and ast.Expr is not kinds[0]:
        return None
    return indent + code


def run(settings: Settings) -> dict[str, Any]:
    """Grade mutants of every answer; an interrupted run of the same program goes on where it was."""
    total = Tally()
    count = 2 if settings.quick else EACH
    kept = Path(tempfile.gettempdir()) / f"chainrule-mutants-{_fingerprint()}-{count}"
    kept.mkdir(exist_ok=True)
    for name in NAMES:
        file = kept / f"{name}.json"
        if file.exists():
            each = Tally(**json.loads(file.read_text(encoding="utf-8")))
        else:
            each = tally(name, count)
            with replacing(str(file)) as stream:
                stream.write(json.dumps(asdict(each)).encode())
        total.add(each)
        say(
            f"mutants: {name}: {each.found} of {each.mutants}; so far {total.found} of {total.mutants}, "
            f"false: {len(total.false_confirmations)} confirmations, {len(total.false_mends)} mends"
        )
    return {"title": "single mistakes in right answers, as the grader names them", **asdict(total)}


def _fingerprint() -> str:
    """Return a name for the text of the grader, of the answers and of their mistakes."""
    package = Path(chainrule.__file__).parent
    folders = [package / "grading", package / "cage", Path(__file__).parent]
    files = [*(file for folder in folders for file in folder.glob("*.py")), *DATA.glob("*.txt")]
    whole = hashlib.sha256()
    for file in sorted(files):
        whole.update(file.read_bytes())
    return whole.hexdigest()[:12]


def text(report: dict[str, Any]) -> str:
    """Return the figures, and the mutants that were not named."""
    count = max(report["mutants"], 1)
    lines = [
        f"{report['mutants']} mutants ({report['refused']} more without a verdict, {report['equal']} without effect)",
        f"right line and cause: {report['found']} ({report['found'] / count:.1%}); right line: {report['lined']} "
        f"({report['lined'] / count:.1%})",
        f"false confirmations: {len(report['false_confirmations'])}",
        f"mends: {report['mends']} run, of which false: {len(report['false_mends'])}",
        "",
        *(
            f"{report['found_by_mistake'].get(mistake, 0):4} of {number:4}  {mistake}"
            for mistake, number in sorted(report["by_mistake"].items())
        ),
        *_listed("not named", report["missed"]),
        *_listed("false confirmations", report["false_confirmations"]),
        *_listed("false mends", report["false_mends"]),
    ]
    return "\n".join(lines)


def _listed(title: str, entries: Sequence[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {entry}" for entry in entries)] if entries else []
