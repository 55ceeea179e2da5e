"""Checkpoints: a resumed run ends with bitwise the same results as an uninterrupted one."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from support.subprocesses import identity, wait_for

from chainrule import interrupts
from chainrule.cli import refitting, trials
from chainrule.learners import learning
from chainrule.models import inspect_model, load_checkpoint, load_model, save_checkpoint
from chainrule.networks import TrainingState, jobs, train
from chainrule.training import BlockOrder

Run = Callable[..., Result]
COMMAND = [sys.executable, "-c", "from chainrule.cli import main; main()"]


def write_data(rows: int = 200, path: str = "data.csv") -> str:
    X = np.random.default_rng(3).standard_normal((rows, 3))
    lines = [f"{a:.4f},{b:.4f},{c:.4f},{a * b - c:.4f}" for a, b, c in X]
    Path(path).write_text("\n".join(["a,b,c,t", *lines]) + "\n")
    return path


def bits(path: str) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in load_model(path).params.items()}


def interrupt_after(monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    """Send Ctrl-C when a run has been polled `looks` times."""
    monkeypatch.setattr(trials, "LOOKS", 0.0)
    seen = [0]
    original = trials._Search._look

    def look(self: Any, place: int, state: Any) -> None:
        seen[0] += 1
        if seen[0] == looks:
            raise KeyboardInterrupt
        original(self, place, state)

    monkeypatch.setattr(trials._Search, "_look", look)


@pytest.mark.parametrize("options", [[], ["--solver", "sgd", "--dropout", "0.1"], ["--normalization", "batch"]])
def test_an_interrupted_run_goes_on_to_the_same_bits(
    run: Run, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    write_data()
    arguments = ["data.csv", "--target", "t", "--epochs", "30", "--hidden", "8", *options]
    assert run("train", *arguments, "--save", "whole").exit_code == 0
    with monkeypatch.context() as patched:
        interrupt_after(patched, 7)
        stopped = run("train", *arguments, "--save", "part")
    assert stopped.exit_code == 130
    assert "chainrule train data.csv --resume part" in " ".join(stopped.stdout.split())
    progress = inspect_model("part").progress
    assert progress is not None
    assert 0 < progress.epoch < 30
    again = run("train", "data.csv", "--resume", "part")
    assert again.exit_code == 0, again.output
    assert bits("part") == bits("whole")


def test_a_table_larger_than_memory_is_mixed_in_blocks_and_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write_data()
    arguments = ["data.csv", "--target", "t", "--epochs", "20", "--hidden", "8"]
    assert run("train", *arguments, "--save", "small").exit_code == 0
    monkeypatch.setattr(learning, "READ_IN_BLOCKS", 0)
    assert run("train", *arguments, "--save", "whole").exit_code == 0
    assert bits("whole") != bits("small")
    with monkeypatch.context() as patched:
        interrupt_after(patched, 7)
        assert run("train", *arguments, "--save", "part").exit_code == 130
    assert isinstance(load_checkpoint("part").settings.order, BlockOrder)
    assert run("train", "data.csv", "--resume", "part").exit_code == 0
    assert bits("part") == bits("whole")


def test_a_search_goes_on_with_the_combination_that_was_stopped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write_data()
    options = [
        "--hidden",
        "4",
        "--hidden",
        "12",
        "--learning-rate",
        "0.001",
        "--learning-rate",
        "0.02",
        "--epochs",
        "12",
    ]
    whole = run("train", "data.csv", "--target", "t", *options, "--save", "whole", "--json")
    with monkeypatch.context() as patched:
        interrupt_after(patched, 29)
        stopped = run("train", "data.csv", "--target", "t", *options, "--save", "part")
    assert stopped.exit_code == 130
    again = run("train", "data.csv", "--resume", "part", "--json")
    assert again.exit_code == 0, again.output
    assert bits("part") == bits("whole")
    first, second = json.loads(whole.stdout), json.loads(again.stdout)
    for key in ("search", "score", "linear_score", "sizes", "loss_curve"):
        assert first[key] == second[key], key


def test_a_search_side_by_side_is_interrupted_and_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes while the second combination runs beside another; both are trained again."""
    write_data()
    monkeypatch.setattr(jobs, "available_threads", lambda: 2)
    options = ["--hidden", "4", "--hidden", "12", "--hidden", "8", "--epochs", "12", "--ensemble", "1"]
    whole = run("train", "data.csv", "--target", "t", *options, "--save", "whole", "--json")
    both = threading.Barrier(2)
    original = trials._Search._look

    def look(self: Any, place: int, state: Any) -> None:
        original(self, place, state)
        if place and state.epoch == 3:
            if both.wait(60) == 0:
                os.kill(os.getpid(), signal.SIGINT)
            following = interrupts._deferring.interrupt
            assert following is not None
            while not following.presses:
                time.sleep(0.001)

    with monkeypatch.context() as patched:
        patched.setattr(trials, "LOOKS", 0.0)
        patched.setattr(trials._Search, "_look", look)
        stopped = run("train", "data.csv", "--target", "t", *options, "--save", "part")
    assert stopped.exit_code == 130
    assert "The search was interrupted; of the combinations so far the best is kept." in stopped.stdout
    again = run("train", "data.csv", "--resume", "part", "--json")
    assert again.exit_code == 0, again.output
    assert bits("part") == bits("whole")
    assert json.loads(whole.stdout)["search"] == json.loads(again.stdout)["search"]


