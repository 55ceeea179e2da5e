"""The pages of the documentation show the actual output of their code."""

from __future__ import annotations

import doctest
import re
from collections.abc import Sequence
from pathlib import Path

import generated
import page_code
import pytest
from click.testing import CliRunner
from display import displayed
from page_code import Namespace, blocks_of, execute, matches

import chainrule as cr
from chainrule.cli import app

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path for path in sorted(DOCS.rglob("*.md"))}
WITH_CODE = [name for name, path in PAGES.items() if blocks_of(path.read_text(encoding="utf-8"))]


@pytest.mark.usefixtures("state_of_pages")
@pytest.mark.parametrize("name", WITH_CODE)
def test_a_page_shows_what_its_code_prints(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGES[name].read_text(encoding="utf-8")
    language = "zh" if name.endswith(".zh.md") else "en"

    def command(words: Sequence[str]) -> str:
        result = CliRunner().invoke(app, list(words), env={"LC_ALL": f"{language}.UTF-8", "CHAINRULE_LANG": language})
        assert result.exit_code in ((0, 1) if words[:1] == ["grade"] else (0,)), result.output
        return result.stdout

    cr.use(lang=None)
    monkeypatch.chdir(tmp_path)
    for outcome in execute(name, text, tmp_path, command):
        if outcome.block.is_shown:
            assert displayed(outcome.printed, outcome.value, outcome.block.options["show"], language)
        assert outcome.is_as_shown, (
            f"{name}, line {outcome.block.line}, prints\n{outcome.printed}\n"
            f"and the page shows\n{outcome.shown and outcome.shown.code}"
        )


def test_another_output_is_noticed(tmp_path: Path) -> None:
    page = "```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n"
    [outcome] = execute("page", page, tmp_path, lambda words: "")
    assert not outcome.is_as_shown
    [outcome] = execute("page", page.replace("3", "2"), tmp_path, lambda words: "")
    assert outcome.is_as_shown


def test_commands_find_the_files_of_their_page(tmp_path: Path) -> None:
    file = '```python title="loss.py"\nx = 1\n```'
    page = f"{file}\n\n```sh\npip install x\nchainrule derive loss.py:f\n```\n\n```text\ndone\n```\n"

    def command(words: Sequence[str]) -> str:
        assert list(words) == ["derive", "loss.py:f"]
        assert (tmp_path / "loss.py").read_text() == "x = 1\n"
        return "done\n"

    [outcome] = execute("page", page, tmp_path, command)
    assert outcome.is_as_shown


def test_a_mistake_in_a_block_names_its_line() -> None:
    [block] = blocks_of("# Title\n\n```python\n\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as raised:
        Namespace("page").run(block)
    last = raised.traceback[-1]
    assert (str(last.path), last.lineno) == ("<page, line 4>", 1)


@pytest.mark.parametrize(("expected", "printed"), [("a … c", "a b c"), ("a\n…", "a\nb\nc\n"), ("a  \n", "a")])
def test_an_ellipsis_stands_for_anything(expected: str, printed: str) -> None:
    assert matches(expected, printed)
    assert not matches(expected, "x" + printed)


def test_the_examples_of_the_parser_hold() -> None:
    assert doctest.testmod(page_code).failed == 0


def test_every_public_name_is_in_the_reference() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in (DOCS / "reference" / "api").glob("*.md"))
    named = re.findall(r"^::: chainrule\.(?:trace\.)?(\w+)$", pages, re.MULTILINE)
    assert sorted(named) == sorted(cr.__all__)


def test_every_page_for_learners_is_in_two_languages() -> None:
    for name in PAGES:
        if name.startswith(("start/", "learn/")) and not name.endswith(".zh.md"):
            assert name.removesuffix(".md") + ".zh.md" in PAGES


def test_twins_have_the_same_code() -> None:
    """Comments, and the language of the output, may differ."""
    for name, path in PAGES.items():
        if not name.endswith(".zh.md"):
            continue
        original = PAGES[name.removesuffix(".zh.md") + ".md"]
        codes = [_instructions(each.read_text(encoding="utf-8")) for each in (original, path)]
        assert codes[0] == codes[1], f"{name} has other code than its English twin"


def _instructions(text: str) -> list[str]:
    blocks = [block for block in blocks_of(text) if block.language in ("python", "sh")]
    codes = [block.code.replace('cr.use(lang="zh")\n', "").replace(" --lang zh", "") for block in blocks]
    return [re.sub(r"\n\n+", "\n", re.sub(r" *#.*", "", code)) for code in codes]


def test_the_version_is_cited() -> None:
    version = re.search(
        r'^version = "(.*)"$', (DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert version is not None
    for cited in (DOCS.parent / "CITATION.cff", DOCS / "about" / "cite.md"):
        assert version[1] in cited.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", generated.TABLES)
def test_what_is_generated_is_on_a_page(name: str) -> None:
    mark = f"<!-- generated: {name} -->"
    assert any(mark in path.read_text(encoding="utf-8") for path in PAGES.values())
    assert len(generated.TABLES[name]().splitlines()) > 5


def test_the_tables_name_what_a_user_may_write() -> None:
    functions = generated.numpy_functions()
    for name in ("np.exp", "np.linalg.inv", "np.where", "np.einsum", "np.arange", "np.add.reduce", ".reshape", ".sum"):
        assert f"`{name}`" in functions
    assert "chainrule train [OPTIONS] DATA" in generated.commands()
    assert "`--learning-rate FLOAT`" in generated.commands()
