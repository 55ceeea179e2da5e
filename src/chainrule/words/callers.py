"""Errors and warnings as the caller sees them: at the caller's line, without frames of this package."""

from __future__ import annotations

import functools
import os
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, Self, TypeVar

from chainrule.words.errors import ChainruleError
from chainrule.words.guesses import unknown_keyword

P = ParamSpec("P")
R = TypeVar("R")

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
FULL = "CHAINRULE_TRACEBACK"
"""The environment variable that keeps all frames in tracebacks, if it is `full`."""


def at_callers_line(function: Callable[P, R]) -> Callable[P, R]:
    """Remove the frames of this package from the traceback of a ChainruleError that `function` raises.

    What remains are the caller's line and the lines of the caller's own functions that were called from within. A
    keyword that `function` does not take raises an ArgumentError, with the right one.
    """

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except ChainruleError as error:
            if os.environ.get(FULL) != "full":
                error.__traceback__ = _of_caller(error.__traceback__)
            raise  # adds no frame, so that the traceback continues with the caller's
        except TypeError:
            wrong = unknown_keyword(_title(function), function, kwargs) if kwargs else None
            if wrong is not None:
                raise wrong from None
            raise

    return called


def _title(function: Callable[..., object]) -> str:
    """Return the name of a function, or of a method with its class."""
    return function.__qualname__.rpartition("<locals>.")[2]


class Named:
    """A base of classes whose constructor raises an ArgumentError, with the right keyword, for one it does not take."""

    @at_callers_line
    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        wrong = unknown_keyword(cls.__name__, cls.__init__, kwargs) if kwargs else None
        if wrong is not None:
            raise wrong
        return super().__new__(cls)


def _of_caller(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Return `trace` without the frames of this package."""
    entries = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    kept: types.TracebackType | None = None
    for entry in reversed(entries):
        if not _is_internal(entry.tb_frame.f_code.co_filename):
            kept = types.TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return kept


def _is_internal(filename: str) -> bool:
    return filename.startswith(ROOT)


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that is attributed to the first caller outside of this package."""
    frame: types.FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and _is_internal(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
