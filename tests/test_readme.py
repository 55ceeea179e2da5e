"""The READMEs show the actual output of the code."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from page_code import blocks_of
from sklearn.datasets import load_iris

from chainrule.cli import app

ROOT = Path(__file__).parent.parent


def blocks(name: str, language: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [block.code for block in blocks_of(text) if block.language == language]


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
    graded = blocks(name, "text")[1]
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


def test_the_table_is_trained_on_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = next(block for block in blocks("README.md", "sh") if block.startswith("chainrule train iris.csv"))
    shown = blocks("README.md", "text")[2]
    iris = load_iris(as_frame=True)
    frame = iris.data.assign(species=[str(iris.target_names[k]) for k in iris.target])
    frame.columns = ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"]
    frame.to_csv(tmp_path / "iris.csv", index=False)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, [*command.split()[1:], "--lang", "en"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "iris.model").exists()
    assert "</html>" in (tmp_path / "iris.html").read_text(encoding="utf-8")
    head, names, *rows = shown.splitlines()
    assert head in result.stdout
    assert names in result.stdout
    for row in rows:  # one row of 30 may differ with the processor's vectors
        name, accuracy = row[:26], float(row[26:35].rstrip("% "))
        found = next(line for line in result.stdout.splitlines() if line.startswith(name))
        assert float(found[26:35].rstrip("% ")) == pytest.approx(accuracy, abs=3.4)


def test_the_estimator_snippet_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = next(block for block in blocks("README.md", "python") if "chainrule.estimators" in block)
    X, y = load_iris(return_X_y=True)
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README", "exec"), {"X": X, "y": y})
    assert "∂L/∂W1" in printed.getvalue()
    assert (tmp_path / "model.onnx").exists()
