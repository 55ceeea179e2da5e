"""The exceptions of programs and their types."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from chainrule.words import ChainruleError

P = ParamSpec("P")
R = TypeVar("R")


class ShapeError(ChainruleError, ValueError):
    """Two shapes do not fit, or a shape is malformed."""


class DTypeError(ChainruleError, TypeError):
    """An operand has a dtype that the operation does not take."""


class ProgramError(ChainruleError, ValueError):
    """A Program breaks its own rules: an undeclared input, a node of an unknown kind, a stale type."""


def refuses_deep_nesting(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, raising ProgramError where an expression is nested more deeply than Python calls can be."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except RecursionError:
            raise ProgramError(
                "an expression is nested too deeply; give names to its parts, or use fewer rounds of a loop"
            ) from None

    return guarded
