"""The answers of a class, graded into one table in which similar mistakes are counted."""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.cage import Limits
from chainrule.charts import table_html
from chainrule.deriving import Derivation
from chainrule.grading.grades import Grade
from chainrule.grading.grading import AnswerFile, grade_against
from chainrule.grading.instruments import GradeError, visible
from chainrule.grading.references import Truths, title_of
from chainrule.grading.words import diagnosis_text, mistake_title, say
from chainrule.ir import Program
from chainrule.words import Language, html_page, table, used_language

_STYLE = "body{font-family:system-ui,sans-serif;margin:2rem;max-width:70rem}table{margin-bottom:2rem}"


@dataclass(frozen=True)
class Submission:
    """One answer of a class: its name, and its grade, or else the reason why there is none."""

    name: str
    grade: Grade | None
    reason: str = ""

    def verdict(self, lang: Language) -> str:
        """Return the verdict in one word."""
        if self.grade is None:
            return say(lang, "verdict none")
        return say(lang, "verdict right" if self.grade.right else "verdict wrong")


@dataclass(frozen=True, repr=False)
class Cohort:
    """The graded answers of a class, in the order of their names.

    Attributes
    ----------
    against : str
        The name of the forward pass.
    submissions : tuple of Submission
        The answers.

    """

    against: str
    submissions: tuple[Submission, ...]

    @property
    def right(self) -> int:
        """The number of right answers."""
        return sum(each.grade is not None and each.grade.right for each in self.submissions)

    def mistakes(self, lang: Language | None = None) -> list[tuple[str, list[str]]]:
        """Return the mistakes, each with the names of the answers that have it; the most frequent ones first.

        Mistakes are similar if they are of one kind and in the same quantity.
        """
        lang = used_language(lang)
        found: dict[str, list[str]] = {}
        for each in self.submissions:
            lines = () if each.grade is None else each.grade.lines
            titles = [mistake_title(lang, line.name, line.diagnosis) for line in lines if line.diagnosis is not None]
            for title in dict.fromkeys(titles):
                found.setdefault(title, []).append(each.name)
        return sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))

    def rows(self, lang: Language | None = None) -> list[dict[str, str]]:
        """Return a row for each answer: name, verdict, right, wrong and missing gradients, line, mistake."""
        lang = used_language(lang)
        rows = []
        for each in self.submissions:
            grade = each.grade
            first = None if grade is None else grade.first_wrong
            by = {key: [] if grade is None else [n for n, v in grade.gradients.items() if v == key] for key in _STATES}
            said = each.reason
            if first is not None and first.diagnosis is not None:
                said = " ".join(diagnosis_text(lang, first.name, first.diagnosis))
            rows.append(
                {
                    "answer": each.name,
                    "verdict": each.verdict(lang),
                    **{key: " ".join(by[key]) for key in _STATES},
                    "line": "" if first is None else str(first.number),
                    "mistake": visible(said),
                }
            )
        return rows

    def text(self, lang: Language | None = None) -> str:
        """Return the table as text, with the mistakes counted below."""
        lang = used_language(lang)
        rows = [(row["answer"], row["verdict"], row["line"], _brief(row["mistake"])) for row in self.rows(lang)]
        head = tuple(say(lang, key) for key in ("column answer", "column verdict", "column line", "column mistake"))
        lines = table([head, *rows], indent="")
        lines += ["", say(lang, "cohort", right=str(self.right), count=str(len(self.submissions)))]
        lines += [f"{len(names):>3}  {title}: {', '.join(names)}" for title, names in self.mistakes(lang)]
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def csv(self, lang: Language | None = None) -> str:
        """Return the table as CSV, with a header."""
        out = io.StringIO()
        writer = csv.DictWriter(out, ["answer", "verdict", *_STATES, "line", "mistake"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _inert(value) for key, value in row.items()} for row in self.rows(lang))
        return out.getvalue()

    def html(self, lang: Language | None = None) -> str:
        """Return a self-contained page: the table, and the mistakes with their counts."""
        lang = used_language(lang)
        rows = self.rows(lang)
        head = [say(lang, f"column {key}") for key in ("answer", "verdict", "line", "mistake")]
        body = table_html(
            say(lang, "cohort", right=str(self.right), count=str(len(rows))),
            head,
            [
                [row["answer"], row["verdict"].replace(" ", "\N{NO-BREAK SPACE}"), row["line"], row["mistake"]]
                for row in rows
            ],
        )
        counted = [[str(len(names)), title, ", ".join(names)] for title, names in self.mistakes(lang)]
        body += table_html("", [say(lang, f"column {key}") for key in ("count", "mistake", "answer")], counted)
        return html_page(lang, self.against, _STYLE, body)

    def to_dict(self, lang: Language | None = None) -> dict[str, Any]:
        """Return the result as plain data, for JSON."""
        lang = used_language(lang)
        return {
            "against": self.against,
            "right": self.right,
            "answers": [
                {
                    "name": e.name,
                    "grade": None if e.grade is None else e.grade.to_dict(lang),
                    "reason": e.reason or None,
                }
                for e in self.submissions
            ],
            "mistakes": [{"mistake": title, "answers": names} for title, names in self.mistakes(lang)],
        }

    def __repr__(self) -> str:
        return f"<Cohort of {len(self.submissions)} answers against {self.against}: {self.right} right>"


