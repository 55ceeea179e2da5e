"""The output of a fit: scikit-learn's lines, or a progress bar on standard error."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sklearn import neural_network

from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.estimators.progress import Live

SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 4, "random_state": 0}
X = np.random.default_rng(0).normal(size=(40, 3))
y = np.where(X[:, 0] > 0, 1, 0)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def lines(estimator: Any) -> list[str]:
    with redirect_stdout(io.StringIO()) as out:
        estimator.fit(X, y)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("early_stopping", [False, True])
def test_verbose_writes_the_lines_of_scikit_learn(early_stopping: bool) -> None:
    settings = {**SETTINGS, "verbose": True, "early_stopping": early_stopping}
    ours, theirs = lines(MLPClassifier(**settings)), lines(neural_network.MLPClassifier(**settings))
    assert ours[: len(theirs)] == theirs
    assert ours[len(theirs) :] == ["MLPClassifier: all 4 epochs are done"]


def test_restarts_say_how_they_ended(capsys: pytest.CaptureFixture[str]) -> None:
    MLPRegressor(n_restarts=2, verbose=True, **SETTINGS).fit(X, y)
    written = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in written] == ["MLPRegressor, restart 1", "MLPRegressor, restart 2"]


def test_progress_is_on_standard_error_and_a_line_where_it_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    MLPRegressor(verbose="progress", **SETTINGS).fit(X, y)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["MLPRegressor: all 4 epochs are done"]


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_bar_shows_epochs_loss_score_and_time_left(width: int) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=width, color_system=None)
    with Live("MLPClassifier", 200, console) as live:
        live.show(1, 12.345678, 0.5)
        live.show(50, 0.123456, 0.98765)
        live._progress.refresh()
    text = written.getvalue()
    for part in ("MLPClassifier", "50/200", "loss 0.1235 score 0.9877", "left"):
        assert part in text
    last = text.replace("\r", "\n").splitlines()
    assert max(len(line) for line in last if "50/200" in line) <= width + 20
