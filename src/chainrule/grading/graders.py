"""Grading of one answer: it is run, each line is identified, and the first mistake explained."""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from chainrule.cage import OUT
from chainrule.derivation import is_upstream, output_name
from chainrule.grading.answers import Answer, Unit, attributes_of
from chainrule.grading.arguments import Binder, Binding
from chainrule.grading.attempts import Attempt, same_values
from chainrule.grading.comparison import agree, as_arrays, constant_ratios
from chainrule.grading.diagnosis import Diagnosis, Diagnostician
from chainrule.grading.exchanges import exchanged
from chainrule.grading.execution import Run, Session, columns
from chainrule.grading.faults import spared
from chainrule.grading.finals import Final
from chainrule.grading.grades import Grade, Line, Status
from chainrule.grading.instruments import GradeError
from chainrule.grading.measures import Measures
from chainrule.grading.mending import WORK, Mend, Mender
from chainrule.grading.outcomes import Outcomes
from chainrule.grading.points import Assumption
from chainrule.grading.quantities import Match
from chainrule.grading.references import Truths
from chainrule.grading.requested import unasked
from chainrule.grading.samples import counts_samples
from chainrule.grading.search import Search
from chainrule.grading.statements import prepare
from chainrule.grading.truth import Truth
from chainrule.grading.updates import step_of
from chainrule.words import ChainruleError

_LONGEST_NAME = 60
_STRICTEST = frozenset({"one-hot rows", "one-hot columns"})
_log = logging.getLogger(__name__)


def grade_answer(answer: Answer, truths: Truths, against: str, session: Session) -> Grade:
    """Grade a parsed answer in its session."""
    try:
        with np.errstate(all="ignore"):  # as in a batch of one, without the ε below a variance
            return _graded(answer, truths, against, session)
    except RecursionError:
        raise GradeError(f"{answer.name} is nested too deeply to be graded") from None
    except ChainruleError:
        raise
    except Exception as error:  # an exception would end the command with the status of a wrong answer
        _log.debug("grading failed", exc_info=True)
        raise GradeError(
            f"{answer.name} cannot be graded: what it gives led to a {type(error).__name__} in the comparison"
        ) from error


