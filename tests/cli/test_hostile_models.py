"""Files that are not models, given to every command that reads one: one line, status 2, nothing overwritten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from support.malformed_models import BYTES, CHECKPOINTS, DESCRIPTIONS, Whole

Run = Callable[..., Result]
TABLE = "age,member,city,since\n30,yes,Oslo,2001-02-03\n"
KEPT = b"what was here before"

SAMPLED = frozenset({"empty", "text", "an old model", "a newer version", "cut in its tensors", "a weight changed"})
"""The files that every command is tested with."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole.made(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(run: Run) -> Path:
    """The folder in which commands run, with a table and an existing output file."""
    here = Path().absolute()
    (here / "data.csv").write_text(TABLE)
    (here / "out").write_bytes(KEPT)
    return here


def refused(run: Run, folder: Path, *arguments: str) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = run(*arguments)
    assert result.exit_code == 2, (arguments, result.output)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def commands(path: str) -> list[list[str]]:
    return [
        ["predict", path, "data.csv", "--output", "out"],
        ["inspect", path],
        ["inspect", path, "--json"],
        ["export", path, "--to", "numpy", "--output", "out"],
        ["train", "data.csv", "--resume", path, "--save", "out"],
    ]


@pytest.mark.parametrize("name", BYTES)
def test_files_that_are_no_models(run: Run, whole: Whole, folder: Path, name: str) -> None:
    (folder / "model").write_bytes(BYTES[name][0](whole))
    for arguments in commands("model")[:: 1 if name in SAMPLED else 2]:
        refused(run, folder, *arguments)


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_sealed_files_whose_description_is_wrong(run: Run, whole: Whole, folder: Path, name: str) -> None:
    whole.changed(DESCRIPTIONS[name][0], folder / "model")
    for arguments in commands("model")[:2]:
        refused(run, folder, *arguments)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_models_whose_checkpoint_is_wrong(run: Run, whole: Whole, folder: Path, name: str) -> None:
    whole.changed(CHECKPOINTS[name][0], folder / "model")
    refused(run, folder, "train", "data.csv", "--resume", "model", "--save", "out")
    assert run("predict", "model", "data.csv").exit_code == 0


@pytest.mark.parametrize("path", [".", "none", "none/model", "", "x" * 300, "/dev/zero"])
def test_paths_that_are_no_models(run: Run, folder: Path, path: str) -> None:
    for arguments in commands(path):
        refused(run, folder, *arguments)
