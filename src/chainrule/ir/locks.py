"""Locks that are free in a forked child."""

from __future__ import annotations

import os
import threading


def fork_safe_lock() -> threading.RLock:
    """Return a lock that a fork waits for, for state shared by all threads of a process.

    A child has only the thread that forked, so a lock held by another thread would never be released there.
    """
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock
