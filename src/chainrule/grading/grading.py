"""Grading of a handwritten backward pass: run it, identify each line, and explain the first mistake."""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import re
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.cage import FORKS, Inside, Limits, caged, warm_up
from chainrule.deriving import Derivation
from chainrule.files import file_errors
from chainrule.grading.answers import Answer, parsed, read_answer
from chainrule.grading.equations import read_equations
from chainrule.grading.execution import Session
from chainrule.grading.graders import grade_answer
from chainrule.grading.grades import Grade
from chainrule.grading.instruments import GradeError
from chainrule.grading.references import Truths, title_of
from chainrule.grading.slopes import equation_names
from chainrule.ir import Program
from chainrule.words import ChainruleError, at_callers_line

_FILE = re.compile(r"(?P<path>[^\n=]+\.py):(?P<name>\w+(\.\w+)?)")
_MOST_SOURCE = 2**20


@dataclass(frozen=True)
class AnswerFile:
    """A function, or a method as `Class.method`, in a Python file."""

    path: str
    name: str


@at_callers_line
def grade(
    answer: Callable[..., Any] | AnswerFile | str,
    against: Callable[..., Any] | Program | Derivation | str,
    wrt: Sequence[str] | str | None = None,
    *,
    limits: Limits | None = None,
    assume: str | None = None,
    unfinished: bool = False,
    **shapes: Any,
) -> Grade:
    """Grade a handwritten backward pass.

    Parameters
    ----------
    answer
        A NumPy function, or its location: `"answer.py:backward"` or an `AnswerFile`. Its parameters are named like the
        inputs of `against`, or like its variables (`z1`, `a1`, `eps`, `caches`); a learning rate, the upstream
        gradient of a layer, and dicts such as `cache` or `params` are accepted under any name. It may be a method:
        `Class.method`, whose instance gets the values of `against`. It returns gradients in any container, perhaps
        with a cost, or keeps them in attributes (`self.dW`), or updates parameters.
        Alternatively text, one equation a line, in the language of formulas: `dW2 = a1' * d2`, with `∂L/∂W2 = …`,
        `δ2 = …` and `⊙`.
    against
        The forward pass, in any form that `derive` accepts. It may return a cache or gradients besides its loss or
        output.
    wrt
        The requested gradients; by default those by the parameters of a loss, or by every input of a layer. Inputs
        that are named like data, labels or regularizers are not parameters; the grade says which others were taken so.
    limits
        Resource limits of an answer in a file; by default 10 seconds and 1 GiB of memory.
    assume
        Properties of the arguments of `against`, as for `derive`: an answer may use them.
    unfinished
        Whether an answer may end before it returns its gradients: those in its variables count.
    **shapes
        The shapes of the arguments of `against`, as for `derive`.

    Raises
    ------
    GradeError
        If the answer cannot be graded: a parameter without a meaning, no gradient among the returned values, an endless
        loop, a process that exceeded its limits or ended itself.

    Notes
    -----
    An answer in a file is run in a separate process, which receives the inputs and returns values; they are compared
    in this process. `docs/reference/untrusted-answers.md` describes what this protects from. A function that is given
    as an object runs in this process, which has executed its code already.

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
    place = _FILE.fullmatch(answer.strip()) if isinstance(answer, str) else None
    if place is not None:
        answer = AnswerFile(place["path"], place["name"])
    if isinstance(answer, AnswerFile):
        warm_up()
    truths = Truths(against, wrt, shapes, assume, unfinished)
    return grade_against(answer, truths, title_of(against), limits or Limits())


def grade_against(
    answer: Callable[..., Any] | AnswerFile | str, truths: Truths, title: str, limits: Limits, fork: bool = FORKS
) -> Grade:
    """Grade an answer against a known reference; `title` names the reference."""
    if isinstance(answer, AnswerFile):
        with _answer_in_file(answer.path, answer.name, limits, fork) as (read, session):
            return grade_answer(read, truths, title, session)
    inside = Inside(limits)
    read = _text_answer(answer, truths, inside) if isinstance(answer, str) else _live_answer(answer, inside)
    return grade_answer(read, truths, title, Session(inside))


def _text_answer(text: str, truths: Truths, inside: Inside) -> Answer:
    """Parse an answer given as text; its code consists of formulas, and is not confined."""
    truth = truths.get()
    assert truth is not None
    inside.use(equation_names())
    return read_equations(text, truth)


def _live_answer(function: Callable[..., Any], inside: Inside) -> Answer:
    """Return the answer for a function of this process."""
    try:
        described = inside.load(function)
    except ChainruleError as error:
        raise GradeError(str(error)) from None
    filename = str(described["file"])
    linecache.checkcache(filename)
    lines = [line.rstrip("\n") for line in linecache.getlines(filename, getattr(function, "__globals__", None))]
    return read_answer(described, lines)


@contextlib.contextmanager
def _answer_in_file(path: str, name: str, limits: Limits, fork: bool = FORKS) -> Iterator[tuple[Answer, Session]]:
    """Yield the function `name`, or `Class.method`, of a file, in a process that lasts for the block."""
    source, lines = _read(path)
    parsed("\n".join(lines), path)
    with caged(path, limits, fork) as process:
        session = Session(process)
        described = session.load(path, source, name)
        file = str(described["file"])
        if file != path:
            folder = os.path.dirname(os.path.realpath(path)) + os.sep
            if not os.path.realpath(file).startswith(folder):
                raise GradeError(f"{name} in {path} is written in {file}; name the file that it is written in")
            _, lines = _read(file)
        yield read_answer(described, lines), session


def _read(path: str) -> tuple[bytes, list[str]]:
    """Return a Python file as bytes and as lines."""
    with file_errors(path):
        if os.path.isdir(path):
            raise IsADirectoryError
        with open(path, "rb") as stream:
            source = stream.read(_MOST_SOURCE + 1)
    if len(source) > _MOST_SOURCE:
        raise GradeError(f"{path} has more than {_MOST_SOURCE // 2**20} MiB; an answer is a short file")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        text = source.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        raise GradeError(f"{path} is not text in UTF-8; save it as such") from None
    if "\0" in text:
        raise GradeError(f"{path} holds null characters, which Python does not read; save it as text")
    return source, text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
