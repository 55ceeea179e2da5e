"""The deciding score of a network, and the units of its loss."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from chainrule.cli.commands import app

ROWS = 900


def table(folder: Path, kind: str) -> Path:
    """A table of rare events that the features partly explain, or of amounts over several orders of magnitude."""
    random = np.random.default_rng(3)
    X = random.normal(size=(ROWS, 3))
    if kind == "rare":
        y = [
            "yes" if u < 1 / (1 + np.exp(3.2 - 1.6 * x)) else "no"
            for u, x in zip(random.random(ROWS), X[:, 0], strict=True)
        ]
    else:
        y = [f"{amount:.3f}" for amount in np.exp(7 + X[:, 0] + 0.2 * X[:, 1])]
    path = folder / f"{kind}.csv"
    rows = [",".join([*(f"{x:.4f}" for x in row), value]) for row, value in zip(X, y, strict=True)]
    path.write_text("\n".join(["a,b,c,t", *rows]) + "\n")
    return path


def run(path: Path, *options: str) -> Any:
    """Train; the scores are those of the rows held out, before a network would learn from all rows."""
    return CliRunner().invoke(app, ["train", str(path), "--target", "t", "--no-refit", *options])


def report(path: Path, *options: str) -> dict[str, Any]:
    result = run(path, "--json", "--epochs", "40", *options)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize(
    ("options", "deciding"),
    [
        ((), "log loss"),
        (("--loss", "focal"), "auc"),
        (("--class-weight", "balanced"), "balanced accuracy"),
    ],
)
def test_rare_classes_are_not_judged_by_accuracy(tmp_path: Path, options: tuple[str, ...], deciding: str) -> None:
    path = table(tmp_path, "rare")
    found = report(path, *options)
    assert next(iter(found["score"])) == deciding
    assert found["score"]["auc"] > 0.7
    assert found["importance"][0]["name"] == "a"
    assert found["importance"][0]["drop"] > 0.02
    text = run(path, "--epochs", "40", *options).output
    assert "may say nothing" not in text
    assert not re.search(r"0\.0 % +█", text)


def test_a_search_is_decided_by_what_the_report_says(tmp_path: Path) -> None:
    found = report(table(tmp_path, "rare"), "--hidden", "4", "--hidden", "none")
    assert {trial["scored_by"] for trial in found["search"]} == {"log loss"}
    kept = next(trial for trial in found["search"] if trial["kept"])
    assert kept["score"] == min(trial["score"] for trial in found["search"])


def test_losses_are_in_the_units_of_the_target(tmp_path: Path) -> None:
    found = report(table(tmp_path, "amount"), "--loss", "absolute")
    for who in ("score", "linear_score", "trivial_score", "train_score"):
        assert found[who]["loss"] == pytest.approx(found[who]["mae"], rel=1e-5)


def test_a_loss_that_is_not_in_the_units_of_the_target_says_so(tmp_path: Path) -> None:
    path = table(tmp_path, "amount")
    for loss, said in (("huber", True), ("absolute", False), ("squared", False)):
        text = run(path, "--epochs", "5", "--loss", loss).output
        assert ("The loss is that of the target divided by" in text) == said
        assert "of the target divided by" in text  # under the curve


def test_quantiles_are_scored_level_by_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(table(tmp_path, "amount").name)  # a long one takes a line of its own, of any length
    found = report(path, "--loss", "quantile(0.1, 0.9)", "--report", str(tmp_path / "page.html"))
    assert list(found["score"]) == ["loss", "coverage"]
    assert found["residuals"] is None
    low, high = found["quantiles"]
    assert low["level"] == 0.1
    assert low["below"] < 0.4 < high["below"]
    assert low["loss"] + high["loss"] == pytest.approx(found["score"]["loss"], rel=1e-4)
    assert "pinball loss" in (tmp_path / "page.html").read_text()
    text = run(path, "--epochs", "40", "--loss", "quantile(0.1, 0.5, 0.9)").output
    assert "are those of the median" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--loss", "(log(p) - log(y))^2"), "--output-activation exp"),
        (("--loss", "(sqrt(p) - sqrt(y))^2"), "--output-activation exp"),
        (("--activation", "z/0"), "the activation z/0 is finite for no input"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_formula_that_is_not_finite_is_not_blamed_on_the_rate(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    result = run(table(tmp_path, "amount"), "--epochs", "5", *options)
    assert result.exit_code == 2
    assert said in result.output
    assert "--learning-rate" not in result.output


@pytest.mark.filterwarnings("error")
def test_a_number_too_large_warns_of_nothing(tmp_path: Path) -> None:
    result = run(table(tmp_path, "amount"), "--loss", "abs(p - 1e300*y)")
    assert result.exit_code == 2
    assert "no longer finite" in result.output