def test_more_epochs_continue_a_run_that_had_all_of_its_own(run: Run) -> None:
    write_data()
    arguments = ["data.csv", "--target", "t", "--hidden", "8", "--patience", "1000"]
    assert run("train", *arguments, "--epochs", "20", "--save", "whole").exit_code == 0
    assert run("train", *arguments, "--epochs", "8", "--save", "part").exit_code == 0
    refused = run("train", "data.csv", "--resume", "part")
    assert refused.exit_code == 2
    assert "give more" in refused.stderr
    assert run("train", "data.csv", "--resume", "part", "--epochs", "20").exit_code == 0
    assert bits("part") == bits("whole")


@pytest.mark.parametrize("options", [[], ["--time", "2", "--alpha", "1", "--alpha", "2", "--learning-rate", "0.01"]])
def test_a_run_that_is_interrupted_on_all_rows_begins_there_again(
    run: Run, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    write_data()
    arguments = ["data.csv", "--target", "t", "--hidden", "8", "--ensemble", "2", "--epochs", "12", *options]
    arguments += ["--threads", "1"]
    clock = itertools.count()  # a search of two seconds has one combination if each look at the clock takes one
    monkeypatch.setattr(trials, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    assert run("train", *arguments, "--save", "whole").exit_code == 0

    def interrupted(*arguments: Any, **options: Any) -> TrainingState:
        state = train(*arguments, **options)
        state.status = "interrupted"
        return state

    with monkeypatch.context() as patched:
        patched.setattr(refitting, "train", interrupted)
        stopped = run("train", *arguments, "--save", "part")
    assert stopped.exit_code == 130
    assert "Training anew on all rows was interrupted" in " ".join(stopped.stdout.split())
    assert "search was interrupted" not in stopped.stdout
    assert bits("part") != bits("whole")
    monkeypatch.setattr(trials, "time", SimpleNamespace(monotonic=lambda: 0))
    again = run("train", "data.csv", "--resume", "part", "--json")
    assert again.exit_code == 0, again.output
    assert len(json.loads(again.stdout)["search"]) == bool(options)
    assert bits("part") == bits("whole")


def test_an_interrupt_before_the_first_epoch_says_that_nothing_is_learnt(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_data()

    def interrupted(*arguments: Any, **options: Any) -> TrainingState:
        os.kill(os.getpid(), signal.SIGINT)
        return train(*arguments, **options)

    monkeypatch.setattr(trials, "train", interrupted)
    stopped = run("train", "data.csv", "--target", "t", "--hidden", "8")
    assert stopped.exit_code == 130
    said = " ".join(stopped.stdout.split())
    assert "Interrupted before the first epoch was done: this network has learnt nothing." in said
    assert "what was learnt is kept" not in said


def test_resuming_needs_the_same_table_and_no_other_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write_data()
    with monkeypatch.context() as patched:
        interrupt_after(patched, 4)
        run("train", "data.csv", "--target", "t", "--hidden", "8", "--save", "part")
    before = Path("part").read_bytes()
    write_data(201, "other.csv")
    for arguments, words in [
        (["other.csv", "--resume", "part"], "other data"),
        (["data.csv", "--resume", "part", "--learning-rate", "0.1"], "--learning-rate differs from the checkpoint"),
        (["data.csv", "--resume", "part", "--target", "a"], "--target differs from the checkpoint"),
        (["data.csv", "--resume", "part", "--epochs", "1"], "give more"),
        (["data.csv", "--resume", "none"], "none"),
        (["data.csv", "--resume", "data.csv"], "data.csv"),
    ]:
        result = run("train", *arguments)
        assert result.exit_code == 2, result.output
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
    assert Path("part").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"plan": None}, "was not written by"),
        ({"plan": {}}, "no valid plan: plan.target is None; it should be text; train anew"),
        ({"plan": {"seed": "x"}}, "plan.seed is 'x'; it should be a whole number of at least 0"),
        ({"plan": {"seed": 1}}, "another network"),
        ({"plan": {"hidden": [[9]]}}, "another network"),
        ({"plan": {"hidden": []}}, "plan.hidden is ()"),
        ({"plan": {"hidden": [["8"]]}}, "plan.hidden[0][0] is '8'"),
        ({"plan": {"learning_rates": [-1.0]}}, "plan.learning_rates[0] is -1.0; it should be a positive"),
        ({"plan": {"kinds": [["a", "colour"]]}}, "plan.kinds[0][1] is 'colour'; it should be one of number"),
        ({"plan": {"solver": "magic"}}, "plan.solver is 'magic'; it should be one of adam"),
        ({"plan": {"loss": "exec(p)"}}, "exec"),
        ({"plan": {"activation": "rellu"}}, "relu"),
        ({"plan": {"target": "z"}}, "no column 'z'"),
        ({"plan": {"epochs": True}}, "plan.epochs is True; it should be a whole number"),
        ({"trials": [1, 2]}, "what was tried"),
        ({"trials": "none"}, "what was tried"),
        ({"best": 3}, "what was tried"),
    ],
    ids=str,
)
def test_a_checkpoint_whose_plan_makes_no_sense_is_refused_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], words: str
) -> None:
    write_data()
    with monkeypatch.context() as patched:
        interrupt_after(patched, 4)
        run("train", "data.csv", "--target", "t", "--hidden", "8", "--save", "part")
    found = load_checkpoint("part")
    settings = {**found.model.settings, **changes}
    if changes.get("plan"):
        settings["plan"] = {**found.model.settings["plan"], **changes["plan"]}
    save_checkpoint("part", replace(found.model, settings=settings), found.state, found.settings)
    result = run("train", "data.csv", "--resume", "part")
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert result.stderr.splitlines()[0].startswith("error: ")
    assert "Traceback" not in result.output


