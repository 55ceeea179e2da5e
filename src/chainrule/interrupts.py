"""Ctrl-C: while the command is loading, and in work that must not be torn in its middle.

Python raises KeyboardInterrupt before whatever bytecode runs next. That may be between two lines that belong together,
or in a callback of the garbage collector, where the exception is printed and lost. `deferred` notes Ctrl-C instead, for
work that looks at it where it can stop.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

INTERRUPTED = 130

ENOUGH = 5
"""Presses after which nothing is deferred any more: work that never looks can be ended."""

Result = TypeVar("Result")


def _end(number: int, frame: FrameType | None) -> None:
    """One word and the status 130: modules in C that are being imported turn an exception into others."""
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


def _is_command() -> bool:
    called = sys.argv[0] if sys.argv else ""
    if called == "-m":  # Python is looking for the module that it will run
        return sys.orig_argv[sys.orig_argv.index("-m") + 1 :][:1] == ["chainrule"] if "-m" in sys.orig_argv else False
    return os.path.splitext(os.path.basename(called))[0] == "chainrule"


def loaded() -> None:
    """Let Ctrl-C raise KeyboardInterrupt from now on, as it does where the package is imported by others."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Interrupt:
    """How often Ctrl-C was pressed within a block of `deferred`, and whether the work has reacted to it."""

    def __init__(self) -> None:
        self.presses = 0
        self._answered = 0
        self.raising = False

    @property
    def pressed(self) -> bool:
        """Whether Ctrl-C was pressed and nothing has come of it yet."""
        return self.presses > self._answered

    def answer(self) -> bool:
        """Whether Ctrl-C was pressed; the caller ends its work for it, so that KeyboardInterrupt is not raised."""
        pressed = self.pressed
        self._answered = self.presses
        return pressed


class _Deferring(threading.local):
    """The interrupt that a thread defers to; signals are handled by the main thread."""

    interrupt: Interrupt | None = None


_deferring = _Deferring()


def _note(number: int, frame: FrameType | None) -> None:
    interrupt = _deferring.interrupt
    if interrupt is None:
        raise KeyboardInterrupt
    interrupt.presses += 1
    here = frame is not None and frame.f_globals is globals()
    if (interrupt.raising and not here) or interrupt.presses >= ENOUGH:
        raise KeyboardInterrupt


@contextmanager
def deferred() -> Iterator[Interrupt]:
    """Note Ctrl-C within the block instead of raising KeyboardInterrupt in it.

    The block looks at `Interrupt.pressed` where it can stop, and calls `answer` if it does. A press that has not been
    answered raises KeyboardInterrupt when the block ends. Blocks within the block share its interrupt. Code of others
    is called by `interruptible`.

    After `ENOUGH` presses KeyboardInterrupt is raised in the block. Without effect outside the main thread, which
    receives no signals, and where SIGINT has a handler of somebody else.

    >>> import signal
    >>> with deferred() as interrupt:
    ...     signal.raise_signal(signal.SIGINT)
    ...     print("a line that is always reached", interrupt.answer())
    a line that is always reached True
    """
    outer = _deferring.interrupt
    if outer is not None and not outer.raising:
        yield outer
        return
    interrupt = Interrupt()
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main and outer is None else None
    handled = handler in (signal.default_int_handler, _note)
    try:
        if handled:
            signal.signal(signal.SIGINT, _note)
        _deferring.interrupt = interrupt
        yield interrupt
    finally:
        _deferring.interrupt = outer
        if handled:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupt.pressed:
        if outer is not None:
            outer.presses += 1
        raise KeyboardInterrupt


def interruptible(call: Callable[[], Result]) -> Result | None:
    """The result of `call`, in which Ctrl-C raises KeyboardInterrupt although it is deferred around it.

    KeyboardInterrupt ends the call, with the result None, and counts as a press of the block around it; so does one
    that is lost within the call. Without `deferred` around it, this is the call alone.
    """
    interrupt = _deferring.interrupt
    if interrupt is None:
        return call()
    before, presses = interrupt.raising, interrupt.presses
    try:
        interrupt.raising = True
        return call()
    except KeyboardInterrupt:
        interrupt.presses = max(interrupt.presses, presses + 1)
        return None
    finally:
        interrupt.raising = before


if _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _end)
