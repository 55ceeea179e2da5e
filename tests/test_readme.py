"""What the READMEs show is what the code prints."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_first_screen_is_what_it_prints(name: str) -> None:
    code, *_ = blocks(name, "python")
    excerpt, *_ = blocks(name, "text")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, name, "exec"), {})
    assert excerpt.rstrip() in printed.getvalue()
    assert printed.getvalue().rstrip().endswith("True")


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_training_snippet_runs(name: str) -> None:
    first, second, *_ = blocks(name, "python")
    random = np.random.default_rng(0)
    variables: dict[str, Any] = {
        "X": random.standard_normal((100, 3)),
        "y": random.uniform(size=(100, 2)),
        "W1": random.standard_normal((3, 4)),
        "b1": np.zeros(4),
        "W2": random.standard_normal((4, 2)),
        "b2": np.zeros(2),
    }
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(first, name, "exec"), variables)
        exec(compile(second, name, "exec"), variables)
    losses = variables["result"].history["loss"]
    assert len(losses) == 100
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_two_commands_are_there(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "pip install . && chainrule" in text
    assert 'pip install ".[test]" && pytest' in text