def test_the_file_is_whole_at_every_moment_of_a_run_that_is_killed(tmp_path: Path) -> None:
    write_data(300, str(tmp_path / "data.csv"))
    options = ["train", "data.csv", "--target", "t", "--epochs", "100000", "--patience", "100000", "--hidden", "16"]
    arguments = [*COMMAND, *options, "--save", "m", "--checkpoint-every", "0"]
    path = tmp_path / "m"
    for count in (1, 2, 5):
        process = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(count):
            last = identity(path)
            wait_for(process, lambda last=last: identity(path) != last)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.wait()
        progress = inspect_model(str(path)).progress
        assert progress is not None
        assert progress.epoch > 0


def test_the_same_command_line_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write_data()
    arguments = [
        "data.csv",
        "--target",
        "t",
        "--hidden",
        "8",
        "--hidden",
        "4,4",
        "--learning-rate",
        "0.004",
        "--kind",
        "a=number",
    ]
    arguments += ["--epochs", "12", "--patience", "20", "--dropout", "0", "--save"]
    assert run("train", *arguments, "whole").exit_code == 0
    with monkeypatch.context() as patch:
        interrupt_after(patch, 5)
        assert run("train", *arguments, "part").exit_code == 130
    again = run("train", *arguments, "part", "--resume", "part")
    assert again.exit_code == 0, again.output
    assert bits("part") == bits("whole")
