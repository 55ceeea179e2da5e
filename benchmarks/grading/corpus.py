"""Right answers from files, each with the forward pass to which it is the backward pass."""

from __future__ import annotations

import ast
import linecache
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from chainrule.cage import Limits
from chainrule.gallery import GALLERY
from chainrule.grading import AnswerFile, Grade
from chainrule.grading.grading import grade_against
from chainrule.grading.references import Truths

DATA = Path(__file__).parents[2] / "tests" / "data"
ASKED = {"rnn__unrolled": ("W", "U", "b"), "dropped__inverted": ("W1", "W2")}
"""The gradients that an answer gives, where not every parameter is asked."""


@dataclass(frozen=True)
class Book:
    """A file of answers, written with one statement in a line: its text, its tree, and the names of the answers."""

    name: str
    tree: ast.Module
    text: str

    @cached_property
    def names(self) -> list[str]:
        """The answers, in their order."""
        return [n.name for n in self.tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and "__" in n.name]

    @cached_property
    def definitions(self) -> dict[str, ast.FunctionDef | ast.ClassDef]:
        """Every function and class by its name."""
        return {n.name: n for n in self.tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}


def book(name: str, text: str) -> Book:
    """Return a file as a book."""
    text = ast.unparse(ast.parse(text))
    return Book(name, ast.parse(text), text)


BOOKS = {name: book(name, (DATA / f"{name}.txt").read_text(encoding="utf-8")) for name in ("answers", "published")}
NAMES = [name for each in BOOKS.values() for name in each.names]


def book_of(name: str) -> Book:
    """Return the book that holds an answer."""
    return next(each for each in BOOKS.values() if name in each.names)


@cache
def truths_of(name: str) -> Truths:
    """Return the reference of an answer, derived once."""
    kind = name.partition("__")[0]
    if book_of(name).name == "answers":
        entry = GALLERY[kind]
        return Truths(entry.function, ASKED.get(name, entry.wrt), {})
    forward = loaded(book_of(name).text, "published.py")[kind]
    return Truths(forward, ASKED.get(name), {})


def loaded(source: str, filename: str) -> dict[str, Any]:
    """Run source whose text is available under a file name; return its names."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"__name__": "answers"}
    exec(compile(source, filename, "exec"), namespace)
    return namespace


def graded(name: str, source: str, answer: str | None = None) -> Grade:
    """Grade the answer `name`, or the function or method that is called `answer`, in `source`."""
    called = answer or name
    found: Callable[..., Any] | AnswerFile
    if _is_class(source, called):
        called = f"{called}.backward"
    if "." in called:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "answer.py"
            path.write_text(source, encoding="utf-8")
            found = AnswerFile(str(path), called)
            return grade_against(found, truths_of(name), "it", Limits())
    found = loaded(source, f"answer {hash(source)}.py")[called]
    return grade_against(found, truths_of(name), "it", Limits())


def _is_class(source: str, name: str) -> bool:
    return any(isinstance(node, ast.ClassDef) and node.name == name for node in ast.parse(source).body)
