"""Locations in user code: the frame, its line, and errors that show them."""

from __future__ import annotations

import dis
import linecache
import os
import sys
from contextvars import ContextVar
from functools import cache
from itertools import islice
from types import FrameType

import numpy as np

from chainrule.ir import DTypeError, ProgramError, ShapeError
from chainrule.trace.recording import recording
from chainrule.words import ChainruleError


class TraceError(ChainruleError):
    """The function contains an operation that cannot be recorded; the message shows the line and an alternative."""


traced_files: ContextVar[frozenset[str]] = ContextVar("traced_files", default=frozenset())
"""Files of the functions being traced, which count as user code regardless of their location."""

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_NUMPY = os.path.dirname(np.__file__)
_SITE = {os.path.dirname(_NUMPY)}
_FOREIGN = tuple(folder + os.sep for folder in (_PACKAGE, _NUMPY, os.path.dirname(os.__file__)))


def is_user_file(filename: str) -> bool:
    """Whether code in `filename` belongs to the user, not to this package, NumPy or the standard library."""
    return not _is_foreign(filename) or filename in traced_files.get()


@cache
def _is_foreign(filename: str) -> bool:
    if filename.startswith("<frozen"):
        return True
    if any(filename.startswith(folder + os.sep) for folder in _SITE):
        return filename.startswith(_FOREIGN[:2])
    return filename.startswith(_FOREIGN)


def is_installed_file(filename: str) -> bool:
    """Whether `filename` belongs to this package, the standard library or an installed package."""
    return _is_foreign(filename) or any(filename.startswith(folder + os.sep) for folder in _SITE)


def user_frame() -> FrameType | None:
    """Return the innermost frame of user code on the stack, or None."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_user_file(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def source_line(frame: FrameType) -> str:
    """Return the current line of `frame` without indentation; "" if the source is unavailable."""
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno, frame.f_globals).strip()


def current_instruction(frame: FrameType) -> str:
    """Return the name of the current bytecode instruction, e.g. `STORE_SUBSCR` in an assignment to an element."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]]


def current_expression(frame: FrameType) -> str:
    """Return the source of the expression that `frame` is evaluating; its line if unknown."""
    positions = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)
    line, last, start, end = positions or (None, None, None, None)
    if line is None or last is None or start is None or end is None:
        return source_line(frame)
    file = frame.f_code.co_filename
    texts = [linecache.getline(file, number, frame.f_globals).encode() for number in range(line, last + 1)]
    texts[-1] = texts[-1][:end]
    texts[0] = texts[0][start:]
    return b"".join(texts).decode(errors="replace") or source_line(frame)


def located(message: str) -> str:
    """Prefix `message` with the location in user code: `model.py:5: z = X @ W`."""
    frame = user_frame()
    if frame is None:
        return message
    return located_at(frame, frame.f_lineno, message)


def located_at(frame: FrameType, line: int, message: str) -> str:
    """Prefix `message` with a line of the code that `frame` runs."""
    code = frame.f_code
    text = linecache.getline(code.co_filename, line, frame.f_globals).strip()
    return f"{_shown(code.co_filename)}:{line}:{' ' + text if text else ''}\n  {message}"


def refusal(message: str) -> TraceError:
    """Return a located TraceError, and record it in the trace in case a caller catches it."""
    error = TraceError(located(message))
    current = recording.get()
    if current is not None:
        current.refused(error)
    return error


def relocated(error: ShapeError | DTypeError | ProgramError) -> ChainruleError:
    """Return an error of the same class with the location in user code prepended to its message."""
    return type(error)(located(str(error)))


def _shown(filename: str) -> str:
    """Return `filename` relative to the working directory if it is below it."""
    if filename.startswith("<"):
        return filename
    folder = os.path.join(os.getcwd(), "")
    return filename.removeprefix(folder)
