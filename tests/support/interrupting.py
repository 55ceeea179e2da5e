"""Ctrl-C at a given event, such as a native run's progress, regardless of the load of the machine."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from chainrule.engines.native.session import NativeSession

INSTANT = 0.001
"""Seconds between two polls."""


@contextmanager
def interrupted_when(reached: Callable[[], bool]) -> Iterator[None]:
    """Send Ctrl-C within the block as soon as `reached` returns true; the test fails if it never does."""
    over, sent = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(INSTANT):
            if reached():
                sent.set()
                os.kill(os.getpid(), signal.SIGINT)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    assert sent.is_set()


@contextmanager
def interrupted_after(epochs: int = 0, snapshots: int = 0) -> Iterator[None]:
    """Send Ctrl-C after this number of epochs of native runs in the block, and of snapshots in the last one.

    With neither it is sent just before the first call begins.
    """
    calls: list[Any] = []
    prepared = NativeSession._prepared

    def noted(session: NativeSession, *arguments: Any) -> Any:
        call = prepared(session, *arguments)
        calls[1:] = [call]  # the first marks the start of the block, the last its progress
        return call

    def reached() -> bool:
        if not calls:
            return False
        first, last = calls[0], calls[-1]
        return bool(last.start.epoch + last.epochs - first.start.epoch >= epochs and last.snapshots >= snapshots)

    with mock.patch.object(NativeSession, "_prepared", noted), interrupted_when(reached):
        yield
