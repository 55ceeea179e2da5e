"""Shared C libraries, built into a temporary directory for the lifetime of the process."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from benchmarks.peers.absent import AbsentError

FLAGS = ("-O3", "-march=native", "-ffast-math", "-fPIC")


@cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="chainrule-benchmarks-")


@cache
def built(source: Path, *options: str) -> ctypes.CDLL:
    """Compile and load `source` with FLAGS; raise AbsentError if there is no compiler or it fails."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise AbsentError("it needs a C compiler (cc, or the one that CC names)")
    compiled = Path(_directory().name) / f"{source.stem}.o"
    library = compiled.with_suffix(".so")
    # Linked without -ffast-math: with it, loading the library would flush subnormal numbers in the whole process.
    for command in (
        [compiler, *FLAGS, *options, "-c", str(source), "-o", str(compiled)],
        [compiler, *options, "-shared", str(compiled), "-o", str(library), "-lm"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AbsentError(
                f"it does not compile: {done.stderr.strip().splitlines()[0] if done.stderr else compiler}"
            )
    return ctypes.CDLL(str(library))
