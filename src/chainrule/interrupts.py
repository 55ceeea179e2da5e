"""Ctrl-C while the command is still loading: one word and the status 130, as afterwards, instead of a traceback.

The package is imported before any of the command's own code runs, and modules in C turn an exception into others.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130


def _end(number: int, frame: FrameType | None) -> None:
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


if _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _end)
