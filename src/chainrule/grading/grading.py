"""Grading a hand-written backward pass: run it, find what each line is, and explain the first mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chainrule.derivation import Derivation, derive, is_upstream
from chainrule.grading.answers import Answer, GradeError, Unit, prepare, read_answer
from chainrule.grading.arguments import Binding, bind
from chainrule.grading.comparison import agree, as_arrays, constant_ratios
from chainrule.grading.diagnosis import Diagnosis, Diagnostician
from chainrule.grading.equations import read_equations
from chainrule.grading.execution import Run, columns, run_answer
from chainrule.grading.grades import Grade, Line, Status
from chainrule.grading.names import CONTAINERS, TARGETS
from chainrule.grading.outcomes import Final, Outcomes
from chainrule.grading.search import Attempt, Mend, Search, same_values, updates
from chainrule.grading.truth import Assumption, Truth
from chainrule.ir import ChainruleError, Program, SymbolicDim


def grade(
    answer: Callable[..., Any] | str,
    against: Callable[..., Any] | Program | Derivation | str,
    wrt: Sequence[str] | str | None = None,
    **shapes: Any,
) -> Grade:
    """Grade a backward pass that somebody wrote by hand.

    Parameters
    ----------
    answer
        A function in NumPy. Its parameters are called like the inputs of `against`, or like its named values (`z1`,
        `a1`); a learning rate, and `cache` or `params` as a dict of these, are understood too. It returns gradients by
        name, in the order of `wrt`, or updates parameters. Or text, one equation a line, in the language of formulas:
        `dW2 = a1' * d2`, where `∂L/∂W2 = …`, `δ2 = …` and `⊙` are understood.
    against
        The forward pass, as `derive` takes it.
    wrt
        The gradients asked for; by default those that `derive` finds.
    **shapes
        The shapes of the arguments of `against`, as `derive` takes them.

    Raises
    ------
    GradeError
        For an answer that cannot be graded: a parameter that stands for nothing, no gradient among what is returned,
        a loop without end.

    Examples
    --------
    >>> import numpy as np
    >>> def loss(X: "n d", y: "n", w: "d"):
    ...     r = X @ w - y
    ...     return 0.5 * np.sum(r**2)
    >>> def backward(X, y, w):
    ...     r = X @ w - y
    ...     dw = X @ r
    ...     return {"w": dw}
    >>> print(grade(backward, loss).first_wrong.diagnosis.kind)
    transposed

    """
    truths = Truths(against, wrt, shapes)
    return grade_answer(truths.read(answer), truths, _title(against))


class Truths:
    """What an answer is graded against: the derivation with respect to every input, and the gradients asked for."""

    def __init__(
        self,
        against: Callable[..., Any] | Program | Derivation | str,
        wrt: Sequence[str] | str | None,
        shapes: Mapping[str, Any],
    ) -> None:
        if isinstance(against, Derivation) and wrt is None:
            asked = against
        else:
            asked = derive(against.record.traced if isinstance(against, Derivation) else against, wrt, **shapes)
        program = asked.record.traced
        given = [node for node in program.inputs if is_upstream(node)]
        required = [node.name for node in asked.record.backward.wrt]
        floats = [n.name for n in program.inputs if n.type.dtype.is_float and n not in given]
        self.wrt = required
        self.program = program
        self.derivation = derive(program, floats)
        self._made: dict[tuple[Assumption, bool], Truth | None] = {}

    def read(self, answer: Callable[..., Any] | str) -> Answer:
        """The answer that a function or lines of text are."""
        if not isinstance(answer, str):
            return read_answer(answer)
        truth = self.get()
        assert truth is not None
        return read_equations(answer, truth)

    @property
    def assumptions(self) -> list[Assumption]:
        """What may be assumed of targets; nothing, where there are none."""
        targets = {*TARGETS, "mask", "q", "p"}
        floats = [n for n in self.program.inputs if n.type.dtype.is_float and n.type.ndim]
        return ["any", "distribution", "indicator"] if any(n.name.casefold() in targets for n in floats) else ["any"]

    def get(self, assume: Assumption = "any", single: bool = False) -> Truth | None:
        """The truth under an assumption, or for one sample; None where there is no such point."""
        key = (assume, single)
        if key not in self._made:
            self._made[key] = self._make(assume, single)
        return self._made[key]

    def _make(self, assume: Assumption, single: bool) -> Truth | None:
        batch = batch_size(self.program)
        if assume == "any" and not single:
            return Truth(self.derivation, batch)
        if single and batch is None:
            return None
        try:
            return Truth(self.derivation, batch, assume, single)
        except (ChainruleError, ValueError, IndexError):
            return None


def _title(against: object) -> str:
    """What an answer is said to agree with."""
    return against if isinstance(against, str) else str(getattr(against, "__name__", "the reference"))


def batch_size(program: Program) -> str | None:
    """The name of the size that counts samples: the first of the first array, where no parameter has it."""
    shapes = [node.type.shape for node in program.inputs if node.type.ndim]
    if not shapes or not isinstance(shapes[0][0], SymbolicDim):
        return None
    first = shapes[0][0]
    inner = [dim for shape in shapes for dim in shape[1:]]
    return str(first) if first not in inner else None


def grade_answer(answer: Answer, truths: Truths, against: str) -> Grade:
    """Grade an answer that has been read."""
    generic = truths.get()
    assert generic is not None
    binding = bind(answer, generic, truths.wrt)
    containers = {p.name for p in answer.parameters if p.name.casefold() in CONTAINERS and p.name in binding.containers}
    prepare(answer, containers)
    best: tuple[tuple[int, int], Grader] | None = None
    for assume in truths.assumptions:
        truth = truths.get(assume)
        if truth is None:
            continue
        grader = Grader(answer, truth, binding, truths, assume)
        if grader.is_right:
            best = (0, 0), grader
            break
        score = len(grader.attempt.right), grader.known()
        if best is None or score > best[0]:
            best = score, grader
    assert best is not None
    return best[1].grade(against)


class Grader:
    """Grades one answer against one truth."""

    def __init__(self, answer: Answer, truth: Truth, binding: Binding, truths: Truths, assume: Assumption) -> None:
        self._answer = answer
        self._truth = truth
        self._binding = binding
        self._truths = truths
        self._assume = assume
        runs = [run_answer(answer, binding.arguments(point, truth)) for point in truth.points]
        self._refuse_failures(runs[0])
        self.outcomes = Outcomes(answer, binding, truth, truths.wrt, runs)
        self.outcomes.check_numbers(answer, runs)
        self.search = Search(truth, binding, self.outcomes)
        self.attempt = self.search.attempt(answer)

    def _refuse_failures(self, run: Run) -> None:
        """An exception that has nothing to do with shapes makes an answer unusable."""
        for problem in run.problems.values():
            if problem.caused or isinstance(problem.error, ValueError):
                continue
            if isinstance(problem.error, TypeError | IndexError) and "dimension" in str(problem.error):
                continue
            raise GradeError(f"{self._answer.filename}:{problem.line}: {problem.text}")

    @property
    def is_right(self) -> bool:
        return len(self.attempt.right) == len(self.outcomes.finals) and not self.outcomes.missing

    def known(self) -> int:
        """How many lines are something true."""
        return sum(
            self.search.identity(self.attempt, u).trust > 0
            for u in self._answer.units
            if u.top is not None and not u.hidden
        )

    def grade(self, against: str) -> Grade:
        """Say what every line is."""
        mends, after = self.search.mistakes(self.attempt)
        diagnoses = self._diagnoses(mends)
        if not mends and len(self.attempt.right) < len(self.outcomes.finals):
            diagnoses = self._unexplained()
        first = min((self._answer.unit(number).order for number in diagnoses), default=None)
        lines = []
        for unit in sorted(self._answer.units, key=lambda u: u.order):
            line = self._line(unit, mends, diagnoses, after, first)
            if line is not None:
                lines.append(line)
        finals = {final.symbol for final in self.outcomes.finals}
        gradients = {symbol: "right" if symbol in self.attempt.right else "wrong" for symbol in self._ordered(finals)}
        gradients.update(dict.fromkeys(self.outcomes.missing, "missing"))
        updates = frozenset(final.symbol for final in self.outcomes.finals if final.is_update)
        remarks = self._remarks(mends, diagnoses)
        loss = self._truth.record.loss.name
        return Grade(self._answer.name, against, self.is_right, gradients, tuple(lines), updates, loss, tuple(remarks))

    def _ordered(self, symbols: set[str]) -> list[str]:
        order = [*self._truths.wrt, *self._truth.inputs]
        return sorted(symbols, key=order.index)

    def _diagnoses(self, mends: Sequence[Mend]) -> dict[int, Diagnosis]:
        teacher = Diagnostician(self._truth, self.search)
        single = self._right_for_one_sample() if mends else frozenset()
        attempt, found = self.attempt, dict[int, Diagnosis]()
        for mend in mends:
            diagnosis = teacher.of(attempt, mend)
            values = {"batch": self._truth.batch or "", **diagnosis.values}
            problem = next((p for top, p in attempt.runs[0].problems.items() if top == mend.unit.top), None)
            if problem is not None and not problem.caused:
                values.update(teacher.misfit(attempt, mend.unit) or {"problem": problem.text})
            found.setdefault(
                mend.unit.number, replace(diagnosis, values=values, single=bool(mend.gain) and mend.gain <= single)
            )
            attempt = mend.after
        return found

    def _unexplained(self) -> dict[int, Diagnosis]:
        """The first line that is not what it is called, where nothing mends it; else the first that is not known."""
        units = [u for u in self._answer.units if u.top is not None and not u.hidden]
        trusts = {u.number: self.search.identity(self.attempt, u).trust for u in units}
        doubted = [u for u in units if trusts[u.number] < 0]
        doubted += [u for u in units if trusts[u.number] == 0 and u.names and self.search.claim(u.names[0])]
        wrong = [final for final in self.outcomes.finals if final.symbol not in self.attempt.right]
        doubted += [u for u in units if any(final.label in u.names or updates(final, u) for final in wrong)]
        doubted += [u for u in units if trusts[u.number] < 3]
        teacher = Diagnostician(self._truth, self.search)
        return {u.number: Diagnosis("other", teacher.misfit(self.attempt, u)) for u in (doubted or units)[:1]}

    def _right_for_one_sample(self) -> frozenset[str]:
        """The gradients that are right where the batch is one sample."""
        truth = self._truths.get(self._assume, single=True)
        if truth is None:
            return frozenset()
        try:
            runs = [run_answer(self._answer, self._binding.arguments(p, truth)) for p in truth.points]
            return self.outcomes.right(runs, truth)
        except (ChainruleError, ValueError):
            return frozenset()

    def _line(
        self,
        unit: Unit,
        mends: Sequence[Mend],
        diagnoses: Mapping[int, Diagnosis],
        after: Attempt,
        first: tuple[int, int] | None,
    ) -> Line | None:
        source = self._answer.source(unit.line)
        name = unit.names[0] if unit.names else ""
        if unit.number in diagnoses:
            status: Status = "wrong" if unit.order == first else "also wrong"
            return Line(unit.line, source, name, status, diagnosis=diagnoses[unit.number])
        if unit.top is None or unit.hidden:
            return None
        if not same_values(self.attempt.runs, after.runs, unit):
            return Line(unit.line, source, name, "consequence", cause=self._cause(unit, mends))
        meaning = self._meaning(unit, name)
        if meaning:
            return Line(unit.line, source, name, "confirmed", meaning)
        return Line(unit.line, source, name, "computed")

    def _cause(self, unit: Unit, mends: Sequence[Mend]) -> int:
        """The line of the first mistake that a unit's value depends on."""
        before = self.attempt
        causes = []
        for mend in mends:
            if not same_values(before.runs, mend.after.runs, unit):
                causes.append(mend.unit.line)
            before = mend.after
        return min(causes, default=mends[0].unit.line)

    def _meaning(self, unit: Unit, name: str) -> str:
        """What the value of a unit is; "" for nothing worth saying."""
        update = next((f for f in self.outcomes.finals if f.is_update and updates(f, unit)), None)
        if update is not None and self._descends(update, unit):
            rate = "η" if self._binding.rate else f"{self.outcomes.rates[0]:g}"
            return f"{update.symbol} − {rate} {self._truth.gradient_label(update.symbol)}"
        identity = self.search.identity(self.attempt, unit)
        if not identity.trust:
            return ""
        matches = identity.each or ((identity.match,) if identity.match is not None else ())
        labels = list(dict.fromkeys(match.text for match in matches if match.quantity.label))
        return ", ".join(labels)

    def _descends(self, final: Final, unit: Unit) -> bool:
        """Whether a unit gives a parameter the value that a step of gradient descent would."""
        found = columns(self.attempt.runs, unit.number)
        values = as_arrays(found[0]) if found else None
        true = self.outcomes.true(final, self._truth).values
        steps = zip(self._truth.points, self.outcomes.rates, true, strict=True)
        return values is not None and agree(values, [p.values[final.symbol] - rate * g for p, rate, g in steps])

    def _remarks(
        self, mends: Sequence[Mend], diagnoses: Mapping[int, Diagnosis]
    ) -> list[tuple[str, Mapping[str, str]]]:
        remarks: list[tuple[str, Mapping[str, str]]] = []
        if self._assume in ("distribution", "indicator"):
            remarks.append((self._assume, {}))
        wrong = [final for final in self.outcomes.finals if final.symbol not in self.attempt.right]
        if wrong and not mends:
            remarks.append(("unexplained", {}))
        if (
            len(wrong) > 1
            and len(wrong) == len(self.outcomes.finals)
            and all(d.kind in ("factor", "sign") for d in diagnoses.values())
        ):
            factors = set()
            for final in wrong:
                found = self.outcomes.gradients(final, self.attempt.runs, self._truth)
                ratios = (
                    None if found is None else constant_ratios(found, self.outcomes.true(final, self._truth).values)
                )
                factors.add(None if ratios is None else self._truth.factor(ratios))
            if len(factors) == 1 and None not in factors and "−" not in factors:
                remarks.append(("everywhere", {"factor": str(factors.pop())}))
        if len(diagnoses) > 1 and all(d.kind == "direction" for d in diagnoses.values()):
            remarks.append(("every direction", {}))
        return remarks
