"""Several processes that train together: what launchers say, the same bits in all, and the ends of one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from support import tables_together, training_together
from support.processes import outputs, several
from support.subprocesses import HANG, identity, is_replaced, started, wait_for

import chainrule as cr
from chainrule.engines import EngineError, get_engine
from chainrule.engines.launching import Launched, is_one_of_several, launched
from chainrule.models import load_checkpoint
from chainrule.trace import trace

LAUNCHED = {
    "plain": (
        {"JAX_COORDINATOR_ADDRESS": "h:1", "JAX_NUM_PROCESSES": "3", "JAX_PROCESS_ID": "2"},
        Launched("h:1", 3, 2),
    ),
    "indexed job": (
        {"JAX_COORDINATOR_ADDRESS": "job-0.s:1", "JAX_NUM_PROCESSES": "3", "JOB_COMPLETION_INDEX": "1"},
        Launched("job-0.s:1", 3, 1),
    ),
    "srun": (
        {
            "SLURM_JOB_ID": "77", "SLURM_STEP_NODELIST": "node[07-09]", "SLURM_STEP_NUM_TASKS": "6",
            "SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_NTASKS": "6",
        },
        Launched("node07:63428", 6, 5, [1]),
    ),
    "GPUs chosen by srun": (
        {
            "SLURM_JOB_ID": "77", "SLURM_STEP_NODELIST": "a1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1",
            "SLURM_LOCALID": "1", "CUDA_VISIBLE_DEVICES": "3",
        },
        Launched("a1:63428", 2, 1),
    ),
    "torchrun": (
        {"MASTER_ADDR": "m", "MASTER_PORT": "29500", "WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "0"},
        Launched("m:29501", 2, 1, [0]),
    ),
    "mpirun on one host": (
        {
            "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
            "OMPI_COMM_WORLD_LOCAL_SIZE": "2", "PMIX_NAMESPACE": "77",
        },
        Launched("127.0.0.1:63428", 2, 1, [1]),
    ),
    "MPICH on several hosts": (
        {"PMI_SIZE": "2", "PMI_RANK": "0", "MPI_LOCALNRANKS": "1", "JAX_COORDINATOR_ADDRESS": "h:2"},
        Launched("h:2", 2, 0),
    ),
    "torchrun in each task of srun": (
        {
            "SLURM_STEP_NODELIST": "a[1-2]", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "0",
            "MASTER_ADDR": "a1", "MASTER_PORT": "29500", "WORLD_SIZE": "8", "RANK": "6", "LOCAL_RANK": "2",
        },
        Launched("a1:29501", 8, 6, [2]),
    ),
    "torchrun in one task of srun": (
        {
            "SLURM_STEP_NODELIST": "a1", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0",
            "MASTER_ADDR": "a1", "MASTER_PORT": "29500", "WORLD_SIZE": "2", "RANK": "1",
        },
        Launched("a1:29501", 2, 1),
    ),
    "one by hand in a task of srun": (
        {
            "SLURM_STEP_NODELIST": "a1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1",
            "JAX_NUM_PROCESSES": "1", "JAX_PROCESS_ID": "0",
        },
        None,
    ),
    "a number without a place": ({"WORLD_SIZE": "4"}, None),
    "one task of srun": ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "SLURM_STEP_NODELIST": "a"}, None),
    "a batch script of SLURM": ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_ID": "7"}, None),
    "nothing": ({}, None),
}  # fmt: skip


@pytest.mark.parametrize(("variables", "expected"), LAUNCHED.values(), ids=LAUNCHED)
def test_a_process_knows_its_place_by_the_variables_of_its_launcher(
    variables: dict[str, str], expected: Launched | None
) -> None:
    found = launched(variables)
    assert found == expected
    assert is_one_of_several(variables) is (expected is not None)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}, "set JAX_COORDINATOR_ADDRESS to HOST:PORT"),
        ({"JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "2"}, "numbered from 0, below their count"),
        ({"JAX_NUM_PROCESSES": "0", "JAX_PROCESS_ID": "0"}, "JAX_NUM_PROCESSES is 0; processes are"),
        ({"JAX_NUM_PROCESSES": "two", "JAX_PROCESS_ID": "2"}, "JAX_NUM_PROCESSES is 'two'; it should be a whole"),
        ({"JAX_COORDINATOR_ADDRESS": "h:1"}, "the number of processes is not; set JAX_NUM_PROCESSES"),
        (
            {"JAX_COORDINATOR_ADDRESS": "h:1", "JAX_NUM_PROCESSES": "2"},
            "the number of this process is not",
        ),
        ({"JAX_NUM_PROCESSES": "2"}, "the number of this process is not; set JAX_PROCESS_ID"),
        ({"JAX_COORDINATOR_ADDRESS": "h"}, "JAX_COORDINATOR_ADDRESS is 'h'; it should be HOST:PORT"),
        ({"JAX_COORDINATOR_ADDRESS": "h:99999", "JAX_NUM_PROCESSES": "1", "JAX_PROCESS_ID": "0"}, "1 to 65535"),
    ],
)
def test_incomplete_variables_are_refused(variables: dict[str, str], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        launched(variables)


@pytest.mark.parametrize(
    ("count", "number", "message"),
    [
        (0, 0, "number is 0 and count is 0; processes are numbered from 0, below their count"),
        (2, 2, "number is 2 and count is 2"),
        (2, 0, 'engine="xla" has been used in this process, as one of 1, before it joins as one of 2; join first'),
    ],
)
def test_a_place_that_cannot_be_taken_is_refused(
    count: int, number: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert get_engine("xla").processes.count == 1
    for name in ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"):
        monkeypatch.setenv(name, "")  # so that they are as before afterwards
    with pytest.raises(EngineError, match=message):
        cr.join_processes("127.0.0.1:1", count, number)


def test_programs_are_told_apart_by_their_numbers_and_by_what_operands_are() -> None:
    from chainrule.engines.xla.sameness import described  # imports JAX

    def summary(function: Callable[..., Any]) -> bytes:
        program = trace(function, x="3", y="3")
        return b"|".join(described((program.inputs, program.outputs), {}))

    assert summary(lambda x, y: x - 2.0 * y) == summary(lambda x, y: x - 2.0 * y)
    different = [
        lambda x, y: x - 2.0 * y,
        lambda x, y: y - 2.0 * x,
        lambda x, y: x - 3.0 * y,
        lambda x, y: x + 2.0 * y,
        lambda x, y: x - np.array([2.0, 2.0, 3.0]) * y,
    ]
    assert len(set(map(summary, different))) == len(different)


def test_two_processes_do_the_same_whatever_happens_in_one(tmp_path: Path) -> None:
    """Cut, skewed clocks, a validation, Ctrl-C, errors and other arguments in one: see `support.training_together`."""
    first, second = outputs(2, [sys.executable, training_together.__file__], tmp_path)
    assert "whole" in first
    alike = (
        "whole", "brief", "patience", "stopped", "interrupted", "own rows", "reductions", "diverged", "other", "LBFGS"
    )  # fmt: skip
    lines = [[line for line in text.splitlines() if line.startswith(alike)] for text in (first, second)]
    assert len(lines[0]) == 12
    assert lines[0] == lines[1]
    (found,) = (line for line in lines[0] if line.startswith("brief"))
    equal_within_three_roundings(json.loads(found.removeprefix("brief ")), training_together.brief())
    assert "interrupted interrupted" in first
    assert "stopped stopped" in first
    assert "diverged diverged" in first
    assert "reductions 1\n" in first
    for message in (
        "NaN in one's rows ProcessError process 1 of 2 has ended the run by an error or interrupt, which it shows",
        "a callback ProcessError the callback of process 1 of 2 has ended the run by an error, which it shows itself",
        "own floats ProcessError the rows of data 'X' are of dtype float32 in process 1, and of float64 in process 0; ",
        "own kinds ProcessError the rows of data 'X' are of dtype bool in process 1, and of float64 in process 0; give",
        "own widths ProcessError the rows of data 'X' are of shape (6,) in process 1, and of (7,) in process 0; give",
        "own names ProcessError process 1 has no data 'u', which process 0 has; give the same names",
        "a batch EngineError batches of 25 rows do not divide over 2 devices that have their own rows",
        "other seeds ProcessError process 1 has other settings or position than process 0",
        "other parameters ProcessError process 1 has other parameters",
        "another number ProcessError process 1 has other program than process 0",
        "another step ProcessError process 1 has other program than process 0",
        "another number of epochs ProcessError process 1 is to run 3 more epochs, and process 0 2; let all",
        "another order ProcessError process 1 has another order of the rows than process 0; give all the same",
        "an order of one ProcessError process 1 has another order of the rows than process 0; give all the same",
        "another rate ProcessError process 1 has set another constant than process 0, or has restored another",
        "another call ProcessError process 1 of 2 makes another call than process 0, which is at 'something'",
        "other rows ProcessError process 1 has 202 rows, and process 0 has 203; give all the same rows",
        "LBFGS TrainingError LBFGS is not for 2 processes; train in one",
        "undivided batches of 25 rows do not divide over 2 devices, and each computes all of them; take a multiple",
        "ended ProcessError process 1 of 2 has ended, and this run has not; start all again",
    ):
        assert message in first
    assert "X[5, 0] is nan" in second
    assert "undivided" not in second


def equal_within_three_roundings(found: dict[str, Any], one: dict[str, Any]) -> None:
    assert list(found) == list(one)
    for name, value in one.items():
        rounding = np.spacing(np.abs(value).max())
        assert np.abs(np.subtract(found[name], value)).max() <= 3 * rounding, name


def test_four_processes_equal_one_within_three_roundings(tmp_path: Path) -> None:
    found = outputs(4, [sys.executable, training_together.__file__, "brief"], tmp_path)
    assert found == [found[0]] * 4
    equal_within_three_roundings(json.loads(found[0]), training_together.brief())


def test_parts_of_a_table_are_trained_on_as_the_whole(tmp_path: Path) -> None:
    """Three processes with a part each, whose levels, missing cells and types differ: see `support.tables_together`."""
    folder = tmp_path / "parts"
    folder.mkdir()
    tables_together.write_parts(str(folder))
    written = outputs(3, [sys.executable, tables_together.__file__, str(folder)], tmp_path)
    found, reports = zip(*(text.split("\n", 1) for text in written), strict=True)
    parts = [json.loads(text) for text in found]
    one = tables_together.whole(str(folder))
    for what in ("known", "classes"):
        assert [part[what] for part in parts] == [one[what]] * 3
    for what in ("sampled", "refusals", "brief"):
        assert [part[what] for part in parts] == [parts[0][what]] * 3
    assert [row for part in parts for row in part["X"]] == one["X"]
    assert sorted(row for part in parts for row in part["everything"]) == sorted(one["everything"])
    assert [part["sampled rows"] for part in parts] == list(tables_together.PARTS)
    # Of a part, a row at least is trained on, though it has but one and nine tenths of all are held out.
    assert parts[2]["held out"] == [1, 0]
    assert all(part["held out"][1] > part["held out"][0] > 0 for part in parts[:2])
    assert parts[0]["refusals"] == [
        "the part of process 2 lacks the column 'b', which that of process 0 has; give parts with the same columns",
        "FOLDER/0.parquet is one table, which cannot be divided among 3 processes; give a folder or a pattern of as "
        "many files or more",
        "y of process 1 holds numbers, and that of process 0 text; give classes of one kind",
    ]
    elsewhere = "column 'y' holds texts among numbers in the part of another process"
    assert [part["misspelt"] for part in parts[::2]] == [elsewhere, elsewhere]
    assert parts[1]["misspelt"].endswith(
        "column 'y' holds 'oops', which is not a number; write a number or remove the row"
    )
    alone = "2 error: --solver lbfgs is not for 3 processes; start one, or give --solver adam\n"
    assert [part["solver"] for part in parts] == [alone] * 3
    uneven = "batches of 25 rows do not divide over 3 devices that have their own rows; give a batch_size that is a"
    # Before the network is shown.
    assert [part["uneven"] for part in parts] == [f"2 error: {uneven} multiple of 3, such as 27\n"] * 3
    # All fail where the leader cannot write, before the run or after it.
    ended = "2 error: process 0 of 3 has ended the run by an error or interrupt, which it shows itself\n"
    assert parts[1]["unwritten"] == parts[2]["unwritten"] == [ended, ended]
    missing, full = parts[0]["unwritten"]
    assert missing == "2 error: missing/model cannot be written: there is no folder missing\n"
    assert full.endswith("error: /dev/full cannot be written: the disk is full\n")
    for what in ("classes", "losses", "predicted"):
        assert [part["classified"][what] for part in parts] == [parts[0]["classified"][what]] * 3
    assert parts[0]["classified"]["classes"] == one["classified"]["classes"] == ["blue", "red", "violet"]
    for what in ("losses", "predicted"):
        np.testing.assert_allclose(parts[0]["classified"][what], one["classified"][what], rtol=1e-5)
    equal_within_three_roundings(parts[0]["brief"], training_together.brief())

    report = json.loads(reports[0])
    assert reports[1:] == ("", "")
    assert (report["rows"], report["train_rows"]) == (183, len(one["X"]))
    assert report["notes"] == ["3 processes have their own rows of the table, 23 to 110 each"]
    state = load_checkpoint(str(tmp_path / "model")).state
    np.testing.assert_allclose(state.loss_curve, one["losses"], rtol=1e-5)
    # A bias before a normalization has no gradient, and moves with the mean.
    one["params"]["mean1"] = np.subtract(one["params"]["mean1"], one["params"].pop("b1"))
    for name, value in one["params"].items():
        reached = state.params[name] - state.params["b1"] if name == "mean1" else state.params[name]
        np.testing.assert_allclose(reached, value, rtol=1e-5, atol=1e-6)


def test_a_run_on_own_files_goes_on_with_any_number_of_processes(tmp_path: Path, run: Callable[..., Result]) -> None:
    rng = np.random.default_rng(0)
    folder, model = tmp_path / "parts", tmp_path / "model"
    folder.mkdir()
    for number, rows in enumerate((90, 40, 20, 50)):
        X = rng.normal(size=(rows, 2))
        lines = "\n".join(f"{a:.3f},{b:.3f},{a - 2 * b:.3f}" for a, b in X)
        (folder / f"{number}.csv").write_text(f"a,b,y\n{lines}\n", encoding="utf-8")
    common = ["train", str(folder), "--save", str(model), "--json"]
    first = ["--target", "y", "--engine", "xla", "--rows", "divided", "--batch-size", "32", "--hidden", "3"]
    reports: list[dict[str, Any]] = []
    curve = np.empty(0)
    for epochs, count in enumerate((2, 3, 1, 2), 1):
        given = [*common, "--resume", str(model)] if reports else [*common, *first, "--ensemble", "1", "--no-refit"]
        given += ["--epochs", str(epochs)]
        if count > 1:
            given += ["--engine", "xla", "--rows", "divided"] * (epochs == 4)  # as the run before was not
            text = outputs(count, [sys.executable, "-m", "chainrule", *given], tmp_path)[0]
        else:
            text = run(*given, "--rows", "own", "--engine", "native").stdout
        reports.append(json.loads(text))
        state = load_checkpoint(str(model)).state
        assert (len(state.loss_curve), state.devices) == (epochs, count if count > 1 else 0)
        np.testing.assert_array_equal(state.loss_curve[:-1], curve)
        curve = state.loss_curve
        if count == 2:
            assert reports[-1]["settings"]["batch_size"] == 32
    adapted = "batches of 32 rows do not divide over 3 devices that have their own rows; they are of 33 now"
    assert reports[1]["notes"][-1] == adapted
    assert reports[1]["settings"]["batch_size"] == 33
    for report in reports[1:]:
        for what in ("fingerprint", "rows", "train_rows", "columns"):
            assert report[what] == reports[0][what]
    (folder / "3.csv").rename(folder / "00.csv")
    other = run(*common, "--resume", str(model), "--epochs", "9", "--engine", "xla")
    assert other.exit_code == 2
    assert "give the files as they were, in the same order from process to process, or begin a new run" in other.stderr


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM], ids=lambda sent: sent.name)
def test_when_one_process_is_gone_the_others_end_in_a_line_and_the_checkpoint_resumes(
    sent: signal.Signals, tmp_path: Path, run: Callable[..., Result]
) -> None:
    rng = np.random.default_rng()
    victim, epoch = int(rng.integers(2)), int(rng.integers(3))
    X = rng.normal(size=(200, 2))
    rows = "\n".join(f"{a:.3f},{b:.3f},{a - 2 * b:.3f}" for a, b in X)
    table, model = tmp_path / "data.csv", tmp_path / "model"
    table.write_text(f"a,b,y\n{rows}\n", encoding="utf-8")
    given = ["train", str(table), "--target", "y", "--engine", "xla", "--patience", "1000000000", "--ensemble", "1"]
    given += ["--save", str(model), "--checkpoint-every", "0", "--hidden", "3", "--no-refit"]
    command = [sys.executable, "-m", "chainrule", *given, "--epochs", "1000000000"]
    with several(2, command, tmp_path) as processes:
        for _ in range(epoch + 1):
            before = identity(model)
            wait_for(processes[0], partial(is_replaced, model, before))
        processes[victim].send_signal(sent)
        other = processes[1 - victim]
        assert other.wait(HANG) == 1
        error = (tmp_path / f"err.{1 - victim}").read_text()
    line = f"process {1 - victim} of 2 ends, because another one has ended or cannot be reached; train again, from a "
    assert error == f"{line}checkpoint if there is one\n", (victim, epoch)
    assert (tmp_path / "out.1").read_text() == ""
    reached = load_checkpoint(str(model)).state.epoch
    assert reached > epoch
    resumed = run("train", str(table), "--resume", str(model), "--epochs", str(reached + 2), "--json")
    assert resumed.exit_code == 0, resumed.output
    assert len(json.loads(resumed.stdout)["loss_curve"]) == reached + 2


def test_ctrl_c_while_a_process_waits_for_the_others_ends_it_at_once_with_a_word() -> None:
    with socket.create_server(("127.0.0.1", 0)) as first:
        first.settimeout(HANG)
        address = f"127.0.0.1:{first.getsockname()[1]}"
        place = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "1"}
        program = 'import chainrule.engines; chainrule.engines.get_engine("xla")'
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **place}
        with started([sys.executable, "-c", program], stderr=subprocess.PIPE, env=environment, text=True) as waiting:
            connection, _ = first.accept()  # it is asking for the others
            with connection:
                waiting.send_signal(signal.SIGINT)
                _, error = waiting.communicate(timeout=HANG)
    assert (waiting.returncode, error) == (130, "interrupted\n")


PRESSED = """
import os, signal
from chainrule.engines import get_engine
from chainrule.engines.xla.placement import Placement

