"""`python -m support.ended_processes [--moments 20] [--processes 3]`: kill, stop and terminate processes of a run.

At a random moment one of the processes of `chainrule train --engine xla` gets SIGKILL, SIGSTOP, SIGTERM or SIGINT: from
the start on, or, in two of three, after the next checkpoint. The others must end within a minute (or the time in which
processes have to meet), in one line each, and the checkpoint, if there is one, must be whole. The next moment resumes
from it, with another number of processes. Writes a line for each moment; the status is 1 if one was wrong.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from chainrule.models import load_checkpoint
from support.processes import several
from support.subprocesses import identity, is_replaced, wait_for

SIGNALS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT)
PATIENCE = 60.0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def moment(number: int, draws: random.Random, most: int, folder: Path) -> str | None:
    """Make one attempt; return what was wrong."""
    count, sent = draws.randint(2, most), draws.choice(SIGNALS)
    victim, wait, trains = draws.randrange(count), draws.uniform(0, 20), draws.random() < 2 / 3
    model = folder / "model"
    given = [str(folder / "data.csv"), "--epochs", "1000000000", "--checkpoint-every", "0"]
    given += ["--resume", str(model)] if model.exists() else ["--target", "y", "--engine", "xla", *OPTIONS]
    command = [sys.executable, "-m", "chainrule", "train", *given, *([] if model.exists() else ["--save", str(model)])]
    before = identity(model)
    with several(count, command, folder) as processes:
        if trains:
            wait_for(processes[0], partial(is_replaced, model, before))
            wait /= 10
        time.sleep(wait)
        processes[victim].send_signal(sent)
        begun = time.monotonic()
        others = [process for k, process in enumerate(processes) if k != victim or sent == signal.SIGINT]
        try:
            statuses = [process.wait(PATIENCE + 120 * (not trains)) for process in others]
        except subprocess.TimeoutExpired:
            return "a process hangs"
        took = time.monotonic() - begun
    errors = [(folder / f"err.{k}").read_text() for k in range(count) if k != victim]
    reached = load_checkpoint(str(model)).state.epoch if model.exists() else 0
    lines = [len(error.splitlines()) for error in errors]
    when = f"{wait:.1f} s after {'a checkpoint' if trains else 'the start'}"
    say(f"{number}: {sent.name} to process {victim} of {count} {when}: the others ended {took:.1f} s later")
    say(f"   with {statuses}, lines {lines}, checkpoint of epoch {reached}")
    wrong = [error for error in errors if len(error.splitlines()) != (0 if sent == signal.SIGINT else 1)]
    interrupted_early = sent == signal.SIGINT and all(len(error.splitlines()) <= 1 for error in wrong)
    return None if not wrong or interrupted_early else wrong[0]


OPTIONS = ["--patience", "1000000000", "--ensemble", "1", "--hidden", "3", "--no-refit"]


def main() -> int:
    """Make all attempts; return the status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--processes", type=int, default=3, help="the most")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draws = random.Random(options.seed)
    rows = np.random.default_rng(0).normal(size=(200, 2))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = "\n".join(f"{a:.3f},{b:.3f},{a - 2 * b:.3f}" for a, b in rows)
        (folder / "data.csv").write_text(f"a,b,y\n{lines}\n", encoding="utf-8")
        found = [moment(number, draws, options.processes, folder) for number in range(options.moments)]
    for number, wrong in enumerate(found):
        if wrong:
            say(f"{number}: {wrong}")
    return int(any(found))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
