"""Lazy loading of polars. Forked children, which lack its threads, are rejected; its panics are caught."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from chainrule.tables.errors import TableError
from chainrule.words import MissingDependencyError

_THREAD = re.compile(r"polars-\d")
"""Pattern of the names of the threads in the pool of polars."""
_TASKS = "/proc/self/task"


class _Process:
    """The state of polars' threads in this process."""

    used = False
    running = False
    """Whether they ran at the last fork."""
    lost = False
    """Whether they ran in a parent process before a fork."""


def load_polars() -> Any:
    """Return the module `polars`.

    Raises MissingDependencyError, naming the command that installs it. Raises TableError in a process that was forked
    after polars had started its threads: they do not exist in the child, which would wait for them forever.
    """
    if _Process.lost:
        raise TableError(
            "this process was forked from one in which polars ran, and polars' threads do not survive a fork; start "
            "processes with multiprocessing.get_context('spawn') or 'forkserver'"
        )
    try:
        import polars
    except ImportError:
        raise MissingDependencyError(
            "reading tables needs polars; install it with pip install 'chainrule[tables]'"
        ) from None
    _Process.used = True
    return polars


def _look() -> None:
    if "polars" not in sys.modules:
        _Process.running = False
        return
    _Process.running = _Process.used
    with suppress(OSError):  # where the system lists the threads of a process, they are found by name
        _Process.running = any(map(_is_of_polars, os.listdir(_TASKS)))


def _is_of_polars(task: str) -> bool:
    try:
        with open(f"{_TASKS}/{task}/comm") as stream:
            return _THREAD.match(stream.read()) is not None
    except OSError:  # the thread has ended
        return False


def _note() -> None:
    _Process.lost = _Process.lost or _Process.running


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_look, after_in_child=_note)


def is_panic(error: BaseException) -> bool:
    """Whether an error is a panic of the Rust code of polars, which is not an Exception."""
    return type(error).__name__ == "PanicException"


@contextmanager
def without_panic_messages() -> Iterator[None]:
    """Suppress the messages about panics that the Rust code of polars prints within the block.

    They are written to the descriptor of standard error, bypassing Python, also by threads whose panics are not raised.
    Other output to it appears after the block, unless there was a panic.
    """
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as written, os.fdopen(kept, "wb", buffering=0) as terminal:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            with suppress(OSError, ValueError):
                sys.stderr.flush()
            os.dup2(kept, 2)
            written.seek(0)
            said = written.read()
            if b" panicked at " not in said:
                with suppress(OSError):
                    terminal.write(said)
