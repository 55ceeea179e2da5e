"""The READMEs show the actual output of their code, and the picture is drawn from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from page_code import blocks_of, commands_of, execute
from picture import PICTURES, picture

from chainrule.cli import app

ROOT = Path(__file__).parent.parent
READMES = {"README.md": "en", "README.zh-CN.md": "zh"}


@pytest.mark.usefixtures("state_of_pages")
@pytest.mark.parametrize("name", READMES)
def test_a_readme_shows_what_its_code_prints(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def command(words: Sequence[str]) -> str:
        result = CliRunner().invoke(app, list(words), env={"LC_ALL": f"{READMES[name]}.UTF-8"})
        assert result.exit_code == 0, result.output
        return result.stdout

    monkeypatch.setenv("CHAINRULE_LANG", READMES[name])
    monkeypatch.chdir(tmp_path)
    outcomes = list(execute(name, (ROOT / name).read_text(encoding="utf-8"), tmp_path, command))
    for outcome in outcomes:
        assert outcome.is_as_shown, f"{name}, line {outcome.block.line}, prints\n{outcome.printed}"
    assert sum(outcome.shown is not None for outcome in outcomes) == 4


@pytest.mark.parametrize("name", READMES)
def test_a_readme_is_short_and_its_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    links = re.findall(r"\]\(([^)#]+)", text)
    assert len(links) > 15
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_twins_have_the_same_code() -> None:
    codes = [
        [re.sub(r" *#.*", "", block.code) for block in blocks_of((ROOT / name).read_text(encoding="utf-8"))
         if block.language in ("python", "sh")]
        for name in READMES
    ]  # fmt: skip
    assert codes[0] == codes[1]


def test_two_commands_do_everything() -> None:
    commands = [
        block.code.strip() for block in blocks_of((ROOT / "README.md").read_text(encoding="utf-8"))
        if block.language == "sh" and commands_of(block.code)[0][0] == "pip"
    ]  # fmt: skip
    assert commands == ["pip install . && chainrule", 'pip install ".[test]" && pytest']


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_what_the_package_prints(name: str) -> None:
    assert (ROOT / "docs" / "images" / name).read_text(encoding="utf-8") == picture(PICTURES[name])
