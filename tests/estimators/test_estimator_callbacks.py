"""scikit-learn's callbacks: tasks begin and end in order, estimators can predict, training can be stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.estimators.callbacks import EpochTasks

SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 4, "random_state": 0}
X = np.random.default_rng(0).normal(size=(40, 3))
y = np.where(X[:, 0] > 0, 1, 0)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Recorder:
    """A callback that records its calls, and stops after an epoch."""

    def __init__(self, last: int | None = None) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.scores: list[float] = []
        self.curves: list[list[float]] = []
        self.last = last

    def setup(self, estimator: Any, context: Any) -> None:
        self.told.append(("setup",))

    def teardown(self, estimator: Any, context: Any) -> None:
        self.told.append(("teardown",))

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self.told.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(
        self,
        estimator: Any,
        context: Any,
        *,
        X: Any = None,
        y: Any = None,
        metadata: Any = None,
        fitted_estimator: Any = None,
    ) -> bool:
        self.told.append(("end", context.task_name, context.task_id))
        if fitted_estimator is not None:
            self.scores.append(fitted_estimator.score(X, y, **(metadata or {})))
            if context.task_name == "epoch":
                self.curves.append([*fitted_estimator.loss_curve_, fitted_estimator.loss_])
        return bool(context.task_name == "epoch" and context.task_id == self.last)


def whole(epochs: int) -> list[tuple[Any, ...]]:
    each = [(what, "epoch", k) for k in range(epochs) for what in ("begin", "end")]
    return [("setup",), ("begin", "fit", 0), *each, ("end", "fit", 0), ("teardown",)]


needs_callbacks = pytest.mark.skipif(
    EpochTasks.of(MLPClassifier(), 1, X, y, None) is None, reason="scikit-learn before 1.9 has no callbacks"
)


@needs_callbacks
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_each_epoch_is_a_task(solver: str) -> None:
    recorder = Recorder()
    model = MLPClassifier(solver=solver, **SETTINGS).set_callbacks(recorder).fit(X, y)
    assert recorder.told == whole(4)
    assert recorder.scores[-1] == model.score(X, y)
    curve = model.loss_curve_
    assert recorder.curves == [[*curve[: k + 1], curve[k]] for k in range(4)]
    plain = MLPClassifier(solver=solver, **SETTINGS).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])


@needs_callbacks
def test_a_fit_that_goes_on_shows_the_whole_curve() -> None:
    recorder = Recorder()
    model = MLPClassifier(warm_start=True, **SETTINGS).fit(X, y)
    before = list(model.loss_curve_)
    model.set_callbacks(recorder).fit(X, y)
    assert recorder.curves[0][:4] == before
    assert recorder.curves[-1][:-1] == model.loss_curve_


@needs_callbacks
def test_a_callback_stops_training(recwarn: pytest.WarningsRecorder) -> None:
    recorder = Recorder(last=1)
    model = MLPRegressor(**SETTINGS).set_callbacks(recorder).fit(X, y, sample_weight=np.ones(40))
    assert recorder.told == whole(2)
    assert model.n_iter_ == len(model.loss_curve_) == 2
    assert not len(recwarn)


@needs_callbacks
def test_an_early_end_ends_the_task_that_began() -> None:
    recorder = Recorder()
    settings = {**SETTINGS, "max_iter": 50, "tol": 10.0, "n_iter_no_change": 1}
    model = MLPRegressor(**settings).set_callbacks(recorder).fit(X, y)
    assert model.n_iter_ == 3
    begun = [told for told in recorder.told if told[0] == "begin"]
    assert len(begun) == len([told for told in recorder.told if told[0] == "end"])
    assert len(recorder.scores) == 4


@needs_callbacks
def test_callbacks_are_torn_down_after_an_error() -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="NaN"):
        MLPClassifier(**SETTINGS).set_callbacks(recorder).fit(np.where(X > 1, np.nan, X), y)
    assert recorder.told[-1] == ("teardown",)


@needs_callbacks
def test_a_pipeline_hands_its_callbacks_down(capsys: pytest.CaptureFixture[str]) -> None:
    from sklearn.callback import ProgressBar, ScoringMonitor

    make_pipeline(StandardScaler(), MLPClassifier(**SETTINGS)).set_callbacks(ProgressBar()).fit(X, y)
    assert "MLPClassifier" in capsys.readouterr().out
    monitor = ScoringMonitor(scoring="accuracy")
    model = MLPClassifier(n_restarts=2, **SETTINGS).set_callbacks(monitor).fit(X, y)
    assert monitor.get_logs().data[0]["accuracy"] == model.score(X, y)
