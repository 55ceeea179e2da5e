"""Every error on the command line has a one-line message, and nothing is overwritten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest
from click.testing import CliRunner, Result
from support.malformed_arguments import CASES

from chainrule.cli import app

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files for the erroneous commands."""
    place = tmp_path_factory.mktemp("arguments")
    rows = [f"{k % 7}.5,{(k * 5) % 11},n{k % 3},{k * 0.25 - 5}" for k in range(60)]
    (place / "data.csv").write_text("\n".join(["a,b,name,t", *rows]) + "\n")
    (place / "few.csv").write_text("a,t\n1,2\n")
    rows = [f"{k % 7}.5,{(k * 5) % 11},{'up' if k % 2 else 'down'}" for k in range(60)]
    (place / "classes.csv").write_text("\n".join(["a,b,t", *rows]) + "\n")
    (place / "old").write_text("old contents")
    (place / "old.html").write_text("old contents")
    (place / "more.csv").write_bytes((place / "data.csv").read_bytes())
    search = ["--hidden", "4", "--hidden", "2"]
    for data, name, more in (("data", "m", []), ("classes", "c", search), ("data", "point", [])):
        options = ["--target", "t", "--hidden", "4", "--epochs", "3", *more, "--save", str(place / name)]
        result = CliRunner().invoke(app, ["train", str(place / f"{data}.csv"), *options], prog_name="chainrule")
        assert result.exit_code == 0, result.output
    return place


@pytest.mark.parametrize(
    ("command", "arguments", "words"), CASES, ids=lambda case: " ".join(case)[:60] if isinstance(case, list) else None
)
def test_a_mistake_gets_one_line_and_changes_nothing(
    run: Run, folder: Path, command: str, arguments: list[str], words: str
) -> None:
    copytree(folder, ".", dirs_exist_ok=True)
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    result = run(command, *arguments)
    assert result.exit_code == 2, result.output
    line = result.stderr.splitlines()[0]
    assert line.startswith("error: ")
    assert words in line
    assert all(more.startswith("  ") for more in result.stderr.splitlines()[1:]), "only a place in a formula may follow"
    assert "Traceback" not in result.output
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before
