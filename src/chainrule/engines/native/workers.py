"""A pool of worker threads; waking one takes a tenth of the time of starting one."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

Work: TypeAlias = Callable[[int], None]
"""The work of a thread, given its number."""

Begin: TypeAlias = Callable[[int], None]
"""Called with the number of threads, before any of them works."""

_Task: TypeAlias = tuple[Begin, Work, threading.Event]


class Workers:
    """Up to `most` threads. The first is the leader, which starts, wakes and awaits the others.

    They end when this object is collected. A forked child has none and starts its own.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._process = 0
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()

    def ready(self) -> bool:
        """Whether there is a leader; False if the system does not allow a thread."""
        if self._process == os.getpid():
            return True
        tasks: SimpleQueue[_Task | None] = SimpleQueue()
        leader = threading.Thread(target=_lead, args=(tasks, self.most), name="chainrule-run-0", daemon=True)
        try:
            leader.start()
        except RuntimeError:
            return False
        weakref.finalize(self, _dismiss, tasks).atexit = False
        self._tasks, self._process = tasks, os.getpid()
        return True

    def call(self, begin: Begin, work: Work, over: threading.Event) -> None:
        """Run `work` in each thread; `over` is set when all have finished."""
        self._tasks.put((begin, work, over))


def _dismiss(tasks: SimpleQueue[_Task | None]) -> None:
    """Stop the threads, except at interpreter shutdown, which would kill threads that wake up."""
    if not sys.is_finalizing():
        tasks.put(None)


def _lead(tasks: SimpleQueue[_Task | None], most: int) -> None:
    """The leader. It holds no reference to `Workers`, so that these can be collected."""
    members: list[SimpleQueue[Work | None]] = []
    finished: SimpleQueue[None] = SimpleQueue()
    while (task := tasks.get()) is not None:
        begin, work, over = task
        try:
            if not members:
                members = _members(most, finished)
            begin(1 + len(members))
            for member in members:
                member.put(work)
            work(0)
            for _ in members:
                finished.get()
        finally:
            del task, begin, work
            over.set()
    for member in members:
        member.put(None)


def _members(most: int, finished: SimpleQueue[None]) -> list[SimpleQueue[Work | None]]:
    """Start the threads behind the leader, as many as the system allows."""
    members: list[SimpleQueue[Work | None]] = []
    for number in range(1, most):
        orders: SimpleQueue[Work | None] = SimpleQueue()
        name = f"chainrule-run-{number}"
        try:
            threading.Thread(target=_follow, args=(orders, finished, number), name=name, daemon=True).start()
        except RuntimeError:
            break
        members.append(orders)
    return members


def _follow(orders: SimpleQueue[Work | None], finished: SimpleQueue[None], number: int) -> None:
    while (work := orders.get()) is not None:
        try:
            work(number)
        finally:
            del work
            finished.put(None)
