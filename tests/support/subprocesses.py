"""Python programs run in an interpreter of their own."""

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
"""Seconds after which a program that a test waits for is taken to hang; on a busy machine all take long."""

INSTANT = 0.005
"""Seconds between two looks at what another process does."""


@contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process that ends with the block, and its pipes with it, whatever happens there."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[Any], reached: Callable[[], bool]) -> None:
    """Wait until `reached` says so; fails the test where the process ends before."""
    deadline = time.monotonic() + HANG
    while not reached():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(INSTANT)


def identity(path: Path) -> object:
    """What differs when a file is replaced by another; None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def script(text: str, *arguments: str, **environment: str) -> str:
    """What a program prints, with the helpers of the tests in reach; it fails the test if the program fails."""
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