_STATES = ("right", "wrong", "missing")
_BRIEF = 72


def _brief(text: str) -> str:
    return text if len(text) <= _BRIEF else text[: _BRIEF - 1] + "…"


def _inert(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in "=+-@\t\r" and cell else cell


def grade_folder(
    folder: str,
    against: Callable[..., Any] | Program | Derivation | str,
    function: str | None = None,
    wrt: Sequence[str] | str | None = None,
    *,
    limits: Limits | None = None,
    assume: str | None = None,
    **shapes: Any,
) -> Cohort:
    """Grade every answer in a folder and its subfolders, each in a process of its own.

    Parameters
    ----------
    folder
        A folder of files `*.py`, and `*.txt` with equations.
    against, wrt, limits, assume, shapes
        As for `grade`.
    function
        The name of the function in every file; by default the one whose name begins with `back` or has `grad` in it,
        or else the last one.

    Returns
    -------
    Cohort
        The grades in the order of the names, with similar mistakes counted.

    Raises
    ------
    GradeError
        If the folder holds no answers.

    """
    root = Path(folder)
    paths = sorted(path for path in root.rglob("*") if path.suffix in (".py", ".txt") and path.is_file())
    paths = [p for p in paths if not any(part.startswith((".", "__")) for part in p.relative_to(root).parts)]
    if not paths:
        raise GradeError(f"{folder} has no answers; put files such as anna.py or anna.txt in it")
    truths = Truths(against, wrt, shapes, assume)
    title, bounds = title_of(against), limits or Limits()
    found = [_graded(path, root, function, truths, title, bounds) for path in paths]
    return Cohort(title, tuple(found))


def _graded(path: Path, root: Path, function: str | None, truths: Truths, title: str, limits: Limits) -> Submission:
    name = path.relative_to(root).with_suffix("").as_posix()
    try:
        if path.suffix == ".txt":
            answer: str | AnswerFile = path.read_text(encoding="utf-8")
        else:
            answer = AnswerFile(str(path), function or _function_in(path))
        return Submission(name, grade_against(answer, truths, title, limits))
    except GradeError as error:
        return Submission(name, None, str(error))
    except (OSError, UnicodeDecodeError) as error:
        return Submission(name, None, f"{path} cannot be read: {type(error).__name__}")


def _function_in(path: Path) -> str:
    """Return the name of the function to grade in a file."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise GradeError(f"{path} cannot be read as Python: {error}") from None
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names += [f"{node.name}.{m.name}" for m in node.body if isinstance(m, ast.FunctionDef) and m.name[0] != "_"]
    if not names:
        raise GradeError(f"{path} defines no function")
    likely = [n for n in names if n.rpartition(".")[2].casefold().startswith("back") or "grad" in n.casefold()]
    return (likely or names)[-1]
