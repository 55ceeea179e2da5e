"""The time from the start of a process to the trained XOR weights on disk, as a user of a command sees it.

Each contender is a program in `programs/`, as its user would write it. This project and JAX can cache compiled code;
both are measured with an empty cache, and with the cache of an earlier run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import BenchmarkError, Contender, Timing, interleave
from benchmarks.settings import Settings, say

PROGRAMS = Path(__file__).parent / "programs"
TITLE = "process start to trained XOR weights on disk, 10,000 epochs, float64"
TOLERANCE = 1e-9


def run(settings: Settings) -> dict[str, Any]:
    """Measure the programs; raise BenchmarkError if their results differ."""
    with tempfile.TemporaryDirectory(prefix="chainrule-benchmarks-") as folder:
        contenders, absent = gather(Path(folder))
        say(f"coldstart: measuring {', '.join(contender.name for contender in contenders)}")
        timings = interleave(contenders, settings.rounds, least=0.0)
    ours = timings[0]
    check_weights(timings)
    return {
        "title": TITLE,
        "contenders": [{**timing.report(), "times_ours": timing.median / ours.median} for timing in timings],
        "absent": absent,
    }


def gather(folder: Path) -> tuple[list[Contender], dict[str, str]]:
    """Return the programs whose packages are installed, and the reason why each of the others is absent."""
    made = [
        _program(folder, "chainrule, nothing kept", "chainrule", keep=False),
        _program(folder, "chainrule, compiled before", "chainrule", keep=True),
        _program(folder, "NumPy, straightforward", "numpy", keep=False),
    ]
    absent = {}
    if find_spec("jax") is None:
        absent["JAX"] = "not installed (pip install jax)"
    else:
        made.append(_program(folder, "JAX, jitted scan, nothing kept", "jax", keep=False))
        made.append(_program(folder, "JAX, jitted scan, compiled before", "jax", keep=True))
    if find_spec("torch") is None:
        absent["PyTorch, eager"] = "not installed (pip install torch)"
    else:
        made.append(_program(folder, "PyTorch, eager, 1 thread", "torch", keep=False))
    return made, absent


def _program(folder: Path, title: str, package: str, keep: bool) -> Contender:
    """Return a contender; `keep` says whether compiled code is cached between runs."""
    program = PROGRAMS / f"{package}_xor.py"

    def run() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            cache = folder / package if keep else Path(place) / "cache"
            weights = Path(place) / "weights.npz"
            command = [sys.executable, str(program), str(weights)]
            if package == "jax" and keep:
                command.append(str(cache))
            environment = {**os.environ, "CHAINRULE_CACHE": str(cache)}
            # As after an installation: installers compile to bytecode, and a source tree caches it after one run.
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise BenchmarkError(f"coldstart: {program.name} failed: {done.stderr.strip().splitlines()[-1]}")
            with np.load(weights) as arrays:
                return dict(arrays)

    return Contender(title, run)


def check_weights(timings: list[Timing]) -> None:
    """Check that all weights agree with those of the first program."""
    for timing in timings:
        for name, expected in timings[0].outcome.items():
            if not np.allclose(timing.outcome[name], expected, rtol=TOLERANCE, atol=TOLERANCE):
                raise BenchmarkError(f"coldstart: {timing.name} has trained another {name} than {timings[0].name}")


def text(report: dict[str, Any]) -> str:
    """Return the report as a table."""
    lines = [f"{'':44}{'median':>11}{'fastest':>11}{'slowest':>11}{'times ours':>12}"]
    lines += [
        f"{timing['name']:44}{timing['median_seconds'] * 1e3:8.0f} ms{timing['fastest_seconds'] * 1e3:8.0f} ms"
        f"{timing['slowest_seconds'] * 1e3:8.0f} ms{timing['times_ours']:12.2f}"
        for timing in report["contenders"]
    ]
    lines += [f"not measured: {name}: {reason}" for name, reason in report["absent"].items()]
    return "\n".join(lines)
