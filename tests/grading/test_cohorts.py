"""What a teacher asks of grades: hints, steps, and a class of answers in one table."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.published import LOSS, made

import chainrule as cr


def test_hints_and_steps_say_less(tmp_path: Path) -> None:
    loss = made(LOSS, "loss", tmp_path)
    unfinished = made(
        "def back(t, o, h):\n    do = o - t\n    d2 = do * o * (1 - o)\n    dw2 = d2 @ h.T\n", "back", tmp_path
    )
    steps = cr.grade(unfinished, loss, unfinished=True)
    assert steps.gradients == {"w1": "missing", "w2": "right"}
    assert steps.progress() == "Right so far: ∂L/∂o, ∂L/∂w2.\nNext: ∂L/∂h."
    begun = made(
        "def back(t, o, h, w2):\n    do = o - t\n    d2 = do * o * (1 - o)\n    dw2 = d2 @ h.T\n    dh = w2 @ d2\n",
        "back",
        tmp_path,
    )
    assert cr.grade(begun, loss, unfinished=True).progress().endswith("\nNext: ∂L/∂h. Line 12, dh, is not that yet.")
    nothing = made("def back(t, o, h):\n    dw2 = np.zeros((o.size, h.size))\n", "back", tmp_path)
    assert cr.grade(nothing, loss, unfinished=True).progress() == "No gradient is right so far.\nNext: ∂L/∂o."
    wrong = made("def back(t, o, h):\n    do = t - o\n    dw2 = do @ h.T\n    return {'w2': dw2}\n", "back", tmp_path)
    hint = cr.grade(wrong, loss, wrt="w2").hint()
    assert hint.startswith("Line ")
    assert "∂" not in hint


def test_a_folder_is_graded_into_one_table(tmp_path: Path) -> None:
    loss = made('def loss(X: "n d", y: "n", w: "d"):\n    return np.sum((X @ w - y) ** 2)\n', "loss", tmp_path)
    folder = tmp_path / "answers"
    folder.mkdir()
    for name, value in {"b": "X.T @ (X @ w - y)", "a": "2 * X.T @ (X @ w - y)", "c": "2 * X.T * (X @ w - y)"}.items():
        (folder / f"{name}.py").write_text(f"def back(X, y, w):\n    dw = {value}\n    return {{'w': dw}}\n")
    (folder / "d.py").write_text("def back(X):\n")
    (folder / "e.txt").write_text("dw = X' * (X * w - y)\n")
    found = cr.grade_folder(str(folder), loss)
    assert [(each.name, each.verdict("en")) for each in found.submissions] == [
        ("a", "right"),
        ("b", "wrong"),
        ("c", "wrong"),
        ("d", "no verdict"),
        ("e", "wrong"),
    ]
    assert found.mistakes("en")[0] == ("factor (∂L/∂w)", ["b", "e"])
    assert found.csv("en").splitlines()[2].startswith("b,wrong,,w,,2,")
    assert "<td>1 of 5" not in found.html("en")
    assert "1 of 5 answers are right" in found.html("en")
    assert "<td>no\N{NO-BREAK SPACE}verdict</td>" in found.html("en")
    assert found.text("en") == cr.grade_folder(str(folder), loss).text("en")


def test_mistakes_are_similar_by_what_the_quantity_is_and_not_by_its_name(tmp_path: Path) -> None:
    loss = made('def loss(X: "n d", y: "n", w: "d"):\n    return np.mean((X @ w - y) ** 2)\n', "loss", tmp_path)
    folder = tmp_path / "answers"
    folder.mkdir()
    scaled = {"a": ("r", "2 * X.T @ r / len(y)"), "b": ("err", "X.T @ err * 2 / len(y)")}
    for name, (own, value) in scaled.items():
        lines = f"    q_{own} = X @ w\n    {own} = q_{own} + y\n    g = {value}\n    return {{'w': g}}\n"
        (folder / f"{name}.py").write_text(f"def back(X, y, w):\n{lines}")
    assert cr.grade_folder(str(folder), loss).mistakes("en") == [("sign (X w − y)", ["a", "b"])]


def test_an_answer_that_is_no_file_of_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(cr.GradeError, match="has no answers"):
        cr.grade_folder(str(tmp_path), "sum(x^2)", x="n")
