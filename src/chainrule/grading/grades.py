"""The result of grading: the status of every line, and the first wrong one with its diagnosis."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from chainrule.charts import table_html
from chainrule.grading.diagnosis import Diagnosis
from chainrule.grading.instruments import visible
from chainrule.grading.words import diagnosis_text, say
from chainrule.words import Language, listed_in, used_language

Status: TypeAlias = Literal["confirmed", "computed", "wrong", "also wrong", "consequence"]

_MARKS: dict[Status, str] = {"confirmed": "✓", "computed": " ", "wrong": "✗", "also wrong": "✗", "consequence": "·"}


@dataclass(frozen=True)
class Line:
    """One line of an answer.

    Attributes
    ----------
    number, source
        Its number and text.
    name
        The target of the assignment; "" for a value that is returned without a name.
    status
        "confirmed": its value is `meaning`; "computed": an intermediate value without a known meaning; "wrong": the
        first mistake; "also wrong": an independent mistake; "consequence": wrong because of line `cause`.
    settled
        Whether it is known that nothing else is the matter with a line that is a consequence.

    """

    number: int
    source: str
    name: str
    status: Status
    meaning: str = ""
    diagnosis: Diagnosis | None = None
    cause: int | None = None
    settled: bool = True


@dataclass(frozen=True, repr=False)
class Grade:
    """The result of `grade` for a handwritten backward pass.

    Attributes
    ----------
    right : bool
        Whether every requested gradient is present and correct.
    gradients : mapping
        For each gradient by name "right", "wrong" or "missing".
    lines : tuple of Line
        The lines of the answer, in order.
    remarks : tuple of (key, values)
        Remarks on the answer as a whole.
    steps : tuple of (gradient, state)
        The gradients in the order of the backward pass, each "right" or "open".
    begun : mapping
        For gradients that are not right the line that is named as each but has another value.

    Examples
    --------
    >>> import chainrule as cr
    >>> grade = cr.grade("dx = 2 * A * (A @ x - b)", "norm(A @ x - b)^2", wrt="x")
    >>> grade.right, grade.gradients, grade.first_wrong.number
    (False, {'x': 'wrong'}, 1)
    >>> print(grade.text().splitlines()[-1])
    Wrong: ∂L/∂x.

    """

    name: str
    against: str
    right: bool
    gradients: Mapping[str, str]
    lines: tuple[Line, ...]
    updates: frozenset[str] = frozenset()
    loss: str = "L"
    remarks: tuple[tuple[str, Mapping[str, str]], ...] = field(default=())
    steps: tuple[tuple[str, str], ...] = field(default=())
    begun: Mapping[str, Line] = field(default_factory=dict)

    @property
    def first_wrong(self) -> Line | None:
        """The line of the first mistake; None for a correct answer."""
        return next((line for line in self.lines if line.status == "wrong"), None)

    def text(self, lang: Language | None = None) -> str:
        """Return the grade as text, with a line for each line of the answer."""
        lang = used_language(lang)
        return "\n".join(text for text, _ in self.paragraphs(lang)) + "\n"

    def hint(self, lang: Language | None = None) -> str:
        """Return where the first mistake is, without what it is; the verdict if there is none.

        >>> import chainrule as cr
        >>> grade = cr.grade("dx = 2 * A * (A @ x - b)", "norm(A @ x - b)^2", wrt="x")
        >>> print(grade.hint())
        Line 1 is the first that is wrong; what is above it is right.
        """
        lang = used_language(lang)
        first = self.first_wrong
        if first is not None:
            return say(lang, "hint", line=str(first.number))
        wrong = [name for name, state in self.gradients.items() if state == "wrong"]
        return say(lang, "hint unknown", names=self._listed(wrong, lang)) if wrong else self._verdict(lang)[0]

    def progress(self, lang: Language | None = None) -> str:
        """Return what is right so far, and what comes next.

        >>> import chainrule as cr
        >>> loss = "sum((sigmoid(X @ W + b) - y)^2)"
        >>> print(cr.grade("db = 2 * (sigmoid(X @ W + b) - y)", loss, wrt="b", X="n d", W="d", b="", y="n").progress())
        No gradient is right so far.
        First mend line 1: ∂L/∂b is not right yet.
        """
        lang = used_language(lang)
        done = [label for label, state in self.steps if state == "right"]
        said = [say(lang, "so far", names=listed_in(lang, done)) if done else say(lang, "nothing so far")]
        first = self.first_wrong
        name = self._next()
        if first is not None:
            needed = first.diagnosis.needed if first.diagnosis is not None else ""
            wrong = [f"∂{self.loss}/∂{key}" for key, state in self.gradients.items() if state == "wrong"]
            said.append(say(lang, "mend first", line=str(first.number), name=needed or name or wrong[0]))
        elif name and not self.right:
            line = self.begun.get(name)
            began = {} if line is None else {"line": str(line.number), "own": visible(line.name)}
            said.append(say(lang, "next begun" if began else "next", name=name, **began))
        elif self.right:
            said.append(self._verdict(lang)[0])
        return "\n".join(said)

    def _next(self) -> str:
        """Return the first gradient of the backward pass, after the last that is right, that is open; "" if none is."""
        asked = {f"∂{self.loss}/∂{name}" for name, state in self.gradients.items() if state != "right"}
        inputs = {f"∂{self.loss}/∂{name}" for name in self.gradients}
        done = [k for k, (label, state) in enumerate(self.steps) if state == "right" and label not in inputs]
        last = max(done, default=-1)
        for k, (label, state) in enumerate(self.steps):
            if state == "open" and (
                label in asked or (k > last and any(later in asked for later, _ in self.steps[k:]))
            ):
                return label
        return ""

    def paragraphs(self, lang: Language | None = None) -> list[tuple[str, int]]:
        """Return the sentences of `text`, each with the indentation of its continuation lines."""
        lang = used_language(lang)
        result: list[tuple[str, int]] = []
        digits = len(str(max((line.number for line in self.lines), default=1)))
        for mark, number, source, texts in self._marked(lang):
            result.append((f"{mark} {number:>{digits}}  {source}", digits + 6))
            for text in texts:
                result.append((" " * (digits + 6) + text, digits + 6))
        if result:
            result.append(("", 0))
        result += [(text, 0) for text in self._verdict(lang)]
        return [(visible(text), indent) for text, indent in result]

    def _marked(self, lang: Language) -> Iterator[tuple[str, int, str, list[str]]]:
        """Yield for each line of the answer its mark, number and text, and what is said about it."""
        for (number, source), group in itertools.groupby(self.lines, key=lambda line: (line.number, line.source)):
            lines = list(group)
            mark = min((_MARKS[line.status] for line in lines), key="✗·✓ ".index)
            said = dict.fromkeys(tuple(self._said(line, lang)) for line in lines)
            yield mark, number, source, [text for texts in said for text in texts]

    def _said(self, line: Line, lang: Language) -> list[str]:
        if line.status == "confirmed":
            key = (
                "as forward" if line.name == line.meaning and "∂" not in line.name else "is" if line.name else "is that"
            )
            return [say(lang, key, name=line.name, meaning=line.meaning)]
        if line.status == "consequence":
            return [say(lang, "consequence" if line.settled else "consequence open", line=str(line.cause))]
        if line.diagnosis is None:
            return []
        alone = line.status == "also wrong" and line.diagnosis.kind != "exchanged"
        also = [say(lang, "also")] if alone else []
        return also + diagnosis_text(lang, line.name, line.diagnosis)

    def _verdict(self, lang: Language) -> list[str]:
        names = {key: [n for n, v in self.gradients.items() if v == key] for key in ("right", "wrong", "missing")}
        shown = {key: self._listed(found, lang) for key, found in names.items()}
        said = []
        first = self.first_wrong
        if self.right:
            said.append(say(lang, "right", against=self.against, names=shown["right"]))
        else:
            if first is not None:
                said.append(say(lang, "wrong", line=str(first.number), against=self.against))
            if names["wrong"]:
                said.append(say(lang, "gradients wrong", names=shown["wrong"]))
            if names["right"]:
                said.append(say(lang, "gradients right", names=shown["right"]))
            if names["missing"]:
                said.append(say(lang, "gradients missing", names=shown["missing"]))
        return said + [say(lang, key, **values) for key, values in self.remarks]

    def _listed(self, names: Sequence[str], lang: Language) -> str:
        return listed_in(lang, (f"∂{self.loss}/∂{name}" for name in names))

    def to_dict(self, lang: Language | None = None) -> dict[str, Any]:
        """Return the grade as plain data, for JSON."""
        lang = used_language(lang)
        lines = []
        for line in self.lines:
            entry: dict[str, Any] = {
                "line": line.number,
                "source": line.source,
                "name": line.name,
                "status": line.status,
                "meaning": line.meaning or None,
                "cause": line.cause,
            }
            if line.diagnosis is not None:
                found = line.diagnosis
                entry["diagnosis"] = {
                    "kind": found.kind,
                    "text": " ".join(diagnosis_text(lang, line.name, found)),
                    "needed": found.needed or None,
                    "formula": found.formula or None,
                    "code": found.code or None,
                    "right_for_one_sample": found.single,
                    "further": [kind for kind, _ in found.further],
                }
            lines.append(entry)
        first = self.first_wrong
        return {
            "answer": self.name,
            "against": self.against,
            "right": self.right,
            "first_wrong_line": None if first is None else first.number,
            "gradients": dict(self.gradients),
            "lines": lines,
            "steps": [{"gradient": label, "state": state} for label, state in self.steps],
            "remarks": [say(lang, key, **values) for key, values in self.remarks],
        }

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        first = self.first_wrong
        what = "right" if self.right else "incomplete" if first is None else f"first wrong in line {first.number}"
        gradients = ", ".join(f"{name} {status}" for name, status in self.gradients.items())
        return f"<Grade of {self.name} against {self.against}: {what}; {gradients}>"

    def _repr_html_(self) -> str:
        lang = used_language(None)
        rows = [[mark, f"{k}", f"`{visible(source)}`", " ".join(said)] for mark, k, source, said in self._marked(lang)]
        return table_html(" ".join(self._verdict(lang)), ["", "", self.name, self.against], rows)
