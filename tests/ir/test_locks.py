"""Locks across a fork."""

from __future__ import annotations

import os
import threading
import warnings

import pytest
from support.subprocesses import HANG

from chainrule.ir import fork_safe_lock


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # where another test has brought in JAX
def test_a_forked_child_finds_a_lock_free_that_another_thread_held() -> None:
    lock, held, forking = fork_safe_lock(), threading.Event(), threading.Event()
    os.register_at_fork(before=forking.set)  # the last that is registered is called first

    def hold() -> None:
        with lock:
            held.set()
            forking.wait()

    other = threading.Thread(target=hold)
    other.start()
    held.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forking beside threads
        child = os.fork()
    if child == 0:
        os._exit(0 if lock.acquire(timeout=HANG) else 1)
    other.join()
    assert os.waitpid(child, 0) == (child, 0)
    assert lock.acquire(timeout=HANG)
