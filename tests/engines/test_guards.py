"""Generated code accesses no memory except its arrays: it runs between inaccessible pages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.guarded_memory import CLOSES, WRONG, cases
from support.subprocesses import HANG

SCRIPT = Path(__file__).parent.parent / "support" / "guarded_memory.py"


def guarded(side: str, *names: str) -> subprocess.CompletedProcess[str]:
    """Cases in a process of their own, since a read of a closed page ends it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SCRIPT.parents[1]), *sys.path])}
    command = [sys.executable, str(SCRIPT), side, *names]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=HANG, check=False)


@pytest.mark.parametrize("part", range(4))
def test_nothing_is_touched_beside_an_array(part: int) -> None:
    """A quarter of the cases, at the one or the other end of their pages."""
    names = [name for name in cases() if name != WRONG]
    done = guarded("start" if part < 2 else "end", *names[part::4])
    last = done.stdout.strip().rpartition("\n")[2]
    assert done.returncode == 0, f"{last} touches memory beside its arrays, or is wrong: {done.stderr[-2000:]}"


@pytest.mark.skipif(not CLOSES, reason="only a write can be seen where pages cannot be closed off")
@pytest.mark.parametrize("side", ["start", "end"])
def test_a_read_beside_an_array_is_noticed(side: str) -> None:
    done = guarded(side, WRONG)
    assert done.returncode < 0
    assert done.stdout.strip() == WRONG
