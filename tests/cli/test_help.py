"""Help and errors of the command line, in English and Chinese."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import chainrule as cr
from chainrule import words
from chainrule.cli import app
from chainrule.cli.commands import COMMANDS
from chainrule.words import speaking, width_of
from chainrule.words.catalogue import catalogue, read_entries

Run = Callable[..., Result]

HELP = Path(words.__file__).parent / "catalogue" / "zh" / "help.po"


def command(name: str) -> click.Command:
    found = app.get_command(click.Context(app), name) if name else app
    assert isinstance(found, click.Command)
    return found


def texts() -> Iterator[str]:
    """The paragraphs and options of all commands."""
    for name in ("", *COMMANDS):
        each = command(name)
        yield from (" ".join(part.split()) for part in inspect.cleandoc(each.help or "").split("\n\n"))
        yield from (option.help for option in each.params if isinstance(option, click.Option) and option.help)


def test_all_help_has_a_translation() -> None:
    known = catalogue("zh")
    assert [text for text in texts() if not known.complete(text)] == []


def test_every_translation_of_help_is_used() -> None:
    entries = [entry.english.format() for entry in read_entries(HELP.read_text("utf-8").splitlines())]
    assert set(entries) <= set(texts())


@pytest.mark.parametrize("name", ["", *COMMANDS])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_help_fits_into_80_columns(name: str, lang: str) -> None:
    result = CliRunner().invoke(app, ["--lang", lang, *([name] if name else []), "--help"], terminal_width=80)
    assert result.exit_code == 0
    assert [line for line in result.output.splitlines() if width_of(line) > 80] == []


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_chinese_throughout(name: str) -> None:
    """No sentence of English: no three words in a row, apart from names, code and the values of options."""
    output = (
        CliRunner().invoke(app, [*([name] if name else []), "--help", "--lang", "zh"], prog_name="chainrule").output
    )
    assert output.startswith("用法：chainrule")
    assert "选项：" in output
    assert re.findall(r"\b[a-z]+ [a-z]+ [a-z]+ [a-z]+\b", output) == []


def test_english_help_stays_as_it_is_written() -> None:
    output = CliRunner().invoke(app, ["predict", "--help"], terminal_width=80, prog_name="chainrule").output
    assert output.startswith(
        "Usage: chainrule predict [OPTIONS] MODEL DATA\n\n  Predict the target for each row of DATA,"
    )
    assert "\nOptions:\n  --output FILE " in output
    assert "  -h, --help " in output


@pytest.mark.parametrize(
    "args",
    [
        ["--lang", "zh", "derive", "x+"],
        ["--lang=zh", "derive", "x+"],
        ["derive", "--lang", "zh", "x+"],
        ["derive", "x+", "--lang=zh"],
        ["--lang", "zh", "emit", "x+", "--to", "numpy"],
        ["emit", "x+", "--to", "numpy", "--lang", "zh"],
    ],
)
def test_the_language_may_stand_before_and_behind_a_command(args: list[str]) -> None:
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 2
    assert result.stderr == "错误：公式在此结束，但在 + 之后还缺少内容\n  x+\n    ^\n"


def test_the_language_before_no_command_is_that_of_the_demo() -> None:
    result = CliRunner().invoke(app, ["--lang", "zh", "--epochs", "1"])
    assert result.exit_code == 0
    assert result.output.startswith("网络：2 个输入")


@pytest.mark.parametrize(
    ("environment", "chinese"),
    [
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_CN.UTF-8", "CHAINRULE_LANG": "en"}, False),
        ({"CHAINRULE_LANG": "zh"}, True),
        ({"LANG": "de_DE.UTF-8"}, False),
        ({}, False),
    ],
)
def test_the_environment_sets_the_language(environment: dict[str, str], chinese: bool) -> None:
    cleared = dict.fromkeys(("LC_ALL", "LC_MESSAGES", "LANG", "CHAINRULE_LANG"))
    result = CliRunner(env={**cleared, **environment}).invoke(app, ["derive"])
    assert result.stderr.startswith("错误：缺少参数" if chinese else "error: Missing argument")
    result = CliRunner(env={**cleared, **environment}).invoke(app, ["derive", "--help"])
    assert result.output.startswith("用法：" if chinese else "Usage: ")


def test_an_unknown_language_is_refused() -> None:
    assert "'fr' is not one of 'en', 'zh'" in CliRunner().invoke(app, ["--lang", "fr"]).stderr
    assert "'fr' is not one of 'en', 'zh'" in CliRunner().invoke(app, ["derive", "x", "--lang", "fr"]).stderr
    unknown = CliRunner(env={"CHAINRULE_LANG": "fr"}).invoke(app, ["derive", "x"])
    assert unknown.stderr == "error: CHAINRULE_LANG is 'fr'; it can be en, zh\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["deriv", "x"], "没有命令 'deriv'；有 demo"),
        (["train"], "缺少参数 'DATA'。"),
        (["emit", "x"], "缺少选项 '--to'。可选：numpy, "),
        (["derive", "x", "--form", "foo"], "'--form' 的值无效：'foo' 不是 'path', 'matrix', 'index' 之一。"),
        (["train", "a", "--epochs", "x"], "'--epochs' 的值无效：'x' 不是整数。"),
        (["train", "a", "--epochs", "0"], "'--epochs' 的值无效：0 不在 1<=x<=1000000000 的范围内。"),
        (["gallery", "more"], "多余的参数（more）"),
        (["derive", "x", "--wrt"], "选项 '--wrt' 需要一个值。"),
        (["derive", "x", "--json=1"], "选项 '--json' 不带值。"),
        (["derive", "x", "--standalone"], "--standalone 生成 LaTeX 文档；请加 --format latex"),
        (["derive", "nofile.py:loss"], "nofile.py 不存在；请检查路径"),
    ],
)
def test_usage_errors_are_chinese(args: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["--lang", "zh", *args])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"错误：{message}")
    assert result.stderr.count("\n") == 1


def test_an_unknown_option_is_said_in_chinese() -> None:
    """click's own words, which have quotes and a point in newer versions."""
    result = CliRunner().invoke(app, ["--lang", "zh", "derive", "x", "--colour"])
    assert result.exit_code == 2
    assert re.fullmatch("错误：没有选项 '?--colour'?。? ?是否指 '?--layout'?？\n", result.stderr)


def test_an_error_in_a_file_is_chinese_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text("def loss(x: 'n'):\n    if x > 0:\n        return x\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["--lang", "zh", "derive", f"{path}:loss"])
    assert re.fullmatch(
        r"错误：\S*model\.py:2: if x > 0: 这里按数值分支，而同一个程序要适用于所有数值；.*\n", result.stderr
    )
    path.write_text("import numpy as np\nnp.nothing\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["--lang", "zh", "derive", f"{path}:loss"])
    assert "model.py:2: AttributeError：" in result.stderr


def test_a_command_leaves_the_language_of_the_process_alone() -> None:
    cr.use(lang="en")
    CliRunner().invoke(app, ["--lang", "zh", "gallery"])
    assert cr.words.used_language() == "en"
    with speaking("zh"):
        assert CliRunner(env={"CHAINRULE_LANG": "en"}).invoke(app, ["derive"]).stderr.startswith("error: ")
    assert os.environ.get("CHAINRULE_LANG") is None


def test_an_error_is_translated_once() -> None:
    result = CliRunner().invoke(app, ["derive", "tr(inv(Sw) Sb)", "--lang", "zh"])
    assert '--shape "Sw: n"' in result.stderr
