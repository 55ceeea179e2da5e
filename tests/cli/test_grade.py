from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]

ANSWER = """
import numpy as np

def right(X, y, W2, a1, a2):
    d2 = (a2 - y) * a2 * (1 - a2)
    d1 = (d2 @ W2.T) * a1 * (1 - a1)
    return {"W1": X.T @ d1, "b1": d1.sum(axis=0), "W2": a1.T @ d2, "b2": d2.sum(axis=0)}

def wrong(X, y, W2, a1, a2):
    d2 = (a2 - y) * a2 * (1 - a2)
    d1 = (d2 @ W2) * a1 * (1 - a1)
    return {"W1": X.T @ d1, "b1": d1.sum(axis=0), "W2": a1.T @ d2, "b2": d2.sum(axis=0)}

def endless(X, y):
    while True:
        X = X + 0

def nothing(X, y):
    d = X

def stranger(X, q1):
    return X + q1

def broken(X, y):
    return {"W1": nowhere(X)}

def text(X, y):
    return "dW1"

def infinite(X, y, W1):
    return {"W1": W1 / 0}

def words(X, y, W1):
    return {"W1": "d1"}

anonymous = lambda X, y: X
"""


@pytest.fixture
def answer(run: Run) -> str:
    Path("answer.py").write_text(ANSWER)
    return "answer.py"


def graded(run: Run, answer: str, name: str, *options: str) -> Result:
    return run("grade", f"{answer}:{name}", "--against", "gallery:two_layer_rows", *options)


def test_a_right_answer_ends_with_0(run: Run, answer: str) -> None:
    result = graded(run, answer, "right")
    assert result.exit_code == 0, result.output
    assert "d2 is ∂L/∂z2." in result.output
    assert "Right: the answer agrees with two_layer_rows" in result.output


def test_a_wrong_answer_ends_with_1_and_the_first_wrong_line(run: Run, answer: str) -> None:
    result = graded(run, answer, "wrong", "--json")
    assert result.exit_code == 1
    report = json.loads(result.output)
    assert report["first_wrong_line"] == 11
    (line,) = [line for line in report["lines"] if line["status"] == "wrong"]
    assert line["diagnosis"]["kind"] == "transposed"
    assert line["diagnosis"]["code"] == "d1 = d2 @ W2.T * a1 * (1 - a1)"
    assert report["gradients"] == {"W1": "wrong", "b1": "wrong", "W2": "right", "b2": "right"}


def test_lines_fit_the_page_and_speak_chinese(run: Run, answer: str) -> None:
    result = graded(run, answer, "wrong", "--lang", "zh")
    assert "第一处错误在第 11 行" in result.output
    assert "转置有误" in result.output


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("endless", "does this loop end?"),
        ("nothing", "returns no gradient and updates no parameter"),
        ("stranger", "takes 'q1'"),
        ("broken", "answer.py:25: NameError: name 'nowhere' is not defined"),
        ("text", "returns a str"),
        ("infinite", "W1 holds nan or inf"),
        ("words", "W1 is a str; give an array of numbers"),
        ("anonymous", "is not a plain function made with def"),
        ("missing", "has no function 'missing'"),
    ],
)
def test_an_answer_that_cannot_be_graded_ends_with_2(run: Run, answer: str, name: str, message: str) -> None:
    result = graded(run, answer, name)
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("top", "status", "message"),
    [
        ("np.allclose = np.array_equal = lambda *a, **k: True", 1, "Wrong"),
        ("import os; os._exit(0)", 2, "ended the process (status 0)"),
        ("while True: pass", 2, "did not finish within 0.5 s"),
    ],
)
def test_an_answer_of_a_stranger_ends_with_a_verdict_of_ours(run: Run, top: str, status: int, message: str) -> None:
    Path("stranger.py").write_text(ANSWER.replace("import numpy as np", f"import numpy as np\n{top}"))
    result = graded(run, "stranger.py", "wrong", "--time-limit", "0.5" if "0.5" in message else "60")
    assert result.exit_code == status
    assert message in result.output


def test_equations_do_not_compute_for_ever(run: Run) -> None:
    result = run("grade", "dw = 9^9^9^9 * w; dX = (2 + 7)^9^9^9 * X", "--against", "sum((X@w)^2)", "--wrt", "w")
    assert result.exit_code in (1, 2)
