from __future__ import annotations

import string

import pytest

from chainrule.cli import sentences
from chainrule.cli.errors import CommandError, one_line
from chainrule.cli.output import duration
from chainrule.cli.sentences import default_language, say
from chainrule.cli.targets import parse_shapes


@pytest.mark.parametrize(("seconds", "text"), [(2e-5, "20 µs"), (0.0123, "12.3 ms"), (1.5, "1.50 s"), (250.4, "250 s")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_both_languages_have_the_same_marks() -> None:
    for key, templates in sentences._SENTENCES.items():
        marks = [{field for _, field, _, _ in string.Formatter().parse(text) if field} for text in templates]
        assert marks[0] == marks[1], key
    assert say("zh", "saved", path="m.npz") == "已保存到 m.npz。"


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "", "LC_MESSAGES": "zh_TW"}, "zh"),
    ],
)
def test_the_language_of_a_locale(environment: dict[str, str], language: str) -> None:
    assert default_language(environment) == language


def test_messages_of_several_lines_become_one() -> None:
    assert one_line("model.py:3: z = X @ W\n  shapes do not fit") == "model.py:3: z = X @ W: shapes do not fit"


def test_shapes_are_read_by_name() -> None:
    assert parse_shapes(["X: n d, y: n:int", "b=h"]) == {"X": "n d", "y": "n:int", "b": "h"}
    assert parse_shapes(["X: n, d, c: "]) == {"X": "n, d", "c": ""}
    with pytest.raises(CommandError):
        parse_shapes(["n d"])
