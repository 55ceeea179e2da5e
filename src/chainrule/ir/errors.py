"""The exceptions of programs and their types."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from chainrule.words import ChainruleError

P = ParamSpec("P")
R = TypeVar("R")


class ShapeError(ChainruleError, ValueError):
    """Shapes are inconsistent, or a shape is malformed."""


class DTypeError(ChainruleError, TypeError):
    """The dtype of an operand is not supported by the operation."""


class DeclarationError(ChainruleError, ValueError):
    """A declared property of an input is unknown, or cannot hold."""


class ProgramError(ChainruleError, ValueError):
    """A Program is malformed: an undeclared input, an unknown kind of node, an inconsistent type."""


def refuses_deep_nesting(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate `function` to raise ProgramError if an expression is nested too deeply for Python's recursion limit."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except RecursionError:
            raise ProgramError(
                "an expression is nested too deeply; give names to its parts, or use fewer rounds of a loop"
            ) from None

    return guarded
