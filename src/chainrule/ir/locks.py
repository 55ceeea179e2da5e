"""Locks that a forked child finds free."""

from __future__ import annotations

import os
import threading


def fork_safe_lock() -> threading.RLock:
    """A lock that a fork waits for, for what all threads of a process share.

    A child has only the thread that forked, so that a lock held by another would never be released there.
    """
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock
