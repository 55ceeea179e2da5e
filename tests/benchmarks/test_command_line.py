from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import chart
from benchmarks.jobs import Job
from benchmarks.measure import Contender
from benchmarks.peers import AbsentError, chainrule, numpy
from chainrule.emit.node import find_node


def absent(job: Job) -> list[Contender]:
    raise AbsentError("not installed (pip install absentee)")


@pytest.fixture(autouse=True)
def _few_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    peers = {chainrule.NAME: chainrule.contenders, "Absentee": absent, numpy.NAME: numpy.contenders}
    monkeypatch.setattr("benchmarks.peers.PEERS", peers)
    monkeypatch.setenv("CHAINRULE_CACHE", "off")  # the command sets it, and this puts it back afterwards


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["xor", "tabular", "xor", "--quick", "--rounds", "2", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["machine"]["cores"] >= 1
    assert list(found["benchmarks"]) == ["xor", "tabular"]
    for report in found["benchmarks"].values():
        ours, theirs = report["contenders"]
        assert ours["times_ours"] == 1
        assert theirs["times_ours"] == theirs["median_seconds"] / ours["median_seconds"]
        assert len(ours["seconds"]) == len(theirs["seconds"]) == 2
        assert report["absent"] == {"Absentee": "not installed (pip install absentee)"}


@pytest.mark.skipif(find_node() is None, reason="node is not installed")
def test_steps_in_a_page_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["javascript", "--quick", "--rounds", "1", "--json"])
    jobs = json.loads(capsys.readouterr().out)["benchmarks"]["javascript"]["jobs"]
    assert [job["name"] for job in jobs] == ["xor", "mlp"]
    assert all(job["javascript"] > 1 and job["webassembly"] > 1 for job in jobs)


def test_the_table_names_everybody(capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["xor", "--quick", "--rounds", "1"])
    printed = capsys.readouterr().out
    for line in (
        "chainrule ",
        "NumPy, straightforward",
        "not measured: Absentee: not installed (pip install absentee)",
    ):
        assert f"\n{line}" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["xnor"], "invalid choice: 'xnor'"),
        ([], "the following arguments are required: NAME"),
        (["xor", "--rounds", "0"], "'0' should be a whole number of at least 1"),
        (["xor", "--plot", "times.txt"], "'times.txt' should end in .png, .svg or .pdf"),
        (["xor", "--plot", "/no/such/place/times.png"], "there is no folder '/no/such/place'"),
    ],
)
def test_mistakes_are_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_picture_needs_matplotlib(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(chart, "available", lambda: False)
    with pytest.raises(SystemExit) as stopped:
        command.main(["xor", "--plot", str(tmp_path / "times.png")])
    assert stopped.value.code == 2
    assert "pip install matplotlib" in capsys.readouterr().err
