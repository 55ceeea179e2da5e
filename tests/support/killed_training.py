"""Repeatedly killed training with checkpoints: the file is always complete, the result always bitwise identical.

`python -m support.killed_training --kills 200` runs the long form and prints its findings; with `--command` it kills
`chainrule train --checkpoint-every`, and resumes with `--resume`. With `--child` it is the training process, which
starts or resumes from the checkpoint if there is one.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.models import Checkpointer, Model, load_checkpoint, load_model
from chainrule.networks import Architecture, TrainingSettings, Validation, train
from chainrule.training import SGD, Adam, schedules
from support.subprocesses import HANG, INSTANT, identity

ROWS, INPUTS, CLASSES = 256, 12, 3
NAME = "model.safetensors"

COMMAND = "command"
OPTIONS = ["--target", "t", "--epochs", "150", "--hidden", "80", "--seed", "3"]
"""The command line job, and its training options."""

NETWORKS = {
    "adam": Architecture(INPUTS, (96, 96), CLASSES, loss="cross_entropy", dropout=0.2),
    "momentum": Architecture(INPUTS, (64, 64), CLASSES, loss="cross_entropy", normalization="batch", dtype="float32"),
    "schedule": Architecture(INPUTS, (200,), 2, activations="tanh", loss="abs(p - y)^1.5", alpha=1e-3),
}
SETTINGS = {
    "adam": TrainingSettings(
        Adam(0.003),
        epochs=60,
        batch_size=32,
        monitor="validation_loss",
        patience=1000,
        restore_best=True,
    ),
    "momentum": TrainingSettings(
        SGD(0.02, momentum=0.9, clip_norm=1.0), epochs=60, batch_size=50, seed=3, patience=3, plateau="divide"
    ),
    "schedule": TrainingSettings(SGD(schedules.Cosine(0.05, 300)), epochs=60, batch_size=64, weight_decay=1e-4),
}


def run(job: str, folder: Path) -> None:
    """Train to the end, from the checkpoint in `folder` if there is one, with a checkpoint after every epoch."""
    network, settings = NETWORKS[job], SETTINGS[job]
    draws = np.random.default_rng(7)
    X = draws.standard_normal((ROWS, INPUTS))
    y: Any = draws.integers(0, CLASSES, ROWS) if job != "schedule" else np.abs(X[:, :2])
    path = str(folder / NAME)
    resume = load_checkpoint(path).state if os.path.exists(path) else None
    initial = network.initial(5)
    statistics = {name: np.ones(shape, network.dtype) for name, shape in network.statistics.items()}
    keeper = Checkpointer(path, Model.of(network, {**initial, **statistics}), settings, seconds=None)

    def on_epoch(state: Any) -> None:
        if keeper.written == 0:
            say("training")
        keeper(state)

    validation = Validation(X[:40], y[:40]) if job == "adam" else None
    state = train(network, initial, X, y, settings=settings, validation=validation, resume=resume, on_epoch=on_epoch)
    say(f"done after {state.epoch} epochs")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@dataclass
class Findings:
    """The events of the runs."""

    kills: int = 0
    inside: int = 0
    """Kills during the writing of a file."""
    before_any: int = 0
    """Kills before the first checkpoint."""
    rounds: int = 0
    resumed: list[int] = field(default_factory=list)
    """The epochs from which runs resumed."""


def hunt(
    kills: int,
    folder: Path,
    seed: int,
    jobs: Sequence[str] = tuple(NETWORKS),
    report: Callable[[str], None] = lambda text: None,
) -> Findings:
    """Kill trainings at random moments; raise AssertionError for an incomplete file or a different result."""
    moments, found = random.Random(seed), Findings()
    modules = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    environment = {
        "PYTHONPYCACHEPREFIX": str(folder / "code"),
        **os.environ,
        "PYTHONPATH": modules,
        "CHAINRULE_CACHE": str(folder / "cache"),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    (folder / "cache").mkdir(mode=0o700)
    expected: dict[str, dict[str, Any]] = {}
    while found.kills < kills:
        job = jobs[found.rounds % len(jobs)]
        if job not in expected:
            process = start(job, folder / f"whole {job}", environment)
            output, _ = process.communicate(timeout=HANG)
            assert process.returncode == 0, output
            expected[job] = outcome(folder / f"whole {job}")
        place = folder / f"round {found.rounds}"
        epoch = 0
        while found.kills < kills:
            process = start(job, place, environment)
            if moments.random() < 0.9:
                wait_for_work(job, process, place)  # most are killed while they train and write
                time.sleep(moments.random() ** 2 * 0.25)
            else:
                time.sleep(moments.random() * 0.3)
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=HANG)
            killed = process.returncode == -signal.SIGKILL
            assert process.stdout is not None
            process.stdout.close()
            found.kills += killed
            epoch = examine(place, epoch, found)
            if not killed or is_done(place):
                break
            report(f"{found.kills} kills, {found.inside} inside a write, round {found.rounds}, epoch {epoch}")
        if not is_done(place):
            process = start(job, place, environment)
            process.communicate(timeout=HANG)
            assert process.returncode == 0
            assert {path.name for path in place.iterdir()} == {NAME}
        same(outcome(place), expected[job])
        found.rounds += 1
    return found


def start(job: str, place: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    place.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "support.killed_training", "--child", job, str(place)]
    if job == COMMAND:
        path, table = place / NAME, place.parent / "table.csv"
        if not table.exists():
            write_table(table)
        task = ["--resume", str(path)] if path.exists() else [*OPTIONS, "--save", str(path)]
        program = "from chainrule.cli import main; main()"
        command = [sys.executable, "-c", program, "train", str(table), *task, "--checkpoint-every", "0.001"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)


def write_table(path: Path) -> None:
    draws = np.random.default_rng(0)
    X = draws.standard_normal((400, 6))
    rows = [",".join([*(f"{x:.4f}" for x in row), "yes" if row[0] * row[1] > 0 else "no"]) for row in X]
    path.write_text("\n".join(["a,b,c,d,e,f,t", *rows]) + "\n")


def wait_for_work(job: str, process: subprocess.Popen[bytes], place: Path) -> None:
    """Wait until the run trains: until it says so, or has written a checkpoint."""
    if job != COMMAND:
        assert process.stdout is not None
        process.stdout.readline()
        return
    before = identity(place / NAME)
    while process.poll() is None and identity(place / NAME) == before:
        time.sleep(INSTANT)


def examine(place: Path, epoch: int, found: Findings) -> int:
    """Return the epoch of the checkpoint in `place`, which must be complete and not earlier than `epoch`."""
    leftovers = [path for path in place.iterdir() if path.name.endswith(".unfinished")]
    found.inside += bool(leftovers)
    assert len(leftovers) <= 1, leftovers
    path = place / NAME
    if not path.exists():
        found.before_any += 1
        return 0
    load_model(str(path))
    state = load_checkpoint(str(path)).state
    assert state.epoch >= epoch
    found.resumed.append(state.epoch)
    return state.epoch


def is_done(place: Path) -> bool:
    """Whether the run has ended, according to its file."""
    path = place / NAME
    return path.exists() and load_checkpoint(str(path)).state.status not in ("running", "interrupted")


def outcome(place: Path) -> dict[str, Any]:
    """Return the contents of the file after the end of the run, except the elapsed time."""
    checkpoint = load_checkpoint(str(place / NAME))
    state = checkpoint.state
    arrays = {f"model {name}": array for name, array in checkpoint.model.params.items()}
    arrays |= {f"state {name}": array for name, array in state.params.items()}
    arrays |= {f"optimizer {name}": array for name, array in state.optimizer_state.items()}
    arrays |= {name: getattr(state, name) for name in ("loss_curve", "validation_losses", "validation_scores")}
    facts = {
        name: getattr(state, name)
        for name in ("epoch", "step", "learning_rate", "best_epoch", "best", "waiting", "status")
    }
    facts["metrics"] = checkpoint.model.metrics
    return {**{name: array.tobytes() for name, array in arrays.items()}, **facts}


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == value, f"{name} differs"


def main() -> None:
    """Run the training, or the process that kills it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=2, metavar=("JOB", "FOLDER"))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", action="store_true")
    given = parser.parse_args()
    jobs = (COMMAND,) if given.command else tuple(NETWORKS)
    if given.child:
        run(given.child[0], Path(given.child[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        found = hunt(given.kills, Path(folder), given.seed, jobs, say)
        say(
            f"{found.kills} kills in {found.rounds} runs: {found.inside} inside a write, {found.before_any} before the "
            f"first checkpoint, the others after epochs {min(found.resumed)} to {max(found.resumed)}; every file was "
            f"whole, every run ended in the same bits ({time.monotonic() - begun:.0f} s)"
        )


if __name__ == "__main__":
    main()
