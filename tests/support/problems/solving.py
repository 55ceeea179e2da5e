"""What is printed for a problem, and the value of its function and of its gradients at a point."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from chainrule.derivation.names import with_greek_letters
from chainrule.derivation.readback import Page, read
from chainrule.derivation.verify import Verifier
from chainrule.deriving import Derivation, derive
from chainrule.gallery import GALLERY
from support.printed_formulas import parsed
from support.problems.problem import Problem

Array = NDArray[Any]

WIDE = 2_000
STEP = 2.0**-12
NUMPY = {
    **{
        name: getattr(np, name)
        for name in ("sum", "mean", "abs", "exp", "log", "sqrt", "sin", "cos", "tan", "cosh", "max", "diag")
    },
    **{name: getattr(np, name) for name in ("std", "outer")},
    **{name: getattr(np.linalg, name) for name in ("norm", "inv", "det")},
    **{name: getattr(cr, name) for name in ("sigmoid", "logsumexp", "log_sigmoid")},
    "tr": np.trace,
    "pi": np.pi,
    "eye": lambda size: np.eye(int(size)),
    "max": lambda x, y: np.maximum(x, y),
    "logdet": lambda X: np.linalg.slogdet(X)[1],
    "kron": np.kron,
}
"""The functions of formulas; `max` is elementwise, as it is used here."""


class Solution:
    """The derivation of a problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    @cached_property
    def derivation(self) -> Derivation:
        problem = self.problem
        if problem.name.startswith("gallery "):
            entry = GALLERY[problem.name.removeprefix("gallery ")]
            return derive(entry.function, wrt=entry.wrt)
        return derive(problem.program, wrt=problem.wrt, **problem.shapes)

    @cached_property
    def _lines(self) -> dict[str, list[str]]:
        """The printed equations, each with the derivative of the loss first."""
        found: dict[str, list[str]] = {}
        typed = {with_greek_letters(name): name for name in self.problem.expected}
        for line in self.derivation.text(self.problem.form, detail="brief", width=WIDE).splitlines():
            line = line.removeprefix("│").removesuffix("│").strip()
            sides = _sides(re.split(r"\s{3,}", line)[0])
            for k, side in enumerate(sides):
                match = re.fullmatch(r"∂\w+/∂([^ \[]+)(?:\[[^ ]*\])?", side)
                if match and k < 2 and len(sides) > k + 1:
                    found[typed.get(match.group(1), match.group(1))] = sides[k:]
                    break
        return found

    @property
    def printed(self) -> dict[str, list[str]]:
        """The right-hand sides that are printed in brief, by the name of what the loss is differentiated by."""
        return {name: sides[1:] for name, sides in self._lines.items()}

    @cached_property
    def _verifier(self) -> Verifier:
        return Verifier(self.derivation.record, 0)

    @cached_property
    def _point(self) -> Any:
        return self._verifier.point()

    @cached_property
    def page(self) -> Page:
        """The meanings of all printed names, at one point."""
        document = self.derivation.document(self.problem.form, detail="brief")
        return self._verifier.proofreader(self._point).page("text", document)

    @cached_property
    def axes(self) -> dict[str, int]:
        page = self.page
        axes = {name: array.ndim for name, array in (*page.gradients.items(), *page.names.items())}
        return {**dict.fromkeys((*page.sizes, *page.letters, "π"), 0), **axes}

    def gradient(self, name: str) -> Array:
        """Return the derivative of the function by an argument: central differences, without the package's calculus."""
        inputs = {
            node.name: self._verifier.value_of(node, self._point) for node in self.derivation.record.program.inputs
        }
        arguments = {given: inputs.pop(given) for given in self.problem.shapes}
        upstream = list(inputs.values())

        def loss(moved: Array) -> float:
            returned = self._function(**{**arguments, name: moved[()]})
            outputs = returned if isinstance(returned, tuple) else (returned,)
            if not upstream:
                return float(outputs[0])
            return float(sum(np.sum(given * output) for given, output in zip(upstream, outputs, strict=True)))

        value = np.asarray(arguments[name], dtype=float)
        result = np.empty_like(value)
        for place in np.ndindex(value.shape):
            step = np.zeros_like(value)
            step[place] = STEP
            result[place] = sum(
                weight * loss(value + count * step) for count, weight in ((1, 8), (-1, -8), (2, -1), (-2, 1))
            ) / (12 * STEP)
        return result

    def _function(self, **arguments: Any) -> Any:
        if callable(self.problem.program):
            return self.problem.program(**arguments)
        text = self.problem.program
        for mark, operator in ((".*", "*"), ("./", "/"), ("'", ".T"), ("^", "**")):
            text = text.replace(mark, operator)
        return eval(text, {**NUMPY, **self.page.sizes}, arguments)

    def error(self, name: str, formula: str, value: Array) -> float:
        """Return the relative error of a formula, read as if it were printed for the derivative by `name`."""
        by_index = self.problem.form == "index"
        line = f"{self._lines[name][0]} = {formula}" if by_index else formula
        line = spelled(line)
        outcome = read(line, self.page, None if by_index else value)
        assert outcome.sides == 1 + by_index
        assert not outcome.left_out
        return outcome.error

    def match(self, name: str) -> int | None:
        """Return the number of the expected way that is printed, or None."""
        printed = [parsed(side, self.axes).key for side in self.printed.get(name, [])]
        for k, way in enumerate(self.problem.expected[name]):
            if parsed(spelled(way), self.axes).key in printed:
                return k
        return None


def spelled(formula: str) -> str:
    """Return a formula with Greek letters for the names that are words for them, as names are printed."""
    return re.sub("[A-Za-z_][A-Za-z_0-9]*", lambda match: with_greek_letters(match.group()), formula)


def _sides(line: str) -> list[str]:
    """Split at the equality signs outside of brackets."""
    sides, depth = [""], 0
    for word in re.split(r"( = |[(\[|\])])", line):
        depth += (word in ("(", "[")) - (word in (")", "]"))
        if word == " = " and depth == 0:
            sides.append("")
        else:
            sides[-1] += word
    return [side.strip() for side in sides]
