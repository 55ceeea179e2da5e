"""What the READMEs show is what the code prints."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from chainrule.cli import app

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
def test_the_emitted_source_is_what_is_written(name: str) -> None:
    code, emitted, *_ = blocks(name, "python")
    variables: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(code, name, "exec"), variables)
    assert emitted in variables["derivation"].source("numpy")


ANSWER = """
import numpy as np
def backward(X, y, W1, b1, W2, b2):
    z1 = X @ W1 + b1
    a1 = 1 / (1 + np.exp(-z1))
    z2 = a1 @ W2 + b2
    a2 = 1 / (1 + np.exp(-z2))
    d2 = (a2 - y) * a2 * (1 - a2)
    dW2 = a1.T @ d2
    db2 = d2.sum(axis=0)
    d1 = d2 @ W2.T * z1 * (1 - z1)
    dW1 = X.T @ d1
    db1 = d1.sum(axis=0)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
"""


@pytest.mark.parametrize(("name", "language"), [("README.md", "en"), ("README.zh-CN.md", "zh")])
def test_the_graded_line_is_what_is_printed(name: str, language: str, tmp_path: Path) -> None:
    _, graded = blocks(name, "text")
    answer = tmp_path / "answer.py"
    answer.write_text(ANSWER)
    arguments = ["grade", f"{answer}:backward", "--against", "gallery:two_layer_rows", "--lang", language]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert graded in result.stdout


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_training_snippet_runs(name: str) -> None:
    first, _, second, *_ = blocks(name, "python")
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
