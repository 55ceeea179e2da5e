"""Python programs run in separate interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HANG = 900.0
"""Seconds after which a program is considered to hang; on a loaded machine all are slow."""

INSTANT = 0.005
"""Seconds between two polls of another process."""


@contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a process that is terminated at the end of the block, with its pipes closed."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[Any], reached: Callable[[], bool]) -> None:
    """Wait until `reached` returns true; fail the test if the process ends before."""
    deadline = time.monotonic() + HANG
    while not reached():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(INSTANT)


def identity(path: Path) -> object:
    """Return a value that differs if a file is replaced by another; None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def is_replaced(path: Path, before: object) -> bool:
    """Whether a file is there that is not the one of which `identity` was `before`."""
    return identity(path) not in (None, before)


def script(text: str, *arguments: str, **environment: str) -> str:
    """Return the output of a program that can import the test helpers; fail the test if the program fails."""
    here = str(Path(__file__).parents[1])
    path = os.pathsep.join([here, *sys.path])
    command = [sys.executable, "-c", textwrap.dedent(text), *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **environment},
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
