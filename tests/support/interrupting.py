"""Ctrl-C at a moment that is awaited: once a native run has come so far, however busy the machine is."""

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
"""Seconds between two looks."""


@contextmanager
def interrupted_when(reached: Callable[[], bool]) -> Iterator[None]:
    """Ctrl-C within the block as soon as `reached` says so; the test fails where it never does."""
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
    """Ctrl-C once native runs of the block have done so many epochs and the last one has taken so many snapshots.

    With neither it comes when the first call is about to begin.
    """
    calls: list[Any] = []
    prepared = NativeSession._prepared

    def noted(session: NativeSession, *arguments: Any) -> Any:
        call = prepared(session, *arguments)
        calls[1:] = [call]  # the first says where the block began, the last how far it is
        return call

    def reached() -> bool:
        if not calls:
            return False
        first, last = calls[0], calls[-1]
        return bool(last.start.epoch + last.epochs - first.start.epoch >= epochs and last.snapshots >= snapshots)

    with mock.patch.object(NativeSession, "_prepared", noted), interrupted_when(reached):
        yield
