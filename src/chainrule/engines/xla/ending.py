"""How a process ends when another one of its run is gone: one line, status 1, and no waiting.

JAX aborts a process if the first one is gone or another does not answer in time, from a thread of its own and with
many lines; whatever waits for another process in a collective cannot be woken. So nothing is raised: the line is
written and the process ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from chainrule.interrupts import INTERRUPTED, interruptible

STATUS = 1

FLUSHING = 1.0
"""The maximum time in seconds to write what Python's streams still hold."""

WAKING = 0.1
"""How often in seconds a thread that waits for another looks for Ctrl-C."""

_once = threading.Lock()
_kept: list[Any] = []


def end_process(message: str, status: int = STATUS) -> NoReturn:
    """Write one line to standard error and end the process, without any handlers; the first of several calls counts."""
    if not _once.acquire(blocking=False):
        while True:  # until the other call has ended the process
            time.sleep(FLUSHING)
    flushing = threading.Thread(target=_flush, daemon=True)
    flushing.start()
    flushing.join(FLUSHING)
    os.write(2, f"{message}\n".encode(errors="backslashreplace"))
    os._exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def end_if_interrupted(call: Callable[[], None]) -> None:
    """Call `call`, which waits in foreign code and cannot be woken; end the process if Ctrl-C is pressed meanwhile."""
    failed: list[BaseException] = []

    def calling() -> None:
        try:
            call()
        except BaseException as error:
            failed.append(error)

    def wait() -> bool:
        thread.start()
        while thread.is_alive():
            thread.join(WAKING)
        return True

    thread = threading.Thread(target=calling, daemon=True)
    try:
        met = interruptible(wait)
    except KeyboardInterrupt:
        met = None
    if met is None:
        end_process("interrupted", INTERRUPTED)
    if failed:
        raise failed[0]


def end_if_aborted(message: Callable[[], str]) -> None:
    """From now on, end with the message instead of aborting, where signals of POSIX exist."""
    if os.name != "posix":
        return
    # A handler of Python's own would only be noted, to run later in the main thread.
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda _: end_process(message()))
    _kept.append(handler)
    c_signal = ctypes.CDLL(None).signal
    c_signal.argtypes, c_signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    c_signal(signal.SIGABRT, ctypes.cast(handler, ctypes.c_void_p))
