"""A problem: a function, and its gradients as they were published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Form: TypeAlias = Literal["matrix", "index"]


@dataclass(frozen=True)
class Problem:
    """A published gradient.

    Attributes
    ----------
    name : str
        A short name.
    source : str
        Where the result is published.
    program : str or callable
        A formula, or NumPy code.
    shapes : Mapping[str, str]
        The shape of each argument.
    expected : Mapping[str, tuple[str, ...]]
        For a name in the program, what is printed as the gradient of the loss with respect to it: first as published,
        then other ways of writing that are as good, for which `note` has the reason.
    note : str
        Why the printed line may differ from the published one.
    form : str
        The form of the derivation in which it is printed.

    """

    name: str
    source: str
    program: str | Callable[..., Any]
    shapes: Mapping[str, str]
    expected: Mapping[str, tuple[str, ...]]
    note: str = ""
    form: Form = "matrix"

    @property
    def wrt(self) -> list[str]:
        """The arguments among the names with a published gradient."""
        return [name for name in self.expected if name in self.shapes]


class Chapter:
    """Collects the problems of a module."""

    def __init__(self) -> None:
        self.problems: dict[str, Problem] = {}

    def formula(self, name: str, source: str, program: str, shapes: str, note: str = "", /, **expected: Any) -> None:
        """Add a formula; `shapes` are written as in "A: m n; x: n"."""
        self.add(Problem(name, source, program, _shapes(shapes), _ways(expected), note))

    def code(
        self, source: str, shapes: str, note: str = "", /, form: Form = "matrix", **expected: Any
    ) -> Callable[[Any], Any]:
        """Add a function in NumPy; its name is that of the problem."""

        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            name = function.__name__.replace("_", " ")
            self.add(Problem(name, source, function, _shapes(shapes), _ways(expected), note, form))
            return function

        return add

    def add(self, problem: Problem) -> None:
        assert problem.name not in self.problems, problem.name
        self.problems[problem.name] = problem


def _shapes(text: str) -> dict[str, str]:
    pairs = (part.partition(":") for part in text.split(";"))
    return {name.strip(): shape.strip() for name, _, shape in pairs}


def _ways(expected: Mapping[str, str | tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {name: (ways,) if isinstance(ways, str) else ways for name, ways in expected.items()}
