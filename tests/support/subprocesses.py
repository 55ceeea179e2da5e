"""Python programs run in an interpreter of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path


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
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
