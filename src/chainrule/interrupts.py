"""Ctrl-C while the command is loading, and in work that must not be interrupted midway.

Python raises KeyboardInterrupt before an arbitrary bytecode: possibly between two lines that belong together, or in a
callback of the garbage collector, where the exception is printed and lost. `deferred` records Ctrl-C instead, for code
that polls it at safe points.
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
"""Number of presses after which KeyboardInterrupt is raised, so that code that never polls can be ended."""

Result = TypeVar("Result")


def _end(number: int, frame: FrameType | None) -> None:
    """Print one word and exit with the status 130: C modules that are being imported would convert an exception."""
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


def _is_command() -> bool:
    called = sys.argv[0] if sys.argv else ""
    if called == "-m":  # Python is locating the module to run
        return sys.orig_argv[sys.orig_argv.index("-m") + 1 :][:1] == ["chainrule"] if "-m" in sys.orig_argv else False
    return os.path.splitext(os.path.basename(called))[0] == "chainrule"


def loaded() -> None:
    """From now on, let Ctrl-C raise KeyboardInterrupt, as when the package is imported by other code."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Interrupt:
    """The number of presses of Ctrl-C within a block of `deferred`, and whether they were handled.

    One with a `leader` has the presses of that one, and handles them for itself.
    """

    def __init__(self, leader: Interrupt | None = None) -> None:
        self._leader, self._own = leader, 0
        self._answered: int = 0 if leader is None else leader._answered
        self.raising = False

    @property
    def presses(self) -> int:
        """The number of presses so far."""
        return self._own + (0 if self._leader is None else self._leader.presses)

    @presses.setter
    def presses(self, count: int) -> None:
        if self._leader is None:
            self._own = count
        else:
            self._leader.presses += count - self.presses

    def end_followers(self) -> None:
        """Let those that follow this one, but not its leader, see a press."""
        self._own += 1

    @property
    def pressed(self) -> bool:
        """Whether Ctrl-C was pressed and has not been handled."""
        return self.presses > self._answered

    def answer(self) -> bool:
        """Return whether Ctrl-C was pressed, and mark it as handled: the caller ends its work."""
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
    """Record Ctrl-C within the block instead of raising KeyboardInterrupt.

    The block polls `Interrupt.pressed` at safe points, and calls `answer` if it stops. An unhandled press raises
    KeyboardInterrupt at the end of the block. Nested blocks share the interrupt. Foreign code is called through
    `interruptible`.

    After `ENOUGH` presses KeyboardInterrupt is raised in the block. No effect outside the main thread, which receives
    signals, or if SIGINT has a custom handler.

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


@contextmanager
def following(interrupt: Interrupt | None = None) -> Iterator[None]:
    """Let the blocks of `deferred` within see the presses of `interrupt`, and answer them for themselves.

    It is that of another thread, which receives the signals, or by default that of the enclosing block, if any.
    """
    before = _deferring.interrupt
    leader = interrupt or before
    _deferring.interrupt = None if leader is None else Interrupt(leader)
    try:
        yield
    finally:
        _deferring.interrupt = before


def interruptible(call: Callable[[], Result]) -> Result | None:
    """Call `call`, in which Ctrl-C raises KeyboardInterrupt although it is deferred outside.

    KeyboardInterrupt ends the call with the result None, and counts as a press of the enclosing block; so does one that
    is lost within the call. Outside of `deferred`, this is a plain call.
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
