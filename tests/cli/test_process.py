"""The commands as processes, with real streams and signals."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.subprocesses import HANG, started, wait_for

from chainrule import cli

COMMAND = [sys.executable, "-c", "from chainrule.cli import main; main()"]


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("LC_ALL", "LC_MESSAGES", "LANG")}
    return {**kept, "LANG": "C.UTF-8", **changes}


def shell(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    options.setdefault("env", environment())
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=HANG, **options)


def test_the_demo_from_a_shell() -> None:
    result = shell("--epochs", "100")
    assert result.returncode == 0
    assert result.stderr == ""
    assert "\x1b" not in result.stdout


def test_the_language_follows_the_locale() -> None:
    assert "验证" in shell("--epochs", "10", env=environment(LANG="zh_CN.UTF-8", PYTHONIOENCODING="utf-8")).stdout


def test_a_stream_that_cannot_show_symbols_gets_the_rest() -> None:
    result = shell("--epochs", "10", env=environment(PYTHONIOENCODING="ascii"))
    assert result.returncode == 0
    assert "Predictions" in result.stdout


def test_a_mistake_leaves_no_traceback(tmp_path: Path) -> None:
    result = shell("train", "missing.csv", "--target", "t", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: missing.csv does not exist; check the path\n"


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent by kill")
@pytest.mark.parametrize("imported", ["numpy", "chainrule.primitives.activations", "chainrule.cli.commands"])
def test_ctrl_c_while_the_command_is_loading_is_one_line(tmp_path: Path, imported: str) -> None:
    interrupting = f"""
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == {imported!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
"""
    (tmp_path / "sitecustomize.py").write_text(interrupting)
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    result = subprocess.run(
        [sys.executable, "-m", "chainrule", "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
        env=environment(PYTHONPATH=paths),
    )
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "interrupted\n")


def test_importing_the_package_leaves_ctrl_c_alone() -> None:
    code = "import signal; before = signal.getsignal(2); import chainrule; print(before is signal.getsignal(2))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=HANG)
    assert result.stdout == "True\n"


def test_a_closed_pipe_ends_quietly() -> None:
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.wait(timeout=HANG)
    assert process.stderr.read() == b""
    process.stderr.close()


def test_ctrl_c_keeps_and_saves_what_was_learnt(tmp_path: Path) -> None:
    X = np.random.default_rng(0).standard_normal((5000, 4))
    table = np.column_stack([X, X[:, 0] + 0.5 * X[:, 1]])
    np.savetxt(tmp_path / "data.csv", table, delimiter=",", header="a,b,c,d,t", comments="", fmt="%.5f")
    endless = ["--epochs", "10000000", "--patience", "10000000"]
    arguments = ["train", "data.csv", "--target", "t", *endless, "--save", "m.safetensors", "--checkpoint-every", "0"]
    with started(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(PYTHONUNBUFFERED="1"),
    ) as process:
        wait_for(process, (tmp_path / "m.safetensors").exists)  # the first checkpoint has trained parameters
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=HANG)
    assert process.returncode == 130
    assert err == ""
    assert "Interrupted after" in out
    assert "--resume m.safetensors" in " ".join(out.split())
    assert "Saved to m.safetensors." in out
    assert shell("predict", "m.safetensors", "data.csv", cwd=tmp_path).stdout.startswith("t\n")


def test_a_terminal_sees_rows_epochs_and_the_time_left_and_then_nothing_of_it(tmp_path: Path) -> None:
    X = np.random.default_rng(0).standard_normal((3000, 3))
    np.savetxt(tmp_path / "data.csv", X, delimiter=",", header="a,b,t", comments="", fmt="%.5f")
    options = ["--epochs", "60", "--patience", "60", "--alpha", "0", "--alpha", "1"]
    master, slave = os.openpty()
    process = subprocess.Popen(
        [*COMMAND, "train", "data.csv", "--target", "t", *options],
        stdout=subprocess.PIPE,
        stderr=slave,
        cwd=tmp_path,
        env=environment(COLUMNS="80", TERM="xterm"),
    )
    os.close(slave)
    seen = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while piece := os.read(master, 1 << 16):
            seen += piece
    os.close(master)
    out = process.communicate(timeout=HANG)[0].decode()
    assert process.returncode == 0
    assert "training 2/2" in seen.decode()
    assert "/60" in seen.decode()
    assert "Traceback" not in seen.decode()
    assert "training 2/2" not in out


def test_a_full_disk_costs_the_file_and_not_what_is_said(tmp_path: Path) -> None:
    X = np.random.default_rng(0).standard_normal((200, 3))
    np.savetxt(tmp_path / "data.csv", X, delimiter=",", header="a,b,t", comments="", fmt="%.5f")
    options = ["--epochs", "5", "--hidden", "4", "--ensemble", "1", "--checkpoint-every", "0", "--save", "/dev/full"]
    result = shell("train", "data.csv", "--target", "t", *options, cwd=tmp_path)
    assert result.returncode == 2
    assert "On the 40 rows held out:" in result.stdout
    assert "Saved" not in result.stdout
    assert result.stderr.splitlines()[-1] == "error: /dev/full cannot be written: the disk is full"
    assert "Traceback" not in result.stderr


def test_output_that_cannot_be_written_leaves_no_traceback() -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [*COMMAND, "--epochs", "5"], stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment()
        )
    assert result.returncode == 2
    assert result.stderr == "error: the output cannot be written: No space left on device\n"


def test_symbols_reach_a_pipe_whole_whatever_its_encoding(tmp_path: Path) -> None:
    rows = [f"{k % 7},{'甲' if k % 2 else 'ᵀ'}" for k in range(30)]
    (tmp_path / "data.csv").write_text("\n".join(["a,t", *rows]), encoding="utf-8")
    quick = ["--epochs", "5", "--hidden", "4", "--ensemble", "1", "--no-refit"]
    for encoding in ("ascii", "latin-1"):
        options = {"cwd": tmp_path, "env": environment(PYTHONIOENCODING=encoding), "encoding": "utf-8"}
        assert shell("train", "data.csv", "--target", "t", "--save", "m.npz", *quick, **options).returncode == 0
        predicted = shell("predict", "m.npz", "data.csv", **options).stdout
        assert {row.split(",")[0] for row in predicted.splitlines()[1:]} <= {"甲", "ᵀ"}


def test_a_closed_standard_output_is_no_mistake() -> None:
    closing = f"import os; os.close(1)\nos.execv({sys.executable!r}, {[*COMMAND, '--epochs', '5']!r})"
    result = subprocess.run(
        [sys.executable, "-c", closing], stderr=subprocess.PIPE, text=True, check=False, env=environment()
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_ctrl_c_while_the_commands_load_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupted)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_dash_is_standard_input(tmp_path: Path) -> None:
    X = np.random.default_rng(0).standard_normal((60, 3))
    np.savetxt(tmp_path / "data.csv", X, delimiter=",", header="a,b,t", comments="", fmt="%.5f")
    table = (tmp_path / "data.csv").read_text()
    options = ["--target", "t", "--epochs", "5", "--hidden", "4", "--ensemble", "1", "--no-refit", "--save", "m"]
    result = shell("train", "-", *options, cwd=tmp_path, input=table)
    assert result.returncode == 0, result.stderr
    piped = shell("predict", "m", "-", cwd=tmp_path, input=table)
    assert piped.returncode == 0, piped.stderr
    assert piped.stdout == shell("predict", "m", "data.csv", cwd=tmp_path).stdout
    assert piped.stdout.count("\n") == 61
