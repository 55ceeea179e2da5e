"""polars: loaded when it is first used, refused in a forked child that lacks its threads, its panics caught."""

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
"""The names of threads of its pool."""
_TASKS = "/proc/self/task"


class _Process:
    """What this process knows of polars' threads."""

    used = False
    running = False
    """Whether they ran at the last fork."""
    lost = False
    """Whether they ran in a process that this one was forked from."""


def load_polars() -> Any:
    """The module `polars`.

    Raises MissingDependencyError, naming the command that installs it, and TableError in a process that was forked
    from one in which polars had started its threads: they do not exist in the child, which would wait for them forever.
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
    with suppress(OSError):  # where the system lists the threads of a process, they are seen by their names
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
    """Whether an error is a failed assertion in the Rust code of polars, which is no Exception."""
    return type(error).__name__ == "PanicException"


@contextmanager
def without_panic_messages() -> Iterator[None]:
    """Keep what the Rust code of polars prints about a panic in the block off the terminal.

    It writes to the descriptor of standard error, past Python, also from threads whose panics nobody sees. What else is
    written there meanwhile appears after the block, unless there was a panic.
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