made = Placement.__init__

def pressed(*arguments):
    if os.environ["JAX_PROCESS_ID"] == "0":
        os.kill(os.getpid(), signal.SIGINT)
    made(*arguments)

Placement.__init__ = pressed
get_engine("xla").processes.agreed("something")
"""


def test_ctrl_c_before_processes_can_tell_one_another_ends_all_in_a_line_each(tmp_path: Path) -> None:
    """They have joined, and have no connections yet: a process that went on to its exit would wait for the others."""
    with several(2, [sys.executable, "-c", PRESSED], tmp_path) as processes:
        assert [process.wait(HANG) for process in processes] == [130, 1]
    assert (tmp_path / "err.0").read_text() == "interrupted\n"
    ended = (
        "process 1 of 2 ends, because another one has ended or cannot be reached; train again, from a checkpoint if "
    )
    assert (tmp_path / "err.1").read_text() == f"{ended}there is one\n"


@pytest.mark.parametrize("pressed", ["row", "data"])
def test_ctrl_c_amid_exchanges_takes_effect_after_the_last_one(pressed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process then tells the others would meet an exchange of other data in them."""
    from chainrule.engines.xla.agreement import Agreement  # imports JAX
    from chainrule.engines.xla.placement import Placement

    placement, made = Placement(), []

    def exchanged(_: object, how: float, place: float, numbers: list[float]) -> list[list[float]]:
        made.append("row")
        if pressed == "row":
            signal.raise_signal(signal.SIGINT)
        return [[how, place, *numbers]] * 2

    def sent(giver: int, data: bytes, size: int) -> bytes:
        made.append(f"data of {giver}")
        if pressed == "data" and giver == 0:
            signal.raise_signal(signal.SIGINT)
        return data.ljust(size, b"\0")

    monkeypatch.setattr(placement, "sent", sent)
    agreement = Agreement(placement)
    monkeypatch.setattr(Agreement, "_exchanged", exchanged)
    agreement.count, agreement._over = 2, False
    with pytest.raises(KeyboardInterrupt):
        agreement.gathered("what", b"abc")
    assert made == ["row", "data of 0", "data of 1"]
