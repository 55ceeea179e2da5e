"""Several local processes, as a launcher starts them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.subprocesses import HANG, started


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


@contextmanager
def several(count: int, command: list[str], folder: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Start processes that train together; the output of process K is in `folder`, in out.K and err.K."""
    together = {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{free_port()}", "JAX_NUM_PROCESSES": str(count)}
    here = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    with ExitStack() as stack:
        processes = []
        for number in range(count):
            environment = {**os.environ, "PYTHONPATH": here, **together, "JAX_PROCESS_ID": str(number)}
            out, err = (stack.enter_context(open(folder / f"{name}.{number}", "w")) for name in ("out", "err"))
            process = started(command, stdout=out, stderr=err, env=environment, text=True)
            processes.append(stack.enter_context(process))
        yield processes


def outputs(count: int, command: list[str], folder: Path) -> list[str]:
    """Return what processes write to standard output; fail the test if one of them fails."""
    with several(count, command, folder) as processes:
        statuses = [process.wait(HANG) for process in processes]
    errors = [(folder / f"err.{number}").read_text() for number in range(count)]
    assert statuses == [0] * count, errors
    assert errors == [""] * count
    return [(folder / f"out.{number}").read_text() for number in range(count)]
