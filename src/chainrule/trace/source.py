"""Locations in user code: the frame, its line, and errors that show them."""

from __future__ import annotations

import dis
import linecache
import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache, lru_cache
from itertools import islice
from types import CodeType, FrameType
from typing import Any

import numpy as np

from chainrule.ir import DTypeError, ProgramError, ShapeError
from chainrule.trace.foreign import LIBRARIES, other_function
from chainrule.trace.recording import recording
from chainrule.words import ChainruleError


class TraceError(ChainruleError):
    """The function contains an operation that cannot be recorded; the message shows the line and an alternative."""


class UnaskedError(TraceError):
    """Python did not ask a traced value, or takes only a number for its answer, in the code that `frame` runs.

    That is an index of an object that is not traced, and the length of an axis of a named size.
    """

    def __init__(self, message: str, frame: FrameType) -> None:
        super().__init__(message)
        self.code = frame.f_code
        self.module: Mapping[str, Any] = frame.f_globals


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
        return filename.startswith(_FOREIGN[:2]) or _library_of(filename) is not None
    return filename.startswith(_FOREIGN)


def _library_of(filename: str) -> str | None:
    """Return the package in `LIBRARIES` that a file belongs to."""
    for folder in _SITE:
        name = filename.removeprefix(folder + os.sep).split(os.sep)[0]
        if name in LIBRARIES:
            return name
    return None


def _calling_library() -> str | None:
    """Return the package in `LIBRARIES` that the innermost frame of user code has called, if any."""
    frame: FrameType | None = sys._getframe(1)
    called: str | None = None
    while frame is not None and not is_user_file(frame.f_code.co_filename):
        called = _library_of(frame.f_code.co_filename) or called
        frame = frame.f_back
    return called


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
    return dis.opname[frame.f_code.co_code[_offset(frame)]]


def _offset(frame: FrameType) -> int:
    """Return the place of the instruction that `frame` executes, which Python 3.11 leaves for its cache in a call."""
    code, offset = frame.f_code.co_code, frame.f_lasti
    while offset > 0 and dis.opname[code[offset]] == "CACHE":
        offset -= 2
    return offset


def is_subscript(frame: FrameType) -> bool:
    """Whether the current bytecode instruction of `frame` is `x[index]`, as a value and not assigned to."""
    instructions, offset = dis.get_instructions(frame.f_code), _offset(frame)
    current = next((each for each in instructions if each.offset == offset), None)
    return current is not None and (current.opname == "BINARY_SUBSCR" or current.argrepr == "[]")


@lru_cache(maxsize=1024)
def _called_names(code: CodeType) -> dict[int, str]:
    """Return the name of the function that each call in `code` calls, by the offset of the instruction."""
    names: dict[int, str] = {}
    latest: dict[tuple[int | None, int | None], str] = {}  # by the beginning of the expression
    for each in dis.get_instructions(code):
        if each.positions is None or each.positions.lineno is None:
            continue
        start = (each.positions.lineno, each.positions.col_offset)
        if each.opname.startswith(("LOAD_", "LOAD_METHOD")):
            latest[start] = str(each.argval)
        elif each.opname.startswith("CALL") and start in latest:
            names[each.offset] = latest[start]
    return names


def called_name(frame: FrameType) -> str:
    """Return the name of the function that `frame` is calling, as in `zeros` for `np.zeros(3)`; "" if it has none."""
    return _called_names(frame.f_code).get(_offset(frame), "")


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


def refusal(message: str, place: str = "") -> TraceError:
    """Return a TraceError located at `place`, or here, and record it in the trace in case a caller catches it."""
    library, frame = _calling_library(), user_frame()
    if library is not None and frame is not None:
        message = other_function(library, current_expression(frame))
    error = TraceError(place + message if place else located(message))
    current = recording.get()
    if current is not None:
        current.refused(error)
    return error


def table_indexed(frame: FrameType) -> UnaskedError:
    """The error for a traced value between the brackets of an object that is not traced, in the code of `frame`."""
    message = "a table that is not traced is indexed by a value that has no numbers yet, and the source of this code is"
    return _in_trace(UnaskedError(located(f"{message} not known; write np.take(table, index, axis=0)"), frame))


def length_asked(length: object) -> TraceError:
    """The error for `len` of a traced value whose first axis has a named size."""
    frame = user_frame()
    if frame is None:
        return refusal(f"len() cannot return the named size {length}; write .shape[0] instead")
    return _in_trace(
        UnaskedError(located(f"len() cannot return the named size {length}; write .shape[0] instead"), frame)
    )


def _in_trace(error: UnaskedError) -> UnaskedError:
    """Record an error in the trace in case a caller catches it."""
    current = recording.get()
    if current is not None:
        current.refused(error)
    return error


def refused_by(library: str) -> TraceError:
    """The error for a call of a function of `library` that has no frame of its own."""
    frame = user_frame()
    return refusal(other_function(library, "" if frame is None else current_expression(frame)))


def refused_in_library(error: BaseException) -> TraceError | None:
    """The error for a library's function that raised `error` about a traced value; None for any other error."""
    if "Traced" not in str(error):
        return None
    trace, frame, library = error.__traceback__, None, None
    while trace is not None:
        inside = _library_of(trace.tb_frame.f_code.co_filename)
        if is_user_file(trace.tb_frame.f_code.co_filename):
            frame, library = trace.tb_frame, None
        elif frame is not None and library is None:
            library = inside
        trace = trace.tb_next
    if frame is None or library is None:
        return None
    return TraceError(located_at(frame, frame.f_lineno, other_function(library, current_expression(frame))))


def relocated(error: ShapeError | DTypeError | ProgramError) -> ChainruleError:
    """Return an error of the same class with the location in user code prepended to its message."""
    return type(error)(located(str(error)))


def _shown(filename: str) -> str:
    """Return `filename` relative to the working directory if it is below it."""
    if filename.startswith("<"):
        return filename
    folder = os.path.join(os.getcwd(), "")
    return filename.removeprefix(folder)