def _graded(answer: Answer, truths: Truths, against: str, session: Session) -> Grade:
    generic = truths.get()
    assert generic is not None
    binder = Binder(answer, generic, truths.wrt)
    binding = binder.bind()
    if answer.owner:
        if answer.constructor is not None:
            answer.attributes = attributes_of(session.make(binding.given(generic.points[0])))
        binding = binder.with_attributes(binding)
    prepare(answer, binding.containers, binder.known)
    session.prepare(answer, binding.defaults, list(binding.by_name), sorted(binding.containers))
    best: tuple[tuple[int, int], Grader] | None = None
    strict: list[Grader] = []
    for assume in truths.assumptions:
        truth = truths.get(assume)
        if truth is None:
            continue
        grader = Grader(answer, truth, binding, truths, assume, session)
        if grader.is_right:
            best = (0, 0), grader
            break
        strict += [grader] if assume in _STRICTEST else []
        score = len(grader.attempt.right), grader.known()
        if best is None or score > best[0] or (assume == "masked" and score == best[0]):  # a mask is rarely anything
            best = score, grader
    assert best is not None
    grade = best[1].grade(against)
    for grader in (
        strict if not (grade.right or best[1].is_explained) and grade.first_wrong is None else ()
    ):  # a wrong forward pass hides what the targets are
        again = grader.grade(against, WORK // 4)
        if grader.is_explained:
            return again
    return grade


class Grader:
    """Grades one answer against one reference.

    The verdict is reached first, from values of a process that has received only inputs. The explanation of a wrong
    answer follows; if it fails, the verdict remains.
    """

    def __init__(
        self, answer: Answer, truth: Truth, binding: Binding, truths: Truths, assume: Assumption, session: Session
    ) -> None:
        self._answer = answer
        self._truth = truth
        self._binding = binding
        self._truths = truths
        self._assume = assume
        self._session = session
        session.give_points(assume, [binding.given(point) for point in truth.points])
        runs = session.run(answer, assume)
        overview = runs[0].overview
        assert overview is not None
        self._refuse_failures(runs[0])
        failed = [top for top, problem in runs[0].problems.items() if not problem.caused]
        self.outcomes = Outcomes(
            answer, binding, truth, truths.wrt, overview, session.places, truths.unfinished, failed
        )
        places = session.places(self.outcomes.places)
        for run, found in zip(runs, places, strict=True):
            run.places = found
        self.outcomes.check_numbers(places)
        self.outcomes.choose_rates(places, truth)
        self.mender = Mender(truth, assume, binding, self.outcomes, session)
        self.attempt = Attempt(answer, runs, self.outcomes.right(places, truth))
        self.is_explained = False

    def _refuse_failures(self, run: Run) -> None:
        """Raise GradeError for an exception that is unrelated to shapes and to indices."""
        for problem in run.problems.values():
            if problem.caused or "ValueError" in problem.kinds or "IndexError" in problem.kinds:
                continue
            if "TypeError" in problem.kinds and "dimension" in problem.text:
                continue
            hint = ""
            if "'Container'" in problem.text and self._binding.containers:
                name = min(self._binding.containers)
                hint = f"; {name} is a dict of inputs and named values here: take them out by name, as in {name}['x']"
            raise GradeError(f"{self._answer.filename}:{problem.line}: {problem.text}{hint}")

    @property
    def is_right(self) -> bool:
        return len(self.attempt.right) == len(self.outcomes.finals) and not self.outcomes.missing

    def known(self) -> int:
        """The number of lines that were identified."""
        return sum(spared(self._trust, 0, u) > 0 for u in self._answer.units if u.top is not None and not u.hidden)

    def _trust(self, unit: Unit) -> int:
        return self.mender.identities.of(self.attempt, unit).trust

    def grade(self, against: str, work: int = WORK) -> Grade:
        """Identify every line and return the grade; `work` bounds the search for mistakes."""
        wrong = len(self.attempt.right) < len(self.outcomes.finals)
        mends: list[Mend] = []
        after, diagnoses = self.attempt, dict[int, Diagnosis]()
        if wrong:
            diagnoses = spared(self._exchanges, diagnoses)
        if wrong and not diagnoses:
            mends, after = spared(self._mistakes, (mends, after), work)
        self.is_explained = bool(diagnoses) or len(after.right) == len(self.outcomes.finals)
        if wrong and not diagnoses:
            diagnoses = self._diagnoses(mends) if mends else spared(self._unexplained, diagnoses)
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
        remarks: list[tuple[str, Mapping[str, str]]] = []
        remarks = spared(self._remarks, remarks, mends, diagnoses)
        loss = self._truth.record.loss.name
        steps = tuple(self._steps(gradients, lines))
        begun = spared(self._begun, dict[str, Line](), lines)
        return Grade(
            self._answer.name,
            against,
            self.is_right,
            gradients,
            tuple(lines),
            updates,
            loss,
            tuple(remarks),
            steps,
            begun,
        )

    def _begun(self, lines: Sequence[Line]) -> dict[str, Line]:
        """Return the gradients with the last line that is named as each, if none that is has its value."""
        by_place = {(line.number, line.name): line for line in lines}
        begun: dict[str, Line] = {}
        for unit in sorted(self._answer.units, key=lambda u: u.order):
            identity = self.mender.identities.of(self.attempt, unit)
            line = by_place.get((unit.line, self.mender.identities.name(self.attempt, unit)))
            fails = unit.top in self.attempt.runs[0].problems
            if unit.helper is None and identity.claim is not None and line is not None:
                label = self._truth.vocabulary.gradient_label(identity.claim)
                if identity.trust > 0:
                    begun.pop(label, None)
                elif fails or not self._is_constant(unit):
                    begun[label] = line
        return begun

    def _steps(self, gradients: Mapping[str, str], lines: Sequence[Line]) -> Iterator[tuple[str, str]]:
        """Yield the gradients in the order of the backward pass, and whether each is right."""
        given = {output_name(node) for node in self._truth.record.program.inputs if is_upstream(node)}
        given.add(self._truth.record.loss.name)
        confirmed = " , ".join(line.meaning for line in lines if line.status == "confirmed").split()
        for entry in self._truth.record.backward.accumulations:
            name = entry.symbol.name
            if name in given:
                continue
            label = self._truth.vocabulary.gradient_label(name)
            if name in self._truth.inputs:
                if name in gradients:
                    yield label, "right" if gradients[name] == "right" else "open"
            elif name in self._truth.record.traced.names.values():
                yield label, "right" if label.replace(",", "") in (word.strip(",") for word in confirmed) else "open"

    def _exchanges(self) -> dict[int, Diagnosis]:
        """Return the diagnoses of gradients that are exchanged, if all that is wrong is that."""
        wrong = [final for final in self.outcomes.finals if final.symbol not in self.attempt.right]
        last = {final.symbol: None if final.is_update else self._last_setting(final) for final in wrong}
        setting = {symbol: self._answer.unit(number) for symbol, number in last.items() if number is not None}
        if len(setting) < len(wrong):
            return {}
        teacher, found = Diagnostician(self._truth, self.mender), dict[int, Diagnosis]()
        for pair in exchanged(wrong, setting, self.attempt, self.outcomes, self._truth):
            first, second = (setting[final.symbol] for final in pair)
            needed, other = (self._truth.vocabulary.gradient_label(final.symbol) for final in pair)
            values = {"found": other, "needed": needed, "line": str(second.line)}
            whole = teacher.of_gradient(self.attempt, first, pair[0].symbol)
            found[first.number] = replace(whole, kind="exchanged", values=values)
            found[second.number] = Diagnosis("exchanged", {"line": str(first.line)})
        return found

    def _mistakes(self, work: int) -> tuple[list[Mend], Attempt]:
        self._session.places(self.outcomes.places)
        self.mender.begin(work)
        return Search(self.mender).mistakes(self.attempt)

    def _ordered(self, symbols: set[str]) -> list[str]:
        order = [*self._truths.wrt, *self._truth.inputs]
        return sorted(symbols, key=order.index)

    def _diagnoses(self, mends: Sequence[Mend]) -> dict[int, Diagnosis]:
        teacher = Diagnostician(self._truth, self.mender)
        none: frozenset[str] = frozenset()
        single = spared(self._right_for_one_sample, none)
        attempt, found = self.attempt, dict[int, Diagnosis]()
        for mend in mends:
            diagnosis = spared(self._diagnosis, Diagnosis("other"), teacher, attempt, mend, single)
            found.setdefault(mend.unit.number, diagnosis)
            attempt = mend.after
        return found

    def _diagnosis(self, teacher: Diagnostician, attempt: Attempt, mend: Mend, single: frozenset[str]) -> Diagnosis:
        diagnosis = teacher.of(attempt, mend)
        values = {"batch": self._truth.batch or "", **diagnosis.values}
        problem = next((p for top, p in attempt.runs[0].problems.items() if top == mend.unit.top), None)
        if problem is not None and not problem.caused:
            values.update(teacher.misfit(attempt, mend.unit) or {"problem": problem.text})
        return replace(diagnosis, values=values, single=bool(mend.gain) and mend.gain <= single)

    def _unexplained(self) -> dict[int, Diagnosis]:
        """Return a diagnosis of the line whose value contradicts its name although its operands are correct.

        Without such a line the mistake may be anywhere, and no line is marked.
        """
        sound: dict[str, bool] = {}
        teacher = Diagnostician(self._truth, self.mender)
        units = [u for u in self._answer.units if u.top is not None]
        last = {name: unit.number for unit in units for name in unit.names}
        for unit in units:
            value = getattr(unit.statement, "value", None) or unit.statement
            read = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
            if isinstance(unit.statement, ast.AugAssign):
                read |= {n.id for n in ast.walk(unit.statement.target) if isinstance(n, ast.Name)}
            founded = all(sound.get(name, True) for name in read - self._answer.helpers.keys())
            trust = self.mender.identities.of(self.attempt, unit).trust
            plain = founded and not unit.nested and not unit.hidden and not read & self._answer.helpers.keys()
            if plain and self._sets_wrong(unit):
                set_here = {self._last_setting(final): final for final in self._wrong()}
                first = teacher.of_gradient(self.attempt, unit, set_here[unit.number].symbol)
                alike = (u for u in units if first.kind == "outer" and u.number in set_here and u.order > unit.order)
                others = {u.number: teacher.of_gradient(self.attempt, u, set_here[u.number].symbol) for u in alike}
                return {unit.number: first, **{n: each for n, each in others.items() if each.kind == first.kind}}
            is_last = bool(unit.names) and last[unit.names[0]] == unit.number
            claims = bool(unit.names) and self.mender.identities.claim(unit.names[0]) is not None
            if plain and (trust < 0 or (trust == 0 and claims and is_last and not self._is_constant(unit))):
                return {unit.number: Diagnosis("other", teacher.misfit(self.attempt, unit))}
            for name in unit.names if not isinstance(value, ast.Dict | ast.List) else ():
                sound[name.partition("[")[0]] = sound.get(name, True) and trust > 0
        return {}

    def _is_constant(self, unit: Unit) -> bool:
        """Whether a unit's value is the same number in all elements and at all points, or is not known."""
        found = columns(self.attempt.runs, unit.number)
        arrays = as_arrays(found[0]) if found else None
        return arrays is None or len({float(x) for array in arrays for x in array.flat}) <= 1

    def _right_for_one_sample(self) -> frozenset[str]:
        """Return the gradients that are correct for a batch of one sample."""
        truth = self._truths.get(self._assume, single=True)
        if truth is None:
            return frozenset()
        key = f"{self._assume}, one sample"
        self._session.give_points(key, [self._binding.given(point) for point in truth.points])
        runs = self._session.run(self._answer, key)
        found = self.outcomes.right([run.places for run in runs], truth)
        found = frozenset(n for n in found if any(v.any() for v in getattr(truth.gradient(n), "values", ())))
        return found if found and counts_samples(self._truth, truth.batch or "") else frozenset()

    def _line(
        self,
        unit: Unit,
        mends: Sequence[Mend],
        diagnoses: Mapping[int, Diagnosis],
        after: Attempt,
        first: tuple[int, int] | None,
    ) -> Line | None:
        source = self._answer.source(unit.line)
        name = self.mender.identities.name(self.attempt, unit)
        name = name if name.strip("_") else ""
        if unit.number in diagnoses:
            status: Status = "wrong" if unit.order == first else "also wrong"
            return Line(unit.line, source, name, status, diagnosis=diagnoses[unit.number])
        if unit.hidden or unit.sets_attribute:
            return None
        counts = [run.counts.get(unit.number) for run in (self.attempt.runs[0], after.runs[0])]
        as_often = unit.helper is None or counts[0] == counts[1]  # else the correction calls the helper less often
        as_often = as_often and (unit.helper is None or not self._is_of_forward(unit, after))
        if mends and as_often and not spared(same_values, True, self.attempt.runs, after.runs, unit):
            settled = len(after.right) == len(self.outcomes.finals) or self.mender.identities.of(after, unit).trust > 0
            return Line(unit.line, source, name, "consequence", cause=self._cause(unit, mends), settled=settled)
        meaning = spared(self._meaning, "", unit, name)
        if unit.helper is not None and not (meaning and self._is_of_gradients(unit)):
            return None
        if meaning:
            return Line(unit.line, source, name, "confirmed", meaning)
        held = {final.symbol for final in self.outcomes.given_by(unit) if self._last_setting(final) is None}
        if held and held <= self.attempt.right:
            labels = (self._truth.vocabulary.gradient_label(symbol) for symbol in self._ordered(held))
            return Line(unit.line, source, name, "confirmed", ", ".join(labels))
        cause = next((mend.unit.line for mend in mends if not mend.gain.isdisjoint(held)), None)
        if cause is not None:
            return Line(unit.line, source, name, "consequence", cause=cause, settled=held <= after.right)
        return Line(unit.line, source, name, "computed")

    def _is_of_gradients(self, unit: Unit) -> bool:
        """Whether a unit's values are gradients: of a helper, other lines are not shown."""
        return any(match.quantity.kind == "gradient" for match in self._matches(self.attempt, unit))

    def _is_of_forward(self, unit: Unit, after: Attempt) -> bool:
        """Whether a unit gives values of the forward pass, or derivatives, for whatever a corrected answer asks."""
        kinds = {match.quantity.kind for match in self._matches(after, unit)}
        return bool(kinds) and kinds <= {"forward", "derivative", "input"}

    def _matches(self, attempt: Attempt, unit: Unit) -> Sequence[Match]:
        identity = self.mender.identities.of(attempt, unit)
        return identity.each or ((identity.match,) if identity.match is not None else ())

    def _cause(self, unit: Unit, mends: Sequence[Mend]) -> int:
        """Return the line of the first mistake on which a unit's value depends."""
        before = self.attempt
        causes = []
        for mend in mends:
            if not spared(same_values, True, before.runs, mend.after.runs, unit):
                causes.append(mend.unit.line)
            before = mend.after
        return min(causes, default=mends[0].unit.line)

    def _meaning(self, unit: Unit, name: str) -> str:
        """Return the meaning of a unit's value; "" if there is none of interest."""
        update = self.outcomes.updated_by(unit)
        if update is None and unit.names and step_of(unit.statement) is not None:
            update = next((f for f in self.outcomes.finals if f.is_update and f.symbol == name), None)
        if update is not None and self._descends(update, unit):
            rate = "η" if self._binding.rate else f"{self.outcomes.rates[0]:g}"
            return f"{update.symbol} − {rate} {self._truth.vocabulary.gradient_label(update.symbol)}"
        identity = self.mender.identities.of(self.attempt, unit)
        if not identity.trust or identity.is_misshaped or self._sets_wrong(unit):
            return ""
        if identity.trust < 3 and self._is_constant(unit):  # a stride of 1 equals ∂L/∂L only in its value
            return ""
        if identity.match is not None and identity.match.quantity.kind == "size" and self._is_constant(unit):
            return ""
        matches = identity.each or ((identity.match,) if identity.match is not None else ())
        labels = list(dict.fromkeys(m.text for m in matches if m.quantity.label and not _is_long(m)))
        return ", ".join(labels)

    def _sets_wrong(self, unit: Unit) -> bool:
        """Whether a unit is the last to assign a gradient that is wrong."""
        return any(unit.number == self._last_setting(final) for final in self._wrong())

    def _wrong(self) -> list[Final]:
        return [f for f in self.outcomes.finals if f.symbol not in self.attempt.right and not f.is_update]

    def _last_setting(self, final: Final) -> int | None:
        """Return the last unit that assigns a gradient, or the variable that is returned as such."""
        units = [u for u in self._answer.units if u.helper is None]
        final = self.outcomes.in_variable(final)
        for unit in units:
            match unit.statement:
                case ast.Assign([ast.Name(id=root)]) if root == final.place.root and root.startswith(OUT):
                    return unit.number
        setting = [u.number for u in units if final.is_set_by(u) and not u.hidden]
        return setting[-1] if setting else None

    def _descends(self, final: Final, unit: Unit) -> bool:
        """Whether a unit assigns to a parameter the result of a gradient descent step."""
        found = columns(self.attempt.runs, unit.number)
        values = as_arrays(found[0]) if found else None
        true = self.outcomes.true(final, self._truth).values
        steps = zip(self._truth.points, self.outcomes.rates, true, strict=True)
        return values is not None and agree(values, [p.values[final.symbol] - rate * g for p, rate, g in steps])

    def _on_requests(self) -> list[tuple[str, Mapping[str, str]]]:
        """Say which gradients were taken to be asked for, if that is a guess."""
        if self._truths.stated:
            return []
        given = [final.symbol for final in self.outcomes.finals]
        remarks: list[tuple[str, Mapping[str, str]]] = []
        passed = [name for name in self._truths.wrt if name in given]
        whole = not self.attempt.runs[0].problems
        if whole and self.outcomes.missing and passed and set(passed) <= self.attempt.right:
            remarks.append(("would pass", {"names": ",".join(passed)}))
        is_loss = not any(is_upstream(node) for node in self._truth.record.program.inputs)
        aside = unasked(self._truths.program.inputs, self._truths.wrt, given) if is_loss else []
        if aside:
            remarks.append(("unasked", {"names": ", ".join(aside)}))
        return remarks

    def _lacking(self, wrong: Sequence[Final]) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield what wrong gradients lack, where a line may have been left out."""
        teacher = Diagnostician(self._truth, self.mender)
        for final in wrong:
            found = self.outcomes.gradients(final, self.attempt.places, self._truth)
            values = {} if found is None else teacher.lacking(found, final.symbol)
            if values:
                name = self._truth.vocabulary.gradient_label(final.symbol)
                yield ("lacks" if "paths" in values else "lacks term"), {**values, "name": name}

    def _remarks(
        self, mends: Sequence[Mend], diagnoses: Mapping[int, Diagnosis]
    ) -> list[tuple[str, Mapping[str, str]]]:
        remarks: list[tuple[str, Mapping[str, str]]] = []
        if self._assume not in ("any", "masked"):
            remarks.append((self._assume.partition(" ")[0].replace("columns", "distribution"), {}))
        if self._assume != "any" and self._truths.masks:
            remarks.append(("masked", {"names": ", ".join(self._truths.masks)}))
        epsilons = self.outcomes.epsilons(self.attempt.places, self._truth)
        if epsilons:
            remarks.append(("epsilon", {"numbers": ", ".join(f"{number:g}" for number in epsilons)}))
        measures = Measures(self._truth)
        for symbol, found, true in self.outcomes.other_shapes(self.attempt.places, self._truth):
            label = self._truth.vocabulary.gradient_label(symbol)
            shapes = {"found": measures.shape(found), "needed": measures.shape(true)}
            remarks.append(("other shape", {"name": label, "symbol": symbol, **shapes}))
        remarks += self._on_requests()
        wrong = [final for final in self.outcomes.finals if final.symbol not in self.attempt.right]
        if wrong and not mends and all(d.kind != "exchanged" for d in diagnoses.values()):
            remarks += [] if diagnoses else self._lacking(wrong)
            remarks.append(("unexplained", {}))
        if (
            len(wrong) > 1
            and len(wrong) == len(self.outcomes.finals)
            and all(d.kind in ("factor", "sign") for d in diagnoses.values())
        ):
            factors = set()
            for final in wrong:
                values = self.outcomes.gradients(final, self.attempt.places, self._truth)
                ratios = (
                    None if values is None else constant_ratios(values, self.outcomes.true(final, self._truth).values)
                )
                factors.add(None if ratios is None else self._truth.numbers.label(ratios))
            if len(factors) == 1 and None not in factors and "−" not in factors:
                remarks.append(("everywhere", {"factor": str(factors.pop())}))
        every = len(wrong) == len(self.outcomes.finals)
        if every and len(diagnoses) > 1 and all(d.kind == "direction" for d in diagnoses.values()):
            remarks.append(("every direction", {}))
        return remarks


def _is_long(match: Match) -> bool:
    """Whether a value is a part of a formula whose name says too little for its length."""
    return match.quantity.kind == "part" and len(match.text) > _LONGEST_NAME
